//! What is kept of a chat, how soon and how long.

use std::time::Duration;

use super::{
    DAY,
    keys::{Key, Kind, Preset},
};

pub const KEYS: &[Key] = &[
    Key {
        name: "journal.commit_ms",
        about: "Longest time appended bytes are gathered before they are made durable, 1 to 200 ms.",
        default: Preset::Whole(30),
        kind: Kind::Whole { min: 1, max: 200, set: |s, n| s.journal_commit = Duration::from_millis(n) },
    },
    Key {
        name: "journal.max_mib",
        about: "Largest size of the journal on disk, 64 to 1048576 MiB; the oldest chats without a process go first.",
        default: Preset::Whole(10_240),
        kind: Kind::Whole { min: 64, max: 1_048_576, set: |s, n| s.journal_bytes_max = n * 1024 * 1024 },
    },
    Key {
        name: "journal.keep_days",
        about: "Days a chat is kept after its last activity, 1 to 36500.",
        default: Preset::Whole(365),
        kind: Kind::Whole { min: 1, max: 36_500, set: |s, n| s.journal_keep = Duration::from_secs(n * DAY) },
    },
];
