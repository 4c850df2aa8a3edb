//! When a checkpoint is taken, which ones are kept, and the task state it carries.

pub mod pace;
pub mod planner;
pub mod risky;
pub mod snapshots;
pub mod thinning;
pub mod touched;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Why a checkpoint was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Trigger {
    /// A turn was completed.
    Turn,
    /// The chat crashed.
    Crash,
    /// The user asked.
    User,
    /// The client was about to put a summary in the place of what was said.
    Compaction,
    /// The app that hosts the chat is about to restart for an update.
    ClientUpdate,
    /// So many tool calls were made since the last one.
    ToolCalls,
    /// Something changed, and so much time has passed since.
    Interval,
    /// What is known of the chat speaks for a crash.
    WarningRisk,
    /// The same, and strongly.
    DangerRisk,
    /// A tool call began that may destroy what no tool brings back.
    Risky,
    /// Something was finished: a commit, a line of the to-do list.
    Milestone,
    /// A process took the chat up.
    SessionStart,
    /// The process that held it ended as it should.
    SessionEnd,
}

impl Trigger {
    pub const ALL: [Self; 13] = [
        Self::Turn,
        Self::Crash,
        Self::User,
        Self::Compaction,
        Self::ClientUpdate,
        Self::ToolCalls,
        Self::Interval,
        Self::WarningRisk,
        Self::DangerRisk,
        Self::Risky,
        Self::Milestone,
        Self::SessionStart,
        Self::SessionEnd,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Crash => "crash",
            Self::User => "user",
            Self::Compaction => "compaction",
            Self::ClientUpdate => "client_update",
            Self::ToolCalls => "tool_calls",
            Self::Interval => "interval",
            Self::WarningRisk => "warning_risk",
            Self::DangerRisk => "danger_risk",
            Self::Risky => "risky",
            Self::Milestone => "milestone",
            Self::SessionStart => "session_start",
            Self::SessionEnd => "session_end",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.name() == name)
    }

    /// For a person, after a moment: “12:03, after a turn”.
    pub fn words(self) -> &'static str {
        match self {
            Self::Turn => "after a turn",
            Self::Crash => "at the crash",
            Self::User => "asked for",
            Self::Compaction => "before a compaction",
            Self::ClientUpdate => "before an update of the client",
            Self::ToolCalls => "after many tool calls",
            Self::Interval => "after some time",
            Self::WarningRisk => "at a warning of a crash",
            Self::DangerRisk => "in danger of a crash",
            Self::Risky => "at a risky tool call",
            Self::Milestone => "at a milestone",
            Self::SessionStart => "when the chat was taken up",
            Self::SessionEnd => "when the chat was closed",
        }
    }
}

/// One line of the client's own to-do list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Todo {
    pub text: String,
    /// In the client's words: `pending`, `in_progress`, `completed`.
    pub status: String,
}

impl Todo {
    pub fn is_done(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "done")
    }
}
