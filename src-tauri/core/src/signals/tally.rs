//! What the records of one chat add up to, folded one by one beside its digest and stored with it, so that going on
//! from what is stored gives the same as never having stopped. Bounded, whatever the chat's length.

use serde::{Deserialize, Serialize};

use super::{WINDOW, kind_of_error};
use crate::{
    observations::{Answer, Observed, ToolResult, What},
    time::Timestamp,
};

/// What is counted and how. A stored tally of another version is made anew from the journal.
const VERSION: u32 = 1;
/// Answers that may be told again: records of one answer stand close together.
const ANSWERS_MAX: usize = 4;
/// Requests whose time to the answer is kept.
const LATENCIES_MAX: usize = 10;
/// Requests from which on a trend is told: two on each side.
const TREND_MIN: usize = 4;
/// Results of tool calls that the failure rate looks at; at most 64, the bits of a word.
const OUTCOMES_MAX: u32 = 50;
const ERRORS_MAX: usize = 5;
/// Characters of a tool's name in the kind of an error.
const TOOL_CHARS_MAX: usize = 40;
const MINUTE_MS: i64 = 60_000;
const WINDOW_MINUTES: i64 = (WINDOW.as_secs() / 60).cast_signed();

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    version: u32,
    /// Start of the life that is counted: older records do not count for it. None counts all.
    since: Option<Timestamp>,
    /// The user's messages, of all lives.
    pub prompts: u64,
    /// The user's messages and the model's answers in this life.
    pub messages: u64,
    /// Tool calls in this life.
    pub calls: u64,
    pub calls_since_checkpoint: u64,
    pub failures_in_a_row: u64,
    /// The newest first.
    pub recent_errors: Vec<String>,
    /// Messages by the minute they came in, the oldest first.
    minutes: Vec<(i64, u32)>,
    /// Ids of the last answers.
    answers: Vec<String>,
    /// When the model was asked what it has not answered yet.
    asked_at: Option<Timestamp>,
    /// When the model last answered or was asked.
    exchanged_at: Option<Timestamp>,
    /// Milliseconds from a request to the first record of its answer, the oldest first.
    latencies: Vec<u32>,
    /// Results of the last tool calls, the newest in the lowest bit; set is failed.
    outcomes: u64,
    outcomes_known: u32,
}

/// As it is before the first record.
impl Default for Tally {
    fn default() -> Self {
        Self { version: VERSION, ..Self::uncounted() }
    }
}

impl Tally {
    /// Counts the life of the process that was started at `since`, and nothing older.
    pub fn of_life(since: Timestamp) -> Self {
        Self { since: Some(since), ..Self::default() }
    }

    /// Of a digest that was stored before there were tallies.
    pub fn uncounted() -> Self {
        Self {
            version: 0,
            since: None,
            prompts: 0,
            messages: 0,
            calls: 0,
            calls_since_checkpoint: 0,
            failures_in_a_row: 0,
            recent_errors: Vec::new(),
            minutes: Vec::new(),
            answers: Vec::new(),
            asked_at: None,
            exchanged_at: None,
            latencies: Vec::new(),
            outcomes: 0,
            outcomes_known: 0,
        }
    }

    /// Whether it was counted as this version counts.
    pub fn is_current(&self) -> bool {
        self.version == VERSION
    }

    pub fn life(&self) -> Option<Timestamp> {
        self.since
    }

    /// A process took the chat up, and no record is younger than its start.
    pub fn begin_life(&mut self, since: Timestamp) {
        self.since = Some(since);
        self.messages = 0;
        self.calls = 0;
    }

    /// A checkpoint was taken of the chat as it stands.
    pub fn checkpointed(&mut self) {
        self.calls_since_checkpoint = 0;
    }

    /// Folds one record of the chat's own. `tool` names the tool of a call that is open, by the call's id.
    pub fn fold<'a>(&mut self, observed: &Observed, tool: impl Fn(&str) -> Option<&'a str>) {
        let at = observed.at;
        match &observed.what {
            What::Prompt { .. } => {
                self.prompts += 1;
                self.count_message(at);
                self.asked(at);
            }
            What::TurnBegun => self.asked(at),
            What::ToolResults(results) => {
                results.iter().for_each(|result| self.result(result, &tool));
                self.asked(at);
            }
            What::Answer(answer) => self.answer(answer, at, &tool),
            What::ApiError { text } => {
                self.error(kind_of_error(text).to_owned());
                self.asked_at = None;
            }
            What::CompactionFailed { text } => self.error(kind_of_error(text).to_owned()),
            What::Interrupted | What::CutTurnClosed => self.asked_at = None,
            What::Command { .. } | What::Compaction | What::Title { .. } | What::Other => {}
        }
    }

    fn asked(&mut self, at: Option<Timestamp>) {
        self.asked_at = at.or(self.asked_at);
        self.exchanged(at);
    }

    fn exchanged(&mut self, at: Option<Timestamp>) {
        self.exchanged_at = at.max(self.exchanged_at);
    }

    fn is_of_this_life(&self, at: Option<Timestamp>) -> bool {
        self.since.zip(at).is_none_or(|(since, at)| at >= since)
    }

    fn count_message(&mut self, at: Option<Timestamp>) {
        self.messages += u64::from(self.is_of_this_life(at));
        let Some(minute) = at.map(|at| at.ms().div_euclid(MINUTE_MS)) else { return };
        match self.minutes.binary_search_by_key(&minute, |(known, _)| *known) {
            Ok(index) => {
                if let Some((_, count)) = self.minutes.get_mut(index) {
                    *count = count.saturating_add(1);
                }
            }
            Err(index) => self.minutes.insert(index, (minute, 1)),
        }
        let newest = self.minutes.last().map_or(minute, |(newest, _)| *newest);
        self.minutes.retain(|(minute, _)| *minute > newest.saturating_sub(WINDOW_MINUTES + 1));
    }

    fn answer<'a>(
        &mut self,
        answer: &Answer,
        at: Option<Timestamp>,
        tool: &impl Fn(&str) -> Option<&'a str>,
    ) {
        // A call that is open was told before.
        let new = answer.calls.iter().filter(|call| tool(&call.id).is_none()).count() as u64;
        self.calls += if self.is_of_this_life(at) { new } else { 0 };
        self.calls_since_checkpoint += new;
        // A record that says nothing yet, or only that all was said, is none of the model's words.
        if answer.text.is_some() || answer.usage.is_some() || !answer.calls.is_empty() {
            if let Some((asked, at)) = self.asked_at.take().zip(at) {
                let took = u32::try_from(at.since(asked).as_millis()).unwrap_or(u32::MAX);
                push(&mut self.latencies, took, LATENCIES_MAX);
            }
            self.exchanged(at);
        }
        match &answer.message_id {
            Some(id) if !self.answers.contains(id) => {
                push(&mut self.answers, id.clone(), ANSWERS_MAX);
                self.count_message(at);
            }
            None if answer.text.is_some() => self.count_message(at),
            Some(_) | None => {}
        }
    }

    fn result<'a>(&mut self, result: &ToolResult, tool: &impl Fn(&str) -> Option<&'a str>) {
        self.outcomes = (self.outcomes << 1) | u64::from(result.failed);
        self.outcomes_known = (self.outcomes_known + 1).min(OUTCOMES_MAX);
        if result.failed {
            self.failures_in_a_row += 1;
            let name: String =
                tool(&result.call_id).unwrap_or("unknown").chars().take(TOOL_CHARS_MAX).collect();
            self.error(format!("tool:{name}"));
        } else {
            self.failures_in_a_row = 0;
        }
    }

    fn error(&mut self, kind: String) {
        self.recent_errors.insert(0, kind);
        self.recent_errors.truncate(ERRORS_MAX);
    }

    pub fn exchanged_at(&self) -> Option<Timestamp> {
        self.exchanged_at
    }

    /// Over the ten minutes up to `now`, by whole minutes of the clock.
    pub fn messages_per_minute(&self, now: Timestamp) -> f64 {
        let minute = now.ms().div_euclid(MINUTE_MS);
        let window = minute.saturating_sub(WINDOW_MINUTES) + 1..=minute;
        let count: u64 = self
            .minutes
            .iter()
            .filter(|(at, _)| window.contains(at))
            .map(|(_, count)| u64::from(*count))
            .sum();
        count as f64 / WINDOW_MINUTES as f64
    }

    /// Failed over all of the last calls that ended, 0 to 1.
    pub fn failure_rate(&self) -> Option<f64> {
        let known = self.outcomes & (1_u64 << self.outcomes_known).wrapping_sub(1);
        (self.outcomes_known > 0).then(|| f64::from(known.count_ones()) / f64::from(self.outcomes_known))
    }

    pub fn latency_seconds(&self) -> Option<f64> {
        median(&self.latencies)
    }

    /// The newer half over the older half; the one in the middle of an odd number belongs to neither.
    pub fn latency_trend(&self) -> Option<f64> {
        let half = self.latencies.len() / 2;
        let (older, newer) =
            (self.latencies.get(..half)?, self.latencies.get(self.latencies.len() - half..)?);
        let (older, newer) = (median(older)?, median(newer)?);
        (self.latencies.len() >= TREND_MIN && older > 0.0).then(|| newer / older)
    }
}

/// In seconds.
fn median(ms: &[u32]) -> Option<f64> {
    let mut sorted = ms.to_vec();
    sorted.sort_unstable();
    let half = sorted.len() / 2;
    let upper = f64::from(*sorted.get(half)?);
    let lower = if sorted.len().is_multiple_of(2) { f64::from(*sorted.get(half - 1)?) } else { upper };
    Some((lower + upper) / 2.0 / 1000.0)
}

/// Appends, and drops the oldest beyond `max`.
fn push<T>(list: &mut Vec<T>, item: T, max: usize) {
    if list.len() >= max {
        list.remove(0);
    }
    list.push(item);
}
