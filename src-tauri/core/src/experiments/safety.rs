//! Safety bounds: what no experiment may cost. Each limit is judged by one-sided e-processes, never by a point
//! estimate: absolutely, and against the chats that kept the old value at the same time.

use serde::{Deserialize, Serialize};

use super::{
    evidence::{Bound, Detector, Evidence, Limit as Judged, Means, Outcome, Scale},
    outcomes::{Metric, Tally},
};
use crate::statistics::proportions::{Share, clopper_pearson};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub name: &'static str,
    pub about: &'static str,
    pub metric: Metric,
    /// The mean at most, whatever the others do; a rate for 0/1. None where a number by itself says nothing.
    pub max: Option<f64>,
    /// Times the control's mean at most.
    pub times_max: f64,
}

pub const LIMITS: [Limit; 6] = [
    Limit {
        name: "crash_rate",
        about: "at most 10 % of the chats crash, and no more than without the change",
        metric: Metric::Crash,
        max: Some(0.10),
        times_max: 1.0,
    },
    Limit {
        name: "checkpoint_time",
        about: "in at most 5 % of the chats does the 95th percentile of checkpoints lie over 100 ms",
        metric: Metric::SlowCheckpoints,
        max: Some(0.05),
        times_max: 1.0,
    },
    Limit {
        name: "resume_success",
        about: "at least 90 % of restores succeed, and no fewer than without the change",
        metric: Metric::RestoreFailed,
        max: Some(0.10),
        times_max: 1.0,
    },
    Limit {
        name: "token_cost",
        about: "tokens by turn are at most 1.2 times those without the change",
        metric: Metric::TokensPerTurn,
        max: None,
        times_max: 1.20,
    },
    Limit {
        name: "checkpoint_load",
        about: "seconds of checkpoints by turn are at most three times those without the change",
        metric: Metric::CheckpointLoad,
        max: None,
        times_max: 3.0,
    },
    Limit {
        name: "unsaved_work",
        about: "tool calls since the last checkpoint are at most twice those without the change",
        metric: Metric::UnsavedCalls,
        max: None,
        times_max: 2.0,
    },
];

/// A limit counts as broken at this e-value: wrongly in at most one of twenty arms that keep it.
pub const BROKEN_E: f64 = 20.0;
/// From this e-value on nothing is shipped: the limit is in doubt.
pub const DOUBTFUL_E: f64 = 5.0;
/// Over a value that was confirmed: on average so many values that just keep a limit pass before a wrong alarm, or more.
pub const RUN_LENGTH: f64 = 1000.0;
/// How sure the old value's mean is known that takes a waived limit's place.
const CONTROL_CONFIDENCE: f64 = 0.99;
/// Chats of which the control's mean is known.
const KNOWN_FROM: f64 = 20.0;

/// One limit over one treatment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Its name in `LIMITS`.
    pub limit: String,
    absolute: Option<Bound>,
    /// What was before the experiment, and the control beside it.
    control: Tally,
    /// Of rates. `None` where the experiment's own evidence judges the same, more strictly.
    relative: Option<Evidence>,
    /// Of seconds, counts and cost, as `relative`: what some chats cost too much is in no rank.
    #[serde(default)]
    means: Option<Means>,
    /// The old value breaks the absolute limit as well: it says nothing about the new one.
    #[serde(default)]
    waived: bool,
}

/// How a limit stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stand {
    pub absolute_e: f64,
    pub relative_e: f64,
    /// The old value breaks the absolute limit as well: only the comparison counts.
    pub waived: bool,
}

impl Guard {
    /// Every limit, for an experiment that is judged by `own`. `before` is what was measured before it.
    pub fn all(own: Metric, before: impl Fn(Metric) -> Tally) -> Vec<Self> {
        let guard = |limit: &Limit| {
            let scale = Some(limit.metric.scale()).filter(|_| limit.metric != own);
            let mut guard = Self {
                limit: limit.name.to_owned(),
                absolute: limit.max.map(|max| Bound::new(Judged::MeanAtMost(max))),
                control: before(limit.metric),
                relative: scale
                    .filter(|scale| *scale == Scale::Binary)
                    .map(|scale| Evidence::new(scale, true)),
                means: scale.filter(|scale| *scale == Scale::Positive).map(|_| Means::over(limit.times_max)),
                waived: false,
            };
            guard.look_at_the_control();
            guard
        };
        LIMITS.iter().map(guard).collect()
    }

    pub fn observe(&mut self, metric: Metric, outcome: &Outcome) {
        let Some(limit) = self.limit() else { return };
        if limit.metric != metric {
            return;
        }
        if !outcome.treated {
            self.control.add(outcome.value);
            self.look_at_the_control();
        } else if let Some(bound) = &mut self.absolute {
            bound.observe(outcome.value);
        }
        if let Some(relative) = &mut self.relative {
            // "Worse" is to mean worse than so many times the control.
            let value = if outcome.treated { outcome.value / limit.times_max } else { outcome.value };
            relative.observe(&Outcome { value, ..*outcome });
        }
        if let Some(means) = &mut self.means {
            means.observe(outcome.treated, outcome.share, outcome.value);
        }
    }

    pub fn limit(&self) -> Option<&'static Limit> {
        LIMITS.iter().find(|limit| limit.name == self.limit)
    }

    pub fn stand(&self) -> Stand {
        let rates = self.relative.as_ref().map(Evidence::worse_e);
        Stand {
            absolute_e: self.absolute.as_ref().map_or(1.0, Bound::e),
            relative_e: self.means.as_ref().map(Means::e).or(rates).unwrap_or(1.0),
            waived: self.waived,
        }
    }

    /// An arm is not blamed for what the old value does as well. Where too little is known of the old value, the limit
    /// holds: to roll back is the harmless mistake. Once waived it stays so until the old value lies a standard error
    /// below the limit: one chat more or less must not turn it over.
    fn look_at_the_control(&mut self) {
        let max = self.limit().and_then(|limit| limit.max);
        let Some((max, mean)) = max.zip(self.control.mean(KNOWN_FROM)) else { return };
        let error = (max * (1.0 - max) / self.control.n).sqrt();
        self.waived = mean > if self.waived { max - error } else { max };
    }

    /// Why the limit counts as broken.
    pub fn violation(&self) -> Option<String> {
        let (stand, limit) = (self.stand(), self.limit()?);
        if stand.relative_e >= BROKEN_E {
            return Some(format!(
                "{}: worse than the control by more than is allowed (e = {:.0}); {}",
                limit.name, stand.relative_e, limit.about
            ));
        }
        (stand.absolute_e >= BROKEN_E && !stand.waived)
            .then(|| format!("{}: over its limit (e = {:.0}); {}", limit.name, stand.absolute_e, limit.about))
    }

    /// What goes on watching once every chat has the new value. No control is left, so that only a limit by itself is
    /// judged: where the old value broke it as well, that value's own mean is the limit, as far as that may lie up.
    pub fn watch(&self) -> Option<Watch> {
        let max = self.limit()?.max?;
        let most = if self.waived {
            // 0/1 each; halved counts are near enough to whole ones.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let share = Share::new(self.control.sum.round() as u64, self.control.n.round() as u64).ok()?;
            clopper_pearson(share, CONTROL_CONFIDENCE).ok()?.high
        } else {
            max
        };
        (most < 1.0).then(|| Watch {
            limit: self.limit.clone(),
            most,
            detector: Detector::new(Judged::MeanAtMost(most)),
        })
    }

    /// Whether it is calm enough to ship.
    pub fn is_calm(&self) -> bool {
        let stand = self.stand();
        stand.relative_e < DOUBTFUL_E && (stand.waived || stand.absolute_e < DOUBTFUL_E)
    }
}

/// One limit over a value that was confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Its name in `LIMITS`.
    pub limit: String,
    /// The mean at most.
    pub most: f64,
    detector: Detector,
}

impl Watch {
    pub fn observe(&mut self, metric: Metric, value: f64) {
        if LIMITS.iter().any(|limit| limit.name == self.limit && limit.metric == metric) {
            self.detector.observe(value);
        }
    }

    /// Why the limit counts as broken.
    pub fn violation(&self) -> Option<String> {
        let e = self.detector.e();
        (e >= RUN_LENGTH).then(|| {
            format!(
                "{}: over {:.0} % among the chats since it was confirmed (e = {e:.0} after {})",
                self.limit,
                self.most * 100.0,
                self.detector.n()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash_guard(before: Tally) -> Guard {
        let all = Guard::all(Metric::UnsavedCalls, |_| before);
        all.into_iter().find(|guard| guard.limit == "crash_rate").unwrap()
    }

    /// Chats until the guard over an arm at `rate` called out, of 450 at most.
    fn calls_out(random: &mut fastrand::Rng, control: f64, rate: f64) -> Option<u32> {
        let mut before = Tally::default();
        (0..200).for_each(|_| before.add(f64::from(u8::from(random.f64() < control))));
        let mut guard = crash_guard(before);
        for n in 1..=450 {
            let treated = random.bool();
            let value = f64::from(u8::from(random.f64() < if treated { rate } else { control }));
            guard.observe(Metric::Crash, &Outcome { treated, share: 0.5, value, risk: None });
            if guard.violation().is_some() {
                return Some(n);
            }
        }
        None
    }

    #[test]
    fn a_safe_arm_is_left_alone_and_a_harmful_one_found() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut share =
            |control, rate| (0..300).filter(|_| calls_out(&mut random, control, rate).is_some()).count();
        assert!(share(0.08, 0.08) <= 15, "a safe arm");
        assert!(share(0.08, 0.30) >= 290, "a harmful arm");
        // Every chat crashes more than the limit allows, with or without the change: it is not blamed for it.
        assert!(share(0.12, 0.12) <= 20, "an arm like the control, which breaks the limit itself");
        assert!(share(0.12, 0.40) >= 285, "an arm that is worse than a control that breaks the limit");
    }

    #[test]
    fn an_unknown_control_excuses_nothing() {
        let mut guard = crash_guard(Tally::default());
        let outcome = Outcome { treated: true, share: 0.1, value: 1.0, risk: None };
        let after = (1..20).find(|_| {
            guard.observe(Metric::Crash, &outcome);
            guard.violation().is_some()
        });
        assert!(after.is_some_and(|n| n <= 4), "{after:?}");
        let why = guard.violation().unwrap();
        assert!(why.starts_with("crash_rate: "), "{why}");
    }

    #[test]
    fn one_chat_more_or_less_turns_no_waiver_over() {
        let mut guard = crash_guard(Tally { n: 100.0, sum: 10.4 });
        assert!(guard.stand().waived);
        let outcome = |value| Outcome { treated: false, share: 0.5, value, risk: None };
        (0..10).for_each(|_| guard.observe(Metric::Crash, &outcome(0.0)));
        assert!(guard.stand().waived, "10.4 of 110 may be luck");
        (0..60).for_each(|_| guard.observe(Metric::Crash, &outcome(0.0)));
        assert!(!guard.stand().waived, "10.4 of 170 is not");
        guard.observe(Metric::Crash, &outcome(1.0));
        assert!(!guard.stand().waived);
    }

    #[test]
    fn a_tenth_that_runs_away_breaks_the_cost_bound() {
        let mut random = fastrand::Rng::with_seed(8);
        let mut guards = Guard::all(Metric::Crash, |_| Tally::default());
        for _ in 0..450 {
            let treated = random.bool();
            let times = match treated {
                true if random.u8(0..10) == 0 => 20.0,
                true => 0.8,
                false => 1.0,
            };
            let value = 1000.0 * (0.5 + random.f64()) * times;
            let outcome = Outcome { treated, share: 0.5, value, risk: None };
            guards.iter_mut().for_each(|guard| guard.observe(Metric::TokensPerTurn, &outcome));
        }
        let violated: Vec<_> = guards.iter().filter_map(Guard::violation).collect();
        assert!(matches!(&violated[..], [why] if why.starts_with("token_cost: ")), "{violated:?}");
    }

    #[test]
    fn twenty_percent_more_tokens_are_allowed_and_not_sixty() {
        let mut random = fastrand::Rng::with_seed(5);
        for (times, broken) in [(1.15, false), (1.6, true)] {
            let mut guards = Guard::all(Metric::Crash, |_| Tally::default());
            for _ in 0..450 {
                let treated = random.bool();
                let value = 1000.0 * (0.5 + random.f64()) * if treated { times } else { 1.0 };
                let outcome = Outcome { treated, share: 0.5, value, risk: None };
                guards.iter_mut().for_each(|guard| guard.observe(Metric::TokensPerTurn, &outcome));
            }
            let violated: Vec<_> = guards.iter().filter(|guard| guard.violation().is_some()).collect();
            assert_eq!(violated.len(), usize::from(broken), "{times}");
            assert_eq!(guards.iter().all(Guard::is_calm), !broken);
        }
    }
}
