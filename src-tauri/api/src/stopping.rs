//! `POST /api/chat/stop`: ending a chat on its user's word.

use serde::{Deserialize, Serialize};
use shim_core::{chats::ChatId, time::Timestamp};
use ts_rs::TS;

pub use shim_core::restore::Step;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct StopRequest {
    /// A chat's id, or the start of it.
    pub target: String,
    #[serde(default)]
    pub dry_run: bool,
}

/// What was ended of a chat. It is never restored but by its user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Stopped {
    /// 0 for a rehearsal, which is not kept.
    pub id: i64,
    pub chat: ChatId,
    #[ts(type = "string")]
    pub at: Timestamp,
    pub ok: bool,
    pub dry_run: bool,
    /// The processes that were ended, or would be.
    pub pids: Vec<u32>,
    pub steps: Vec<Step>,
}
