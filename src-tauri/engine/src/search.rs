//! Searching all journals: a plain scan, case ignored for ASCII letters.

use std::collections::HashMap;

use shim_api::{ApiError, search::Hit};
use shim_core::{
    chats::{ChatId, Client},
    clients::shorten,
    lines::{Line, Lines},
    search::{each_text, said},
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
        let settings = watch.home.settings();
        let title = |(id, chat)| (ChatId::clone(id), views::title(id, chat, &settings));
        watch.chats.iter().map(title).collect::<HashMap<_, _>>()
    })?;
    let wanted = text.to_lowercase();
    let settings = handle.home.settings();
    let shown = |text: &str| views::shown(text.to_owned(), &settings);
    let found = handle.home.store.read(|store| {
        let mut hits = Vec::new();
        for stream in store.streams()? {
            let title = titles.get(&stream.chat).cloned().unwrap_or_default();
            in_stream(store, &stream, (&wanted, &shown), &title, &mut hits)?;
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
    wanted: (&str, &impl Fn(&str) -> String),
    title: &str,
    hits: &mut Vec<Hit>,
) -> Result<(), StoreError> {
    let (mut lines, first) = (Lines::default(), hits.len());
    let client = stream.chat.client();
    store.read_journal(stream.id, stream.generation, 0, u64::MAX, |bytes| {
        lines.feed(bytes, |line| {
            let Line::Whole(line) = line else { return };
            let of_chat = hits.get(first..).unwrap_or_default();
            if of_chat.len() < HITS_PER_CHAT_MAX
                && let Some((who, at, excerpt)) = in_line(client, line, wanted)
                // Clients write a message again when it grows.
                && !of_chat.iter().any(|hit| hit.excerpt == excerpt && hit.who == who)
            {
                hits.push(Hit { chat: stream.chat.clone(), title: title.to_owned(), at, who, excerpt });
            }
        });
        hits.len() - first < HITS_PER_CHAT_MAX
    })?;
    Ok(())
}

fn in_line(
    client: Client,
    line: &[u8],
    (wanted, shown): (&str, &impl Fn(&str) -> String),
) -> Option<(String, Option<Timestamp>, String)> {
    let record: serde_json::Value = serde_json::from_slice(line).ok()?;
    said(client, &record).into_iter().find_map(|said| {
        let mut excerpt = None;
        for part in said.parts {
            each_text(part, &mut |text| {
                if excerpt.is_none() {
                    excerpt = around(text, wanted, shown);
                }
            });
        }
        Some((said.who.to_owned(), said.at, excerpt?))
    })
}

/// What stands around the find, as it is shown. Redacted is the whole text, since a secret that was cut is not known for
/// one; where the find lay within a secret, what took its place is shown.
fn around(text: &str, wanted: &str, shown: impl Fn(&str) -> String) -> Option<String> {
    if !text.to_lowercase().contains(wanted) {
        return None;
    }
    let text = shown(text);
    let lower = text.to_lowercase();
    let at = lower.find(wanted).or_else(|| lower.find("[redacted: "))?;
    let before = lower.get(..at)?.chars().count();
    let from = before.saturating_sub(AROUND_CHARS);
    let taken: String = text.chars().skip(from).take(2 * AROUND_CHARS + wanted.chars().count()).collect();
    Some(shorten(&one_line(&taken), 2 * AROUND_CHARS + wanted.chars().count()))
}
