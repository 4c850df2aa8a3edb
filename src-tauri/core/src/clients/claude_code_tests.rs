//! Registry files and single records, as real clients write them and as newer ones might.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{project_slug, read_line, read_registration};
use crate::{
    chats::{Client, ProcessKey},
    clients::{Registration, Unreadable, shorten},
    crashes::{RegistryStatus, ToolCall},
    observations::{Answer, AnswerEnd, Call, Observed, ToolResult, Usage, What},
    time::Timestamp,
};

fn observed(line: &str) -> (Vec<Observed>, bool) {
    let mut seen = Vec::new();
    let Unreadable(unreadable) = read_line(line.as_bytes(), |record| seen.push(record.observed));
    (seen, unreadable)
}

fn what(record: Value) -> What {
    let (mut seen, unreadable) = observed(&record.to_string());
    assert!(!unreadable && seen.len() == 1, "{record}");
    seen.remove(0).what
}

#[test]
fn a_real_registry_file_names_process_and_chat() {
    let file = include_bytes!("../../../../tests/data/claude/registry-left-behind.json");
    let expected = Registration {
        client: Client::ClaudeCode,
        process: ProcessKey { pid: 28_925, start: "112173".to_owned() },
        session_id: "22222222-0000-4000-8000-000000000002".to_owned(),
        cwd: Some("/home/u/work/k2".to_owned()),
        version: Some("2.1.329".to_owned()),
        status: RegistryStatus::Busy,
        started_at: Some(Timestamp::from_ms(1_795_222_398_220)),
        updated_at: Some(Timestamp::from_ms(1_795_222_398_292)),
        pid_domain: Some("linux:00000000000000000000000000000000:pid:[4026531836]".to_owned()),
        name: None,
    };
    assert_eq!(read_registration(file), Some(expected));
    for end in 0..file.len() {
        assert_eq!(read_registration(&file[..end]), None, "cut at {end}");
    }
}

#[test]
fn a_registry_file_may_lack_much_and_hold_more() {
    let least = Registration {
        status: RegistryStatus::Other(String::new()),
        ..Registration::new(Client::ClaudeCode, ProcessKey { pid: 7, start: String::new() }, "s")
    };
    let named = Registration { name: Some("mine".to_owned()), ..least.clone() };
    let numbered = Registration { process: ProcessKey { pid: 7, start: "12".to_owned() }, ..least.clone() };
    let waiting = Registration { status: RegistryStatus::Waiting, ..least.clone() };
    let new = Registration { status: RegistryStatus::Other("dreaming".to_owned()), ..least.clone() };
    for (more, expected) in [
        (json!({}), Some(least.clone())),
        (json!({ "brandNew": [1, { "x": 2 }] }), Some(least.clone())),
        (json!({ "name": "mine", "nameSource": "user" }), Some(named)),
        (json!({ "name": "k2-a1", "nameSource": "derived" }), Some(least.clone())),
        (json!({ "procStart": 12 }), Some(numbered)),
        (json!({ "status": "waiting", "waitingFor": "permission prompt" }), Some(waiting)),
        (json!({ "status": "dreaming" }), Some(new)),
        (json!({ "startedAt": i64::MAX, "updatedAt": i64::MIN }), Some(least)),
        (json!({ "pid": -1 }), None),
        (json!({ "pid": "7" }), None),
        (json!({ "sessionId": null }), None),
    ] {
        let mut file = json!({ "pid": 7, "sessionId": "s" });
        file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(read_registration(file.to_string().as_bytes()), expected, "{file}");
    }
}

#[test]
fn a_projects_folder_is_named_as_the_client_names_it() {
    for (cwd, slug) in
        [("/home/u/work/k1", "-home-u-work-k1"), ("we ird_dir.x/Ünï", "we-ird-dir-x--n-"), ("", "")]
    {
        assert_eq!(project_slug(cwd), slug);
    }
}

#[test]
fn a_record_tells_who_when_and_where() {
    let record = json!({ "type": "user", "uuid": "u", "timestamp": "2026-11-21T00:53:18.368Z", "cwd": "/c",
        "gitBranch": "main", "version": "2.1.329", "permissionMode": "plan", "isSidechain": true,
        "message": { "content": "hi" } });
    let own = |text: &str| Some(text.to_owned());
    let expected = Observed {
        at: Timestamp::parse("2026-11-21T00:53:18.368Z"),
        uuid: own("u"),
        cwd: own("/c"),
        branch: own("main"),
        version: own("2.1.329"),
        permission_mode: own("plan"),
        sidechain: true,
        what: What::Prompt { text: "hi".to_owned() },
        ..Observed::default()
    };
    assert_eq!(observed(&record.to_string()), (vec![expected], false));
}

#[test]
fn what_the_user_sent_is_told_apart() {
    let prompt = |text: &str| What::Prompt { text: text.to_owned() };
    let command = |text: &str| What::Command { text: text.to_owned() };
    for (content, expected) in [
        (json!("hi"), prompt("hi")),
        (json!("h\u{1f34c}i"), prompt("h\u{1f34c}i")),
        (
            json!([{ "type": "text", "text": "a" }, { "type": "image" }, { "type": "text", "text": "b" }]),
            prompt("a\nb"),
        ),
        (json!([{ "type": "image", "source": {} }]), prompt("")),
        (json!("[Request interrupted by user]"), What::Interrupted),
        (
            json!([{ "type": "text", "text": "[Request interrupted by user for tool use]" }]),
            What::Interrupted,
        ),
        (json!("<command-name>/compact</command-name>\n<command-args>x</command-args>"), command("/compact")),
        (json!("<command-message>init"), command("<command-message>init")),
        (json!("<local-command-stdout>x</local-command-stdout>"), What::Other),
        (
            json!([{ "type": "tool_result", "tool_use_id": "t", "is_error": true }, { "type": "tool_result", "tool_use_id": "u" }]),
            What::ToolResults(vec![
                ToolResult { call_id: "t".to_owned(), failed: true },
                ToolResult { call_id: "u".to_owned(), failed: false },
            ]),
        ),
    ] {
        assert_eq!(what(json!({ "type": "user", "message": { "content": content } })), expected);
    }
    for mark in ["isMeta", "isCompactSummary"] {
        assert_eq!(what(json!({ "type": "user", mark: true, "message": { "content": "hi" } })), What::Other);
    }
    assert_eq!(what(json!({ "type": "user" })), What::Other);
}

#[test]
fn an_answer_tells_its_calls_its_end_and_its_cost() {
    let message = json!({ "id": "m1", "model": "claude", "stop_reason": "tool_use",
        "usage": { "input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": null, "output_tokens": 4 },
        "content": [{ "type": "text", "text": "Calling." }, { "type": "tool_use", "id": "t", "name": "Bash",
            "input": { "command": "x".repeat(600), "list": [1, true] } }] });
    let call = ToolCall {
        tool: "Bash".to_owned(),
        input: json!({ "command": format!("{}…", "x".repeat(500)), "list": [1, true] }),
    };
    let answer = Answer {
        message_id: Some("m1".to_owned()),
        model: Some("claude".to_owned()),
        text: Some("Calling.".to_owned()),
        calls: vec![Call { id: "t".to_owned(), call, todo: None, touches: Vec::new() }],
        end: AnswerEnd::GoesOn,
        usage: Some(Usage { input: 1, cache_creation: 2, cache_creation_hour: 0, cache_read: 0, output: 4 }),
    };
    assert_eq!(what(json!({ "type": "assistant", "message": message })), What::Answer(answer));
}

#[test]
fn the_model_asked_for_is_the_chats_model() {
    let record =
        json!({ "type": "assistant", "requestedModel": "asked[1m]", "message": { "model": "given" } });
    let What::Answer(answer) = what(record) else { panic!("no answer") };
    assert_eq!(answer.model.as_deref(), Some("asked[1m]"));
}

#[test]
fn a_field_of_another_type_hides_nothing_else() {
    let prompt = |text: &str| What::Prompt { text: text.to_owned() };
    for (odd, expected) in [
        (json!({ "version": 3 }), prompt("hi")),
        (json!({ "isSidechain": null, "isMeta": "no" }), prompt("hi")),
        (json!({ "timestamp": 1_795_222_398, "uuid": ["u"] }), prompt("hi")),
        (json!({ "summary": { "text": "s" }, "subtype": {} }), prompt("hi")),
        (json!({ "type": 7 }), What::Other),
    ] {
        let mut record = json!({ "type": "user", "message": { "content": "hi" } });
        record.as_object_mut().unwrap().extend(odd.as_object().unwrap().clone());
        assert_eq!(what(record.clone()), expected, "{record}");
        let glued = format!("{}{record}", json!({ "type": "user", "message": { "content": "first" } }));
        let (seen, unreadable) = observed(&glued);
        let seen: Vec<_> = seen.into_iter().map(|observed| observed.what).collect();
        assert_eq!((seen, unreadable), (vec![prompt("first"), expected], false), "{glued}");
    }
    let blocks = json!([{ "type": "tool_use", "id": "t", "name": 5 }, { "type": "tool_use", "id": "u", "name": "Bash" }]);
    let What::Answer(answer) = what(json!({ "type": "assistant", "message": { "content": blocks } })) else {
        panic!("no answer")
    };
    assert_eq!(answer.calls.into_iter().map(|call| call.id).collect::<Vec<_>>(), ["u"]);
}

/// JavaScript cuts texts between the halves of a pair and writes the half out.
#[test]
fn half_a_character_hides_nothing_else() {
    let line = r#"{"type":"assistant","message":{"stop_reason":"tool_use","content":[{"type":"text","text":"cut \ud83c"},
        {"type":"tool_use","id":"t","name":"Bash","input":{"command":"echo \ud83c"}}]}}"#
        .replace('\n', "");
    let (seen, unreadable) = observed(&line);
    let What::Answer(answer) = &seen[0].what else { panic!("no answer") };
    assert_eq!((answer.calls.len(), answer.calls[0].call.tool.as_str(), unreadable), (1, "Bash", false));
}

#[test]
fn texts_are_cut_between_characters() {
    for (text, max, expected) in
        [("äöü", 3, "äöü"), ("äöü", 2, "äö…"), ("", 0, ""), ("a", 0, "…"), ("🍌🍌", 1, "🍌…")]
    {
        assert_eq!(shorten(text, max), expected);
    }
}

#[test]
fn input_as_deep_as_it_likes_is_survived() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let line = format!(
        r#"{{"type":"assistant","message":{{"content":[{{"type":"tool_use","id":"t","name":"Bash","input":{deep}}}]}}}}"#
    );
    let (seen, _) = observed(&line);
    let What::Answer(answer) = &seen[0].what else { panic!("no answer") };
    assert_eq!(answer.calls[0].call.input, Value::Null);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        read_line(&bytes, |_| {});
        read_registration(&bytes);
    }

    #[test]
    fn no_json_makes_it_panic(
        key in "(type|uuid|message|content|id|input|usage|isMeta|timestamp|todos|procStart|pid|summary)",
        kind in "(user|assistant|system|summary|ai-title|attachment)",
        value in "(\\{|\\}|\\[|\\]|,|:|\"|a|1|-|e|\\.|null|true|\\\\u){0,12}",
    ) {
        let inner = format!(r#"{{"type":"{kind}","{key}":{value}}}"#);
        for line in [
            inner.clone(),
            format!(r#"{{"type":"{kind}","message":{inner}}}"#),
            format!(r#"{{"type":"{kind}","message":{{"content":[{inner}]}}}}"#),
        ] {
            read_line(line.as_bytes(), |_| {});
        }
        read_registration(inner.as_bytes());
    }
}
