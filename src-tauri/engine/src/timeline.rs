//! A chat's timeline: its prompts, answers and tool calls from the journal, and what happened to it. Given page by page:
//! a chat's entries are counted once, and only a page's own are read.

mod index;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use shim_api::{
    ApiError,
    chats::{ChatDetail, Entry, EntryKind},
    error::ErrorCode,
    timeline::{PAGE_MAX, Point, TimelinePage},
};
use shim_core::{
    chats::{ChatId, Client},
    checkpoints::Trigger,
    clients::{read_line, shorten},
    lines::{Line, Lines},
    observations::{Observed, What},
    time::Timestamp,
};
use shim_store::{Batch, StoreError, Stream, StreamId};

use self::index::{Index, Place, Run};
use crate::{
    clients::port,
    run::{Handle, Watch},
    views,
};

/// Longest line of text in an entry, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// Entries given at most with a chat, whatever was asked for.
const ENTRIES_MAX: u64 = 5000;
/// Chats whose places are held: those asked for last. Three are 9 MB at most, and of ordinary chats some kilobytes.
const CHATS_HELD_MAX: usize = 3;
/// How long they are held when nobody asks.
const HELD_FOR: Duration = Duration::from_secs(10 * 60);

/// The places of the chats that are looked at.
#[derive(Default)]
pub struct Timelines {
    /// The one asked for last at the end.
    held: Mutex<Vec<Held>>,
}

struct Held {
    chat: ChatId,
    asked: Instant,
    places: Arc<Mutex<Option<Places>>>,
}

/// The places of one generation of a chat's journal.
struct Places {
    stream: StreamId,
    generation: i64,
    index: Index,
}

impl Timelines {
    fn of(&self, chat: &ChatId) -> Arc<Mutex<Option<Places>>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.iter().position(|held| held.chat == *chat).map(|at| held.remove(at).places);
        let places = known.unwrap_or_default();
        let superfluous = (held.len() + 1).saturating_sub(CHATS_HELD_MAX);
        held.drain(..superfluous);
        held.push(Held { chat: chat.clone(), asked: Instant::now(), places: Arc::clone(&places) });
        places
    }

    /// Lets go of what nobody asked for lately.
    pub fn let_go(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| held.asked.elapsed() < HELD_FOR);
        if held.is_empty() {
            held.shrink_to_fit();
        }
    }
}

/// A chat and the newest `limit` entries, oldest first.
pub fn chat_detail(handle: &Handle, chat: &ChatId, limit: u64) -> Result<ChatDetail, ApiError> {
    let view = known(handle, chat, |watch, id| watch.chat_view(id))?;
    let page = read_page(handle, chat, None, limit.min(ENTRIES_MAX))?;
    Ok(ChatDetail { chat: view, timeline: page.entries, earlier: page.from })
}

/// At most `limit` entries from the `from`th on; without `from`, the newest.
pub fn page(handle: &Handle, chat: &ChatId, from: Option<u64>, limit: u64) -> Result<TimelinePage, ApiError> {
    known(handle, chat, |watch, id| watch.chats.get(id).map(|_| ()))?;
    read_page(handle, chat, from, limit.min(PAGE_MAX))
}

fn known<T: Send + 'static>(
    handle: &Handle,
    chat: &ChatId,
    look: impl FnOnce(&Watch, &ChatId) -> Option<T> + Send + 'static,
) -> Result<T, ApiError> {
    let id = chat.clone();
    handle.call(move |watch| look(watch, &id))?.ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, format!("{chat} is not known; `shim chats` lists what is"))
    })
}

fn read_page(
    handle: &Handle,
    chat: &ChatId,
    from: Option<u64>,
    limit: u64,
) -> Result<TimelinePage, ApiError> {
    let places = handle.timelines.of(chat);
    let read = handle.home.store.read(|store| {
        let incidents = incidents(store, chat)?;
        let stream = store.main_stream(chat)?;
        let moments: Vec<_> = incidents.iter().map(|entry| entry.at).collect();
        let (page, first, total, until) = {
            let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
            let index = up_to_date(store, &mut places, stream.as_ref(), chat.client())?;
            let total = index.entries() + moments.len() as u64;
            let from = from.unwrap_or_else(|| total.saturating_sub(limit)).min(total);
            let page = index.page(&moments, from, limit);
            let of_journal = page.iter().find_map(|run| match run {
                Run::Journal(range) => index.place_before(range.start),
                Run::Incident(_) => None,
            });
            ((from, page), of_journal, total, index.whole())
        };
        let (from, runs) = page;
        let wanted = runs.iter().map(|run| match run {
            Run::Journal(range) => range.end - range.start,
            Run::Incident(_) => 0,
        });
        let told = match (stream, first) {
            (Some(stream), Some((place, skipped))) => {
                from_journal(store, &stream, place, skipped, wanted.sum(), until)?
            }
            _ => Vec::new(),
        };
        Ok(TimelinePage { from, entries: laid_together(&runs, told, &incidents), total })
    });
    read.map_err(views::store_error)
}

/// The index, gone on with to the journal's end.
fn up_to_date<'a>(
    store: &Batch<'_>,
    places: &'a mut Option<Places>,
    stream: Option<&Stream>,
    client: Client,
) -> Result<&'a Index, StoreError> {
    let (id, generation, bytes) =
        stream.map_or((StreamId(0), 0, 0), |stream| (stream.id, stream.generation, stream.known.bytes));
    let same = places.take_if(|places| places.stream == id && places.generation == generation);
    let known = same.unwrap_or_else(|| Places { stream: id, generation, index: Index::new(client) });
    let index = &mut places.insert(known).index;
    if index.whole() < bytes {
        let mut lines = index.lines();
        store.read_journal(id, generation, index.whole(), bytes, |piece| {
            index.feed(&mut lines, piece);
            true
        })?;
    }
    Ok(index)
}

/// So many entries of the journal, from a place and the entries between it and the first.
fn from_journal(
    store: &Batch<'_>,
    stream: &Stream,
    place: Place,
    skipped: u64,
    wanted: u64,
    until: u64,
) -> Result<Vec<Entry>, StoreError> {
    let client = stream.chat.client();
    let can_fork = port(client).can_fork();
    let mut skipped = skipped + u64::from(place.nth);
    let mut lines = Lines::from_offset(place.line);
    let (mut entries, mut latest) = (Vec::new(), place.at);
    let is_enough = |entries: &Vec<Entry>| entries.len() as u64 >= wanted;
    store.read_journal(stream.id, stream.generation, place.line, until, |bytes| {
        lines.feed_with_ends(bytes, |line, end| {
            let Line::Whole(line) = line else { return };
            if is_enough(&entries) {
                return;
            }
            let point = can_fork.then_some(Point { generation: stream.generation, offset: end });
            read_line(client, line, |record| {
                let own = record.observed.at;
                latest = latest.max(own.unwrap_or_default());
                for told in Told::of(record.observed) {
                    if skipped > 0 {
                        skipped -= 1;
                    } else if !is_enough(&entries) {
                        entries.push(told.entry(own.unwrap_or(latest), point));
                    }
                }
            });
        });
        !is_enough(&entries)
    })?;
    Ok(entries)
}

fn laid_together(runs: &[Run], told: Vec<Entry>, incidents: &[Entry]) -> Vec<Entry> {
    let mut told = told.into_iter();
    let mut entries = Vec::new();
    for run in runs {
        match run {
            Run::Journal(range) => {
                let count = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                entries.extend(told.by_ref().take(count));
            }
            Run::Incident(number) => entries.extend(incidents.get(*number).cloned()),
        }
    }
    entries
}

/// What a record tells a person.
struct Told {
    kind: EntryKind,
    text: String,
}

impl Told {
    fn of(observed: Observed) -> Vec<Self> {
        if observed.sidechain {
            return Vec::new();
        }
        let told = |kind, text: &str| Self { kind, text: text.to_owned() };
        match observed.what {
            What::Prompt { text } | What::Command { text } => vec![Self { kind: EntryKind::Prompt, text }],
            What::Answer(answer) => {
                let text = answer.text.map(|text| Self { kind: EntryKind::Answer, text });
                let calls = answer.calls.iter().map(|call| {
                    told(EntryKind::Tool, &format!("{} {}", call.call.tool, brief(&call.call.input)))
                });
                text.into_iter().chain(calls).collect()
            }
            What::ToolResults(results) => {
                let failed = results.iter().filter(|result| result.failed);
                failed.map(|_| told(EntryKind::ToolFailed, "a tool call failed")).collect()
            }
            What::Interrupted => vec![told(EntryKind::Interrupted, "interrupted by the user")],
            What::ApiError { text } | What::CompactionFailed { text } => {
                vec![Self { kind: EntryKind::ApiError, text }]
            }
            What::Compaction => vec![told(EntryKind::Compaction, "the client compacted the conversation")],
            What::TurnBegun | What::CutTurnClosed | What::Title { .. } | What::Other => Vec::new(),
        }
    }

    fn entry(self, at: Timestamp, point: Option<Point>) -> Entry {
        Entry { at, kind: self.kind, text: one_line(&self.text), number: None, point }
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

/// Checkpoints, crashes and restores, oldest first.
fn incidents(store: &Batch<'_>, chat: &ChatId) -> Result<Vec<Entry>, StoreError> {
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
    let crashes = store.crashes_of_chat(chat)?.into_iter().map(|row| Entry {
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
    let mut incidents: Vec<_> = checkpoints.chain(crashes).chain(restores).collect();
    incidents.sort_by_key(|entry| entry.at);
    Ok(incidents)
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

#[cfg(test)]
#[path = "timeline/tests.rs"]
mod tests;
