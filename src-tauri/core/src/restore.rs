//! Restoring a chat: whether it may start, and the steps in their order, as a machine without IO.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the restored chat does first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Then {
    /// Wait for the user.
    #[default]
    Idle,
    /// Let the client go on with the turn that was cut.
    Continue,
}

/// Why a restore was not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Refusal {
    pub reason: RefusalReason,
    /// What is in the way, and what to do.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum RefusalReason {
    /// A process stands behind the chat.
    StillAlive,
    /// Whether a process stands behind the chat cannot be told.
    LivenessUnknown,
    /// A restore of this chat is under way.
    UnderWay,
    /// Its directory is gone.
    DirectoryGone,
    /// The client's program was not found.
    ClientMissing,
    /// No terminal program was found.
    TerminalMissing,
    /// Too many restores of this chat in a short time.
    WindowUsedUp,
    /// Neither the client's file nor the journal holds a complete record.
    NothingToRestore,
    /// Tool children of the dead process still run, and the settings say not to end them.
    OrphansAlive,
    /// The checkpoint does not belong to the chat, or its bytes were dropped.
    CheckpointGone,
}

/// One step and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Step {
    pub step: String,
    pub ok: bool,
    pub detail: String,
}
