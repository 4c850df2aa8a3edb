//! History on a real file: what was put comes back by window, and never grows beyond its caps.

use std::{path::Path, time::Duration};

use shim_core::{
    chats::{ChatId, Client},
    signals::Signals,
    time::Timestamp,
};

use super::SignalCaps;
use crate::{Dropped, Store, Urgency};

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("shim.db"), Duration::from_millis(2)).unwrap()
}

fn chat(n: u32) -> ChatId {
    ChatId::new(Client::ClaudeCode, &format!("11111111-0000-4000-8000-00000000000{n}"))
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_ms(minute * 60_000)
}

fn row(minute: i64) -> Signals {
    Signals { at: at(minute), tokens: minute.cast_unsigned(), ..Signals::default() }
}

fn put(store: &Store, caps: SignalCaps, rows: Vec<(ChatId, Signals)>) {
    store.write(Urgency::Gathered, move |store| store.put_signals(&rows, caps)).unwrap();
}

fn minutes(store: &Store, chat: &ChatId, since: i64, until: i64) -> Vec<i64> {
    let rows = store.read(|store| store.signals(chat, at(since), at(until))).unwrap();
    rows.iter().map(|row| row.at.ms() / 60_000).collect()
}

#[test]
fn what_was_put_comes_back_whole_and_by_window() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let whole = Signals {
        at: at(3),
        client_version: Some("2.1.329".to_owned()),
        tokens: 1,
        context_used: Some(0.25),
        tokens_per_message: Some(3.5),
        messages: 4,
        tool_calls: 5,
        calls_since_checkpoint: 6,
        messages_per_minute: 0.7,
        age_seconds: Some(8.0),
        since_answer_seconds: Some(9.0),
        latency_seconds: Some(1.25),
        latency_trend: Some(1.5),
        failure_rate: Some(0.125),
        failures_in_a_row: 7,
        recent_errors: vec!["overloaded".to_owned(), "tool:Bash".to_owned()],
        rss_bytes: Some(300_000_000),
        rss_slope: Some(-12.5),
        cpu: Some(0.01),
        transcript_growth: 17.0,
        transcript_bytes: 18,
        memory_pressure: Some(0.5),
    };
    let rows = vec![(chat(1), row(1)), (chat(2), row(2)), (chat(1), whole.clone()), (chat(1), row(5))];
    put(&store, SignalCaps::default(), rows);
    assert_eq!(store.read(|store| store.signals(&chat(1), at(3), at(3))).unwrap(), [whole]);
    assert_eq!(minutes(&store, &chat(1), 0, 9), [1, 3, 5]);
    assert_eq!(minutes(&store, &chat(1), 2, 5), [3, 5]);
    assert_eq!(minutes(&store, &chat(2), 0, 9), [2]);
    assert_eq!(minutes(&store, &chat(3), 0, 9), [0_i64; 0]);
}

#[test]
fn the_oldest_go_beyond_the_caps_of_a_chat_and_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let caps = SignalCaps { of_chat: 3, in_all: 7 };
    for minute in 0..10 {
        put(&store, caps, vec![(chat(1), row(minute))]);
    }
    assert_eq!(minutes(&store, &chat(1), 0, 99), [7, 8, 9]);
    put(&store, caps, (2..5).flat_map(|n| [(chat(n), row(20)), (chat(n), row(21))]).collect());
    assert_eq!(minutes(&store, &chat(1), 0, 99), [9]);
    let kept: usize = (1..5).map(|n| minutes(&store, &chat(n), 0, 99).len()).sum();
    assert_eq!(kept, 7);
}

#[test]
fn what_is_too_old_and_what_was_dropped_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let rows = (0..6).flat_map(|minute| [(chat(1), row(minute)), (chat(2), row(minute))]);
    put(&store, SignalCaps::default(), rows.collect());
    store.write(Urgency::AtOnce, |store| store.prune_signals(at(4))).unwrap();
    assert_eq!(minutes(&store, &chat(1), 0, 99), [4, 5]);
    let dropped = Dropped { at: at(9), chat: chat(1), title: String::new(), bytes: 0, why: "old".to_owned() };
    store.write(Urgency::AtOnce, move |store| store.drop_chat(&dropped)).unwrap();
    assert_eq!(minutes(&store, &chat(1), 0, 99), [0_i64; 0]);
    assert_eq!(minutes(&store, &chat(2), 0, 99), [4, 5]);
    store.write(Urgency::AtOnce, |store| store.prune_signals(at(99))).unwrap();
    put(&store, SignalCaps::default(), vec![(chat(2), row(100))]);
    assert_eq!(minutes(&store, &chat(2), 0, 200), [100]);
}
