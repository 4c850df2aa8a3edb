//! `GET /api/chats`, `GET /api/chats/{id}`.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::{ChatId, ChatState, Client},
    hangs::Form,
    limits::Limit,
    risk::Risk,
    time::Timestamp,
};
use ts_rs::TS;

use crate::timeline::Point;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Chat {
    pub id: ChatId,
    pub client: Client,
    /// The client's own id.
    pub session_id: String,
    pub title: String,
    pub cwd: Option<String>,
    /// Of the live process; null when none stands behind the chat.
    pub pid: Option<u32>,
    pub state: ChatState,
    #[ts(type = "string")]
    pub last_activity: Timestamp,
    /// Completed turns.
    pub turns: u64,
    /// Input, cache and output tokens of all answers, each answer counted once.
    pub tokens: u64,
    /// Null where no token has a price.
    pub cost: Option<Cost>,
    /// Share of the model's context that the last answer used, 0 to 1; null before the first answer.
    pub context_used: Option<f64>,
    /// Null when no process stands behind the chat, or none was read yet.
    pub risk: Option<Risk>,
    pub journal: JournalLag,
    pub model: Option<String>,
    pub permission_mode: Option<String>,
    pub client_version: Option<String>,
    /// The crash that a restore would mend; null when there is none.
    pub open_crash: Option<i64>,
    /// The usage limit that the chat waits for; null when there is none.
    pub limit: Option<Limit>,
    /// Its process hangs, or may: state `hung` says that it does. Null when it moves.
    pub suspicion: Option<Suspicion>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Suspicion {
    pub form: Form,
    #[ts(type = "string")]
    pub since: Timestamp,
}

/// What a chat's tokens cost by list price; what its user pays is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts", rename = "ChatCost")]
pub struct Cost {
    /// Of the United States.
    pub dollars: f64,
    /// Tokens without a known price, which are not in it.
    pub unpriced_tokens: u64,
    /// The day on which the prices were looked up, `YYYY-MM-DD`.
    pub as_of: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct JournalLag {
    /// Bytes of the transcript that are durable here.
    pub bytes: u64,
    /// Milliseconds the last appended bytes took to become durable; null before the first.
    pub lag_ms: Option<u64>,
}

/// A chat with what happened in it, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct ChatDetail {
    pub chat: Chat,
    pub timeline: Vec<Entry>,
    /// Entries before the first one shown, left out.
    pub earlier: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Entry {
    #[ts(type = "string")]
    pub at: Timestamp,
    pub kind: EntryKind,
    /// One line for a person.
    pub text: String,
    /// The checkpoint, crash or restore it stands for.
    pub number: Option<i64>,
    /// Where a fork that ends with this entry is cut; null where none can be.
    pub point: Option<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum EntryKind {
    /// The user's message.
    Prompt,
    /// The model's text.
    Answer,
    Tool,
    ToolFailed,
    Interrupted,
    ApiError,
    Compaction,
    Checkpoint,
    Crash,
    Restore,
}
