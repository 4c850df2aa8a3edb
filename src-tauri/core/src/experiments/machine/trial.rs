//! One new value against the old one: its evidence, its guards, and how both came to stand where they do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    experiments::{
        evidence::{Evidence, Interval, Means, Outcome, Scale},
        outcomes::{Metric, Tally},
        safety::Guard,
    },
    time::Timestamp,
};

/// Points of a course; beyond that every second one goes.
const POINTS_MAX: usize = 200;

/// Where the evidence stood after so many outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "EvidencePoint")]
pub struct Point {
    #[ts(type = "string")]
    pub at: Timestamp,
    /// Outcomes of the old value and of the new one.
    pub n: [u64; 2],
    /// Their means.
    pub means: [f64; 2],
    pub better_e: f64,
    pub worse_e: f64,
    pub p_better: f64,
    pub p_worse: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Where it stands.
    pub last: Point,
    pub course: Vec<Point>,
    /// How far the new value is from the old one.
    pub effect: Option<Interval>,
    /// Why it is out.
    pub dropped: Option<String>,
    /// Gone once the experiment has ended.
    evidence: Option<Evidence>,
    pub guards: Vec<Guard>,
    /// That the mean of what decides is worse, of seconds, counts and cost: the evidence is of ranks.
    #[serde(default)]
    means: Option<Means>,
    /// Outcomes between two points of the course.
    stride: u64,
}

impl Trial {
    pub fn new(metric: Metric, before: &BTreeMap<Metric, Tally>) -> Self {
        let known = |metric| before.get(&metric).copied().unwrap_or_default();
        let (own, mut evidence) = (known(metric), Evidence::new(metric.scale(), true));
        if metric.scale() == Scale::Binary && own.n > 0.0 {
            evidence = evidence.with_baseline(own.n, own.sum);
        }
        Self {
            last: point(&evidence, Timestamp::default()),
            course: Vec::new(),
            effect: None,
            dropped: None,
            evidence: Some(evidence),
            guards: Guard::all(metric, known),
            means: (metric.scale() == Scale::Positive).then(|| Means::over(1.0)),
            stride: 1,
        }
    }

    pub fn observe(&mut self, metric: Metric, decides: bool, outcome: &Outcome, now: Timestamp) {
        self.guards.iter_mut().for_each(|guard| guard.observe(metric, outcome));
        let Some(evidence) = self.evidence.as_mut().filter(|_| decides) else { return };
        evidence.observe(outcome);
        if let Some(means) = &mut self.means {
            means.observe(outcome.treated, outcome.share, outcome.value);
        }
        self.last = point(evidence, now);
        let n: u64 = self.last.n.iter().sum();
        if n.is_multiple_of(self.stride) {
            self.course.push(self.last);
        }
        if self.course.len() > POINTS_MAX {
            let mut keep = false;
            self.course.retain(|_| {
                keep = !keep;
                !keep
            });
            self.stride = self.stride.saturating_mul(2);
        }
    }

    /// A broken bound of it by name, and in words.
    pub fn violation(&self) -> Option<(String, String)> {
        self.guards.iter().find_map(|guard| Some((guard.limit.clone(), guard.violation()?)))
    }

    /// Whether no bound is in doubt, and what decides is no worse in its mean than it was, as far as was seen.
    pub fn is_calm(&self) -> bool {
        let [old, new] = self.last.means;
        self.guards.iter().all(Guard::is_calm) && (self.means.is_none() || new <= old)
    }

    /// The e-value for "its mean is worse"; 1 of rates, which the evidence is about.
    pub fn mean_worse_e(&self) -> f64 {
        self.means.as_ref().map_or(1.0, Means::e)
    }

    /// How far it is from the old value, as far as that is told.
    pub fn effect(&self) -> Option<Interval> {
        self.evidence.as_ref().map_or(self.effect, Evidence::effect)
    }

    /// Evidence takes room; where it led is kept.
    pub fn close(&mut self) {
        self.effect = self.effect();
        (self.evidence, self.means) = (None, None);
        self.guards.clear();
    }
}

fn point(evidence: &Evidence, at: Timestamp) -> Point {
    let [control, treated] = evidence.arms();
    Point {
        at,
        n: [control.n, treated.n],
        means: [control.mean, treated.mean],
        better_e: evidence.better_e(),
        worse_e: evidence.worse_e(),
        p_better: evidence.p_better(),
        p_worse: evidence.p_worse(),
    }
}
