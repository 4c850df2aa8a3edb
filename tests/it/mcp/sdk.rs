//! The MCP project's own clients agree with the server: they check each answer against the schema it was announced
//! with, and each revision they speak is tried.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use shim_standin::mcp_clients;

use super::{CUT_COMMAND, TOOLS, cut_chat, names, text};
use crate::world::{World, id};

/// Which of the two clients, how it is to agree on a revision, and on which it should.
const CLIENTS: [(&str, &str, &str); 3] =
    [("sdk", "legacy", "2025-11-25"), ("client", "legacy", "2025-11-25"), ("client", "auto", "2026-07-28")];

/// Plays the steps through one of the clients and gives what it was told.
fn talk(world: &World, cwd: &Path, (sdk, mode): (&str, &str), steps: &Value) -> Value {
    let mut environment: serde_json::Map<_, _> = world
        .home
        .environment()
        .iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), json!(value.to_string_lossy())))
        .collect();
    environment.insert("SHIM_HOME".to_owned(), json!(world.shim_home));
    let plan = json!({
        "sdk": sdk, "mode": mode, "client": "a-test", "command": world.program, "args": ["mcp"], "env": environment,
        "cwd": cwd, "steps": steps,
    });
    let mut command = Command::new(mcp_clients::node().unwrap());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/mcp/talk.cjs"));
    command.arg(mcp_clients::folder().unwrap()).env_clear().env("HOME", world.home.folder());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_protocols_own_clients_list_and_call_everything() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let chat = cut_chat(&world, &cwd);
    let crash = world.crashes_of(&chat)[0]["id"].as_i64().unwrap();
    let start: String = chat.chars().take(8).collect();
    let steps = json!([
        {"list": "tools"},
        {"list": "prompts"},
        {"call": "check_resume_needed", "arguments": {}},
        {"call": "check_resume_needed", "arguments": {"chat": start}},
        {"call": "shim_get_crash_risk", "arguments": {"chat": chat}},
        {"call": "shim_checkpoint", "arguments": {"chat": chat, "note": "before the end"}},
        {"call": "shim_list_checkpoints", "arguments": {"chat": chat, "limit": 1}},
        {"call": "shim_restore", "arguments": {"target": crash.to_string(), "headless": true}},
        {"prompt": "resume", "arguments": {"chat": chat}},
        {"call": "shim_checkpoint", "arguments": {}},
        {"call": "shim_checkpoint", "arguments": {"chat": "nobody"}},
        {"call": "shim_checkpoint", "arguments": {"remark": "x"}},
        {"call": "shim_list_checkpoints", "arguments": {"chat": chat, "limit": 0}},
        {"call": "shim_restore", "arguments": {}},
        {"call": "shim_restore", "arguments": {"target": "nobody"}},
        {"call": "shim_dance", "arguments": {}},
    ]);
    for (sdk, mode, protocol) in CLIENTS {
        let told = talk(&world, &cwd, (sdk, mode), &steps);
        assert_eq!((&told["protocol"], &told["server"]["name"]), (&json!(protocol), &json!("shim")));
        assert!(told["instructions"].as_str().unwrap().contains("shim_checkpoint"));
        let results = told["results"].as_array().unwrap();
        assert_eq!(names(&results[0]), TOOLS);
        assert_eq!(results[1]["prompts"][0]["name"], "resume");
        check_answers(&results[2..9], &chat, crash);
        check_errors(&results[9..], &chat);
    }
    // Whatever was rehearsed, nothing was started and the crash is open.
    assert_eq!(world.home.clients_on(&chat), Vec::<u32>::new());
    assert_eq!(world.crashes_of(&chat)[0]["resolved"], false);
    let kept = world.json(&["checkpoints", &id(&chat)]);
    let noted = kept.as_array().unwrap().iter().filter(|point| point["note"] == "before the end").count();
    assert_eq!(noted, CLIENTS.len(), "{kept}");
}

fn check_answers(results: &[Value], chat: &str, crash: i64) {
    let given = |at: usize| {
        assert_ne!(results[at]["isError"], true, "{}", results[at]);
        (&results[at]["structuredContent"], text(&results[at]))
    };
    // A client that SHIM does not know is told so, and what died in this directory.
    let (check, said) = given(0);
    assert_eq!((&check["chat"], &check["resume_needed"]), (&Value::Null, &json!(false)), "{check}");
    assert_eq!(check["other_crashed_chats"][0]["chat"]["id"], id(chat));
    assert!(said.contains("cannot tell which chat") && said.contains("a-test"), "{said}");

    let (check, said) = given(1);
    assert_eq!(
        (&check["resume_needed"], &check["recognised_by"]),
        (&json!(true), &json!("argument")),
        "{check}"
    );
    let last = &check["last_crash"];
    assert_eq!(
        (&last["number"], &last["kind"], &last["in_turn"]),
        (&json!(crash), &json!("killed"), &json!("tool"))
    );
    assert_eq!(last["in_flight"][0]["tool"], "Bash");
    assert!(last["in_flight"][0]["input"].as_str().unwrap().contains(CUT_COMMAND), "{last}");
    assert!(said.contains("Resume needed: yes") && said.contains(CUT_COMMAND), "{said}");
    assert!(check["what_to_do"].as_str().unwrap().contains(&format!("shim_restore with target {crash}")));

    let (risk, said) = given(2);
    assert_eq!((&risk["level"], &risk["probability"]), (&json!("unknown"), &Value::Null), "{risk}");
    assert_eq!(
        (&risk["crashes_of_chat"], &risk["crashes_of_client"], &risk["chats_of_client"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert!(risk["tokens"].as_u64().unwrap() > 0 && risk["context_used"].as_f64().unwrap() > 0.0, "{risk}");
    assert!(said.starts_with("Risk: unknown."), "{said}");

    let (taken, _) = given(3);
    let (list, _) = given(4);
    assert_eq!(list["checkpoints"].as_array().unwrap().len(), 1);
    assert_eq!(list["checkpoints"][0], taken["checkpoint"], "the newest comes first");
    assert!(list["left_out"].as_u64().unwrap() >= 1, "one was taken at the crash: {list}");

    let (receipt, said) = given(5);
    assert_eq!(
        (&receipt["ok"], &receipt["dry_run"], &receipt["pid"]),
        (&json!(true), &json!(true), &Value::Null)
    );
    assert!(said.starts_with("Rehearsed") && said.contains("dry_run false"), "{said}");

    let message = &results[6]["messages"][0];
    assert_eq!(message["role"], "user");
    let said = message["content"]["text"].as_str().unwrap();
    assert!(said.contains(CUT_COMMAND) && said.contains("Do not"), "{said}");
}

/// Each error says what to do about it.
fn check_errors(results: &[Value], chat: &str) {
    let told: [(&str, &str); 6] = [
        ("cannot tell which chat is calling", "Give `chat`"),
        ("no chat answers to “nobody”", chat),
        ("unknown field `remark`", "`note` (string, may be left out)"),
        ("`limit` is 0", "1 to 200"),
        ("missing field `target`", "`target` (string, required)"),
        ("no chat or crash answers to “nobody”", "`shim chats`"),
    ];
    for ((what, remedy), result) in told.iter().zip(results) {
        assert_eq!(result["isError"], true, "{result}");
        assert!(text(result).contains(what) && text(result).contains(remedy), "{what}, {remedy}: {result}");
    }
    let thrown = results[told.len()]["thrown"].as_str().unwrap_or_else(|| panic!("{results:?}"));
    assert!(thrown.contains("no tool “shim_dance”") && thrown.contains("shim_checkpoint"), "{thrown}");
}
