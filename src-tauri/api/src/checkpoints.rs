//! `GET` and `POST /api/chats/{id}/checkpoints`.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::ChatId,
    checkpoints::{Todo, Trigger},
    time::Timestamp,
};
use ts_rs::TS;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Checkpoint {
    pub id: i64,
    pub chat: ChatId,
    #[ts(type = "string")]
    pub at: Timestamp,
    pub trigger: Trigger,
    pub note: Option<String>,
    /// Completed turns up to here.
    pub turns: u64,
    pub tokens: u64,
    /// Bytes of the transcript up to here.
    pub journal_offset: u64,
    pub workspace: Workspace,
    pub todos: Vec<Todo>,
    /// Bytes this checkpoint takes in the store.
    pub bytes: u64,
    /// Milliseconds from deciding to durable.
    pub took_ms: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Workspace {
    /// The commit git's HEAD named; null outside a repository.
    pub head: Option<String>,
    pub branch: Option<String>,
    /// The commit that holds the working tree; null until workspace snapshots are taken.
    pub snapshot: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct CheckpointRequest {
    pub note: Option<String>,
}
