//! `GET /api/charts/…`: a picture and the numbers it was drawn from.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Days that a history of crashes covers where nothing else is asked for, and at most.
pub const DAYS: u32 = 30;
pub const DAYS_MAX: u32 = 366;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Chart {
    pub title: String,
    /// An SVG element whose colours are the page's: `fill` and `stroke` name its tokens, and no style stands in it.
    pub svg: String,
    /// What the numbers count, such as `crashes`.
    pub unit: String,
    /// Names of the series, in the order of each row's values.
    pub series: Vec<String>,
    /// Oldest first.
    pub rows: Vec<ChartRow>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct ChartRow {
    /// A day or a moment, as it is written.
    pub label: String,
    /// Null where nothing was measured.
    pub values: Vec<Option<f64>>,
}
