//! What is noted of a crash beside its verdict: from the end of its journal and from the last reading of its process.

use shim_api::ApiError;
use shim_core::{
    clients::{read_line, shorten},
    fingerprints::{Fingerprint, Noted, group},
    lines::{Line, Lines},
    observations::{AnswerEnd, What},
    supervisor::NewCrash,
};
use shim_store::{Batch, StoreError};

use crate::{
    run::{Handle, Watch, now},
    views,
};

/// Bytes of the journal's end that are looked into: some dozens of records.
const TAIL_BYTES: u64 = 64 * 1024;
/// Characters of a message that are stored.
const MESSAGE_CHARS_MAX: usize = 500;
/// Where the verdict's own evidence comes from; any other is a detector's, and says why.
const VERDICTS_SOURCES: [&str; 5] = ["process", "registry", "transcript", "boot", "app"];

/// The groups of crashes that look alike, for a reader so many minutes east of UTC.
pub fn fingerprints(handle: &Handle, offset_minutes: i32) -> Result<Vec<Fingerprint>, ApiError> {
    let crashes = handle.home.store.read(|store| store.crash_traits()).map_err(views::store_error)?;
    Ok(group(crashes, now(), offset_minutes))
}

impl Watch {
    /// What the watch itself knows of a crash.
    pub fn noted(&self, crash: &NewCrash) -> Noted {
        let reason = crash.evidence.iter().find(|seen| !VERDICTS_SOURCES.contains(&seen.source.as_str()));
        Noted {
            client_version: self.chats.get(&crash.chat).and_then(|chat| chat.digest.version.clone()),
            last_tool: crash.in_flight.last().map(|call| call.tool.clone()),
            memory_bytes: self.readings.get(&crash.chat).map(|reading| reading.rss_bytes),
            message: reason.map(|seen| shorten(&seen.says, MESSAGE_CHARS_MAX)),
        }
    }
}

/// Notes it, with what the journal's end adds.
pub fn note(store: &Batch<'_>, id: i64, crash: &NewCrash, mut noted: Noted) -> Result<(), StoreError> {
    // A journal that cannot be read takes nothing from the crash.
    let (tool, error) = said_last(store, crash).unwrap_or_else(|error| {
        tracing::warn!(chat = %crash.chat, "what the chat said last could not be read: {error}");
        (None, None)
    });
    noted.last_tool = noted.last_tool.or(tool);
    noted.message = noted.message.or(error);
    store.note_crash(id, &noted)
}

/// The last tool that was called, and the error that nothing came after.
fn said_last(store: &Batch<'_>, crash: &NewCrash) -> Result<(Option<String>, Option<String>), StoreError> {
    let Some(stream) = store.main_stream(&crash.chat)? else { return Ok((None, None)) };
    let from = stream.known.bytes.saturating_sub(TAIL_BYTES);
    let (mut tool, mut error, mut lines) = (None, None, Lines::default());
    // The first line is cut where the tail begins, and reads as nothing.
    store.read_journal(stream.id, stream.generation, from, u64::MAX, |bytes| {
        lines.feed(bytes, |line| {
            let Line::Whole(line) = line else { return };
            read_line(crash.chat.client(), line, |record| match record.observed.what {
                What::Answer(answer) => {
                    tool = answer.calls.last().map(|call| call.call.tool.clone()).or(tool.take());
                    if answer.end == AnswerEnd::Done {
                        error = None;
                    }
                }
                What::ApiError { text } => error = Some(shorten(&text, MESSAGE_CHARS_MAX)),
                What::Prompt { .. } => error = None,
                _ => {}
            });
        });
        true
    })?;
    Ok((tool, error))
}
