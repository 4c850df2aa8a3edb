//! What one record of a transcript tells, in words common to all clients.

use crate::{checkpoints::Todo, crashes::ToolCall, limits::Limit, time::Timestamp};

/// One record, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub at: Option<Timestamp>,
    pub uuid: Option<String>,
    pub cwd: Option<String>,
    pub branch: Option<String>,
    pub version: Option<String>,
    pub permission_mode: Option<String>,
    /// Who serves the model, where the client has several.
    pub provider: Option<String>,
    /// The model's context window in tokens, where the client writes it down.
    pub context_window: Option<u64>,
    /// Belongs to a sub-agent's own conversation.
    pub sidechain: bool,
    /// The usage limit that it tells of.
    pub limit: Option<Limit>,
    /// When a quota that is used up is whole again.
    pub quota_resets_at: Option<Timestamp>,
    pub what: What,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum What {
    /// The user's own words.
    Prompt {
        text: String,
    },
    /// The user ran one of the client's commands; it may or may not ask the model.
    Command {
        text: String,
    },
    /// The client began to work on a turn.
    TurnBegun,
    ToolResults(Vec<ToolResult>),
    /// The user stopped the turn.
    Interrupted,
    Answer(Answer),
    /// The client gave up asking the model.
    ApiError {
        text: String,
    },
    /// The client closed a cut turn by itself when the chat was resumed.
    CutTurnClosed,
    Compaction,
    /// A summary was to take the place of what was said, and could not be had.
    CompactionFailed {
        text: String,
    },
    Title {
        text: String,
        rank: TitleRank,
    },
    /// Anything else, known or not.
    #[default]
    Other,
}

/// Which title wins: the later in this order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum TitleRank {
    #[default]
    FirstPrompt,
    Summary,
    ByModel,
    ByUser,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    pub call_id: String,
    pub failed: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// One answer may be spread over several records of the same id.
    pub message_id: Option<String>,
    pub model: Option<String>,
    pub text: Option<String>,
    pub calls: Vec<Call>,
    pub end: AnswerEnd,
    pub usage: Option<Usage>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub id: String,
    pub call: ToolCall,
    /// What the call does to the client's own to-do list.
    pub todo: Option<TodoChange>,
    /// Paths of the files it writes, as it names them.
    pub touches: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TodoChange {
    Replace(Vec<Todo>),
    Add(Todo),
    /// `number` counts from 1 in the order they were added.
    Update {
        number: usize,
        status: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerEnd {
    /// Tool calls follow, or the record does not say.
    #[default]
    GoesOn,
    /// Tool calls follow, also where the same answer was told as done: its words were written first.
    GoesOnAfterAll,
    Done,
    /// Cut by the user in mid-stream.
    Aborted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub cache_creation: u64,
    /// Of these, what the cache keeps for an hour.
    pub cache_creation_hour: u64,
    pub cache_read: u64,
    pub output: u64,
}

impl Usage {
    pub fn total(self) -> u64 {
        self.input
            .saturating_add(self.cache_creation)
            .saturating_add(self.cache_read)
            .saturating_add(self.output)
    }
}
