//! `GET /api/search?q=…`.

use serde::{Deserialize, Serialize};
use shim_core::{chats::ChatId, time::Timestamp};
use ts_rs::TS;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Hit {
    pub chat: ChatId,
    pub title: String,
    #[ts(type = "string | null")]
    pub at: Option<Timestamp>,
    /// Who wrote it: `user`, `assistant`, or the record's type.
    pub who: String,
    /// The text around the find, on one line.
    pub excerpt: String,
}
