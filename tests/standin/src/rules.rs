//! The rules of the Messages API that a chat may break for good: such a request is answered 400, as the real API
//! does. Off unless a test asks for them.

use std::collections::HashSet;

use serde_json::Value;

/// Parts of messages that are known.
const USER_PARTS: [&str; 4] = ["text", "image", "document", "tool_result"];
const ASSISTANT_PARTS: [&str; 5] = ["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"];
const TOOL_NAME_CHARS_MAX: usize = 128;
const IMAGE_BYTES_MAX: usize = 5 * 1024 * 1024;

/// What is held against requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Messages must be as the API wants them.
    pub well_formed: bool,
    /// Longest messages taken, in bytes.
    pub bytes_max: Option<usize>,
}

/// Why the API refuses this request; `None` when it takes it.
pub fn broken(rules: Rules, messages: &[Value]) -> Option<String> {
    let bytes: usize = messages.iter().map(|message| message.to_string().len()).sum();
    if let Some(max) = rules.bytes_max.filter(|max| bytes > *max) {
        return Some(format!("prompt is too long: {} tokens > {} maximum", bytes / 4, max / 4));
    }
    rules.well_formed.then(|| malformed(messages)).flatten()
}

/// A message as the API sees it: neighbours of one role are one message.
struct Merged {
    role: String,
    parts: Vec<Value>,
}

fn merged(messages: &[Value]) -> Vec<Merged> {
    let mut merged: Vec<Merged> = Vec::new();
    for message in messages.iter().filter(|message| message["role"] != "system") {
        let role = message["role"].as_str().unwrap_or_default().to_owned();
        let parts = match &message["content"] {
            Value::String(text) => vec![serde_json::json!({"type": "text", "text": text})],
            Value::Array(parts) => parts.clone(),
            _ => Vec::new(),
        };
        match merged.last_mut().filter(|last| last.role == role) {
            Some(last) => last.parts.extend(parts),
            None => merged.push(Merged { role, parts }),
        }
    }
    merged
}

fn malformed(messages: &[Value]) -> Option<String> {
    let merged = merged(messages);
    if merged.first().is_some_and(|first| first.role != "user") {
        return Some("messages: first message must use the \"user\" role".to_owned());
    }
    let (mut seen, nothing) = (HashSet::new(), Vec::new());
    for (at, message) in merged.iter().enumerate() {
        let parts_of = |at: Option<usize>| at.and_then(|at| merged.get(at)).map_or(&nothing, |m| &m.parts);
        let wrong = part_wrong(at, message).or_else(|| match message.role.as_str() {
            "assistant" => calls_wrong(at, &message.parts, parts_of(Some(at + 1)), &mut seen),
            _ => results_wrong(at, &message.parts, parts_of(at.checked_sub(1))),
        });
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

fn part_wrong(at: usize, message: &Merged) -> Option<String> {
    if message.parts.is_empty() {
        return Some(format!("messages.{at}: all messages must have non-empty content"));
    }
    let known: &[&str] = if message.role == "assistant" { &ASSISTANT_PARTS } else { &USER_PARTS };
    message.parts.iter().enumerate().find_map(|(number, part)| {
        let place = format!("messages.{at}.content.{number}");
        let kind = part["type"].as_str().unwrap_or_default();
        if !known.contains(&kind) && !kind.ends_with("_tool_result") {
            return Some(format!(
                "{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {known:?}"
            ));
        }
        match kind {
            "text" if part["text"].as_str().is_none_or(|text| text.trim().is_empty()) => {
                Some("messages: text content blocks must be non-empty".to_owned())
            }
            "tool_use" if !part["input"].is_object() => {
                Some(format!("{place}.tool_use.input: Input should be a valid dictionary"))
            }
            "tool_use" if !is_name(part["name"].as_str().unwrap_or_default()) => {
                Some(format!("{place}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"))
            }
            "image" if part.pointer("/source/data").and_then(Value::as_str).is_some_and(|data| data.len() > IMAGE_BYTES_MAX) => {
                Some(format!("{place}.image.source.base64: image exceeds 5 MB maximum"))
            }
            _ => None,
        }
    })
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=TOOL_NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(fits)
}

fn ids<'a>(parts: &'a [Value], kind: &str, field: &str) -> Vec<&'a str> {
    parts.iter().filter(|part| part["type"] == kind).filter_map(|part| part[field].as_str()).collect()
}

fn calls_wrong(at: usize, parts: &[Value], next: &[Value], seen: &mut HashSet<String>) -> Option<String> {
    let calls = ids(parts, "tool_use", "id");
    if calls.iter().any(|id| !seen.insert((*id).to_owned())) {
        return Some(format!("messages.{at}: `tool_use` ids must be unique"));
    }
    // Results count only before all else.
    let answered = next.iter().take_while(|part| part["type"] == "tool_result");
    let answered: Vec<_> = answered.filter_map(|part| part["tool_use_id"].as_str()).collect();
    let open: Vec<_> = calls.into_iter().filter(|id| !answered.contains(id)).collect();
    (!open.is_empty()).then(|| {
        format!(
            "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
             `tool_use` block must have a corresponding `tool_result` block in the next message.",
            open.join(", ")
        )
    })
}

fn results_wrong(at: usize, parts: &[Value], before: &[Value]) -> Option<String> {
    let (results, calls) = (ids(parts, "tool_result", "tool_use_id"), ids(before, "tool_use", "id"));
    let stray = results.iter().find(|id| !calls.contains(id));
    if let Some(stray) = stray {
        return Some(format!(
            "messages.{at}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each \
             `tool_result` block must have a corresponding `tool_use` block in the previous message."
        ));
    }
    let once: HashSet<_> = results.iter().collect();
    (once.len() < results.len()).then(|| {
        format!("messages.{at}: each tool_use must have a single result. Found multiple `tool_result` blocks")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Rules, broken};

    fn check(messages: &[Value], expected: Option<&str>) {
        let said = broken(Rules { well_formed: true, bytes_max: Some(10_000) }, messages);
        match expected {
            None => assert_eq!(said, None),
            Some(words) => {
                assert!(said.as_deref().is_some_and(|said| said.contains(words)), "{said:?}, {words}")
            }
        }
    }

    #[test]
    fn each_rule_is_held_and_a_good_request_passes() {
        let ask = json!({"role": "user", "content": "x"});
        let call = |id: &str| json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": {}}]});
        let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "y"});
        let user = |parts: &[Value]| json!({"role": "user", "content": parts});
        let note = json!({"role": "system", "content": "note"});
        check(&[ask.clone(), call("a"), note, user(&[result("a")]), ask.clone()], None);
        check(&[call("a")], Some("first message"));
        check(&[ask.clone(), call("a"), ask.clone()], Some("ids were found without"));
        check(
            &[ask.clone(), call("a"), user(&[json!({"type": "text", "text": "w"}), result("a")])],
            Some("ids were found without"),
        );
        check(&[ask.clone(), user(&[result("b")])], Some("unexpected `tool_use_id`"));
        check(
            &[ask.clone(), call("a"), user(&[result("a")]), call("a"), user(&[result("a")])],
            Some("must be unique"),
        );
        check(&[ask.clone(), call("a"), user(&[result("a"), result("a")])], Some("single result"));
        check(&[user(&[json!({"type": "hologram"})])], Some("Input tag 'hologram'"));
        check(&[user(&[json!({"type": "text", "text": " "})])], Some("non-empty"));
        check(&[json!({"role": "user", "content": "x".repeat(20_000)})], Some("prompt is too long"));
        let odd = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "B sh", "input": {}}]});
        check(&[ask, odd], Some("should match pattern"));
    }
}
