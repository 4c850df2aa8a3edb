//! Experiments in a real engine: two chats have two values of one setting at the same time, what becomes of them is
//! counted, an engine that is killed changes nothing, and the user's word wins. The client is a stand-in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod client;
mod running;

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use shim_api::Engine;
use shim_core::{
    checkpoints::Trigger,
    experiments::{assignment::bucket, machine::State},
};

use crate::{
    client::start_client,
    running::{Running, wait},
};

struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::Builder::new().prefix("shim-experiments-").tempdir().unwrap());
        fs::create_dir_all(world.claude().join("sessions")).unwrap();
        fs::create_dir_all(world.claude().join("projects/some-project")).unwrap();
        fs::create_dir_all(world.data()).unwrap();
        world.settings("");
        world
    }

    fn claude(&self) -> PathBuf {
        self.0.path().join("home/.claude")
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Every tool call may have a checkpoint, were they due; and `more`.
    fn settings(&self, more: &str) {
        let within = serde_json::to_string(&[self.0.path()]).unwrap();
        let text = format!(
            "watch.within = {within}\nwatch.sweep_seconds = 1\ncheckpoints.gap_low_seconds = 0\n\
             checkpoints.gap_middle_seconds = 0\ncheckpoints.snapshot = \"off\"\n{more}"
        );
        fs::write(self.data().join("config.toml"), text).unwrap();
    }

    fn shim(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shim"));
        command.args(arguments).env("SHIM_HOME", self.data()).stdin(Stdio::null());
        let home = self.0.path().join("home");
        command.env("HOME", &home).env("USERPROFILE", &home).env_remove("CLAUDE_CONFIG_DIR");
        command
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.shim(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Changes what no engine holds, by hand.
    fn change(&self, statement: &str) {
        let database = rusqlite::Connection::open(self.data().join("shim.db")).unwrap();
        assert!(database.execute(statement, []).unwrap() > 0, "{statement}");
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.shim(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn run(&self) -> (Running, Engine) {
        let mut command = self.shim(&["run"]);
        let mut running = Running(command.stdout(Stdio::null()).env("SHIM_LOG", "warn").spawn().unwrap());
        let engine = running.answers(&self.data());
        (running, engine)
    }

    /// A chat of a client that runs.
    fn chat(&self, session: &str) -> Chat {
        let transcript = self.claude().join(format!("projects/some-project/{session}.jsonl"));
        let mut chat = Chat { session: session.to_owned(), transcript, client: start_client(), lines: 0 };
        chat.write(&json!({ "type": "user", "message": { "role": "user", "content": "please" } }));
        let pid = chat.client.0.id();
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let registration = json!({
            "pid": pid, "sessionId": session, "cwd": self.0.path(), "version": "2.1.329", "status": "busy",
            "startedAt": u64::try_from(since).unwrap(), "updatedAt": u64::try_from(since).unwrap(),
        });
        fs::write(self.claude().join(format!("sessions/{pid}.json")), registration.to_string()).unwrap();
        chat
    }
}

struct Chat {
    session: String,
    transcript: PathBuf,
    client: Running,
    lines: u64,
}

impl Chat {
    fn write(&mut self, record: &Value) {
        self.lines += 1;
        let mut record = record.clone();
        let uuid = format!("{:08}-0000-4000-8000-{:012}", self.lines, self.client.0.id());
        record["uuid"] = uuid.into();
        record["sessionId"] = self.session.clone().into();
        record["timestamp"] = "2026-11-30T12:00:00.000Z".into();
        record["isSidechain"] = false.into();
        let mut file = File::options().create(true).append(true).open(&self.transcript).unwrap();
        file.write_all(format!("{record}\n").as_bytes()).unwrap();
    }

    /// A tool call and its result.
    fn call(&mut self) {
        let id = format!("toolu_{}_{}", self.client.0.id(), self.lines);
        let call = json!({ "type": "tool_use", "id": id, "name": "Bash", "input": { "command": "echo hi" } });
        self.write(&json!({
            "type": "assistant",
            "message": {
                "id": format!("msg_{id}"), "type": "message", "role": "assistant", "model": "claude-opus-5-5",
                "content": [call], "stop_reason": "tool_use",
                "usage": { "input_tokens": 12, "output_tokens": 31 },
            },
        }));
        let result = json!({ "tool_use_id": id, "type": "tool_result", "content": "hi", "is_error": false });
        self.write(&json!({ "type": "user", "message": { "role": "user", "content": [result] } }));
    }

    fn triggers(&self, engine: &Engine) -> Vec<Trigger> {
        let checkpoints = engine.checkpoints(&self.session).unwrap_or_default();
        checkpoints.into_iter().map(|checkpoint| checkpoint.trigger).collect()
    }

    fn kept(&self, engine: &Engine) -> u64 {
        let all = engine.chats(None, None).unwrap();
        let found = all.into_iter().find(|chat| chat.session_id == self.session);
        found.map_or(0, |chat| chat.journal.bytes)
    }

    /// Waits until all that was written is kept.
    fn settle(&self, engine: &Engine) {
        let written = fs::metadata(&self.transcript).unwrap().len();
        wait("the journal", || (self.kept(engine) == written).then_some(()));
    }
}

/// A session whose chat falls into the buckets that are treated, or that are not.
fn session(salt: &str, treated: bool) -> String {
    let sessions = (1..).map(|n: u64| format!("00000000-0000-4000-8000-{n:012}"));
    // Of the first share, a tenth.
    let mut fits = sessions.filter(|id| (bucket(salt, &format!("claude-code:{id}")) < 1000) == treated);
    fits.next().unwrap()
}

#[test]
fn two_chats_have_two_paces_at_the_same_time_and_the_users_word_wins() {
    let world = World::new();
    let (mut running, engine) = world.run();
    let begun = world.json(&[
        "experiments",
        "start",
        "--knob",
        "checkpoints.calls",
        "--value",
        "4",
        "--metric",
        "unsaved_calls",
        "--json",
    ]);
    assert_eq!((&begun["id"], &begun["standing"]), (&json!(1), &json!("running")), "{begun}");
    assert_eq!(begun["arms"][1]["share"], 1000);
    let salt = begun["salt"].as_str().unwrap();
    let (mut old, mut new) = (world.chat(&session(salt, false)), world.chat(&session(salt, true)));
    for chat in [&old, &new] {
        wait("the start's checkpoint", || {
            chat.triggers(&engine).contains(&Trigger::SessionStart).then_some(())
        });
    }
    // Five calls: more than the four that are tried, fewer than the eight that are set.
    for chat in [&mut old, &mut new] {
        (0..5).for_each(|_| chat.call());
        chat.settle(&engine);
    }
    wait("the new pace's checkpoint", || new.triggers(&engine).contains(&Trigger::ToolCalls).then_some(()));
    assert!(!old.triggers(&engine).contains(&Trigger::ToolCalls), "{:?}", old.triggers(&engine));
    (0..4).for_each(|_| old.call());
    wait("the old pace's checkpoint", || old.triggers(&engine).contains(&Trigger::ToolCalls).then_some(()));

    // Both used it, each its own; and both deaths are measured.
    let counts = |what: &str| {
        let shown = world.json(&["experiments", "show", "1", "--json"]);
        [0, 1].map(|arm: usize| shown["arms"][arm]["counts"][what].as_u64().unwrap())
    };
    assert_eq!((counts("assigned"), counts("exposed")), ([1, 1], [1, 1]));
    let metrics = engine.metrics().unwrap();
    let series = |name: &str, labels: &str, value: f64| {
        let family = metrics.iter().find(|family| family.name == name).unwrap();
        let found = family.samples.iter().find(|sample| {
            sample.labels.values().map(String::as_str).collect::<Vec<_>>().join(",") == labels
        });
        let is_it = found.is_some_and(|sample| (sample.value - value).abs() < 1e-9);
        assert!(is_it, "{name} of {labels}: {:?}", family.samples);
    };
    series("shim_experiments", "running", 1.0);
    series("shim_experiments", "on_probation", 0.0);
    series("shim_experiment_exposures", "1,arm 0", 1.0);
    series("shim_experiment_exposures", "1,arm 1", 1.0);
    series("shim_experiment_e_value", "1,better", 1.0);
    new.client.0.kill().unwrap();
    old.client.0.kill().unwrap();
    wait("both outcomes", || (counts("outcomes") == [1, 1]).then_some(()));
    // What is in the log is on disk.
    wait("both outcomes in the log", || {
        let log = world.json(&["experiments", "audit", "--all", "--json"]);
        let ends = log["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["event"]["measure"]["is"] == "ended");
        (ends.count() == 2).then_some(())
    });

    // An engine that is killed knows it all again.
    let before = world.json(&["experiments", "list", "--json"]);
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    let (mut running, engine) = world.run();
    assert_eq!(world.json(&["experiments", "list", "--json"]), before);
    let replayed = world.json(&["experiments", "audit", "--all", "--replay", "--json"]);
    assert_eq!(replayed["replay"]["same"], true, "{}", replayed["replay"]);
    let kinds =
        replayed["entries"].as_array().unwrap().iter().map(|entry| entry["event"]["is"].as_str().unwrap());
    let kinds: Vec<_> = kinds.collect();
    assert!(["came", "used", "measured"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    // What was foretold of a chat when it came, before it was given any value.
    let entries = replayed["entries"].as_array().unwrap();
    let foretold = entries.iter().filter(|entry| entry["event"]["is"] == "came");
    let foretold: Vec<_> = foretold.map(|entry| entry["event"]["risk"].as_u64()).collect();
    assert!(matches!(foretold[..], [Some(0..=1000), Some(0..=1000)]), "{foretold:?}");

    // What its user sets ends it, and holds.
    world.settings("checkpoints.calls = 6\n");
    let why =
        wait("the experiment's end", || match engine.experiments().unwrap().experiments.remove(0).state {
            State::Stopped { why, holds: 0, .. } => Some(why),
            _ => None,
        });
    assert_eq!(why, "its user set `checkpoints.calls` in config.toml");
    let refused = world.refused(&["experiments", "start", "--knob", "checkpoints.calls", "--value", "5"]);
    assert!(refused.contains("is set in config.toml"), "{refused}");
    engine.stop().unwrap();
    assert!(running.ended().success());
}

#[test]
fn a_value_is_pinned_taken_back_and_refused_from_the_command_line() {
    let world = World::new();
    let (_running, engine) = world.run();
    world.json(&["experiments", "start", "--knob", "checkpoints.calls", "--value", "4", "--json"]);
    let pinned = world.json(&["experiments", "pin", "1", "1", "--json"]);
    assert_eq!((&pinned["standing"], &pinned["arms"][1]["share"]), (&json!("stopped"), &json!(10_000)));
    // It holds for every chat.
    let mut chat = world.chat("11111111-1111-4111-8111-111111111111");
    wait("the start's checkpoint", || chat.triggers(&engine).contains(&Trigger::SessionStart).then_some(()));
    (0..5).for_each(|_| chat.call());
    wait("a checkpoint after four calls", || {
        chat.triggers(&engine).contains(&Trigger::ToolCalls).then_some(())
    });
    let undone = world.json(&["experiments", "undo", "1", "--json"]);
    assert_eq!(undone["state"]["holds"], 0);
    for (arguments, said) in [
        (["experiments", "undo", "1"].as_slice(), "holds nothing"),
        (&["experiments", "stop", "9"], "no experiment 9"),
        (&["experiments", "start", "--knob", "moon.phase", "--value", "1"], "no key `moon.phase`"),
        (&["experiments", "start", "--knob", "checkpoints.calls", "--value", "500"], "tried from 2 to 64"),
        (&["experiments", "start", "--knob", "restore.orphans", "--value", "refuse"], "by its user only"),
        (&["experiments", "override", "1", "codex:1", "7"], "the arms 0 to 1"),
        (&["experiments", "anew"], "can be read"),
    ] {
        let told = world.refused(arguments);
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    let listed = world.shim(&["experiments"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.starts_with("1 begun; 0 deployed on probation, 0 of them confirmed"), "{listed}");
}

#[test]
fn what_is_known_and_cannot_be_read_is_left_alone_until_its_user_begins_anew() {
    let world = World::new();
    let (mut running, engine) = world.run();
    world.json(&["experiments", "start", "--knob", "checkpoints.calls", "--value", "4", "--json"]);
    world.json(&["experiments", "pin", "1", "1", "--json"]);
    let before = world.json(&["experiments", "list", "--json"]);
    engine.stop().unwrap();
    assert!(running.ended().success());
    // A damaged state comes back out of the log.
    world.change("UPDATE experiment_states SET state = 'torn'");
    let (mut running, engine) = world.run();
    assert_eq!(world.json(&["experiments", "list", "--json"]), before);
    engine.stop().unwrap();
    assert!(running.ended().success());
    world.change("UPDATE experiment_states SET rules = 1000");

    let (_running, engine) = world.run();
    wait("the warning", || {
        let warnings = engine.status().unwrap().warnings;
        warnings.iter().any(|told| told.contains("a newer SHIM wrote it")).then_some(())
    });
    let refused = world.refused(&["experiments", "start", "--knob", "checkpoints.calls", "--value", "5"]);
    assert!(refused.contains("`shim experiments anew` puts it aside"), "{refused}");
    let put_aside = world.json(&["experiments", "anew", "--json"]);
    let kept = fs::read_to_string(put_aside["path"].as_str().unwrap()).unwrap();
    assert!(kept.contains("its user pinned arm 1"), "{kept}");
    let begun =
        world.json(&["experiments", "start", "--knob", "checkpoints.calls", "--value", "5", "--json"]);
    assert!(begun["id"].as_u64().unwrap() > 1, "no number is used twice: {begun}");
    wait("no warning", || engine.status().unwrap().warnings.is_empty().then_some(()));
}

/// With the SDK linked: `cargo test -p shim-cli --features statsig --test experiments`.
#[cfg(feature = "statsig")]
#[test]
fn a_statsig_project_says_what_holds_where_nothing_is_tried_here() {
    let world = World::new();
    let rule = json!({
        "id": "four", "name": "four", "groupName": "four", "salt": "rule", "passPercentage": 10,
        "conditions": ["all"], "idType": "userID", "returnValue": { "value": 4 }, "isExperimentGroup": true,
    });
    let config = json!({
        "type": "dynamic_config", "entity": "experiment", "salt": "config", "enabled": true, "isActive": true,
        "idType": "userID", "defaultValue": {}, "rules": [rule],
    });
    let specs = json!({
        "has_updates": true, "time": 1, "feature_gates": {}, "layer_configs": {}, "experiment_to_layer": {},
        "condition_map": { "all": { "type": "public", "idType": "userID" } },
        "dynamic_configs": { "checkpoints.calls": config },
    });
    fs::write(world.data().join("statsig-specs.json"), specs.to_string()).unwrap();
    let (mut running, engine) = world.run();
    // Where SHIM's own hash puts them the SDK puts them too.
    let salt = "config.rule";
    let (mut old, mut new) = (world.chat(&session(salt, false)), world.chat(&session(salt, true)));
    for chat in [&mut old, &mut new] {
        wait("the start's checkpoint", || {
            chat.triggers(&engine).contains(&Trigger::SessionStart).then_some(())
        });
        (0..5).for_each(|_| chat.call());
        chat.settle(&engine);
    }
    wait("the new pace's checkpoint", || new.triggers(&engine).contains(&Trigger::ToolCalls).then_some(()));
    assert!(!old.triggers(&engine).contains(&Trigger::ToolCalls), "{:?}", old.triggers(&engine));

    // What its user sets holds for both.
    world.settings("checkpoints.calls = 64\n");
    engine.stop().unwrap();
    assert!(running.ended().success());
    let (mut running, engine) = world.run();
    let count = |chat: &Chat, engine: &Engine| {
        chat.triggers(engine).into_iter().filter(|trigger| *trigger == Trigger::ToolCalls).count()
    };
    let before = count(&new, &engine);
    (0..9).for_each(|_| new.call());
    new.settle(&engine);
    assert_eq!(count(&new, &engine), before);
    engine.stop().unwrap();
    assert!(running.ended().success());
}
