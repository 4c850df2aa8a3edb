//! Hangs: a process that lives and does nothing for the chat it holds. Nothing here looks or waits.

use serde::{Deserialize, Serialize};

/// How a process hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// It uses a processor core up and gets nowhere.
    Spin,
    /// It does nothing at all in the middle of a turn.
    Silent,
    /// It was stopped by a signal, and not by its own terminal.
    Stopped,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Silent => "silent",
            Self::Stopped => "stopped",
        }
    }
}
