//! Evidence about one treatment against one control that may be looked at after every outcome. It rests on
//! one thing alone: with what probability each session was treated. Rates may drift and cycle as they like.
//! Logarithms and exponentials are `libm`'s, the same to the last digit on every system and in every thread, so that a log
//! that is played again gives the same state.

mod bound;
mod curve;
mod detector;
mod expected;
mod means;
mod ranks;
mod reversal;

use serde::{Deserialize, Serialize};

pub use self::{
    bound::{Bound, Limit},
    detector::Detector,
    means::Means,
};
use self::{curve::Curve, expected::Expected, ranks::Ranks, reversal::Reversal};

/// An e-value is held below e to this, so that it is always a number.
const LOG_MAX: f64 = 700.0;

/// What kind of number an outcome is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// 0 or 1, or a share between them.
    Binary,
    /// 0 or more: seconds, counts, cost.
    Positive,
}

/// What came of one session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub treated: bool,
    /// With what probability it was to be treated, when that was drawn; above 0 and below 1. In an
    /// experiment with more arms: among the two that are compared.
    pub share: f64,
    pub value: f64,
    /// The probability of the outcome 1 that was predicted before the session was assigned, 0..1.
    pub risk: Option<f64>,
}

/// One arm so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    pub n: u64,
    /// 0 while there is no outcome.
    pub mean: f64,
}

impl Arm {
    /// Of a `Binary` metric: how many outcomes were 1.
    pub fn events(&self) -> f64 {
        (self.mean * count(self.n)).round()
    }

    fn add(&mut self, value: f64) {
        self.n += 1;
        self.mean += (value - self.mean) / count(self.n);
    }
}

/// How far treatment is from control. Its limits hold the truth at every look at once with probability .95.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub kind: EffectKind,
    pub low: f64,
    pub estimate: f64,
    pub high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Treatment minus control, -1..1.
    Difference,
    /// Treatment over control, the factor between the two arms' values: 1/20..20, the ends standing for all
    /// beyond them.
    Ratio,
}

/// All that is kept of an experiment's outcomes: its size does not grow with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    scale: Scale,
    lower_is_better: bool,
    control: Arm,
    treated: Arm,
    curve: Curve,
    expected: Expected,
    recent: Ranks,
    reversal: Reversal,
}

impl Evidence {
    pub fn new(scale: Scale, lower_is_better: bool) -> Self {
        Self {
            scale,
            lower_is_better,
            control: Arm::default(),
            treated: Arm::default(),
            curve: Curve::default(),
            expected: Expected::default(),
            recent: Ranks::default(),
            reversal: Reversal::new(scale),
        }
    }

    /// With what is known of sessions before the experiment: `events` of `n` had the outcome 1. It only makes
    /// the first outcomes tell more; a history that is wrong costs power and never truth.
    pub fn with_baseline(mut self, n: f64, events: f64) -> Self {
        self.expected.know(n, events);
        self
    }

    /// Takes one session's outcome in. What is no number, or below 0, is left out; a share that is no
    /// probability between 0 and 1 only counts.
    pub fn observe(&mut self, outcome: &Outcome) {
        let Some(value) = self.scale.read(outcome.value) else { return };
        if outcome.treated {
            self.treated.add(value)
        } else {
            self.control.add(value)
        }
        if !(outcome.share > 0.0 && outcome.share < 1.0) {
            return;
        }
        let (treated, share) = (outcome.treated, outcome.share);
        match self.scale {
            Scale::Binary => {
                let expected = self.expected.rate(outcome.risk);
                self.curve.add_binary(treated, share, value, expected);
                self.reversal.add_difference(treated, share, value - expected);
                self.expected.learn(value, outcome.risk);
            }
            Scale::Positive => {
                self.curve.add_score(treated, share, self.recent.score(value));
                self.reversal.add_ratio(treated, share, value, &self.recent);
                self.recent.add(treated, value);
            }
        }
    }

    /// The e-value for "treatment is better": it reaches 1/α with a probability of at most α, over all looks
    /// together, where treatment is no better. The whole range of `f64` above 0, never infinite.
    pub fn better_e(&self) -> f64 {
        self.curve.e(!self.lower_is_better, false)
    }

    /// The e-value for "treatment is worse".
    pub fn worse_e(&self) -> f64 {
        self.curve.e(self.lower_is_better, true)
    }

    /// The e-value for "treatment differs": for a verdict of either kind at one α.
    pub fn differs_e(&self) -> f64 {
        f64::midpoint(self.better_e(), self.worse_e())
    }

    /// How likely treatment is better, 0..1, believing before any outcome that its log odds ratio lies around
    /// 0 with a standard deviation of .35 (`Positive`: its shift, in standard deviations of the normal
    /// scores). .5 at the start.
    pub fn p_better(&self) -> f64 {
        self.curve.posterior(!self.lower_is_better)
    }

    /// How likely treatment is worse, 0..1.
    pub fn p_worse(&self) -> f64 {
        self.curve.posterior(self.lower_is_better)
    }

    /// Control, then treatment.
    pub fn arms(&self) -> [Arm; 2] {
        [self.control, self.treated]
    }

    /// `None` until each arm has an outcome.
    pub fn effect(&self) -> Option<Interval> {
        if self.control.n == 0 || self.treated.n == 0 {
            return None;
        }
        Some(self.reversal.interval())
    }
}

impl Scale {
    fn read(self, value: f64) -> Option<f64> {
        match self {
            _ if !value.is_finite() || value < 0.0 => None,
            Self::Binary => Some(value.min(1.0)),
            Self::Positive => Some(value),
        }
    }
}

/// Exact: no experiment has 2⁵³ outcomes.
fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
