//! A chat in a client's database, journaled: rows that are new or changed become lines behind what is there. The
//! database is only read.

use std::{io, path::Path, time::Instant};

use shim_core::{
    clients::opencode::{Journaled, line},
    lines::{Line, Lines},
    time::Timestamp,
};
use shim_store::{CHUNK_BYTES_MAX, Opencode, OpencodeError, OpencodeStamp, StoreError};

use crate::{
    clients::{ClientHome, RowsPlace, Transcript, opencode::transcripts_in},
    journal::{OUTSTANDING_MAX, SLICE_BYTES},
    paths,
    run::{Watch, now},
};

/// Bytes of lines gathered before they are handed to the store.
const GATHERED_BYTES: usize = CHUNK_BYTES_MAX / 2;

impl Watch {
    /// Takes up every chat of a home whose rows changed. Says whether one of them has no known process.
    pub fn read_database(&mut self, home: &ClientHome) -> bool {
        let database = crate::clients::opencode::database(&home.folder);
        let listed = self.with_database(&database, |chats| chats.sessions());
        let sessions = match listed {
            Ok(sessions) => sessions,
            Err(OpencodeError::Empty { .. }) => return false,
            Err(error) => {
                self.warn(error.to_string());
                return false;
            }
        };
        let mut unattended = false;
        let dropped = self.dropped_chats();
        for (transcript, stamp) in transcripts_in(&database, &sessions) {
            let known = self.files.get(&transcript.path).map(|tracked| &tracked.stream.known);
            let is_dropped = dropped.get(&transcript.chat).is_some_and(|at| stamp.time_updated < at.ms());
            if !is_dropped && known.is_none_or(|known| !is_stamped(known, stamp)) {
                self.catch_up(&transcript);
                unattended |= self.is_unattended(&transcript.chat);
            }
        }
        unattended
    }

    /// Journals the rows that changed, at most one slice; says whether more is left. `wholly` looks at every row,
    /// and leaves none for later because it is still being written.
    pub fn read_rows(
        &mut self,
        transcript: &Transcript,
        place: &RowsPlace,
        wholly: bool,
    ) -> io::Result<bool> {
        let session = place.session_id.as_str();
        let stamp = self.with_database(&place.database, |chats| chats.stamp(session));
        let Some(stamp) = stamp.map_err(io::Error::other)? else { return Ok(false) };
        self.track(transcript).map_err(io::Error::other)?;
        let Some(tracked) = self.files.get(&transcript.path) else { return Ok(false) };
        if !wholly && is_stamped(&tracked.stream.known, stamp) {
            return Ok(false);
        }
        let marks = self.with_database(&place.database, |chats| chats.marks(session));
        let marks = marks.map_err(io::Error::other)?;
        let mut journaled = self.take_journaled(transcript).map_err(io::Error::other)?;
        if journaled.lost_messages(&marks) {
            self.begin_generation(transcript)?;
            journaled = Journaled::default();
        }
        let news = journaled.news(marks, now(), wholly);
        let mut lines = Gathered { since: Instant::now(), bytes: self.mend_tail(transcript), written: 0 };
        for (table, id) in &news.removed {
            lines.bytes.extend(journaled.removal(*table, id));
        }
        let mut more = false;
        for changed in &news.changed {
            if lines.written >= SLICE_BYTES {
                more = true;
                break;
            }
            let row = self.with_database(&place.database, |chats| chats.row(changed.table, &changed.id));
            if let Some(row) = row.map_err(io::Error::other)? {
                lines.bytes.extend(journaled.line(&row, now()));
            }
            if lines.bytes.len() >= GATHERED_BYTES {
                self.keep_lines(transcript, &mut lines)?;
            }
        }
        self.keep_lines(transcript, &mut lines)?;
        if let Some(tracked) = self.files.get_mut(&transcript.path) {
            tracked.rows = Some(journaled);
            if !more && !news.waits && !is_stamped(&tracked.stream.known, stamp) {
                let known = &mut tracked.stream.known;
                known.file_number = stamp.changes.cast_unsigned();
                known.modified_ns = i128::from(stamp.time_updated);
                tracked.known_changed = true;
            }
        }
        self.forget_rows(transcript, more);
        Ok(more)
    }

    /// What is journaled of the rows, folded from the journal where it is not remembered.
    fn take_journaled(&mut self, transcript: &Transcript) -> Result<Journaled, StoreError> {
        let Some(tracked) = self.files.get_mut(&transcript.path) else { return Ok(Journaled::default()) };
        if let Some(rows) = tracked.rows.take() {
            return Ok(rows);
        }
        let stream = tracked.stream.clone();
        if self.outstanding > 0 {
            self.settle();
        }
        let (mut journaled, mut lines) = (Journaled::default(), Lines::default());
        self.home.store.read(|store| {
            store.read_journal(stream.id, stream.generation, 0, stream.known.bytes, |bytes| {
                lines.feed(bytes, |line| {
                    if let Line::Whole(line) = line {
                        journaled.note_line(line);
                    }
                });
                true
            })
        })?;
        Ok(journaled)
    }

    /// A line that was cut when the engine was killed is ended, so that the next one is read.
    fn mend_tail(&self, transcript: &Transcript) -> Vec<u8> {
        let tail = self.files.get(&transcript.path).and_then(|tracked| tracked.tail.last());
        if tail.is_some_and(|last| *last != b'\n') { vec![b'\n'] } else { Vec::new() }
    }

    fn keep_lines(&mut self, transcript: &Transcript, lines: &mut Gathered) -> io::Result<()> {
        let bytes = std::mem::take(&mut lines.bytes);
        for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
            if self.outstanding >= OUTSTANDING_MAX {
                self.settle();
            }
            let Some(tracked) = self.files.get(&transcript.path) else { return Ok(()) };
            let at = tracked.stream.known.bytes;
            self.keep_piece(transcript, at, chunk, lines.since)?;
        }
        lines.written += bytes.len() as u64;
        Ok(())
    }

    /// A chat that nobody writes to needs no memory; it is folded again when it goes on.
    fn forget_rows(&mut self, transcript: &Transcript, more: bool) {
        if !more
            && self.is_unattended(&transcript.chat)
            && let Some(tracked) = self.files.get_mut(&transcript.path)
        {
            tracked.rows = None;
        }
    }

    /// Looks into a database, which stays open between looks as long as it is the same file.
    fn with_database<T>(
        &mut self,
        path: &Path,
        look: impl FnOnce(&Opencode) -> Result<T, OpencodeError>,
    ) -> Result<T, OpencodeError> {
        let number = std::fs::metadata(path).map_or(0, |meta| paths::seen(&meta).file_number);
        let kept = self.databases.remove(path).filter(|(opened, _)| *opened == number);
        let chats = match kept {
            Some((_, chats)) => chats,
            None => Opencode::open(path)?,
        };
        let found = look(&chats)?;
        self.databases.insert(path.to_owned(), (number, chats));
        Ok(found)
    }
}

/// Lines on their way to the store.
struct Gathered {
    since: Instant,
    bytes: Vec<u8>,
    written: u64,
}

fn is_stamped(known: &shim_core::journal::Known, stamp: OpencodeStamp) -> bool {
    known.bytes > 0
        && known.file_number == stamp.changes.cast_unsigned()
        && known.modified_ns == i128::from(stamp.time_updated)
}

/// The chat as its rows stand, as lines that a reader understands; `None` when it is not there.
pub fn lines_now(place: &RowsPlace) -> Result<Option<Vec<u8>>, OpencodeError> {
    let chats = Opencode::open(&place.database)?;
    if chats.stamp(&place.session_id)?.is_none() {
        return Ok(None);
    }
    let marks = chats.marks(&place.session_id)?;
    let mut bytes = Vec::new();
    for changed in Journaled::default().news(marks, Timestamp::from_ms(0), true).changed {
        if let Some(row) = chats.row(changed.table, &changed.id)? {
            bytes.extend(line(&row, false));
        }
    }
    Ok(Some(bytes))
}
