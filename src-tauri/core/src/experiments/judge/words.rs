//! The lines of the protocol, read leniently: what is not known is passed over, and ids may be numbers.

use std::fmt;

use serde::Deserialize;

use crate::experiments::evidence::Scale;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    Start(Start),
    Assign { session: Name, risk: Option<f64> },
    Observe { session: Name, arm: Option<usize>, value: Number, risk: Option<f64> },
    End,
}

#[derive(Debug, Deserialize)]
pub struct Start {
    pub id: Name,
    /// The control first.
    #[serde(default = "two")]
    pub arms: Vec<serde_json::Value>,
    #[serde(default)]
    pub kind: Kind,
    #[serde(default = "yes")]
    pub lower_is_better: bool,
    #[serde(default = "alpha")]
    pub alpha: f64,
    pub horizon: Option<Whole>,
    pub baseline: Option<Baseline>,
}

/// What is known of sessions before the experiment.
#[derive(Debug, Deserialize)]
pub struct Baseline {
    pub n: f64,
    #[serde(default)]
    pub events: f64,
}

/// A whole number, however it is written: `900` or `900.0`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub struct Whole(pub u64);

#[derive(Debug, thiserror::Error)]
#[error("{0} is no whole number of 0 or more")]
pub struct NotWhole(f64);

impl TryFrom<f64> for Whole {
    type Error = NotWhole;

    // Below 2^53 by the test before.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn try_from(number: f64) -> Result<Self, NotWhole> {
        let is_whole = number >= 0.0 && number.fract() == 0.0 && number < (1_u64 << 53) as f64;
        if is_whole { Ok(Self(number as u64)) } else { Err(NotWhole(number)) }
    }
}

fn two() -> Vec<serde_json::Value> {
    vec!["control".into(), "treatment".into()]
}

fn yes() -> bool {
    true
}

fn alpha() -> f64 {
    0.05
}

/// An id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
pub enum Name {
    Word(String),
    Number(i64),
}

impl fmt::Display for Name {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => to.write_str(word),
            Self::Number(number) => write!(to, "{number}"),
        }
    }
}

/// A value: a number, or yes and no.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum Number {
    Number(f64),
    Truth(bool),
}

impl Number {
    pub fn number(self) -> f64 {
        match self {
            Self::Number(number) => number,
            Self::Truth(truth) => f64::from(u8::from(truth)),
        }
    }
}

/// A kind of metric, as whoever asks calls it.
#[derive(Debug, Deserialize)]
pub struct Kind(String);

impl Default for Kind {
    fn default() -> Self {
        Self("bernoulli".to_owned())
    }
}

impl Kind {
    pub fn scale(&self) -> Option<Scale> {
        match self.0.to_lowercase().as_str() {
            "bernoulli" | "binary" | "rate" | "proportion" => Some(Scale::Binary),
            "positive" | "seconds" | "count" | "mean" | "continuous" | "duration" | "cost" => {
                Some(Scale::Positive)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}
