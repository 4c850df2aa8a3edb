//! `GET` and `POST /api/workspace`: what a checkpoint kept of the working tree, and putting it somewhere.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::ChatId,
    checkpoints::{
        Trigger,
        snapshots::{LeftOut, Listed, SnapshotState},
    },
    time::Timestamp,
};
use ts_rs::TS;

/// What was kept of a chat's working tree with a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Kept {
    pub checkpoint: i64,
    pub chat: ChatId,
    pub trigger: Trigger,
    /// When the tree was looked at: a moment after the checkpoint.
    #[ts(type = "string")]
    pub at: Timestamp,
    /// The top of the repository, or the chat's folder.
    pub folder: String,
    pub state: SnapshotState,
    /// The private reference in the repository; empty where there is none.
    pub reference: String,
    pub commit: Option<String>,
    /// The commit it is built upon: git's HEAD.
    pub head: Option<String>,
    /// Files that were not as git's index had them, or that are listed.
    pub files: u64,
    pub bytes: u64,
    pub left_out: Vec<LeftOut>,
    pub listed: Vec<Listed>,
    pub error: Option<String>,
    pub took_ms: f64,
    /// What it differs in from `head`, or a listed file from what lies there.
    pub changes: Changes,
}

/// The first of them, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Changes {
    pub files: Vec<FileChange>,
    pub total: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct FileChange {
    pub path: String,
    pub change: Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Change {
    Appears,
    Changes,
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct WorkspaceRequest {
    pub checkpoint: i64,
    pub into: Destination,
    /// Say what would be done; change nothing in the working tree.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Destination {
    /// A new worktree of the repository in this folder, which must not be there or be empty. An absolute path.
    Worktree(String),
    /// The tree it was taken of.
    InPlace,
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct PutBack {
    pub checkpoint: i64,
    pub commit: String,
    /// Where the files are.
    pub folder: String,
    pub dry_run: bool,
    /// In place: what changes there.
    pub changes: Changes,
    /// Left as they lie, since one of the two snapshots does not hold them.
    pub left_alone: Vec<String>,
    /// In place: the checkpoint that holds what was there before.
    pub undo: Option<i64>,
}
