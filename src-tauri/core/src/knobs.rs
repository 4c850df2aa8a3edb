//! Knobs: the settings of which experiments may try other values. Each is declared once, on top of its key in
//! `config.toml`: what it may affect, how far and how fast it may move, and who may move it.

mod table;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    experiments::outcomes::Metric,
    settings::{self, Takes, Value},
};

pub use table::KNOBS;

#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// The key in `config.toml`; its default is the knob's.
    pub key: &'static str,
    pub unit: Unit,
    /// Least and most that an experiment may try, in `unit`; they lie within what the key takes.
    pub min: u64,
    pub max: u64,
    pub step: Step,
    /// What a change of it may make better or worse.
    pub affects: &'static [Metric],
    pub changed_by: ChangedBy,
    pub varies: Varies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "KnobUnit")]
pub enum Unit {
    Calls,
    Minutes,
    Seconds,
    Percent,
    Tokens,
    Count,
    /// One of the key's words.
    Choice,
}

/// The largest change that one experiment may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To at most so many times what it is, or that part of it.
    Times(u64),
    /// By at most so much either way.
    By(u64),
    /// To any of the key's words.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "KnobChangedBy")]
pub enum ChangedBy {
    /// What is done to a user's processes and money is that user's affair.
    UserOnly,
    Experiments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "KnobVaries")]
pub enum Varies {
    /// Two chats may have two values at the same time.
    ByChat,
    /// One value holds for the whole engine: no two arms can run beside each other.
    WithTheEngine,
}

/// Why a value is not tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no knob `{0}`; `shim experiments knobs` lists them")]
    NoKnob(String),
    #[error("`{0}` is changed by its user only: set it in config.toml")]
    UserOnly(String),
    #[error("`{0}` holds for the whole engine, so that two values of it cannot be compared chat by chat")]
    NotByChat(String),
    #[error("`{key}` is tried from {min} to {max} only")]
    OutOfBounds { key: String, min: u64, max: u64 },
    #[error("`{key}` takes {takes}")]
    NotTaken { key: String, takes: String },
    #[error("that is too far from {from} at once: `{key}` moves {step}")]
    TooFar { key: String, from: u64, step: String },
    #[error("`{0}` has that value already")]
    Same(String),
    #[error("`{key}` can do nothing for {metric}: it may affect {affects}")]
    NoEffect { key: String, metric: &'static str, affects: String },
}

pub fn knob(key: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.key == key)
}

impl Knob {
    /// What holds where nothing is set.
    pub fn default(&self) -> Value {
        settings::key(self.key).map_or(Value::Whole(self.min), settings::Key::default)
    }

    /// Whether an experiment may try `wanted` where `current` holds.
    pub fn may_try(&self, current: &Value, wanted: &Value) -> Result<(), Refused> {
        let key = || self.key.to_owned();
        if self.changed_by == ChangedBy::UserOnly {
            return Err(Refused::UserOnly(key()));
        }
        if self.varies == Varies::WithTheEngine {
            return Err(Refused::NotByChat(key()));
        }
        if current == wanted {
            return Err(Refused::Same(key()));
        }
        match (settings::key(self.key).map(settings::Key::takes), current, wanted) {
            (Some(Takes::Whole { .. }), Value::Whole(from), Value::Whole(to)) => self.reaches(*from, *to),
            (Some(Takes::OneOf { choices }), _, Value::Text(word)) if choices.contains(word) => Ok(()),
            (Some(Takes::Switch), _, Value::Switch(_)) => Ok(()),
            (takes, _, _) => Err(Refused::NotTaken { key: key(), takes: takes_words(takes) }),
        }
    }

    /// The least and the most that one step may try from here.
    pub fn reach(&self, from: u64) -> (u64, u64) {
        let (low, high) = self.step.from(from);
        (low.max(self.min), high.min(self.max))
    }

    fn reaches(&self, from: u64, to: u64) -> Result<(), Refused> {
        if !(self.min..=self.max).contains(&to) {
            return Err(Refused::OutOfBounds { key: self.key.to_owned(), min: self.min, max: self.max });
        }
        let (low, high) = self.step.from(from);
        if (low..=high).contains(&to) {
            return Ok(());
        }
        Err(Refused::TooFar { key: self.key.to_owned(), from, step: self.step.words() })
    }
}

impl Step {
    fn from(self, from: u64) -> (u64, u64) {
        match self {
            Self::Times(times) => (from.div_ceil(times.max(1)), from.saturating_mul(times)),
            Self::By(most) => (from.saturating_sub(most), from.saturating_add(most)),
            Self::Any => (0, u64::MAX),
        }
    }

    pub fn words(self) -> String {
        match self {
            Self::Times(times) => format!("at most {times} times up or down"),
            Self::By(most) => format!("by at most {most}"),
            Self::Any => "to any of its words".to_owned(),
        }
    }
}

fn takes_words(takes: Option<Takes>) -> String {
    match takes {
        Some(Takes::Whole { min, max }) => format!("a whole number from {min} to {max}"),
        Some(Takes::Switch) => "true or false".to_owned(),
        Some(Takes::OneOf { choices }) => format!("one of {}", choices.join(", ")),
        Some(Takes::Text | Takes::Texts) | None => "nothing that can be tried".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_stands_on_a_key_and_within_its_bounds() {
        for knob in KNOBS {
            let key = settings::key(knob.key).unwrap_or_else(|| panic!("{} is no key", knob.key));
            match (key.takes(), key.default()) {
                (Takes::Whole { min, max }, Value::Whole(default)) => {
                    assert!(min <= knob.min && knob.max <= max && knob.min < knob.max, "{}", knob.key);
                    assert!((knob.min..=knob.max).contains(&default), "{}: {default}", knob.key);
                    assert_ne!(knob.step, Step::Any, "{}", knob.key);
                }
                (Takes::OneOf { .. } | Takes::Switch, _) => assert_eq!(knob.step, Step::Any, "{}", knob.key),
                other => panic!("{}: {other:?}", knob.key),
            }
            assert!(!knob.affects.is_empty() && !key.is_read_once(), "{}", knob.key);
        }
        let keys: std::collections::BTreeSet<_> = KNOBS.iter().map(|knob| knob.key).collect();
        assert_eq!(keys.len(), KNOBS.len());
    }

    #[test]
    fn a_value_is_tried_within_bounds_and_in_steps() {
        let calls = knob("checkpoints.calls").unwrap();
        let tried =
            |from, to| calls.may_try(&Value::Whole(from), &Value::Whole(to)).map_err(|r| r.to_string());
        assert_eq!(tried(8, 4), Ok(()));
        assert_eq!(tried(8, 16), Ok(()));
        assert_eq!(
            tried(8, 17).unwrap_err(),
            "that is too far from 8 at once: `checkpoints.calls` moves at most 2 times up or down"
        );
        assert_eq!(tried(8, 8).unwrap_err(), "`checkpoints.calls` has that value already");
        assert_eq!(tried(64, 100).unwrap_err(), "`checkpoints.calls` is tried from 2 to 64 only");
        let text = calls.may_try(&Value::Whole(8), &Value::Text("often".to_owned())).unwrap_err();
        assert_eq!(text.to_string(), "`checkpoints.calls` takes a whole number from 0 to 1000");
    }

    #[test]
    fn what_is_its_users_affair_is_not_tried() {
        let orphans = knob("restore.orphans").unwrap();
        let wanted = orphans.may_try(&orphans.default(), &Value::Text("refuse".to_owned()));
        assert_eq!(wanted, Err(Refused::UserOnly("restore.orphans".to_owned())));
        let sampling = knob("signals.sample_seconds").unwrap();
        let wanted = sampling.may_try(&sampling.default(), &Value::Whole(6));
        assert_eq!(wanted, Err(Refused::NotByChat("signals.sample_seconds".to_owned())));
    }
}
