//! `GET /api/settings`, `POST /api/settings`: what stands in `config.toml`, and changes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shim_core::settings::{Takes, Value, Wrong};
use ts_rs::TS;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct SettingsView {
    /// The file they stand in.
    pub path: String,
    /// The whole file, to be kept elsewhere.
    pub text: String,
    pub keys: Vec<Setting>,
    /// What is wrong in the file; while anything is, what was set before holds on.
    pub wrong: Vec<Wrong>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Setting {
    pub name: String,
    /// What it is, with its unit and range.
    pub about: String,
    pub takes: Takes,
    pub default: Value,
    /// Null where the file does not hold the key, so that the default does.
    pub value: Option<Value>,
    /// Was changed since the engine started, and holds wholly only from its next start on.
    pub waits_for_start: bool,
}

/// Changes of the file. All are made, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct SettingsChange {
    /// By key; null goes back to the default.
    #[serde(default)]
    pub changes: BTreeMap<String, Option<Value>>,
    /// The whole file instead, as it was kept elsewhere; `changes` are made to it.
    #[serde(default)]
    pub text: Option<String>,
}
