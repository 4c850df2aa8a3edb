//! Restores that are not tried: each leaves a receipt that says why, and what to do.

use std::{fs, path::Path};

use serde_json::{Value, json};
use shim_standin::client::{Headless, Signal, Start, send, wait};

use crate::world::{WAIT, World, id};

const SLOW_ANSWER: &str = "@@slow 2000 0.1 1";

/// A chat killed in mid-answer.
fn crashed(world: &World, cwd: &Path) -> String {
    let mut chat = Headless::start(&world.home, &Start::new(cwd, SLOW_ANSWER)).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&chat.session_id, "working");
    chat.kill().unwrap();
    world.wait_for_crash(&chat.session_id);
    chat.session_id.clone()
}

/// A receipt that refuses for this reason, says what to do in these words, and is kept.
#[track_caller]
fn refused(world: &World, session_id: &str, options: &[&str], reason: &str, advice: &str) -> Value {
    let before = (world.home.clients_on(session_id), world.asked());
    let output = world.shim(&[&["restore", session_id, "--json"][..], options].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}\n{}", world.log());
    let receipt: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!((&receipt["ok"], &receipt["refused"]["reason"]), (&json!(false), &json!(reason)), "{receipt}");
    let message = receipt["refused"]["message"].as_str().unwrap();
    assert!(message.contains(advice), "{message}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains(message),
        "the reason stands on stderr: {output:?}"
    );
    let timeline = world.json(&["chat", &id(session_id)])["timeline"].clone();
    let kept = timeline
        .as_array()
        .unwrap()
        .iter()
        .any(|entry| entry["kind"] == "restore" && entry["number"] == receipt["id"]);
    assert!(kept, "the receipt stands in the chat's timeline: {timeline}");
    assert_eq!((world.home.clients_on(session_id), world.asked()), before, "nothing was started");
    receipt
}

#[test]
fn a_chat_that_is_alive() {
    let world = World::new();
    let chat =
        Headless::start(&world.home, &Start::new(world.home.project("p").unwrap(), SLOW_ANSWER)).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&chat.session_id, "working");
    let receipt = refused(&world, &chat.session_id, &["--headless"], "still_alive", "end it first");
    assert!(receipt["refused"]["message"].as_str().unwrap().contains(&chat.pid().to_string()), "{receipt}");
}

#[test]
fn a_directory_that_is_gone() {
    let world = World::new();
    let cwd = world.home.project("gone soon").unwrap();
    let session_id = crashed(&world, &cwd);
    fs::remove_dir_all(&cwd).unwrap();
    refused(&world, &session_id, &["--headless"], "directory_gone", "put it back");
    fs::create_dir(&cwd).unwrap();
    let receipt = world.restore(&session_id, &["--headless"]);
    assert_eq!(receipt["ok"], true, "what the receipt advised works: {receipt}");
}

#[test]
fn a_client_that_is_not_there() {
    let mut world = World::without_shim();
    world.settings("clients.claude-code.command = \"/nowhere/claude\"");
    world.start_shim();
    let session_id = crashed(&world, &world.home.project("p").unwrap());
    refused(&world, &session_id, &["--headless"], "client_missing", "clients.claude-code.command");
}

#[test]
fn a_terminal_that_is_not_there() {
    let mut world = World::without_shim();
    let settings = world.shim_home.join("config.toml");
    let text = fs::read_to_string(&settings).unwrap().replace("[\"tmux\"", "[\"no-such-terminal\"");
    fs::write(&settings, text).unwrap();
    world.start_shim();
    let session_id = crashed(&world, &world.home.project("p").unwrap());
    refused(&world, &session_id, &[], "terminal_missing", "--headless");
    let receipt = world.restore(&session_id, &["--headless"]);
    assert_eq!(receipt["ok"], true, "what the receipt advised works: {receipt}");
}

#[test]
fn tools_left_running_where_the_settings_say_not_to_end_them() {
    let mut world = World::without_shim();
    world.settings("restore.orphans = \"refuse\"");
    world.start_shim();
    let cwd = world.home.project("p").unwrap();
    let script = "@@tool Bash {\"command\": \"echo begin > b.txt; sleep 600\"}";
    let mut chat = Headless::start(&world.home, &Start::new(&cwd, script)).unwrap();
    wait(WAIT, "the tool to begin", || cwd.join("b.txt").exists().then_some(())).unwrap();
    world.wait_for_state(&chat.session_id, "working");
    chat.kill().unwrap();
    world.wait_for_crash(&chat.session_id);
    let left = world.home.tools_of(&chat.session_id);
    assert!(!left.is_empty());
    refused(&world, &chat.session_id, &["--headless"], "orphans_alive", "end them first");
    assert_eq!(world.home.tools_of(&chat.session_id), left, "they were left alone");
    assert!(left.iter().all(|tool| send(tool.pid, Signal::KILL)));
    wait(WAIT, "the tools to be gone", || world.home.tools_of(&chat.session_id).is_empty().then_some(()))
        .unwrap();
    let receipt = world.restore(&chat.session_id, &["--headless"]);
    assert_eq!(receipt["ok"], true, "what the receipt advised works: {receipt}");
}

#[test]
fn a_checkpoint_of_another_chat() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let [one, two] = [world.finished_chat(&cwd, "@@text one"), world.finished_chat(&cwd, "@@text two")];
    world.wait_for_state(&one, "ended");
    world.wait_for_state(&two, "ended");
    let of_two = world.json(&["checkpoint", &id(&two)])["id"].to_string();
    refused(&world, &one, &["--checkpoint", &of_two, "--headless"], "checkpoint_gone", "shim checkpoints");
}

#[test]
fn a_window_that_is_used_up() {
    let world = World::new();
    let session_id = crashed(&world, &world.home.project("p").unwrap());
    for round in 1..=3 {
        let receipt = world.restore(&session_id, &["--headless"]);
        assert_eq!(receipt["ok"], true, "{receipt}");
        let pid = u32::try_from(receipt["pid"].as_u64().unwrap()).unwrap();
        send(pid, Signal::KILL);
        wait(WAIT, "the next crash", || (world.crashes_of(&session_id).len() > round).then_some(())).unwrap();
    }
    refused(&world, &session_id, &["--headless"], "window_used_up", "try again in");
}

#[test]
fn the_start_of_two_chats_ids() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let ids = ["abcdef00-0000-4000-8000-000000000001", "abcdef00-0000-4000-8000-000000000002"];
    for session_id in ids {
        let mut start = Start::new(&cwd, "@@text done");
        session_id.clone_into(&mut start.session_id);
        let mut chat = Headless::start(&world.home, &start).unwrap();
        assert!(chat.wait_for_exit(WAIT).unwrap().success());
        world.wait_for_state(session_id, "ended");
    }
    let asked = world.asked();
    let output = world.shim(&["restore", "abcdef00", "--headless", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&receipt["ok"], &receipt["refused"]["reason"]),
        (&json!(false), &json!("ambiguous")),
        "{receipt}"
    );
    let message = receipt["refused"]["message"].as_str().unwrap();
    assert!(ids.iter().all(|session_id| message.contains(session_id)), "both are named: {message}");
    assert!(message.contains("more of the id"), "{message}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{output:?}");
    assert_eq!(world.asked(), asked);
}
