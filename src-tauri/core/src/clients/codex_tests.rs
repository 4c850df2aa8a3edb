//! Rollouts as a real client wrote them, and lines that no client should write.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{permission_mode, policies, read_line, root_of, thread_id};
use crate::{
    chats::Client,
    clients::Unreadable,
    crashes::ToolCall,
    digest::{Digest, Turn},
    observations::{Answer, AnswerEnd, Observed, What},
    time::Timestamp,
};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/data/codex/rollout-", $name, ".jsonl")).as_slice()
    };
}

const SAMPLES: [&[u8]; 5] = [
    sample!("ok"),
    sample!("killed-in-mid-answer"),
    sample!("killed-in-mid-tool"),
    sample!("api-gave-up"),
    sample!("resumed-compacted-interrupted"),
];

fn fold(bytes: &[u8]) -> Digest {
    let mut digest = Digest::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Unreadable(unreadable) = read_line(line, |record| {
            digest.fold(record.observed);
        });
        digest.unreadable += u64::from(unreadable);
    }
    digest
}

fn observed(line: &Value) -> Observed {
    let mut seen = Vec::new();
    let Unreadable(unreadable) = read_line(line.to_string().as_bytes(), |record| seen.push(record.observed));
    assert!(!unreadable && seen.len() == 1, "{line}");
    seen.remove(0)
}

fn item(payload: Value) -> What {
    observed(&json!({ "type": "response_item", "payload": payload })).what
}

fn event(payload: Value) -> What {
    observed(&json!({ "type": "event_msg", "payload": payload })).what
}

#[test]
fn a_whole_turn_is_one_turn() {
    let digest = fold(SAMPLES[0]);
    let own = |text: &str| Some(text.to_owned());
    assert_eq!((digest.turns, &digest.turn, digest.tokens, digest.unreadable), (1, &Turn::Done, 20_006, 0));
    assert_eq!((digest.title(), digest.in_flight()), (Some("hello codex"), vec![]));
    assert_eq!(
        (digest.cwd, digest.version, digest.model, digest.provider, digest.permission_mode),
        (
            own("/home/u/work/cx1"),
            own("0.169.0"),
            own("gpt-5-mock"),
            own("mock"),
            own("never/danger-full-access")
        )
    );
    assert_eq!(digest.last_at, Timestamp::parse("2026-11-21T00:54:01.514Z"));
}

#[test]
fn the_context_window_is_the_one_that_the_rollout_names() {
    // 10,081 tokens of the last answer.
    let used = fold(SAMPLES[0]).context_used(Client::Codex).unwrap();
    assert!((used - 10_081.0 / 258_400.0).abs() < 1e-9, "{used}");
    let window =
        |payload: Value| observed(&json!({ "type": "event_msg", "payload": payload })).context_window;
    let counted = json!({ "type": "token_count", "info": { "model_context_window": 272_000 } });
    assert_eq!(window(counted), Some(272_000));
    assert_eq!(window(json!({ "type": "task_started", "turn_id": "t", "model_context_window": 9 })), Some(9));
    for info in [json!(null), json!({ "model_context_window": null }), json!({ "model_context_window": -1 })]
    {
        assert_eq!(window(json!({ "type": "token_count", "info": info })), None, "{info}");
    }
}

#[test]
fn a_turn_without_an_end_is_open() {
    let in_answer = fold(SAMPLES[1]);
    assert!(matches!(in_answer.turn, Turn::Open { since: Some(_) }), "{:?}", in_answer.turn);
    assert_eq!((in_answer.turns, in_answer.in_flight()), (0, vec![]));
    let in_tool = fold(SAMPLES[2]);
    let call = ToolCall {
        tool: "exec_command".to_owned(),
        input: json!({ "cmd": "echo begin > b.txt; sleep 30; echo end > e.txt", "yield_time_ms": 30_000 }),
    };
    assert!(matches!(in_tool.turn, Turn::Open { since: Some(_) }), "{:?}", in_tool.turn);
    assert_eq!((in_tool.turns, in_tool.in_flight()), (0, vec![call]));
}

#[test]
fn an_api_that_gave_up_ends_the_turn() {
    let digest = fold(SAMPLES[3]);
    assert_eq!((digest.turns, digest.turn), (0, Turn::Failed));
}

#[test]
fn compaction_and_interruption_are_told() {
    let digest = fold(SAMPLES[4]);
    assert_eq!(
        (digest.turns, digest.turn, digest.compactions, digest.permission_mode.as_deref()),
        (1, Turn::Interrupted, 1, Some("on-request/workspace-write"))
    );
}

#[test]
fn what_the_user_sent_is_told_from_what_the_client_put_there() {
    let prompt = |text: &str| What::Prompt { text: text.to_owned() };
    for (text, kinds, expected) in [
        ("hi", Some(json!(["user.text"])), prompt("hi")),
        ("<environment_context>", Some(json!(["user.text"])), prompt("<environment_context>")),
        ("hi", Some(json!(["environments.environment_context"])), What::Other),
        ("hi", None, prompt("hi")),
        ("hi", Some(json!("odd")), prompt("hi")),
        ("\n<environment_context>\n</environment_context>", None, What::Other),
        ("<turn_aborted>\nx", None, What::Other),
    ] {
        let mut message =
            json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] });
        if let Some(kinds) = kinds {
            message["internal_chat_message_metadata_passthrough"] = json!({ "content_item_kinds": kinds });
        }
        assert_eq!(item(message.clone()), expected, "{message}");
    }
    assert_eq!(item(json!({ "type": "message", "role": "developer", "content": [] })), What::Other);
}

#[test]
fn calls_of_every_kind_wait_for_their_results() {
    for (payload, tool, input) in [
        (
            json!({ "type": "function_call", "name": "exec_command", "arguments": "{\"cmd\":\"ls\"}" }),
            "exec_command",
            json!({ "cmd": "ls" }),
        ),
        (
            json!({ "type": "function_call", "namespace": "mcp__shim", "name": "status", "arguments": "{}" }),
            "mcp__shim__status",
            json!({}),
        ),
        (
            json!({ "type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin" }),
            "apply_patch",
            json!("*** Begin"),
        ),
        (
            json!({ "type": "local_shell_call", "action": { "command": ["ls"] } }),
            "unknown",
            json!({ "command": ["ls"] }),
        ),
        (json!({ "type": "function_call", "name": 7 }), "unknown", Value::Null),
    ] {
        let mut payload = payload;
        payload["call_id"] = json!("c1");
        let What::Answer(Answer { calls, end: AnswerEnd::GoesOn, .. }) = item(payload.clone()) else {
            panic!("{payload}")
        };
        let call = ToolCall { tool: tool.to_owned(), input };
        assert_eq!((calls[0].id.as_str(), &calls[0].call), ("c1", &call), "{payload}");
        for kind in ["function_call_output", "custom_tool_call_output"] {
            let What::ToolResults(results) = item(json!({ "type": kind, "call_id": "c1", "output": "x" }))
            else {
                panic!("{kind}")
            };
            assert_eq!(results[0].call_id, "c1");
        }
    }
}

#[test]
fn the_end_of_a_turn_is_told_with_its_reason() {
    let done = What::Answer(Answer { end: AnswerEnd::Done, ..Answer::default() });
    for (payload, expected) in [
        (json!({ "type": "task_complete", "last_agent_message": "done" }), done.clone()),
        (json!({ "type": "task_complete", "last_agent_message": null, "error": null }), done),
        (
            json!({ "type": "task_complete", "error": { "message": "429" } }),
            What::ApiError { text: "429".to_owned() },
        ),
        (json!({ "type": "turn_aborted", "reason": "interrupted" }), What::Interrupted),
        (json!({ "type": "task_started" }), What::TurnBegun),
        (json!({ "type": "token_count" }), What::Other),
        (json!({ "type": 7 }), What::Other),
    ] {
        assert_eq!(event(payload.clone()), expected, "{payload}");
    }
}

#[test]
fn a_record_has_an_id_that_stays() {
    let turn =
        json!({ "type": "event_msg", "ordinal": 3, "payload": { "type": "task_complete", "turn_id": "t" } });
    let message = json!({ "type": "response_item", "ordinal": 4,
        "payload": { "type": "message", "role": "assistant", "id": "m", "content": [] } });
    let older = json!({ "type": "response_item", "ordinal": 5,
        "payload": { "type": "message", "role": "assistant", "content": [] } });
    for (line, id) in [(turn, "t:task_complete"), (message, "m"), (older, "ordinal:5")] {
        assert_eq!(observed(&line).uuid.as_deref(), Some(id), "{line}");
    }
}

#[test]
fn a_field_of_another_type_hides_nothing_else() {
    let line = json!({ "timestamp": 7, "ordinal": "x", "type": "response_item", "payload": { "type": "message",
        "role": "user", "id": ["m"], "content": [{ "text": 7 }, 3, { "text": "hi" }] } });
    assert_eq!(observed(&line).what, What::Prompt { text: "hi".to_owned() });
    let context = json!({ "type": "turn_context", "payload": { "cwd": "/c", "model": 3, "approval_policy": "never",
        "sandbox_policy": "read-only" } });
    let observed = observed(&context);
    assert_eq!(
        (observed.cwd.as_deref(), observed.permission_mode.as_deref()),
        (Some("/c"), Some("never/read-only"))
    );
}

#[test]
fn a_rollouts_name_holds_its_chats_id() {
    let id = "01a1fb9a-1524-7d42-9f59-356725d1b41f";
    for (name, expected) in [
        (format!("rollout-2026-11-21T00-55-41-{id}.jsonl"), Some(id)),
        (format!("rollout-2026-11-21T00-55-41-{id}.jsonl.zst"), None),
        (format!("{id}.jsonl"), None),
        ("rollout-2026-11-21T00-55-41-é1fb9a-1524-7d42-9f59-356725d1b41f.jsonl".to_owned(), None),
        ("rollout-x.jsonl".to_owned(), None),
    ] {
        assert_eq!(thread_id(&name), expected, "{name}");
    }
    assert_eq!(policies(&permission_mode("on-request", "read-only")), Some(("on-request", "read-only")));
}

#[test]
fn a_sub_agents_rollout_names_the_chat_it_belongs_to() {
    let (root, parent) = ("01a1fb9a-1524-7d42-9f59-356725d1b41f", "01a1fb9a-1524-7d42-9f59-000000000000");
    for (payload, expected) in [
        (json!({ "session_id": root, "id": parent, "parent_thread_id": parent }), Some(root)),
        (json!({ "id": root, "parent_thread_id": parent }), Some(parent)),
        (json!({ "session_id": root, "id": root }), None),
        (json!({ "session_id": root, "parent_thread_id": null }), None),
        (json!({ "parent_thread_id": "short" }), None),
    ] {
        let line = json!({ "type": "session_meta", "payload": payload }).to_string();
        assert_eq!(root_of(line.as_bytes()), expected, "{line}");
        assert_eq!(root_of(format!("{{}}\n{line}").as_bytes()), None);
    }
    assert_eq!(root_of(SAMPLES[0]), None);
}

#[test]
fn a_line_cut_anywhere_is_counted_and_survived() {
    for sample in SAMPLES {
        let line = sample.split(|byte| *byte == b'\n').nth(7).unwrap_or_default();
        for end in 0..line.len() {
            read_line(&line[..end], |_| {});
        }
        let half = &sample[..sample.len() / 2];
        assert!(fold(half).turns <= 1);
    }
    assert_eq!(fold(b"no json\n{}\n\0\0\n").unreadable, 2);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        read_line(&bytes, |_| {});
        thread_id(&String::from_utf8_lossy(&bytes));
        root_of(&bytes);
    }

    #[test]
    fn no_json_makes_it_panic(
        kind in "(response_item|event_msg|session_meta|turn_context|token_usage_record|compacted)",
        inner in "(message|function_call|function_call_output|task_complete|turn_aborted|thread_settings_applied)",
        key in "(type|id|role|content|call_id|arguments|output|error|usage|sandbox_policy|thread_settings|git)",
        value in "(\\{|\\}|\\[|\\]|,|:|\"|a|1|-|e|\\.|null|true|\\\\u){0,12}",
    ) {
        let payload = format!(r#"{{"type":"{inner}","{key}":{value}}}"#);
        for line in [payload.clone(), format!(r#"{{"type":"{kind}","payload":{payload}}}"#)] {
            read_line(line.as_bytes(), |_| {});
        }
    }

    #[test]
    fn any_bytes_in_a_real_rollout_are_survived(
        sample in 0..SAMPLES.len(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = SAMPLES[sample].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fold(&bytes);
    }
}
