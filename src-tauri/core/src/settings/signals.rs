//! How often processes are read, how long signals are kept, and where the zones of risk begin.

use std::time::Duration;

use super::{
    DAY,
    keys::{Key, Kind},
};

pub const KEYS: &[Key] = &[
    Key {
        name: "signals.sample_seconds",
        about: "Seconds between two readings of the live chats' processes and of the machine, 1 to 60. Default 5.",
        kind: Kind::Whole { min: 1, max: 60, set: |s, n| s.signals_sample = Duration::from_secs(n) },
    },
    Key {
        name: "signals.keep_days",
        about: "Days that the history of signals is kept, 1 to 365; at most 3000 rows a chat and 200000 in all. Default 90.",
        kind: Kind::Whole { min: 1, max: 365, set: |s, n| s.signals_keep = Duration::from_secs(n * DAY) },
    },
    Key {
        name: "risk.warning.context_percent",
        about: "Share of the model's context used from which on it is a warning, 1 to 100 %. Default 60.",
        kind: Kind::Whole { min: 1, max: 100, set: |s, n| s.zones.warning.context_percent = n },
    },
    Key {
        name: "risk.warning.messages",
        about: "The same for messages since the client was started, 1 to 100000. Default 35.",
        kind: Kind::Whole { min: 1, max: 100_000, set: |s, n| s.zones.warning.messages = n },
    },
    Key {
        name: "risk.warning.minutes",
        about: "The same for the client's age, 1 to 100000 min. Default 60.",
        kind: Kind::Whole { min: 1, max: 100_000, set: |s, n| s.zones.warning.minutes = n },
    },
    Key {
        name: "risk.warning.calls",
        about: "The same for tool calls since the last checkpoint, 1 to 10000. Default 10.",
        kind: Kind::Whole { min: 1, max: 10_000, set: |s, n| s.zones.warning.calls = n },
    },
    Key {
        name: "risk.warning.failures_percent",
        about: "The same for failed ones of the last fifty tool calls, once there were ten, 1 to 100 %. Default 15.",
        kind: Kind::Whole { min: 1, max: 100, set: |s, n| s.zones.warning.failures_percent = n },
    },
    Key {
        name: "risk.danger.context_percent",
        about: "Share of the model's context used from which on it is a danger, 1 to 100 %. Default 75.",
        kind: Kind::Whole { min: 1, max: 100, set: |s, n| s.zones.danger.context_percent = n },
    },
    Key {
        name: "risk.danger.messages",
        about: "The same for messages since the client was started, 1 to 100000. Default 50.",
        kind: Kind::Whole { min: 1, max: 100_000, set: |s, n| s.zones.danger.messages = n },
    },
    Key {
        name: "risk.danger.minutes",
        about: "The same for the client's age, 1 to 100000 min. Default 90.",
        kind: Kind::Whole { min: 1, max: 100_000, set: |s, n| s.zones.danger.minutes = n },
    },
    Key {
        name: "risk.danger.calls",
        about: "The same for tool calls since the last checkpoint, 1 to 10000. Default 15.",
        kind: Kind::Whole { min: 1, max: 10_000, set: |s, n| s.zones.danger.calls = n },
    },
    Key {
        name: "risk.danger.failures_percent",
        about: "The same for failed ones of the last fifty tool calls, once there were ten, 1 to 100 %. Default 20.",
        kind: Kind::Whole { min: 1, max: 100, set: |s, n| s.zones.danger.failures_percent = n },
    },
];
