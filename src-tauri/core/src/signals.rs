//! Signals: the numbers of one chat at one moment, from its records and its processes, with no help from the
//! model. What they mean is decided elsewhere.

mod errors;
mod gauge;
mod tally;
#[cfg(test)]
mod tests;

pub use errors::kind_of_error;
pub use gauge::Gauge;
pub use tally::Tally;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{chats::Client, digest::Digest, readings::HostReading, time::Timestamp};

/// Span over which rates and slopes are taken.
pub const WINDOW: Duration = Duration::from_secs(600);
/// Least time between two rows of one chat's history, unless a minute begins.
const ROWS_APART: Duration = Duration::from_secs(15);
/// Share of the context by which a row must differ to be worth keeping before the minute is over.
const CONTEXT_STEP: f64 = 0.01;
/// The same for memory, as a share of what it was.
const RSS_STEP: f64 = 0.1;

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
    /// Seconds that the model has been silent: since it answered or was asked last; while the chat works.
    pub since_answer_seconds: Option<f64>,
    /// Median seconds from a request to its answer over the last ten.
    pub latency_seconds: Option<f64>,
    /// Latency of the newer half of those over that of the older half; 1 is no change.
    pub latency_trend: Option<f64>,
    /// Failed tool calls over all of the last fifty, 0 to 1.
    pub failure_rate: Option<f64>,
    /// Tool calls that failed one after the other, up to now.
    pub failures_in_a_row: u64,
    /// Kinds of the last errors, the newest first: `overloaded`, `rate_limit` and others, `tool:NAME` for a call
    /// that failed.
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

/// What is known of a chat at one moment beside its records.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub client: Client,
    pub now: Timestamp,
    /// When the process that holds the chat was started.
    pub since: Option<Timestamp>,
    pub working: bool,
    /// Bytes of the transcript by now.
    pub transcript_bytes: u64,
    pub gauge: &'a Gauge,
    pub host: &'a HostReading,
}

/// The numbers of a chat at a moment.
pub fn signals(digest: &Digest, moment: &Moment<'_>) -> Signals {
    let (tally, now) = (&digest.tally, moment.now);
    let pressure = (moment.host.memory_total > 0).then(|| moment.host.pressure());
    Signals {
        at: now,
        client_version: digest.version.clone(),
        tokens: digest.tokens,
        context_used: digest.context_used(moment.client),
        tokens_per_message: (tally.prompts > 0).then(|| digest.tokens as f64 / tally.prompts as f64),
        messages: tally.messages,
        tool_calls: tally.calls,
        calls_since_checkpoint: tally.calls_since_checkpoint,
        messages_per_minute: tally.messages_per_minute(now),
        age_seconds: moment.since.map(|since| now.since(since).as_secs_f64()),
        since_answer_seconds: tally
            .exchanged_at()
            .filter(|_| moment.working)
            .map(|at| now.since(at).as_secs_f64()),
        latency_seconds: tally.latency_seconds(),
        latency_trend: tally.latency_trend(),
        failure_rate: tally.failure_rate(),
        failures_in_a_row: tally.failures_in_a_row,
        recent_errors: tally.recent_errors.clone(),
        rss_bytes: moment.gauge.rss_bytes(),
        rss_slope: moment.gauge.rss_slope(),
        cpu: moment.gauge.cpu(),
        transcript_growth: moment.gauge.transcript_growth(now, moment.transcript_bytes),
        transcript_bytes: moment.transcript_bytes,
        memory_pressure: pressure,
    }
}

/// Whether a row is written for these: the first, the first of each minute, and where something changed that
/// is not merely time.
pub fn is_worth_keeping(kept: Option<&Signals>, new: &Signals) -> bool {
    let Some(kept) = kept else { return true };
    let minute = |at: Timestamp| at.ms().div_euclid(60_000);
    minute(new.at) != minute(kept.at) || (new.at.since(kept.at) >= ROWS_APART && differ(kept, new))
}

fn differ(a: &Signals, b: &Signals) -> bool {
    let counts = |s: &Signals| (s.messages, s.tool_calls, s.failures_in_a_row);
    let context = |s: &Signals| s.context_used.unwrap_or(0.0);
    let rss = |s: &Signals| s.rss_bytes.unwrap_or(0) as f64;
    counts(a) != counts(b)
        || a.recent_errors != b.recent_errors
        || (context(a) - context(b)).abs() >= CONTEXT_STEP
        || (rss(a) - rss(b)).abs() > rss(a) * RSS_STEP
}
