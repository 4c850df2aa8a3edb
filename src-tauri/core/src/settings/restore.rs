//! How a chat is brought back.

use std::time::Duration;

use super::keys::{Key, Kind, Preset};
use crate::restore::OrphanPolicy;

pub const KEYS: &[Key] = &[
    Key {
        name: "restore.window_count",
        about: "Restores of one chat that may begin within the window, 1 to 20.",
        default: Preset::Whole(3),
        kind: Kind::Whole {
            min: 1,
            max: 20,
            set: |s, n| s.restore_window.count = usize::try_from(n).unwrap_or(s.restore_window.count),
        },
    },
    Key {
        name: "restore.window_seconds",
        about: "Length of that window, 10 to 86400 s.",
        default: Preset::Whole(300),
        kind: Kind::Whole {
            min: 10,
            max: 86_400,
            set: |s, n| s.restore_window.span = Duration::from_secs(n),
        },
    },
    Key {
        name: "restore.start_timeout_seconds",
        about: "How long a client may take to show a restored chat, 2 to 600 s.",
        default: Preset::Whole(60),
        kind: Kind::Whole { min: 2, max: 600, set: |s, n| s.restore_start_timeout = Duration::from_secs(n) },
    },
    Key {
        name: "restore.orphans",
        about: "Tool children that outlived a dead client: \"end\" them before the restore, or \"refuse\" to restore.",
        default: Preset::OneOf("end"),
        kind: Kind::OneOf(&["end", "refuse"], |s, choice| {
            s.restore_orphans = if choice == 0 { OrphanPolicy::End } else { OrphanPolicy::Refuse };
        }),
    },
    Key {
        name: "terminal.command",
        about: "Terminal to restore in, program and arguments; \"{command}\" is the client's command line, \"{cwd}\" its directory. None: find one.",
        default: Preset::Texts(&[]),
        kind: Kind::Texts(|s, list| s.terminal_command = list),
    },
];
