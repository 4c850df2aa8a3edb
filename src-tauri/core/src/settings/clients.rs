//! What is set for single clients: the program to start, and further homes to watch.

use super::keys::{Key, Kind, Preset, paths};
use crate::chats::Client;

/// The program of a client.
macro_rules! command {
    ($client:expr, $name:literal, $title:literal, $default:literal) => {
        Key {
            name: concat!("clients.", $name, ".command"),
            about: concat!("The program to start for ", $title, ". Empty: ", $default, "."),
            default: Preset::Text(""),
            kind: Kind::Text(|s, text| s.of_mut($client).command = text),
        }
    };
}

/// The homes of a client; those of Claude Code are `watch.homes`.
macro_rules! homes {
    ($client:expr, $name:literal, $folders:literal) => {
        Key {
            name: concat!("clients.", $name, ".homes"),
            about: concat!($folders, " to watch beside the ones found."),
            default: Preset::Texts(&[]),
            kind: Kind::Texts(|s, list| s.of_mut($client).homes = paths(list)),
        }
    };
}

pub const KEYS: &[Key] = &[
    command!(Client::ClaudeCode, "claude-code", "Claude Code", "the one that died, else the one on PATH"),
    command!(Client::Codex, "codex", "Codex", "the one that died, else the one on PATH"),
    homes!(Client::Codex, "codex", "Codex folders (such as \"~/.codex\")"),
    command!(Client::Gemini, "gemini", "Gemini CLI", "the one that died, else the one on PATH"),
    homes!(Client::Gemini, "gemini", "Gemini folders (such as \"~/.gemini\")"),
    command!(Client::Opencode, "opencode", "opencode", "the one that died, else the one on PATH"),
    homes!(Client::Opencode, "opencode", "opencode data folders (such as \"~/.local/share/opencode\")"),
    command!(Client::ClaudeDesktop, "claude-desktop", "Claude Desktop", "the one that was installed"),
    homes!(
        Client::ClaudeDesktop,
        "claude-desktop",
        "Claude Desktop data folders (such as \"~/.config/Claude\")"
    ),
];
