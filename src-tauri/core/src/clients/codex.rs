//! Codex's own format: the lines of a rollout file, read leniently. Facts about them were measured on
//! version 0.169.0. Unknown types and fields are passed over, never an error.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Record, TEXT_CHARS_MAX, Unreadable, shorten, shorten_strings};
use crate::{
    checkpoints::touched::touched,
    crashes::ToolCall,
    limits::{Limit, from_seconds},
    observations::{Answer, AnswerEnd, Call, Observed, TitleRank, ToolResult, Usage, What},
    time::Timestamp,
};

/// What the client itself puts among the user's messages begins with one of these. Versions that say of
/// each message where it comes from are believed instead.
const CLIENTS_OWN: [&str; 7] = [
    "<subagent_notification>",
    "<environment_context>",
    "<turn_aborted>",
    "<user_instructions>",
    "<user_shell_command>",
    "<skill>",
    "# AGENTS.md instructions",
];

/// The chat's id in a rollout's name: `rollout-<local time>-<thread id>.jsonl`.
pub fn thread_id(file_name: &str) -> Option<&str> {
    /// Characters of `2026-11-21T00-55-41-`.
    const TIME_CHARS: usize = 20;
    let id = file_name.strip_prefix("rollout-")?.strip_suffix(".jsonl")?.get(TIME_CHARS..)?;
    is_thread_id(id).then_some(id)
}

/// The chat that a sub-agent's rollout belongs to, by how the rollout begins; `None` for a chat's own.
pub fn root_of(head: &[u8]) -> Option<&str> {
    /// Characters of an id.
    const ID_CHARS: usize = 36;
    let head = head.split(|byte| *byte == b'\n').next()?;
    let field = |name: &str| {
        let at = memchr::memmem::find(head, format!("\"{name}\":\"").as_bytes())? + name.len() + 4;
        std::str::from_utf8(head.get(at..at + ID_CHARS)?).ok().filter(|id| is_thread_id(id))
    };
    field("parent_thread_id").and_then(|parent| field("session_id").or(Some(parent)))
}

/// Whether this is an id as the client gives them: a UUID in its usual form.
pub fn is_thread_id(id: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    id.len() == 36
        && id
            .bytes()
            .enumerate()
            .all(|(at, byte)| if dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Approval policy and sandbox in the one word that a chat's permission mode is kept as.
pub fn permission_mode(approval: &str, sandbox: &str) -> String {
    format!("{approval}/{sandbox}")
}

/// The approval policy and the sandbox that a permission mode stands for.
pub fn policies(permission_mode: &str) -> Option<(&str, &str)> {
    permission_mode.split_once('/')
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ordinal: Option<&'a RawValue>,
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// Reads the records of one line. Two glued records are both read; what cannot be read is counted.
pub fn read_line(line: &[u8], mut each: impl FnMut(Record<'_>)) -> Unreadable {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Unreadable(false);
    }
    for raw in serde_json::Deserializer::from_slice(line).into_iter::<Raw<'_>>() {
        match raw {
            Ok(raw) => each(understand(&raw)),
            Err(_) => return Unreadable(true),
        }
    }
    Unreadable(false)
}

/// A field's text; `None` where it is of another type.
fn text<'a>(field: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    field.and_then(|field| serde_json::from_str(field.get()).ok())
}

fn understand<'a>(raw: &Raw<'a>) -> Record<'a> {
    let kind = text(raw.kind).unwrap_or_default();
    let mut record = Record {
        observed: Observed {
            at: text(raw.timestamp).as_deref().and_then(Timestamp::parse),
            ..Observed::default()
        },
        message: None,
    };
    let Some(payload) = raw.payload else { return record };
    match &*kind {
        "response_item" => item(payload, &mut record),
        "event_msg" => event(payload, &mut record.observed),
        "session_meta" => session(payload, &mut record.observed),
        "turn_context" => context(payload, &mut record.observed),
        "token_usage_record" => record.observed.what = usage_record(payload),
        "compacted" => record.observed.what = What::Compaction,
        _ => {}
    }
    // Older versions give their messages no id of their own.
    if record.observed.uuid.is_none() {
        record.observed.uuid = raw.ordinal.map(|ordinal| format!("ordinal:{}", ordinal.get()));
    }
    record
}

fn payload_of<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> Option<T> {
    serde_json::from_str(payload.get()).ok()
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(rename = "internal_chat_message_metadata_passthrough", borrow, default)]
    origin: Option<&'a RawValue>,
}

/// What is said to the model and by it.
fn item<'a>(payload: &'a RawValue, record: &mut Record<'a>) {
    let Some(item) = payload_of::<Item<'_>>(payload) else { return };
    let kind = text(item.kind).unwrap_or_default();
    record.observed.uuid = text(item.id).map(Cow::into_owned);
    let call_id = || text(item.call_id).unwrap_or_default().into_owned();
    record.observed.what = match (&*kind, text(item.role).as_deref()) {
        ("message", Some("user")) if is_the_users(&item) => {
            record.message = Some(payload);
            What::Prompt { text: shorten(&texts(&item), TEXT_CHARS_MAX) }
        }
        ("message", Some("assistant")) => {
            record.message = Some(payload);
            let text = texts(&item);
            let text = (!text.is_empty()).then(|| shorten(&text, TEXT_CHARS_MAX));
            What::Answer(Answer { text, ..Answer::default() })
        }
        ("reasoning", _) => What::Answer(Answer::default()),
        ("function_call", _) => answer_with(call(&item, call_id(), item.arguments)),
        ("custom_tool_call", _) => answer_with(call(&item, call_id(), item.input)),
        ("local_shell_call", _) => answer_with(call(&item, call_id(), item.action)),
        ("function_call_output" | "custom_tool_call_output", _) => {
            What::ToolResults(vec![ToolResult { call_id: call_id(), failed: has_failed(item.output) }])
        }
        _ => What::Other,
    };
}

fn answer_with(call: Call) -> What {
    What::Answer(Answer { calls: vec![call], ..Answer::default() })
}

fn call(item: &Item<'_>, id: String, input: Option<&RawValue>) -> Call {
    let name = text(item.name).unwrap_or(Cow::Borrowed("unknown"));
    let tool = match text(item.namespace) {
        Some(namespace) if !namespace.is_empty() => format!("{}__{name}", namespace.trim_end_matches('_')),
        _ => name.into_owned(),
    };
    let input: Value = input.and_then(|input| serde_json::from_str(input.get()).ok()).unwrap_or_default();
    // The arguments are a JSON text inside the JSON; a freeform tool's input is a text of its own.
    let input = match &input {
        Value::String(inner) => serde_json::from_str(inner).unwrap_or(input),
        _ => input,
    };
    let touches = touched(&tool, &input);
    Call { id, call: ToolCall { tool, input: shorten_strings(input) }, todo: None, touches }
}

fn has_failed(output: Option<&RawValue>) -> bool {
    #[derive(Deserialize)]
    struct Output {
        success: Option<bool>,
    }
    output.and_then(payload_of::<Output>).and_then(|output| output.success) == Some(false)
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

fn texts(item: &Item<'_>) -> String {
    let blocks: Vec<&RawValue> = item.content.and_then(payload_of).unwrap_or_default();
    let texts = blocks.into_iter().filter_map(payload_of::<Content<'_>>);
    texts.filter_map(|content| text(content.text).map(Cow::into_owned)).collect::<Vec<_>>().join("\n")
}

/// The client's own notices are messages of the user's role too.
fn is_the_users(item: &Item<'_>) -> bool {
    #[derive(Deserialize)]
    struct Origin<'a> {
        #[serde(borrow)]
        content_item_kinds: Vec<Cow<'a, str>>,
    }
    match item.origin.and_then(payload_of::<Origin<'_>>) {
        Some(origin) => origin.content_item_kinds.iter().any(|kind| kind.starts_with("user.")),
        None => {
            let texts = texts(item);
            CLIENTS_OWN.iter().all(|own| !texts.trim_start().starts_with(own))
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    turn_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thread_name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thread_settings: Option<&'a RawValue>,
    #[serde(borrow, default)]
    rate_limits: Option<&'a RawValue>,
    #[serde(borrow, default)]
    info: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model_context_window: Option<&'a RawValue>,
}

/// Where turns begin and end.
fn event(payload: &RawValue, observed: &mut Observed) {
    let Some(event) = payload_of::<Event<'_>>(payload) else { return };
    let kind = text(event.kind).unwrap_or_default();
    let turn = || text(event.turn_id).map(|turn| format!("{turn}:{kind}"));
    observed.what = match &*kind {
        "task_started" | "turn_started" => {
            observed.uuid = turn();
            observed.context_window = event.model_context_window.and_then(payload_of);
            What::TurnBegun
        }
        "task_complete" | "turn_complete" => {
            observed.uuid = turn();
            turn_end(&event, observed)
        }
        "turn_aborted" => {
            observed.uuid = turn();
            What::Interrupted
        }
        "thread_name_updated" => match text(event.thread_name).as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => {
                What::Title { text: shorten(name, TEXT_CHARS_MAX), rank: TitleRank::ByUser }
            }
            _ => What::Other,
        },
        "token_count" => {
            observed.quota_resets_at = event.rate_limits.and_then(quota_resets_at);
            observed.context_window = event.info.and_then(context_window);
            What::Other
        }
        "thread_settings_applied" => {
            settings(event.thread_settings, observed);
            What::Other
        }
        _ => What::Other,
    };
}

fn turn_end(event: &Event<'_>, observed: &mut Observed) -> What {
    #[derive(Deserialize)]
    struct Failure<'a> {
        #[serde(borrow, default)]
        message: Option<&'a RawValue>,
        #[serde(borrow, default)]
        codex_error_info: Option<&'a RawValue>,
    }
    if let Some(failure) = event.error.and_then(payload_of::<Failure<'_>>) {
        let why = text(failure.message).unwrap_or_default();
        let why = shorten(&why, TEXT_CHARS_MAX);
        if text(failure.codex_error_info).as_deref() == Some("usage_limit_exceeded") {
            observed.limit = Some(Limit { message: why.clone(), at: observed.at, resets_at: None });
        }
        return What::ApiError { text: why };
    }
    // What was said last stands in a record of its own.
    What::Answer(Answer { end: AnswerEnd::Done, ..Answer::default() })
}

fn context_window(info: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Info {
        model_context_window: u64,
    }
    payload_of::<Info>(info).map(|info| info.model_context_window)
}

/// A quota of which so much is used has nothing left.
const USED_UP_PERCENT: f64 = 100.0;

/// When the quotas that are used up are whole again: the later one of the two.
fn quota_resets_at(limits: &RawValue) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Limits<'a> {
        #[serde(borrow, default)]
        primary: Option<&'a RawValue>,
        #[serde(borrow, default)]
        secondary: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Window {
        used_percent: f64,
        resets_at: i64,
    }
    let limits: Limits<'_> = payload_of(limits)?;
    let windows = [limits.primary, limits.secondary].into_iter().flatten().filter_map(payload_of::<Window>);
    let used_up = windows.filter(|window| window.used_percent >= USED_UP_PERCENT);
    used_up.filter_map(|window| from_seconds(window.resets_at)).max()
}

#[derive(Deserialize)]
struct Settings<'a> {
    #[serde(borrow, default)]
    cwd: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    approval_policy: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sandbox_policy: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model_provider_id: Option<&'a RawValue>,
}

fn settings<'a>(settings: Option<&'a RawValue>, observed: &mut Observed) -> Option<Settings<'a>> {
    let settings = settings.and_then(payload_of::<Settings<'_>>)?;
    observed.cwd = text(settings.cwd).map(Cow::into_owned);
    observed.provider = text(settings.model_provider_id).map(Cow::into_owned);
    Some(settings)
}

/// What a turn is asked under: the model, the directory, what is allowed.
fn context(payload: &RawValue, observed: &mut Observed) {
    let Some(settings) = settings(Some(payload), observed) else { return };
    let approval = text(settings.approval_policy);
    let sandbox = settings.sandbox_policy.and_then(sandbox_name);
    if let (Some(approval), Some(sandbox)) = (approval, sandbox) {
        observed.permission_mode = Some(permission_mode(&approval, &sandbox));
    }
    let model = text(settings.model).map(Cow::into_owned);
    observed.what = What::Answer(Answer { model, ..Answer::default() });
}

fn sandbox_name(policy: &RawValue) -> Option<String> {
    let policy: Value = payload_of(policy)?;
    let named = [policy.get("type"), policy.get("mode"), Some(&policy)];
    named.into_iter().flatten().find_map(Value::as_str).map(str::to_owned)
}

#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow, default)]
    cwd: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cli_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model_provider: Option<&'a RawValue>,
    #[serde(borrow, default)]
    git: Option<&'a RawValue>,
}

fn session(payload: &RawValue, observed: &mut Observed) {
    #[derive(Deserialize)]
    struct Git<'a> {
        #[serde(borrow, default)]
        branch: Option<&'a RawValue>,
    }
    let Some(session) = payload_of::<Session<'_>>(payload) else { return };
    let own = |field| text(field).map(Cow::into_owned);
    observed.cwd = own(session.cwd);
    observed.version = own(session.cli_version);
    observed.provider = own(session.model_provider);
    observed.branch = session.git.and_then(payload_of::<Git<'_>>).and_then(|git| own(git.branch));
}

fn usage_record(payload: &RawValue) -> What {
    #[derive(Deserialize)]
    struct Paid<'a> {
        #[serde(borrow)]
        response_id: Cow<'a, str>,
        usage: Tokens,
    }
    #[derive(Deserialize)]
    struct Tokens {
        #[serde(default)]
        input_tokens: u64,
        #[serde(default)]
        cached_input_tokens: u64,
        #[serde(default)]
        cache_write_input_tokens: u64,
        #[serde(default)]
        output_tokens: u64,
    }
    let Some(Paid { response_id, usage }) = payload_of(payload) else { return What::Other };
    // The input counts what was read from the cache and what was written to it.
    let cached = usage.cached_input_tokens.saturating_add(usage.cache_write_input_tokens);
    What::Answer(Answer {
        message_id: Some(response_id.into_owned()),
        usage: Some(Usage {
            input: usage.input_tokens.saturating_sub(cached),
            cache_creation: usage.cache_write_input_tokens,
            cache_creation_hour: 0,
            cache_read: usage.cached_input_tokens,
            output: usage.output_tokens,
        }),
        ..Answer::default()
    })
}

#[cfg(test)]
#[path = "codex_tests.rs"]
mod tests;
