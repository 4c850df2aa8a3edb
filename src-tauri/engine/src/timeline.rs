//! A chat's timeline: its prompts, answers and tool calls from the journal, and what happened to it.

use std::collections::VecDeque;

use shim_api::{
    ApiError,
    chats::{ChatDetail, Entry, EntryKind},
    error::ErrorCode,
};
use shim_core::{
    chats::ChatId,
    checkpoints::Trigger,
    clients::{read_line, shorten},
    lines::{Line, Lines},
    observations::{Observed, What},
    time::Timestamp,
};
use shim_store::Batch;

use crate::{run::Handle, views};

/// Longest line of text in an entry, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// Entries given at most, whatever was asked for.
const ENTRIES_MAX: usize = 5000;

/// The newest `limit` entries, oldest first.
pub fn chat_detail(handle: &Handle, chat: &ChatId, limit: usize) -> Result<ChatDetail, ApiError> {
    let id = chat.clone();
    let view = handle.call(move |watch| watch.chat_view(&id))?.ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, format!("{chat} is not known; `shim chats` lists what is"))
    })?;
    let read = handle.home.store.read(|store| {
        let (mut entries, left_out) = from_journal(store, chat)?;
        entries.extend(incidents(store, chat)?);
        Ok((entries, left_out))
    });
    let (mut entries, left_out) = read.map_err(views::store_error)?;
    entries.sort_by_key(|entry| entry.at);
    let limit = limit.min(ENTRIES_MAX);
    let earlier = entries.len().saturating_sub(limit);
    Ok(ChatDetail { chat: view, timeline: entries.split_off(earlier), earlier: left_out + earlier as u64 })
}

/// The newest entries, and how many older ones there are.
fn from_journal(store: &Batch<'_>, chat: &ChatId) -> Result<(Vec<Entry>, u64), shim_store::StoreError> {
    let Some(stream) = store.main_stream(chat)? else { return Ok((Vec::new(), 0)) };
    let mut left_out = 0;
    // Only the newest are kept while reading: a long chat must not fill the memory.
    let mut entries: VecDeque<Entry> = VecDeque::new();
    let (mut lines, mut last_at) = (Lines::default(), Timestamp::default());
    store.read_journal(stream.id, stream.generation, 0, u64::MAX, |bytes| {
        lines.feed(bytes, |line| {
            let Line::Whole(line) = line else { return };
            read_line(stream.chat.client(), line, |record| {
                last_at = record.observed.at.unwrap_or(last_at);
                for entry in entries_of(record.observed, last_at) {
                    if entries.len() == ENTRIES_MAX {
                        entries.pop_front();
                        left_out += 1;
                    }
                    entries.push_back(entry);
                }
            });
        });
        true
    })?;
    Ok((entries.into(), left_out))
}

fn entries_of(observed: Observed, at: Timestamp) -> Vec<Entry> {
    if observed.sidechain {
        return Vec::new();
    }
    let entry = |kind, text: &str| Entry { at, kind, text: one_line(text), number: None, point: None };
    match observed.what {
        What::Prompt { text } | What::Command { text } => vec![entry(EntryKind::Prompt, &text)],
        What::Answer(answer) => {
            let text = answer.text.iter().map(|text| entry(EntryKind::Answer, text));
            let calls = answer.calls.iter().map(|call| {
                entry(EntryKind::Tool, &format!("{} {}", call.call.tool, brief(&call.call.input)))
            });
            text.chain(calls).collect()
        }
        What::ToolResults(results) => {
            let failed = results.iter().filter(|result| result.failed);
            failed.map(|_| entry(EntryKind::ToolFailed, "a tool call failed")).collect()
        }
        What::Interrupted => vec![entry(EntryKind::Interrupted, "interrupted by the user")],
        What::ApiError { text } => vec![entry(EntryKind::ApiError, &text)],
        What::Compaction => vec![entry(EntryKind::Compaction, "the client compacted the conversation")],
        What::CompactionFailed { text } => vec![entry(EntryKind::ApiError, &text)],
        What::TurnBegun | What::CutTurnClosed | What::Title { .. } | What::Other => Vec::new(),
    }
}

/// What a person wants to see of a tool call's input: its command or path, else all of it.
fn brief(input: &serde_json::Value) -> String {
    let telling = ["command", "file_path", "path", "pattern", "url", "description"];
    let known = telling.iter().find_map(|key| input.get(key).and_then(serde_json::Value::as_str));
    known.map_or_else(|| input.to_string(), str::to_owned)
}

pub fn one_line(text: &str) -> String {
    shorten(&text.split_whitespace().collect::<Vec<_>>().join(" "), TEXT_CHARS_MAX)
}

fn incidents(store: &Batch<'_>, chat: &ChatId) -> Result<Vec<Entry>, shim_store::StoreError> {
    let checkpoints = store.checkpoints(chat)?.into_iter().map(|row| Entry {
        at: row.checkpoint.at,
        kind: EntryKind::Checkpoint,
        text: match (row.checkpoint.note, row.checkpoint.trigger) {
            (Some(note), Trigger::User) => note,
            (Some(note), trigger) => format!("{}: {note}", trigger.words()),
            (None, trigger) => trigger.words().to_owned(),
        },
        number: Some(row.id),
        point: None,
    });
    let crashes = store.crashes()?.into_iter().filter(|row| row.chat == *chat).map(|row| Entry {
        at: row.happened_at,
        kind: EntryKind::Crash,
        text: format!("{}, in turn: {}", row.kind.name(), row.in_turn.name()),
        number: Some(row.id),
        point: None,
    });
    let restores = store.restores(chat)?.into_iter().map(|row| Entry {
        at: row.at,
        kind: EntryKind::Restore,
        text: outcome_of(&row.receipt),
        number: Some(row.id),
        point: None,
    });
    Ok(checkpoints.chain(crashes).chain(restores).collect())
}

fn outcome_of(receipt: &str) -> String {
    match serde_json::from_str::<shim_api::restore::Receipt>(receipt) {
        Ok(receipt) if receipt.dry_run => "rehearsed, nothing changed".to_owned(),
        Ok(receipt) if receipt.ok => format!("restored, {} turns lost", receipt.turns_lost.unwrap_or(0)),
        Ok(receipt) => match receipt.refused {
            Some(refusal) => format!("refused: {}", one_line(&refusal.message)),
            None => {
                let failed = receipt.steps.iter().find(|step| !step.ok);
                failed
                    .map_or_else(|| "failed".to_owned(), |step| format!("failed: {}", one_line(&step.detail)))
            }
        },
        Err(_) => "under way when the engine ended".to_owned(),
    }
}
