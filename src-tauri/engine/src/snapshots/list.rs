//! Where no repository holds a chat's folder: the files its tools wrote, with sizes and hashes. Nothing is copied.

use std::{
    io::Read,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use sha2::{Digest as _, Sha256};
use shim_core::{
    chats::ChatId,
    checkpoints::snapshots::{Listed, SnapshotPace},
    digest::Reader,
};
use shim_store::{Store, StoreError, StreamId};

use crate::paths::open_regular;

/// Of a larger journal only the end is read, in bytes: what was written last matters most.
const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where in the journal a checkpoint stands.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub stream: StreamId,
    pub generation: i64,
    pub offset: u64,
}

/// The files that the chat's tools wrote up to a checkpoint, as they lie there.
pub fn list(
    store: &Store,
    chat: &ChatId,
    folder: &Path,
    point: Point,
    pace: &SnapshotPace,
    stop: &AtomicBool,
) -> Result<Vec<Listed>, StoreError> {
    let until = Instant::now() + pace.time_max;
    let mut reader = Reader::listing_touched(chat.client());
    let from = point.offset.saturating_sub(JOURNAL_BYTES_MAX);
    store.read(|store| {
        store.read_journal(point.stream, point.generation, from, point.offset, |bytes| {
            reader.feed(bytes);
            !stop.load(Ordering::Relaxed) && Instant::now() < until
        })
    })?;
    let mut room = pace.bytes_max;
    let latest_first = reader.touched().iter().rev();
    let each = latest_first.map(|path| {
        let in_time = !stop.load(Ordering::Relaxed) && Instant::now() < until;
        look(folder, path, if in_time { pace.file_bytes_max.min(room) } else { 0 }, &mut room)
    });
    Ok(each.collect())
}

/// One file as it lies there, hashed if it is not larger than `bytes_max`.
pub fn look(folder: &Path, path: &str, bytes_max: u64, room: &mut u64) -> Listed {
    let whole = folder.join(path);
    let bytes = std::fs::symlink_metadata(&whole).ok().map(|meta| meta.len());
    let sha256 = bytes.filter(|bytes| *bytes <= bytes_max).and_then(|bytes| {
        *room = room.saturating_sub(bytes);
        hash(&whole, bytes_max)
    });
    Listed { path: path.to_owned(), bytes, sha256 }
}

fn hash(path: &Path, bytes_max: u64) -> Option<String> {
    // One byte more than is allowed tells a file that grew meanwhile.
    let mut file = open_regular(path).ok()?.take(bytes_max.saturating_add(1));
    let (mut hasher, mut buffer, mut all) = (Sha256::new(), vec![0; 64 * 1024], 0_u64);
    loop {
        let read = file.read(&mut buffer).ok()?;
        if read == 0 {
            break;
        }
        all += read as u64;
        hasher.update(buffer.get(..read)?);
    }
    (all <= bytes_max).then(|| hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
