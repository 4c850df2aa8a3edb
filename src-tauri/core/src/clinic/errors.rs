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
    "exceed context limit",
];
/// What its user, the account or the settings bring about, however the API numbers it: no copy of the chat mends that.
const NOT_OF_THE_CHAT: &[&str] = &[
    "credit balance",
    "credits",
    "billing",
    "quota",
    "usage limit",
    "rate_limit",
    "api key",
    "api_key",
    "api-key",
    "authenticat",
    "unauthorized",
    "oauth",
    "permission_error",
    "permission denied",
    "not have permission",
    "not have access",
    "organization has been disabled",
    "location is not supported",
    "not_found_error",
    "model_not_found",
    "model not found",
    "requested model",
    "unknown model",
    "invalid model",
    "model identifier",
    "model is not",
    "anthropic-beta",
    "input_schema",
    "tool names must be unique",
    "content filtering",
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
    "no tool output found",
    "no tool call found",
    "function response parts",
    "function call turn comes immediately after",
];
/// A request that was refused, whatever for.
const REFUSED: &[&str] = &["api error: 400", "invalid_request_error"];
/// Words of a refusal that name what a chat is made of.
const STRUCTURE: &[&str] = &[
    "messages.",
    "messages:",
    "messages[",
    "tool_use",
    "tool_result",
    "tool_call",
    "function_call",
    "roles must",
    "content block",
    "content.",
    "text content",
    "thinking` block",
    "signature",
    "schema",
    "should be a valid",
    "should match pattern",
    "input tag",
    "invalid input",
    "invalid 'input",
    "input[",
    "required following item",
    "too many images",
    "image dimensions",
];

/// The class of a refusal; `None` for one that may pass by itself, such as an overloaded API, and for one that says
/// nothing of the chat itself.
pub fn classify(said: &str) -> Option<Class> {
    let said = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if has(NOT_OF_THE_CHAT) {
        None
    } else if has(TOO_LONG) {
        Some(Class::TooLong)
    } else if has(MALFORMED) || has(REFUSED) && has(STRUCTURE) {
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
    fn what_clients_note_is_told_from_what_may_pass_and_what_is_no_fault_of_the_chat() {
        let malformed = Some(Class::Malformed);
        for (said, class) in [
            ("API Error: 400 due to tool use concurrency issues.", malformed),
            ("API Error: 400 orphaned tool_result in conversation history.", malformed),
            ("API Error: 400 duplicate tool_use ID in conversation history.", malformed),
            ("API Error: 400 messages.1.content.0: Invalid `signature` in `thinking` block", malformed),
            ("Image was too large. Try resizing the image or using a different approach.", malformed),
            ("No tool output found for function call call_1.", malformed),
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
            ("API Error: 400 messages: roles must alternate between \"user\" and \"assistant\"", malformed),
            (
                "API Error: 400 messages.3.content.1.tool_use.input: Input should be a valid dictionary",
                malformed,
            ),
            (
                r#"API Error: 400 {"type":"error","error":{"type":"invalid_request_error","message":"messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1."}}"#,
                malformed,
            ),
            (
                r#"{"error":{"message":"Invalid 'input[4].call_id': empty string.","type":"invalid_request_error"}}"#,
                malformed,
            ),
            (
                "Item 'rs_1' of type 'reasoning' was provided without its required following item. invalid_request_error",
                malformed,
            ),
            ("API Error: 400", None),
            ("API Error: 400 max_tokens: 64001 > 64000, which is the maximum allowed", None),
            (
                r#"API Error: 400 {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}"#,
                None,
            ),
            (
                r#"API Error: 400 {"type":"error","error":{"type":"invalid_request_error","message":"This organization has been disabled."}}"#,
                None,
            ),
            (
                r#"API Error: 400 {"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}"#,
                None,
            ),
            (
                r#"API Error: 401 {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
                None,
            ),
            (
                r#"{"error":{"message":"Incorrect API key provided: sk-1.","type":"invalid_request_error","code":"invalid_api_key"}}"#,
                None,
            ),
            (
                r#"API Error: 403 {"type":"error","error":{"type":"permission_error","message":"Your account does not have permission for this."}}"#,
                None,
            ),
            (
                r#"{"error":{"message":"The requested model 'gpt-9' does not exist.","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
                None,
            ),
            (
                r#"API Error: 404 {"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#,
                None,
            ),
            (
                "API Error: 400 invalid_request_error: The 'gpt-9' model is not supported when using Codex with a ChatGPT account.",
                None,
            ),
            ("API Error: 400 Unexpected value(s) `context-9` for the `anthropic-beta` header.", None),
            ("API Error: 400 tools.3.custom.input_schema: JSON schema is invalid", None),
            ("API key not valid. Please pass a valid API key. [400 INVALID_ARGUMENT]", None),
            ("API Error: 400 Output blocked by content filtering policy", None),
        ] {
            assert_eq!(classify(said), class, "{said}");
        }
    }
}
