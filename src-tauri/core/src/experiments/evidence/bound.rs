//! A limit that a metric must keep, judged by a bet against it: e grows only where the limit is broken. Its
//! factor 1 + λ(y/limit - 1) has an expectation of at most 1 wherever the mean of values of 0 or more is at
//! most the limit (Waudby-Smith & Ramdas 2024); of values of 0 and 1 it is the ratio of two likelihoods.

use serde::{Deserialize, Serialize};

use super::LOG_MAX;

/// Shares of the capital that are staked, with their weights. The small one tells a limit that is broken by
/// little, the large one a limit that is broken by far: a rate of .6 where .1 is allowed after four values in
/// half the cases (`cargo xtask bench experiments`).
const STAKES: [(f64, f64); 3] = [(0.09, 0.34), (0.4, 0.26), (0.865, 0.4)];

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The mean of values of 0 or more is at most this. A rate is the mean of 0 and 1.
    MeanAtMost(f64),
    /// The rate of 1 among 0 and 1 is at least this; above 0 and below 1.
    RateAtLeast(f64),
    /// At most this share of the values, above 0 and below 1, lies above `value`: .05 bounds the 95th percentile.
    ShareAbove { value: f64, share: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    limit: Limit,
    n: u64,
    /// Logs of what each stake has become.
    capitals: [f64; STAKES.len()],
}

impl Bound {
    pub fn new(limit: Limit) -> Self {
        Self { limit, n: 0, capitals: [0.0; STAKES.len()] }
    }

    /// Takes one value in; what is no number, or below 0, is left out.
    pub fn observe(&mut self, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        self.n += 1;
        let (value, most) = match self.limit {
            Limit::MeanAtMost(most) => (value, most),
            Limit::RateAtLeast(least) => (1.0 - value.min(1.0), 1.0 - least),
            Limit::ShareAbove { value: limit, share } => (f64::from(u8::from(value > limit)), share),
        };
        // A limit of nothing is broken by the first that is more, which no number can say.
        let over = (value / most.max(f64::MIN_POSITIVE)).min(f64::MAX) - 1.0;
        for (capital, (stake, _)) in self.capitals.iter_mut().zip(STAKES) {
            *capital += libm::log1p(stake * over);
        }
    }

    /// Every stake has again what it began with, at least.
    pub(super) fn forgive(&mut self) {
        self.capitals.iter_mut().for_each(|capital| *capital = capital.max(0.0));
    }

    pub fn limit(&self) -> Limit {
        self.limit
    }

    pub fn n(&self) -> u64 {
        self.n
    }

    /// The e-value for "the limit is broken": it reaches 1/α with a probability of at most α, over all looks
    /// together, where the limit is kept.
    pub fn e(&self) -> f64 {
        let each = self.capitals.iter().zip(STAKES);
        each.map(|(log, (_, weight))| weight * libm::exp(log.min(LOG_MAX))).sum()
    }
}
