//! When checkpoints are taken, and what is kept of the working tree with them.

use std::time::Duration;

use super::{
    DAY, Settings,
    keys::{Key, Kind, Preset},
};
use crate::checkpoints::risky::{self, Pattern};

const MIB: u64 = 1024 * 1024;

fn seconds(slot: fn(&mut Settings) -> &mut Duration) -> impl Fn(&mut Settings, u64) {
    move |settings, n| *slot(settings) = Duration::from_secs(n)
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

pub const KEYS: &[Key] = &[
    Key {
        name: "checkpoints.calls",
        about: "Tool calls after which a checkpoint is taken, 0 (never) to 1000.",
        default: Preset::Whole(8),
        kind: Kind::Whole { min: 0, max: 1000, set: |s, n| s.checkpoints.calls = n },
    },
    Key {
        name: "checkpoints.minutes",
        about: "Minutes after a change after which one is taken, 0 (never) to 1440.",
        default: Preset::Whole(10),
        kind: Kind::Whole {
            min: 0,
            max: 1440,
            set: |s, n| s.checkpoints.interval = Duration::from_secs(n * 60),
        },
    },
    Key {
        name: "checkpoints.gap_high_seconds",
        about: "Least seconds between two for what cannot wait (a risky call, danger of a crash, a compaction, an update), 0 to 600.",
        default: Preset::Whole(1),
        kind: Kind::Whole { min: 0, max: 600, set: |s, n| seconds(|s| &mut s.checkpoints.gap_high)(s, n) },
    },
    Key {
        name: "checkpoints.gap_middle_seconds",
        about: "Least seconds between two for turns, milestones, warnings and the end of a session, 0 to 3600.",
        default: Preset::Whole(2),
        kind: Kind::Whole { min: 0, max: 3600, set: |s, n| seconds(|s| &mut s.checkpoints.gap_middle)(s, n) },
    },
    Key {
        name: "checkpoints.gap_low_seconds",
        about: "Least seconds between two for tool calls, passed time and the start of a session, 0 to 3600.",
        default: Preset::Whole(30),
        kind: Kind::Whole { min: 0, max: 3600, set: |s, n| seconds(|s| &mut s.checkpoints.gap_low)(s, n) },
    },
    Key {
        name: "checkpoints.risky",
        about: "Tool calls that have one taken when they begin: words of a command, such as \"git reset --hard\", or \"tool:NAME\" with one * at its end. None is for no such call.",
        default: Preset::Texts(&risky::DEFAULT),
        kind: Kind::Texts(|s, list| {
            s.checkpoints.risky = list.iter().filter_map(|text| Pattern::read(text)).collect();
        }),
    },
    Key {
        name: "checkpoints.kept",
        about: "Most checkpoints kept of one chat, 20 to 10000; routine ones go first.",
        default: Preset::Whole(500),
        kind: Kind::Whole { min: 20, max: 10_000, set: |s, n| s.checkpoints.kept_max = count(n) },
    },
    Key {
        name: "checkpoints.snapshot",
        about: "What is kept of the working tree: \"git\", a commit under refs/shim/ in the chat's repository (elsewhere a list of the files its tools wrote, with hashes), or \"off\".",
        default: Preset::OneOf("git"),
        kind: Kind::OneOf(&["git", "off"], |s, choice| s.checkpoints.snapshot.on = choice == 0),
    },
    Key {
        name: "checkpoints.snapshot_gap_seconds",
        about: "Least seconds between two snapshots of one chat, but for yours and crashes, 0 to 86400.",
        default: Preset::Whole(30),
        kind: Kind::Whole {
            min: 0,
            max: 86_400,
            set: |s, n| seconds(|s| &mut s.checkpoints.snapshot.gap)(s, n),
        },
    },
    Key {
        name: "checkpoints.snapshot_seconds",
        about: "Longest that a snapshot may take before it is broken off, 1 to 600 s.",
        default: Preset::Whole(20),
        kind: Kind::Whole {
            min: 1,
            max: 600,
            set: |s, n| seconds(|s| &mut s.checkpoints.snapshot.time_max)(s, n),
        },
    },
    Key {
        name: "checkpoints.file_mib",
        about: "Larger files are left out of snapshots and named, 1 to 1024 MiB.",
        default: Preset::Whole(10),
        kind: Kind::Whole { min: 1, max: 1024, set: |s, n| s.checkpoints.snapshot.file_bytes_max = n * MIB },
    },
    Key {
        name: "checkpoints.snapshot_mib",
        about: "Most that may differ from git's index in one snapshot, 1 to 10240 MiB.",
        default: Preset::Whole(200),
        kind: Kind::Whole { min: 1, max: 10_240, set: |s, n| s.checkpoints.snapshot.bytes_max = n * MIB },
    },
    Key {
        name: "checkpoints.snapshots_kept",
        about: "Most snapshots kept of one chat, 1 to 1000; yours, crashes' and milestones' stay longest.",
        default: Preset::Whole(20),
        kind: Kind::Whole { min: 1, max: 1000, set: |s, n| s.checkpoints.snapshot.kept_max = count(n) },
    },
    Key {
        name: "checkpoints.snapshot_days",
        about: "Days a snapshot is kept, 1 to 3650.",
        default: Preset::Whole(14),
        kind: Kind::Whole {
            min: 1,
            max: 3650,
            set: |s, n| seconds(|s| &mut s.checkpoints.snapshot.keep)(s, n * DAY),
        },
    },
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::MIB;
    use crate::{
        checkpoints::{pace::Pace, risky::Pattern, snapshots::SnapshotPace},
        settings::parse,
    };

    #[test]
    fn each_key_reaches_its_own_place() {
        let text = r#"
            [checkpoints]
            calls = 1
            minutes = 2
            gap_high_seconds = 3
            gap_middle_seconds = 4
            gap_low_seconds = 5
            risky = ["make clean", "tool:x*", " "]
            kept = 21
            snapshot = "off"
            snapshot_gap_seconds = 6
            snapshot_seconds = 7
            file_mib = 8
            snapshot_mib = 9
            snapshots_kept = 10
            snapshot_days = 11
        "#;
        let expected = Pace {
            calls: 1,
            interval: Duration::from_secs(120),
            gap_high: Duration::from_secs(3),
            gap_middle: Duration::from_secs(4),
            gap_low: Duration::from_secs(5),
            risky: ["make clean", "tool:x*"].into_iter().filter_map(Pattern::read).collect(),
            kept_max: 21,
            snapshot: SnapshotPace {
                on: false,
                gap: Duration::from_secs(6),
                file_bytes_max: 8 * MIB,
                bytes_max: 9 * MIB,
                time_max: Duration::from_secs(7),
                kept_max: 10,
                keep: Duration::from_secs(11 * 24 * 60 * 60),
            },
        };
        assert_eq!(parse(text).unwrap().settings.checkpoints, expected);
    }
}
