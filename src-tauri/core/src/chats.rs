//! What a chat is: its id, its client, its state.

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A program people chat with an AI in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(export, export_to = "core.ts")]
pub enum Client {
    ClaudeCode,
    Codex,
    Gemini,
    Opencode,
    ClaudeDesktop,
}

impl Client {
    pub const ALL: [Self; 5] =
        [Self::ClaudeCode, Self::Codex, Self::Gemini, Self::Opencode, Self::ClaudeDesktop];

    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::ClaudeDesktop => "claude-desktop",
        }
    }

    /// As its makers write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Opencode => "opencode",
            Self::ClaudeDesktop => "Claude Desktop",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.name() == name)
    }
}

/// `<client>:<the client's own id>`, such as `claude-code:22222222-…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", type = "string")]
pub struct ChatId(String);

impl ChatId {
    pub fn new(client: Client, session_id: &str) -> Self {
        Self(format!("{}:{session_id}", client.name()))
    }

    /// Reads an id as written by `new`; `None` when the client is unknown or the rest is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let (client, session_id) = text.split_once(':')?;
        Client::from_name(client)?;
        (!session_id.is_empty()).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn client(&self) -> Client {
        self.0.split_once(':').and_then(|(name, _)| Client::from_name(name)).unwrap_or(Client::ClaudeCode)
    }

    /// The client's own id.
    pub fn session_id(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, id)| id)
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a chat is doing. `hung` is reserved for the hang detector; `unknown` means that its process
/// cannot be judged from here, for example because it runs in another pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum ChatState {
    Working,
    Waiting,
    Idle,
    Ended,
    Crashed,
    Hung,
    Unknown,
}

impl ChatState {
    pub const ALL: [Self; 7] =
        [Self::Working, Self::Waiting, Self::Idle, Self::Ended, Self::Crashed, Self::Hung, Self::Unknown];

    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Idle => "idle",
            Self::Ended => "ended",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
            Self::Unknown => "unknown",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a process stands behind the chat.
    pub fn is_live(self) -> bool {
        match self {
            Self::Working | Self::Waiting | Self::Idle | Self::Hung => true,
            Self::Ended | Self::Crashed | Self::Unknown => false,
        }
    }
}

/// One process, told apart from any later one that gets the same pid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    pub pid: u32,
    /// The system's own start mark; on Linux the clock ticks since boot of `/proc/PID/stat`.
    pub start: String,
}
