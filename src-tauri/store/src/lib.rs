//! SHIM's memory: one SQLite file, the only SQL. One writer thread gathers what is to be written and
//! makes it durable before it answers; readers are read-only. No decisions here.

mod chats;
mod checkpoints;
mod connection;
mod crashes;
mod experiments;
pub mod faults;
mod fingerprints;
mod holders;
mod homes;
mod journal;
mod metrics;
mod opencode;
mod policy;
mod predictions;
mod restores;
mod retention;
mod signals;
mod snapshots;
mod writer;

pub use chats::{ChatRow, Launch};
pub use checkpoints::{CheckpointRow, NewCheckpoint, SnapshotOf};
pub use connection::{DATABASE_VERSION, StoreError};
pub use crashes::CrashRow;
pub use experiments::{KeptState, LogPage, LogRow};
pub use journal::{CHUNK_BYTES_MAX, Damage, Generation, Packer, Piece, Stream, StreamId, Verified};
pub use metrics::{CountedCrash, CountedRestore};
pub use opencode::{Opencode, OpencodeError, Session as OpencodeSession, Stamp as OpencodeStamp};
pub use predictions::{CrashMoment, NewPrediction, PREDICTIONS_MAX, PredictionRow, TrainingRow, Unsettled};
pub use restores::RestoreRow;
pub use retention::Dropped;
pub use signals::SignalCaps;
pub use snapshots::{NewSnapshot, Outcome, SnapshotRow};
pub use writer::{Batch, Urgency};

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use rusqlite::Connection;

/// Read-only connections kept open between reads.
const READERS_KEPT_MAX: usize = 2;

pub struct Store {
    path: PathBuf,
    writer: writer::Writer,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens or creates the database. A newer or damaged one is refused and left as it is.
    pub fn open(path: &Path, gather: Duration) -> Result<Self, StoreError> {
        let connection = connection::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: writer::Writer::start(connection, gather)?,
            readers: Mutex::default(),
        })
    }

    /// Runs `job` in the next transaction and waits until that is on disk.
    pub fn write<T: Send + 'static>(
        &self,
        urgency: Urgency,
        job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(urgency, job)
    }

    /// Runs `job` in the next transaction; `done` hears, on the writer's thread, what came of it once
    /// that is on disk. Gives the job up with `Busy` when too much is waiting.
    pub fn submit<T: Send + 'static>(
        &self,
        urgency: Urgency,
        job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.writer.submit(urgency, job, done);
    }

    /// Reads what is on disk.
    pub fn read<T>(&self, job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        let connection = match kept {
            Some(connection) => connection,
            None => connection::open_reader(&self.path)?,
        };
        let result = job(&Batch::new(&connection));
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < READERS_KEPT_MAX
        {
            readers.push(connection);
        }
        result
    }

    /// Bytes of the database and its log on disk.
    pub fn bytes_on_disk(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        size(&self.path) + size(Path::new(&log))
    }
}

#[cfg(test)]
mod tests;
