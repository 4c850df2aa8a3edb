//! The clients' own formats, one file each, read leniently into words common to all. Unknown records and
//! fields are passed over, never an error.

pub mod claude_code;
pub mod claude_desktop;
pub mod codex;
pub mod gemini;
pub mod opencode;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    chats::{ChatId, Client, ProcessKey},
    crashes::RegistryStatus,
    observations::Observed,
    time::Timestamp,
};

/// Longest text kept of a prompt, an answer or a title, in characters.
pub const TEXT_CHARS_MAX: usize = 400;
/// Longest string kept inside a tool call's input, in characters.
const INPUT_CHARS_MAX: usize = 500;
/// Entries kept of a list or an object inside a tool call's input.
const INPUT_ENTRIES_MAX: usize = 50;

/// Which process holds which chat, as the client's own registry says or as was found by looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub client: Client,
    pub process: ProcessKey,
    pub session_id: String,
    pub cwd: Option<String>,
    pub version: Option<String>,
    pub status: RegistryStatus,
    pub started_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    /// Machine and pid namespace the pid belongs to, such as `linux:<machine id>:pid:[4026531836]`.
    pub pid_domain: Option<String>,
    /// A name the user gave the chat.
    pub name: Option<String>,
}

impl Registration {
    /// One of which no more is known.
    pub fn new(client: Client, process: ProcessKey, session_id: impl Into<String>) -> Self {
        Self {
            client,
            process,
            session_id: session_id.into(),
            cwd: None,
            version: None,
            status: RegistryStatus::Idle,
            started_at: None,
            updated_at: None,
            pid_domain: None,
            name: None,
        }
    }

    pub fn chat(&self) -> ChatId {
        ChatId::new(self.client, &self.session_id)
    }
}

/// A record as far as it was read.
#[derive(Debug)]
pub struct Record<'a> {
    pub observed: Observed,
    /// The exact text of the message, for hashing; only of the main conversation's user and model.
    pub message: Option<&'a RawValue>,
}

/// Whether a part of the line made no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub bool);

/// Reads the records of one line of a client's transcript, or of the journal made of its database.
pub fn read_line(client: Client, line: &[u8], each: impl FnMut(Record<'_>)) -> Unreadable {
    match client {
        Client::ClaudeCode => claude_code::read_line(line, each),
        Client::Codex => codex::read_line(line, each),
        Client::Gemini => gemini::read_line(line, each),
        Client::Opencode => opencode::read_line(line, each),
        // The app keeps its chats on a server: there are no lines of them.
        Client::ClaudeDesktop => Unreadable(false),
    }
}

/// The context window, in tokens, of a model whose client writes none down; `None` where it is not known.
pub fn context_window(client: Client, model: Option<&str>, used: u64) -> Option<u64> {
    match client {
        Client::ClaudeCode | Client::ClaudeDesktop => Some(claude_code::context_window(model, used)),
        Client::Gemini => Some(gemini::context_window(model)),
        Client::Codex | Client::Opencode => None,
    }
}

/// Cuts `text` to `max` characters, marking the cut.
pub fn shorten(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// Cuts what a tool call was given to what a person reads.
pub fn shorten_strings(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shorten(&text, INPUT_CHARS_MAX)),
        Value::Array(items) => {
            Value::Array(items.into_iter().take(INPUT_ENTRIES_MAX).map(shorten_strings).collect())
        }
        Value::Object(map) => {
            let kept = map.into_iter().take(INPUT_ENTRIES_MAX);
            Value::Object(kept.map(|(key, value)| (key, shorten_strings(value))).collect())
        }
        other => other,
    }
}
