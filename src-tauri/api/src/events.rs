//! `GET /api/events`: server-sent events that say what became stale. They carry ids, not state.

use serde::{Deserialize, Serialize};
use shim_core::chats::ChatId;
use ts_rs::TS;

use crate::{crashes::Crash, restore::Receipt};

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
        title: String,
        body: String,
    },
    /// Pause, warnings, counts.
    StatusChanged,
    /// `config.toml` was changed, by whomever.
    SettingsChanged,
    /// The listener fell behind and events were dropped: fetch everything again.
    Missed,
}
