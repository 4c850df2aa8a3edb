//! Where each client keeps the settings that name its hooks and MCP servers, found as the client finds it.

use std::path::{Path, PathBuf};

use shim_core::{chats::Client, install::Part};

use crate::clients::{USER_HOME, claude_desktop, own_home, own_variable, port};

/// Of one client: its file, or why it has none.
pub struct Place {
    pub client: Client,
    pub file: Result<PathBuf, &'static str>,
}

const NOT_HERE: &str = "not found on this machine";

pub fn of(client: Client, part: Part) -> Vec<Place> {
    let place = |file| Place { client, file };
    let none = |why| vec![place(Err(why))];
    match (client, part) {
        (Client::Opencode, Part::Hooks) => {
            return none(
                "opencode has no hooks that run a program: SHIM learns of its chats from its database",
            );
        }
        (Client::ClaudeDesktop, Part::Hooks) => {
            return none("Claude Desktop has no hooks; chats of its Code tab run those of Claude Code");
        }
        _ => {}
    }
    if client == Client::ClaudeDesktop {
        let folders: Vec<_> = claude_desktop::data_folders(&own_variable)
            .into_iter()
            .filter(|folder| folder.is_dir())
            .collect();
        let file = |folder: PathBuf| place(Ok(folder.join("claude_desktop_config.json")));
        return if folders.is_empty() { none(NOT_HERE) } else { folders.into_iter().map(file).collect() };
    }
    match folder(client).filter(|folder| folder.is_dir() || which::which(port(client).program_name()).is_ok())
    {
        Some(folder) => vec![place(Ok(file_in(&folder, client, part)))],
        None => none(NOT_HERE),
    }
}

/// The parts that stand in one file with this one.
pub fn parts_in_file_of(client: Client, part: Part) -> Vec<Part> {
    match client {
        Client::Gemini => Part::ALL.to_vec(),
        Client::ClaudeCode | Client::Codex | Client::Opencode | Client::ClaudeDesktop => vec![part],
    }
}

/// The folder of a client's settings: the one of its chats, but for opencode.
fn folder(client: Client) -> Option<PathBuf> {
    if client == Client::Opencode {
        let config =
            own_variable("XDG_CONFIG_HOME").or_else(|| Some(own_variable(USER_HOME)?.join(".config")));
        return Some(config?.join("opencode"));
    }
    own_home(port(client))
}

fn file_in(folder: &Path, client: Client, part: Part) -> PathBuf {
    match (client, part) {
        (Client::ClaudeCode, Part::Mcp) if own_variable("CLAUDE_CONFIG_DIR").is_none() => {
            folder.with_file_name(".claude.json")
        }
        (Client::ClaudeCode, Part::Mcp) => folder.join(".claude.json"),
        (Client::Codex, Part::Hooks) => folder.join("hooks.json"),
        (Client::Codex, Part::Mcp) => folder.join("config.toml"),
        (Client::Opencode, _) => opencode_file(folder),
        (Client::ClaudeCode | Client::Gemini | Client::ClaudeDesktop, _) => folder.join("settings.json"),
    }
}

/// opencode reads all of these, the later over the earlier.
fn opencode_file(folder: &Path) -> PathBuf {
    if let Some(named) = own_variable("OPENCODE_CONFIG") {
        return named;
    }
    let files = ["opencode.jsonc", "opencode.json"].map(|name| folder.join(name));
    files.iter().find(|file| file.exists()).cloned().unwrap_or_else(|| folder.join("opencode.json"))
}
