//! Two samples by the order of their numbers alone.

use serde::{Deserialize, Serialize};

use super::{Problem, Tail, finite, special};

/// Pairs of one number of each sample for which chances are counted out: some 10⁸ steps at most.
pub const PAIRS_MAX: usize = 250_000;
/// Numbers in the smaller sample up to which `Auto` counts, as SciPy does.
const AUTO_EXACT_MAX: usize = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Exact where the smaller sample has at most eight numbers and none are tied; else asymptotic.
    #[default]
    Auto,
    /// Every order of the numbers counted. Holds only without ties.
    Exact,
    /// By the normal distribution, with ties allowed for.
    Asymptotic,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MannWhitney {
    /// Pairs in which the number of the first sample is the larger; ties count half.
    pub u: f64,
    pub p: f64,
    /// How it was told: never `Auto`.
    pub method: Method,
    /// `u` over all pairs: how often a number of the first is larger than one of the second.
    pub effect: f64,
}

/// Whether the numbers of one sample tend to be larger than those of another: H. B. Mann, D. R. Whitney, Ann. Math.
/// Stat. 18 (1947) 50-60. `continuity`: whether the asymptotic test takes half a pair off.
pub fn mann_whitney(
    a: &[f64],
    b: &[f64],
    tail: Tail,
    method: Method,
    continuity: bool,
) -> Result<MannWhitney, Problem> {
    finite("a", a, 1)?;
    finite("b", b, 1)?;
    let ranked = ranked(a, b);
    let pairs = a.len() as f64 * b.len() as f64;
    let exact = match method {
        Method::Exact => true,
        Method::Asymptotic => false,
        Method::Auto => {
            ranked.ties == 0.0 && a.len().min(b.len()) <= AUTO_EXACT_MAX && fits(a.len(), b.len())
        }
    };
    let p = if exact {
        if ranked.ties > 0.0 {
            return Err(Problem::Tied);
        }
        exact_p(ranked.u, a.len(), b.len(), tail)?
    } else {
        asymptotic_p(&ranked, a.len() as f64, b.len() as f64, tail, continuity)?
    };
    let method = if exact { Method::Exact } else { Method::Asymptotic };
    Ok(MannWhitney { u: ranked.u, p, method, effect: ranked.u / pairs })
}

pub(super) struct Ranked {
    /// Pairs in which the first is larger, ties by half.
    pub u: f64,
    /// The sum of t³ - t over groups of t numbers that are equal.
    pub ties: f64,
}

pub(super) fn ranked(a: &[f64], b: &[f64]) -> Ranked {
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|value| (*value, true)).chain(b.iter().map(|value| (*value, false))).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut u, mut ties, mut smaller) = (0.0, 0.0, 0.0);
    for alike in all.chunk_by(|one, other| one.0 == other.0) {
        let size = alike.len() as f64;
        let firsts = alike.iter().filter(|(_, is_first)| *is_first).count() as f64;
        u += firsts * (smaller + (size - firsts) / 2.0);
        smaller += size - firsts;
        ties += size * (size * size - 1.0);
    }
    Ranked { u, ties }
}

fn fits(n1: usize, n2: usize) -> bool {
    n1.checked_mul(n2).is_some_and(|pairs| pairs <= PAIRS_MAX)
}

fn exact_p(u: f64, n1: usize, n2: usize, tail: Tail) -> Result<f64, Problem> {
    if !fits(n1, n2) {
        return Err(Problem::TooLarge { product: n1.saturating_mul(n2), most: PAIRS_MAX });
    }
    // Without ties u is a whole number.
    let (u, pairs) = (u as usize, n1 * n2);
    let (small, large) = (n1.min(n2), n1.max(n2));
    Ok(tail.p(at_most(u, small, large), at_most(pairs - u, small, large)))
}

/// The share of orders with at most so many pairs. Counted from the nearer end: the counts are symmetric.
fn at_most(u: usize, small: usize, large: usize) -> f64 {
    let pairs = small * large;
    if 2 * u >= pairs {
        return if u >= pairs { 1.0 } else { 1.0 - at_most(pairs - u - 1, small, large) };
    }
    orders(u, small, large).iter().sum::<f64>().min(1.0)
}

/// The shares of orders with 0, 1, … `u` pairs: coefficients of the Gaussian binomial, in which sample sizes grow
/// one by one. A share of n + 1 numbers follows from those of n with the new one first, or not.
fn orders(u: usize, small: usize, large: usize) -> Vec<f64> {
    let mut shares = vec![0.0; u + 1];
    if let Some(none) = shares.first_mut() {
        *none = 1.0;
    }
    for size in 1..=small {
        // Times (1 - q^(large + size)), over (1 - q^size), and over how many orders that makes more.
        let step = large + size;
        for at in (step..=u).rev() {
            let before = shares.get(at - step).copied().unwrap_or(0.0);
            shares.get_mut(at).into_iter().for_each(|share| *share -= before);
        }
        for at in size..=u {
            let before = shares.get(at - size).copied().unwrap_or(0.0);
            shares.get_mut(at).into_iter().for_each(|share| *share += before);
        }
        let fewer = size as f64 / step as f64;
        shares.iter_mut().for_each(|share| *share *= fewer);
    }
    shares
}

fn asymptotic_p(ranked: &Ranked, n1: f64, n2: f64, tail: Tail, continuity: bool) -> Result<f64, Problem> {
    let n = n1 + n2;
    let variance = n1 * n2 / 12.0 * ((n + 1.0) - ranked.ties / (n * (n - 1.0)));
    let spread = variance.sqrt();
    if spread.is_nan() || spread <= 1e-9 {
        return Err(Problem::NoSpread);
    }
    let off = ranked.u - n1 * n2 / 2.0;
    let half = if continuity { 0.5 } else { 0.0 };
    let above = |off: f64| special::normal_cdf(-(off - half) / spread);
    Ok(match tail {
        Tail::TwoSided => (2.0 * above(off.abs())).min(1.0),
        Tail::Greater => above(off),
        Tail::Less => above(-off),
    })
}
