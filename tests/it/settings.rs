//! Settings that are changed while the engine runs: by the command line, and by its user's own editor.

use std::fs;

use serde_json::{Value, json};
use shim_standin::client::wait;

use crate::{
    policy::{answering, comes_back, says, world},
    world::{WAIT, World},
};

fn file(world: &World) -> String {
    fs::read_to_string(world.shim_home.join("config.toml")).unwrap()
}

fn edit(world: &World, text: &str) {
    fs::write(world.shim_home.join("config.toml"), text).unwrap();
}

fn setting(world: &World, key: &str) -> Value {
    world.json(&["settings", key])
}

/// What the doctor says of the file.
fn warned(world: &World) -> bool {
    let findings = world.shim(&["doctor", "--json"]);
    String::from_utf8_lossy(&findings.stdout).contains("What was set before holds on")
}

#[test]
fn a_change_holds_at_once_and_what_its_user_wrote_beside_it_stays() {
    let world = world("# my own words\npolicy.delay_seconds = 0 # no waiting\npolicy.apart_seconds = 1");
    let before = file(&world);
    let mut left = answering(&world, "left");
    left.kill().unwrap();
    world.wait_for_crash(&left.session_id);
    assert_eq!(
        world.crashes_of(&left.session_id)[0]["restore"],
        Value::Null,
        "nothing is restored by itself"
    );
    assert_eq!(setting(&world, "policy.auto_restore")["value"], Value::Null);
    let changed = world.json(&["settings", "policy.auto_restore", "once"]);
    assert_eq!(
        (&changed["value"], &changed["waits_for_start"]),
        (&json!("once"), &json!(false)),
        "{changed}"
    );
    assert_eq!(file(&world), format!("{before}policy.auto_restore = \"once\"\n"));
    assert_eq!(fs::read_to_string(world.shim_home.join("backups/config.toml.before")).unwrap(), before);
    let mut chat = answering(&world, "p");
    chat.kill().unwrap();
    comes_back(&world, &chat.session_id, chat.pid());
    world.json(&["settings", "policy.auto_restore", "--default"]);
    assert_eq!(file(&world), before);
}

#[test]
fn what_is_out_of_bounds_is_refused_with_the_reason_and_changes_nothing() {
    let world = world("");
    let before = file(&world);
    for (args, reason) in [
        (&["watch.sweep_seconds", "301"][..], "must be a whole number from 1 to 300"),
        (&["watch.sweep_seconds", "soon"], "must be a whole number from 1 to 300"),
        (&["policy.auto_restore", "always"], "must be one of off, once"),
        (&["policy.dry_run", "yes"], "must be true or false"),
        (&["watch.within", "here"], "must be a list of texts in quotes"),
        (&["terminal.command", "[\"xterm\"]"], "{command}"),
        (&["moon.phase", "1"], "`shim settings` lists all"),
    ] {
        let refused = world.shim(&[&["settings"], args].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(reason), "{args:?}: {said}");
    }
    assert_eq!(file(&world), before);
}

#[test]
fn what_its_user_edits_is_taken_over_and_what_is_not_right_is_told() {
    let world = world("watch.sweep_seconds = 1");
    let before = file(&world);
    edit(&world, &format!("{before}policy.auto_restore = \"once\"\npolicy.delay_seconds = 0\n"));
    says(&world, "the settings were changed");
    edit(&world, &format!("{before}policy.auto_restore = \"often\"\n"));
    wait(WAIT, "the doctor to warn", || warned(&world).then_some(())).unwrap();
    let view = world.shim(&["settings", "--json"]);
    let view: Value = serde_json::from_slice(&view.stdout).unwrap();
    assert_eq!(view["wrong"][0]["key"], "policy.auto_restore", "{}", view["wrong"]);
    let refused = world.shim(&["settings", "policy.dry_run", "true"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("must be one of off, once"), "{refused:?}");
    // What was set before holds on.
    let mut chat = answering(&world, "p");
    chat.kill().unwrap();
    comes_back(&world, &chat.session_id, chat.pid());
    edit(&world, &before);
    wait(WAIT, "the warning to go", || (!warned(&world)).then_some(())).unwrap();
}

#[test]
fn what_is_read_once_waits_for_the_next_start() {
    let mut world = world("");
    let changed = world.json(&["settings", "journal.commit_ms", "50"]);
    assert_eq!((&changed["value"], &changed["waits_for_start"]), (&json!(50), &json!(true)), "{changed}");
    world.stop_shim();
    world.start_shim();
    assert_eq!(setting(&world, "journal.commit_ms")["waits_for_start"], false);
}
