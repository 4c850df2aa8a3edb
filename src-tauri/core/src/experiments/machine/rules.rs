//! By which rules an experiment goes on and ends. A posterior that shrinks decides what is tried on most chats; only
//! evidence that holds at every look calls it an improvement.

use std::time::Duration;

use super::{Decided, Experiment, State, Trial, What};
use crate::{chats::ChatId, experiments::safety::Guard, time::Timestamp};

/// Shares of chats that get a new value, of 10000, each with the outcomes of new values after which the next follows.
pub const SHARES: [(u64, u64); 3] = [(1000, 3), (2500, 8), (5000, u64::MAX)];
/// While shipped and not confirmed: at least a tenth keep the old value.
pub const SHARE_SHIPPED: u64 = 9000;
/// P(better) from which on a new value is shipped on probation. With a prior of N(0, .35²) on the log odds ratio this
/// was the best robust rule in a simulated year; `docs/experiments.md` has the figures.
pub const SHIP_P: f64 = 0.85;
/// P(worse) from which on one is dropped.
pub const DROP_P: f64 = 0.60;
/// Evidence that it is better, 1/.05, times the number of new values: at most one of twenty experiments without any
/// better value confirms one, whenever it is looked at.
pub const CONFIRM_E: f64 = 20.0;
/// Evidence that it is worse, 1/.20: to go back costs little.
pub const ROLLBACK_E: f64 = 5.0;
/// Time after which a running experiment ends without a verdict, though it had fewer outcomes: what is never measured
/// must not stand in the way of what could be.
pub const LONGEST: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Outcomes after which a running experiment ends without a verdict.
pub const CAP: u64 = 450;
/// Outcomes of a new value before a probability about it counts.
const LEAST: u64 = 10;
/// Outcomes of each side before it is shipped.
const LEAST_TO_SHIP: u64 = 20;

impl Experiment {
    /// Looks at what is known, after each thing that changed it.
    pub(super) fn decide(&mut self, now: Timestamp) -> Vec<Decided> {
        if self.ratio.is_broken() && self.state.is_open() {
            let why = format!(
                "chats did not come to the arms as they were assigned (e = {:.0} after {} chats): nothing it says can \
                 be trusted",
                self.ratio.e(),
                self.ratio.n
            );
            return self.roll_back(why, Vec::new(), now);
        }
        match self.state {
            State::Running { since, share } => self.decide_running(since, share, now),
            State::Probation { arm, .. } => self.decide_probation(arm, now),
            State::Draft
            | State::Inconclusive { .. }
            | State::Confirmed { .. }
            | State::RolledBack { .. }
            | State::Stopped { .. } => Vec::new(),
        }
    }

    fn decide_running(&mut self, since: Timestamp, share: u64, now: Timestamp) -> Vec<Decided> {
        let mut decided = self.drop_the_bad();
        if self.trials.iter().all(|trial| trial.dropped.is_some()) {
            let bounds =
                self.trials.iter().filter_map(|trial| trial.violation()).map(|(name, _)| name).collect();
            let why = self.trials.iter().filter_map(|trial| trial.dropped.clone()).collect::<Vec<_>>();
            decided.extend(self.roll_back(why.join("; "), bounds, now));
            return decided;
        }
        if let Some((arm, p)) = self.best_to_ship() {
            let why = format!("better with probability {p:.2}, after {} outcomes", self.outcomes());
            let others = self.members.iter().filter(|(_, member)| member.arm > 0 && member.arm != arm);
            let others: Vec<_> = others.map(|(chat, _)| chat.clone()).collect();
            self.take_back(&others);
            self.state = State::Probation { since: now, arm, why: why.clone() };
            decided.push(Decided::new(What::Shipped { arm }, why));
            return decided;
        }
        if self.outcomes() >= CAP {
            let why =
                format!("{} outcomes tell neither that it is better nor that it is worse", self.outcomes());
            self.end(State::Inconclusive { at: now, why: why.clone() });
            decided.push(Decided::new(What::Inconclusive, why));
            return decided;
        }
        let treated: u64 = self.counts.iter().skip(1).map(|counts| counts.outcomes).sum();
        let step =
            SHARES.iter().find(|(of, after)| *of >= share && treated < *after).map_or(share, |(of, _)| *of);
        if step > share {
            self.state = State::Running { since, share: step };
            let why = format!("{treated} outcomes of what is tried, and nothing against it");
            decided.push(Decided::new(What::Ramped { share: step }, why));
        }
        decided
    }

    /// Ends what ran for too long.
    pub(super) fn look_at_the_time(&mut self, now: Timestamp) -> Vec<Decided> {
        let began = self.began.filter(|_| matches!(self.state, State::Running { .. }));
        if began.is_none_or(|began| now.since(began) < LONGEST) {
            return Vec::new();
        }
        let why = format!(
            "90 days and {} outcomes tell neither that it is better nor that it is worse",
            self.outcomes()
        );
        self.end(State::Inconclusive { at: now, why: why.clone() });
        vec![Decided::new(What::Inconclusive, why)]
    }

    /// Treatments that break a bound, that are worse, or likely so.
    fn drop_the_bad(&mut self) -> Vec<Decided> {
        let mut dropped = Vec::new();
        for (place, trial) in self.trials.iter_mut().enumerate() {
            if trial.dropped.is_some() {
                continue;
            }
            if let Some(why) = against(trial) {
                trial.dropped = Some(why.clone());
                let bounds = trial.violation().map(|(name, _)| name).into_iter().collect();
                dropped.push(Decided { what: What::Dropped { arm: place + 1 }, why, bounds });
            }
        }
        let out = |arm: usize| {
            let place = arm.checked_sub(1);
            place.and_then(|place| self.trials.get(place)).is_some_and(|trial| trial.dropped.is_some())
        };
        let back: Vec<_> =
            self.members.iter().filter(|(_, member)| out(member.arm)).map(|(chat, _)| chat.clone()).collect();
        self.take_back(&back);
        // Where there is but one, the end of the experiment says it.
        if self.trials.len() > 1 { dropped } else { Vec::new() }
    }

    /// Chats whose value is out have the old one from now on, and tell nothing any more.
    fn take_back(&mut self, chats: &[ChatId]) {
        for chat in chats {
            if let Some(member) = self.members.get_mut(chat) {
                (member.arm, member.void) = (0, true);
            }
        }
    }

    /// The likeliest to be better, where it is likely enough.
    fn best_to_ship(&self) -> Option<(usize, f64)> {
        let ready = |trial: &Trial| {
            trial.dropped.is_none()
                && trial.last.n.iter().all(|n| *n >= LEAST_TO_SHIP)
                && trial.last.p_better > SHIP_P
                && trial.is_calm()
        };
        let ready = self.trials.iter().enumerate().filter(|(_, trial)| ready(trial));
        let best = ready.max_by(|(_, a), (_, b)| a.last.p_better.total_cmp(&b.last.p_better));
        best.map(|(place, trial)| (place + 1, trial.last.p_better))
    }

    fn decide_probation(&mut self, arm: usize, now: Timestamp) -> Vec<Decided> {
        let Some(trial) = arm.checked_sub(1).and_then(|place| self.trials.get(place)) else {
            return Vec::new();
        };
        if let Some(why) = against(trial) {
            let bounds = trial.violation().map(|(name, _)| name).into_iter().collect();
            return self.roll_back(why, bounds, now);
        }
        let (e, treatments) = (trial.last.better_e, self.trials.len());
        let asked = CONFIRM_E * f64::from(u32::try_from(treatments).unwrap_or(u32::MAX));
        if e < asked || !trial.is_calm() {
            return Vec::new();
        }
        let why = format!(
            "proved better: e = {e:.1} of {asked:.0} that were asked, after {} outcomes",
            self.outcomes()
        );
        let watches = trial.guards.iter().filter_map(Guard::watch).collect();
        self.end(State::Confirmed { at: now, arm, why: why.clone() });
        self.watches = watches;
        vec![Decided::new(What::Confirmed { arm }, why)]
    }

    /// A value that all chats have is taken back as soon as a limit by itself is broken.
    pub(super) fn look_after_confirmed(&mut self, now: Timestamp) -> Vec<Decided> {
        let broken = self.watches.iter().filter_map(|watch| Some((watch.limit.clone(), watch.violation()?)));
        let (bounds, whys): (Vec<_>, Vec<_>) = broken.unzip();
        if bounds.is_empty() { Vec::new() } else { self.roll_back(whys.join("; "), bounds, now) }
    }

    /// `bounds` are those that were broken.
    fn roll_back(&mut self, why: String, bounds: Vec<String>, now: Timestamp) -> Vec<Decided> {
        self.end(State::RolledBack { at: now, why: why.clone() });
        vec![Decided { what: What::RolledBack { violation: !bounds.is_empty() }, why, bounds }]
    }
}

/// What speaks against a treatment strongly enough to take it back.
fn against(trial: &Trial) -> Option<String> {
    if let Some((_, why)) = trial.violation() {
        return Some(why);
    }
    let last = &trial.last;
    if last.worse_e >= ROLLBACK_E {
        return Some(format!(
            "worse than the old value: e = {:.1} of {ROLLBACK_E:.0} that are enough",
            last.worse_e
        ));
    }
    let mean = trial.mean_worse_e();
    if mean >= ROLLBACK_E {
        return Some(format!(
            "worse than the old value in its mean: e = {mean:.1} of {ROLLBACK_E:.0} that are enough"
        ));
    }
    (last.n.iter().all(|n| *n >= LEAST) && last.p_worse > DROP_P).then(|| {
        format!("worse with probability {:.2}, after {} outcomes", last.p_worse, last.n.iter().sum::<u64>())
    })
}
