//! Refusals of the model's API, as clients note them in a transcript: which class they are of, and whether they
//! go on turn after turn. One alone may be anything; several in a row, with no answer between, ail the chat.

use serde::{Deserialize, Serialize};

use super::records::Rec;
use crate::{
    chats::Client,
    clients::{read_line, shorten},
    crashes::CrashKind,
    observations::{AnswerEnd, What},
    time::Timestamp,
};

/// Refusals in a row that make an ailment. A client retries each by itself before it notes one.
pub const REFUSALS_MIN: u32 = 2;
/// Characters of a refusal that are told.
const SAID_CHARS_MAX: usize = 200;

/// Why the model's API refuses a chat for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// What the client sends is not as the API wants it.
    Malformed,
    /// What the client sends is too long, a request for a summary too.
    TooLong,
}

impl Class {
    pub fn kind(self) -> CrashKind {
        match self {
            Self::Malformed => CrashKind::Poisoned,
            Self::TooLong => CrashKind::CompactionDeadlock,
        }
    }
}

/// Words of clients (Claude Code 2.1.329 and older, Codex 0.169.0, Gemini CLI 0.61.0) and of the APIs behind them.
const TOO_LONG: &[&str] = &[
    "prompt is too long",
    "conversation too long",
    "compaction failed",
    "conversation could not be reduced",
    "request too large",
    "context_length_exceeded",
    "exceeds the context window",
    "input token count exceeds",
    "input is too long",
];
const MALFORMED: &[&str] = &[
    "tool use concurrency",
    "orphaned tool_result",
    "duplicate tool_use",
    "ids were found without",
    "unexpected `tool_use_id`",
    "ids must be unique",
    "invalid `signature`",
    "image was too large",
    "image exceeds",
    "image in the conversation could not be processed",
    "could not process image",
    "api error: 400",
    "no tool output found",
    "no tool call found",
    "function response parts",
    "function call turn comes immediately after",
    "invalid_request_error",
];

/// The class of a refusal; `None` for one that may pass by itself, such as an overloaded API.
pub fn classify(said: &str) -> Option<Class> {
    let said = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if has(TOO_LONG) {
        Some(Class::TooLong)
    } else if has(MALFORMED) {
        Some(Class::Malformed)
    } else {
        None
    }
}

/// Refusals that go on, as the digest of a chat keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    pub class: Class,
    /// In a row.
    pub count: u32,
    /// When the first of them was noted.
    pub since: Option<Timestamp>,
    pub said: String,
}

impl Refusals {
    /// What one more refusal makes of it.
    pub fn and(before: Option<Self>, said: &str, at: Option<Timestamp>) -> Option<Self> {
        let class = classify(said)?;
        let said = shorten(said, SAID_CHARS_MAX);
        Some(match before.filter(|before| before.class == class) {
            Some(before) => Self { count: before.count.saturating_add(1), said, ..before },
            None => Self { class, count: 1, since: at, said },
        })
    }

    /// Whether there are enough to say that the chat ails.
    pub fn is_ailment(&self) -> bool {
        self.count >= REFUSALS_MIN
    }
}

/// How a transcript goes: to its last good answer, and into refusals.
#[derive(Debug, Default)]
pub struct Course {
    /// Number of the record with the last answer that was accepted whole.
    pub good: Option<usize>,
    pub run: Option<Run>,
}

/// Refusals at a transcript's end.
#[derive(Debug)]
pub struct Run {
    pub class: Class,
    pub count: u32,
    /// Number of the record with the first of them.
    pub first: usize,
    pub said: String,
}

pub fn course(client: Client, records: &[Rec<'_>]) -> Course {
    let (mut good, mut first) = (None, 0);
    let mut refusals: Option<Refusals> = None;
    for (at, record) in records.iter().enumerate() {
        read_line(client, &record.item.bytes, |read| {
            if read.observed.sidechain {
                return;
            }
            match read.observed.what {
                What::ApiError { text } | What::CompactionFailed { text } => {
                    let count = refusals.as_ref().map_or(0, |known| known.count);
                    refusals = Refusals::and(refusals.take(), &text, None);
                    if refusals.as_ref().is_none_or(|now| now.count <= count || now.count == 1) {
                        first = at;
                    }
                }
                What::Answer(answer) => {
                    refusals = None;
                    if answer.end == AnswerEnd::Done {
                        good = Some(at);
                    }
                }
                What::Compaction => refusals = None,
                _ => {}
            }
        });
    }
    let run = refusals.filter(Refusals::is_ailment);
    let run = run.map(|run| Run { class: run.class, count: run.count, first, said: run.said });
    Course { good, run }
}

#[cfg(test)]
mod tests {
    use super::{Class, classify};

    #[test]
    fn what_clients_note_is_told_from_what_may_pass() {
        for (said, class) in [
            ("API Error: 400 due to tool use concurrency issues.", Some(Class::Malformed)),
            ("API Error: 400 orphaned tool_result in conversation history.", Some(Class::Malformed)),
            ("API Error: 400 duplicate tool_use ID in conversation history.", Some(Class::Malformed)),
            (
                "API Error: 400 messages.1.content.0: Invalid `signature` in `thinking` block",
                Some(Class::Malformed),
            ),
            (
                "Image was too large. Try resizing the image or using a different approach.",
                Some(Class::Malformed),
            ),
            ("No tool output found for function call call_1.", Some(Class::Malformed)),
            ("Prompt is too long", Some(Class::TooLong)),
            (
                "Compaction failed · conversation could not be reduced below the context limit",
                Some(Class::TooLong),
            ),
            ("Request too large (max 32MB). Accumulated images …", Some(Class::TooLong)),
            ("API Error: 400 prompt is too long: 209331 tokens > 200000 maximum", Some(Class::TooLong)),
            ("API Error: 529 Overloaded", None),
            ("API Error: Connection error.", None),
            ("Claude AI usage limit reached|1758000000", None),
            ("Credit balance is too low", None),
            ("429", None),
        ] {
            assert_eq!(classify(said), class, "{said}");
        }
    }
}
