//! When a checkpoint is taken, and the task state it carries.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Why a checkpoint was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
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
}

impl Trigger {
    pub const ALL: [Self; 5] = [Self::Turn, Self::Crash, Self::User, Self::Compaction, Self::ClientUpdate];

    pub fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Crash => "crash",
            Self::User => "user",
            Self::Compaction => "compaction",
            Self::ClientUpdate => "client_update",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.name() == name)
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
