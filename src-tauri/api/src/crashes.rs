//! `GET /api/crashes`.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::{ChatId, Client},
    crashes::{CrashKind, Evidence, InTurn, ToolCall},
    time::Timestamp,
};
use ts_rs::TS;

use crate::restore::Receipt;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Crash {
    pub id: i64,
    pub chat: ChatId,
    pub client: Client,
    pub title: String,
    pub cwd: Option<String>,
    pub kind: CrashKind,
    pub in_turn: InTurn,
    pub in_flight: Vec<ToolCall>,
    /// When the process died; where its exit was not seen, the last sign of life.
    #[ts(type = "string")]
    pub happened_at: Timestamp,
    #[ts(type = "string")]
    pub detected_at: Timestamp,
    /// From the exit being seen (or the last sign of life) to the verdict; the commit follows.
    pub detected_after_ms: u64,
    /// The exit itself was seen; false when the death was found later.
    pub seen_live: bool,
    pub evidence: Vec<Evidence>,
    /// The receipt of the last attempt to restore; null when none was made.
    pub restore: Option<Receipt>,
    /// The chat goes on: restored here, or resumed by the user.
    pub resolved: bool,
}
