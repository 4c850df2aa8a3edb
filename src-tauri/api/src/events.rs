//! `GET /api/events`: server-sent events that say what became stale. They carry ids, not state.

use serde::{Deserialize, Serialize};
use shim_core::{chats::ChatId, notices::NoticeKind};
use ts_rs::TS;

use crate::{crashes::Crash, notices::Said, restore::Receipt};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "event", rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Event {
    /// A chat appeared, grew or changed its state.
    ChatChanged {
        chat: ChatId,
    },
    CrashRecorded {
        crash: Box<Crash>,
    },
    CheckpointTaken {
        chat: ChatId,
        checkpoint: i64,
    },
    RestoreStarted {
        chat: ChatId,
    },
    RestoreFinished {
        receipt: Box<Receipt>,
    },
    /// The restore of many chats goes on.
    FleetChanged,
    /// Something that a person should hear of at once.
    Notice {
        kind: NoticeKind,
        /// Null where it is about none, or more than one.
        chat: Option<ChatId>,
        /// The chat's; empty where there is none.
        title: String,
        what: Said,
    },
    /// Pause, warnings, counts.
    StatusChanged,
    /// An experiment began, went on or ended.
    ExperimentsChanged,
    /// `config.toml` was changed, by whomever.
    SettingsChanged,
    /// The listener fell behind and events were dropped: fetch everything again.
    Missed,
}
