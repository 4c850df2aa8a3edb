//! `GET /api/timeline`: one page of what happened in a chat, by its place in the whole.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::chats::Entry;

/// Entries given at most, whatever was asked for.
pub const PAGE_MAX: u64 = 500;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct TimelinePage {
    /// The place of the first of them, counted from 0, the oldest.
    pub from: u64,
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Entries there are in all.
    pub total: u64,
}

/// A point in a chat's journal, behind a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Point {
    pub generation: i64,
    /// Bytes up to there.
    pub offset: u64,
}
