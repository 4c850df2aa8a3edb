//! How much likelier each possible effect makes it that just these sessions were the treated ones. For an
//! outcome y of a session that was treated with probability p, an effect θ says that it was with probability
//! q(y) = p·f_t(y) / (p·f_t(y) + (1-p)·f_c(y)); q/p, or (1-q)/(1-p) for a control, has expectation 1 where
//! the outcome does not depend on the arm, whatever the outcomes are distributed like. So their product is an
//! e-process at every θ (Grünwald, de Heide & Koolen 2024; Turner & Grünwald 2023), and so is a mixture.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::LOG_MAX;

/// Effects on each side of 0. They grow by a constant ratio, so that few of them tell small effects in many
/// sessions as well as large ones in few.
const EFFECTS: usize = 24;
const SMALLEST: f64 = 0.012;
const RATIO: f64 = 1.28;

/// What is expected of effects, as lognormals: their median, the spread of the log, their share.
type Expectation = [(f64, f64, f64); 2];
/// A setting makes no wonders…
const GAIN: Expectation = [(0.75, 0.6, 1.0), (1.0, 1.0, 0.0)];
/// …but may do great harm.
const HARM: Expectation = [(0.8, 0.6, 0.9), (1.8, 0.4, 0.1)];

/// Standard deviation of what is believed of an effect before any outcome.
const BELIEVED: f64 = 0.35;

/// One possible effect, and the same below 0.
struct Effect {
    size: f64,
    /// Its exponential: of a log odds ratio, the odds ratio.
    ratio: f64,
    /// Its share of the mixture where it is a gain, and where it is harm.
    gain: f64,
    harm: f64,
}

static TABLE: LazyLock<Vec<Effect>> = LazyLock::new(|| {
    let sizes: Vec<_> =
        std::iter::successors(Some(SMALLEST), |size| Some(size * RATIO)).take(EFFECTS).collect();
    let shares = |expectation: &Expectation| shares(&sizes, expectation);
    let (gains, harms) = (shares(&GAIN), shares(&HARM));
    let each = sizes.iter().zip(gains).zip(harms);
    each.map(|((size, gain), harm)| Effect { size: *size, ratio: libm::exp(*size), gain, harm }).collect()
});

fn shares(sizes: &[f64], expectation: &Expectation) -> Vec<f64> {
    let mut shares = vec![0.0; sizes.len()];
    for (median, spread, part) in expectation {
        let heights = sizes.iter().map(|size| libm::exp(-0.5 * (libm::log(size / median) / spread).powi(2)));
        let heights: Vec<_> = heights.collect();
        let whole: f64 = heights.iter().sum();
        for (share, height) in shares.iter_mut().zip(heights) {
            *share += part * height / whole;
        }
    }
    shares
}

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
    /// An outcome of 0..1 in a session from which a 1 was `expected` with this probability, above 0 and below
    /// 1, over both arms. The effect is a log odds ratio.
    pub fn add_binary(&mut self, treated: bool, share: f64, value: f64, expected: f64) {
        let factor = |odds_ratio: f64| {
            let control = control_rate(expected, odds_ratio, share);
            let rate =
                if treated { odds_ratio * control / (1.0 + (odds_ratio - 1.0) * control) } else { control };
            value * rate / expected + (1.0 - value) * (1.0 - rate) / (1.0 - expected)
        };
        self.add(|effect| [factor(effect.ratio), factor(effect.ratio.recip())]);
    }

    /// A score that grows with the outcome and is distributed like a standard normal over both arms. The
    /// effect is a shift in standard deviations.
    pub fn add_score(&mut self, treated: bool, share: f64, score: f64) {
        self.add(|effect| {
            [effect.size, -effect.size].map(|shift| score_factor(treated, share, score, shift))
        });
    }

    fn add(&mut self, factors: impl Fn(&Effect) -> [f64; 2]) {
        for (effect, (above, below)) in TABLE.iter().zip(self.above.iter_mut().zip(&mut self.below)) {
            let [more, less] = factors(effect);
            *above += libm::log(more);
            *below += libm::log(less);
        }
    }

    /// The mixture over the effects above or below 0, which are harm or gains.
    pub fn e(&self, above: bool, harm: bool) -> f64 {
        let each = TABLE.iter().zip(self.side(above));
        each.map(|(effect, log)| {
            let share = if harm { effect.harm } else { effect.gain };
            share * libm::exp(log.min(LOG_MAX))
        })
        .sum()
    }

    /// How likely the effect lies above (or below) 0, by the trapezoidal rule over the effects.
    pub fn posterior(&self, above: bool) -> f64 {
        let highest = self.above.iter().chain(&self.below).copied().fold(0.0, f64::max);
        let mass = |logs: &[f64]| {
            let (mut mass, mut last) = (0.0, (0.0, libm::exp(-highest)));
            for (effect, log) in TABLE.iter().zip(logs) {
                let height = libm::exp(log - highest - 0.5 * (effect.size / BELIEVED).powi(2));
                mass += (effect.size - last.0) * f64::midpoint(height, last.1);
                last = (effect.size, height);
            }
            mass
        };
        let (this, other) = (mass(self.side(above)), mass(self.side(!above)));
        this / (this + other)
    }

    fn side(&self, above: bool) -> &[f64] {
        if above { &self.above } else { &self.below }
    }
}

/// The rate of the control where both arms together have the `whole` rate: the root in 0..1 of
/// (1-p)·c + p·r·c/(1+(r-1)·c) = whole, in the form that loses no digits.
fn control_rate(whole: f64, odds_ratio: f64, share: f64) -> f64 {
    let more = odds_ratio - 1.0;
    let bend = (1.0 - share) * more;
    let slope = 1.0 + share * more - whole * more;
    2.0 * whole / (slope + (slope * slope + 4.0 * bend * whole).sqrt())
}

/// The factor of a score whose two normal densities of variance 1 lie `shift` apart, with their common mean at 0.
pub fn score_factor(treated: bool, share: f64, score: f64, shift: f64) -> f64 {
    let ratio = libm::exp(shift * score + (share - 0.5) * shift * shift);
    let arm = if treated { ratio } else { 1.0 };
    arm / (share * ratio + 1.0 - share)
}
