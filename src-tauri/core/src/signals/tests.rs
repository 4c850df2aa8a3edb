//! Signals of made-up chats: windows, stored and gone on with, lives.

use std::time::Duration;

use proptest::prelude::*;

use super::{Gauge, Moment, Signals, Tally, is_worth_keeping, signals};
use crate::{
    chats::Client,
    crashes::ToolCall,
    digest::Digest,
    observations::{Answer, Call, Observed, ToolResult, Usage, What},
    readings::{HostReading, Reading},
    time::Timestamp,
};

const START: Timestamp = Timestamp::from_ms(1_795_222_440_000);

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn record(at: Timestamp, what: What) -> Observed {
    Observed { at: Some(at), what, ..Observed::default() }
}

fn prompt(at: Timestamp) -> Observed {
    record(at, What::Prompt { text: "do".to_owned() })
}

fn answer(at: Timestamp, id: &str, calls: &[&str]) -> Observed {
    let call = |id: &&str| Call {
        id: (*id).to_owned(),
        call: ToolCall { tool: "Bash".to_owned(), input: serde_json::Value::Null },
        todo: None,
        touches: Vec::new(),
    };
    let usage = Usage { input: 50_000, output: 100, ..Usage::default() };
    let answer = Answer {
        message_id: Some(id.to_owned()),
        calls: calls.iter().map(call).collect(),
        usage: Some(usage),
        ..Answer::default()
    };
    record(at, What::Answer(answer))
}

fn result(at: Timestamp, call: &str, failed: bool) -> Observed {
    record(at, What::ToolResults(vec![ToolResult { call_id: call.to_owned(), failed }]))
}

fn fold(records: impl IntoIterator<Item = Observed>) -> Digest {
    go_on(Digest::default(), records)
}

fn go_on(mut digest: Digest, records: impl IntoIterator<Item = Observed>) -> Digest {
    for record in records {
        digest.fold(record);
    }
    digest
}

fn at(digest: &Digest, now: Timestamp) -> Signals {
    let (gauge, host) = (Gauge::default(), HostReading::default());
    let client = Client::ClaudeCode;
    let since = Some(START);
    signals(
        digest,
        &Moment { client, now, since, working: true, transcript_bytes: 0, gauge: &gauge, host: &host },
    )
}

#[test]
fn a_turn_with_tools_gives_its_numbers() {
    let digest = fold([
        prompt(after(0)),
        answer(after(2), "a", &["1"]),
        // A further record of the same answer.
        answer(after(3), "a", &["2"]),
        result(after(4), "1", true),
        result(after(10), "2", true),
        answer(after(16), "b", &["3"]),
        result(after(20), "3", false),
        answer(after(30), "c", &["4"]),
        result(after(31), "4", true),
    ]);
    let found = at(&digest, after(60));
    assert_eq!((found.messages, found.tool_calls, found.calls_since_checkpoint), (4, 4, 4));
    assert_eq!((found.tokens, found.tokens_per_message), (150_300, Some(150_300.0)));
    assert_eq!(found.context_used, Some(0.2505));
    assert_eq!((found.failure_rate, found.failures_in_a_row), (Some(0.75), 1));
    assert_eq!(found.recent_errors, ["tool:Bash"; 3]);
    // Asked at 0, 10 and 20.
    assert_eq!((found.latency_seconds, found.latency_trend), (Some(6.0), None));
    assert_eq!((found.since_answer_seconds, found.age_seconds), (Some(29.0), Some(60.0)));
    assert!((found.messages_per_minute - 0.4).abs() < 1e-9);
    assert_eq!(at(&digest, after(660)).messages_per_minute, 0.0);
}

#[test]
fn a_checkpoint_begins_the_count_of_calls_anew() {
    let mut digest = fold([prompt(after(0)), answer(after(1), "a", &["1", "2"])]);
    digest.tally.checkpointed();
    assert_eq!(at(&digest, after(2)).calls_since_checkpoint, 0);
    digest.fold(answer(after(3), "b", &["3"]));
    assert_eq!((at(&digest, after(4)).calls_since_checkpoint, at(&digest, after(4)).tool_calls), (1, 3));
}

#[test]
fn errors_of_the_api_and_of_tools_are_told_the_newest_first() {
    let gave_up = |text: &str| record(after(9), What::ApiError { text: text.to_owned() });
    let mut records: Vec<_> = (0..9).map(|_| gave_up("API Error: 529 overloaded")).collect();
    records.extend([answer(after(9), "a", &["1"]), result(after(9), "1", true), gave_up("429")]);
    let errors = at(&fold(records), after(10)).recent_errors;
    assert_eq!(errors, ["rate_limit", "tool:Bash", "overloaded", "overloaded", "overloaded"]);
}

#[test]
fn slower_answers_show_as_a_trend() {
    let took = [2, 2, 2, 2, 2, 6, 6, 6, 6, 6];
    let records = took.iter().enumerate().flat_map(|(n, seconds)| {
        let asked = after(100 * n as u64);
        [prompt(asked), answer(asked.plus(Duration::from_secs(*seconds)), &format!("{n}"), &[])]
    });
    let found = at(&fold(records), after(2000));
    assert_eq!((found.latency_seconds, found.latency_trend), (Some(4.0), Some(3.0)));
}

#[test]
fn a_life_counts_its_own_records_whenever_it_is_known() {
    let old = [prompt(after(0)), answer(after(1), "a", &["1"]), result(after(2), "1", false)];
    let new = [prompt(after(100)), answer(after(101), "b", &["2", "3"])];
    // Known before the first record of the new life.
    let mut live = fold(old.clone());
    live.tally.begin_life(after(50));
    let live = go_on(live, new.clone());
    // Known afterwards, and counted again from the journal.
    let mut again = Digest::default();
    again.tally = Tally::of_life(after(50));
    let again = go_on(again, old.into_iter().chain(new));
    assert_eq!(live, again);
    assert_eq!((live.tally.messages, live.tally.calls, live.tally.prompts), (2, 2, 2));
}

#[test]
fn a_digest_of_before_is_read_and_known_to_be_uncounted() {
    let digest = fold([prompt(after(0))]);
    let mut stored = serde_json::to_value(&digest).unwrap();
    assert!(serde_json::from_value::<Digest>(stored.clone()).unwrap().tally.is_current());
    stored.as_object_mut().unwrap().remove("tally");
    let read: Digest = serde_json::from_value(stored).unwrap();
    assert!(!read.tally.is_current());
    assert_eq!(read.title(), digest.title());
}

fn reading(at: Timestamp, rss_bytes: u64, cpu_seconds: f64) -> Reading {
    Reading { at, rss_bytes, cpu_seconds, ..Reading::default() }
}

#[test]
fn memory_that_grows_has_a_slope_and_a_busy_process_a_share() {
    let mut gauge = Gauge::default();
    for n in 0..=200_u64 {
        assert_eq!(gauge.rss_slope().is_some(), n * 5 > 60, "after {} s", n * 5);
        gauge.note(&reading(after(n * 5), 1_000_000 + n * 5 * 300, n as f64 * 2.5), n * 1000);
    }
    assert!((gauge.rss_slope().unwrap() - 300.0).abs() < 1e-6);
    assert_eq!((gauge.cpu(), gauge.rss_bytes()), (Some(0.5), Some(1_300_000)));
    assert!((gauge.transcript_growth(after(1000), 200_000) - 200.0).abs() < 1e-6);
    assert_eq!(gauge.transcript_growth(after(1000), 5), 0.0);
    // Only the last ten minutes count.
    (201..=330_u64).for_each(|n| gauge.note(&reading(after(n * 5), 1_300_000, 0.0), 0));
    assert!(gauge.rss_slope().unwrap().abs() < 1e-6);
}

#[test]
fn a_gauge_goes_on_from_the_history_after_a_restart() {
    let row = |n: u64| Signals {
        at: after(n * 60),
        rss_bytes: Some(1_000_000 + n * 60 * 50),
        transcript_bytes: n * 6000,
        ..Signals::default()
    };
    let gauge = Gauge::recalled(&(0..10).map(row).collect::<Vec<_>>());
    assert!((gauge.rss_slope().unwrap() - 50.0).abs() < 1e-6);
    assert!((gauge.transcript_growth(after(600), 60_000) - 100.0).abs() < 1e-6);
    assert_eq!((gauge.rss_bytes(), gauge.cpu()), (None, None), "what it takes now is not known yet");
}

#[test]
fn a_clock_set_back_makes_no_slope() {
    let mut gauge = Gauge::default();
    (0..20).for_each(|n| gauge.note(&reading(after(10_000 + n * 15), 5_000_000, 0.0), 0));
    gauge.note(&reading(after(0), 1_000_000, 0.0), 0);
    assert_eq!((gauge.rss_slope(), gauge.cpu()), (None, None));
}

#[test]
fn history_gets_a_row_each_minute_and_where_something_changed() {
    let kept = Signals { at: after(0), rss_bytes: Some(100), context_used: Some(0.5), ..Signals::default() };
    let later = |seconds, messages, rss, context| Signals {
        at: after(seconds),
        messages,
        rss_bytes: Some(rss),
        context_used: Some(context),
        ..kept.clone()
    };
    assert!(is_worth_keeping(None, &kept));
    for (new, worth) in [
        (later(59, 0, 105, 0.505), false),
        (later(60, 0, 100, 0.5), true),
        (later(10, 1, 100, 0.5), false),
        (later(15, 1, 100, 0.5), true),
        (later(15, 0, 111, 0.5), true),
        (later(15, 0, 100, 0.52), true),
    ] {
        assert_eq!(is_worth_keeping(Some(&kept), &new), worth, "{new:?}");
    }
}

/// Records in the order of their times: seconds after the one before, and what.
fn chat() -> impl Strategy<Value = Vec<Observed>> {
    let one = (0_u64..200, 0_u8..6, 0_u8..4, any::<bool>());
    proptest::collection::vec(one, 0..120).prop_map(|steps| {
        let mut seconds = 0;
        let made = steps.into_iter().map(|(pause, kind, n, failed)| {
            seconds += pause;
            let (at, id) = (after(seconds), format!("{}", seconds / 40 + u64::from(n)));
            match kind {
                0 => prompt(at),
                1 => answer(at, &id, &[]),
                2 => answer(at, &id, &[&id]),
                3 => result(at, &id, failed),
                4 => record(at, What::ApiError { text: "529".to_owned() }),
                _ => record(at, What::Interrupted),
            }
        });
        made.collect()
    })
}

proptest! {
    /// Stored anywhere and gone on with gives the same as never having stopped.
    #[test]
    fn going_on_from_what_is_stored_gives_the_same(records in chat(), cut in 0_usize..120) {
        let cut = cut.min(records.len());
        let stored = serde_json::to_string(&fold(records[..cut].to_vec())).unwrap();
        let resumed = go_on(serde_json::from_str(&stored).unwrap(), records[cut..].to_vec());
        let uninterrupted = fold(records);
        prop_assert_eq!(at(&resumed, after(30_000)), at(&uninterrupted, after(30_000)));
        prop_assert_eq!(resumed, uninterrupted);
    }

    /// Windows hold what is in them and nothing else, as counted the long way.
    #[test]
    fn windows_are_as_counted_the_long_way(records in chat(), seconds in 0_u64..30_000) {
        let digest = fold(records.clone());
        let last = records.iter().filter_map(|record| record.at).max().unwrap_or(START);
        let now = last.plus(Duration::from_secs(seconds % 900));
        let minute = |at: Timestamp| at.ms().div_euclid(60_000);
        let mut answers = std::collections::VecDeque::new();
        let mut messages = Vec::new();
        for record in &records {
            let counts = match &record.what {
                What::Prompt { .. } => true,
                What::Answer(answer) if answers.contains(&answer.message_id) => false,
                What::Answer(answer) => {
                    answers.push_back(answer.message_id.clone());
                    if answers.len() > 4 { answers.pop_front(); }
                    true
                }
                _ => false,
            };
            messages.extend(record.at.filter(|_| counts));
        }
        let within = messages.iter().filter(|at| minute(now) - minute(**at) < 10).count();
        prop_assert!((digest.tally.messages_per_minute(now) - within as f64 / 10.0).abs() < 1e-9);
        prop_assert_eq!(digest.tally.messages, messages.len() as u64);
        let ended: Vec<_> = records.iter().filter_map(|record| match &record.what {
            What::ToolResults(results) => Some(results[0].failed),
            _ => None,
        }).collect();
        let of = &ended[ended.len().saturating_sub(50)..];
        let rate = (!of.is_empty()).then(|| of.iter().filter(|failed| **failed).count() as f64 / of.len() as f64);
        prop_assert_eq!(digest.tally.failure_rate(), rate);
        let run = ended.iter().rev().take_while(|failed| **failed).count() as u64;
        prop_assert_eq!(digest.tally.failures_in_a_row, run);
    }

    /// Whatever the chat's length, what is stored of it stays small.
    #[test]
    fn what_is_stored_stays_small(records in chat()) {
        let stored = serde_json::to_string(&fold(records).tally).unwrap();
        prop_assert!(stored.len() < 1500, "{}", stored.len());
    }
}
