//! How near a chat is to trouble, by zones: limits on single signals, as a start while nothing was learned on this
//! machine. Nothing is done about it here.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::signals::Signals;

/// Calls of a process before its failure rate counts: of fewer, one that failed would be a zone of its own.
const FAILURES_CALLS_MIN: u64 = 10;
/// Warnings that are as bad as one danger.
const WARNINGS_OF_WARNING: usize = 3;
/// Dangers that make danger of the whole.
const DANGERS_OF_DANGER: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Level {
    #[default]
    Safe,
    Warning,
    Danger,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }

    /// What the zones say of a crash within the hour. Nobody measured it: the numbers put the levels in order and say
    /// that most chats in danger do not die soon. A learned probability takes their place.
    pub fn assumed_probability(self) -> f64 {
        match self {
            Self::Safe => 0.01,
            Self::Warning => 0.05,
            Self::Danger => 0.2,
        }
    }
}

/// Where a probability comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Source {
    /// Assumed for the level, measured on nothing.
    Zones,
    /// Learned from what happened on this machine.
    Model,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Self::Zones => "zones",
            Self::Model => "model",
        }
    }
}

/// A signal that has zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Sign {
    Context,
    Messages,
    Age,
    Calls,
    Failures,
}

/// A signal that lies in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Reason {
    pub sign: Sign,
    pub level: Level,
    /// For a person: how much it is, and from where on that is too much.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Risk {
    pub level: Level,
    /// Of a crash within the hour, 0 to 1.
    pub probability: f64,
    pub source: Source,
    /// What lies in a zone, danger first.
    pub reasons: Vec<Reason>,
}

impl Risk {
    /// With a probability that was learned.
    pub fn learned(self, probability: f64) -> Self {
        Self { probability: probability.clamp(0.0, 1.0), source: Source::Model, ..self }
    }
}

/// Where a zone begins: a signal that is as high lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Share of the context used, in per cent.
    pub context_percent: u64,
    /// Messages of the user and of the model since the process started.
    pub messages: u64,
    /// Age of the process.
    pub minutes: u64,
    /// Tool calls since the last checkpoint.
    pub calls: u64,
    /// Failed tool calls of the last fifty, in per cent.
    pub failures_percent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zones {
    pub warning: Limits,
    pub danger: Limits,
}

impl Default for Zones {
    fn default() -> Self {
        Self {
            warning: Limits {
                context_percent: 60,
                messages: 35,
                minutes: 60,
                calls: 10,
                failures_percent: 15,
            },
            danger: Limits {
                context_percent: 75,
                messages: 50,
                minutes: 90,
                calls: 15,
                failures_percent: 20,
            },
        }
    }
}

/// Two dangers are danger; one danger or three warnings are a warning; anything less is safe.
pub fn risk(signals: &Signals, zones: &Zones) -> Risk {
    let mut reasons: Vec<_> = signs(signals).into_iter().filter_map(|sign| sign.reason(zones)).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
    let dangers = reasons.iter().filter(|reason| reason.level == Level::Danger).count();
    let warnings = reasons.len() - dangers;
    let level = if dangers >= DANGERS_OF_DANGER {
        Level::Danger
    } else if dangers > 0 || warnings >= WARNINGS_OF_WARNING {
        Level::Warning
    } else {
        Level::Safe
    };
    Risk { level, probability: level.assumed_probability(), source: Source::Zones, reasons }
}

/// One signal as it is measured against its limits.
struct Measured {
    sign: Sign,
    /// In the unit of the limit.
    value: f64,
    limit: fn(&Limits) -> u64,
    words: fn(f64, u64) -> String,
}

/// Those that are known.
fn signs(signals: &Signals) -> Vec<Measured> {
    let context = signals.context_used.map(|used| Measured {
        sign: Sign::Context,
        value: used * 100.0,
        limit: |limits| limits.context_percent,
        words: |value, limit| format!("{value:.0} % of the context is used (limit {limit} %)"),
    });
    let messages = Measured {
        sign: Sign::Messages,
        value: signals.messages as f64,
        limit: |limits| limits.messages,
        words: |value, limit| format!("{value} messages since it was started (limit {limit})"),
    };
    let age = signals.age_seconds.map(|age| Measured {
        sign: Sign::Age,
        value: age / 60.0,
        limit: |limits| limits.minutes,
        words: |value, limit| format!("it has run for {:.0} minutes (limit {limit})", value.floor()),
    });
    let calls = Measured {
        sign: Sign::Calls,
        value: signals.calls_since_checkpoint as f64,
        limit: |limits| limits.calls,
        words: |value, limit| format!("{value} tool calls since the last checkpoint (limit {limit})"),
    };
    let rate = signals.failure_rate.filter(|_| signals.tool_calls >= FAILURES_CALLS_MIN);
    let failures = rate.map(|rate| Measured {
        sign: Sign::Failures,
        value: rate * 100.0,
        limit: |limits| limits.failures_percent,
        words: |value, limit| format!("{value:.0} % of the last tool calls failed (limit {limit} %)"),
    });
    [context, Some(messages), age, Some(calls), failures].into_iter().flatten().collect()
}

/// A share of 0.6 must count as 60 %, though it may come out a hair below.
const HAIR: f64 = 1e-9;

impl Measured {
    fn reason(&self, zones: &Zones) -> Option<Reason> {
        let reached = |limits| {
            let limit = (self.limit)(limits);
            (self.value + HAIR >= limit as f64).then_some(limit)
        };
        let (level, limit) = match (reached(&zones.danger), reached(&zones.warning)) {
            (Some(limit), _) => (Level::Danger, limit),
            (None, Some(limit)) => (Level::Warning, limit),
            (None, None) => return None,
        };
        Some(Reason { sign: self.sign, level, text: (self.words)(self.value, limit) })
    }
}

#[cfg(test)]
#[path = "risk_tests.rs"]
mod tests;
