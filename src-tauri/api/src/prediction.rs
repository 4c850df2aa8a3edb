//! `GET /api/prediction`: what foretells crashes, and what it was worth.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::Client,
    prediction::{
        model::Model,
        scoring::{AlarmScore, NotEnough, Score},
        training::Verdict,
    },
    risk::Source,
    time::Timestamp,
};
use ts_rs::TS;

/// One client's prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Prediction {
    pub client: Client,
    /// What is in use: the zones, or a model that was learned on this machine.
    pub source: Source,
    /// The model in use; null for the zones.
    pub model: Option<ModelInUse>,
    /// Null when nothing was trained yet.
    pub last_training: Option<Training>,
    /// Crashes of this client's chats that could be learned from, and how many it takes to begin.
    pub crashes: u64,
    pub crashes_needed: u64,
    /// What is in use was worth, by its own predictions and no others.
    pub worth: Worth,
    /// The same of each that was in use before and of which predictions are kept; the zones first, then models in
    /// the order they were learned.
    pub before: Vec<Before>,
}

/// What the zones or one model was worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Worth {
    /// Its predictions that are kept, one a minute and chat.
    pub predictions: u64,
    /// Null when it is not enough yet.
    pub score: Option<Score>,
    /// How far it is to a first figure; null when there are figures.
    pub not_enough: Option<NotEnough>,
    /// A crash counts for what predicted last before it.
    pub alarms: AlarmScore,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Before {
    /// The model's version; null for the zones.
    pub version: Option<i64>,
    pub worth: Worth,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct ModelInUse {
    pub version: i64,
    pub model: Model,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Training {
    pub version: i64,
    #[ts(type = "string")]
    pub at: Timestamp,
    pub outcome: Verdict,
}
