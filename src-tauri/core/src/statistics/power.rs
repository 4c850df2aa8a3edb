//! How many trials a difference needs to be seen, and how likely so many show it.

use serde::{Deserialize, Serialize};

use super::{Problem, Tail, inside, special, within};

/// Trials in one group beyond which nothing is looked for.
pub const SIZE_MAX: u64 = 100_000_000;

/// What is to be told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Two shares, by the z test with their pooled variance.
    Proportions { p1: f64, p2: f64, by: Approximation },
    /// Two means so many standard deviations apart, by Student's t test.
    Means { d: f64 },
}

/// How the power of the z test is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approximation {
    /// The pooled variance under no difference, each share's own under the difference: R's `power.prop.test`.
    #[default]
    Normal,
    /// By Cohen's h, the difference of arcsines: `statsmodels`' `NormalIndPower`.
    Arcsine,
}

/// A comparison of two groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    effect: Effect,
    alpha: f64,
    tail: Tail,
    ratio: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SampleSize {
    /// Trials in the first group, whole.
    pub n: u64,
    /// Before it was rounded up.
    pub n_exact: f64,
    /// Trials in the second.
    pub n2: u64,
}

impl Design {
    /// Shares and `alpha` between 0 and 1. `ratio` is the size of the second group over that of the first, 0.01 to 100.
    pub fn new(effect: Effect, alpha: f64, tail: Tail, ratio: f64) -> Result<Self, Problem> {
        inside("alpha", alpha)?;
        within("ratio", ratio, (0.01..=100.0).contains(&ratio), "from 0.01 to 100")?;
        match effect {
            Effect::Proportions { p1, p2, .. } => {
                inside("p1", p1)?;
                inside("p2", p2)?;
            }
            Effect::Means { d } => {
                within("d", d, d.abs() <= 100.0, "from -100 to 100")?;
            }
        }
        Ok(Self { effect, alpha, tail, ratio })
    }

    /// How likely the test shows the difference with `n` trials in the first group (2 to 10⁸).
    pub fn power(&self, n: f64) -> Result<f64, Problem> {
        within("n", n, n >= 2.0 && n <= SIZE_MAX as f64, "from 2 to 1e8")?;
        let (n2, level) = (n * self.ratio, self.level());
        within("the second group", n2, n2 >= 2.0, "of 2 or more")?;
        let harmonic = n * n2 / (n + n2);
        Ok(match self.effect {
            Effect::Proportions { p1, p2, by } => {
                let z = special::normal_quantile(1.0 - level);
                let (shift, scale) = match by {
                    Approximation::Normal => self.normal(p1, p2, n, n2),
                    Approximation::Arcsine => (arcsine(p1, p2) * harmonic.sqrt(), 1.0),
                };
                // The statistic is normal about `shift`, and told apart from 0 by `z` of the null's spread.
                self.over(
                    |at| special::normal_cdf((at * z * scale.recip()) - shift),
                    |at| special::normal_cdf(shift - at * z * scale.recip()),
                )
            }
            Effect::Means { d } => {
                let df = n + n2 - 2.0;
                let (t, shift) = (special::student_quantile(1.0 - level, df), d * harmonic.sqrt());
                let below = |at: f64| special::noncentral_t_cdf(at * t, df, shift);
                self.over(below, |at| special::noncentral_t_cdf(-at * t, df, -shift))
            }
        })
    }

    /// The smallest first group with this power.
    pub fn sample_size(&self, power: f64) -> Result<SampleSize, Problem> {
        inside("power", power)?;
        let unreachable = Problem::Unreachable { most: SIZE_MAX };
        let least = 2.0_f64.max(2.0 / self.ratio);
        let (mut low, mut high) = (least, least);
        while self.power(high)? < power {
            (low, high) = (high, high * 2.0);
            if high > SIZE_MAX as f64 {
                return Err(unreachable);
            }
        }
        while high - low > 1e-9 * high {
            let middle = (low + high) / 2.0;
            if self.power(middle)? < power { low = middle } else { high = middle }
        }
        // What bisection leaves above a whole number is none of it.
        let whole = |size: f64| (size * (1.0 - 2e-9)).ceil() as u64;
        Ok(SampleSize { n: whole(high), n_exact: high, n2: whole(high * self.ratio) })
    }

    /// On each side that counts.
    fn level(&self) -> f64 {
        match self.tail {
            Tail::TwoSided => self.alpha / 2.0,
            Tail::Less | Tail::Greater => self.alpha,
        }
    }

    /// The chances beyond the bounds that count: below the first at -1, above the second at 1.
    fn over(&self, below: impl Fn(f64) -> f64, above: impl Fn(f64) -> f64) -> f64 {
        let sum = match self.tail {
            Tail::TwoSided => below(-1.0) + above(1.0),
            Tail::Less => below(-1.0),
            Tail::Greater => above(1.0),
        };
        sum.clamp(0.0, 1.0)
    }

    /// The difference in its own spread, and that spread over the spread without a difference.
    fn normal(&self, p1: f64, p2: f64, n1: f64, n2: f64) -> (f64, f64) {
        let pooled = (p1 + self.ratio * p2) / (1.0 + self.ratio);
        let null = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
        let own = (p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2).sqrt();
        ((p1 - p2) / own, own / null)
    }
}

/// Cohen's h.
fn arcsine(p1: f64, p2: f64) -> f64 {
    2.0 * (p1.sqrt().asin() - p2.sqrt().asin())
}

/// The least fall of a share that `n` trials in each of two groups show with this power; none where not even a fall to
/// nothing would.
pub fn least_fall(share: f64, n: f64, alpha: f64, power: f64) -> Result<Option<f64>, Problem> {
    const NEXT_TO_NOTHING: f64 = 1e-6;
    inside("share", share)?;
    inside("power", power)?;
    let shows = |to: f64| {
        let effect = Effect::Proportions { p1: share, p2: to, by: Approximation::Normal };
        Ok(Design::new(effect, alpha, Tail::TwoSided, 1.0)?.power(n)? >= power)
    };
    let (mut low, mut high) = (NEXT_TO_NOTHING.min(share / 2.0), share);
    if !shows(low)? {
        return Ok(None);
    }
    while high - low > 1e-6 * share {
        let middle = (low + high) / 2.0;
        if shows(middle)? { low = middle } else { high = middle }
    }
    Ok(Some(share - low))
}
