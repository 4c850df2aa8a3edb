//! The zones: what is told of a chat's risk before anything was learned.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::signals::Signals;

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
    pub const ALL: [Self; 3] = [Self::Safe, Self::Warning, Self::Danger];

    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// Two signals in danger are a danger; one, or three in the warning, are a warning.
pub fn zone(signals: &Signals) -> Level {
    let at = |value: f64, warning: f64, danger: f64| match value {
        value if value >= danger => Level::Danger,
        value if value >= warning => Level::Warning,
        _ => Level::Safe,
    };
    let levels = [
        at(signals.context_used.unwrap_or(0.0), 0.60, 0.75),
        at(signals.messages as f64, 35.0, 50.0),
        at(signals.age_seconds.unwrap_or(0.0) / 60.0, 60.0, 90.0),
        at(signals.calls_since_checkpoint as f64, 10.0, 15.0),
        at(signals.failure_rate.unwrap_or(0.0), 0.15, 0.20),
    ];
    let count = |level: Level| levels.iter().filter(|found| **found >= level).count();
    match (count(Level::Danger), count(Level::Warning)) {
        (2.., _) => Level::Danger,
        (1, _) | (0, 3..) => Level::Warning,
        (0, _) => Level::Safe,
    }
}
