//! Chat files as the real client writes them, and single lines as newer ones might.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Header, is_message, note, read_header, read_line};
use crate::{
    chats::Client,
    clients::Unreadable,
    crashes::ToolCall,
    digest::{Digest, Reader, Turn},
    observations::{Answer, AnswerEnd, Call, Observed, ToolResult, Usage, What},
    time::Timestamp,
};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/data/gemini/", $name, ".jsonl"))
    };
}

fn read(bytes: &[u8]) -> Digest {
    let mut reader = Reader::new(Client::Gemini);
    reader.feed(bytes);
    reader.digest
}

fn observed(line: &str) -> (Vec<Observed>, bool) {
    let mut seen = Vec::new();
    let Unreadable(unreadable) = read_line(line.as_bytes(), |record| seen.push(record.observed));
    (seen, unreadable)
}

fn what(record: &Value) -> What {
    let (mut seen, unreadable) = observed(&record.to_string());
    assert!(!unreadable && seen.len() == 1, "{record}");
    seen.remove(0).what
}

fn open(at: &str) -> Turn {
    Turn::Open { since: Timestamp::parse(at) }
}

#[test]
fn real_chats_are_told_by_their_lines() {
    for (name, bytes, title, turns, turn, tokens) in [
        ("clean", &sample!("clean")[..], "hello gemini", 1, Turn::Done, 23_701),
        (
            "killed in an answer",
            sample!("kill9-in-answer"),
            "Gemini question bananas",
            0,
            open("2026-11-21T00:56:52.801Z"),
            11_792,
        ),
        (
            "killed in a tool",
            sample!("kill9-in-tool"),
            "Gemini question apples",
            0,
            open("2026-11-21T00:56:57.654Z"),
            11_789,
        ),
        ("resumed", sample!("kill9-in-answer-resumed"), "remember BANANA", 2, Turn::Done, 23_785),
        // The words before the tool look like a whole answer: only what the tool left running tells.
        ("resumed after a tool", sample!("kill9-in-tool-resumed"), "remember BANANA", 3, Turn::Done, 35_788),
        ("stopped by the user", sample!("cancelled"), "one @@x", 1, open("2026-11-21T13:29:47.069Z"), 25_057),
    ] {
        let digest = read(bytes);
        assert_eq!(
            (digest.title(), digest.turns, &digest.turn, digest.tokens, digest.in_flight()),
            (Some(title), turns, &turn, tokens, vec![]),
            "{name}"
        );
        assert_eq!((digest.offset, digest.unreadable), (bytes.len() as u64, 0), "{name}");
        assert!(digest.cwd.as_deref().is_some_and(|cwd| cwd.starts_with("/home/u/work/")), "{name}");
    }
}

#[test]
fn a_resumed_client_waits_where_the_turn_was_cut() {
    let cut = sample!("kill9-in-answer");
    let mut resumed = cut.to_vec();
    resumed.extend(br#"{"$set":{"sessionId":"811bb646-c880-48af-9445-6adeda438447"}}"#);
    resumed.push(b'\n');
    let (cut, resumed) = (read(cut), read(&resumed));
    assert_eq!((resumed.turn, resumed.turns), (Turn::Interrupted, 0));
    assert_eq!(resumed.last_message, cut.last_message);
}

#[test]
fn words_before_a_tool_are_no_end_of_the_turn() {
    let lines = [
        json!({"id": "p", "type": "user", "content": [{"text": "do"}]}),
        json!({"id": "a", "type": "gemini", "content": "here it goes", "tokens": {"input": 5, "output": 1}}),
        json!({"id": "a", "type": "gemini", "content": "here it goes", "tokens": {"input": 5, "output": 1},
            "toolCalls": [{"id": "c", "name": "glob", "args": {}, "status": "success", "result": []}]}),
        json!({"id": "r", "type": "user", "content": [{"functionResponse": {"id": "c", "response": {}}}]}),
        json!({"id": "b", "type": "gemini", "content": "done", "tokens": {"input": 7, "output": 1}}),
    ];
    let mut reader = Reader::new(Client::Gemini);
    let turns: Vec<_> = lines
        .iter()
        .map(|line| {
            reader.feed(format!("{line}\n").as_bytes());
            reader.digest.turns
        })
        .collect();
    assert_eq!((turns, reader.digest.tokens), (vec![0, 1, 0, 0, 1], 14));
}

#[test]
fn messages_are_read_in_all_their_shapes() {
    let call = |status: &str, more: Value| {
        let mut call =
            json!({"id": "c", "name": "run_shell_command", "args": {"command": "ls"}, "status": status});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"id": "a", "type": "gemini", "content": "", "toolCalls": [call]})
    };
    let answer = |end: AnswerEnd, calls: Vec<Call>| {
        What::Answer(Answer { message_id: Some("a".to_owned()), calls, end, ..Answer::default() })
    };
    let open = Call {
        id: "c".to_owned(),
        call: ToolCall { tool: "run_shell_command".to_owned(), input: json!({"command": "ls"}) },
        todo: None,
        touches: Vec::new(),
    };
    let prompt = |text: &str| What::Prompt { text: text.to_owned() };
    let user = |content: Value| json!({"id": "u", "type": "user", "content": content});
    for (record, expected) in [
        (user(json!("hi")), prompt("hi")),
        (user(json!([{"text": "a"}, {"text": "b"}])), prompt("a\nb")),
        (user(json!({"text": "hi"})), prompt("hi")),
        (user(json!([{"text": "<hook_context>x</hook_context>\n\nhi"}])), prompt("hi")),
        (user(json!([{"text": "<hook_context>x</hook_context>"}])), What::Other),
        (user(json!([{"text": "<session_context>\n@@x"}])), What::Other),
        (user(json!(7)), What::Other),
        (
            user(json!([{"functionResponse": {"id": "c", "response": {"error": "no"}}}])),
            What::ToolResults(vec![ToolResult { call_id: "c".to_owned(), failed: true }]),
        ),
        (call("executing", json!({})), answer(AnswerEnd::GoesOnAfterAll, vec![open])),
        (call("success", json!({"result": []})), answer(AnswerEnd::GoesOnAfterAll, vec![])),
        (call("cancelled", json!({"result": []})), answer(AnswerEnd::Aborted, vec![])),
        (json!({"id": "a", "type": "gemini", "content": ""}), answer(AnswerEnd::GoesOn, vec![])),
        (json!({"id": "i", "type": "info", "content": "Request cancelled."}), What::Interrupted),
        (json!({"id": "i", "type": "info", "content": "news"}), What::Other),
        (
            json!({"id": "e", "type": "error", "content": "[API Error]"}),
            What::ApiError { text: "[API Error]".to_owned() },
        ),
        (json!({"id": "x", "type": "hologram", "content": {}}), What::Other),
        (json!({"$set": {"sessionId": "s"}}), What::CutTurnClosed),
        (json!({"$rewindTo": "u"}), What::CutTurnClosed),
        (json!({"$set": {"brandNew": [1]}}), What::Other),
        (json!({"brandNew": [1]}), What::Other),
    ] {
        assert_eq!(what(&record), expected, "{record}");
    }
}

#[test]
fn cached_tokens_are_counted_once() {
    let record = json!({"id": "a", "type": "gemini", "content": "x",
        "tokens": {"input": 100, "output": 10, "cached": 60, "thoughts": 5, "tool": 2, "total": 117}});
    let What::Answer(answer) = what(&record) else { panic!("{record}") };
    assert_eq!(
        answer.usage,
        Some(Usage { input: 42, cache_creation: 0, cache_creation_hour: 0, cache_read: 60, output: 15 })
    );
    assert_eq!(answer.usage.unwrap().total(), 117);
}

#[test]
fn the_header_names_the_chat_and_stubs_hold_no_message() {
    let whole = sample!("clean");
    let mut lines = whole.split(|byte| *byte == b'\n');
    let header = Header {
        session_id: "359dfd7e-a060-4206-944e-5adbe9e51ca6".to_owned(),
        started_at: Timestamp::parse("2026-11-21T00:55:03.845Z"),
        sub_agent: false,
    };
    assert_eq!(read_header(lines.next().unwrap()), Some(header));
    let is: Vec<_> = lines.take(3).map(is_message).collect();
    assert_eq!(is, [false, true, false]);
    for other in [&b"{}"[..], b"", b"[1]", br#"{"sessionId":"x"}"#, br#"{"sessionId":7,"projectHash":"h"}"#] {
        assert_eq!(read_header(other), None);
    }
}

#[test]
fn a_note_is_nobodys_prompt() {
    let at = Timestamp::parse("2026-11-21T00:55:03.845Z").unwrap();
    let (seen, unreadable) = observed(&note("n", at, "SHIM restored this chat.\n\"…\""));
    assert_eq!((seen.len(), unreadable), (1, false));
    assert_eq!((&seen[0].what, seen[0].at), (&What::Other, Some(at)));
}

proptest! {
    #[test]
    fn nothing_a_line_holds_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let Unreadable(_) = read_line(&bytes, |_| {});
        let _ = (read_header(&bytes), is_message(&bytes));
    }

    #[test]
    fn a_cut_chat_is_read_as_far_as_it_goes(end in 0usize..5000, flip in 0usize..5000, byte in any::<u8>()) {
        let mut bytes = sample!("kill9-in-tool-resumed").to_vec();
        bytes.truncate(end);
        if let Some(at) = bytes.get_mut(flip) {
            *at = byte;
        }
        prop_assert!(read(&bytes).offset <= bytes.len() as u64);
    }
}
