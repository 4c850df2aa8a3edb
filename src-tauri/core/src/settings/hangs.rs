//! From when on a live chat is held to hang, to run out of memory, or to wait too long for its user.

use std::time::Duration;

use super::keys::{Key, Kind, Preset};

pub const KEYS: &[Key] = &[
    Key {
        name: "hang.spin_seconds",
        about: "Seconds at full speed without anything written, after which a chat hangs, 10 to 86400.",
        default: Preset::Whole(300),
        kind: Kind::Whole { min: 10, max: 86_400, set: |s, n| s.hang.spin = Duration::from_secs(n) },
    },
    Key {
        name: "hang.silent_seconds",
        about: "Seconds without anything written, received or run in the middle of a turn, after which a chat hangs, 10 to 86400.",
        default: Preset::Whole(900),
        kind: Kind::Whole { min: 10, max: 86_400, set: |s, n| s.hang.silent = Duration::from_secs(n) },
    },
    Key {
        name: "hang.stopped_seconds",
        about: "Seconds after which a process that was stopped by a signal, and not by its terminal, hangs, 5 to 86400.",
        default: Preset::Whole(60),
        kind: Kind::Whole { min: 5, max: 86_400, set: |s, n| s.hang.stopped = Duration::from_secs(n) },
    },
    Key {
        name: "hang.cpu_percent",
        about: "Share of one processor core that is full speed, 50 to 100 %.",
        default: Preset::Whole(90),
        kind: Kind::Whole {
            min: 50,
            max: 100,
            set: |s, n| {
                s.hang.cpu_share = u32::try_from(n).map_or(s.hang.cpu_share, |n| f64::from(n) / 100.0)
            },
        },
    },
    Key {
        name: "hang.after_wake_seconds",
        about: "Seconds after the machine slept in which nothing is held to hang, 0 to 3600.",
        default: Preset::Whole(120),
        kind: Kind::Whole { min: 0, max: 3600, set: |s, n| s.hang.after_wake = Duration::from_secs(n) },
    },
    Key {
        name: "hang.readings",
        about: "Readings in a row, `signals.sample_seconds` apart, that must say that a chat hangs, 2 to 100.",
        default: Preset::Whole(6),
        kind: Kind::Whole {
            min: 2,
            max: 100,
            set: |s, n| s.hang.readings = u32::try_from(n).unwrap_or(s.hang.readings),
        },
    },
    Key {
        name: "memory.warn_minutes",
        about: "Minutes ahead at which memory that runs out is told, 5 to 240.",
        default: Preset::Whole(30),
        kind: Kind::Whole { min: 5, max: 240, set: |s, n| s.memory.warn = Duration::from_secs(n * 60) },
    },
    Key {
        name: "memory.rest_minutes",
        about: "Minutes between two words about the same memory, 1 to 1440.",
        default: Preset::Whole(30),
        kind: Kind::Whole { min: 1, max: 1440, set: |s, n| s.memory.rest = Duration::from_secs(n * 60) },
    },
    Key {
        name: "prompt.notice_minutes",
        about: "Minutes after which a prompt that nobody answers is told, 1 to 1440.",
        default: Preset::Whole(10),
        kind: Kind::Whole { min: 1, max: 1440, set: |s, n| s.prompt_notice = Duration::from_secs(n * 60) },
    },
];
