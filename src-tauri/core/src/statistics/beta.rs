//! What is believed of a share after events were counted: beta distributions.

use super::{Interval, Problem, inside, special};

/// A beta distribution of a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    a: f64,
    b: f64,
}

impl Beta {
    /// Of `a` events and `b` other outcomes, as it were; each from 0.1 to 10⁹. (1, 1) knows nothing, and
    /// (0.5, 0.5) is Jeffreys' prior.
    pub fn new(a: f64, b: f64) -> Result<Self, Problem> {
        Ok(Self { a: special::parameter("alpha", a)?, b: special::parameter("beta", b)? })
    }

    /// With what was counted.
    pub fn after(self, events: u64, trials: u64) -> Result<Self, Problem> {
        if events > trials {
            return Err(Problem::MoreEventsThanTrials { events, trials });
        }
        Self::new(self.a + events as f64, self.b + (trials - events) as f64)
    }

    pub fn alpha(self) -> f64 {
        self.a
    }

    pub fn beta(self) -> f64 {
        self.b
    }

    pub fn mean(self) -> f64 {
        self.a / (self.a + self.b)
    }

    pub fn variance(self) -> f64 {
        let sum = self.a + self.b;
        self.a / sum * (self.b / sum) / (sum + 1.0)
    }

    /// How likely the share is at most `x`.
    pub fn at_most(self, x: f64) -> f64 {
        special::beta_cdf(self.a, self.b, x)
    }

    /// The share lies within it with this probability, and as likely below as above.
    pub fn interval(self, confidence: f64) -> Result<Interval, Problem> {
        let outside = (1.0 - inside("confidence", confidence)?) / 2.0;
        Ok(Interval {
            low: special::beta_quantile(self.a, self.b, outside),
            high: 1.0 - special::beta_quantile(self.b, self.a, outside),
        })
    }

    /// How likely this share is larger than the other.
    ///
    /// The trapezoidal rule on log odds, along which the density is smooth and falls off on both sides, so that the
    /// error shrinks exponentially; over the narrower of the two, so that a hundred steps or so are enough.
    pub fn exceeds(self, other: Self) -> f64 {
        if self.spread() <= other.spread() {
            self.integral(|x, y| special::beta_both(other.a, other.b, x, y).0)
        } else {
            other.integral(|x, y| special::beta_both(self.a, self.b, x, y).1)
        }
    }

    /// The mean of a function of the share and what is left of 1.
    fn integral(self, of: impl Fn(f64, f64) -> f64) -> f64 {
        /// A quarter of the width, and finer than the nearest pole of the logistic function, π away.
        const STEPS: f64 = 4.0;
        const STEP_MAX: f64 = 0.5;
        const NEGLIGIBLE: f64 = 1e-20;
        let step = (self.spread() / STEPS).min(STEP_MAX);
        let centre = (self.a / self.b).ln();
        let (mut sum, mut weights) = (0.0, 0.0);
        let mut add = |at: f64| {
            let (x, y) = (logistic(centre + at), logistic(-centre - at));
            let weight = special::beta_front(self.a, self.b, x, y);
            if weight > 0.0 {
                sum += weight * of(x, y);
                weights += weight;
            }
            weight
        };
        let peak = add(0.0);
        for direction in [-1.0, 1.0] {
            let mut at = step;
            while add(direction * at) > peak * NEGLIGIBLE {
                at += step;
            }
        }
        // The weights' own sum is 1 up to the same error.
        (sum / weights).clamp(0.0, 1.0)
    }

    /// Of the log odds, roughly.
    fn spread(self) -> f64 {
        (1.0 / self.a + 1.0 / self.b).sqrt()
    }
}

fn logistic(log_odds: f64) -> f64 {
    if log_odds >= 0.0 { 1.0 / (1.0 + (-log_odds).exp()) } else { log_odds.exp() / (1.0 + log_odds.exp()) }
}
