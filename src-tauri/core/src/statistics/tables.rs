//! Counts in a table.

use serde::Serialize;

use super::{Problem, Tail, finite, special, within};

/// The largest whole table: its chances are added up one by one.
pub const TOTAL_MAX: u64 = 10_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fisher {
    /// ad / bc of the table; infinite where only bc is 0, and null where both are.
    pub odds_ratio: Option<f64>,
    pub p: f64,
}

/// Fisher's exact test of `[[a, b], [c, d]]`: with all margins as they are. Two-sided is the sum of all tables that are
/// no likelier than this one, as in R and SciPy.
pub fn fisher_exact(table: [[u64; 2]; 2], tail: Tail) -> Result<Fisher, Problem> {
    let [[a, b], [c, d]] = table;
    let total = [a, b, c, d].into_iter().fold(0, u64::saturating_add);
    within("the table's total", total as f64, (1..=TOTAL_MAX).contains(&total), "from 1 to 10,000,000")?;
    let (row, column) = (a + b, a + c);
    let weights = weights(row, column, total);
    let (low, all) = (weights.first, weights.shares.iter().sum::<f64>());
    let place = usize::try_from(a - low).unwrap_or(usize::MAX);
    let own = weights.shares.get(place).copied().unwrap_or(0.0);
    let sum = |shares: &mut dyn Iterator<Item = &f64>| shares.sum::<f64>() / all;
    let p = match tail {
        Tail::Less => sum(&mut weights.shares.iter().take(place + 1)),
        Tail::Greater => sum(&mut weights.shares.iter().skip(place)),
        // Tables that are as likely may differ in the last digits.
        Tail::TwoSided => sum(&mut weights.shares.iter().filter(|share| **share <= own * (1.0 + 1e-7))),
    };
    let (ad, bc) = (a as f64 * d as f64, b as f64 * c as f64);
    let odds_ratio = if bc > 0.0 {
        Some(ad / bc)
    } else if ad > 0.0 {
        Some(f64::INFINITY)
    } else {
        None
    };
    Ok(Fisher { odds_ratio, p: p.clamp(0.0, 1.0) })
}

struct Weights {
    /// The least first cell that the margins allow.
    first: u64,
    /// How likely each first cell is, up to one factor for all.
    shares: Vec<f64>,
}

/// From the likeliest table outwards, each by its ratio to its neighbour: nothing is too large for a double, and what is
/// too small does not matter.
fn weights(row: u64, column: u64, total: u64) -> Weights {
    let first = (row + column).saturating_sub(total);
    let last = row.min(column);
    let likeliest = ((row + 1) as f64 * (column + 1) as f64 / (total + 2) as f64) as u64;
    let likeliest = likeliest.clamp(first, last);
    // How much likelier k + 1 is than k.
    let ratio = |k: u64| {
        let (k, row, column, total) = (k as f64, row as f64, column as f64, total as f64);
        (row - k) * (column - k) / ((k + 1.0) * (total - row - column + k + 1.0))
    };
    let scan = |share: &mut f64, times: f64| {
        *share *= times;
        Some(*share)
    };
    let mut shares: Vec<_> = (first..likeliest).rev().map(|k| 1.0 / ratio(k)).scan(1.0, scan).collect();
    shares.reverse();
    shares.push(1.0);
    shares.extend((likeliest..last).map(ratio).scan(1.0, scan));
    Weights { first, shares }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChiSquare {
    pub chi_square: f64,
    pub df: f64,
    pub p: f64,
}

/// Whether counts are shared out as `shares` says (any scale; equal ones where there are none): Pearson's test. Below
/// five expected in a cell its p is rough.
pub fn goodness_of_fit(counts: &[u64], shares: Option<&[f64]>) -> Result<ChiSquare, Problem> {
    if counts.len() < 2 {
        return Err(Problem::TooFew { what: "observed", needed: 2, got: counts.len() });
    }
    let equal = vec![1.0; counts.len()];
    let shares = shares.unwrap_or(&equal);
    if shares.len() != counts.len() {
        return Err(Problem::NotAsMany {
            one: "observed",
            ones: counts.len(),
            other: "expected",
            others: shares.len(),
        });
    }
    finite("expected", shares, 2)?;
    if let Some(share) = shares.iter().find(|share| **share <= 0.0) {
        return Err(Problem::OutOfRange { what: "expected", value: *share, wanted: "above 0" });
    }
    let total = counts.iter().map(|count| *count as f64).sum::<f64>();
    within("the sum of `observed`", total, total > 0.0, "above 0")?;
    let all = shares.iter().sum::<f64>();
    let expected = shares.iter().map(|share| share / all * total);
    let chi_square = counts
        .iter()
        .zip(expected)
        .map(|(count, expected)| (*count as f64 - expected).powi(2) / expected)
        .sum();
    let df = counts.len() as f64 - 1.0;
    within("expected", chi_square, true, "of shares that can be told apart from 0")?;
    Ok(ChiSquare { chi_square, df, p: special::chi_square_above(chi_square, df) })
}
