//! The machine of one experiment: chats come, use the knob and are measured; what is decided goes out, with the reason.
//! Its user's word always wins.

mod rules;
mod trial;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    assignment::{Split, bucket},
    evidence::Outcome,
    outcomes::{Folded, Held, Measure, Metric, Tally},
    ratio::Ratio,
    safety::Watch,
};
use crate::{chats::ChatId, settings::Value, time::Timestamp};

pub use rules::{CAP, CONFIRM_E, DROP_P, ROLLBACK_E, SHARE_SHIPPED, SHARES, SHIP_P};
pub use trial::{Point, Trial};

/// Chats whose arm is remembered; beyond that the ones that came longest ago are forgotten.
const MEMBERS_MAX: usize = 2000;
/// Treatments beside the old value.
pub const TREATMENTS_MAX: usize = 5;

/// What is to be tried, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "ExperimentPlan")]
pub struct Plan {
    /// A key of `config.toml`.
    pub knob: String,
    /// Values of it: the old one first, then what is tried.
    pub arms: Vec<Value>,
    /// What decides.
    pub metric: Metric,
    pub why: String,
    pub from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "IdeaFrom")]
pub enum From {
    User,
    /// Found in this machine's history.
    Opportunity,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "ExperimentState")]
pub enum State {
    /// Not begun.
    Draft,
    /// `share`: of 10000 chats so many get one of the new values.
    Running {
        #[ts(type = "string")]
        since: Timestamp,
        share: u64,
    },
    /// It ended without a verdict; the old value holds.
    Inconclusive {
        #[ts(type = "string")]
        at: Timestamp,
        why: String,
    },
    /// Shipped on probation: most chats have the new value, and some keep the old one beside them.
    Probation {
        #[ts(type = "string")]
        since: Timestamp,
        arm: usize,
        why: String,
    },
    /// Proved better: all chats have it.
    Confirmed {
        #[ts(type = "string")]
        at: Timestamp,
        arm: usize,
        why: String,
    },
    RolledBack {
        #[ts(type = "string")]
        at: Timestamp,
        why: String,
    },
    /// By its user's word. `holds` is the arm that was pinned, the old value's where none was.
    Stopped {
        #[ts(type = "string")]
        at: Timestamp,
        why: String,
        holds: usize,
    },
}

impl State {
    /// Every name that there is.
    pub const NAMES: [&'static str; 7] =
        ["draft", "running", "inconclusive", "on probation", "confirmed", "rolled back", "stopped"];

    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Running { .. } => "running",
            Self::Inconclusive { .. } => "inconclusive",
            Self::Probation { .. } => "on probation",
            Self::Confirmed { .. } => "confirmed",
            Self::RolledBack { .. } => "rolled back",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Whether chats are assigned and measured.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Probation { .. })
    }

    /// The arm that holds for a chat that was not assigned.
    pub fn holds(&self) -> usize {
        match self {
            Self::Confirmed { arm, .. } | Self::Stopped { holds: arm, .. } => *arm,
            Self::Draft
            | Self::Running { .. }
            | Self::Inconclusive { .. }
            | Self::Probation { .. }
            | Self::RolledBack { .. } => 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `before` is what was measured of each metric until then.
    Start {
        before: BTreeMap<Metric, Tally>,
    },
    /// A chat came up, with the crash that was foretold for it, of a thousand.
    Came {
        chat: ChatId,
        risk: Option<u16>,
        held: Held,
    },
    /// The knob's value was really used for the chat.
    Used {
        chat: ChatId,
        arm: usize,
    },
    Measured {
        chat: ChatId,
        measure: Measure,
    },
    /// Time passed.
    Tick,
    /// From here on the user's word.
    Stop {
        why: String,
    },
    /// This arm for all, and no experiment any more.
    Pin {
        arm: usize,
    },
    /// This arm for this chat, which no longer counts.
    Override {
        chat: ChatId,
        arm: usize,
    },
    /// The chat was given a value by word about another experiment: it no longer counts.
    Leave {
        chat: ChatId,
    },
}

/// What was decided, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "Decision")]
pub struct Decided {
    pub what: What,
    pub why: String,
    /// The safety bounds that were broken, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<String>>", optional)]
    pub bounds: Vec<String>,
}

impl Decided {
    fn new(what: What, why: String) -> Self {
        Self { what, why, bounds: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "DecisionWhat")]
pub enum What {
    Began,
    /// Of 10000 chats so many.
    Ramped {
        share: u64,
    },
    /// A treatment is out, the others go on.
    Dropped {
        arm: usize,
    },
    Shipped {
        arm: usize,
    },
    Confirmed {
        arm: usize,
    },
    Inconclusive,
    /// `violation`: for a safety bound.
    RolledBack {
        violation: bool,
    },
    Stopped {
        holds: usize,
    },
    Overridden {
        arm: usize,
    },
}

/// A chat that was assigned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    came: Timestamp,
    arm: usize,
    /// Of each treatment: its chance against the old value's, when the chat came.
    shares: Vec<f64>,
    risk: Option<u16>,
    used: bool,
    /// Met a second arm: it tells nothing any more.
    void: bool,
    folded: Folded,
}

impl Member {
    fn new(arm: usize, shares: Vec<f64>, risk: Option<u16>, held: Held, came: Timestamp) -> Self {
        Self { came, arm, shares, risk, used: false, void: false, folded: Folded::came_with(held) }
    }
}

/// How often an arm was given out, used, and measured by what decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "ArmCounts")]
pub struct Counts {
    pub assigned: u64,
    pub exposed: u64,
    pub outcomes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    pub id: u64,
    pub plan: Plan,
    pub state: State,
    pub began: Option<Timestamp>,
    /// One for each arm but the first.
    pub trials: Vec<Trial>,
    pub counts: Vec<Counts>,
    pub double_exposed: u64,
    /// Of chats that used the knob.
    pub ratio: Ratio,
    members: BTreeMap<ChatId, Member>,
    overrides: BTreeMap<ChatId, usize>,
    /// Over what was confirmed, for as long as it holds.
    #[serde(default)]
    watches: Vec<Watch>,
}

impl Experiment {
    pub fn new(id: u64, plan: Plan) -> Self {
        Self {
            id,
            state: State::Draft,
            began: None,
            trials: Vec::new(),
            counts: vec![Counts::default(); plan.arms.len()],
            double_exposed: 0,
            ratio: Ratio::default(),
            members: BTreeMap::new(),
            overrides: BTreeMap::new(),
            watches: Vec::new(),
            plan,
        }
    }

    /// What its buckets are salted with: no two experiments share one, so that they do not fall together.
    pub fn salt(&self) -> String {
        format!("shim:{}:{}", self.plan.knob, self.id)
    }

    /// How new chats are assigned; `None` where none are.
    pub fn split(&self) -> Option<Split> {
        match &self.state {
            State::Running { share, .. } => {
                let slice =
                    |(place, trial): (usize, &Trial)| if trial.dropped.is_some() { 0 } else { place + 1 };
                let slices: Vec<_> = self.trials.iter().enumerate().map(slice).collect();
                Some(Split::new(&slices, *share))
            }
            State::Probation { arm, .. } => Some(Split::new(&vec![*arm; self.trials.len()], SHARE_SHIPPED)),
            State::Draft
            | State::Inconclusive { .. }
            | State::Confirmed { .. }
            | State::RolledBack { .. }
            | State::Stopped { .. } => None,
        }
    }

    /// The arm that holds for a chat.
    pub fn arm(&self, chat: &ChatId) -> usize {
        let assigned = self.members.get(chat).filter(|_| self.state.is_open()).map(|member| member.arm);
        let by_word = self.overrides.get(chat).copied();
        by_word.or(assigned).unwrap_or_else(|| self.state.holds())
    }

    /// The value that holds for a chat, where it is another than the old one.
    pub fn value(&self, chat: &ChatId) -> Option<&Value> {
        let arm = self.arm(chat);
        self.plan.arms.get(arm).filter(|_| arm > 0)
    }

    /// Whether the chat takes part.
    pub fn has(&self, chat: &ChatId) -> bool {
        self.members.contains_key(chat)
    }

    /// Whether it was noted that the chat uses the knob.
    pub fn is_used(&self, chat: &ChatId) -> bool {
        self.members.get(chat).is_none_or(|member| member.used || member.void)
    }

    pub fn is_overridden(&self, chat: &ChatId) -> bool {
        self.overrides.contains_key(chat)
    }

    /// Outcomes of all arms by what decides.
    pub fn outcomes(&self) -> u64 {
        self.counts.iter().map(|counts| counts.outcomes).sum()
    }

    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Decided> {
        match event {
            Event::Start { before } => self.start(&before, now),
            Event::Came { chat, risk, held } => self.came(chat, risk, held, now),
            Event::Used { chat, arm } => self.used(&chat, arm, now),
            Event::Measured { chat, measure } => self.measured(&chat, measure, now),
            Event::Tick => self.look_at_the_time(now),
            Event::Stop { why } => self.stop(why, 0, now),
            Event::Pin { arm } if arm < self.plan.arms.len() => {
                self.stop(format!("its user pinned arm {arm}"), arm, now)
            }
            Event::Override { chat, arm } if arm < self.plan.arms.len() => self.override_one(chat, arm),
            Event::Pin { .. } | Event::Override { .. } => Vec::new(),
            Event::Leave { chat } => {
                self.leave(&chat, None);
                Vec::new()
            }
        }
    }

    fn start(&mut self, before: &BTreeMap<Metric, Tally>, now: Timestamp) -> Vec<Decided> {
        if self.state != State::Draft {
            return Vec::new();
        }
        let metric = self.plan.metric;
        let trial = || Trial::new(metric, before);
        self.trials = self.plan.arms.iter().skip(1).map(|_| trial()).collect();
        let share = SHARES.first().map_or(0, |(share, _)| *share);
        (self.began, self.state) = (Some(now), State::Running { since: now, share });
        vec![Decided::new(What::Began, self.plan.why.clone())]
    }

    fn came(&mut self, chat: ChatId, risk: Option<u16>, held: Held, now: Timestamp) -> Vec<Decided> {
        if self.members.contains_key(&chat) || self.overrides.contains_key(&chat) {
            return Vec::new();
        }
        if let State::Confirmed { arm, .. } = self.state {
            // Watched, and not counted.
            self.join(chat, Member::new(arm, Vec::new(), None, held, now));
            return Vec::new();
        }
        let Some(split) = self.split() else { return Vec::new() };
        let arm = split.arm(bucket(&self.salt(), chat.as_str()));
        let shares = (1..=self.trials.len()).map(|arm| split.share(arm)).collect();
        if let Some(counts) = self.counts.get_mut(arm) {
            counts.assigned += 1;
        }
        self.join(chat, Member::new(arm, shares, risk, held, now));
        Vec::new()
    }

    fn join(&mut self, chat: ChatId, member: Member) {
        if self.members.len() >= MEMBERS_MAX {
            let oldest = self.members.iter().min_by_key(|(_, member)| member.came);
            let oldest = oldest.map(|(chat, _)| chat.clone());
            oldest.and_then(|chat| self.members.remove(&chat));
        }
        self.members.insert(chat, member);
    }

    fn used(&mut self, chat: &ChatId, arm: usize, now: Timestamp) -> Vec<Decided> {
        let is_open = self.state.is_open();
        let Some(member) = self.members.get_mut(chat) else { return Vec::new() };
        if member.arm != arm {
            self.double_exposed += u64::from(is_open && !member.void);
            member.void = true;
            return Vec::new();
        }
        if member.void || std::mem::replace(&mut member.used, true) || !is_open {
            return Vec::new();
        }
        let whole: f64 = member.shares.iter().map(|share| share / (1.0 - share).max(f64::EPSILON)).sum();
        self.ratio.observe(arm > 0, whole / (1.0 + whole));
        if let Some(counts) = self.counts.get_mut(arm) {
            counts.exposed += 1;
        }
        self.decide(now)
    }

    fn measured(&mut self, chat: &ChatId, measure: Measure, now: Timestamp) -> Vec<Decided> {
        let Some(member) = self.members.get_mut(chat).filter(|member| member.used && !member.void) else {
            return Vec::new();
        };
        let told = member.folded.take(measure);
        if told.is_empty() {
            return Vec::new();
        }
        if !self.state.is_open() {
            for (metric, value) in told {
                self.watches.iter_mut().for_each(|watch| watch.observe(metric, value));
            }
            return self.look_after_confirmed(now);
        }
        let (arm, shares) = (member.arm, member.shares.clone());
        let risk = member.risk.map(|of_thousand| f64::from(of_thousand) / 1000.0);
        for (metric, value) in told {
            self.count(metric, arm, &shares, value, risk, now);
        }
        self.decide(now)
    }

    fn count(
        &mut self,
        metric: Metric,
        arm: usize,
        shares: &[f64],
        value: f64,
        risk: Option<f64>,
        now: Timestamp,
    ) {
        let decides = metric == self.plan.metric;
        if let Some(counts) = self.counts.get_mut(arm).filter(|_| decides) {
            counts.outcomes += 1;
        }
        // The prediction is of a crash.
        let risk = risk.filter(|_| metric == Metric::Crash);
        for (place, (trial, share)) in self.trials.iter_mut().zip(shares).enumerate() {
            let treated = arm == place + 1;
            if treated || arm == 0 {
                trial.observe(metric, decides, &Outcome { treated, share: *share, value, risk }, now);
            }
        }
    }

    fn override_one(&mut self, chat: ChatId, arm: usize) -> Vec<Decided> {
        self.leave(&chat, Some(arm));
        let why = format!("its user gave {} arm {arm}", chat.as_str());
        self.overrides.insert(chat, arm);
        if self.overrides.len() > MEMBERS_MAX {
            self.overrides.pop_first();
        }
        vec![Decided::new(What::Overridden { arm }, why)]
    }

    /// The chat counts for nothing any more, and has this arm, or a value of another experiment, from now on.
    fn leave(&mut self, chat: &ChatId, arm: Option<usize>) {
        let Some(member) = self.members.get_mut(chat) else { return };
        let met_another = member.used && !member.void && arm != Some(member.arm);
        self.double_exposed += u64::from(met_another);
        member.void = true;
    }

    fn stop(&mut self, why: String, holds: usize, now: Timestamp) -> Vec<Decided> {
        self.end(State::Stopped { at: now, why: why.clone(), holds });
        vec![Decided::new(What::Stopped { holds }, why)]
    }

    /// What was measured stays to be looked at; who was in it is forgotten.
    fn end(&mut self, state: State) {
        self.state = state;
        self.members.clear();
        self.watches.clear();
        self.trials.iter_mut().for_each(Trial::close);
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
