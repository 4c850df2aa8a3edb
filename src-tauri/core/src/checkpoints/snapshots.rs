//! When a checkpoint's workspace is kept too, and what is told of what was kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Trigger, pace::Priority};
use crate::time::Timestamp;

/// After a failure so many gaps pass before the next try: what takes too long once does so again.
const GAPS_AFTER_FAILURE: u32 = 20;

/// What is set for snapshots of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPace {
    pub on: bool,
    /// Least time between two of one chat, unless the user asked or it crashed.
    pub gap: Duration,
    /// Larger files are left out, in bytes.
    pub file_bytes_max: u64,
    /// What may be new in one, in bytes.
    pub bytes_max: u64,
    /// Longest that one may take.
    pub time_max: Duration,
    /// Most that are kept of one chat.
    pub kept_max: usize,
    /// How long one is kept.
    pub keep: Duration,
}

impl Default for SnapshotPace {
    fn default() -> Self {
        Self {
            on: true,
            gap: Duration::from_secs(30),
            file_bytes_max: 10 * 1024 * 1024,
            bytes_max: 200 * 1024 * 1024,
            time_max: Duration::from_secs(20),
            kept_max: 20,
            keep: Duration::from_secs(14 * 24 * 60 * 60),
        }
    }
}

/// The last snapshot of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    pub at: Timestamp,
    pub failed: bool,
}

impl SnapshotPace {
    /// Whether the workspace is kept with a checkpoint of this reason. `live` says that a process stands behind the
    /// chat: what an index of old transcripts finds has no workspace to show.
    pub fn is_due(&self, trigger: Trigger, live: bool, last: Option<Last>, now: Timestamp) -> bool {
        if !self.on {
            return false;
        }
        if trigger.priority() == Priority::Always {
            return true;
        }
        let gap = match last {
            Some(Last { failed: true, .. }) => self.gap.saturating_mul(GAPS_AFTER_FAILURE),
            Some(Last { failed: false, .. }) | None => self.gap,
        };
        let live = live || trigger == Trigger::SessionEnd;
        // A clock that was set back counts from now on.
        live && last.is_none_or(|last| now < last.at || now.since(last.at) >= gap)
    }
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum SnapshotState {
    /// Under way.
    Begun,
    /// A commit of the repository holds it.
    Kept,
    /// No repository could hold it: the files that the chat's tools wrote are listed with their hashes.
    Listed,
    Failed,
    /// It was kept, and has made room since.
    Expired,
}

impl SnapshotState {
    pub const ALL: [Self; 5] = [Self::Begun, Self::Kept, Self::Listed, Self::Failed, Self::Expired];

    pub fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Kept => "kept",
            Self::Listed => "listed",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum WhyLeftOut {
    /// Larger than `checkpoints.file_mib`.
    TooLarge,
    /// A repository inside the repository: only which commit it stands at is kept.
    Submodule,
    /// A repository inside the repository that is no submodule.
    Repository,
    Unreadable,
    /// A pipe, a socket, a device.
    NoFile,
}

/// What a snapshot does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct LeftOut {
    /// From the top of the repository.
    pub path: String,
    pub why: WhyLeftOut,
    pub bytes: u64,
}

/// A file that the chat's tools wrote, where no repository holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Listed {
    pub path: String,
    /// Null: it was not there.
    pub bytes: Option<u64>,
    /// In hexadecimal; null where it was not there, too large or no ordinary file.
    pub sha256: Option<String>,
}

/// The private reference that keeps a snapshot's commit from being collected.
pub fn reference(session_id: &str, number: i64) -> String {
    /// Characters of a chat's id; enough to tell chats apart for a person, and the number does the rest.
    const ID_CHARS: usize = 12;
    let plain = session_id.chars().filter(char::is_ascii_alphanumeric).take(ID_CHARS).collect::<String>();
    format!("{REFERENCES}{}/{number}", if plain.is_empty() { "chat" } else { &plain })
}

/// Where SHIM's references lie.
pub const REFERENCES: &str = "refs/shim/";

#[cfg(test)]
mod tests {
    use super::{Last, SnapshotPace, reference};
    use crate::{checkpoints::Trigger, time::Timestamp};

    #[test]
    fn the_gap_holds_for_all_but_the_user_and_crashes() {
        let (pace, at) = (SnapshotPace::default(), |s: i64| Timestamp::from_ms(s * 1000));
        let last = |s: i64, failed| Some(Last { at: at(s), failed });
        for (trigger, live, last, now, due) in [
            (Trigger::Turn, true, None, 0, true),
            (Trigger::Turn, false, None, 0, false),
            (Trigger::SessionEnd, false, None, 0, true),
            (Trigger::Crash, false, last(100, true), 100, true),
            (Trigger::User, true, last(100, false), 101, true),
            (Trigger::Turn, true, last(100, false), 129, false),
            (Trigger::Turn, true, last(100, false), 130, true),
            (Trigger::Turn, true, last(100, true), 130, false),
            (Trigger::Turn, true, last(100, true), 701, true),
            (Trigger::Turn, true, last(100, false), 7, true),
        ] {
            assert_eq!(pace.is_due(trigger, live, last, at(now)), due, "{trigger:?} {last:?} {now}");
        }
        let off = SnapshotPace { on: false, ..pace };
        assert!(!off.is_due(Trigger::User, true, None, at(0)));
    }

    #[test]
    fn a_reference_is_one_git_takes_whatever_the_chat_is_called() {
        assert_eq!(reference("22222222-3333-4444", 7), "refs/shim/222222223333/7");
        assert_eq!(reference("ses_../..\n~^:?*[\\ä.lock", 8), "refs/shim/seslock/8");
        assert_eq!(reference("..", 9), "refs/shim/chat/9");
    }
}
