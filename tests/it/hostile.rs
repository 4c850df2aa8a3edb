//! Input that means harm, and disks that fail: a clear message, nothing lost, no panic.

mod database;
mod disks;
mod folders;
mod transcripts;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use shim_standin::client::wait;

use crate::world::{WAIT, World};

/// Two records as the client writes them: a prompt and its complete answer.
pub fn turn(session_id: &str, n: u64) -> String {
    turn_of(session_id, n, &format!("answer {n}"))
}

fn turn_of(session_id: &str, n: u64, answer: &str) -> String {
    let at = |part: u64| format!("2026-11-20T10:{:02}:{:02}.{part:03}Z", n / 60 % 60, n % 60);
    let (asked, answered) = (format!("ask-{n}"), format!("answer-{n}"));
    let frame = |uuid: &str, parent: Option<String>, at: String| {
        json!({"uuid": uuid, "parentUuid": parent, "sessionId": session_id, "timestamp": at, "cwd": "/nowhere",
               "version": "2.1.329", "userType": "external", "isSidechain": false, "entrypoint": "cli"})
    };
    let mut user = frame(&asked, (n > 1).then(|| format!("answer-{}", n - 1)), at(0));
    user["type"] = json!("user");
    user["message"] = json!({"role": "user", "content": format!("question {n}")});
    let mut assistant = frame(&answered, Some(asked.clone()), at(500));
    assistant["type"] = json!("assistant");
    assistant["message"] = json!({
        "id": format!("msg_{session_id}_{n}"), "type": "message", "role": "assistant", "model": "claude-opus-5-5",
        "content": [{"type": "text", "text": answer}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 2},
    });
    format!("{user}\n{assistant}\n")
}

/// A session id that tells tests apart.
pub fn session(n: u64) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// The folder of a project in a client's own folder.
fn project_folder(config: &Path) -> PathBuf {
    let folder = config.join("projects/-nowhere");
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn plant(config: &Path, session_id: &str, bytes: &[u8]) -> PathBuf {
    let path = project_folder(config).join(format!("{session_id}.jsonl"));
    fs::write(&path, bytes).unwrap();
    path
}

/// Waits until SHIM counts so many turns in a chat, and its journal is the file byte for byte.
#[track_caller]
pub fn is_kept(world: &World, session_id: &str, turns: u64) {
    let counted =
        wait(WAIT, "the turns to be counted", || (world.chat(session_id)["turns"] == turns).then_some(()));
    counted.unwrap_or_else(|error| {
        panic!("{error}: {turns} were to be, the chat is {}\n{}", world.chat(session_id), world.log())
    });
    world.wait_until_kept(session_id);
}

/// SHIM's log tells of no panic.
#[track_caller]
fn nothing_panicked(world: &World) {
    let log = world.whole_log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Warnings that a person sees in `shim status`.
fn warnings(world: &World) -> String {
    world.json(&["status"])["warnings"].to_string()
}
