//! Searching all journals: a plain scan, case ignored for ASCII letters.

use std::collections::HashMap;

use shim_api::{ApiError, search::Hit};
use shim_core::{
    clients::shorten,
    lines::{Line, Lines},
    time::Timestamp,
};
use shim_store::{Batch, StoreError, Stream};

use crate::{run::Handle, timeline::one_line, views};

/// Finds given at most, and of one chat.
const HITS_MAX: usize = 200;
const HITS_PER_CHAT_MAX: usize = 5;
/// Characters shown on each side of a find.
const AROUND_CHARS: usize = 60;

pub fn search(handle: &Handle, text: &str) -> Result<Vec<Hit>, ApiError> {
    let titles = handle.call(|watch| {
        watch.chats.iter().map(|(id, chat)| (id.clone(), views::title(id, chat))).collect::<HashMap<_, _>>()
    })?;
    let wanted = text.to_lowercase();
    let found = handle.home.store.read(|store| {
        let mut hits = Vec::new();
        for stream in store.streams()? {
            let title = titles.get(&stream.chat).cloned().unwrap_or_default();
            in_stream(store, &stream, &wanted, &title, &mut hits)?;
            if hits.len() >= HITS_MAX {
                break;
            }
        }
        Ok(hits)
    });
    let mut hits = found.map_err(views::store_error)?;
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.at));
    hits.truncate(HITS_MAX);
    Ok(hits)
}

fn in_stream(
    store: &Batch<'_>,
    stream: &Stream,
    wanted: &str,
    title: &str,
    hits: &mut Vec<Hit>,
) -> Result<(), StoreError> {
    let (mut lines, mut found) = (Lines::default(), 0);
    store.read_journal(stream.id, stream.generation, 0, u64::MAX, |bytes| {
        lines.feed(bytes, |line| {
            let Line::Whole(line) = line else { return };
            if found < HITS_PER_CHAT_MAX
                && let Some(hit) = in_line(line, wanted)
            {
                found += 1;
                let (who, at, excerpt) = hit;
                hits.push(Hit { chat: stream.chat.clone(), title: title.to_owned(), at, who, excerpt });
            }
        });
        found < HITS_PER_CHAT_MAX
    })?;
    Ok(())
}

/// Looks into what was said and done, not into the client's own bookkeeping.
fn in_line(line: &[u8], wanted: &str) -> Option<(String, Option<Timestamp>, String)> {
    let record: serde_json::Value = serde_json::from_slice(line).ok()?;
    let who = record.get("type")?.as_str()?;
    let content = record.get("message")?.get("content")?;
    let mut excerpt = None;
    each_text(content, &mut |text| {
        if excerpt.is_none() {
            excerpt = around(text, wanted);
        }
    });
    let at = record.get("timestamp").and_then(|at| at.as_str()).and_then(Timestamp::parse);
    Some((who.to_owned(), at, excerpt?))
}

fn each_text(value: &serde_json::Value, each: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => each(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        serde_json::Value::Object(map) => map.values().for_each(|item| each_text(item, each)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

fn around(text: &str, wanted: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let at = lower.find(wanted)?;
    let before = lower.get(..at)?.chars().count();
    let from = before.saturating_sub(AROUND_CHARS);
    let taken: String = text.chars().skip(from).take(2 * AROUND_CHARS + wanted.chars().count()).collect();
    Some(shorten(&one_line(&taken), 2 * AROUND_CHARS + wanted.chars().count()))
}
