//! What SHIM may do by itself, how it ends what hangs, and how it brings many chats back.

use std::time::Duration;

use super::keys::{Key, Kind, Preset};
use crate::{policy::Auto, restore::Then};

const MIB: u64 = 1024 * 1024;

pub const KEYS: &[Key] = &[
    Key {
        name: "policy.auto_restore",
        about: "Restore a chat that died or hangs without being asked: \"off\", or \"once\"; a second crash soon after asks.",
        default: Preset::OneOf("off"),
        kind: Kind::OneOf(&["off", "once"], |s, choice| {
            s.policy.auto = if choice == 0 { Auto::Off } else { Auto::Once };
        }),
    },
    Key {
        name: "policy.hung",
        about: "A client that hangs, where chats are restored without being asked: \"restore\" ends it for that, \"ask\" leaves it.",
        default: Preset::OneOf("restore"),
        kind: Kind::OneOf(&["restore", "ask"], |s, choice| s.policy.end_hung = choice == 0),
    },
    Key {
        name: "policy.dry_run",
        about: "Only say what would be done without being asked.",
        default: Preset::Switch(false),
        kind: Kind::Switch(|s, on| s.policy.dry_run = on),
    },
    Key {
        name: "policy.then",
        about: "What a chat does that was restored without being asked: \"idle\" waits for you, \"continue\" goes on with the turn that was cut.",
        default: Preset::OneOf("idle"),
        kind: Kind::OneOf(&["idle", "continue"], |s, choice| {
            s.policy.then = if choice == 0 { Then::Idle } else { Then::Continue };
        }),
    },
    Key {
        name: "policy.delay_seconds",
        about: "From a death to its automatic restore, 0 to 600 s.",
        default: Preset::Whole(3),
        kind: Kind::Whole { min: 0, max: 600, set: |s, n| s.policy.delay = Duration::from_secs(n) },
    },
    Key {
        name: "policy.apart_seconds",
        about: "Between two automatic restores of whatever chats, 1 to 3600 s.",
        default: Preset::Whole(60),
        kind: Kind::Whole { min: 1, max: 3600, set: |s, n| s.policy.apart = Duration::from_secs(n) },
    },
    Key {
        name: "policy.stable_seconds",
        about: "A chat that crashes again sooner than this is not restored by itself, 10 to 86400 s; doubled with each automatic restore until it lives twice as long.",
        default: Preset::Whole(600),
        kind: Kind::Whole { min: 10, max: 86_400, set: |s, n| s.policy.stable = Duration::from_secs(n) },
    },
    Key {
        name: "policy.retry_seconds",
        about: "Before an automatic restore that was turned away is tried again, 5 to 600 s, doubled each time, 5 times.",
        default: Preset::Whole(30),
        kind: Kind::Whole { min: 5, max: 600, set: |s, n| s.policy.retry = Duration::from_secs(n) },
    },
    Key {
        name: "stop.grace_seconds",
        about: "How long a client that is ended on purpose, since it hangs or by `shim stop`, may take before it is ended by force, 1 to 120 s.",
        default: Preset::Whole(5),
        kind: Kind::Whole { min: 1, max: 120, set: |s, n| s.stop_grace = Duration::from_secs(n) },
    },
    Key {
        name: "fleet.at_once",
        about: "Chats that are started at the same time when many are brought back, 1 to 4.",
        default: Preset::Whole(2),
        kind: Kind::Whole {
            min: 1,
            max: 4,
            set: |s, n| s.fleet.at_once = usize::try_from(n).unwrap_or(s.fleet.at_once),
        },
    },
    Key {
        name: "fleet.reserve_mib",
        about: "Memory that stays free when many are brought back, 0 to 1048576 MiB.",
        default: Preset::Whole(512),
        kind: Kind::Whole { min: 0, max: 1_048_576, set: |s, n| s.fleet.reserve = n * MIB },
    },
    Key {
        name: "fleet.wait_seconds",
        about: "How long to wait for memory before the rest is given up, 1 to 86400 s.",
        default: Preset::Whole(600),
        kind: Kind::Whole { min: 1, max: 86_400, set: |s, n| s.fleet.wait = Duration::from_secs(n) },
    },
];
