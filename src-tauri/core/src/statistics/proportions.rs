//! Events in trials: shares with their intervals, and whether two of them differ.

use serde::Serialize;

use super::{Interval, Problem, Tail, inside, special};

/// Events, and the trials they happened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    events: u64,
    trials: u64,
}

impl Share {
    /// At least one trial, at most 10⁹, and no more events than trials.
    pub fn new(events: u64, trials: u64) -> Result<Self, Problem> {
        let most = special::PARAMETER_MAX;
        super::within("n", trials as f64, trials >= 1 && trials as f64 <= most, "from 1 to 1e9")?;
        if events > trials {
            return Err(Problem::MoreEventsThanTrials { events, trials });
        }
        Ok(Self { events, trials })
    }

    pub fn value(self) -> f64 {
        self.events as f64 / self.trials as f64
    }
}

/// Wilson's interval: E. B. Wilson, JASA 22 (1927) 209-212.
pub fn wilson(share: Share, confidence: f64) -> Result<Interval, Problem> {
    let z = special::normal_quantile(0.5 + inside("confidence", confidence)? / 2.0);
    let (n, p) = (share.trials as f64, share.value());
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z * z / n;
    let low = if share.events == 0 { 0.0 } else { ((middle - half) / whole).clamp(0.0, p) };
    let high = if share.events == share.trials { 1.0 } else { ((middle + half) / whole).clamp(p, 1.0) };
    Ok(Interval { low, high })
}

/// The exact interval, which never covers too seldom: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413.
pub fn clopper_pearson(share: Share, confidence: f64) -> Result<Interval, Problem> {
    let outside = (1.0 - inside("confidence", confidence)?) / 2.0;
    let (events, rest) = (share.events as f64, (share.trials - share.events) as f64);
    // The upper end from its own side, so that its distance from 1 has all digits.
    let low = if share.events == 0 { 0.0 } else { special::beta_quantile(events, rest + 1.0, outside) };
    let from_one = if rest == 0.0 { 0.0 } else { special::beta_quantile(rest, events + 1.0, outside) };
    Ok(Interval { low, high: 1.0 - from_one })
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TwoProportions {
    pub z: f64,
    pub p: f64,
    /// The first share less the second.
    pub difference: f64,
    /// Of the difference, by Wald: each share's own variance. Two-sided.
    pub interval: Interval,
    /// The same by Newcombe's hybrid of Wilson's intervals, which also holds near 0 and 1.
    pub interval_newcombe: Interval,
}

/// Whether two shares differ: the z test with their pooled variance. Where all or none are events in both, z is 0.
pub fn two_proportions(
    one: Share,
    other: Share,
    tail: Tail,
    confidence: f64,
) -> Result<TwoProportions, Problem> {
    let quantile = special::normal_quantile(0.5 + inside("confidence", confidence)? / 2.0);
    let (n1, n2) = (one.trials as f64, other.trials as f64);
    let (p1, p2) = (one.value(), other.value());
    let difference = p1 - p2;
    let pooled = (one.events + other.events) as f64 / (n1 + n2);
    let error = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    let z = if error > 0.0 { difference / error } else { 0.0 };
    let half = quantile * (p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2).sqrt();
    Ok(TwoProportions {
        z,
        p: tail.p(special::normal_cdf(z), special::normal_cdf(-z)),
        difference,
        interval: Interval { low: difference - half, high: difference + half },
        interval_newcombe: newcombe(one, other, confidence)?,
    })
}

/// R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.
fn newcombe(one: Share, other: Share, confidence: f64) -> Result<Interval, Problem> {
    let (a, b) = (wilson(one, confidence)?, wilson(other, confidence)?);
    let (p1, p2) = (one.value(), other.value());
    Ok(Interval {
        low: p1 - p2 - (p1 - a.low).hypot(b.high - p2),
        high: p1 - p2 + (a.high - p1).hypot(p2 - b.low),
    })
}
