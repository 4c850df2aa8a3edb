//! Fits a yes-or-no outcome to numbers by penalised maximum likelihood: Newton's method with step halving on
//! a function that has one summit. Knows nothing of chats, and never answers with a fit that did not converge.

/// How a row's sum of numbers times coefficients (η) becomes a probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `p = 1 / (1 + exp(-η))`.
    Logit,
    /// `p = 1 - exp(-exp(η))`: η is the log of a hazard, so that a row of twice the length is the same row with
    /// ln 2 added, and the chance over a horizon follows from that over a minute without another fit.
    Cloglog,
}

/// Newton steps before a fit is given up; a fit with some history takes 6 to 12.
const STEPS_MAX: usize = 60;
/// Halvings of one step.
const HALVINGS_MAX: usize = 40;
/// The fit has converged when a further step would gain less than this share of the log-likelihood.
const TOLERANCE: f64 = 1e-11;
/// η is held within this, so that its exponential is always a number.
const ETA_MAX: f64 = 500.0;
/// A log-likelihood per row closer to 0 than this is a perfect fit: without a penalty its coefficients are infinite.
const PERFECT: f64 = 1e-7;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    #[error("a row has {found} numbers, and not {wanted}")]
    Width { wanted: usize, found: usize },
    #[error("a row holds what is no number")]
    NotFinite,
    #[error("the rows do not tell the coefficients apart")]
    Undetermined,
    #[error("the rows are told apart wholly: without a penalty the coefficients grow for ever")]
    Separated,
    #[error("the fit did not converge in {STEPS_MAX} steps")]
    NotConverged,
    #[error("the fit was stopped")]
    Stopped,
}

/// What is fitted: for each row its numbers and whether it was a yes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    width: usize,
    numbers: Vec<f64>,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// Added to η as it is: the log of the row's length.
    offset: f64,
    /// Rows it stands for.
    weight: f64,
    yes: bool,
}

impl Rows {
    pub fn new(width: usize) -> Self {
        Self { width, numbers: Vec::new(), rows: Vec::new() }
    }

    pub fn push(&mut self, numbers: &[f64], offset: f64, weight: f64, yes: bool) -> Result<(), FitError> {
        if numbers.len() != self.width {
            return Err(FitError::Width { wanted: self.width, found: numbers.len() });
        }
        if !numbers.iter().chain([&offset, &weight]).all(|number| number.is_finite()) || weight < 0.0 {
            return Err(FitError::NotFinite);
        }
        self.numbers.extend_from_slice(numbers);
        self.rows.push(Row { offset, weight, yes });
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn each(&self) -> impl Iterator<Item = (&[f64], &Row)> {
        self.numbers.chunks_exact(self.width.max(1)).zip(&self.rows)
    }

    fn weight(&self) -> f64 {
        self.rows.iter().map(|row| row.weight).sum()
    }
}

/// What is believed before any row is seen: each coefficient lies around `centre`, and `strength` is one over
/// the variance of that belief. A strength of 0 believes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    pub centre: Vec<f64>,
    pub strength: Vec<f64>,
}

impl Prior {
    pub fn none(width: usize) -> Self {
        Self { centre: vec![0.0; width], strength: vec![0.0; width] }
    }

    fn cost(&self, coefficients: &[f64]) -> f64 {
        let each = self.pulls(coefficients).map(|(pull, away)| pull * away);
        0.5 * each.sum::<f64>()
    }

    /// For each coefficient how strongly it is pulled back, and how far it is away.
    fn pulls(&self, coefficients: &[f64]) -> impl Iterator<Item = (f64, f64)> {
        let beliefs = self.centre.iter().zip(&self.strength);
        coefficients
            .iter()
            .zip(beliefs)
            .map(|(at, (centre, strength))| (strength * (at - centre), at - centre))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub coefficients: Vec<f64>,
    /// Without the penalty.
    pub log_likelihood: f64,
    pub steps: usize,
}

/// The coefficients that make the rows and the prior together most likely. `go_on` is asked before each step.
pub fn fit(rows: &Rows, link: Link, prior: &Prior, mut go_on: impl FnMut() -> bool) -> Result<Fit, FitError> {
    let width = rows.width;
    for found in [prior.centre.len(), prior.strength.len()] {
        if found != width {
            return Err(FitError::Width { wanted: width, found });
        }
    }
    if !prior.centre.iter().chain(&prior.strength).all(|number| number.is_finite()) {
        return Err(FitError::NotFinite);
    }
    let mut at = prior.centre.clone();
    let mut height = log_likelihood(rows, link, &at) - prior.cost(&at);
    for steps in 1..=STEPS_MAX {
        if !go_on() {
            return Err(FitError::Stopped);
        }
        let slope = Slope::at(rows, link, prior, &at);
        let step = slope.newton_step().ok_or(FitError::Undetermined)?;
        let gain = dot(&slope.gradient, &step);
        let (next, next_height) = uphill(rows, link, prior, &at, &step, height);
        (at, height) = (next, next_height);
        if gain <= TOLERANCE * (1.0 + height.abs()) {
            let log_likelihood = log_likelihood(rows, link, &at);
            let unbelieved = prior.strength.contains(&0.0);
            if unbelieved && -log_likelihood < PERFECT * rows.weight() {
                return Err(FitError::Separated);
            }
            return Ok(Fit { coefficients: at, log_likelihood, steps });
        }
    }
    Err(FitError::NotConverged)
}

/// The step, halved until it does not lead downhill; where none of them leads up, the place itself.
fn uphill(rows: &Rows, link: Link, prior: &Prior, at: &[f64], step: &[f64], height: f64) -> (Vec<f64>, f64) {
    let mut share = 1.0;
    for _ in 0..HALVINGS_MAX {
        let next: Vec<_> = at.iter().zip(step).map(|(at, step)| at + share * step).collect();
        let next_height = log_likelihood(rows, link, &next) - prior.cost(&next);
        if next_height >= height {
            return (next, next_height);
        }
        share /= 2.0;
    }
    (at.to_vec(), height)
}

/// The log of the probability of what happened, over all rows.
pub fn log_likelihood(rows: &Rows, link: Link, coefficients: &[f64]) -> f64 {
    let each = rows.each().map(|(numbers, row)| {
        row.weight * Terms::of(link, dot(numbers, coefficients) + row.offset, row.yes).log_likelihood
    });
    each.sum()
}

/// The gradient, and the bend of the function: minus its second derivatives, row by row.
struct Slope {
    gradient: Vec<f64>,
    bend: Vec<f64>,
}

impl Slope {
    fn at(rows: &Rows, link: Link, prior: &Prior, at: &[f64]) -> Self {
        let width = at.len();
        let mut slope = Self { gradient: vec![0.0; width], bend: vec![0.0; width * width] };
        let mut filled: Vec<(usize, f64)> = Vec::with_capacity(width);
        for (numbers, row) in rows.each() {
            let terms = Terms::of(link, dot(numbers, at) + row.offset, row.yes);
            filled.clear();
            // Many numbers are 0: what is or is not so.
            filled.extend(numbers.iter().copied().enumerate().filter(|(_, number)| *number != 0.0));
            slope.add(&filled, row.weight * terms.slope, row.weight * terms.bend);
        }
        for (gradient, (pull, _)) in slope.gradient.iter_mut().zip(prior.pulls(at)) {
            *gradient -= pull;
        }
        for (bend, strength) in slope.bend.iter_mut().step_by(width + 1).zip(&prior.strength) {
            *bend += strength;
        }
        slope
    }

    fn add(&mut self, filled: &[(usize, f64)], slope: f64, bend: f64) {
        let width = self.gradient.len();
        for (i, number) in filled {
            if let Some(gradient) = self.gradient.get_mut(*i) {
                *gradient += slope * number;
            }
            let Some(line) = self.bend.get_mut(i * width..(i + 1) * width) else { continue };
            for (j, other) in filled.iter().take_while(|(j, _)| j <= i) {
                if let Some(cell) = line.get_mut(*j) {
                    *cell += bend * number * other;
                }
            }
        }
    }

    /// Solves `bend × step = gradient` by Cholesky; `None` when the bend is no hill in every direction.
    fn newton_step(&self) -> Option<Vec<f64>> {
        let width = self.gradient.len();
        let mut lower = vec![0.0; width * width];
        for i in 0..width {
            for j in 0..=i {
                let (line, other) =
                    (lower.get(i * width..i * width + j)?, lower.get(j * width..j * width + j)?);
                let rest = self.bend.get(i * width + j)? - dot(line, other);
                let cell = if i == j {
                    let whole = self.bend.get(i * width + i)?;
                    if !rest.is_finite() || rest <= whole * f64::EPSILON * 16.0 {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / lower.get(j * width + j)?
                };
                *lower.get_mut(i * width + j)? = cell;
            }
        }
        let mut half = vec![0.0; width];
        for i in 0..width {
            let known = dot(lower.get(i * width..i * width + i)?, half.get(..i)?);
            *half.get_mut(i)? = (self.gradient.get(i)? - known) / lower.get(i * width + i)?;
        }
        let mut step = vec![0.0; width];
        for i in (0..width).rev() {
            let mut rest = *half.get(i)?;
            for j in i + 1..width {
                rest -= lower.get(j * width + i)? * step.get(j)?;
            }
            *step.get_mut(i)? = rest / lower.get(i * width + i)?;
        }
        step.iter().all(|number| number.is_finite()).then_some(step)
    }
}

/// One row's part: the log-likelihood, its derivative by η, and minus its second derivative, which is never
/// negative for either link.
struct Terms {
    log_likelihood: f64,
    slope: f64,
    bend: f64,
}

impl Terms {
    fn of(link: Link, eta: f64, yes: bool) -> Self {
        let eta = eta.clamp(-ETA_MAX, ETA_MAX);
        match link {
            Link::Logit => {
                let p = 1.0 / (1.0 + (-eta).exp());
                let softplus = eta.max(0.0) + (-eta.abs()).exp().ln_1p();
                let said = if yes { 1.0 } else { 0.0 };
                Self { log_likelihood: said * eta - softplus, slope: said - p, bend: p * (1.0 - p) }
            }
            Link::Cloglog if yes => {
                let hazard = eta.exp();
                let slope = hazard / hazard.exp_m1();
                let bend = slope * (slope + hazard - 1.0);
                Self {
                    log_likelihood: (-(-hazard).exp_m1()).ln(),
                    slope,
                    // Below 1e-16 the difference is lost to rounding; half the hazard is its limit.
                    bend: if hazard < 1e-5 { hazard / 2.0 } else { bend.max(0.0) },
                }
            }
            Link::Cloglog => {
                let hazard = eta.exp();
                Self { log_likelihood: -hazard, slope: -hazard, bend: hazard }
            }
        }
    }
}

/// The probability that a row with this η is a yes.
pub fn probability(link: Link, eta: f64) -> f64 {
    let eta = if eta.is_nan() { 0.0 } else { eta.clamp(-ETA_MAX, ETA_MAX) };
    match link {
        Link::Logit => 1.0 / (1.0 + (-eta).exp()),
        Link::Cloglog => -(-eta.exp()).exp_m1(),
    }
}

/// The log of the probability of what happened to one row.
pub fn log_score(link: Link, eta: f64, yes: bool) -> f64 {
    Terms::of(link, if eta.is_nan() { 0.0 } else { eta }, yes).log_likelihood
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
#[path = "hazard_tests.rs"]
mod tests;
