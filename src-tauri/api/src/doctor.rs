//! `GET /api/doctor`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::install::InstallRequest;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Finding {
    pub level: Level,
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What to do about it; null when nothing.
    pub advice: Option<String>,
    /// What mends it by one click; null where nothing does.
    pub fix: Option<InstallRequest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Level {
    Ok,
    Note,
    Problem,
}
