//! What is watched, and where SHIM listens.

use std::time::Duration;

use super::keys::{Key, Kind, Preset, paths};
use crate::chats::Client;

pub const KEYS: &[Key] = &[
    Key {
        name: "api.port",
        about: "Port of the loopback listener; another free one is taken when it is in use.",
        default: Preset::Whole(47_615),
        kind: Kind::Whole {
            min: 1024,
            max: 65_535,
            set: |s, n| s.api_port = u16::try_from(n).unwrap_or(s.api_port),
        },
    },
    Key {
        name: "watch.homes",
        about: "Claude Code folders (such as \"~/.claude\") to watch beside the ones found.",
        default: Preset::Texts(&[]),
        kind: Kind::Texts(|s, list| s.of_mut(Client::ClaudeCode).homes = paths(list)),
    },
    Key {
        name: "watch.within",
        about: "Watch only what lies below one of these folders; [] means anywhere.",
        default: Preset::Texts(&[]),
        kind: Kind::Texts(|s, list| s.watch_within = paths(list)),
    },
    Key {
        name: "watch.discover",
        about: "Find further homes from the environment of running clients of yours.",
        default: Preset::Switch(true),
        kind: Kind::Switch(|s, on| s.watch_discover = on),
    },
    Key {
        name: "watch.sweep_seconds",
        about: "Seconds between slow sweeps behind the file events, 1 to 300.",
        default: Preset::Whole(10),
        kind: Kind::Whole { min: 1, max: 300, set: |s, n| s.watch_sweep = Duration::from_secs(n) },
    },
];
