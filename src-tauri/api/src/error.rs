//! The one error that crosses the wire.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `message` says what failed, on what, why, and what to do next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
#[ts(export, export_to = "api.ts")]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
    #[serde(default)]
    #[ts(type = "unknown")]
    pub details: serde_json::Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum ErrorCode {
    /// The request itself is wrong.
    BadRequest,
    /// The token is missing or wrong, or the request comes from a foreign page.
    Forbidden,
    NotFound,
    /// It is not done, for the reason the message gives.
    Refused,
    /// More than one thing answers to the name.
    Ambiguous,
    /// No engine answers.
    EngineDown,
    /// The store cannot be read or written.
    Store,
    Internal,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: serde_json::Value::Null }
    }
}
