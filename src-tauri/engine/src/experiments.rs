//! Experiments in the engine: chats that come up are assigned, a knob's value is noted where it is really used, what
//! becomes of a chat is measured, and all of it is written down before anything rests on it.

#[cfg(feature = "statsig")]
mod statsig;
mod view;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use shim_api::{
    events::{BoundAction, Event as Told},
    notices::Said,
};
use shim_core::{
    chats::ChatId,
    crashes::CrashKind,
    experiments::{
        assignment::Provider,
        audit::{Audited, Entry, replay},
        improvement::{Event, Improvement},
        machine::What,
        outcomes::Measure,
    },
    knobs::knob,
    settings::{Settings, Value},
    supervisor,
};
use shim_store::{StoreError, Urgency};

pub use self::view::{audit, follow, view};
use crate::{
    home::Home,
    opportunities::Seeker,
    run::{Watch, now},
};

/// Entries after which the state is kept anew, so that a start plays few of them again.
const KEEP_EVERY: u64 = 500;
/// A Statsig project's specs, in the data folder.
const SPECS_FILE: &str = "statsig-specs.json";
/// Chats of which it is known where their process began.
const BEGUN_MAX: usize = 1000;

/// What the watch holds for experiments.
#[derive(Default)]
pub struct Experiments {
    audited: Audited,
    /// The number of the entry up to which the state was kept.
    kept: u64,
    /// An entry could not be written: only the state as a whole makes up for it.
    lost: Arc<AtomicBool>,
    /// Turns and tokens of a chat when its process came up.
    begun: HashMap<ChatId, (u64, u64)>,
    /// Who says what holds where SHIM tries and holds nothing.
    other: Option<Box<dyn Provider + Send>>,
    pub seeker: Seeker,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Crashed,
    Cleanly,
}

/// What the supervisor made of a process that is gone; `None` where the system went down with it, which no setting
/// changes.
pub fn end(effects: &[supervisor::Effect]) -> Option<End> {
    let crash = effects.iter().find_map(|effect| match effect {
        supervisor::Effect::RecordCrash(crash) => Some(crash.kind),
        supervisor::Effect::HungEnded { .. } => Some(CrashKind::Hung),
        _ => None,
    });
    match crash {
        Some(CrashKind::Shutdown | CrashKind::ClientUpdate) => None,
        Some(_) => Some(End::Crashed),
        None => Some(End::Cleanly),
    }
}

impl Experiments {
    /// Takes up where an engine before this one stopped: its state, and what was written down since.
    pub fn open(home: &Home) -> Self {
        let mut experiments = match recalled(home) {
            Ok((audited, whole)) => {
                let (kept, lost) = (audited.number, Arc::new(AtomicBool::new(!whole)));
                Self { audited, kept, lost, ..Self::default() }
            }
            Err(error) => {
                tracing::warn!("what was known of experiments could not be read: {error}");
                Self::default()
            }
        };
        experiments.other = other(home);
        experiments
    }

    pub fn improvement(&self) -> &Improvement {
        &self.audited.improvement
    }

    pub fn audited(&self) -> Audited {
        self.audited.clone()
    }
}

/// A Statsig project, where its specs lie in the data folder.
fn other(home: &Home) -> Option<Box<dyn Provider + Send>> {
    let specs = home.path.join(SPECS_FILE);
    if !specs.exists() {
        return None;
    }
    #[cfg(feature = "statsig")]
    match statsig::Statsig::open(&specs) {
        Ok(statsig) => return Some(Box::new(statsig)),
        Err(why) => tracing::warn!("{} is not used: {why:#}", specs.display()),
    }
    #[cfg(not(feature = "statsig"))]
    tracing::warn!("{} is not used: this SHIM was built without the feature `statsig`", specs.display());
    None
}

/// The state, and whether the log followed it to its end.
fn recalled(home: &Home) -> Result<(Audited, bool), StoreError> {
    let (state, rows, ends) = home.store.read(|store| {
        let state = store.experiment_state()?.unwrap_or_default();
        let rows = store.experiment_entries(state.number)?;
        Ok((state, rows, store.experiment_log_ends()?))
    })?;
    let mut state = state;
    let played = replay(&mut state, rows.into_iter().map_while(|row| row.entry));
    if let Err(differs) = &played {
        tracing::warn!("the log of experiments is taken up where it still follows: {differs}");
    }
    let last = ends.map_or(0, |(_, last)| last);
    let whole = played.is_ok() && state.number >= last;
    // Numbers are never used twice.
    state.number = state.number.max(last);
    Ok((state, whole))
}

impl Watch {
    /// What holds for this chat, and that it was used: for knobs of this group, such as `hang.`.
    pub fn settings_of(&mut self, chat: &ChatId, group: &str) -> Arc<Settings> {
        for (experiment, arm) in self.experiments.improvement().unnoted(chat, group) {
            self.experiments_hear(Event::Used { experiment, chat: chat.clone(), arm });
        }
        self.settings_seen(chat)
    }

    /// What holds for this chat, where nothing is done with it.
    pub fn settings_seen(&self, chat: &ChatId) -> Arc<Settings> {
        let settings = self.home.settings();
        let improvement = self.experiments.improvement();
        let other = self.experiments.other.as_deref();
        let others = other.map(|other| improvement.changes_by(other, chat)).unwrap_or_default();
        let others = others.iter().map(|(key, value)| (*key, value));
        let changes: Vec<_> = improvement.changes_for(chat).into_iter().chain(others).collect();
        if changes.is_empty() {
            return settings;
        }
        let mut own = Settings::clone(&settings);
        for (key, value) in changes {
            if !own.put(key, value) {
                tracing::warn!(key, "a value that was tried is not taken");
            }
        }
        Arc::new(own)
    }

    /// A process stands behind the chat, from now on.
    pub fn experiment_came(&mut self, chat: &ChatId) {
        let risk = self.risk_of(chat, now()).map(|risk| of_thousand(risk.probability));
        if let Some(known) = self.chats.get(chat)
            && (self.experiments.begun.len() < BEGUN_MAX || self.experiments.begun.contains_key(chat))
        {
            self.experiments.begun.insert(chat.clone(), (known.digest.turns, known.digest.tokens));
        }
        self.experiments_hear(Event::Came { chat: chat.clone(), risk });
    }

    pub fn experiment_measured(&mut self, chat: &ChatId, measure: Measure) {
        self.experiments_hear(Event::Measured { chat: chat.clone(), measure });
    }

    /// Its process is gone.
    pub fn experiment_ended(&mut self, chat: &ChatId, end: Option<End>, unsaved_calls: u64) {
        let begun = self.experiments.begun.remove(chat);
        let Some(end) = end else { return };
        let known = self.chats.get(chat).zip(begun);
        let (turns, tokens) = known.map_or((0, 0), |(known, (turns, tokens))| {
            (known.digest.turns.saturating_sub(turns), known.digest.tokens.saturating_sub(tokens))
        });
        let crashed = end == End::Crashed;
        self.experiment_measured(chat, Measure::Ended { crashed, tokens, turns, unsaved_calls });
    }

    /// A restore of it was tried and came to its end; `None` where it was refused before anything was.
    pub fn experiment_restored(&mut self, chat: &ChatId, ok: Option<bool>) {
        if let Some(ok) = ok {
            self.experiment_measured(chat, Measure::Restored { ok });
        }
    }

    /// What `config.toml` says, now.
    pub fn experiments_hear_settings(&mut self, automatic: bool, set: &BTreeMap<&'static str, Value>) {
        let knobs = set.iter().filter(|(key, _)| knob(key).is_some());
        let set = knobs.map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        self.experiments_hear(Event::Settings { automatic, set });
    }

    /// Time passed.
    pub fn experiments_tick(&mut self) {
        self.experiments_hear(Event::Tick);
        if self.experiments.lost.load(Ordering::Relaxed) {
            self.keep_experiments();
        }
    }

    /// Tells the loop, writes down what that changed, and says what was decided.
    pub fn experiments_hear(&mut self, event: Event) {
        if self.is_demo() {
            return;
        }
        let Some(entry) = self.experiments.audited.handle(event, now()) else { return };
        for effect in &entry.decided {
            let (what, why) = (effect.decided.what, effect.decided.why.as_str());
            tracing::info!(
                experiment = effect.experiment,
                knob = effect.knob,
                ?what,
                why,
                "experiment decided"
            );
        }
        for effect in &entry.decided {
            let action = match effect.decided.what {
                What::Dropped { .. } => BoundAction::Dropped,
                _ => BoundAction::RolledBack,
            };
            for bound in effect.decided.bounds.clone() {
                self.handle.tell(Told::BoundBroken { experiment: effect.experiment, bound, action });
            }
        }
        let taken_back =
            entry.decided.iter().filter(|effect| matches!(effect.decided.what, What::RolledBack { .. }));
        let news: Vec<_> = taken_back
            .map(|effect| Said::RolledBack { knob: effect.knob.clone(), why: effect.decided.why.clone() })
            .collect();
        let changed = !entry.decided.is_empty();
        self.write_down(entry);
        for said in news {
            self.notice(None, said);
        }
        if self.experiments.audited.number >= self.experiments.kept + KEEP_EVERY {
            self.keep_experiments();
        }
        if changed {
            self.handle.tell(Told::ExperimentsChanged);
        }
    }

    /// A decision is on disk before anything follows from it; outcomes are on their way at once, and what else only
    /// counts comes with what is written next.
    fn write_down(&mut self, entry: Entry) {
        let kind = kind(&entry.event);
        if entry.decided.is_empty() {
            let urgency = if is_outcome(&entry.event) { Urgency::AtOnce } else { Urgency::Gathered };
            let lost = Arc::clone(&self.experiments.lost);
            let written = move |result: Result<(), StoreError>| {
                if let Err(error) = result {
                    tracing::warn!("an entry about experiments could not be kept: {error}");
                    lost.store(true, Ordering::Relaxed);
                }
            };
            let put = move |store: &shim_store::Batch<'_>| store.put_experiment_entry(&entry, kind);
            return self.home.store.submit(urgency, put, written);
        }
        let written =
            self.home.store.write(Urgency::AtOnce, move |store| store.put_experiment_entry(&entry, kind));
        if let Err(error) = written {
            self.warn(error.to_string());
            self.experiments.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps the state as a whole.
    pub fn keep_experiments(&mut self) {
        let lost = self.experiments.lost.swap(false, Ordering::Relaxed);
        if !lost && self.experiments.kept == self.experiments.audited.number {
            return;
        }
        let state = self.experiments.audited.clone();
        let number = state.number;
        match self.home.store.write(Urgency::AtOnce, move |store| store.put_experiment_state(&state)) {
            Ok(()) => self.experiments.kept = number,
            Err(error) => {
                self.warn(error.to_string());
                self.experiments.lost.store(lost, Ordering::Relaxed);
            }
        }
    }
}

fn of_thousand(probability: f64) -> u16 {
    // Within 0 to 1000 by the clamp.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let thousandths = (probability.clamp(0.0, 1.0) * 1000.0).round() as u16;
    thousandths
}

/// A chat's end or its restore is seen but once: a machine that goes down next must not cost it.
fn is_outcome(event: &Event) -> bool {
    matches!(event, Event::Measured { measure: Measure::Ended { .. } | Measure::Restored { .. }, .. })
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
