//! Learning in the background: on a thread of low priority that the watch owns, with bounded rows and time. It is
//! begun when enough crashes came about since the last time, at most once a day for each client.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use shim_core::{
    chats::{ChatId, Client},
    prediction::{
        features::Numbers,
        model::{Standing, is_foretold},
        training::{CRASHES_NEEDED, Example, History, Trained, Verdict, is_outdone, lives, train},
    },
    risk::Zones,
    signals::Signals,
    time::Timestamp,
};
use shim_store::{CrashMoment, Store, StoreError, TrainingRow, Urgency};

use crate::{
    processes,
    run::{Handle, Input, now},
};

/// How often it is looked whether there is something to learn.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);
/// A client's model is trained at most once in so long.
const TRAIN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Crashes since the last training that make another worthwhile.
const CRASHES_NEW: usize = 3;
/// Longest time the training of one client's model may take: on old machines it is given up, and said.
pub const TRAIN_TIME_MAX: Duration = Duration::from_secs(60);

/// The thread that learns, when it does.
pub struct Trainer {
    next: Instant,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Trainer {
    pub fn new() -> Self {
        Self { next: Instant::now(), stop: Arc::default(), thread: None }
    }

    pub fn begin_when_due(&mut self, handle: Handle) {
        let busy = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if busy || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + LOOK_EVERY;
        let stop = Arc::clone(&self.stop);
        let learn = move || {
            processes::step_back();
            let stopped = || stop.load(Ordering::Relaxed);
            let limits = Limits { time: TRAIN_TIME_MAX, stopped: &stopped };
            for client in Client::ALL {
                match train_when_due(&handle.home.store, client, &handle.home.settings().zones, now(), limits)
                {
                    Ok(false) => {}
                    Ok(true) => {
                        let taken_up = Input::Call(Box::new(move |watch| watch.take_up_models(client)));
                        let _ = handle.inputs.send(taken_up);
                    }
                    Err(error) => tracing::warn!(client = client.name(), "learning was given up: {error}"),
                }
            }
        };
        let thread = std::thread::Builder::new().name("prediction".to_owned()).spawn(learn);
        match thread {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => tracing::warn!("no thread is to be had to learn on: {error}"),
        }
    }

    /// Ends the learning; waits for no more than one step of it.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What ends a training before it is done.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// For one client.
    pub time: Duration,
    /// The engine ends.
    pub stopped: &'a dyn Fn() -> bool,
}

/// Trains a client's model if it is due; says whether it was tried, and what came of it is kept.
pub fn train_when_due(
    store: &Store,
    client: Client,
    zones: &Zones,
    now: Timestamp,
    limits: Limits<'_>,
) -> Result<bool, StoreError> {
    let (trainings, crashes) =
        store.read(|store| Ok((store.trainings(client)?, store.crashes_of_client(client)?)))?;
    let crashes: Vec<_> = crashes.into_iter().filter(|(_, crash)| is_foretold(crash.kind)).collect();
    if !is_due(trainings.first(), &crashes, now) {
        return Ok(false);
    }
    let (since, late) = (Instant::now(), Cell::new(false));
    let go_on = || {
        late.set(late.get() || since.elapsed() >= limits.time);
        !late.get() && !(limits.stopped)()
    };
    let examples = examples(store, client, &crashes, zones, now, &go_on)?;
    let trained = train(client, &examples, now, &go_on);
    if (limits.stopped)() {
        return Ok(false);
    }
    if late.get() {
        let why = format!("it took longer than {} s", limits.time.as_secs());
        // A part of the history speaks neither for a model nor against the one in use.
        let given_up = Trained { model: None, verdict: Verdict::Failed { why } };
        keep(store, client, Vec::new(), &[], given_up, now)?;
    } else {
        keep(store, client, trainings, &examples, trained, now)?;
    }
    Ok(true)
}

fn is_due(last: Option<&TrainingRow>, crashes: &[(ChatId, CrashMoment)], now: Timestamp) -> bool {
    let rested = last.is_none_or(|last| now < last.at || now.since(last.at) >= TRAIN_EVERY);
    let new = crashes.iter().filter(|(_, crash)| last.is_none_or(|last| crash.happened_at > last.at)).count();
    rested && new >= CRASHES_NEW && crashes.len() as u64 >= CRASHES_NEEDED
}

fn keep(
    store: &Store,
    client: Client,
    trainings: Vec<TrainingRow>,
    examples: &[Example],
    trained: Trained,
    now: Timestamp,
) -> Result<(), StoreError> {
    let in_use = trainings.into_iter().find(|row| row.standing == Standing::InUse);
    let outdone = trained.verdict != Verdict::Taken
        && in_use.is_some_and(|row| row.model.is_none_or(|model| is_outdone(&model, examples)));
    match &trained.verdict {
        Verdict::Failed { why } => tracing::warn!(client = client.name(), "learning was given up: {why}"),
        verdict => {
            tracing::info!(client = client.name(), rows = examples.len(), outdone, ?verdict, "learned");
        }
    }
    store.write(Urgency::Gathered, move |store| {
        if outdone {
            store.set_standing(client, Standing::SetAside)?;
        }
        store.put_training(client, now, &trained).map(drop)
    })
}

/// What one client's chats lived through, chat by chat, so that no more than one is in memory whole.
fn examples(
    store: &Store,
    client: Client,
    crashes: &[(ChatId, CrashMoment)],
    zones: &Zones,
    now: Timestamp,
    go_on: &dyn Fn() -> bool,
) -> Result<Vec<Example>, StoreError> {
    let (mut history, mut process) = (History::default(), 0);
    for chat in store.read(|store| store.chats_with_signals(client))? {
        if !go_on() {
            break;
        }
        let own: Vec<_> =
            crashes.iter().filter(|(crashed, _)| *crashed == chat).map(|(_, crash)| *crash).collect();
        let rows = store.read(|store| store.signals(&chat, Timestamp::default(), now))?;
        for (life, crashed) in until_crashes(lives(rows), &own) {
            let moments = life.iter().map(|row| (row.at, Numbers::of(row, zones)));
            history.add(process, moments, crashed);
            process += 1;
        }
    }
    Ok(history.examples())
}

/// Lives, parted by their crashes too: a process that hung and went on lives a second time.
pub fn until_crashes(
    lives: Vec<Vec<Signals>>,
    crashes: &[CrashMoment],
) -> Vec<(Vec<Signals>, Option<Timestamp>)> {
    let begun: Vec<_> = lives.iter().filter_map(|life| life.first()).map(|row| row.at).collect();
    let mut parted = Vec::new();
    for (at, mut life) in lives.into_iter().enumerate() {
        let Some(from) = begun.get(at).copied() else { continue };
        let until = begun.get(at + 1).copied();
        let own = crashes
            .iter()
            .filter(|crash| crash.happened_at > from && until.is_none_or(|until| crash.happened_at <= until));
        for crash in own {
            let rest = moved_again(&life, crash);
            life.retain(|row| row.at < crash.happened_at);
            parted.push((std::mem::replace(&mut life, rest), Some(crash.happened_at)));
        }
        parted.push((life, None));
    }
    parted
}

/// What a process lived through after it hung. When it moved again is not kept; that its chat grew is.
fn moved_again(life: &[Signals], crash: &CrashMoment) -> Vec<Signals> {
    let stuck = life.iter().rfind(|row| row.at <= crash.detected_at).map(|row| row.transcript_bytes);
    let after = life.iter().filter(|row| row.at > crash.detected_at);
    after.skip_while(|row| Some(row.transcript_bytes) == stuck).cloned().collect()
}
