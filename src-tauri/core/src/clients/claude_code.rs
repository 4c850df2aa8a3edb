//! Claude Code's own formats: its registry files and transcript records, read leniently. Facts about
//! them were measured on version 2.1.329. Unknown types and fields are passed over, never an error.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    chats::{Client, ProcessKey},
    checkpoints::{Todo, touched::touched},
    clients::{Record, Registration, TEXT_CHARS_MAX, Unreadable, shorten, shorten_strings},
    crashes::{RegistryStatus, ToolCall},
    limits::{Limit, from_seconds, old_words},
    observations::{Answer, AnswerEnd, Call, Observed, TitleRank, TodoChange, ToolResult, Usage, What},
    time::Timestamp,
};

/// Context windows of its models, in tokens; the larger one is taken once the smaller is exceeded.
const CONTEXT_TOKENS: u64 = 200_000;
const CONTEXT_TOKENS_LARGE: u64 = 1_000_000;

/// The client writes no window down, but for the larger one in the name of a model that was asked for with it.
pub fn context_window(model: Option<&str>, used: u64) -> u64 {
    let large = used > CONTEXT_TOKENS || model.is_some_and(|model| model.contains("[1m]"));
    if large { CONTEXT_TOKENS_LARGE } else { CONTEXT_TOKENS }
}

/// Reads a registry file, `sessions/<pid>.json`; `None` when it is not (yet) whole.
pub fn read_registration(bytes: &[u8]) -> Option<Registration> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        pid: u32,
        session_id: String,
        cwd: Option<String>,
        proc_start: Option<Value>,
        version: Option<String>,
        status: Option<String>,
        started_at: Option<i64>,
        updated_at: Option<i64>,
        pid_domain: Option<String>,
        name: Option<String>,
        name_source: Option<String>,
    }
    let file: File = serde_json::from_slice(bytes).ok()?;
    let start = match file.proc_start {
        Some(Value::String(start)) => start,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let derived = file.name_source.as_deref() == Some("derived");
    Some(Registration {
        client: Client::ClaudeCode,
        process: ProcessKey { pid: file.pid, start },
        session_id: file.session_id,
        cwd: file.cwd,
        version: file.version,
        status: RegistryStatus::from_name(file.status.as_deref().unwrap_or("")),
        started_at: file.started_at.and_then(Timestamp::checked_ms),
        updated_at: file.updated_at.and_then(Timestamp::checked_ms),
        pid_domain: file.pid_domain,
        name: if derived { None } else { file.name },
    })
}

/// The folder name Claude Code gives a project. Ambiguous by design: two directories may share one.
pub fn project_slug(cwd: &str) -> String {
    cwd.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// How the client says that a compaction failed because the chat is too long: 2.1.329, and those before it.
const COMPACTION_FAILED: [&str; 3] =
    ["Compaction failed", "Conversation too long", "Error during compaction: Error: Conversation too long"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    uuid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cwd: Option<Cow<'a, str>>,
    #[serde(borrow)]
    git_branch: Option<Cow<'a, str>>,
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    permission_mode: Option<Cow<'a, str>>,
    #[serde(borrow)]
    requested_model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subtype: Option<Cow<'a, str>>,
    #[serde(default)]
    is_sidechain: bool,
    #[serde(default)]
    is_meta: bool,
    #[serde(default)]
    is_compact_summary: bool,
    #[serde(default)]
    is_api_error_message: bool,
    #[serde(default)]
    is_aborted_mid_stream: bool,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    /// Of the client's own notices, which have no message.
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    custom_title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ai_title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    summary: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    api_error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    api_error_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    quota_limits: Option<&'a RawValue>,
}

impl<'a> Raw<'a> {
    fn from_fields(fields: &BTreeMap<Cow<'a, str>, &'a RawValue>) -> Self {
        fn read<'a, T: Deserialize<'a>>(
            fields: &BTreeMap<Cow<'a, str>, &'a RawValue>,
            name: &str,
        ) -> Option<T> {
            fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
        }
        let text = |name| read::<Cow<'a, str>>(fields, name);
        let is = |name| read(fields, name).unwrap_or(false);
        Self {
            kind: text("type").unwrap_or_default(),
            uuid: text("uuid"),
            timestamp: text("timestamp"),
            cwd: text("cwd"),
            git_branch: text("gitBranch"),
            version: text("version"),
            permission_mode: text("permissionMode"),
            requested_model: text("requestedModel"),
            subtype: text("subtype"),
            is_sidechain: is("isSidechain"),
            is_meta: is("isMeta"),
            is_compact_summary: is("isCompactSummary"),
            is_api_error_message: is("isApiErrorMessage"),
            is_aborted_mid_stream: is("isAbortedMidStream"),
            message: fields.get("message").copied(),
            content: text("content"),
            custom_title: text("customTitle"),
            ai_title: text("aiTitle"),
            summary: text("summary"),
            error: text("error"),
            api_error: text("apiError"),
            api_error_type: text("apiErrorType"),
            quota_limits: fields.get("quotaLimits").copied(),
        }
    }
}

/// Reads the records of one line. Two glued records are both read; what cannot be read is counted.
pub fn read_line(line: &[u8], mut each: impl FnMut(Record<'_>)) -> Unreadable {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Unreadable(false);
    }
    let mut records = serde_json::Deserializer::from_slice(line).into_iter::<Raw<'_>>();
    let mut read = 0;
    while let Some(raw) = records.next() {
        match raw {
            Ok(raw) => each(understand(raw)),
            Err(_) => return read_leniently(line.get(read..).unwrap_or_default(), each),
        }
        read = records.byte_offset();
    }
    Unreadable(false)
}

/// The slow way, for records in which a known field has a type of its own: such a field is passed over.
fn read_leniently(line: &[u8], mut each: impl FnMut(Record<'_>)) -> Unreadable {
    for fields in serde_json::Deserializer::from_slice(line).into_iter::<BTreeMap<Cow<'_, str>, &RawValue>>()
    {
        match fields {
            Ok(fields) => each(understand(Raw::from_fields(&fields))),
            Err(_) => return Unreadable(true),
        }
    }
    Unreadable(false)
}

fn understand(raw: Raw<'_>) -> Record<'_> {
    let what = match &*raw.kind {
        "user" => raw.message.map_or(What::Other, |message| user(&raw, message)),
        "assistant" => raw.message.map_or(What::Other, |message| assistant(&raw, message)),
        "system" if raw.subtype.as_deref() == Some("compact_boundary") => What::Compaction,
        "system" => command_failed(raw.content.as_deref().unwrap_or_default()),
        "custom-title" => title(raw.custom_title.as_deref(), TitleRank::ByUser),
        "ai-title" => title(raw.ai_title.as_deref(), TitleRank::ByModel),
        "summary" => title(raw.summary.as_deref(), TitleRank::Summary),
        _ => What::Other,
    };
    let limit = match &what {
        What::ApiError { text } => limit(&raw, text),
        _ => None,
    };
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let is_message = matches!(&*raw.kind, "user" | "assistant") && !raw.is_sidechain;
    Record {
        observed: Observed {
            at: raw.timestamp.as_deref().and_then(Timestamp::parse),
            uuid: own(raw.uuid),
            cwd: own(raw.cwd),
            branch: own(raw.git_branch),
            version: own(raw.version),
            permission_mode: own(raw.permission_mode),
            provider: None,
            context_window: None,
            sidechain: raw.is_sidechain,
            limit,
            quota_resets_at: None,
            what,
        },
        message: raw.message.filter(|_| is_message),
    }
}

/// The usage limit that an error tells of. One that the server sets for a moment is none.
fn limit(raw: &Raw<'_>, text: &str) -> Option<Limit> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Quota {
        resets_at: Option<i64>,
    }
    let is = |field: &Option<Cow<'_, str>>, name: &str| field.as_deref() == Some(name);
    let spent = is(&raw.api_error_type, "billing_error") || is(&raw.error, "billing_error");
    let old = old_words(text);
    if !spent && old.is_none() && !is(&raw.api_error, "usage_limit_reached") {
        return None;
    }
    let quota = raw.quota_limits.and_then(|quota| serde_json::from_str::<Quota>(quota.get()).ok());
    Some(Limit {
        message: text.to_owned(),
        at: raw.timestamp.as_deref().and_then(Timestamp::parse),
        resets_at: quota.and_then(|quota| quota.resets_at).and_then(from_seconds).or(old),
    })
}

/// What a command of the client's own left behind, where that was a compaction that failed.
fn command_failed(said: &str) -> What {
    let said = said.trim().trim_start_matches("<local-command-stderr>");
    if COMPACTION_FAILED.iter().any(|words| said.starts_with(words)) {
        let text = said.trim_end_matches("</local-command-stderr>");
        What::CompactionFailed { text: shorten(text, TEXT_CHARS_MAX) }
    } else {
        What::Other
    }
}

fn title(text: Option<&str>, rank: TitleRank) -> What {
    match text.map(str::trim) {
        Some(text) if !text.is_empty() => What::Title { text: shorten(text, TEXT_CHARS_MAX), rank },
        _ => What::Other,
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<RawUsage>,
}

#[derive(Deserialize)]
struct RawUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation: Option<RawCacheCreation>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct RawCacheCreation {
    #[serde(default)]
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_id: Option<Cow<'a, str>>,
    #[serde(default)]
    is_error: Option<bool>,
}

fn blocks(content: &RawValue) -> Vec<Block<'_>> {
    serde_json::from_str(content.get()).unwrap_or_else(|_| {
        let blocks: Vec<&RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
        blocks.into_iter().filter_map(|block| serde_json::from_str(block.get()).ok()).collect()
    })
}

fn user(raw: &Raw<'_>, message: &RawValue) -> What {
    let Ok(Message { content: Some(content), .. }) = serde_json::from_str::<Message<'_>>(message.get())
    else {
        return What::Other;
    };
    let text = match serde_json::from_str::<Cow<'_, str>>(content.get()) {
        Ok(text) => text.into_owned(),
        Err(_) => {
            let blocks = blocks(content);
            let results: Vec<_> = blocks.iter().filter_map(tool_result).collect();
            if !results.is_empty() {
                return What::ToolResults(results);
            }
            blocks.into_iter().filter_map(|block| block.text).collect::<Vec<_>>().join("\n")
        }
    };
    if text.starts_with("[Request interrupted by user") {
        What::Interrupted
    } else if raw.is_meta || raw.is_compact_summary || text.starts_with("<local-command-") {
        What::Other
    } else if text.starts_with("<command-") {
        What::Command { text: command_name(&text).unwrap_or_else(|| shorten(&text, TEXT_CHARS_MAX)) }
    } else {
        What::Prompt { text: shorten(&text, TEXT_CHARS_MAX) }
    }
}

fn tool_result(block: &Block<'_>) -> Option<ToolResult> {
    (block.kind == "tool_result").then(|| ToolResult {
        call_id: block.tool_use_id.as_deref().unwrap_or_default().to_owned(),
        failed: block.is_error.unwrap_or(false),
    })
}

fn command_name(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<command-name>")?;
    let (name, _) = rest.split_once("</command-name>")?;
    Some(shorten(name.trim(), TEXT_CHARS_MAX))
}

fn assistant(raw: &Raw<'_>, message: &RawValue) -> What {
    let Ok(message) = serde_json::from_str::<Message<'_>>(message.get()) else { return What::Other };
    let blocks = message.content.map(blocks).unwrap_or_default();
    let text =
        blocks.iter().filter(|block| block.kind == "text").filter_map(|block| block.text.as_deref()).next();
    let text = text.map(|text| shorten(text, TEXT_CHARS_MAX));
    if raw.is_api_error_message {
        return What::ApiError { text: text.unwrap_or_default() };
    }
    if message.model.as_deref() == Some("<synthetic>") {
        return What::CutTurnClosed;
    }
    let end = match message.stop_reason.as_deref() {
        _ if raw.is_aborted_mid_stream => AnswerEnd::Aborted,
        None | Some("tool_use" | "pause_turn") => AnswerEnd::GoesOn,
        // A thinking block is a line of its own and never the end of an answer.
        Some(_) if blocks.iter().all(|block| block.kind.ends_with("thinking")) && !blocks.is_empty() => {
            AnswerEnd::GoesOn
        }
        Some(_) => AnswerEnd::Done,
    };
    What::Answer(Answer {
        message_id: message.id.map(Cow::into_owned),
        // What was asked for is what a restored chat must ask for; a gateway may have answered as another.
        model: raw.requested_model.as_deref().map(str::to_owned).or(message.model.map(Cow::into_owned)),
        text,
        calls: blocks.iter().filter_map(call).collect(),
        end,
        usage: message.usage.map(|usage| Usage {
            input: usage.input_tokens.unwrap_or(0),
            cache_creation: usage.cache_creation_input_tokens.unwrap_or(0),
            cache_creation_hour: usage
                .cache_creation
                .and_then(|written| written.ephemeral_1h_input_tokens)
                .unwrap_or(0),
            cache_read: usage.cache_read_input_tokens.unwrap_or(0),
            output: usage.output_tokens.unwrap_or(0),
        }),
    })
}

fn call(block: &Block<'_>) -> Option<Call> {
    if block.kind != "tool_use" {
        return None;
    }
    let tool = block.name.as_deref().unwrap_or("unknown").to_owned();
    let input: Value =
        block.input.and_then(|input| serde_json::from_str(input.get()).ok()).unwrap_or(Value::Null);
    let (todo, touches) = (todo_change(&tool, &input), touched(&tool, &input));
    Some(Call {
        id: block.id.as_deref().unwrap_or_default().to_owned(),
        call: ToolCall { tool, input: shorten_strings(input) },
        todo,
        touches,
    })
}

/// The to-do list as its tools write it: `TodoWrite` replaces it, `TaskCreate` and `TaskUpdate` change it.
fn todo_change(tool: &str, input: &Value) -> Option<TodoChange> {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(|t| shorten(t, TEXT_CHARS_MAX));
    match tool {
        "TodoWrite" => {
            let todos = input.get("todos")?.as_array()?.iter().filter_map(|todo| {
                Some(Todo { text: text(todo, "content")?, status: text(todo, "status").unwrap_or_default() })
            });
            Some(TodoChange::Replace(todos.collect()))
        }
        "TaskCreate" => {
            Some(TodoChange::Add(Todo { text: text(input, "subject")?, status: "pending".to_owned() }))
        }
        "TaskUpdate" => Some(TodoChange::Update {
            number: text(input, "taskId")?.parse().ok()?,
            status: text(input, "status")?,
        }),
        _ => None,
    }
}

#[cfg(test)]
#[path = "claude_code_tests.rs"]
mod tests;
