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
    /// Predictions that are kept, one a minute and chat.
    pub predictions: u64,
    /// What they were worth; null when it is not enough yet.
    pub score: Option<Score>,
    /// How far it is to a first figure; null when there are figures.
    pub not_enough: Option<NotEnough>,
    pub alarms: AlarmScore,
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
