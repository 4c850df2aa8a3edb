//! opencode's rows as an append-only journal of JSON lines, and those lines read leniently. A line is one version
//! of a row that was seen; the last one of an id counts. Facts were measured on version 1.18.33.

mod journaled;
mod put_back;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

pub use journaled::{Changed, Journaled, Mark, Row, Table, line};
pub use put_back::{as_now, export, renamed};

use super::{Record, TEXT_CHARS_MAX, Unreadable, shorten, shorten_strings};
use crate::{
    checkpoints::{Todo, touched::touched},
    crashes::ToolCall,
    limits::Limit,
    observations::{Answer, AnswerEnd, Call, Observed, TitleRank, TodoChange, ToolResult, Usage, What},
    time::Timestamp,
};

/// Characters of a row's id that are its moment and its place in that: the rest is chance, and new in a copy.
const ID_MOMENT_CHARS: usize = 16;
/// How a chat is called until it has a title.
const NO_TITLE: &str = "New session - ";

/// A line, as far as it is read.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    table: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(default)]
    time_updated: Option<i64>,
    /// Of the message that a part belongs to.
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    /// The version before was whole already: what it said is not said again.
    #[serde(default)]
    again: bool,
    #[serde(default)]
    removed: bool,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    title: Option<Value>,
    #[serde(default)]
    directory: Option<Value>,
    #[serde(default)]
    version: Option<Value>,
    #[serde(default)]
    agent: Option<Value>,
}

/// Reads one line of the journal.
pub fn read_line(line: &[u8], mut each: impl FnMut(Record<'_>)) -> Unreadable {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Unreadable(false);
    }
    let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else { return Unreadable(true) };
    if line.removed {
        return Unreadable(false);
    }
    match &*line.table {
        "session" => each(of(session(&line))),
        "message" => {
            if let Some(observed) = message(&line) {
                each(of(observed));
            }
        }
        "part" => part(&line, each),
        _ => {}
    }
    Unreadable(false)
}

fn of(observed: Observed) -> Record<'static> {
    Record { observed, message: None }
}

fn text_of(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

fn at(ms: Option<i64>) -> Option<Timestamp> {
    ms.and_then(Timestamp::checked_ms)
}

/// The id without its chance: the same row in a copy of a chat bears the same.
fn moment(id: &str) -> String {
    id.chars().take(ID_MOMENT_CHARS).collect()
}

fn session(line: &Line<'_>) -> Observed {
    let title = text_of(line.title.as_ref()).map(|title| title.trim().to_owned());
    let what = match title {
        Some(title) if !title.is_empty() && !title.starts_with(NO_TITLE) => {
            What::Title { text: shorten(&title, TEXT_CHARS_MAX), rank: TitleRank::ByModel }
        }
        _ => What::Other,
    };
    Observed {
        // The row changes with each title and each count of tokens: no sign of the chat's own life.
        at: None,
        cwd: text_of(line.directory.as_ref()),
        version: text_of(line.version.as_ref()),
        permission_mode: text_of(line.agent.as_ref()),
        what,
        ..Observed::default()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    role: Option<Value>,
    time: Option<Value>,
    error: Option<Value>,
    finish: Option<Value>,
    tokens: Option<Value>,
    agent: Option<Value>,
    #[serde(rename = "modelID")]
    model_id: Option<Value>,
    #[serde(rename = "providerID")]
    provider_id: Option<Value>,
    path: Option<Value>,
    summary: Option<Value>,
}

/// An assistant's message: whether it is whole, and how it ended. The user's own words stand in the parts.
fn message(line: &Line<'_>) -> Option<Observed> {
    let message: Message = serde_json::from_str(line.data?.get()).ok()?;
    if message.role.as_ref().and_then(Value::as_str) != Some("assistant") {
        return None;
    }
    let model = text_of(message.provider_id.as_ref()).zip(text_of(message.model_id.as_ref()));
    let completed = time(message.time.as_ref(), "completed");
    let error = message.error.as_ref().filter(|error| !error.is_null());
    let is_summary = message.summary.as_ref().and_then(Value::as_bool).unwrap_or(false);
    let limit = error.filter(|_| !line.again).and_then(|error| limit(error, at(completed)));
    let what = if line.again {
        What::Other
    } else {
        match (completed, error) {
            (Some(_), Some(error)) if is_abort(error) => What::Interrupted,
            (Some(_), Some(error)) => What::ApiError { text: error_text(error) },
            (None, _) | (Some(_), None) => What::Answer(Answer {
                message_id: Some(line.id.to_string()),
                model: model.map(|(provider, model)| format!("{provider}/{model}")),
                text: None,
                calls: Vec::new(),
                end: end(completed.is_some(), message.finish.as_ref(), is_summary),
                usage: message.tokens.as_ref().filter(|_| completed.is_some()).map(usage),
            }),
        }
    };
    Some(Observed {
        at: at(completed.or_else(|| time(message.time.as_ref(), "created")).or(line.time_updated)),
        uuid: Some(moment(&line.id)),
        cwd: message.path.as_ref().and_then(|path| text_of(path.get("cwd"))),
        permission_mode: text_of(message.agent.as_ref()).filter(|_| !is_summary),
        limit,
        what,
        ..Observed::default()
    })
}

fn time(times: Option<&Value>, name: &str) -> Option<i64> {
    times?.get(name)?.as_i64()
}

/// A message that asked for tools is followed by another; the summary of a compaction by the turn itself.
fn end(whole: bool, finish: Option<&Value>, is_summary: bool) -> AnswerEnd {
    match finish.and_then(Value::as_str) {
        _ if !whole || is_summary => AnswerEnd::GoesOn,
        Some("tool-calls") => AnswerEnd::GoesOn,
        Some(_) | None => AnswerEnd::Done,
    }
}

fn is_abort(error: &Value) -> bool {
    error.get("name").is_some_and(|name| *name == "MessageAbortedError")
}

fn error_text(error: &Value) -> String {
    let said = error.pointer("/data/message").or_else(|| error.get("name")).and_then(Value::as_str);
    shorten(said.unwrap_or("the model was not reached"), TEXT_CHARS_MAX)
}

/// The usage limit that an error tells of; when it ends stands in the answer's headers.
fn limit(error: &Value, at: Option<Timestamp>) -> Option<Limit> {
    let said = |pointer: &str| error.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let body = said("/data/responseBody");
    let is_limit = ["usage_limit_reached", "insufficient_quota", "FreeUsageLimitError", "billing_error"];
    if error.pointer("/data/statusCode").and_then(Value::as_u64) != Some(429)
        || !is_limit.iter().any(|word| body.contains(word))
    {
        return None;
    }
    let seconds: Option<u64> = said("/data/responseHeaders/retry-after").parse().ok();
    let resets_at = at.zip(seconds).map(|(at, seconds)| at.plus(std::time::Duration::from_secs(seconds)));
    Some(Limit { message: error_text(error), at, resets_at })
}

fn usage(tokens: &Value) -> Usage {
    let count = |at: &str| tokens.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        input: count("/input"),
        cache_creation: count("/cache/write"),
        cache_creation_hour: 0,
        cache_read: count("/cache/read"),
        output: count("/output").saturating_add(count("/reasoning")),
    }
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(default)]
    synthetic: Option<Value>,
    #[serde(default)]
    time: Option<Value>,
    #[serde(default)]
    tool: Option<Value>,
    #[serde(rename = "callID", default)]
    call_id: Option<Value>,
    #[serde(default)]
    state: Option<Value>,
}

fn part(line: &Line<'_>, mut each: impl FnMut(Record<'_>)) {
    let Some(part) = line.data.and_then(|data| serde_json::from_str::<Part<'_>>(data.get()).ok()) else {
        return;
    };
    let observed = |what| Observed {
        at: at(line.time_updated.filter(|_| !line.again)),
        uuid: Some(moment(&line.id)),
        what,
        ..Observed::default()
    };
    match &*part.kind {
        "text" => {
            let text = part.text.and_then(|text| serde_json::from_str::<String>(text.get()).ok());
            let text = text.filter(|text| !text.is_empty());
            let what = match (&text, line.role.as_deref()) {
                (Some(text), Some("user")) if !line.again && !is_true(part.synthetic.as_ref()) => {
                    What::Prompt { text: shorten(text, TEXT_CHARS_MAX) }
                }
                _ => What::Other,
            };
            // What still streams is no message yet.
            let is_whole = line.role.as_deref() == Some("user") || time(part.time.as_ref(), "end").is_some();
            let message = part.text.filter(|_| is_whole && text.is_some());
            each(Record { observed: observed(what), message });
        }
        "tool" => tool(line, &part, |what| each(of(observed(what)))),
        "compaction" if !line.again => each(of(observed(What::Compaction))),
        _ => {}
    }
}

fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool).unwrap_or(false)
}

/// A call, and its result once it has one. A call that was over when it was first seen tells both. One whose input
/// still streams was not begun.
fn tool(line: &Line<'_>, part: &Part<'_>, mut each: impl FnMut(What)) {
    let (Some(state), false) = (&part.state, line.again) else { return };
    if state.get("status").is_some_and(|status| *status == "pending") {
        return;
    }
    let id = text_of(part.call_id.as_ref()).unwrap_or_else(|| line.id.to_string());
    let tool = text_of(part.tool.as_ref()).unwrap_or_else(|| "unknown".to_owned());
    let input = state.get("input").cloned().unwrap_or(Value::Null);
    let (todo, touches) = (todo_change(&tool, &input), touched(&tool, &input));
    let call = ToolCall { tool, input: shorten_strings(input) };
    let call = Call { id: id.clone(), call, todo, touches };
    each(What::Answer(Answer { calls: vec![call], ..Answer::default() }));
    if let Some(status @ ("completed" | "error")) = state.get("status").and_then(Value::as_str) {
        each(What::ToolResults(vec![ToolResult { call_id: id, failed: status == "error" }]));
    }
}

fn todo_change(tool: &str, input: &Value) -> Option<TodoChange> {
    if tool != "todowrite" {
        return None;
    }
    let text = |todo: &Value, key: &str| todo.get(key)?.as_str().map(|text| shorten(text, TEXT_CHARS_MAX));
    let todos = input.get("todos")?.as_array()?.iter().filter_map(|todo| {
        Some(Todo { text: text(todo, "content")?, status: text(todo, "status").unwrap_or_default() })
    });
    Some(TodoChange::Replace(todos.collect()))
}

#[cfg(test)]
#[path = "opencode_tests.rs"]
mod tests;
