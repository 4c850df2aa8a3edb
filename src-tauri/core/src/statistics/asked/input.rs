//! The fields of an input under the names people give them, read strictly: what is there and is not what it should be
//! is refused, never passed over.

use serde_json::{Map, Value};

use super::Refusal;
use crate::statistics::{Tail, beta::Beta};

/// Names of one field; the first stands in messages.
pub type Names = &'static [&'static str];

pub const FIRST: Names = &["a", "x", "sample1", "group_a", "control"];
pub const SECOND: Names = &["b", "y", "sample2", "group_b", "treatment"];
pub const EVENTS: Names = &["x", "events", "successes", "k", "count"];
pub const TRIALS: Names = &["n", "trials", "total", "nobs"];
pub const SCORES: Names =
    &["scores", "p", "probabilities", "probs", "predictions", "forecasts", "y_score", "y_prob"];
pub const OUTCOMES: Names = &["outcomes", "y", "labels", "y_true", "happened", "events"];
/// Counts above this are not whole in a double.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

pub struct Input<'a>(pub &'a Map<String, Value>);

pub fn wrong(name: &str, wanted: &'static str) -> Refusal {
    Refusal::Wrong { name: name.to_owned(), wanted }
}

impl Input<'_> {
    fn find(&self, names: Names) -> Option<(&'static str, &Value)> {
        names.iter().find_map(|name| Some((*name, self.0.get(*name).filter(|value| !value.is_null())?)))
    }

    fn must(&self, names: Names) -> Result<(&'static str, &Value), Refusal> {
        self.find(names).ok_or(Refusal::Missing(names.first().copied().unwrap_or_default()))
    }

    pub fn numbers(&self, names: Names) -> Result<Vec<f64>, Refusal> {
        let (name, value) = self.must(names)?;
        list(name, value, "a list of numbers", Value::as_f64)
    }

    pub fn maybe_numbers(&self, names: Names) -> Result<Option<Vec<f64>>, Refusal> {
        self.find(names).map(|_| self.numbers(names)).transpose()
    }

    pub fn counts(&self, names: Names) -> Result<Vec<u64>, Refusal> {
        let (name, value) = self.must(names)?;
        list(name, value, "a list of whole numbers from 0", whole)
    }

    /// What happened: true and false, or 1 and 0.
    pub fn flags(&self, names: Names) -> Result<Vec<bool>, Refusal> {
        let (name, value) = self.must(names)?;
        list(name, value, "a list of 0 and 1, or of false and true", flag)
    }

    pub fn number(&self, names: Names) -> Result<Option<f64>, Refusal> {
        let number = |(name, value): (&str, &Value)| value.as_f64().ok_or_else(|| wrong(name, "a number"));
        self.find(names).map(number).transpose()
    }

    pub fn count(&self, names: Names) -> Result<u64, Refusal> {
        let (name, value) = self.must(names)?;
        whole(value).ok_or_else(|| wrong(name, "a whole number from 0"))
    }

    pub fn flag(&self, names: Names) -> Result<Option<bool>, Refusal> {
        let read = |(name, value)| flag(value).ok_or_else(|| wrong(name, "true or false"));
        self.find(names).map(read).transpose()
    }

    pub fn word(&self, names: Names) -> Result<Option<String>, Refusal> {
        let read = |(name, value): (&str, &Value)| {
            value.as_str().map(str::to_lowercase).ok_or_else(|| wrong(name, "a word"))
        };
        self.find(names).map(read).transpose()
    }

    pub fn tail(&self) -> Result<Tail, Refusal> {
        match self
            .word(&["alternative", "tail"])?
            .as_deref()
            .map(|word| word.replace(['-', ' '], "_"))
            .as_deref()
        {
            None | Some("two_sided") => Ok(Tail::TwoSided),
            Some("less" | "smaller") => Ok(Tail::Less),
            Some("greater" | "larger") => Ok(Tail::Greater),
            Some(_) => Err(wrong("alternative", "two-sided, less or greater")),
        }
    }

    /// As such, or 1 less `alpha`.
    pub fn confidence(&self) -> Result<f64, Refusal> {
        let told = self.number(&["confidence", "conf_level", "confidence_level", "conf", "level"])?;
        // A posterior's own parameter is no level.
        let alpha = self.number(&["alpha"])?.filter(|alpha| *alpha < 1.0 && self.find(&["beta"]).is_none());
        Ok(told.or(alpha.map(|alpha| 1.0 - alpha)).unwrap_or(0.95))
    }

    pub fn table(&self) -> Result<[[u64; 2]; 2], Refusal> {
        const WANTED: &str = "[[a, b], [c, d]] of whole numbers from 0";
        let cell = |name: Names| self.count(name);
        if let Some((name, value)) = self.find(&["table", "values"]) {
            let rows = list(name, value, WANTED, |row| list(name, row, WANTED, whole).ok())?;
            return match rows.as_slice() {
                [one, other] => match (one.as_slice(), other.as_slice()) {
                    (&[a, b], &[c, d]) => Ok([[a, b], [c, d]]),
                    _ => Err(wrong(name, WANTED)),
                },
                _ => Err(wrong(name, WANTED)),
            };
        }
        if self.find(&["a"]).is_some() {
            return Ok([[cell(&["a"])?, cell(&["b"])?], [cell(&["c"])?, cell(&["d"])?]]);
        }
        let [(x1, n1), (x2, n2)] = self.two_counts()?.ok_or(Refusal::Missing("table"))?;
        let rest = |x: u64, n: u64| n.checked_sub(x).ok_or_else(|| wrong("x", "at most its n"));
        Ok([[x1, rest(x1, n1)?], [x2, rest(x2, n2)?]])
    }

    /// Events and trials of two groups: `x1, n1, x2, n2`, or two lists, or `a` and `b` as pairs.
    pub fn two_counts(&self) -> Result<Option<[(u64, u64); 2]>, Refusal> {
        if self.find(ONE_EVENTS).is_some() {
            let one = (self.count(ONE_EVENTS)?, self.count(ONE_TRIALS)?);
            return Ok(Some([one, (self.count(OTHER_EVENTS)?, self.count(OTHER_TRIALS)?)]));
        }
        const LISTS: Names = &["x", "events", "successes", "k", "count", "counts"];
        if self.find(LISTS).is_some_and(|(_, value)| value.is_array()) {
            return match (self.counts(LISTS)?.as_slice(), self.counts(TRIALS)?.as_slice()) {
                (&[x1, x2], &[n1, n2]) => Ok(Some([(x1, n1), (x2, n2)])),
                _ => Err(wrong("x", "a list of two counts, as `n`")),
            };
        }
        match (self.0.get("a").map(pair), self.0.get("b").map(pair)) {
            (Some(Some(one)), Some(Some(other))) => Ok(Some([one?, other?])),
            _ => Ok(None),
        }
    }

    /// A prior, and what was counted on it.
    pub fn beta(&self) -> Result<Beta, Refusal> {
        let prior = self.prior()?;
        match self.find(EVENTS) {
            Some(_) if self.find(TRIALS).is_none() => {
                let (events, others) = (self.count(EVENTS)?, self.count(&["failures"])?);
                Ok(prior.after(events, events.saturating_add(others))?)
            }
            Some(_) => Ok(prior.after(self.count(EVENTS)?, self.count(TRIALS)?)?),
            None if self.find(TRIALS).is_some() => Err(Refusal::Missing("x")),
            None => Ok(prior),
        }
    }

    /// Of two groups, the first and the second: by their counts, or by their own parameters.
    pub fn two_betas(&self) -> Result<Option<(Beta, Beta)>, Refusal> {
        if self.find(&["alpha1", "a1"]).is_some() {
            let of = |names| self.number(names)?.ok_or(Refusal::Missing("alpha1, beta1, alpha2, beta2"));
            let one = Beta::new(of(&["alpha1", "a1"])?, of(&["beta1", "b1"])?)?;
            return Ok(Some((one, Beta::new(of(&["alpha2", "a2"])?, of(&["beta2", "b2"])?)?)));
        }
        let Some([(x1, n1), (x2, n2)]) = self.two_counts()? else { return Ok(None) };
        let prior = self.prior()?;
        Ok(Some((prior.after(x1, n1)?, prior.after(x2, n2)?)))
    }

    /// `a` and `b` may also be the groups.
    fn prior_number(&self, names: Names) -> Result<Option<f64>, Refusal> {
        match self.find(names) {
            Some((_, Value::Array(_) | Value::Object(_))) => Ok(None),
            _ => self.number(names),
        }
    }

    /// (1, 1) where none is told.
    fn prior(&self) -> Result<Beta, Refusal> {
        if let Some(prior) = self.maybe_numbers(&["prior"])? {
            return match prior.as_slice() {
                &[a, b] => Ok(Beta::new(a, b)?),
                _ => Err(wrong("prior", "[alpha, beta]")),
            };
        }
        let a = self.prior_number(&["prior_alpha", "alpha_prior", "prior_a", "alpha0", "a0", "a"])?;
        let b = self.prior_number(&["prior_beta", "beta_prior", "prior_b", "beta0", "b0", "b"])?;
        // `alpha` alone is a level, with `beta` a parameter.
        let own = (self.number(&["alpha"])?, self.number(&["beta"])?);
        match (a, b, own) {
            (Some(a), Some(b), _) | (None, None, (Some(a), Some(b))) => Ok(Beta::new(a, b)?),
            (None, None, _) => Ok(Beta::new(1.0, 1.0)?),
            _ => Err(Refusal::Missing("prior_alpha and prior_beta")),
        }
    }
}

/// Events and trials as `[x, n]`, or as an object of both; none where it is neither.
fn pair(value: &Value) -> Option<Result<(u64, u64), Refusal>> {
    match value {
        Value::Object(fields) => {
            let input = Input(fields);
            Some(input.count(EVENTS).and_then(|events| Ok((events, input.count(TRIALS)?))))
        }
        Value::Array(items) => Some(match items.iter().map(whole).collect::<Vec<_>>().as_slice() {
            [Some(events), Some(trials)] => Ok((*events, *trials)),
            _ => Err(wrong("a", "[events, trials], as `b`")),
        }),
        _ => None,
    }
}

const ONE_EVENTS: Names = &["x1", "events1", "successes1", "x_a", "s1", "k1"];
const ONE_TRIALS: Names = &["n1", "trials1", "n_a", "nobs1"];
const OTHER_EVENTS: Names = &["x2", "events2", "successes2", "x_b", "s2", "k2"];
const OTHER_TRIALS: Names = &["n2", "trials2", "n_b", "nobs2"];

fn list<T>(
    name: &str,
    value: &Value,
    wanted: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, Refusal> {
    let items = value.as_array().ok_or_else(|| wrong(name, wanted))?;
    items.iter().map(|item| read(item).ok_or_else(|| wrong(name, wanted))).collect()
}

fn whole(value: &Value) -> Option<u64> {
    let read =
        |number: f64| ((0.0..=WHOLE_MAX).contains(&number) && number.fract() == 0.0).then_some(number as u64);
    value.as_u64().or_else(|| read(value.as_f64()?))
}

fn flag(value: &Value) -> Option<bool> {
    match (value.as_bool(), value.as_f64()) {
        (Some(flag), _) => Some(flag),
        (None, Some(0.0)) => Some(false),
        (None, Some(1.0)) => Some(true),
        _ => None,
    }
}
