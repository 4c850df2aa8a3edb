//! Chats that the model's API refuses turn after turn. Where a record is known to be the cause, that record is
//! mended and no turn is lost; else the copy ends with the last answer that the API accepted.

use serde_json::value::RawValue;

use super::{
    Change, Cure, Finding, Form, Refused,
    errors::{Class, course},
    records::{Message, Part, Raw, Rec, name_fits, parts, splice},
};
use crate::{chats::Client, crashes::CrashKind};

/// Parts of messages that the API knows, as of 2026-11.
const PARTS: &[&str] = &[
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "mcp_tool_use",
    "container_upload",
    "tool_reference",
    "fallback",
    "compaction",
];
/// How a refusal says that a part is of a kind that it does not know.
const UNKNOWN_PART: [&str; 2] = ["input tag", "expected tags"];

fn knows(part: &str) -> bool {
    PARTS.contains(&part) || part.ends_with("_tool_result")
}

/// Records that the API does not take. A part of an unknown kind may be news of a newer client: it counts only where
/// the refusal itself names it.
pub fn causes(records: &[Rec<'_>], said: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let unknown_refused = is_of_unknown_part(said);
    for record in records {
        let Some(head) = record.main() else { continue };
        let mut add = |form: Form, says: &str| {
            let (line, says) = (record.item.line, says.to_owned());
            findings.push(Finding { kind: CrashKind::Poisoned, form, line, says, cure: Cure::Repair });
        };
        if head.misordered {
            add(Form::Misordered, "words stand before a tool's result in one message");
        }
        if head.calls.iter().any(|call| !call.name_fits || !call.input_fits) {
            add(Form::BadCall, "a tool call with a name or an input that the model's API does not take");
        }
        if unknown_refused && head.parts.iter().any(|part| !knows(part)) {
            add(Form::BadPart, "a part of a message of a kind that the model's API does not know");
        }
    }
    findings
}

fn is_of_unknown_part(said: &str) -> bool {
    let said = said.to_lowercase();
    UNKNOWN_PART.iter().any(|words| said.contains(words))
}

pub fn cure(client: Client, records: &mut Vec<Rec<'_>>, changes: &mut Vec<Change>) -> Result<(), Refused> {
    let course = course(client, records);
    let Some(run) = course.run.filter(|run| run.class == Class::Malformed) else { return Ok(()) };
    let mended = if client == Client::ClaudeCode { mend_causes(records, &run.said, changes) } else { false };
    if mended {
        drop_refusals(records, run.first, changes);
        return Ok(());
    }
    let good = course.good.ok_or(Refused::NeverAnswered)?;
    let dropped = records.len() - (good + 1);
    let line = records.get(good).map_or(0, |record| record.item.line);
    records.truncate(good + 1);
    let did = format!(
        "ended the copy with the last answer that the model's API accepted; {dropped} records behind it are left out"
    );
    changes.push(Change { line, did });
    Ok(())
}

/// The refusals themselves say nothing to the model; what hangs on them is hung on what they hang on.
fn drop_refusals(records: &mut Vec<Rec<'_>>, from: usize, changes: &mut Vec<Change>) {
    let mut at = 0;
    records.retain(|record| {
        let kept = at < from || !record.main().is_some_and(|head| head.is_refusal);
        at += 1;
        if !kept {
            let did = "left out a note that the model's API refused the chat".to_owned();
            changes.push(Change { line: record.item.line, did });
        }
        kept
    });
}

fn mend_causes(records: &mut [Rec<'_>], said: &str, changes: &mut Vec<Change>) -> bool {
    let unknown_refused = is_of_unknown_part(said);
    let mut mended = false;
    for record in records {
        let Some(head) = record.main() else { continue };
        let bad_call = head.calls.iter().any(|call| !call.name_fits || !call.input_fits);
        let bad_part = unknown_refused && head.parts.iter().any(|part| !knows(part));
        if !head.misordered && !bad_call && !bad_part {
            continue;
        }
        let line = record.item.line;
        if let Some(bytes) = mend_message(&record.item.bytes, unknown_refused) {
            record.rewrite(bytes);
            let did = "wrote a message the way the model's API takes it".to_owned();
            changes.push(Change { line, did });
            mended = true;
        }
    }
    mended
}

/// The record with its message's parts in order, each one that the API takes.
fn mend_message(record: &[u8], replace_unknown: bool) -> Option<Vec<u8>> {
    let raw: Raw<'_> = serde_json::from_slice(record).ok()?;
    let message: Message<'_> = serde_json::from_str(raw.message?.get()).ok()?;
    let content = message.content?;
    let (mut results, mut others) = (Vec::new(), Vec::new());
    for part in parts(Some(content)) {
        let kind = serde_json::from_str::<Part<'_>>(part.get()).map(|part| part.kind).unwrap_or_default();
        let mended = mend_part(part, &kind, replace_unknown);
        if kind == "tool_result" { results.push(mended) } else { others.push(mended) }
    }
    results.append(&mut others);
    splice(record, content.get(), &format!("[{}]", results.join(",")))
}

fn mend_part(part: &RawValue, kind: &str, replace_unknown: bool) -> String {
    let text = part.get();
    if kind == "tool_use" {
        return mend_call(text).unwrap_or_else(|| text.to_owned());
    }
    if replace_unknown && !knows(kind) {
        let note = format!("[A part of the kind “{kind}” stood here, which the model's API refused.]");
        return serde_json::json!({"type": "text", "text": note}).to_string();
    }
    text.to_owned()
}

fn mend_call(text: &str) -> Option<String> {
    let part: Part<'_> = serde_json::from_str(text).ok()?;
    let mut call: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let name = part.name.as_deref().unwrap_or("unknown");
    if !name_fits(name) {
        let fit = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
        let name: String = name.chars().take(64).map(fit).collect();
        let name = if name.is_empty() { "unknown".to_owned() } else { name };
        call.insert("name".to_owned(), name.into());
    }
    if !part.input.is_some_and(|input| input.get().starts_with('{')) {
        let input = call.remove("input").unwrap_or_default();
        call.insert("input".to_owned(), serde_json::json!({ "input": input }));
    }
    serde_json::to_string(&call).ok()
}
