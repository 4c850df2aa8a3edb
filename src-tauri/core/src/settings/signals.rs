//! How often processes are read, how long signals are kept, and where the zones of risk begin.

use std::time::Duration;

use super::{
    DAY,
    keys::{Key, Kind, Preset},
};

pub const KEYS: &[Key] = &[
    Key {
        name: "signals.sample_seconds",
        about: "Seconds between two readings of the live chats' processes and of the machine, 1 to 60.",
        default: Preset::Whole(5),
        kind: Kind::Whole { min: 1, max: 60, set: |s, n| s.hang.apart = Duration::from_secs(n) },
    },
    Key {
        name: "signals.keep_days",
        about: "Days that the history of signals is kept, 1 to 365; at most 3000 rows a chat and 200000 in all.",
        default: Preset::Whole(90),
        kind: Kind::Whole { min: 1, max: 365, set: |s, n| s.signals_keep = Duration::from_secs(n * DAY) },
    },
];

/// The limits of one zone.
macro_rules! zone {
    ($zone:ident, $context:literal, $messages:literal, $minutes:literal, $calls:literal, $failures:literal) => {
        &[
            limit!($zone, context_percent, 100, "Percent of the model's context used", $context),
            limit!($zone, messages, 100_000, "Messages since the client was started", $messages),
            limit!($zone, minutes, 100_000, "Minutes since the client was started", $minutes),
            limit!($zone, calls, 10_000, "Tool calls since the last checkpoint", $calls),
            limit!(
                $zone,
                failures_percent,
                100,
                "Percent of the last fifty tool calls that failed, once there were ten",
                $failures
            ),
        ]
    };
}

macro_rules! limit {
    ($zone:ident, $name:ident, $max:literal, $of:literal, $default:literal) => {
        Key {
            name: concat!("risk.", stringify!($zone), ".", stringify!($name)),
            about: concat!($of, ", from which on it is a ", stringify!($zone), ", 1 to ", $max, "."),
            default: Preset::Whole($default),
            kind: Kind::Whole { min: 1, max: $max, set: |s, n| s.zones.$zone.$name = n },
        }
    };
}

pub const WARNING: &[Key] = zone!(warning, 60, 35, 60, 10, 15);
pub const DANGER: &[Key] = zone!(danger, 75, 50, 90, 15, 20);
