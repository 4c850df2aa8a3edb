//! The loop: which idea is tried next, one experiment for a knob at a time, rests, and what holds for which chat. It
//! needs nobody, and its user's word wins over all of it. What it was told, in order, gives its state again.

mod next;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    assignment::{Context, ErrorCode, Provider, Reason, Resolution},
    machine::{self, Decided, Experiment, From, Plan, State, TREATMENTS_MAX, What},
    outcomes::{Folded, Held, Measure, Metric, Tally},
};
use crate::{
    chats::ChatId,
    knobs::{KNOBS, Refused, knob},
    settings::Value,
    time::Timestamp,
};

pub use next::{IDEAS_MAX, RUNNING_MAX};

/// Chats with a value of their own for one knob; beyond that one that was given before is forgotten.
const GIVEN_MAX: usize = 2000;
/// Chats of which it is known what was measured; beyond that those of which nothing was for longest are forgotten.
const FOLDED_MAX: usize = 1000;
/// Ended experiments that are kept, beside those whose value holds.
const ENDED_MAX: usize = 100;

/// A change of a knob that may be worth trying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Idea {
    /// A key of `config.toml`.
    pub knob: String,
    /// What is to be tried against the value that holds.
    pub values: Vec<Value>,
    pub metric: Metric,
    pub why: String,
    pub from: From,
    /// What is hoped of it for each chat that it takes to find out; the greatest is tried first.
    pub worth: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Event {
    /// What `config.toml` says: whether ideas are tried without being asked, and the knobs that its user set.
    Settings {
        automatic: bool,
        set: BTreeMap<String, Value>,
    },
    Idea {
        idea: Idea,
    },
    /// A chat came up, with the crash that was foretold for it, of a thousand.
    Came {
        chat: ChatId,
        risk: Option<u16>,
        /// What its transcript holds by then.
        held: Held,
    },
    /// The value of the experiment's knob was really used for the chat.
    Used {
        experiment: u64,
        chat: ChatId,
        arm: usize,
    },
    Measured {
        chat: ChatId,
        measure: Measure,
    },
    Tick,
    /// From here on the user's word.
    Start {
        experiment: u64,
    },
    Stop {
        experiment: u64,
    },
    Pin {
        experiment: u64,
        arm: usize,
    },
    Override {
        experiment: u64,
        chat: ChatId,
        arm: usize,
    },
    /// What it shipped is taken back.
    Undo {
        experiment: u64,
    },
}

/// A decision, and whose experiment it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "ExperimentDecision")]
pub struct Effect {
    pub experiment: u64,
    pub knob: String,
    pub decided: Decided,
}

/// A knob that is left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "KnobRest")]
pub struct Rest {
    #[ts(type = "string")]
    pub until: Timestamp,
    pub why: String,
}

/// How often what was decided, over all experiments there ever were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "ExperimentTotals")]
pub struct Totals {
    pub begun: u64,
    /// Shipped on probation: tried on most chats, not proved.
    pub deployed: u64,
    /// Of those, proved better.
    pub confirmed: u64,
    pub rolled_back: u64,
    /// Of those, for a safety bound.
    pub violations: u64,
    pub inconclusive: u64,
    pub stopped: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    automatic: bool,
    /// The knobs that the user set: no experiment touches them.
    set: BTreeMap<String, Value>,
    last_id: u64,
    experiments: BTreeMap<u64, Experiment>,
    /// Of drafts.
    worth: BTreeMap<u64, f64>,
    rests: BTreeMap<String, Rest>,
    before: BTreeMap<Metric, Tally>,
    totals: Totals,
    /// What was measured of chats for `before`.
    #[serde(default)]
    folded: BTreeMap<ChatId, Seen>,
    /// What its user pinned, by knob: it holds for all, and nothing is tried, until it is taken back.
    #[serde(default)]
    pins: BTreeMap<String, Word>,
    /// What its user gave single chats, by knob: it holds for them through all that is tried.
    #[serde(default)]
    given: BTreeMap<String, BTreeMap<ChatId, Word>>,
}

/// A chat of which something was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// When it was last.
    #[serde(default)]
    at: Timestamp,
    #[serde(flatten)]
    folded: Folded,
}

/// A value by its user's word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Word {
    /// About which it was said: to undo that takes it back.
    experiment: u64,
    value: Value,
}

/// Why a user's word cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    #[error("there is no experiment {0}")]
    NoExperiment(u64),
    #[error("experiment {0} is {1}: {2}")]
    Wrong(u64, &'static str, &'static str),
    #[error("experiment {id} has the arms 0 to {last}")]
    NoArm { id: u64, last: usize },
    #[error("`{0}` is set in config.toml: take it out there, so that it may be tried")]
    Set(String),
    #[error("experiment {0} on `{1}` is open: one at a time")]
    Busy(u64, String),
    #[error("`{1}` is pinned by its user: undo experiment {0} first")]
    Pinned(u64, String),
    #[error("an experiment needs 1 to {TREATMENTS_MAX} new values, all different")]
    Values,
    #[error("{0} ideas wait already")]
    Full(usize),
    #[error(transparent)]
    Knob(#[from] Refused),
}

impl Improvement {
    /// Whose first experiment has the number after this one.
    pub fn numbered_after(last_id: u64) -> Self {
        Self { last_id, ..Self::default() }
    }

    pub fn experiments(&self) -> impl Iterator<Item = &Experiment> {
        self.experiments.values()
    }

    pub fn experiment(&self, id: u64) -> Option<&Experiment> {
        self.experiments.get(&id)
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    pub fn rests(&self) -> &BTreeMap<String, Rest> {
        &self.rests
    }

    pub fn is_automatic(&self) -> bool {
        self.automatic
    }

    /// The number of the last idea.
    pub fn newest(&self) -> u64 {
        self.last_id
    }

    /// Whether its user set the knob.
    pub fn is_set(&self, key: &str) -> bool {
        self.set.contains_key(key)
    }

    /// Whether its user pinned a value of the knob.
    pub fn is_pinned(&self, key: &str) -> bool {
        self.pins.contains_key(key)
    }

    pub fn worth(&self, id: u64) -> Option<f64> {
        self.worth.get(&id).copied()
    }

    /// Takes in what happened. `Ok` or not, what cannot be followed changes nothing.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        if self.check(&event).is_err() {
            return Vec::new();
        }
        let mut effects = self.take(event, now);
        effects.extend(self.try_next(now));
        self.forget_old();
        effects
    }

    /// Whether it changes anything, but by time alone: what does not needs not be remembered.
    pub fn matters(&self, event: &Event) -> bool {
        let open = |test: &dyn Fn(&Experiment) -> bool| {
            self.experiments.values().any(|experiment| test(experiment) && self.is_told(experiment))
        };
        match event {
            Event::Settings { automatic, set } => *automatic != self.automatic || *set != self.set,
            Event::Came { chat, .. } => {
                open(&|experiment| !experiment.has(chat) && !self.is_given(experiment, chat))
            }
            Event::Used { experiment: id, chat, arm } => open(&|experiment| {
                experiment.id == *id
                    && experiment.has(chat)
                    && (!experiment.is_used(chat) || experiment.arm(chat) != *arm)
            }),
            Event::Measured { chat, measure: Measure::Checkpoints(_) } => {
                open(&|experiment| experiment.has(chat))
            }
            Event::Tick => false,
            Event::Measured { .. }
            | Event::Idea { .. }
            | Event::Start { .. }
            | Event::Stop { .. }
            | Event::Pin { .. }
            | Event::Override { .. }
            | Event::Undo { .. } => self.check(event).is_ok(),
        }
    }

    /// Whether it can be followed, and why not.
    pub fn check(&self, event: &Event) -> Result<(), Unheard> {
        match event {
            Event::Idea { idea } => self.check_idea(idea),
            Event::Start { experiment } => self.may_start(self.find(*experiment)?),
            Event::Stop { experiment } => {
                let found = self.find(*experiment)?;
                let open = found.state.is_open() || found.state == State::Draft;
                let why = "only one that is open or waits is stopped; `undo` takes back what it shipped";
                open.then_some(()).ok_or(Unheard::Wrong(*experiment, found.state.name(), why))
            }
            Event::Undo { experiment } => {
                let found = self.find(*experiment)?;
                let shipped = matches!(found.state, State::Probation { .. })
                    || found.state.holds() > 0
                    || self.has_word(found);
                let why = "it holds nothing that could be taken back";
                shipped.then_some(()).ok_or(Unheard::Wrong(*experiment, found.state.name(), why))
            }
            Event::Pin { experiment, arm } | Event::Override { experiment, arm, .. } => {
                let (id, last) = (*experiment, self.find(*experiment)?.plan.arms.len().saturating_sub(1));
                (*arm <= last).then_some(()).ok_or(Unheard::NoArm { id, last })
            }
            Event::Settings { .. }
            | Event::Came { .. }
            | Event::Used { .. }
            | Event::Measured { .. }
            | Event::Tick => Ok(()),
        }
    }

    fn find(&self, id: u64) -> Result<&Experiment, Unheard> {
        self.experiments.get(&id).ok_or(Unheard::NoExperiment(id))
    }

    fn check_idea(&self, idea: &Idea) -> Result<(), Unheard> {
        let knob = knob(&idea.knob).ok_or_else(|| Refused::NoKnob(idea.knob.clone()))?;
        if !knob.affects.contains(&idea.metric) {
            let affects: Vec<_> = knob.affects.iter().map(|metric| metric.name()).collect();
            let (key, metric) = (idea.knob.clone(), idea.metric.name());
            return Err(Refused::NoEffect { key, metric, affects: affects.join(", ") }.into());
        }
        let different = (1..idea.values.len()).all(|at| {
            let (before, rest) = idea.values.split_at(at);
            rest.first().is_none_or(|value| !before.contains(value))
        });
        if idea.values.is_empty() || idea.values.len() > TREATMENTS_MAX || !different {
            return Err(Unheard::Values);
        }
        let current = self.value(&idea.knob);
        idea.values.iter().try_for_each(|value| knob.may_try(&current, value))?;
        let waiting = self.worth.len();
        if waiting >= IDEAS_MAX { Err(Unheard::Full(waiting)) } else { Ok(()) }
    }

    fn take(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Settings { automatic, set } => self.settings(automatic, set, now),
            Event::Idea { idea } => {
                self.last_id += 1;
                let arms = std::iter::once(self.value(&idea.knob)).chain(idea.values).collect();
                let Idea { knob, metric, why, from, worth, .. } = idea;
                let plan = Plan { knob, arms, metric, why, from };
                self.worth.insert(self.last_id, worth);
                self.experiments.insert(self.last_id, Experiment::new(self.last_id, plan));
                Vec::new()
            }
            Event::Came { chat, risk, held } => {
                let told =
                    self.experiments.values().filter(|one| self.is_told(one) && !self.is_given(one, &chat));
                let told: Vec<_> = told.map(|experiment| experiment.id).collect();
                let came = machine::Event::Came { chat, risk, held };
                told.into_iter().flat_map(|id| self.tell(id, came.clone(), now)).collect()
            }
            Event::Used { experiment, chat, arm } => {
                self.tell(experiment, machine::Event::Used { chat, arm }, now)
            }
            Event::Measured { chat, measure } => {
                self.remember(&chat, measure, now);
                self.tell_all(&machine::Event::Measured { chat, measure }, now)
            }
            Event::Tick => self.tell_all(&machine::Event::Tick, now),
            Event::Start { experiment } => self.start(experiment, now),
            Event::Stop { experiment } => {
                self.tell(experiment, machine::Event::Stop { why: "its user stopped it".to_owned() }, now)
            }
            Event::Undo { experiment } => {
                self.pins.retain(|_, word| word.experiment != experiment);
                for given in self.given.values_mut() {
                    given.retain(|_, word| word.experiment != experiment);
                }
                self.given.retain(|_, given| !given.is_empty());
                let mut effects = self.tell(
                    experiment,
                    machine::Event::Stop { why: "its user took it back".to_owned() },
                    now,
                );
                effects.extend(self.stop_without_ground(now));
                effects
            }
            Event::Pin { experiment, arm } => self.pin(experiment, arm, now),
            Event::Override { experiment, chat, arm } => {
                if let Some((knob, value)) = self.named(experiment, arm) {
                    let given = self.given.entry(knob).or_default();
                    given.insert(chat.clone(), Word { experiment, value });
                    if given.len() > GIVEN_MAX {
                        given.pop_first();
                    }
                }
                for other in self.others_open(experiment) {
                    self.tell(other, machine::Event::Leave { chat: chat.clone() }, now);
                }
                self.tell(experiment, machine::Event::Override { chat, arm }, now)
            }
        }
    }

    /// What was before the next experiment: of chats that have no value on trial; one that was shipped is what most
    /// chats have by now. Checkpoints are told of those alone that take part in something. As in an experiment, a
    /// chat's first end and its first restore are what counts.
    fn remember(&mut self, chat: &ChatId, measure: Measure, now: Timestamp) {
        let takes_part = self.experiments.values().any(|one| one.has(chat) && self.is_told(one));
        if matches!(measure, Measure::Checkpoints(_)) && !takes_part {
            return;
        }
        let seen = self.folded.entry(chat.clone()).or_default();
        seen.at = now;
        let told = seen.folded.take(measure);
        if self.folded.len() > FOLDED_MAX {
            let oldest = self.folded.iter().min_by_key(|(_, seen)| seen.at).map(|(chat, _)| chat.clone());
            oldest.and_then(|chat| self.folded.remove(&chat));
        }
        let is_running = |one: &&Experiment| matches!(one.state, State::Running { .. });
        let is_tried = self.experiments.values().filter(is_running).any(|one| one.arm(chat) > 0);
        for (metric, value) in told.into_iter().filter(|_| !is_tried) {
            self.before.entry(metric).or_default().add(value);
        }
    }

    /// Whether its user's word about it still holds.
    fn has_word(&self, of: &Experiment) -> bool {
        let knob = &of.plan.knob;
        self.pins.get(knob).is_some_and(|word| word.experiment == of.id)
            || self.given.get(knob).is_some_and(|given| given.values().any(|word| word.experiment == of.id))
    }

    /// The knob of an experiment, and the value of one of its arms.
    fn named(&self, experiment: u64, arm: usize) -> Option<(String, Value)> {
        let plan = &self.experiments.get(&experiment)?.plan;
        Some((plan.knob.clone(), plan.arms.get(arm)?.clone()))
    }

    /// Whatever else is tried on the knob ends with it.
    fn pin(&mut self, id: u64, arm: usize, now: Timestamp) -> Vec<Effect> {
        let Some((knob, value)) = self.named(id, arm) else { return Vec::new() };
        let others = self.others_open(id);
        self.pins.insert(knob, Word { experiment: id, value });
        let mut effects = self.tell(id, machine::Event::Pin { arm }, now);
        let why = format!("its user pinned a value of experiment {id}");
        let stop = |id| self.tell(id, machine::Event::Stop { why: why.clone() }, now);
        effects.extend(others.into_iter().flat_map(stop));
        effects
    }

    /// Open experiments on the knob of this one, but for itself.
    fn others_open(&self, id: u64) -> Vec<u64> {
        let knob = self.experiments.get(&id).map(|one| one.plan.knob.as_str());
        let others = self
            .experiments
            .values()
            .filter(|one| one.id != id && Some(one.plan.knob.as_str()) == knob && one.state.is_open());
        others.map(|one| one.id).collect()
    }

    /// Ends what is compared with a value that no longer holds.
    fn stop_without_ground(&mut self, now: Timestamp) -> Vec<Effect> {
        let open = self.experiments.values().filter(|one| one.state.is_open());
        let groundless = open.filter(|one| one.plan.arms.first() != Some(&self.value(&one.plan.knob)));
        let groundless: Vec<_> = groundless.map(|one| one.id).collect();
        let why = "the value that it was compared with was taken back";
        let stop = |id| self.tell(id, machine::Event::Stop { why: why.to_owned() }, now);
        groundless.into_iter().flat_map(stop).collect()
    }

    /// The user's own value wins, and so do bounds that are no longer kept.
    fn settings(&mut self, automatic: bool, set: BTreeMap<String, Value>, now: Timestamp) -> Vec<Effect> {
        (self.automatic, self.set) = (automatic, set);
        let ended = |experiment: &Experiment| {
            let plan = &experiment.plan;
            if self.set.contains_key(&plan.knob) {
                return Some(format!("its user set `{}` in config.toml", plan.knob));
            }
            let (current, values) = plan.arms.split_first()?;
            let knob = knob(&plan.knob);
            let still =
                knob.is_some_and(|knob| values.iter().all(|value| knob.may_try(current, value).is_ok()));
            (!still).then(|| format!("the bounds of `{}` no longer hold what is tried", plan.knob))
        };
        let open = self.experiments.values().filter(|experiment| experiment.state.is_open());
        let ends: Vec<_> = open.filter_map(|experiment| Some((experiment.id, ended(experiment)?))).collect();
        let stop = |(id, why)| self.tell(id, machine::Event::Stop { why }, now);
        ends.into_iter().flat_map(stop).collect()
    }

    /// Whether the chat has a value of its own for the experiment's knob, whichever experiment that was said about.
    fn is_given(&self, experiment: &Experiment, chat: &ChatId) -> bool {
        self.given.get(&experiment.plan.knob).is_some_and(|given| given.contains_key(chat))
    }

    /// Whether what chats do matters to it: it is open, or all chats have what it confirmed.
    fn is_told(&self, experiment: &Experiment) -> bool {
        let key = &experiment.plan.knob;
        let speaks =
            |one: &&Experiment| one.plan.knob == *key && (one.state.is_open() || one.state.holds() > 0);
        experiment.state.is_open()
            || matches!(experiment.state, State::Confirmed { .. })
                && !self.set.contains_key(key)
                && !self.pins.contains_key(key)
                && self.experiments.values().rev().find(speaks).is_some_and(|last| last.id == experiment.id)
    }

    fn tell_all(&mut self, event: &machine::Event, now: Timestamp) -> Vec<Effect> {
        let told = self.experiments.values().filter(|experiment| self.is_told(experiment));
        let told: Vec<_> = told.map(|experiment| experiment.id).collect();
        told.into_iter().flat_map(|id| self.tell(id, event.clone(), now)).collect()
    }

    fn tell(&mut self, id: u64, event: machine::Event, now: Timestamp) -> Vec<Effect> {
        let Some(experiment) = self.experiments.get_mut(&id) else { return Vec::new() };
        let (decided, knob) = (experiment.handle(event, now), experiment.plan.knob.clone());
        for decided in &decided {
            self.note(id, &knob, decided, now);
        }
        decided.into_iter().map(|decided| Effect { experiment: id, knob: knob.clone(), decided }).collect()
    }

    /// The value that holds for chats in no experiment: the user's, what was proved or pinned, or the default.
    pub fn value(&self, key: &str) -> Value {
        let held = || self.held(key).cloned();
        let default = || knob(key).map_or(Value::Whole(0), |knob| knob.default());
        self.set.get(key).cloned().or_else(held).unwrap_or_else(default)
    }

    fn held(&self, key: &str) -> Option<&Value> {
        if let Some(word) = self.pins.get(key) {
            return Some(&word.value);
        }
        let of_knob = self.experiments.values().rev().filter(|experiment| experiment.plan.knob == key);
        let mut holding = of_knob.filter_map(|experiment| {
            let arm = experiment.state.holds();
            experiment.plan.arms.get(arm).filter(|_| arm > 0)
        });
        holding.next()
    }

    /// What holds for this chat instead of what is set, by key.
    pub fn changes_for(&self, chat: &ChatId) -> BTreeMap<&str, &Value> {
        let tried = self.experiments.values().map(|experiment| experiment.plan.knob.as_str());
        let by_word = self.pins.keys().chain(self.given.keys()).map(String::as_str);
        let keys: BTreeSet<&str> = tried.chain(by_word).collect();
        let free = keys.into_iter().filter(|key| !self.set.contains_key(*key));
        free.filter_map(|key| Some((key, self.changed_for(chat, key)?))).collect()
    }

    /// What another provider says for this chat instead of what is set: of knobs that its user did not set, and of
    /// which nothing is tried or held here. What the knob lets no experiment try is left out.
    pub fn changes_by(&self, other: &dyn Provider, chat: &ChatId) -> Vec<(&'static str, Value)> {
        let context = Context { targeting_key: Some(chat.to_string()), ..Context::default() };
        let open = self.experiments.values().filter(|experiment| experiment.state.is_open());
        let taken: BTreeSet<_> = open.map(|experiment| experiment.plan.knob.as_str()).collect();
        let free = KNOBS.iter().filter(|knob| {
            !self.set.contains_key(knob.key)
                && !taken.contains(knob.key)
                && self.changed_for(chat, knob.key).is_none()
        });
        let told = free.filter_map(|knob| {
            let default = knob.default();
            let told = other.resolve(knob.key, &default, &context);
            (told.error.is_none() && knob.may_try(&default, &told.value).is_ok())
                .then_some((knob.key, told.value))
        });
        told.collect()
    }

    fn changed_for(&self, chat: &ChatId, key: &str) -> Option<&Value> {
        if let Some(word) = self.given.get(key).and_then(|given| given.get(chat)) {
            return Some(&word.value);
        }
        let mut of_knob = self.experiments.values().rev().filter(|experiment| experiment.plan.knob == key);
        let speaks = of_knob.find(|experiment| experiment.is_overridden(chat) || experiment.state.is_open());
        match speaks {
            Some(experiment) if experiment.arm(chat) > 0 => experiment.value(chat),
            // The old value: what an experiment before it left, or what is set.
            Some(experiment) => experiment.plan.arms.first().filter(|_| self.held(key).is_some()),
            None => self.held(key),
        }
    }

    /// Experiments on knobs of this group, such as `hang.`, that this chat is in, with the arm whose value holds for it
    /// in each: what is to be noted once a value was used.
    pub fn unnoted(&self, chat: &ChatId, group: &str) -> Vec<(u64, usize)> {
        let told = self.experiments.values().filter(|experiment| {
            experiment.plan.knob.starts_with(group)
                && experiment.has(chat)
                && !experiment.is_used(chat)
                && self.is_told(experiment)
        });
        let applied = |experiment: &Experiment| {
            let key = experiment.plan.knob.as_str();
            let holds = self.changed_for(chat, key).cloned().unwrap_or_else(|| self.value(key));
            experiment.plan.arms.iter().position(|value| *value == holds)
        };
        told.filter_map(|experiment| Some((experiment.id, applied(experiment)?))).collect()
    }
}

impl Provider for Improvement {
    fn name(&self) -> &'static str {
        "shim"
    }

    fn resolve(&self, flag: &str, default: &Value, context: &Context) -> Resolution {
        let Some(knob) = knob(flag) else { return Resolution::failed(default, ErrorCode::FlagNotFound) };
        let Some(chat) = context.targeting_key.as_deref().and_then(ChatId::parse) else {
            return Resolution::failed(default, ErrorCode::TargetingKeyMissing);
        };
        if std::mem::discriminant(&knob.default()) != std::mem::discriminant(default) {
            return Resolution::failed(default, ErrorCode::TypeMismatch);
        }
        let of_knob = self.experiments.values().rev().filter(|experiment| experiment.plan.knob == flag);
        let speaks = of_knob.clone().find(|one| one.is_overridden(&chat) || one.state.is_open());
        let (reason, variant) = match speaks {
            _ if self.set.contains_key(flag) => (Reason::Static, None),
            Some(one) if one.is_overridden(&chat) => (Reason::TargetingMatch, Some(one.arm(&chat))),
            _ if self.given.get(flag).is_some_and(|given| given.contains_key(&chat)) => {
                (Reason::TargetingMatch, None)
            }
            Some(one) if one.has(&chat) => (Reason::Split, Some(one.arm(&chat))),
            Some(_) => (Reason::Default, None),
            None if self.held(flag).is_some() => (Reason::Static, None),
            None => (Reason::Default, None),
        };
        let changed = if self.set.contains_key(flag) { None } else { self.changed_for(&chat, flag) };
        let value = changed.or(self.set.get(flag)).unwrap_or(default).clone();
        Resolution { value, variant: variant.map(|arm| format!("arm {arm}")), reason, error: None }
    }
}

impl Totals {
    fn count(&mut self, what: What) {
        match what {
            What::Began => self.begun += 1,
            What::Shipped { .. } => self.deployed += 1,
            What::Confirmed { .. } => self.confirmed += 1,
            What::RolledBack { violation } => {
                self.rolled_back += 1;
                self.violations += u64::from(violation);
            }
            What::Inconclusive => self.inconclusive += 1,
            What::Stopped { .. } => self.stopped += 1,
            What::Ramped { .. } | What::Dropped { .. } | What::Overridden { .. } => {}
        }
    }
}

#[cfg(test)]
#[path = "improvement_tests.rs"]
mod tests;
