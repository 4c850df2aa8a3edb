//! Distributions to nearly all the digits a double holds, also for counts in the millions. statrs 0.19's incomplete
//! beta function stops after 140 terms and takes differences of large logarithms, which loses them.

use statrs::function::{erf::erfc, gamma::ln_gamma};

use super::Problem;

/// Terms of a continued fraction or series. It needs some multiple of the root of its largest parameter.
const TERMS_MAX: u32 = 100_000;
/// Counts and parameters are at most this: beyond, neighbouring whole numbers are no longer told apart.
pub(super) const PARAMETER_MAX: f64 = 1e9;
/// Below, much of a beta distribution lies nearer to 0 than a double can tell.
const PARAMETER_MIN: f64 = 0.1;

pub fn normal_cdf(z: f64) -> f64 {
    erfc(-z * std::f64::consts::FRAC_1_SQRT_2) / 2.0
}

fn normal_density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

/// The standard normal quantile of a probability within 0 and 1.
pub fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    use statrs::distribution::{ContinuousCDF, Normal};
    let z = Normal::standard().inverse_cdf(p);
    // One step of Halley's on what statrs gives, which has some eleven digits.
    let step = (normal_cdf(z) - p) / normal_density(z);
    let better = z - step / (1.0 + z * step / 2.0);
    if better.is_finite() { better } else { z }
}

/// The regularised incomplete beta function: how likely a Beta(a, b) variable is at most `x`.
pub fn beta_cdf(a: f64, b: f64, x: f64) -> f64 {
    beta_both(a, b, x, 1.0 - x).0
}

/// The chances at or below `x` and above it, each with its own digits. `y` is 1 - x.
pub fn beta_both(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if y <= 0.0 {
        return (1.0, 0.0);
    }
    let front = beta_front(a, b, x, y);
    if x * (a + b + 2.0) < a + 1.0 {
        let below = (front / a * beta_fraction(a, b, x)).clamp(0.0, 1.0);
        (below, 1.0 - below)
    } else {
        let above = (front / b * beta_fraction(b, a, y)).clamp(0.0, 1.0);
        (1.0 - above, above)
    }
}

/// The density of Beta(a, b) at `x`.
pub fn beta_density(a: f64, b: f64, x: f64, y: f64) -> f64 {
    beta_front(a, b, x, y) / (x * y)
}

/// x^a y^b / B(a, b), by Loader's saddle point ("Fast and accurate computation of binomial probabilities", 2000), so
/// that nothing large is taken from something large.
pub fn beta_front(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    let log =
        stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x) - deviance(b, n * y);
    (log + 0.5 * (a.ln() + b.ln() - n.ln() - std::f64::consts::TAU.ln())).exp()
}

/// ln Γ(x + 1) less Stirling's formula for it.
fn stirling_error(x: f64) -> f64 {
    const FROM: f64 = 15.0;
    if x < FROM {
        let formula = (x + 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln();
        return ln_gamma(x + 1.0) - formula;
    }
    let square = x * x;
    let series = 1.0 / 12.0
        - (1.0 / 360.0
            - (1.0 / 1260.0
                - (1.0 / 1680.0 - (1.0 / 1188.0 - 691.0 / 360_360.0 / square) / square) / square)
                / square)
            / square;
    series / x
}

/// x ln(x / m) + m - x.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    // With v = (x - m) / (x + m) the logarithm is 2 (v + v³/3 + …), and the first terms cancel by hand.
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut power = 2.0 * x * v;
    for odd in (3..1000).step_by(2) {
        power *= v * v;
        let next = sum + power / f64::from(odd);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// The continued fraction of the incomplete beta function, by Lentz's method (DLMF 8.17.22).
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let not_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut whole = d;
    for term in 1..TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / not_zero(1.0 + even * d);
        c = not_zero(1.0 + even / c);
        whole *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / not_zero(1.0 + odd * d);
        c = not_zero(1.0 + odd / c);
        whole *= c * d;
        if (c * d - 1.0).abs() < 4.0 * f64::EPSILON {
            break;
        }
    }
    whole
}

/// Where the chance at or below reaches `p`. Bisection that takes Newton's step where that stays inside.
pub fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    let mut x = a / (a + b);
    for _ in 0..300 {
        let (below, above) = beta_both(a, b, x, 1.0 - x);
        // Told by the smaller of the two, which has more digits.
        let off = if p < 0.5 { below - p } else { (1.0 - p) - above };
        if off > 0.0 {
            high = x
        } else {
            low = x
        }
        let newton = x - off / beta_density(a, b, x, 1.0 - x);
        let next = if newton > low && newton < high { newton } else { middle(low, high) };
        if (next - x).abs() <= 2.0 * f64::EPSILON * x || high - low <= f64::MIN_POSITIVE {
            return next;
        }
        x = next;
    }
    x
}

/// By order of magnitude while the ends differ by many.
fn middle(low: f64, high: f64) -> f64 {
    let low_or_tiny = low.max(1e-300);
    if high / low_or_tiny > 1e3 && high < 0.5 { (low_or_tiny * high).sqrt() } else { (low + high) / 2.0 }
}

/// The chances of Student's t at or below `t`, and above it.
pub fn student_both(t: f64, df: f64) -> (f64, f64) {
    let square = t * t;
    let half = if square.is_finite() {
        let whole = df + square;
        beta_both(df / 2.0, 0.5, df / whole, square / whole).0 / 2.0
    } else {
        0.0
    };
    if t < 0.0 { (half, 1.0 - half) } else { (1.0 - half, half) }
}

/// Student's t quantile of a probability within 0 and 1.
pub fn student_quantile(p: f64, df: f64) -> f64 {
    if p < 0.5 {
        return -student_quantile(1.0 - p, df);
    }
    let outside = 2.0 * (1.0 - p);
    if outside < 0.5 {
        let x = beta_quantile(df / 2.0, 0.5, outside);
        (df * (1.0 - x) / x).sqrt()
    } else {
        let y = beta_quantile(0.5, df / 2.0, 1.0 - outside);
        (df * y / (1.0 - y)).sqrt()
    }
}

/// How likely a noncentral t is at most `t`: the mean of the normal chance over what the spread is taken for, by the
/// trapezoidal rule on that spread's logarithm, whose error shrinks exponentially.
pub fn noncentral_t_cdf(t: f64, df: f64, shift: f64) -> f64 {
    const NEGLIGIBLE: f64 = 1e-20;
    /// So that even an absurd level takes no more than some ten thousand steps.
    const STEP_MIN: f64 = 1e-3;
    let width = (2.0 * df).sqrt().recip();
    // The normal chance changes over 1 / t.
    let finest = (0.5 / (1.0 + t.abs())).max(STEP_MIN);
    let step = (width / 4.0).min(finest).min(0.1);
    // Of the logarithm of chi over its usual size; 1 at its peak.
    let density = |log: f64| (df * (log - (2.0 * log).exp_m1() / 2.0)).exp();
    let chance = |log: f64| normal_cdf(t * log.exp() - shift);
    let (mut sum, mut weights) = (chance(0.0), 1.0);
    for direction in [-step, step] {
        let mut at = direction;
        let mut weight = density(at);
        while weight > NEGLIGIBLE {
            sum += weight * chance(at);
            weights += weight;
            at += direction;
            weight = density(at);
        }
    }
    (sum / weights).clamp(0.0, 1.0)
}

/// How likely a chi-square variable exceeds `x`.
pub fn chi_square_above(x: f64, df: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { statrs::function::gamma::gamma_ur(df / 2.0, x / 2.0).clamp(0.0, 1.0) }
}

/// A parameter of a distribution of counts.
pub fn parameter(what: &'static str, value: f64) -> Result<f64, Problem> {
    super::within(what, value, (PARAMETER_MIN..=PARAMETER_MAX).contains(&value), "from 0.1 to 1e9")
}
