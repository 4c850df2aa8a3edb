//! The loop with its log on disk: what it is told is written down before anything rests on it, and an engine goes on where
//! the one before it stopped. Where what was kept cannot be read, nothing is tried and nothing is written over it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use shim_core::{
    experiments::{
        audit::{Audited, Differs, Entry, RULES, replay, take_up},
        improvement::{Event, Improvement},
        outcomes::Measure,
    },
    time::Timestamp,
};
use shim_store::{KeptState, Store, StoreError, Urgency};

/// Entries after which the state is kept anew, so that a start plays few of them again.
const KEEP_EVERY: u64 = 500;

#[derive(Default)]
pub struct Ledger {
    audited: Audited,
    /// The number of the entry up to which the state was kept.
    kept: u64,
    /// An entry could not be written: only the state as a whole makes up for it.
    lost: Arc<AtomicBool>,
    unreadable: Option<String>,
}

impl Ledger {
    /// Takes up the state that was kept last, and what was written down since.
    pub fn open(store: &Store) -> Self {
        match recalled(store) {
            Ok(Recalled::State { audited, whole }) => {
                let (kept, lost) = (audited.number, Arc::new(AtomicBool::new(!whole)));
                Self { audited: *audited, kept, lost, unreadable: None }
            }
            Ok(Recalled::Unreadable(why)) => Self { unreadable: Some(why), ..Self::default() },
            Err(error) => Self { unreadable: Some(error.to_string()), ..Self::default() },
        }
    }

    pub fn improvement(&self) -> &Improvement {
        &self.audited.improvement
    }

    /// Why nothing is tried: what was kept cannot be read.
    pub fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    /// Tells the loop, and writes down what that changed. An entry that could not be written although something was
    /// decided comes with the error.
    pub fn hear(
        &mut self,
        store: &Store,
        event: Event,
        at: Timestamp,
    ) -> Option<(Entry, Result<(), StoreError>)> {
        if self.unreadable.is_some() {
            return None;
        }
        let entry = self.audited.handle(event, at)?;
        let written = self.write_down(store, entry.clone());
        if written.is_err() {
            self.lost.store(true, Ordering::Relaxed);
        }
        Some((entry, written))
    }

    /// A decision is on disk before anything follows from it. All else is on its way at once: a chat's arm and its end
    /// are seen but once. Only how long checkpoints took comes with what is written next.
    fn write_down(&self, store: &Store, entry: Entry) -> Result<(), StoreError> {
        let kind = kind(&entry.event);
        if !entry.decided.is_empty() {
            return store.write(Urgency::AtOnce, move |store| store.put_experiment_entry(&entry, kind));
        }
        let urgency = match entry.event {
            Event::Measured { measure: Measure::Checkpoints(_), .. } => Urgency::Gathered,
            _ => Urgency::AtOnce,
        };
        let lost = Arc::clone(&self.lost);
        let written = move |result: Result<(), StoreError>| {
            if let Err(error) = result {
                tracing::warn!("an entry about experiments could not be kept: {error}");
                lost.store(true, Ordering::Relaxed);
            }
        };
        let put = move |store: &shim_store::Batch<'_>| store.put_experiment_entry(&entry, kind);
        store.submit(urgency, put, written);
        Ok(())
    }

    /// Whether the state is to be kept by now.
    pub fn is_due(&self) -> bool {
        self.audited.number >= self.kept + KEEP_EVERY || self.lost.load(Ordering::Relaxed)
    }

    /// Keeps the state as a whole, where it is not on disk yet.
    pub fn keep(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.unreadable.is_some() {
            return Ok(());
        }
        let lost = self.lost.swap(false, Ordering::Relaxed);
        if !lost && self.kept == self.audited.number {
            return Ok(());
        }
        let state = self.audited.clone();
        let number = state.number;
        match store.write(Urgency::AtOnce, move |store| store.put_experiment_state(&state)) {
            Ok(()) => {
                self.kept = number;
                Ok(())
            }
            Err(error) => {
                self.lost.store(lost, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Begins anew, after what cannot be read was put aside.
    pub fn begin_anew(&mut self, store: &Store) -> Result<(), StoreError> {
        let last = store.read(|store| {
            let states = store.experiment_states()?;
            let log = store.experiment_log_ends()?.map_or(0, |(_, last)| last);
            Ok(states.first().map_or(0, |kept| kept.number).max(log))
        })?;
        let state = Audited::after(last);
        let kept = state.clone();
        store.write(Urgency::AtOnce, move |store| {
            store.drop_experiments()?;
            store.put_experiment_state(&kept)
        })?;
        *self = Self { audited: state, kept: last, ..Self::default() };
        Ok(())
    }

    /// Plays the log again from the oldest state that is left of those by these rules, and gives how many entries there
    /// were, where they lead to the state that is in force.
    pub fn play_again(live: &Audited, store: &Store) -> Result<u64, Unlike> {
        let (states, rows) =
            store.read(|store| Ok((store.experiment_states()?, store.experiment_entries(0)?)))?;
        let begins = rows.first().is_none_or(|row| row.number == 1);
        let from = if begins && states.iter().all(|kept| kept.rules == RULES) {
            Some(Audited::default())
        } else {
            states.into_iter().filter(|kept| kept.rules == RULES).filter_map(|kept| kept.state).next_back()
        };
        let mut state = from.ok_or(Unlike::NoBeginning)?;
        let follow = rows.into_iter().filter(|row| row.number > state.number && row.number <= live.number);
        let entries: Option<Vec<_>> = follow.map(|row| row.entry).collect();
        let entries = entries.ok_or(Unlike::Words)?;
        let count = entries.len() as u64;
        replay(&mut state, entries)?;
        if state == *live { Ok(count) } else { Err(Unlike::State) }
    }

    pub fn audited(&self) -> &Audited {
        &self.audited
    }
}

/// Why the log does not give the state that is in force.
#[derive(Debug, thiserror::Error)]
pub enum Unlike {
    #[error("no state is kept from which the log could be played")]
    NoBeginning,
    #[error("entries are in words that this version does not know")]
    Words,
    #[error("the log gives another state than the one in force")]
    State,
    #[error(transparent)]
    Differs(#[from] Differs),
    #[error(transparent)]
    Store(#[from] StoreError),
}

enum Recalled {
    /// `whole`: it is on disk as it stands, by these rules.
    State {
        audited: Box<Audited>,
        whole: bool,
    },
    Unreadable(String),
}

/// Where the newest state cannot be read, an older one and the log since then may give it.
fn recalled(store: &Store) -> Result<Recalled, StoreError> {
    let (states, ends) =
        store.read(|store| Ok((store.experiment_states()?, store.experiment_log_ends()?)))?;
    if let Some(newer) = states.iter().find(|kept| kept.rules > RULES) {
        return Ok(Recalled::Unreadable(format!("a newer SHIM wrote it (rules {})", newer.rules)));
    }
    let (last, newest) = (ends.map_or(0, |(_, last)| last), states.first().map(|kept| kept.number));
    let first_left = ends.map_or(1, |(first, _)| first);
    let rules = states.first().map_or(RULES, |kept| kept.rules);
    let read = states.into_iter().find_map(|KeptState { number, state, .. }| Some((number, state?)));
    let mut audited = match read {
        Some((_, state)) => state,
        None if first_left <= 1 => Audited::default(),
        None => return Ok(Recalled::Unreadable("no state that was kept can be read".to_owned())),
    };
    let from = audited.number;
    let rows = store.read(|store| store.experiment_entries(from))?;
    let unknown = rows.iter().filter(|row| row.entry.is_none()).count();
    let differs = take_up(&mut audited, rows.into_iter().filter_map(|row| row.entry));
    if newest.is_some_and(|newest| newest > from) && (unknown > 0 || !differs.is_empty()) {
        let why = "the state that was kept last cannot be read, and the log does not give it either";
        return Ok(Recalled::Unreadable(why.to_owned()));
    }
    if unknown > 0 {
        tracing::warn!("{unknown} entries about experiments are in words that this version does not know");
    }
    for differs in &differs {
        tracing::warn!("the log of experiments is not what is in force: {differs}");
    }
    let whole = unknown == 0 && differs.is_empty() && audited.number >= last && rules == RULES;
    // Numbers are never used twice.
    audited.number = audited.number.max(last);
    Ok(Recalled::State { audited: Box::new(audited), whole })
}

/// What an entry is found by.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Settings { .. } => "settings",
        Event::Idea { .. } => "idea",
        Event::Came { .. } => "assignment",
        Event::Used { .. } => "exposure",
        Event::Measured { .. } => "outcome",
        Event::Tick => "time",
        Event::Start { .. }
        | Event::Stop { .. }
        | Event::Pin { .. }
        | Event::Override { .. }
        | Event::Undo { .. } => "user",
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
