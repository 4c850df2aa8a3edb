//! What clients tell through their hooks: what an event means, what waits in the data folder for the next
//! engine, and how a chat is answered. Hostile input gives nothing, and never a panic.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chats::{Client, ProcessKey},
    crashes::ToolCall,
    time::Timestamp,
};

/// The largest note that is read, in bytes: `leave` writes far less.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Characters kept of each word that a client gives; paths are the longest.
const WORD_CHARACTERS_MAX: usize = 4096;
/// Clients' own ids are UUIDs or shorter.
const SESSION_ID_CHARACTERS_MAX: usize = 128;

/// What a client gives a hook on stdin, as far as SHIM reads it. All else is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Told {
    session_id: Value,
    transcript_path: Value,
    cwd: Value,
    /// Of SessionStart: `startup`, `resume`, `compact`, `clear`.
    source: Value,
    /// Of SessionEnd.
    reason: Value,
    /// Of PreCompact: `manual`, `auto`.
    trigger: Value,
    notification_type: Value,
    /// Of a tool call that is about to begin.
    tool_name: Value,
    tool_input: Value,
}

/// One message of a client, as it waits for an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub at: Timestamp,
    pub client: Client,
    /// By the client's own name.
    pub event: String,
    pub session_id: String,
    /// The client's process, where it could be told.
    pub process: Option<ProcessKey>,
    pub cwd: Option<String>,
    pub transcript_path: Option<String>,
    /// What the transcript held when the client called, in bytes.
    pub transcript_bytes: Option<u64>,
    /// The client's word for which kind of event it was.
    pub detail: Option<String>,
}

/// What an event says of its chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A process took the chat up.
    Began,
    /// The user asked something.
    Asked,
    /// A tool call is about to begin.
    Calls,
    /// The client is about to put a summary in the place of what was said.
    Compacts,
    /// The client waits for the user.
    Waits,
    /// A turn came to its end.
    Answered,
    /// A turn ended without an answer.
    Failed,
    /// The client took its leave.
    Ended,
}

impl Meaning {
    pub fn of(event: &str) -> Option<Self> {
        match event {
            "SessionStart" => Some(Self::Began),
            "UserPromptSubmit" | "BeforeAgent" => Some(Self::Asked),
            "PreToolUse" | "BeforeTool" => Some(Self::Calls),
            "PreCompact" | "PreCompress" => Some(Self::Compacts),
            "Notification" | "PermissionRequest" => Some(Self::Waits),
            "Stop" | "AfterAgent" => Some(Self::Answered),
            "StopFailure" | "Interrupt" => Some(Self::Failed),
            "SessionEnd" => Some(Self::Ended),
            _ => None,
        }
    }
}

impl Told {
    /// The chat's id, if it is one that can name a file.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_str().filter(|id| is_session_id(id))
    }

    pub fn transcript_path(&self) -> Option<&str> {
        self.transcript_path.as_str().filter(|path| !path.is_empty())
    }

    /// The tool call that is about to begin.
    pub fn call(self) -> Option<ToolCall> {
        let Value::String(tool) = self.tool_name else { return None };
        Some(ToolCall { tool, input: self.tool_input })
    }

    /// Whether a chat begins or goes on here, and not only its context.
    pub fn takes_up_chat(&self) -> bool {
        !matches!(self.source.as_str(), Some("compact" | "clear"))
    }

    pub fn note(&self, client: Client, event: &str, session_id: &str, at: Timestamp) -> Note {
        let detail = [&self.source, &self.reason, &self.trigger, &self.notification_type];
        Note {
            at,
            client,
            event: shorten(event),
            session_id: session_id.to_owned(),
            process: None,
            cwd: self.cwd.as_str().map(shorten),
            transcript_path: self.transcript_path().map(shorten),
            transcript_bytes: None,
            detail: detail.into_iter().find_map(Value::as_str).map(shorten),
        }
    }
}

impl Note {
    /// `None` for what no hook of SHIM's wrote.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > NOTE_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(bytes).ok().filter(|note: &Self| is_session_id(&note.session_id))
    }
}

pub fn is_session_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !id.is_empty() && id.len() <= SESSION_ID_CHARACTERS_MAX && id.chars().all(plain)
}

fn shorten(text: &str) -> String {
    text.chars().take(WORD_CHARACTERS_MAX).collect()
}

/// The name of the file with what a chat is to be told when it is taken up again.
pub fn context_file(client: Client, session_id: &str) -> Option<String> {
    is_session_id(session_id).then(|| format!("{}-{session_id}.txt", client.name()))
}

/// What a client reads on stdout to tell the model something.
pub fn answer(event: &str, context: &str) -> String {
    let output = serde_json::json!({"hookEventName": event, "additionalContext": context});
    serde_json::json!({ "hookSpecificOutput": output }).to_string()
}

/// Programs that stand between a client and its hook.
const SHELLS: [&str; 12] =
    ["sh", "bash", "dash", "zsh", "ash", "ksh", "fish", "cmd", "powershell", "pwsh", "env", "timeout"];

/// Which of the processes above a hook, nearest first with their names, is the client.
pub fn client_among(above: &[(ProcessKey, String)], named: Option<u32>) -> Option<&ProcessKey> {
    let is_shell = |name: &str| {
        let name = name.to_ascii_lowercase();
        SHELLS.contains(&name.strip_suffix(".exe").unwrap_or(&name))
    };
    let by_name = above.iter().find(|(process, _)| Some(process.pid) == named);
    by_name.or_else(|| above.iter().find(|(_, name)| !is_shell(name))).map(|(process, _)| process)
}

#[cfg(test)]
mod tests {
    use super::{Meaning, Note, Told, client_among, context_file};
    use crate::{
        chats::{Client, ProcessKey},
        install::{EVENTS_CLAUDE_CODE, EVENTS_CODEX, EVENTS_GEMINI},
        time::Timestamp,
    };

    #[test]
    fn every_event_that_is_asked_for_means_something() {
        for event in EVENTS_CLAUDE_CODE.iter().chain(&EVENTS_CODEX).chain(&EVENTS_GEMINI) {
            assert!(Meaning::of(event).is_some(), "{event}");
        }
    }

    #[test]
    fn what_a_client_says_comes_through_a_note() {
        let told: Told = serde_json::from_str(
            r#"{"session_id":"a-1","transcript_path":"/t.jsonl","cwd":"/w","source":"resume","prompt":{"x":[1]}}"#,
        )
        .unwrap();
        let id = told.session_id().unwrap();
        let note = told.note(Client::Codex, "SessionStart", id, Timestamp::from_ms(5));
        let read = Note::read(&serde_json::to_vec(&note).unwrap()).unwrap();
        assert_eq!(read, note);
        assert_eq!((read.detail.as_deref(), read.cwd.as_deref()), (Some("resume"), Some("/w")));
        assert!(told.takes_up_chat());
    }

    #[test]
    fn hostile_words_give_no_note_and_no_file_name() {
        for id in ["", "../../etc/passwd", "a/b", "a\\b", "a b", "a\0", "ü", &"a".repeat(129)] {
            assert_eq!(context_file(Client::Gemini, id), None, "{id}");
        }
        for text in [r#"{"session_id":7}"#, r#"{"session_id":{"a":[]}}"#, "{}"] {
            let told: Told = serde_json::from_str(text).unwrap();
            assert_eq!(told.session_id(), None, "{text}");
        }
        let large = format!(r#"{{"session_id":"a","event":"{}"}}"#, "x".repeat(super::NOTE_BYTES_MAX));
        let elsewhere = br#"{"at":0,"client":"codex","event":"Stop","session_id":"../x"}"#;
        for bytes in [&b""[..], b"\xff\xfe", b"[]", b"{", large.as_bytes(), elsewhere] {
            assert_eq!(Note::read(bytes), None);
        }
    }

    #[test]
    fn the_client_is_told_from_the_shells_below_it() {
        let process = |pid: u32| ProcessKey { pid, start: "1".to_owned() };
        let above = [
            (process(9), "sh".to_owned()),
            (process(8), "codex".to_owned()),
            (process(7), "node".to_owned()),
        ];
        for (named, pid) in [(None, 8), (Some(7), 7), (Some(1), 8)] {
            assert_eq!(client_among(&above, named).map(|process| process.pid), Some(pid));
        }
        assert_eq!(client_among(&[(process(9), "Bash.exe".to_owned())], None), None);
    }
}
