//! The interval of the effect: each possible effect is taken back from the outcomes, and those stay in the
//! interval after which an e-process sees no difference between the arms (a confidence sequence by betting,
//! Waudby-Smith & Ramdas 2024).

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::{EffectKind, Interval, Scale, curve::score_factor, ranks::Ranks};

/// Possible effects on each side of none.
const EFFECTS: usize = 22;
/// Of differences: the smallest that is told from none, and the ratio of each to the one before, up to 1.
const DIFFERENCE: (f64, f64) = (0.004, 1.301);
/// Of the logs of ratios: the same, up to a factor of 20.
const LOG_RATIO: (f64, f64) = (0.015, 1.287);

/// Stakes as shares of the largest that cannot ruin the bettor.
const STAKES: [f64; 4] = [0.02, 0.07, 0.22, 0.7];
/// Shifts of normal scores, in standard deviations.
const SHIFTS: [f64; 4] = [0.05, 0.15, 0.4, 1.0];

/// Bets on more and on less, for each possible effect.
const BETS: usize = 2 * STAKES.len();

/// How often an interval may ever miss.
const ALPHA: f64 = 0.05;

/// A capital is held below this, so that it is always a number.
const CAPITAL_MAX: f64 = 1e300;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reversal {
    scale: Scale,
    /// For each possible effect, the lowest first: what each bet has become.
    capitals: Vec<[f64; BETS]>,
    /// Of differences: the mean of what was seen, and the weight it stands on.
    difference: f64,
    weight: f64,
}

static DIFFERENCES: LazyLock<Vec<f64>> = LazyLock::new(|| effects(DIFFERENCE, 1.0));
static LOG_RATIOS: LazyLock<Vec<f64>> = LazyLock::new(|| effects(LOG_RATIO, f64::INFINITY));

/// From the lowest to the highest.
fn effects((smallest, ratio): (f64, f64), most: f64) -> Vec<f64> {
    let above = std::iter::successors(Some(smallest), |effect| Some(effect * ratio));
    let above: Vec<_> = above.take(EFFECTS).map(|effect| effect.min(most)).collect();
    let below = above.iter().rev().map(|effect| -effect);
    below.chain([0.0]).chain(above.iter().copied()).collect()
}

impl Reversal {
    pub fn new(scale: Scale) -> Self {
        Self { scale, capitals: vec![[1.0; BETS]; 2 * EFFECTS + 1], difference: 0.0, weight: 0.0 }
    }

    /// `surprise` is the outcome minus what was expected of it, -1..1. Weighed by its assignment it is the
    /// difference of the arms in expectation, however well it was expected.
    pub fn add_difference(&mut self, treated: bool, share: f64, surprise: f64) {
        let weighed = if treated { surprise / share } else { -surprise / (1.0 - share) };
        let largest = 1.0 / share.min(1.0 - share);
        // One over the variance: a session of a small share tells less.
        let weight = share * (1.0 - share);
        self.weight += weight;
        self.difference += (weighed - self.difference) * weight / self.weight;
        for (difference, capitals) in DIFFERENCES.iter().zip(&mut self.capitals) {
            let gain = (weighed - difference) / (largest + difference.abs());
            let stakes = STAKES.iter().chain(&STAKES).zip(signs());
            for (capital, (stake, sign)) in capitals.iter_mut().zip(stakes) {
                *capital = (*capital * (1.0 + sign * stake * gain)).min(CAPITAL_MAX);
            }
        }
    }

    /// Had treatment multiplied values by a ratio, then dividing by it would make the arms alike.
    pub fn add_ratio(&mut self, treated: bool, share: f64, value: f64, recent: &Ranks) {
        for (log_ratio, capitals) in LOG_RATIOS.iter().zip(&mut self.capitals) {
            let ratio = libm::exp(*log_ratio);
            let score = recent.score_undone(if treated { value / ratio } else { value }, ratio);
            let shifts = SHIFTS.iter().chain(&SHIFTS).zip(signs());
            for (capital, (shift, sign)) in capitals.iter_mut().zip(shifts) {
                *capital = (*capital * score_factor(treated, share, score, sign * shift)).min(CAPITAL_MAX);
            }
        }
    }

    /// From the last effect below that is refuted to the first one above.
    pub fn interval(&self) -> Interval {
        let (kind, effects) = match self.scale {
            Scale::Binary => (EffectKind::Difference, &*DIFFERENCES),
            Scale::Positive => (EffectKind::Ratio, &*LOG_RATIOS),
        };
        let against = self.capitals.iter().map(|capitals| capitals.iter().sum::<f64>() / BETS as f64);
        let against: Vec<_> = effects.iter().copied().zip(against).collect();
        let least = against.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(effect, _)| *effect);
        let estimate = if self.weight > 0.0 { self.difference } else { least };
        let refuted = || against.iter().filter(|(_, e)| *e >= 1.0 / ALPHA).map(|(effect, _)| *effect);
        let ends = (effects.first().copied().unwrap_or(least), effects.last().copied().unwrap_or(least));
        let low = refuted().rfind(|effect| *effect < least).unwrap_or(ends.0);
        let high = refuted().find(|effect| *effect > least).unwrap_or(ends.1);
        let ends = [low, estimate.clamp(low, high), high];
        let [low, estimate, high] = match kind {
            EffectKind::Difference => ends,
            EffectKind::Ratio => ends.map(libm::exp),
        };
        Interval { kind, low, estimate, high }
    }
}

fn signs() -> impl Iterator<Item = f64> {
    std::iter::repeat_n(1.0, STAKES.len()).chain(std::iter::repeat_n(-1.0, STAKES.len()))
}
