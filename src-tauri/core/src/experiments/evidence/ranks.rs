//! Where a value lies among the latest ones of both arms, as a normal score: a bounded number that grows with
//! the value and knows neither its unit nor how heavy its tail is.

use std::{collections::VecDeque, sync::LazyLock};

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};

/// Values kept. More would make scores a little surer, and slower to follow what drifts.
const VALUES_MAX: usize = 256;

static NORMAL: LazyLock<Normal> = LazyLock::new(Normal::standard);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    values: VecDeque<(bool, f64)>,
}

impl Ranks {
    pub fn score(&self, value: f64) -> f64 {
        self.score_undone(value, 1.0)
    }

    /// The score among the values that would be, had treatment not multiplied them by `ratio`.
    pub fn score_undone(&self, value: f64, ratio: f64) -> f64 {
        let half_ranks: u32 = self
            .values
            .iter()
            .map(|(treated, other)| if *treated { other / ratio } else { *other })
            .map(|other| u32::from(other < value) + u32::from(other <= value))
            .sum();
        let n = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        NORMAL.inverse_cdf(f64::from(half_ranks + 1) / f64::from(2 * n + 2))
    }

    pub fn add(&mut self, treated: bool, value: f64) {
        if self.values.len() == VALUES_MAX {
            self.values.pop_front();
        }
        self.values.push_back((treated, value));
    }
}
