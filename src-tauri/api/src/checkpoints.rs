//! `GET` and `POST /api/chats/{id}/checkpoints`.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::ChatId,
    checkpoints::{Todo, Trigger, snapshots::SnapshotState},
    time::Timestamp,
};
use ts_rs::TS;

use crate::timeline::Point;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Checkpoint {
    pub id: i64,
    pub chat: ChatId,
    #[ts(type = "string")]
    pub at: Timestamp,
    pub trigger: Trigger,
    /// Reasons that came too soon for a checkpoint of their own.
    pub also: Vec<Trigger>,
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
    /// The commit that holds the working tree, untracked files included; null where none does.
    pub snapshot: Option<String>,
    /// What became of the snapshot; null where none was due.
    pub state: Option<SnapshotState>,
    /// Why no commit holds it.
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct CheckpointRequest {
    pub note: Option<String>,
    /// At an earlier point of the chat, without its working tree; null takes it where the chat stands.
    #[serde(default)]
    pub point: Option<Point>,
}

/// A risky call that waits to begin: its client's hook asks for the checkpoint before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RiskyRequest {
    pub chat: ChatId,
    /// What makes it risky: the command, or the name of the tool.
    pub command: String,
}

/// Longest that a risky call waits for its checkpoint, in milliseconds: clients give a hook 3 seconds, and more would
/// be felt. What takes longer is finished while the call runs.
pub const RISKY_WAIT_MS: u64 = 2000;
