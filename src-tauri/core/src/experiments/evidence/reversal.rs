//! The interval of the effect: each possible effect is taken back from the outcomes, and those stay in the
//! interval after which an e-process sees no difference between the arms (a confidence sequence by betting,
//! Waudby-Smith & Ramdas 2024).

use serde::{Deserialize, Serialize};

use super::{EffectKind, Interval, Scale, curve::score_factor, ranks::Ranks};

/// Possible effects on each side of none.
const EFFECTS: usize = 22;
/// Differences: the smallest that is told from none, and the ratio of each to the one before; up to 1.
const DIFFERENCE: (f64, f64) = (0.004, 1.301);
/// The same of logs of ratios; up to a factor of 20.
const LOG_RATIO: (f64, f64) = (0.015, 1.287);

/// Stakes as shares of the largest that cannot ruin the bettor.
const STAKES: [f64; 4] = [0.02, 0.07, 0.22, 0.7];
/// Shifts of normal scores, in standard deviations.
const SHIFTS: [f64; 4] = [0.05, 0.15, 0.4, 1.0];

/// Bets on each possible effect.
const BETS: f64 = 2.0 * STAKES.len() as f64;

const LOG_MAX: f64 = 700.0;

/// 1 - .95: how often an interval may ever miss.
const ALPHA: f64 = 0.05;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reversal {
    scale: Scale,
    /// For each possible effect, the lowest first: logs of what bets on more and on less have become.
    capitals: Vec<[[f64; STAKES.len()]; 2]>,
}

impl Reversal {
    pub fn new(scale: Scale) -> Self {
        Self { scale, capitals: vec![[[0.0; STAKES.len()]; 2]; 2 * EFFECTS + 1] }
    }

    /// `surprise` is the outcome minus what was expected of it, -1..1. Weighed by its assignment it is the
    /// difference of the arms in expectation, however well it was expected.
    pub fn add_difference(&mut self, treated: bool, share: f64, surprise: f64) {
        let weighed = if treated { surprise / share } else { -surprise / (1.0 - share) };
        let largest = 1.0 / share.min(1.0 - share);
        self.add(|difference, stake, _| {
            let bet = stake * (weighed - difference) / (largest + difference.abs());
            [1.0 + bet, 1.0 - bet]
        });
    }

    pub fn add_ratio(&mut self, treated: bool, share: f64, value: f64, recent: &Ranks) {
        let mut last = (f64::NAN, 0.0);
        self.add(|log_ratio, _, shift| {
            if last.0.to_bits() != log_ratio.to_bits() {
                let ratio = log_ratio.exp();
                let undone = if treated { value / ratio } else { value };
                last = (log_ratio, recent.score_undone(undone, ratio));
            }
            [shift, -shift].map(|shift| score_factor(treated, share, last.1, shift))
        });
    }

    fn add(&mut self, mut factors: impl FnMut(f64, f64, f64) -> [f64; 2]) {
        for (effect, [more, less]) in effects(self.scale).zip(&mut self.capitals) {
            let bets = STAKES.iter().zip(SHIFTS);
            for ((stake, shift), (more, less)) in bets.zip(more.iter_mut().zip(less)) {
                let factors = factors(effect, *stake, shift);
                *more += factors[0].ln();
                *less += factors[1].ln();
            }
        }
    }

    /// From the lowest to the highest effect that is not refuted, with the least doubtful one as the estimate.
    pub fn interval(&self) -> Interval {
        let against = self.capitals.iter().map(|capitals| {
            let all = capitals.iter().flatten().map(|log| log.min(LOG_MAX).exp());
            all.sum::<f64>() / BETS
        });
        let against: Vec<_> = effects(self.scale).zip(against).collect();
        let least = against.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(effect, _)| *effect);
        let kept = || against.iter().filter(|(_, e)| *e < 1.0 / ALPHA).map(|(effect, _)| *effect);
        let (low, high) = (kept().next().unwrap_or(least), kept().last().unwrap_or(least));
        match self.scale {
            Scale::Binary => Interval { kind: EffectKind::Difference, low, estimate: least, high },
            Scale::Positive => {
                let [low, estimate, high] = [low, least, high].map(f64::exp);
                Interval { kind: EffectKind::Ratio, low, estimate, high }
            }
        }
    }
}

/// From the lowest to the highest.
fn effects(scale: Scale) -> impl Iterator<Item = f64> {
    let (smallest, ratio) = match scale {
        Scale::Binary => DIFFERENCE,
        Scale::Positive => LOG_RATIO,
    };
    let mut above: Vec<_> =
        std::iter::successors(Some(smallest), |effect| Some(effect * ratio)).take(EFFECTS).collect();
    if let (Scale::Binary, Some(last)) = (scale, above.last_mut()) {
        *last = 1.0;
    }
    let below: Vec<_> = above.iter().rev().map(|effect| -effect).collect();
    below.into_iter().chain([0.0]).chain(above)
}
