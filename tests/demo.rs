//! `shim demo` as a user calls it, on any system and with no client on it: the recorded week is shown, nothing
//! outside its folder is touched, and nothing is started or changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod running;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use shim_api::{
    Engine,
    error::{ApiError, ErrorCode},
    fleet::Options,
    install::{InstallRequest, What},
    restore::{RestoreRequest, Then},
};

use crate::running::Running;

/// A home with a client's folder in it that must stay as it is, and a demo.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::Builder::new().prefix("shim ü ").tempdir().unwrap());
        let sessions = world.home().join(".claude/projects/p");
        fs::create_dir_all(&sessions).unwrap();
        let transcript = include_str!("data/claude/clean.jsonl");
        fs::write(sessions.join("11111111-1111-4111-8111-111111111111.jsonl"), transcript).unwrap();
        world
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    fn demo(&self) -> PathBuf {
        self.0.path().join("a demo")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shim"));
        command.arg("--home").arg(self.demo()).args(arguments).stdin(Stdio::null());
        command.env("HOME", self.home()).env("USERPROFILE", self.home()).env_remove("SHIM_HOME");
        for name in ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "DISPLAY", "WAYLAND_DISPLAY"] {
            command.env_remove(name);
        }
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.output(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// `shim demo`, once its engine answers.
    fn show(&self) -> (Running, Engine) {
        let mut running = Running(self.command(&["demo"]).stdout(Stdio::null()).spawn().unwrap());
        let engine = running.answers(&self.demo());
        (running, engine)
    }
}

/// Every file below a folder, with what is in it.
fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(listing(&entry.path()));
        } else {
            found.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_recorded_week_is_shown_and_nothing_outside_its_folder_is_touched() {
    let world = World::new();
    let before = listing(&world.home());
    let (mut running, engine) = world.show();
    engine.stop().unwrap();
    assert!(running.ended().success());

    // With no engine the commands answer just the same.
    let status = world.json(&["status"]);
    assert_eq!((&status["engine"]["demo"], &status["engine"]["embedded"]), (&true.into(), &true.into()));
    let said = String::from_utf8_lossy(&world.output(&["status"]).stdout).into_owned();
    assert!(said.contains("a recorded week is shown"), "{said}");
    let chats = world.json(&["chats"]);
    let chats = chats.as_array().unwrap();
    let all = |name: &str| chats.iter().map(|chat| chat[name].as_str().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(all("client").len(), 5);
    assert_eq!(
        all("state").into_iter().collect::<Vec<_>>(),
        ["crashed", "ended", "hung", "idle", "unknown", "waiting", "working"]
    );
    assert!(chats.iter().all(|chat| chat["session_id"] != "11111111-1111-4111-8111-111111111111"));
    assert!(chats.iter().any(|chat| chat["risk"]["level"] == "danger"), "{chats:#?}");
    let working = chats.iter().find(|chat| chat["state"] == "working").unwrap();
    let id = working["id"].as_str().unwrap();
    let chat = world.json(&["chat", id]);
    let kinds: BTreeSet<_> =
        chat["timeline"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert!(kinds.is_superset(&["prompt", "answer", "tool", "checkpoint"].into()), "{kinds:?}");
    assert!(world.json(&["signals", id])["history"].as_array().unwrap().len() > 10);
    assert!(world.json(&["checkpoints", id]).as_array().unwrap().len() > 10);

    let crashes = world.json(&["crashes"]);
    let crashes = crashes.as_array().unwrap();
    let open = crashes.iter().filter(|crash| crash["resolved"] == false).count();
    assert_eq!(status["open_crashes"], open);
    assert!(open >= 5, "{crashes:#?}");
    assert!(crashes.iter().any(|crash| crash["restore"]["ok"] == true));
    assert!(crashes.iter().any(|crash| crash["restore"]["refused"]["reason"] == "directory_gone"));
    let alike = world.json(&["crashes", "--by-fingerprint"]);
    assert!(alike.as_array().unwrap().iter().any(|group| group["count"].as_u64() > Some(1)), "{alike:#}");
    let hits = world.json(&["search", "idempotency key"]);
    assert!(hits.as_array().unwrap().len() >= 2, "{hits:#}");
    let findings = world.json(&["doctor", "--verify"]);
    assert_eq!(findings[0]["what"], "demo");
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["level"] != "problem"), "{findings:#}");
    assert_eq!(listing(&world.home()), before);
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ApiError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused, "{error}");
    assert!(error.message.contains("nothing is started or changed"), "{error}");
}

#[test]
fn a_demo_starts_ends_and_changes_nothing_but_its_settings() {
    let world = World::new();
    let before = listing(&world.home());
    let (_running, engine) = world.show();
    let crash = engine.crashes().unwrap().into_iter().find(|crash| !crash.resolved).unwrap();
    let target = crash.chat.to_string();
    let request = RestoreRequest {
        target: target.clone(),
        checkpoint: None,
        headless: true,
        then: Then::Idle,
        dry_run: false,
    };
    refused(engine.restore(&request));
    refused(engine.restore(&RestoreRequest { dry_run: true, ..request }));
    refused(engine.begin_fleet(Options { headless: true, then: Then::Idle, dry_run: false }));
    refused(engine.take_checkpoint(&target, None, None));
    refused(engine.examine(&target));
    for what in [What::Hooks, What::Mcp, What::Service] {
        let request = InstallRequest { what, client: None, undo: false, dry_run: false };
        refused(engine.install(&request));
        let output = world.output(&["install", what.name()]);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("this is the demo"), "{output:?}");
    }
    assert_eq!(engine.offers().unwrap(), []);
    let output = world.output(&["settings", "policy.auto_restore", "once"]);
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read_to_string(world.demo().join("config.toml")).unwrap().contains("once"));
    let open = || engine.status().unwrap().open_crashes;
    let before_that = open();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(open(), before_that, "nothing is brought back by itself either");
    assert_eq!(listing(&world.home()), before);

    // One that runs is shown as it is, not made anew.
    let output = world.output(&["demo"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(engine.crashes().unwrap().iter().filter(|again| again.id == crash.id).count(), 1);
}

#[test]
fn a_folder_that_is_no_demo_is_refused() {
    let world = World::new();
    fs::create_dir_all(world.demo()).unwrap();
    fs::write(world.demo().join("shim.db"), "theirs").unwrap();
    let output = world.output(&["demo"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no folder of a demo"), "{output:?}");
    assert_eq!(listing(&world.demo()), [(world.demo().join("shim.db"), b"theirs".to_vec())]);
}
