//! `/api/experiments`: what is tried on SHIM's own settings, on what evidence, and its user's word about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::ChatId,
    experiments::{
        improvement::{Effect, Idea, Rest, Totals},
        machine::{Counts, Plan, Point, State},
        outcomes::Metric,
    },
    knobs::{ChangedBy, Unit, Varies},
    settings::Value,
    time::Timestamp,
};
use ts_rs::TS;

/// `POST /api/experiments/anew`: where what could not be read was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutAside {
    pub path: String,
}

/// `GET /api/experiments`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Experiments {
    /// Ideas are tried without being asked.
    pub automatic: bool,
    /// Deployed and confirmed are counted apart: what was deployed is tried on most chats and not proved.
    pub totals: Totals,
    /// The newest first.
    pub experiments: Vec<Experiment>,
    /// Knobs that are left alone for a while.
    pub rests: BTreeMap<String, Rest>,
    pub knobs: Vec<Knob>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Experiment {
    pub id: u64,
    pub plan: Plan,
    pub state: State,
    /// The state in a word or two.
    pub standing: String,
    #[ts(type = "string | null")]
    pub began_at: Option<Timestamp>,
    /// One for each value, the old one first.
    pub arms: Vec<Arm>,
    /// One for each new value.
    pub trials: Vec<Trial>,
    /// Chats that met two values and do not count.
    pub double_exposed: u64,
    /// Evidence that chats did not come to the arms as they were assigned; broken from 1000 on.
    pub ratio_e: f64,
    /// What the buckets are salted with, as for Statsig.
    pub salt: String,
    /// Of an idea that waits: what is hoped of it.
    pub worth: Option<f64>,
    /// What is asked of the evidence to confirm, and to roll back.
    pub confirm_e: f64,
    pub rollback_e: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts", rename = "ExperimentArm")]
pub struct Arm {
    pub value: Value,
    /// Of 10000 chats that come up so many get it.
    pub share: u64,
    pub counts: Counts,
}

/// A new value against the old one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts", rename = "ExperimentTrial")]
pub struct Trial {
    pub arm: usize,
    pub last: Point,
    /// How the evidence came to stand there.
    pub course: Vec<Point>,
    /// Null until each side has an outcome.
    pub effect: Option<Interval>,
    /// Why it is out.
    pub dropped: Option<String>,
    pub bounds: Vec<BoundStand>,
}

/// How far the new value is from the old one; holds the truth with a probability of 95 % at every look together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts", rename = "EffectInterval")]
pub struct Interval {
    /// The new value's over the old one's, not their difference.
    pub is_ratio: bool,
    pub low: f64,
    pub estimate: f64,
    pub high: f64,
}

/// A safety bound over a new value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct BoundStand {
    pub name: String,
    pub about: String,
    /// Evidence that it is broken, by itself and against the old value; broken from 20 on.
    pub absolute_e: f64,
    pub relative_e: f64,
    /// The old value breaks it as well: only the comparison counts.
    pub waived: bool,
}

/// A setting that may be tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Knob {
    pub key: String,
    pub unit: Unit,
    pub about: String,
    pub default: Value,
    /// What holds for chats in no experiment.
    pub value: Value,
    /// Set in config.toml: not tried.
    pub is_set: bool,
    pub min: u64,
    pub max: u64,
    /// How far it may be moved at once.
    pub step: String,
    pub affects: Vec<Metric>,
    pub changed_by: ChangedBy,
    pub varies: Varies,
}

/// `POST /api/experiments`: its user's word. Answered with the experiment as it then stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "do", rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum ExperimentRequest {
    /// Keeps an idea, and begins it at once where `start` says so.
    Propose {
        idea: Idea,
        start: bool,
    },
    Start {
        experiment: u64,
    },
    Stop {
        experiment: u64,
    },
    /// This arm for all chats.
    Pin {
        experiment: u64,
        arm: usize,
    },
    /// This arm for this chat.
    Override {
        experiment: u64,
        chat: ChatId,
        arm: usize,
    },
    /// Takes back what it shipped.
    Undo {
        experiment: u64,
    },
}

/// `GET /api/experiments/audit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Audit {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// The whole log was played again; null where that was not asked for.
    pub replay: Option<Replay>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct AuditEntry {
    pub number: u64,
    #[ts(type = "string")]
    pub at: Timestamp,
    /// What happened, as JSON of the loop's event; null where it is of another version's words.
    #[ts(type = "unknown")]
    pub event: serde_json::Value,
    pub decided: Vec<Effect>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts", rename = "AuditReplay")]
pub struct Replay {
    pub entries: u64,
    /// It gave the state that is in force.
    pub same: bool,
    /// Why not, or from where on it was played.
    pub note: String,
}
