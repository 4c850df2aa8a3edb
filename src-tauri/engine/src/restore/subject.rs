//! What is known of a chat when its restore begins: its files, how it was started, and where it was cut.

use std::path::PathBuf;

use shim_api::ApiError;
use shim_core::{
    chats::ChatId,
    crashes::{InTurn, ToolCall},
    digest::{Digest, Reader},
    time::Timestamp,
};
use shim_store::{CheckpointRow, Stream};

use crate::{clients::port, paths::to_bytes, processes::Started, run::Handle, views};

/// What the watch knows of the chat when the restore begins.
pub struct Subject {
    pub digest: Digest,
    pub started: Option<Started>,
    pub launch: shim_store::Launch,
    /// As it was started with, what is not stored included.
    pub flags: Vec<String>,
    pub cwd: Option<String>,
    pub crash: Option<i64>,
    /// Existing transcripts of the chat.
    pub transcripts: Vec<PathBuf>,
    pub stream: Option<Stream>,
    /// The process of the crash.
    pub dead: Option<u32>,
    pub died_at: Option<Timestamp>,
}

/// Brings journal and registries up to date and takes what is known of the chat.
pub fn look_up(handle: &Handle, chat: &ChatId, crash: Option<i64>) -> Result<Subject, ApiError> {
    let id = chat.clone();
    let launch = handle.home.store.read(|store| store.launch(chat)).map_err(views::store_error)?;
    let mut subject = handle.call(move |watch| {
        watch.read_registries();
        for transcript in watch.transcripts_of(&id) {
            watch.catch_up_wholly(&transcript);
        }
        watch.settle();
        let chat = watch.chats.get(&id);
        let launch = launch.or_else(|| chat.map(|chat| chat.launch.clone())).unwrap_or_default();
        let known = chat.map(|chat| chat.transcripts.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
        Subject {
            cwd: directory(&id, &launch, chat.and_then(|chat| chat.digest.cwd.clone())),
            digest: watch.digest_at_rest(&id),
            flags: watch.flags_of(&id, &launch),
            started: chat.and_then(|chat| chat.started.clone()),
            launch,
            crash: crash.or_else(|| watch.open_crashes.get(&id).copied()),
            transcripts: known.into_iter().filter(|path| port(id.client()).is_there(path)).collect(),
            stream: None,
            dead: None,
            died_at: None,
        }
    })?;
    // Only now: bringing the journal up to date may have begun a new generation.
    let stream = handle.home.store.read(|store| match subject.transcripts.as_slice() {
        [only] => store.stream_at(&to_bytes(only)),
        _ => store.main_stream(chat),
    });
    subject.stream = stream.map_err(views::store_error)?;
    let crash = subject.crash.map(|id| handle.home.store.read(|store| store.crash(id))).transpose();
    let crash = crash.map_err(views::store_error)?.flatten();
    subject.died_at = crash.as_ref().map(|crash| crash.happened_at);
    subject.dead = crash.map(|crash| crash.process.pid);
    Ok(subject)
}

/// Where the chat works. A client without a registry was asked by nobody which directory it is: one that was resumed
/// from elsewhere says it in its transcript only.
fn directory(chat: &ChatId, launch: &shim_store::Launch, written: Option<String>) -> Option<String> {
    if port(chat.client()).keeps_registry() {
        launch.cwd.clone().or(written)
    } else {
        written.or_else(|| launch.cwd.clone())
    }
}

/// Where the chat was cut: for a fork at its checkpoint, for a crash as its verdict says, else as it stands.
pub fn where_cut(
    handle: &Handle,
    chat: &ChatId,
    subject: &Subject,
    checkpoint: Option<&CheckpointRow>,
) -> Result<(InTurn, Vec<ToolCall>), ApiError> {
    let store = &handle.home.store;
    if let Some(row) = checkpoint {
        let (mut reader, point) = (Reader::new(row.checkpoint.chat.client()), &row.checkpoint);
        let read = store.read(|store| {
            store.read_journal(point.stream, point.generation, 0, point.offset, |bytes| {
                reader.feed(bytes);
                true
            })
        });
        read.map_err(views::store_error)?;
        return Ok(reader.digest.where_open());
    }
    let crash = subject
        .crash
        .map(|id| store.read(|store| store.crash(id)))
        .transpose()
        .map_err(views::store_error)?;
    match crash.flatten().filter(|crash| !crash.resolved) {
        Some(crash) => Ok((crash.in_turn, crash.in_flight)),
        None => match subject.digest.where_open() {
            (InTurn::None, _) => unrecorded(handle, chat),
            cut => Ok(cut),
        },
    }
}

/// Calls that nobody recorded and that still run.
fn unrecorded(handle: &Handle, chat: &ChatId) -> Result<(InTurn, Vec<ToolCall>), ApiError> {
    let asked = chat.clone();
    let calls = handle.call(move |watch| watch.unfinished_calls(&asked, None))?;
    let in_turn = if calls.is_empty() { InTurn::None } else { InTurn::Tool };
    Ok((in_turn, calls))
}
