//! `GET /api/signals`.

use serde::{Deserialize, Serialize};
use shim_core::{chats::ChatId, risk::Risk, signals::Signals};
use ts_rs::TS;

/// Minutes of history that are given unless asked for otherwise, and at most.
pub const MINUTES: u64 = 60;
pub const MINUTES_MAX: u64 = 365 * 24 * 60;

/// A chat's numbers at this moment, what they tell, and how they were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct ChatSignals {
    pub chat: ChatId,
    /// Null when no process stands behind the chat.
    pub now: Option<Signals>,
    /// The same.
    pub risk: Option<Risk>,
    /// Oldest first: a row a minute, and more where something changed.
    pub history: Vec<Signals>,
}
