//! Bringing a file's journal up to date: read what is new, hand it to the store, fold it into the digest.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    time::Instant,
};

use shim_api::events::Event as Told;
use shim_core::{
    chats::ChatId,
    checkpoints::planner::News,
    clients::opencode::Journaled,
    digest::{Digest, Reader},
    journal::{Known, Plan, Seen, plan},
    supervisor::Event,
    time::Timestamp,
};
use shim_store::{CHUNK_BYTES_MAX, StoreError, Stream, StreamId, Urgency, faults};

use crate::{
    clients::{Transcript, port},
    paths,
    run::{Input, Watch, now},
};

/// Bytes read of one file before other things get their turn.
pub(crate) const SLICE_BYTES: u64 = 8 * 1024 * 1024;
/// Pieces handed to the store and not yet durable. Bounds memory: each is at most one chunk, compressed.
pub(crate) const OUTSTANDING_MAX: usize = 48;
/// Bytes before the end of what is journaled that must be unchanged for an append to be one.
const TAIL_BYTES: usize = 256;

/// A file that is journaled.
pub struct Tracked {
    pub(crate) stream: Stream,
    /// Folds the chat's own transcript; sub-agents' files are kept, not folded.
    pub(crate) reader: Option<Reader>,
    /// What of the rows is journaled, of a chat in a database; none until it is needed.
    pub(crate) rows: Option<Journaled>,
    /// The last bytes journaled.
    pub(crate) tail: Vec<u8>,
    /// Bytes that are on disk here. `stream.known.bytes` counts those handed to the store too.
    durable: u64,
    pub(crate) known_changed: bool,
    /// A write failed: what was handed over is not there, so all must be taken up from the store again.
    broken: bool,
}

impl Tracked {
    pub fn take_changed_known(&mut self) -> Option<(StreamId, Known)> {
        let settled = self.durable == self.stream.known.bytes;
        (settled && std::mem::take(&mut self.known_changed))
            .then(|| (self.stream.id, self.stream.known.clone()))
    }

    pub fn chat(&self) -> &ChatId {
        &self.stream.chat
    }

    pub fn generation(&self) -> i64 {
        self.stream.generation
    }

    /// Another number whenever the file grew or was replaced.
    pub fn progress(&self) -> u64 {
        let generation = self.stream.generation.cast_unsigned().rotate_left(40);
        self.stream.known.bytes.wrapping_add(generation)
    }

    pub fn stream_id(&self) -> StreamId {
        self.stream.id
    }
}

/// What became of a piece.
pub struct Kept {
    path: PathBuf,
    generation: i64,
    upto: u64,
    bytes: u64,
    since: Instant,
    result: Result<(), StoreError>,
}

impl Watch {
    /// Reads what is new in a file, at most one slice; more goes to the backlog.
    pub fn catch_up(&mut self, transcript: &Transcript) {
        self.take_up(transcript, false);
    }

    fn take_up(&mut self, transcript: &Transcript, wholly: bool) {
        if self.is_demo() {
            return;
        }
        let read = match port(transcript.chat.client()).rows(&transcript.path) {
            Some(place) => self.read_rows(transcript, &place, wholly),
            None => self.read_slice(transcript),
        };
        match read {
            Ok(true) => drop(self.backlog.insert(transcript.clone())),
            Ok(false) => drop(self.backlog.remove(transcript)),
            Err(error) => {
                self.backlog.remove(transcript);
                if error.kind() != io::ErrorKind::NotFound {
                    let path = transcript.path.display();
                    self.warn(format!("{path} cannot be kept ({error}); it is tried again with each sweep"));
                }
            }
        }
    }

    /// Reads all that is new in a file: before a verdict or a restore.
    pub fn catch_up_wholly(&mut self, transcript: &Transcript) {
        // A slice may be cut short by what is outstanding, so it is twice as many at most.
        let place = port(transcript.chat.client()).rows(&transcript.path);
        let file = place.map_or_else(|| transcript.path.clone(), |place| place.database);
        let size = std::fs::metadata(file).map_or(0, |meta| meta.len());
        for _ in 0..=2 * (1 + size / SLICE_BYTES) {
            if self.outstanding > 0 {
                self.settle();
            }
            self.take_up(transcript, true);
            if !self.backlog.contains(transcript) {
                return;
            }
        }
    }

    /// Waits until everything handed to the store is durable.
    pub fn settle(&mut self) {
        if let Err(error) = self.home.store.write(Urgency::AtOnce, |_| Ok(())) {
            self.warn(error.to_string());
        }
        // The answers wait in the queue; this much is known without them.
        self.outstanding = 0;
    }

    pub fn work_on_backlog(&mut self) {
        if self.outstanding >= OUTSTANDING_MAX {
            self.settle();
        }
        if let Some(transcript) = self.backlog.pop_first() {
            self.catch_up(&transcript);
        }
    }

    pub fn piece_kept(&mut self, kept: Kept) {
        self.outstanding = self.outstanding.saturating_sub(1);
        let Some(tracked) = self.files.get_mut(&kept.path) else { return };
        if let Err(error) = kept.result {
            tracked.broken = true;
            return self.warn(error.to_string());
        }
        if tracked.stream.generation != kept.generation {
            return;
        }
        tracked.durable = tracked.durable.max(kept.upto);
        self.watched_bytes += kept.bytes;
        self.handle.tell(Told::JournalKept {
            chat: tracked.stream.chat.clone(),
            bytes: kept.bytes,
            seconds: kept.since.elapsed().as_secs_f64(),
        });
        if tracked.reader.is_some() {
            let chat = self.chats.entry(tracked.stream.chat.clone()).or_default();
            chat.durable = tracked.durable;
            chat.lag_ms = u64::try_from(kept.since.elapsed().as_millis()).ok();
        }
    }

    /// What is known of a chat whose file grows no more.
    pub fn digest_at_rest(&self, chat: &ChatId) -> Digest {
        let Some(chat) = self.chats.get(chat) else { return Digest::default() };
        let reader = chat.transcripts.iter().rev().find_map(|path| self.files.get(path)?.reader.as_ref());
        reader.map_or_else(|| chat.digest.clone(), Reader::at_rest)
    }

    fn read_slice(&mut self, transcript: &Transcript) -> io::Result<bool> {
        let mut file = paths::open_regular(&transcript.path)?;
        let meta = file.metadata()?;
        let seen = paths::seen(&meta);
        self.track(transcript).map_err(io::Error::other)?;
        let Some(tracked) = self.files.get_mut(&transcript.path) else { return Ok(false) };
        let from = match plan(&tracked.stream.known, seen) {
            Plan::Nothing => return Ok(false),
            Plan::Append { from } if tail_is_unchanged(tracked, &mut file, from)? => from,
            Plan::Append { .. } | Plan::Compare => self.compare(transcript, &mut file, seen)?,
            Plan::NewGeneration => self.begin_generation(transcript)?,
        };
        self.append(transcript, &mut file, from, seen)
    }

    /// Reads from `from`; says whether more is left.
    fn append(
        &mut self,
        transcript: &Transcript,
        file: &mut File,
        from: u64,
        seen: Seen,
    ) -> io::Result<bool> {
        let since = Instant::now();
        file.seek(SeekFrom::Start(from))?;
        let (mut at, until) = (from, seen.bytes.min(from + SLICE_BYTES));
        let mut buffer =
            vec![0; CHUNK_BYTES_MAX.min(usize::try_from(until - from).unwrap_or(CHUNK_BYTES_MAX))];
        while at < until {
            if self.outstanding >= OUTSTANDING_MAX {
                return Ok(true);
            }
            let room = buffer.len().min(usize::try_from(until - at).unwrap_or(usize::MAX));
            let read = file.read(buffer.get_mut(..room).unwrap_or_default())?;
            if read == 0 {
                break;
            }
            self.keep_piece(transcript, at, buffer.get(..read).unwrap_or_default(), since)?;
            at += read as u64;
        }
        if let Some(tracked) = self.files.get_mut(&transcript.path) {
            let known = &mut tracked.stream.known;
            (known.file_number, known.modified_ns) = (seen.file_number, seen.modified_ns);
            tracked.known_changed = true;
        }
        Ok(at < seen.bytes && at > from)
    }

    pub(crate) fn keep_piece(
        &mut self,
        transcript: &Transcript,
        at: u64,
        bytes: &[u8],
        since: Instant,
    ) -> io::Result<()> {
        let Some(tracked) = self.files.get_mut(&transcript.path) else { return Ok(()) };
        let piece = self.packer.pack(at, bytes).map_err(io::Error::other)?;
        let (stream, generation, upto) =
            (tracked.stream.id, tracked.stream.generation, at + bytes.len() as u64);
        tracked.stream.known.bytes = upto;
        keep_tail(&mut tracked.tail, bytes);
        let grew = tracked.reader.as_mut().map(|reader| {
            let turns = reader.feed(bytes);
            (turns, reader.take_news(), reader.digest.clone())
        });
        let (inputs, path, bytes) = (self.handle.inputs.clone(), transcript.path.clone(), bytes.len() as u64);
        self.outstanding += 1;
        faults::boundary("journal.piece.before");
        self.home.store.submit(
            Urgency::Gathered,
            move |store| store.append(stream, generation, &piece),
            move |result| {
                drop(inputs.send(Input::Kept(Kept { path, generation, upto, bytes, since, result })))
            },
        );
        faults::boundary("journal.piece.after");
        if let Some((turns, news, digest)) = grew {
            self.digest_grew(&transcript.chat, digest, turns, &news);
        }
        Ok(())
    }

    fn digest_grew(&mut self, id: &ChatId, digest: Digest, turns: u64, news: &News) {
        let chat = self.chats.entry(id.clone()).or_default();
        let made_no_sense = digest.unreadable > chat.digest.unreadable;
        chat.last_activity = digest.last_at.unwrap_or_else(now).max(chat.last_activity);
        chat.digest = digest;
        chat.dirty = true;
        if !port(id.client()).keeps_registry() {
            self.status_grew(id);
        }
        self.checkpoint_growth(id, news);
        self.decide(Event::TurnsCompleted { chat: id, turns });
        if made_no_sense {
            self.suspect(id);
        }
        self.look_at_digest(id, turns);
    }

    /// Makes all new files known to the store in one commit: a first look may find thousands.
    pub fn introduce(&mut self, transcripts: &[&Transcript]) {
        let new = transcripts.iter().filter(|transcript| !self.files.contains_key(&transcript.path));
        let new: Vec<_> = new.map(|&transcript| transcript.clone()).collect();
        if new.is_empty() {
            return;
        }
        let introduced = self.home.store.write(Urgency::AtOnce, move |store| {
            new.iter().try_for_each(|transcript| {
                store
                    .stream(&transcript.chat, &transcript.sub_agent, &paths::to_bytes(&transcript.path))
                    .map(drop)
            })
        });
        if let Err(error) = introduced {
            self.warn(error.to_string());
        }
    }

    /// Makes sure that the file is known to the store and its reader stands where the journal ends.
    pub(crate) fn track(&mut self, transcript: &Transcript) -> Result<(), StoreError> {
        if self.files.get(&transcript.path).is_some_and(|tracked| !tracked.broken) {
            return Ok(());
        }
        let (chat, agent, path) =
            (transcript.chat.clone(), transcript.sub_agent.clone(), paths::to_bytes(&transcript.path));
        let known = self.home.store.read(|store| store.stream_at(&path))?;
        let stream = match known {
            Some(stream) => stream,
            None => {
                self.home.store.write(Urgency::AtOnce, move |store| store.stream(&chat, &agent, &path))?
            }
        };
        let tail = self.journal_tail(&stream)?;
        let is_main = transcript.sub_agent.is_empty();
        let reader = if is_main { Some(self.reader_of(&stream)?.with_news()) } else { None };
        if let Some(reader) = &reader {
            let chat = self.chats.entry(transcript.chat.clone()).or_default();
            chat.transcripts.insert(transcript.path.clone());
            chat.durable = stream.known.bytes;
            if reader.digest.offset > 0 {
                chat.dirty |= chat.digest != reader.digest;
                chat.digest = reader.digest.clone();
            }
            let last = reader.digest.last_at.unwrap_or_else(|| paths::modified(&transcript.path));
            chat.last_activity = chat.last_activity.max(last);
        }
        let durable = stream.known.bytes;
        let tracked =
            Tracked { stream, reader, rows: None, tail, durable, known_changed: false, broken: false };
        self.files.insert(transcript.path.clone(), tracked);
        Ok(())
    }

    fn journal_tail(&self, stream: &Stream) -> Result<Vec<u8>, StoreError> {
        let (bytes, mut tail) = (stream.known.bytes, Vec::new());
        let from = bytes.saturating_sub(TAIL_BYTES as u64);
        self.home.store.read(|store| {
            store.read_journal(stream.id, stream.generation, from, bytes, |bytes| {
                tail.extend_from_slice(bytes);
                true
            })
        })?;
        Ok(tail)
    }

    /// A reader that has folded all that is durable: the stored digest, and the journal from there on.
    pub fn reader_of(&self, stream: &Stream) -> Result<Reader, StoreError> {
        // What is stored is of the chat; of two transcripts it cannot be told whose it is.
        let stored = self.home.store.read(|store| match store.main_streams(&stream.chat)?.as_slice() {
            [only] if only.id == stream.id => store.digest(&stream.chat),
            _ => Ok(None),
        })?;
        let fits = |offset: u64| offset <= stream.known.bytes;
        let mut reader = match stored {
            Some(digest) if fits(digest.offset) && digest.tally.is_current() => {
                Reader::resume(stream.chat.client(), digest)
            }
            _ => Reader::new(stream.chat.client()),
        };
        let from = reader.digest.offset;
        self.home.store.read(|store| {
            store.read_journal(stream.id, stream.generation, from, stream.known.bytes, |bytes| {
                reader.feed(bytes);
                true
            })
        })?;
        Ok(reader)
    }

    /// Compares all that is journaled with the file. Where it is the same, the file only grew or was
    /// copied; where not, a new generation begins.
    fn compare(&mut self, transcript: &Transcript, file: &mut File, seen: Seen) -> io::Result<u64> {
        self.settle();
        let Some(tracked) = self.files.get_mut(&transcript.path) else { return Ok(0) };
        let known = tracked.stream.known.bytes;
        let (stream, generation) = (tracked.stream.id, tracked.stream.generation);
        let differs = self
            .home
            .store
            .read(|store| differs_at(store, stream, generation, known, file))
            .map_err(io::Error::other)?;
        if differs.is_some() {
            return self.begin_generation(transcript);
        }
        if let Some(tracked) = self.files.get_mut(&transcript.path) {
            let known = &mut tracked.stream.known;
            (known.file_number, known.modified_ns) = (seen.file_number, seen.modified_ns);
            tracked.known_changed = true;
        }
        Ok(known)
    }

    pub(crate) fn begin_generation(&mut self, transcript: &Transcript) -> io::Result<u64> {
        let Some(tracked) = self.files.get_mut(&transcript.path) else { return Ok(0) };
        let stream = tracked.stream.id;
        let generation = self.home.store.write(Urgency::AtOnce, move |store| store.begin_generation(stream));
        tracked.stream.generation = generation.map_err(io::Error::other)?;
        tracked.stream.known = Known::default();
        tracked.tail.clear();
        tracked.rows = None;
        tracked.durable = 0;
        let client = transcript.chat.client();
        tracked.reader = tracked.reader.as_ref().map(|_| Reader::new(client).with_news());
        if tracked.reader.is_some() {
            let chat = self.chats.entry(transcript.chat.clone()).or_default();
            // Where the time was that of the records, it is that of the new ones: a record that was torn off is no
            // sign of a process that came later.
            if chat.digest.last_at == Some(chat.last_activity) {
                chat.last_activity = Timestamp::default();
            }
            (chat.digest, chat.durable) = (Digest::default(), 0);
            self.suspect(&transcript.chat);
        }
        self.handle.tell(Told::ChatChanged { chat: transcript.chat.clone() });
        Ok(0)
    }
}

/// The first byte up to `until` in which the file is not what the journal holds; `None` when all are the same.
pub fn differs_at(
    store: &shim_store::Batch<'_>,
    stream: StreamId,
    generation: i64,
    until: u64,
    file: &mut File,
) -> Result<Option<u64>, StoreError> {
    let unusable =
        |error: io::Error| StoreError::Checksum(format!("the client's file cannot be read: {error}"));
    file.seek(SeekFrom::Start(0)).map_err(unusable)?;
    let (mut at, mut differs, mut theirs) = (0, None, Vec::new());
    store.read_journal(stream, generation, 0, until, |ours| {
        theirs.resize(ours.len(), 0);
        let same = match file.read_exact(&mut theirs) {
            Ok(()) => theirs == ours,
            Err(_) => false,
        };
        if !same {
            let first = ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(0);
            differs = Some(at + first as u64);
        }
        at += ours.len() as u64;
        same
    })?;
    Ok(differs)
}

fn tail_is_unchanged(tracked: &Tracked, file: &mut File, from: u64) -> io::Result<bool> {
    let Some(begin) = from.checked_sub(tracked.tail.len() as u64) else { return Ok(false) };
    let mut tail = vec![0; tracked.tail.len()];
    file.seek(SeekFrom::Start(begin))?;
    file.read_exact(&mut tail)?;
    Ok(tail == tracked.tail)
}

fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    let take = bytes.len().min(TAIL_BYTES);
    tail.drain(..(tail.len() + take).saturating_sub(TAIL_BYTES).min(tail.len()));
    tail.extend_from_slice(bytes.get(bytes.len() - take..).unwrap_or_default());
}
