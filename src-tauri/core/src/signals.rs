//! Signals: the numbers of one chat at one moment, from its records and its processes, with no help from the
//! model. Nothing is decided here.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::time::Timestamp;

/// One chat's numbers at one moment. A number that is not known is null, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Signals {
    #[ts(type = "string")]
    pub at: Timestamp,
    /// Of the client, as it says itself.
    pub client_version: Option<String>,
    /// Input, cache and output tokens of all answers.
    pub tokens: u64,
    /// Share of the model's context that the last answer used, 0 to 1.
    pub context_used: Option<f64>,
    /// Tokens of all answers over the user's messages.
    pub tokens_per_message: Option<f64>,
    /// The user's messages and the model's answers in this process's life.
    pub messages: u64,
    pub tool_calls: u64,
    pub calls_since_checkpoint: u64,
    /// Messages per minute over the last ten minutes.
    pub messages_per_minute: f64,
    /// Seconds since the process that holds the chat started.
    pub age_seconds: Option<f64>,
    /// Seconds since the model last answered, while the chat works.
    pub since_answer_seconds: Option<f64>,
    /// Median seconds from a request to its answer over the last ten.
    pub latency_seconds: Option<f64>,
    /// Latency of the newer half of those over that of the older half; 1 is no change.
    pub latency_trend: Option<f64>,
    /// Failed tool calls over all of the last fifty, 0 to 1.
    pub failure_rate: Option<f64>,
    /// Tool calls that failed one after the other, up to now.
    pub failures_in_a_row: u64,
    /// Kinds of the last errors, the newest first.
    pub recent_errors: Vec<String>,
    /// Resident memory of the client's process, in bytes.
    pub rss_bytes: Option<u64>,
    /// Its slope over the last ten minutes, in bytes per second.
    pub rss_slope: Option<f64>,
    /// Share of one core that the client's process used since the last reading; may exceed 1.
    pub cpu: Option<f64>,
    /// Bytes per second by which the transcript grew over the last ten minutes.
    pub transcript_growth: f64,
    pub transcript_bytes: u64,
    /// Share of the machine's memory in use, 0 to 1.
    pub memory_pressure: Option<f64>,
}
