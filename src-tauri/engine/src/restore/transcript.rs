//! The chat's transcript before and after a restore: compared with the journal, put back, forked.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

use shim_core::{
    digest::Reader,
    restore::{Comparison, Fork, Transcript},
};
use shim_store::{Stream, StreamId};

use super::Work;
use crate::{clients::port, journal::differs_at, paths::from_bytes, renaming::Renaming, rows::lines_now};

impl Work<'_> {
    pub(super) fn compare_with_journal(&mut self) -> Transcript {
        if let Some(wanted) = self.job.fork.as_ref() {
            return self.checkpoint_is_whole(wanted);
        }
        let Some(stream) = self.subject.stream.clone().filter(|stream| stream.known.bytes > 0) else {
            return Transcript::Nothing;
        };
        let path = self.subject.transcripts.first().cloned().unwrap_or_else(|| from_bytes(&stream.path));
        self.file = Some(path.clone());
        if self.subject.digest.last_message.is_none() {
            return Transcript::Nothing;
        }
        if let Some(place) = self.port().rows(&path) {
            return self.compare_rows(&place, (stream.id, stream.generation, stream.known.bytes));
        }
        let Ok(mut file) = File::open(&path) else { return Transcript::Missing };
        let kept = self
            .handle
            .home
            .store
            .read(|store| differs_at(store, stream.id, stream.generation, stream.known.bytes, &mut file));
        let length = file.metadata().map_or(0, |meta| meta.len());
        match kept {
            Ok(None) if length == stream.known.bytes => Transcript::Same,
            Ok(None) => Transcript::Differs { at: stream.known.bytes },
            Ok(Some(at)) => Transcript::Differs { at },
            Err(error) => {
                tracing::warn!(chat = %self.job.chat, "the journal could not be compared: {error}");
                Transcript::Differs { at: 0 }
            }
        }
    }

    fn checkpoint_is_whole(&self, fork: &Fork) -> Transcript {
        let Some(row) = self.checkpoint.as_ref().filter(|row| row.checkpoint.chat == self.job.chat) else {
            tracing::info!(checkpoint = fork.checkpoint, "no such checkpoint of this chat");
            return Transcript::CheckpointGone;
        };
        let point = &row.checkpoint;
        let read = self
            .handle
            .home
            .store
            .read(|store| store.read_journal(point.stream, point.generation, 0, point.offset, |_| true));
        if read.is_ok_and(|reached| reached == point.offset && reached > 0) {
            Transcript::Same
        } else {
            Transcript::CheckpointGone
        }
    }

    /// Puts the client's file back as the journal has it, or writes the fork's beside the original.
    pub(super) fn prepare_transcript(&mut self) -> anyhow::Result<String> {
        let (path, source, session) = match (&self.job.fork, &self.checkpoint, &self.subject.stream) {
            (Some(fork), Some(row), Some(stream)) => {
                let point = &row.checkpoint;
                let original =
                    self.subject.transcripts.first().cloned().unwrap_or_else(|| from_bytes(&stream.path));
                let new = fork.chat.session_id();
                let session = Some((self.job.chat.session_id().to_owned(), new.to_owned()));
                (
                    port(self.job.chat.client()).fork_path(&original, self.job.chat.session_id(), new),
                    (point.stream, point.generation, point.offset),
                    session,
                )
            }
            (None, _, Some(stream)) => {
                (from_bytes(&stream.path), (stream.id, stream.generation, stream.known.bytes), None)
            }
            _ => anyhow::bail!("the journal holds nothing of this chat"),
        };
        anyhow::ensure!(
            !self.port().is_there(&path),
            "{} is there already; nothing was written over it",
            path.display()
        );
        if self.port().rows(&path).is_some() {
            let fork = session.as_ref().map(|(_, new)| new.as_str());
            let said = self.import_rows(&path, source, fork)?;
            self.file = Some(path);
            return Ok(said);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension("jsonl.shim-new");
        let written =
            self.write_journal(&beside, source, session).and_then(|()| Ok(fs::rename(&beside, &path)?));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written?;
        let said = format!("wrote {}", path.display());
        self.file = Some(path);
        Ok(said)
    }

    fn write_journal(
        &self,
        path: &Path,
        (stream, generation, until): (StreamId, i64, u64),
        session: Option<(String, String)>,
    ) -> anyhow::Result<()> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let fields = port(self.job.chat.client()).id_fields();
        let mut renamed = session.map(|(old, new)| Renaming::new(fields, &old, &new));
        let mut failed = None;
        let reached = self.handle.home.store.read(|store| {
            store.read_journal(stream, generation, 0, until, |bytes| {
                let written = match &mut renamed {
                    Some(renaming) => renaming.write(bytes, &mut file),
                    None => file.write_all(bytes),
                };
                failed = written.err();
                failed.is_none()
            })
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        anyhow::ensure!(reached == until, "the journal ends at byte {reached} of {until}");
        if let Some(renaming) = renamed {
            renaming.finish(&mut file)?;
        }
        Ok(file.sync_all()?)
    }

    /// What the journal had against what the client's file has.
    pub(super) fn compare(&mut self) -> Comparison {
        let (mut before, last) = (self.reader_of_journal(), self.expected_last());
        let mut after =
            Reader::comparing(self.job.chat.client(), last.as_ref().map(|(uuid, _)| uuid.as_str()));
        let read = self.file.as_deref().map(|path| self.feed_transcript(&mut after, path));
        if !matches!(read, Some(Ok(()))) {
            tracing::warn!(chat = %self.job.chat, "the client's file could not be read after the restore");
        }
        let before = before.take().unwrap_or_default();
        let kept: HashSet<_> = after.turn_ends().iter().collect();
        let lost = before.iter().filter(|end| !kept.contains(end)).count();
        Comparison {
            turns_after: after.digest.turns,
            turns_lost: lost as u64,
            sha256_before: last.map(|(_, hash)| hash),
            sha256_after: after.found().map(str::to_owned),
        }
    }

    /// What the client itself holds of the chat.
    fn feed_transcript(&self, reader: &mut Reader, path: &Path) -> anyhow::Result<()> {
        let Some(place) = self.port().rows(path) else { return Ok(feed(reader, File::open(path)?)?) };
        reader.feed(&lines_now(&place)?.unwrap_or_default());
        Ok(())
    }

    /// Uuid and hash of the last message that must be there: the journal's, or the checkpoint's.
    fn expected_last(&self) -> Option<(String, String)> {
        let last = match (&self.job.fork, &self.checkpoint) {
            (Some(_), Some(row)) => {
                let mut reader = Reader::new(self.job.chat.client());
                self.feed_journal(
                    &mut reader,
                    row.checkpoint.stream,
                    row.checkpoint.generation,
                    row.checkpoint.offset,
                );
                reader.digest.last_message
            }
            _ => self.subject.digest.last_message.clone(),
        };
        last.map(|last| (last.uuid, last.sha256))
    }

    /// Ids of the records that ended a turn in the journal.
    fn reader_of_journal(&self) -> Option<Vec<String>> {
        let mut reader = Reader::comparing(self.job.chat.client(), None);
        match (&self.job.fork, &self.checkpoint, &self.subject.stream) {
            (Some(_), Some(row), _) => {
                self.feed_journal(
                    &mut reader,
                    row.checkpoint.stream,
                    row.checkpoint.generation,
                    row.checkpoint.offset,
                );
            }
            (_, _, Some(stream)) => return Some(self.turn_ends_of_all_generations(stream)),
            _ => return None,
        }
        Some(reader.turn_ends().to_vec())
    }

    /// Turns that a client's file held once and holds no more are lost to the chat, not to the journal.
    fn turn_ends_of_all_generations(&self, stream: &Stream) -> Vec<String> {
        let mut generations =
            self.handle.home.store.read(|store| store.generations(stream.id)).unwrap_or_default();
        if self.port().rows(&from_bytes(&stream.path)).is_some() {
            // There a new one begins only where the user took the chat back to before a message.
            generations.retain(|kept| kept.generation == stream.generation);
        }
        let mut ends = HashSet::new();
        for kept in generations {
            let mut reader = Reader::comparing(self.job.chat.client(), None);
            self.feed_journal(&mut reader, stream.id, kept.generation, u64::MAX);
            ends.extend(reader.turn_ends().iter().cloned());
        }
        ends.into_iter().collect()
    }

    fn feed_journal(&self, reader: &mut Reader, stream: shim_store::StreamId, generation: i64, until: u64) {
        let read = self.handle.home.store.read(|store| {
            store.read_journal(stream, generation, 0, until, |bytes| {
                reader.feed(bytes);
                true
            })
        });
        if let Err(error) = read {
            tracing::warn!(chat = %self.job.chat, "the journal could not be read: {error}");
        }
    }
}

fn feed(reader: &mut Reader, mut file: File) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        reader.feed(buffer.get(..read).unwrap_or_default());
    }
}
