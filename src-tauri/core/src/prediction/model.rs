//! What predicts: the zones as a model of their own (the cold start), and models that were learned. Gives
//! probabilities; never decides what is done about them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    chats::Client,
    crashes::CrashKind,
    prediction::{
        features::{CONSTANT, Numbers, WIDTH, ZONE_DANGER, ZONE_WARNING, names},
        hazard::{Link, probability},
        scoring::Score,
    },
    risk::Level,
    time::Timestamp,
};

/// How far ahead a probability looks, as the zones do: time to take checkpoints and to come to a point of rest.
pub const HORIZON: Duration = Duration::from_secs(60 * 60);
/// From these probabilities on, within the horizon, a level is shown; an alarm is given at the danger.
pub const WARNING_AT: f64 = 0.03;
pub const DANGER_AT: f64 = 0.10;

/// The log of a hazard per minute is held within this.
const LOG_HAZARD_MAX: f64 = 5.0;
const LOG_HAZARD_MIN: f64 = -30.0;

/// A learned model of one client's chats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Model {
    pub client: Client,
    #[ts(type = "string")]
    pub trained_at: Timestamp,
    /// Of the rows it was trained on: the oldest's moment, how many, and how many ended in a crash.
    #[ts(type = "string")]
    pub since: Timestamp,
    pub rows: u64,
    pub crashes: u64,
    /// How strongly it was held to the cold start.
    pub strength: f64,
    pub coefficients: Vec<Coefficient>,
    /// How it did on history later than what it was trained on, before that was added; null when too little.
    pub held_out: Option<Score>,
}

/// What a model is to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Standing {
    InUse,
    /// It was not good enough.
    NotTaken,
    /// A newer one took its place.
    Replaced,
    /// It was in use, and the zones would have foretold better.
    SetAside,
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::InUse, Self::NotTaken, Self::Replaced, Self::SetAside];

    pub fn name(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::NotTaken => "not_taken",
            Self::Replaced => "replaced",
            Self::SetAside => "set_aside",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Coefficient {
    pub name: String,
    pub value: f64,
}

impl Model {
    pub fn named(values: &[f64]) -> Vec<Coefficient> {
        let pairs = names().zip(values);
        pairs.map(|(name, value)| Coefficient { name: name.to_owned(), value: *value }).collect()
    }

    /// The coefficients in the order of the numbers; `None` when it was learned from other numbers than these.
    pub fn values(&self) -> Option<Vec<f64>> {
        let known = self.coefficients.len() == WIDTH
            && names().zip(&self.coefficients).all(|(name, coefficient)| coefficient.name == name)
            && self.coefficients.iter().all(|coefficient| coefficient.value.is_finite());
        known.then(|| self.coefficients.iter().map(|coefficient| coefficient.value).collect())
    }
}

/// The zones as coefficients: what is predicted before anything was learned, and what learning starts from.
pub fn cold_start() -> Vec<f64> {
    let log_hazard = |level: Level| (-(-level.assumed_probability()).ln_1p() / minutes(HORIZON)).ln();
    let (safe, warning, danger) =
        (log_hazard(Level::Safe), log_hazard(Level::Warning), log_hazard(Level::Danger));
    let value = |name| match name {
        CONSTANT => safe,
        ZONE_WARNING => warning - safe,
        ZONE_DANGER => danger - warning,
        _ => 0.0,
    };
    names().map(value).collect()
}

/// The probability of a crash within `span`, should the signals stay as they are.
pub fn within(coefficients: &[f64], numbers: &Numbers, span: Duration) -> f64 {
    let log_hazard = numbers.times(coefficients).clamp(LOG_HAZARD_MIN, LOG_HAZARD_MAX);
    let minutes = minutes(span);
    if minutes <= 0.0 { 0.0 } else { probability(Link::Cloglog, log_hazard + minutes.ln()) }
}

pub fn minutes(span: Duration) -> f64 {
    span.as_secs_f64() / 60.0
}

/// What a probability within the horizon is called.
pub fn level(probability: f64) -> Level {
    match probability {
        p if p >= DANGER_AT => Level::Danger,
        p if p >= WARNING_AT => Level::Warning,
        _ => Level::Safe,
    }
}

/// Whether a crash of this kind is one that signals could foretell. What the machine, an update or the client's
/// list did says nothing of the chat.
pub fn is_foretold(kind: CrashKind) -> bool {
    matches!(kind, CrashKind::OutOfMemory | CrashKind::Killed | CrashKind::Exited | CrashKind::Hung)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HORIZON, Model, cold_start, level, within};
    use crate::{
        chats::Client,
        prediction::features::Numbers,
        risk::{Level, Zones, risk},
        signals::Signals,
        time::Timestamp,
    };

    fn foretold(signals: &Signals) -> f64 {
        within(&cold_start(), &Numbers::of(signals, &Zones::default()), HORIZON)
    }

    #[test]
    fn the_cold_start_means_what_it_says() {
        let safe = Signals::default();
        let warning = Signals { context_used: Some(0.8), ..Signals::default() };
        let danger = Signals { context_used: Some(0.8), messages: 60, ..Signals::default() };
        for (signals, wanted) in [(safe, 0.01), (warning, 0.05), (danger, 0.2)] {
            assert!((foretold(&signals) - wanted).abs() < 1e-6, "{}", foretold(&signals));
        }
    }

    #[test]
    fn a_model_of_other_numbers_is_not_used() {
        let mut model = Model {
            client: Client::Codex,
            trained_at: Timestamp::default(),
            since: Timestamp::default(),
            rows: 0,
            crashes: 0,
            strength: 1.0,
            coefficients: Model::named(&cold_start()),
            held_out: None,
        };
        assert_eq!(model.values(), Some(cold_start()));
        let text = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<Model>(&text).unwrap(), model);
        model.coefficients.swap(1, 2);
        assert_eq!(model.values(), None);
        model.coefficients.clear();
        assert_eq!(model.values(), None);
    }

    proptest! {
        #[test]
        fn the_cold_start_is_the_zones(
            context in prop::option::of(0.0..1.0_f64), messages in 0..80_u64, minutes in 0.0..200.0_f64,
            calls in 0..25_u64, failures in prop::option::of(0.0..1.0_f64), cpu in 0.0..2.0_f64,
        ) {
            let signals = Signals {
                context_used: context, messages, age_seconds: Some(minutes * 60.0), calls_since_checkpoint: calls,
                failure_rate: failures, tool_calls: calls, cpu: Some(cpu), ..Signals::default()
            };
            prop_assert_eq!(level(foretold(&signals)), risk(&signals, &Zones::default()).level);
        }

        #[test]
        fn a_longer_horizon_is_never_less_likely(
            coefficients in prop::collection::vec(-1e3..1e3_f64, super::WIDTH), seconds in 0..100_000_u64,
        ) {
            let signals = Signals { context_used: Some(0.8), ..Signals::default() };
            let numbers = Numbers::of(&signals, &Zones::default());
            let at = |seconds| within(&coefficients, &numbers, std::time::Duration::from_secs(seconds));
            let (shorter, longer) = (at(seconds), at(seconds * 2));
            prop_assert!((0.0..=1.0).contains(&shorter) && shorter <= longer, "{shorter} {longer}");
        }
    }

    #[test]
    fn levels_are_those_of_the_probability() {
        for (p, wanted) in
            [(0.0, Level::Safe), (0.03, Level::Warning), (0.1, Level::Danger), (1.0, Level::Danger)]
        {
            assert_eq!(level(p), wanted);
        }
    }
}
