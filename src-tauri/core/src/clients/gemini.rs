//! Gemini CLI's chat files, read leniently. Facts about them were measured on version 0.61.0: a file only ever
//! grows, and a message's id may recur, the later line in the place of the earlier.
//! Unknown kinds and fields are passed over, never an error.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Record, TEXT_CHARS_MAX, Unreadable, shorten, shorten_strings};
use crate::{
    checkpoints::{Todo, touched::touched},
    crashes::ToolCall,
    limits::Limit,
    observations::{Answer, AnswerEnd, Call, Observed, TitleRank, TodoChange, ToolResult, Usage, What},
    time::Timestamp,
};

/// What is said for the user, by the client or by SHIM, is told by how it begins.
const NOT_THE_USERS: [&str; 4] =
    ["<session_context>", "<state_snapshot>", "[The previous response was interrupted", NOTE_BEGIN];
/// What an error about a quota that is used up says; one that is over in a moment is asked again by the client.
const QUOTA_WORDS: [&str; 3] = ["exceeded your current quota", "Usage limit reached", "QUOTA_EXHAUSTED"];
const NOTE_BEGIN: &str = "<shim_context>";

/// Context windows in tokens, as the client's own `tokenLimit` has them: Gemma's, and that of every other model.
const CONTEXT_TOKENS_GEMMA: u64 = 256_000;
const CONTEXT_TOKENS: u64 = 1_048_576;

pub fn context_window(model: Option<&str>) -> u64 {
    let is_gemma = model.is_some_and(|model| model.starts_with("gemma-4-"));
    if is_gemma { CONTEXT_TOKENS_GEMMA } else { CONTEXT_TOKENS }
}

/// One line, read as loosely as its fields allow.
type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Reads the records of one line. Two glued records are both read; what cannot be read is counted.
pub fn read_line(line: &[u8], mut each: impl FnMut(Record<'_>)) -> Unreadable {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Unreadable(false);
    }
    for record in serde_json::Deserializer::from_slice(line).into_iter::<&RawValue>() {
        let Ok(record) = record else { return Unreadable(true) };
        match serde_json::from_str::<Fields<'_>>(record.get()) {
            Ok(fields) => each(understand(record, &fields)),
            Err(_) => return Unreadable(true),
        }
    }
    Unreadable(false)
}

/// What begins a chat's file, and stands in it again where a resumed client took it up within the same minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub session_id: String,
    pub started_at: Option<Timestamp>,
    pub sub_agent: bool,
}

/// Reads a file's first line; `None` when it is no header of a chat.
pub fn read_header(line: &[u8]) -> Option<Header> {
    let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
    let text = |name| read::<Cow<'_, str>>(&fields, name);
    let session_id = text("sessionId").filter(|id| !id.is_empty())?.into_owned();
    text("projectHash")?;
    Some(Header {
        session_id,
        started_at: text("startTime").and_then(|time| Timestamp::parse(&time)),
        sub_agent: text("kind").is_some_and(|kind| kind == "subagent"),
    })
}

/// Whether a line is a message of its own. A file without one is no chat: each start of the client leaves a file
/// with a header and the client's own context, also beside the file of the chat that it resumes.
pub fn is_message(line: &[u8]) -> bool {
    serde_json::from_slice::<Fields<'_>>(line).is_ok_and(|fields| fields.contains_key("id"))
}

/// The line that tells a chat at rest what was in flight, in the shape of the client's own messages: it shows the
/// text to the user and gives it to the model with the next prompt.
pub fn note(id: &str, at: Timestamp, text: &str) -> String {
    let text = format!("{NOTE_BEGIN}\n{text}\n</shim_context>");
    let note = serde_json::json!({
        "id": id, "timestamp": at.to_string(), "type": "user", "content": [{ "text": text }],
    });
    format!("{note}\n")
}

fn read<'a, T: Deserialize<'a>>(fields: &Fields<'a>, name: &str) -> Option<T> {
    fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

fn understand<'a>(record: &'a RawValue, fields: &Fields<'a>) -> Record<'a> {
    let text = |name| read::<Cow<'a, str>>(fields, name);
    let at = |name| text(name).as_deref().and_then(Timestamp::parse);
    let id = text("id").map(Cow::into_owned);
    let mut observed = Observed { at: at("timestamp"), uuid: id.clone(), ..Observed::default() };
    let mut is_message = false;
    if let Some(patch) = read::<Fields<'a>>(fields, "$set") {
        patched(&patch, &mut observed);
    } else if fields.contains_key("$rewindTo") {
        observed.what = What::CutTurnClosed;
    } else if id.is_some() {
        let kind = text("type").unwrap_or_default();
        is_message = matches!(&*kind, "user" | "gemini");
        observed.what = match &*kind {
            "user" => user(fields),
            "gemini" => answer(id, fields),
            "info" if content(fields).text == "Request cancelled." => What::Interrupted,
            "error" => What::ApiError { text: shorten(&content(fields).text, TEXT_CHARS_MAX) },
            _ => What::Other,
        };
        if let What::ApiError { text } = &observed.what
            && QUOTA_WORDS.iter().any(|words| text.contains(words))
        {
            // When it ends is not written down.
            observed.limit = Some(Limit { message: text.clone(), at: observed.at, resets_at: None });
        }
    } else {
        observed.at = at("startTime");
    }
    Record { observed, message: is_message.then_some(record) }
}

/// A change of what the file says of the chat as a whole.
fn patched(patch: &Fields<'_>, observed: &mut Observed) {
    let text = |name| read::<Cow<'_, str>>(patch, name);
    observed.at = text("lastUpdated").as_deref().and_then(Timestamp::parse);
    observed.cwd = read::<Vec<Fields<'_>>>(patch, "messages")
        .and_then(|messages| messages.first().map(content))
        .and_then(|content| directory(&content.text));
    observed.what = match (text("summary"), text("sessionId")) {
        (Some(summary), _) if !summary.trim().is_empty() => {
            What::Title { text: shorten(summary.trim(), TEXT_CHARS_MAX), rank: TitleRank::Summary }
        }
        // A client took the chat up again: it never goes on with a cut turn by itself.
        (_, Some(_)) => What::CutTurnClosed,
        _ => What::Other,
    };
}

/// The directory of the chat, as the client tells it to the model: the first of the workspace.
fn directory(text: &str) -> Option<String> {
    let (_, rest) = text.strip_prefix("<session_context>")?.split_once("**Workspace Directories:**")?;
    let line = rest.lines().map(str::trim).find(|line| !line.is_empty())?;
    line.strip_prefix("- ").map(str::to_owned)
}

/// What a message says, whichever of its shapes it has: a text, a part, or parts.
#[derive(Default)]
struct Content {
    text: String,
    results: Vec<ToolResult>,
}

fn content(fields: &Fields<'_>) -> Content {
    let mut content = Content::default();
    match read::<Value>(fields, "content") {
        Some(Value::String(text)) => content.text = text,
        Some(Value::Array(parts)) => parts.iter().for_each(|part| content.take(part)),
        Some(part @ Value::Object(_)) => content.take(&part),
        _ => {}
    }
    content
}

impl Content {
    fn take(&mut self, part: &Value) {
        if let Some(text) = part.as_str().or_else(|| part.get("text")?.as_str()) {
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(text);
        }
        if let Some(response) = part.get("functionResponse") {
            let call_id = response.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            let failed = response.pointer("/response/error").is_some();
            self.results.push(ToolResult { call_id, failed });
        }
    }
}

fn user(fields: &Fields<'_>) -> What {
    let content = content(fields);
    if !content.results.is_empty() {
        return What::ToolResults(content.results);
    }
    let text = without_hooks(&content.text);
    if text.is_empty() || NOT_THE_USERS.iter().any(|own| text.starts_with(own)) {
        return What::Other;
    }
    What::Prompt { text: shorten(text, TEXT_CHARS_MAX) }
}

/// The client puts what hooks say before the prompt, in the same text.
fn without_hooks(text: &str) -> &str {
    let text = text.trim_start();
    match text.strip_prefix("<hook_context>").and_then(|hook| hook.split_once("</hook_context>")) {
        Some((_, prompt)) => prompt.trim_start(),
        None => text,
    }
}

#[derive(Deserialize)]
struct RawCall<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default)]
    args: Value,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawTokens {
    #[serde(default)]
    input: u64,
    #[serde(default)]
    output: u64,
    #[serde(default)]
    cached: u64,
    #[serde(default)]
    thoughts: u64,
    #[serde(default)]
    tool: u64,
}

fn answer(id: Option<String>, fields: &Fields<'_>) -> What {
    let content = content(fields);
    let calls: Vec<_> = read::<Vec<&RawValue>>(fields, "toolCalls")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|call| serde_json::from_str::<RawCall<'_>>(call.get()).ok())
        .collect();
    let cancelled = |call: &RawCall<'_>| call.status.as_deref() == Some("cancelled");
    let end = match (calls.as_slice(), content.text.trim()) {
        ([], "") => AnswerEnd::GoesOn,
        ([], _) => AnswerEnd::Done,
        (calls, _) if calls.iter().all(cancelled) => AnswerEnd::Aborted,
        _ => AnswerEnd::GoesOnAfterAll,
    };
    let said = content.text.trim();
    What::Answer(Answer {
        message_id: id,
        model: read::<Cow<'_, str>>(fields, "model").map(Cow::into_owned),
        text: (!said.is_empty()).then(|| shorten(said, TEXT_CHARS_MAX)),
        calls: calls.into_iter().filter_map(call).collect(),
        end,
        usage: read::<RawTokens>(fields, "tokens").map(|tokens| Usage {
            input: tokens.input.saturating_sub(tokens.cached).saturating_add(tokens.tool),
            cache_creation: 0,
            cache_creation_hour: 0,
            cache_read: tokens.cached,
            output: tokens.output.saturating_add(tokens.thoughts),
        }),
    })
}

/// A call as far as it is open, or changes the to-do list. One with its result is over: its result is told again
/// by the message behind it.
fn call(raw: RawCall<'_>) -> Option<Call> {
    let todo = if raw.name == "write_todos" { todos(&raw.args) } else { None };
    if raw.result.is_some() && todo.is_none() {
        return None;
    }
    let tool = if raw.name.is_empty() { "unknown".to_owned() } else { raw.name.into_owned() };
    let touches = touched(&tool, &raw.args);
    let call = ToolCall { tool, input: shorten_strings(raw.args) };
    Some(Call { id: raw.id.into_owned(), call, todo, touches })
}

/// `write_todos` replaces the list.
fn todos(input: &Value) -> Option<TodoChange> {
    let todos = input.get("todos")?.as_array()?.iter().filter_map(|todo| {
        let text = |name: &str| todo.get(name).and_then(Value::as_str).map(|t| shorten(t, TEXT_CHARS_MAX));
        Some(Todo { text: text("description")?, status: text("status").unwrap_or_default() })
    });
    Some(TodoChange::Replace(todos.collect()))
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
