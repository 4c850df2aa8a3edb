//! The one writer: gathers jobs for a short while, runs them in one transaction, commits, answers.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::{connection::StoreError, faults};

/// Jobs that may wait. A full queue makes callers wait or, with `submit`, try again later.
const QUEUE_MAX: usize = 256;
/// Jobs in one transaction.
const BATCH_MAX: usize = 512;

/// Whether a job may be gathered with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Within the gathering time.
    Gathered,
    /// Committed at once, with all that waits.
    AtOnce,
}

/// The connection, as jobs see it. Every table's file adds its own calls.
pub struct Batch<'a> {
    pub(crate) connection: &'a Connection,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }
}

/// Runs the job and gives back what to do once the commit's outcome is known.
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

struct Waiting {
    urgency: Urgency,
    job: Job,
}

pub struct Writer {
    queue: Option<SyncSender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(mut connection: Connection, gather: Duration) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel::<Waiting>(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                while let Ok(first) = jobs.recv() {
                    let batch = gather_batch(first, &jobs, gather);
                    run_batch(&mut connection, batch);
                }
                // Leaves one file behind, whole without its log.
                let _ = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
            })
            .map_err(|_| StoreError::Closed)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub fn run<T: Send + 'static>(
        &self,
        urgency: Urgency,
        job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = sync_channel(1);
        let waiting = Waiting { urgency, job: wrap(job, move |result| drop(answer.send(result))) };
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(waiting).map_err(|_| StoreError::Closed)?;
        answered.recv().map_err(|_| StoreError::Closed)?
    }

    pub fn submit<T: Send + 'static>(
        &self,
        urgency: Urgency,
        job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let waiting = Waiting { urgency, job: wrap(job, done) };
        let Some(queue) = &self.queue else { return refuse(waiting, StoreError::Closed) };
        match queue.try_send(waiting) {
            Ok(()) => {}
            Err(TrySendError::Full(waiting)) => refuse(waiting, StoreError::Busy),
            Err(TrySendError::Disconnected(waiting)) => refuse(waiting, StoreError::Closed),
        }
    }
}

impl Drop for Writer {
    /// Everything accepted is written before the store closes.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn refuse(waiting: Waiting, error: StoreError) {
    (waiting.job)(Err(error))(Ok(()));
}

fn wrap<T: Send + 'static>(
    job: impl FnOnce(&Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    done: impl FnOnce(Result<T, StoreError>) + Send + 'static,
) -> Job {
    Box::new(move |connection| {
        let result = connection.and_then(|connection| {
            // A job that fails leaves nothing behind, and does not spoil the others' transaction.
            connection.execute_batch("SAVEPOINT job")?;
            let result = job(&Batch::new(connection));
            let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
            connection.execute_batch(end)?;
            result
        });
        Box::new(move |committed: Result<(), StoreError>| {
            done(result.and_then(|value| committed.map(|()| value)))
        })
    })
}

fn gather_batch(first: Waiting, jobs: &Receiver<Waiting>, gather: Duration) -> Vec<Waiting> {
    let until = Instant::now() + gather;
    let mut urgent = first.urgency == Urgency::AtOnce;
    let mut batch = vec![first];
    while batch.len() < BATCH_MAX {
        let wait = if urgent { Duration::ZERO } else { until.saturating_duration_since(Instant::now()) };
        match jobs.recv_timeout(wait) {
            Ok(next) => {
                urgent |= next.urgency == Urgency::AtOnce;
                batch.push(next);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    batch
}

fn run_batch(connection: &mut Connection, batch: Vec<Waiting>) {
    let transaction = match connection.transaction() {
        Ok(transaction) => transaction,
        Err(error) => {
            let why = error.to_string();
            for waiting in batch {
                refuse(waiting, StoreError::Unusable { path: "the database".into(), why: why.clone() });
            }
            return;
        }
    };
    let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
    for waiting in batch {
        // A full disk makes SQLite roll all back by itself; what came after would be committed alone.
        let lost = transaction.is_autocommit();
        answers.push((waiting.job)(if lost { Err(StoreError::Full) } else { Ok(&transaction) }));
    }
    let committed = if transaction.is_autocommit() {
        Err(StoreError::Full)
    } else {
        faults::boundary("commit.before");
        let committed = transaction.commit().map_err(StoreError::from);
        faults::boundary("commit.after");
        committed
    };
    let full = matches!(committed, Err(StoreError::Full));
    let why = committed.as_ref().err().map(ToString::to_string);
    for answer in answers {
        answer(match &why {
            None => Ok(()),
            Some(_) if full => Err(StoreError::Full),
            Some(why) => Err(StoreError::Unusable { path: "the database".into(), why: why.clone() }),
        });
    }
}
