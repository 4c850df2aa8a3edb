//! Experiments in the engine: chats that come up are assigned, a knob's value is noted where it is really used, what
//! becomes of a chat is measured, and all of it is written down before anything rests on it.

mod ledger;
#[cfg(feature = "statsig")]
mod statsig;
mod view;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use self::ledger::Ledger;
pub use self::view::{audit, begin_anew, follow, view};
use crate::{
    home::{Home, read_settings},
    opportunities::Seeker,
    paths::write_whole,
    run::{Watch, now},
    views,
};
use shim_api::{
    ApiError,
    error::ErrorCode,
    events::{BoundAction, Event as Told},
    notices::Said,
};
use shim_core::{
    chats::{ChatId, ProcessKey},
    crashes::CrashKind,
    experiments::{
        assignment::Provider,
        improvement::{Effect, Event, Improvement},
        machine::What,
        outcomes::{Checkpoints, Held, Measure},
    },
    knobs::knob,
    settings::{Settings, Value},
    supervisor,
};

/// A Statsig project's specs, in the data folder.
const SPECS_FILE: &str = "statsig-specs.json";
/// Checkpoints of a chat that are told together.
const TOLD_TOGETHER: u64 = 50;

/// What the watch holds for experiments.
#[derive(Default)]
pub struct Experiments {
    ledger: Ledger,
    /// What is not told yet of chats that take part.
    taken: HashMap<ChatId, Checkpoints>,
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
        Self { ledger: Ledger::open(&home.store), other: other(home), ..Self::default() }
    }

    pub fn improvement(&self) -> &Improvement {
        self.ledger.improvement()
    }

    /// Why nothing is tried, and what is to be done about it: what is known of experiments cannot be read.
    pub fn unreadable(&self) -> Option<String> {
        self.ledger.unreadable().map(|why| {
            format!(
                "what is known of experiments cannot be read: {why}. Nothing is tried, nothing that was proved or \
                 pinned holds, and nothing is written over it. A newer SHIM may read it; `shim experiments anew` \
                 puts it aside and begins anew"
            )
        })
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
    pub fn experiment_came(&mut self, chat: &ChatId, process: &ProcessKey) {
        let risk = self.foretold_at_its_start(chat, process).map(|risk| of_thousand(risk.probability));
        let held = self.held(chat);
        self.experiments_hear(Event::Came { chat: chat.clone(), risk, held });
    }

    /// What the chat's transcript holds.
    fn held(&self, chat: &ChatId) -> Held {
        let digest = self.chats.get(chat).map(|known| &known.digest);
        digest.map_or_else(Held::default, |digest| Held { turns: digest.turns, tokens: digest.tokens })
    }

    /// A checkpoint of it was on disk after so many microseconds. Many are told together: each is an entry for good.
    pub fn experiment_checkpoint(&mut self, chat: &ChatId, micros: u64) {
        let takes_part = self.experiments.improvement().experiments().any(|one| one.has(chat));
        if !takes_part || self.is_demo() {
            return;
        }
        let taken = self.experiments.taken.entry(chat.clone()).or_default();
        taken.add(micros);
        if taken.count >= TOLD_TOGETHER {
            self.tell_checkpoints(chat);
        }
    }

    fn tell_checkpoints(&mut self, chat: &ChatId) {
        if let Some(taken) = self.experiments.taken.remove(chat) {
            self.experiment_measured(chat, Measure::Checkpoints(taken));
        }
    }

    fn experiment_measured(&mut self, chat: &ChatId, measure: Measure) {
        self.experiments_hear(Event::Measured { chat: chat.clone(), measure });
    }

    /// Its process is gone, so many tool calls after the last checkpoint.
    pub fn experiment_ended(&mut self, chat: &ChatId, end: Option<End>, unsaved_calls: u64) {
        self.tell_checkpoints(chat);
        let Some(end) = end else { return };
        let (crashed, held) = (end == End::Crashed, self.held(chat));
        self.experiment_measured(chat, Measure::Ended { crashed, held, unsaved_calls });
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
        if let Some(why) = self.experiments.unreadable() {
            self.warn(why);
        }
    }

    /// Tells the loop, which writes down what that changed, and says what was decided.
    pub fn experiments_hear(&mut self, event: Event) {
        if self.is_demo() {
            return;
        }
        let heard = self.experiments.ledger.hear(&self.home.store, event, now());
        if let Some((entry, written)) = heard {
            if let Err(error) = written {
                self.warn(error.to_string());
            }
            self.say_what_was_decided(&entry.decided);
        }
        if self.experiments.ledger.is_due() {
            self.keep_experiments();
        }
    }

    fn say_what_was_decided(&mut self, decided: &[Effect]) {
        for effect in decided {
            let (what, why) = (effect.decided.what, effect.decided.why.as_str());
            tracing::info!(
                experiment = effect.experiment,
                knob = effect.knob,
                ?what,
                why,
                "experiment decided"
            );
            let action = match effect.decided.what {
                What::Dropped { .. } => BoundAction::Dropped,
                _ => BoundAction::RolledBack,
            };
            for bound in effect.decided.bounds.clone() {
                self.handle.tell(Told::BoundBroken { experiment: effect.experiment, bound, action });
            }
            if let What::RolledBack { .. } = effect.decided.what {
                let said = Said::RolledBack { knob: effect.knob.clone(), why: effect.decided.why.clone() };
                self.notice(None, said);
            }
        }
        if !decided.is_empty() {
            self.handle.tell(Told::ExperimentsChanged);
        }
    }

    /// Keeps the state as a whole.
    pub fn keep_experiments(&mut self) {
        if let Err(error) = self.experiments.ledger.keep(&self.home.store) {
            self.warn(error.to_string());
        }
    }

    /// The engine stops: what is not told yet is, and the state is kept.
    pub fn put_experiments_away(&mut self) {
        let untold: Vec<_> = self.experiments.taken.keys().cloned().collect();
        untold.iter().for_each(|chat| self.tell_checkpoints(chat));
        self.keep_experiments();
    }

    /// Puts what cannot be read into a file, and begins anew.
    fn experiments_anew(&mut self) -> Result<PathBuf, ApiError> {
        let lines = self.home.store.read(|store| store.experiment_lines()).map_err(views::store_error)?;
        let path = self.home.path.join(format!("experiments-{}.jsonl", now().ms()));
        let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        write_whole(&path, text.as_bytes()).map_err(|error| {
            let message = format!("{} could not be written: {error}; nothing was changed", path.display());
            ApiError::new(ErrorCode::Internal, message)
        })?;
        self.experiments.ledger.begin_anew(&self.home.store).map_err(views::store_error)?;
        if let Ok(file) = read_settings(&self.home.path) {
            self.experiments_hear_settings(file.settings.experiments_auto, &file.set);
        }
        Ok(path)
    }
}

fn of_thousand(probability: f64) -> u16 {
    // Within 0 to 1000 by the clamp.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let thousandths = (probability.clamp(0.0, 1.0) * 1000.0).round() as u16;
    thousandths
}
