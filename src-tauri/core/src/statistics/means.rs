//! Two samples of measured numbers: whether their means differ, and by how much.

use serde::Serialize;
use statrs::function::gamma::ln_gamma;

use super::{Interval, Problem, Summary, Tail, inside, special, summary};

/// Welch's test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WelchT {
    pub t: f64,
    /// Degrees of freedom, by Welch and Satterthwaite.
    pub df: f64,
    pub p: f64,
    /// The first mean less the second.
    pub difference: f64,
    pub interval: Interval,
}

/// Whether the means of two samples of unequal spread differ: B. L. Welch, Biometrika 34 (1947) 28-35. At least two
/// numbers each, and not all alike in both.
pub fn welch_t(a: &[f64], b: &[f64], tail: Tail, confidence: f64) -> Result<WelchT, Problem> {
    inside("confidence", confidence)?;
    let (one, other) = (summary("a", a)?, summary("b", b)?);
    let (va, vb) = (one.variance / one.n, other.variance / other.n);
    let error = (va + vb).sqrt();
    if error <= 0.0 {
        return Err(Problem::NoSpread);
    }
    // As shares, so that no square is too large or too small.
    let (sa, sb) = (va / (va + vb), vb / (va + vb));
    let df = 1.0 / (sa * sa / (one.n - 1.0) + sb * sb / (other.n - 1.0));
    let difference = one.mean - other.mean;
    let t = difference / error;
    let (below, above) = special::student_both(t, df);
    let interval = tail.interval(difference, error, confidence, |p| special::student_quantile(p, df));
    Ok(WelchT { t, df, p: tail.p(below, above), difference, interval })
}

/// How far two means lie apart, in standard deviations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EffectSize {
    /// Cohen's d: the first mean less the second over the pooled standard deviation.
    pub d: f64,
    /// Hedges' g: d without its bias in small samples.
    pub g: f64,
}

/// Cohen's d and Hedges' g (the exact correction: L. V. Hedges, J. Educational Statistics 6 (1981) 107-128).
pub fn effect_size(a: &[f64], b: &[f64]) -> Result<EffectSize, Problem> {
    let (one, other) = (summary("a", a)?, summary("b", b)?);
    let df = one.n + other.n - 2.0;
    let spread = pooled(&one, &other).sqrt();
    if spread <= 0.0 {
        return Err(Problem::NoSpread);
    }
    let d = (one.mean - other.mean) / spread;
    let correction = (ln_gamma(df / 2.0) - ln_gamma((df - 1.0) / 2.0) - 0.5 * (df / 2.0).ln()).exp();
    Ok(EffectSize { d, g: d * correction })
}

fn pooled(one: &Summary, other: &Summary) -> f64 {
    ((one.n - 1.0) * one.variance + (other.n - 1.0) * other.variance) / (one.n + other.n - 2.0)
}
