//! `POST /api/restore` and the receipt it answers with.

use serde::{Deserialize, Serialize};
use shim_core::{chats::ChatId, restore::Refusal, time::Timestamp};
use ts_rs::TS;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct RestoreRequest {
    /// A chat id, the start of one, the client's own id, or a crash's number.
    pub target: String,
    /// Fork from this checkpoint; null restores the chat itself.
    #[serde(default)]
    pub checkpoint: Option<i64>,
    /// Without a terminal, as a worker.
    #[serde(default)]
    pub headless: bool,
    #[serde(default)]
    pub then: Then,
    #[serde(default)]
    pub dry_run: bool,
}

pub use shim_core::restore::{Step, Then};

/// What a restore did and proved. Kept for refused and failed ones too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Receipt {
    pub id: i64,
    /// The chat that goes on: the chat asked for, or the fork.
    pub chat: ChatId,
    /// The chat this is a fork of; null when the chat itself was restored.
    pub fork_of: Option<ChatId>,
    pub crash: Option<i64>,
    #[ts(type = "string")]
    pub at: Timestamp,
    pub ok: bool,
    pub dry_run: bool,
    /// Why nothing was started; null when the restore was not refused.
    pub refused: Option<Refusal>,
    /// Complete turns in the journal before, and in the client's file after.
    pub turns_before: u64,
    pub turns_after: Option<u64>,
    pub turns_lost: Option<u64>,
    /// SHA-256 of the `message` of the last user or assistant record.
    pub last_message_sha256_before: Option<String>,
    pub last_message_sha256_after: Option<String>,
    /// Processes on the chat after the start; 1 when all is well.
    pub processes: Option<u32>,
    pub pid: Option<u32>,
    pub cwd: Option<String>,
    pub model: Option<String>,
    pub permission_mode: Option<String>,
    /// From the request to the receipt.
    pub seconds: f64,
    /// Of these, seconds spent waiting for the client itself to start.
    pub client_seconds: f64,
    pub steps: Vec<Step>,
}
