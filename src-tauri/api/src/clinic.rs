//! `GET /api/examine`, `POST /api/repair`, `POST /api/undelete`.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::ChatId,
    clinic::{Change, Finding},
    restore::{Refusal, Step},
};
use ts_rs::TS;

/// What ails a chat's transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Examined {
    pub chat: ChatId,
    /// The client's own file.
    pub file: String,
    /// It is there.
    pub there: bool,
    /// Why it was not examined; null when it was.
    pub unexamined: Option<String>,
    pub findings: Vec<Finding>,
    /// What a repair would do; empty when there is none.
    pub repair: Vec<Change>,
    /// Why there is no repair; null when there is one, or none is needed.
    pub refused: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct RepairRequest {
    /// A chat's id, the start of one, or a crash's number.
    pub target: String,
    #[serde(default)]
    pub dry_run: bool,
    /// The chat's own file is changed, where else a copy under an id of its own is made.
    #[serde(default)]
    pub in_place: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct UndeleteRequest {
    pub target: String,
    #[serde(default)]
    pub dry_run: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct RepairReport {
    pub ok: bool,
    pub dry_run: bool,
    pub chat: ChatId,
    /// The repaired copy, where one was made: open it with the client, or with `shim restore`.
    pub copy: Option<ChatId>,
    pub refused: Option<Refusal>,
    pub findings: Vec<Finding>,
    pub changes: Vec<Change>,
    pub steps: Vec<Step>,
}
