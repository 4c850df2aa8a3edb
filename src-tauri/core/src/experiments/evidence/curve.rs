//! How much likelier each possible effect makes it that just these sessions were the treated ones. For an
//! outcome y of a session that was treated with probability p, an effect θ says that it was with probability
//! q(y) = p·f_t(y) / (p·f_t(y) + (1-p)·f_c(y)); q/p, or (1-q)/(1-p) for a control, has expectation 1 where
//! the outcome does not depend on the arm, whatever the outcomes are distributed like. So their product is an
//! e-process at every θ (Grünwald, de Heide & Koolen 2024; Turner & Grünwald 2023), and so is a mixture.

use serde::{Deserialize, Serialize};

use super::logistic;

/// Effects on each side of 0. They grow by a constant ratio, so that few of them tell small effects in many
/// sessions as well as large ones in few.
const EFFECTS: usize = 24;
const SMALLEST: f64 = 0.012;
const RATIO: f64 = 1.28;

/// The mixture's weights are those of a lognormal around this effect…
const TYPICAL: f64 = 0.6;
/// …with this spread of the log.
const SPREAD: f64 = 0.8;

/// Standard deviation of what is believed of an effect before any outcome.
const BELIEVED: f64 = 0.35;

/// An e-value is held below e to this, so that it is always a number.
const LOG_MAX: f64 = 700.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Logs of the products for effects above 0, the smallest first.
    above: Vec<f64>,
    below: Vec<f64>,
}

impl Default for Curve {
    fn default() -> Self {
        Self { above: vec![0.0; EFFECTS], below: vec![0.0; EFFECTS] }
    }
}

impl Curve {
    /// An outcome of 0..1 in a session from which `expected` log odds of a 1 were expected, over both arms.
    /// The effect is a log odds ratio.
    pub fn add_binary(&mut self, treated: bool, share: f64, value: f64, expected: f64) {
        self.add(|effect| {
            let control = logistic(expected - share * effect);
            let treatment = logistic(expected + (1.0 - share) * effect);
            let one = factor(treated, share, treatment, control);
            let zero = factor(treated, share, 1.0 - treatment, 1.0 - control);
            value * one + (1.0 - value) * zero
        });
    }

    /// A score that grows with the outcome and is distributed like a standard normal over both arms. The
    /// effect is a shift in standard deviations.
    pub fn add_score(&mut self, treated: bool, share: f64, score: f64) {
        self.add(|effect| score_factor(treated, share, score, effect));
    }

    fn add(&mut self, factor: impl Fn(f64) -> f64) {
        for (effect, (above, below)) in effects().zip(self.above.iter_mut().zip(&mut self.below)) {
            *above += factor(effect).ln();
            *below += factor(-effect).ln();
        }
    }

    /// The mixture over the effects above or below 0.
    pub fn e(&self, above: bool) -> f64 {
        let whole: f64 = effects().map(weight).sum();
        let each = effects().zip(self.side(above));
        let each: f64 = each.map(|(effect, log)| weight(effect) * log.min(LOG_MAX).exp()).sum();
        each / whole
    }

    /// How likely the effect lies above (or below) 0, by the trapezoidal rule over the effects.
    pub fn posterior(&self, above: bool) -> f64 {
        let highest = self.above.iter().chain(&self.below).copied().fold(0.0, f64::max);
        let mass = |logs: &[f64]| {
            let heights = effects().zip(logs).map(|(effect, log)| {
                let away = effect / BELIEVED;
                (effect, (log - highest - 0.5 * away * away).exp())
            });
            let mut last = (0.0, (-highest).exp());
            heights.fold(0.0, |mass, next| {
                let (from, to) = (std::mem::replace(&mut last, next), next);
                mass + (to.0 - from.0) * f64::midpoint(from.1, to.1)
            })
        };
        let (this, other) = (mass(self.side(above)), mass(self.side(!above)));
        this / (this + other)
    }

    fn side(&self, above: bool) -> &[f64] {
        if above { &self.above } else { &self.below }
    }
}

fn effects() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(SMALLEST), |effect| Some(effect * RATIO)).take(EFFECTS)
}

fn weight(effect: f64) -> f64 {
    let away = (effect / TYPICAL).ln() / SPREAD;
    (-0.5 * away * away).exp()
}

/// The factor of one outcome whose density is `treatment` in one arm and `control` in the other.
fn factor(treated: bool, share: f64, treatment: f64, control: f64) -> f64 {
    let arm = if treated { treatment } else { control };
    arm / (share * treatment + (1.0 - share) * control)
}

/// The same for two normal densities of variance 1 that lie `effect` apart, with their common mean at 0.
pub fn score_factor(treated: bool, share: f64, score: f64, effect: f64) -> f64 {
    let ratio = (effect * score + (share - 0.5) * effect * effect).exp();
    factor(treated, share, ratio, 1.0)
}
