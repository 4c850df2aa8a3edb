//! What is tried next, and what rests.

use std::time::Duration;

use super::{Effect, Improvement, Rest, Unheard};
use crate::{
    experiments::machine::{Decided, Event, Experiment, From, State, What},
    knobs::{Refused, knob},
    time::Timestamp,
};

/// Ideas that wait.
pub const IDEAS_MAX: usize = 100;
/// Experiments that run at the same time, on different knobs: their assignments are independent of each other.
pub const RUNNING_MAX: usize = 3;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a knob rests after a broken bound, and after any other end.
const REST_AFTER_VIOLATION: Duration = DAY.saturating_mul(30);
const REST: Duration = DAY.saturating_mul(3);

impl Improvement {
    /// Begins what may begin.
    pub(super) fn try_next(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.automatic {
            return effects;
        }
        while self.running() < RUNNING_MAX {
            let Some(id) = self.next_idea(now) else { break };
            effects.extend(self.start(id, now));
        }
        effects
    }

    fn running(&self) -> usize {
        let running = |experiment: &&Experiment| matches!(experiment.state, State::Running { .. });
        self.experiments.values().filter(running).count()
    }

    /// The user's first, then what promises most, then what came first.
    fn next_idea(&self, now: Timestamp) -> Option<u64> {
        let drafts = self.experiments.values().filter(|experiment| experiment.state == State::Draft);
        let rests = |key: &str| self.rests.get(key).is_some_and(|rest| now < rest.until);
        let free = drafts.filter(|draft| !rests(&draft.plan.knob) && self.may_start(draft).is_ok());
        let worth = |draft: &Experiment| self.worth.get(&draft.id).copied().unwrap_or_default();
        let rank = |draft: &&Experiment| (draft.plan.from == From::User, worth(draft), draft.id);
        let best = free.max_by(|a, b| {
            let ((a_user, a_worth, a_id), (b_user, b_worth, b_id)) = (rank(a), rank(b));
            a_user.cmp(&b_user).then(a_worth.total_cmp(&b_worth)).then(b_id.cmp(&a_id))
        });
        best.map(|draft| draft.id)
    }

    pub(super) fn may_start(&self, draft: &Experiment) -> Result<(), Unheard> {
        let key = &draft.plan.knob;
        if draft.state != State::Draft {
            return Err(Unheard::Wrong(draft.id, draft.state.name(), "it has begun before"));
        }
        if self.set.contains_key(key) {
            return Err(Unheard::Set(key.clone()));
        }
        let open = self.experiments.values().find(|one| one.state.is_open() && one.plan.knob == *key);
        if let Some(open) = open {
            return Err(Unheard::Busy(open.id, key.clone()));
        }
        // What holds may have moved since the idea came.
        let (knob, current) = (knob(key).ok_or_else(|| Refused::NoKnob(key.clone()))?, self.value(key));
        let mut values = draft.plan.arms.iter().skip(1);
        values.try_for_each(|value| knob.may_try(&current, value))?;
        self.pins.get(key).map_or(Ok(()), |word| Err(Unheard::Pinned(word.experiment, key.clone())))
    }

    pub(super) fn start(&mut self, id: u64, now: Timestamp) -> Vec<Effect> {
        self.worth.remove(&id);
        let before = self.before.clone();
        let current = self.experiments.get(&id).map(|draft| self.value(&draft.plan.knob));
        if let Some(draft) = self.experiments.get_mut(&id)
            && let (Some(first), Some(current)) = (draft.plan.arms.first_mut(), current)
        {
            *first = current;
        }
        self.tell(id, Event::Start { before }, now)
    }

    /// What a decision means for the loop.
    pub(super) fn note(&mut self, id: u64, key: &str, decided: &Decided, now: Timestamp) {
        self.totals.count(decided.what);
        let rest = match decided.what {
            What::RolledBack { violation: true } => REST_AFTER_VIOLATION,
            What::RolledBack { violation: false }
            | What::Inconclusive
            | What::Confirmed { .. }
            | What::Stopped { .. } => REST,
            What::Began
            | What::Ramped { .. }
            | What::Dropped { .. }
            | What::Shipped { .. }
            | What::Overridden { .. } => return,
        };
        self.worth.remove(&id);
        self.rests.insert(key.to_owned(), Rest { until: now.plus(rest), why: decided.why.clone() });
    }

    /// The oldest of those that ended and hold nothing, and ideas that what holds by now has overtaken.
    pub(super) fn forget_old(&mut self) {
        let drafts = self.experiments.values().filter(|experiment| experiment.state == State::Draft);
        let overtaken = drafts.filter(|draft| matches!(self.may_start(draft), Err(Unheard::Knob(_))));
        for id in overtaken.map(|draft| draft.id).collect::<Vec<_>>() {
            self.experiments.remove(&id);
            self.worth.remove(&id);
        }
        let ended = self.experiments.values().filter(|experiment| {
            let state = &experiment.state;
            !state.is_open() && *state != State::Draft && state.holds() == 0 && !self.has_word(experiment)
        });
        let ended: Vec<_> = ended.map(|experiment| experiment.id).collect();
        for id in ended.iter().take(ended.len().saturating_sub(super::ENDED_MAX)) {
            self.experiments.remove(id);
        }
    }
}
