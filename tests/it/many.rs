//! Deaths in number, deaths nobody watched, and pids that changed hands.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use shim_standin::client::{Headless, Home, Signal, Start, wait};

use crate::world::{WAIT, World, copy_program, id};

const SLOW_ANSWER: &str = "@@slow 2000 0.1 1";
/// As many as the design promises for one second.
const MANY: usize = 20;

/// A chat that streams an answer.
fn answering(home: &Home, project: &str) -> Headless {
    let chat = Headless::start(home, &Start::new(home.project(project).unwrap(), SLOW_ANSWER)).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    chat
}

#[test]
fn twenty_chats_that_die_in_one_second_are_twenty_crashes() {
    let mut world = World::alone();
    world.start_shim();
    // One after the other: twenty clients that start at once would only wait for each other.
    let chats: Vec<_> = (0..MANY).map(|n| answering(&world.home, &format!("p{n}"))).collect();
    for chat in &chats {
        world.wait_for_state(&chat.session_id, "working");
    }
    chats.iter().for_each(|chat| chat.signal(Signal::KILL));
    let all = || {
        let crashes = world.json(&["crashes"]);
        (crashes.as_array().unwrap().len() >= MANY).then_some(crashes)
    };
    let crashes =
        wait(WAIT, "twenty crashes", all).unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
    let crashes = crashes.as_array().unwrap();
    let died: BTreeSet<_> = crashes.iter().map(|crash| crash["chat"].as_str().unwrap().to_owned()).collect();
    assert_eq!(died, chats.iter().map(|chat| id(&chat.session_id)).collect::<BTreeSet<_>>());
    assert_eq!(crashes.len(), MANY, "each once");
    for crash in crashes {
        let verdict = (&crash["kind"], &crash["in_turn"], &crash["seen_live"]);
        assert_eq!(verdict, (&json!("killed"), &json!("answer"), &json!(true)), "{crash}");
    }
    for chat in &chats {
        world.wait_until_kept(&chat.session_id);
    }
}

#[test]
fn a_death_before_shim_started_is_found() {
    let mut world = World::without_shim();
    let mut chat = answering(&world.home, "p");
    chat.kill().unwrap();
    world.start_shim();
    let crash = world.wait_for_crash(&chat.session_id);
    let verdict = (&crash["kind"], &crash["in_turn"], &crash["seen_live"]);
    assert_eq!(verdict, (&json!("killed"), &json!("answer"), &json!(false)), "{crash}");
    world.wait_until_kept(&chat.session_id);
    let receipt = world.restore(&chat.session_id, &["--headless", "--continue"]);
    assert_eq!((&receipt["ok"], &receipt["processes"]), (&json!(true), &json!(1)), "{receipt}");
}

#[test]
fn a_death_while_shim_was_away_is_found_once() {
    let mut world = World::new();
    let mut chat = answering(&world.home, "p");
    world.wait_for_state(&chat.session_id, "working");
    world.kill_shim();
    chat.kill().unwrap();
    world.start_shim();
    world.wait_for_crash(&chat.session_id);
    assert!(world.stop_shim().success());
    world.start_shim();
    world.wait_for_state(&chat.session_id, "crashed");
    assert_eq!(world.crashes_of(&chat.session_id).len(), 1);
    world.wait_until_kept(&chat.session_id);
}

/// The dead client's pid went to another process, which lives.
#[test]
fn a_pid_that_changed_hands_hides_no_crash() {
    let mut world = World::without_shim();
    let mut chat = answering(&world.home, "p");
    let registry = world.home.live(&chat.session_id).unwrap();
    chat.kill().unwrap();
    let mut heir = sleeper(&world.home);
    let mut left = registry.whole.clone();
    left["pid"] = json!(heir.id());
    fs::remove_file(&registry.path).unwrap();
    let path = registry.path.with_file_name(format!("{}.json", heir.id()));
    fs::write(path, serde_json::to_vec(&left).unwrap()).unwrap();
    world.start_shim();
    let crash = world.wait_for_crash(&chat.session_id);
    assert_eq!((&crash["kind"], &crash["in_turn"]), (&json!("killed"), &json!("answer")), "{crash}");
    assert!(crash["evidence"].to_string().contains("another process"), "{crash}");
    let receipt = world.restore(&chat.session_id, &["--headless"]);
    assert_eq!(receipt["ok"], true, "{receipt}");
    assert!(heir.try_wait().unwrap().is_none(), "the pid's new owner was left alone");
    heir.kill().unwrap();
    heir.wait().unwrap();
}

fn sleeper(home: &Home) -> Child {
    home.command("sleep", home.folder()).arg("600").stdin(Stdio::null()).spawn().unwrap()
}

#[test]
fn chats_of_other_homes_are_found_and_brought_back_there() {
    let world = World::new();
    let other = Home::new(&world.root().join("other"), &world.standin.url()).unwrap();
    let apart = Home::new(&world.root().join("apart"), &world.standin.url()).unwrap();
    let apart = apart.with_config(&world.root().join("its config")).unwrap();
    for home in [&other, &apart] {
        let mut chat = answering(home, "p");
        world.wait_for_state(&chat.session_id, "working");
        chat.kill().unwrap();
        world.wait_for_crash(&chat.session_id);
        let receipt = world.restore(&chat.session_id, &["--headless"]);
        assert_eq!((&receipt["ok"], &receipt["processes"]), (&json!(true), &json!(1)), "{receipt}");
        let live = home.wait_for_status(Duration::from_secs(5), &chat.session_id, "idle").unwrap();
        assert_eq!(receipt["pid"], live.pid);
        assert_eq!(world.home.live(&chat.session_id).map(|registry| registry.pid), None);
        let file = fs::read(home.transcript(&chat.session_id).unwrap()).unwrap();
        wait(WAIT, "the journal to hold the client's file", || {
            (world.export(&chat.session_id, &[]) == file).then_some(())
        })
        .unwrap();
    }
}

/// An update of SHIM puts another file in its program's place while the engine runs.
#[test]
fn an_update_of_shim_under_its_engine_hinders_no_restore() {
    let world = World::new();
    let mut chat = answering(&world.home, "p");
    world.wait_for_state(&chat.session_id, "working");
    let update = world.program.with_extension("update");
    copy_program(&world.program, &update);
    fs::rename(&update, &world.program).unwrap();
    chat.kill().unwrap();
    world.wait_for_crash(&chat.session_id);
    let asked = world.asked();
    let receipt = world.restore(&chat.session_id, &["--continue"]);
    assert_eq!((&receipt["ok"], &receipt["processes"]), (&json!(true), &json!(1)), "{receipt}");
    let text = world.wait_for_request(&chat.session_id, asked).text();
    assert!(text.contains("SHIM restored this chat"), "{text}");
}

#[test]
fn all_that_died_comes_back_with_one_word() {
    let world = World::new();
    let mut chats: Vec<_> = (0..3).map(|n| answering(&world.home, &format!("p{n}"))).collect();
    for chat in &mut chats {
        world.wait_for_state(&chat.session_id, "working");
        chat.kill().unwrap();
        world.wait_for_crash(&chat.session_id);
    }
    let receipts = world.restore("--all", &["--headless"]);
    let receipts = receipts.as_array().unwrap_or_else(|| panic!("{receipts}"));
    let back: BTreeSet<_> = receipts
        .iter()
        .inspect(|receipt| assert_eq!(receipt["ok"], true, "{receipt}"))
        .map(|receipt| receipt["chat"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(back, chats.iter().map(|chat| id(&chat.session_id)).collect::<BTreeSet<_>>());
    for chat in &chats {
        assert_eq!(world.home.clients_on(&chat.session_id).len(), 1);
        assert!(world.crashes_of(&chat.session_id).iter().all(|crash| crash["resolved"] == true));
    }
    assert_eq!(
        world.restore("--all", &["--headless"]),
        Value::Array(Vec::new()),
        "nothing is left to restore"
    );
}
