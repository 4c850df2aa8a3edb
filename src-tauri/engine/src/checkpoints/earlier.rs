//! A checkpoint of an earlier point of a chat, told from its journal alone: of the working tree of that moment nothing
//! was kept.

use std::time::Instant;

use shim_api::{ApiError, checkpoints::Checkpoint, error::ErrorCode, timeline::Point};
use shim_core::{
    chats::ChatId,
    checkpoints::Trigger,
    digest::{Digest, Reader},
};
use shim_store::{Batch, NewCheckpoint, StoreError, Stream, Urgency};

use crate::{
    run::{Handle, now},
    views,
};

const NO_WORKSPACE: &str = "an earlier point: the working tree of that moment was not kept";

/// Why a point is none.
enum Wrong {
    NothingKept,
    Generation { first: i64, last: i64 },
    Beyond { bytes: u64 },
    WithinRecord,
}

/// Takes a checkpoint for the user at a point of the timeline; it is durable when this returns.
pub fn take(
    handle: &Handle,
    chat: &ChatId,
    note: Option<String>,
    point: Point,
) -> Result<Checkpoint, ApiError> {
    let since = Instant::now();
    let read = handle.home.store.read(|store| look(store, chat, point)).map_err(views::store_error)?;
    let (stream, digest) = read.map_err(|wrong| refusal(chat, point, &wrong))?;
    let checkpoint = NewCheckpoint {
        chat: chat.clone(),
        at: digest.last_at.unwrap_or_else(now),
        trigger: Trigger::User,
        also: Vec::new(),
        note,
        turns: digest.turns,
        tokens: digest.tokens,
        stream: stream.id,
        generation: point.generation,
        offset: point.offset,
        head: None,
        branch: None,
        todos: digest.todos,
    };
    let max = handle.home.settings().checkpoints.kept_max;
    let written = handle.home.store.write(Urgency::AtOnce, move |store| {
        let id = store.put_checkpoint(&checkpoint)?;
        store.thin_checkpoints(&checkpoint.chat, max, now())?;
        store.checkpoint(id)
    });
    let mut row = written.map_err(views::store_error)?.ok_or_else(|| {
        let message = "the checkpoint was written and cannot be read back; run `shim doctor --verify`";
        ApiError::new(ErrorCode::Store, message)
    })?;
    row.took_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (id, took_us, trigger, of) = (row.id, row.took_us, row.checkpoint.trigger, chat.clone());
    handle.call(move |watch| {
        watch.took.push((id, took_us));
        watch.tell_of_checkpoint(of, id, trigger, took_us);
    })?;
    let mut taken = views::checkpoint(row, &handle.home.settings());
    taken.workspace.error = Some(NO_WORKSPACE.to_owned());
    Ok(taken)
}

/// What the chat was at the point.
fn look(
    store: &Batch<'_>,
    chat: &ChatId,
    point: Point,
) -> Result<Result<(Stream, Digest), Wrong>, StoreError> {
    let Some(stream) = store.main_stream(chat)? else { return Ok(Err(Wrong::NothingKept)) };
    let generations = store.generations(stream.id)?;
    let (Some(first), Some(last)) = (generations.first(), generations.last()) else {
        return Ok(Err(Wrong::NothingKept));
    };
    let Some(kept) = generations.iter().find(|kept| kept.generation == point.generation) else {
        return Ok(Err(Wrong::Generation { first: first.generation, last: last.generation }));
    };
    if point.offset == 0 || point.offset > kept.bytes {
        return Ok(Err(Wrong::Beyond { bytes: kept.bytes }));
    }
    let mut reader = Reader::new(chat.client());
    store.read_journal(stream.id, point.generation, 0, point.offset, |bytes| {
        reader.feed(bytes);
        true
    })?;
    // Folded are whole lines only.
    if reader.digest.offset != point.offset {
        return Ok(Err(Wrong::WithinRecord));
    }
    Ok(Ok((stream, reader.digest)))
}

fn refusal(chat: &ChatId, point: Point, wrong: &Wrong) -> ApiError {
    let Point { generation, offset } = point;
    let listed = format!("`shim chat {} --places` lists the points there are", chat.session_id());
    let (code, message) = match wrong {
        Wrong::NothingKept => {
            (ErrorCode::NotFound, format!("nothing of {chat} was kept: it has no transcript yet"))
        }
        Wrong::Generation { first, last } => (
            ErrorCode::BadRequest,
            format!("the journal of {chat} has no generation {generation}, but {first} to {last}; {listed}"),
        ),
        Wrong::Beyond { bytes } => (
            ErrorCode::BadRequest,
            format!("byte {offset} of {chat} is no point of its journal, which has {bytes} bytes; {listed}"),
        ),
        Wrong::WithinRecord => (
            ErrorCode::BadRequest,
            format!(
                "byte {offset} of {chat} stands within a record, and a point behind a whole one; {listed}"
            ),
        ),
    };
    ApiError::new(code, message)
}
