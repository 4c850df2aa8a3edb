//! Statistics: tests, intervals, sample sizes and scores, each from numbers to numbers. What cannot be told from its
//! input is a `Problem` that says why, never a NaN.

pub mod asked;
pub mod beta;
pub mod forecasts;
pub mod means;
pub mod multiple;
pub mod power;
pub mod proportions;
pub mod ranks;
mod special;
pub mod tables;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Numbers of one sample, and counts of one table: more are refused.
pub const VALUES_MAX: usize = 1_000_000;

/// Why an input gives no figure.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Problem {
    #[error("`{what}` has {got} values: at least {needed} are needed")]
    TooFew { what: &'static str, needed: usize, got: usize },
    #[error("`{what}` has {got} values: at most {most} are taken")]
    TooMany { what: &'static str, most: usize, got: usize },
    #[error("`{what}` holds {value} at place {at} (from 0): only finite numbers are taken")]
    NotFinite { what: &'static str, at: usize, value: f64 },
    #[error("`{what}` is {value}: it must be {wanted}")]
    OutOfRange { what: &'static str, value: f64, wanted: &'static str },
    #[error("`{one}` has {ones} values and `{other}` {others}: they must be as many")]
    NotAsMany { one: &'static str, ones: usize, other: &'static str, others: usize },
    #[error("{events} events of {trials}: there cannot be more events than trials")]
    MoreEventsThanTrials { events: u64, trials: u64 },
    #[error("all values are the same in each sample: without spread there is nothing to test by")]
    NoSpread,
    #[error("values are tied: the exact test holds only without ties; use the asymptotic one")]
    Tied,
    #[error(
        "the samples are too large for the exact test ({product} pairs, at most {most}); use the asymptotic one"
    )]
    TooLarge { product: usize, most: usize },
    #[error("all {of} outcomes are alike: {what} needs both kinds")]
    OneKind { what: &'static str, of: usize },
    #[error("no sample size of at most {most} is enough")]
    Unreachable { most: u64 },
}

/// Which departures from "no difference" count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tail {
    #[default]
    TwoSided,
    /// The first is smaller than the second.
    Less,
    /// The first is larger than the second.
    Greater,
}

/// The true value lies within it as often as its confidence says. A bound may be infinite where only one side is asked
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// A sample with what most tests need of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub n: f64,
    pub mean: f64,
    /// With n - 1 below.
    pub variance: f64,
}

/// Mean and variance of at least two finite numbers.
pub fn summary(what: &'static str, values: &[f64]) -> Result<Summary, Problem> {
    finite(what, values, 2)?;
    let n = values.len() as f64;
    let mean = values.iter().map(|value| value / n).sum::<f64>();
    let from_mean = |value: &f64| value - mean;
    // What rounding left of the mean is taken out of the squares: Chan, Golub, LeVeque 1983.
    let left = values.iter().map(from_mean).sum::<f64>();
    let squares = values.iter().map(|value| from_mean(value).powi(2)).sum::<f64>();
    let variance = ((squares - left * left / n) / (n - 1.0)).max(0.0);
    if variance.is_finite() {
        Ok(Summary { n, mean, variance })
    } else {
        Err(Problem::OutOfRange { what, value: variance, wanted: "of numbers whose squares can be summed" })
    }
}

/// Whether there are at least so many numbers, each of them finite.
pub(crate) fn finite(what: &'static str, values: &[f64], needed: usize) -> Result<(), Problem> {
    if values.len() < needed {
        return Err(Problem::TooFew { what, needed, got: values.len() });
    }
    if values.len() > VALUES_MAX {
        return Err(Problem::TooMany { what, most: VALUES_MAX, got: values.len() });
    }
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((at, value)) => Err(Problem::NotFinite { what, at, value: *value }),
        None => Ok(()),
    }
}

/// Whether a number lies strictly between 0 and 1.
pub(crate) fn inside(what: &'static str, value: f64) -> Result<f64, Problem> {
    within(what, value, value > 0.0 && value < 1.0, "between 0 and 1, and neither")
}

/// The number, where it is as it must be. A NaN never is.
pub(crate) fn within(what: &'static str, value: f64, is: bool, wanted: &'static str) -> Result<f64, Problem> {
    if is && value.is_finite() { Ok(value) } else { Err(Problem::OutOfRange { what, value, wanted }) }
}

impl Tail {
    /// Of a statistic that is larger where the first is larger, given the chances below and above it.
    fn p(self, below: f64, above: f64) -> f64 {
        let p = match self {
            Self::TwoSided => 2.0 * below.min(above),
            Self::Less => below,
            Self::Greater => above,
        };
        p.clamp(0.0, 1.0)
    }

    /// Around an estimate, by a quantile function of a symmetric distribution and the estimate's error.
    fn interval(self, estimate: f64, error: f64, confidence: f64, quantile: impl Fn(f64) -> f64) -> Interval {
        let half = |confidence: f64| error * quantile(confidence);
        match self {
            Self::TwoSided => {
                let half = half(0.5 + confidence / 2.0);
                Interval { low: estimate - half, high: estimate + half }
            }
            Self::Less => Interval { low: f64::NEG_INFINITY, high: estimate + half(confidence) },
            Self::Greater => Interval { low: estimate - half(confidence), high: f64::INFINITY },
        }
    }
}
