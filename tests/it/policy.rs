//! What SHIM does by itself after a real client's death, and what its user's word is worth against it.

use std::fs;

use serde_json::{Value, json};
use shim_standin::client::{Headless, Signal, Start, is_alive, send, wait};

use crate::world::{WAIT, World, id};

const SLOW_ANSWER: &str = "@@slow 4000 0.1 1";
/// Restored at once, and one after the other without much of a pause.
pub const ONCE: &str = "policy.auto_restore = \"once\"\npolicy.delay_seconds = 0\npolicy.apart_seconds = 1";

pub fn world(settings: &str) -> World {
    let mut world = World::without_shim();
    world.settings(settings);
    world.start_shim();
    world
}

/// A chat that streams an answer.
pub fn answering(world: &World, project: &str) -> Headless {
    let start = Start::new(world.home.project(project).unwrap(), SLOW_ANSWER);
    let chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&chat.session_id, "working");
    chat
}

/// Waits until the engine has said so.
#[track_caller]
pub fn says(world: &World, words: &str) {
    let said = wait(WAIT, words, || world.whole_log().contains(words).then_some(()));
    said.unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
}

/// Waits until one process that is not `dead` stands behind the chat, and gives it.
#[track_caller]
pub fn comes_back(world: &World, session_id: &str, dead: u32) -> u32 {
    let back = wait(WAIT, "the chat to come back", || {
        let on = world.home.clients_on(session_id);
        let crash = world.crashes_of(session_id).into_iter().next();
        let has_receipt = crash.is_some_and(|crash| crash["restore"]["ok"] == true);
        on.first().copied().filter(|pid| has_receipt && on.len() == 1 && *pid != dead)
    });
    back.unwrap_or_else(|error| panic!("{error}\n{}", world.log()))
}

#[test]
fn a_chat_that_dies_comes_back_by_itself_once_and_then_it_is_asked() {
    let world = world(ONCE);
    let mut chat = answering(&world, "p");
    let (session_id, first) = (chat.session_id.clone(), chat.pid());
    chat.kill().unwrap();
    let second = comes_back(&world, &session_id, first);
    let crash = world.crashes_of(&session_id).remove(0);
    let receipt = &crash["restore"];
    assert_eq!(
        (&receipt["processes"], &receipt["turns_lost"], &crash["resolved"]),
        (&json!(1), &json!(0), &json!(true))
    );
    assert_eq!(receipt["steps"][0]["step"], "policy", "the receipt says that nobody asked: {receipt}");
    send(second, Signal::KILL);
    says(&world, "AsksBeforeRestore { why: \"it crashed again");
    assert_eq!(world.crashes_of(&session_id).len(), 2);
    assert_eq!(world.home.clients_on(&session_id), Vec::<u32>::new());
    assert_eq!(world.crashes_of(&session_id)[0]["restore"], Value::Null);
    // The user's own click is another matter.
    assert_eq!(world.restore(&session_id, &["--headless"])["ok"], true);
}

/// What was asked is remembered by the next engine.
#[test]
fn an_engine_that_dies_forgets_nothing_of_it() {
    let mut world = world(ONCE);
    let mut chat = answering(&world, "p");
    let session_id = chat.session_id.clone();
    chat.kill().unwrap();
    let second = comes_back(&world, &session_id, chat.pid());
    world.kill_shim();
    send(second, Signal::KILL);
    world.start_shim();
    says(&world, "AsksBeforeRestore { why: \"it crashed again");
    assert_eq!(world.home.clients_on(&session_id), Vec::<u32>::new());
}

#[test]
fn why_a_restore_was_begun_is_told_even_when_the_engine_died_under_it() {
    let mut world = world(ONCE);
    let mut chat = answering(&world, "p");
    fs::write(world.die_at(), "restore.allowed").unwrap();
    chat.kill().unwrap();
    world.shim_dies();
    fs::remove_file(world.die_at()).unwrap();
    world.start_shim();
    let crash = world.wait_for_crash(&chat.session_id);
    let steps = crash["restore"]["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| &step["step"]).collect();
    assert_eq!(names, ["policy", "engine"], "{crash}");
}

#[test]
fn a_damaged_chat_is_not_restored_by_itself_and_its_user_is_asked() {
    let world = world("policy.auto_restore = \"once\"\npolicy.delay_seconds = 2");
    let cwd = world.home.project("p").unwrap();
    let session_id = world.finished_chat(&cwd, "@@text ALPHA");
    let mut start = Start::new(&cwd, SLOW_ANSWER);
    start.session_id.clone_from(&session_id);
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&session_id, "working");
    // What a power loss leaves in the middle of a file.
    let path = world.home.transcript(&session_id).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|words| words == b"ALPHA").unwrap();
    bytes[at..at + 300].fill(0);
    chat.kill().unwrap();
    fs::write(&path, bytes).unwrap();
    says(&world, "only a repaired copy of it would come back");
    assert_eq!(world.home.clients_on(&session_id), Vec::<u32>::new());
    assert_eq!(
        world.crashes_of(&session_id).iter().filter(|crash| crash["restore"]["ok"] == true).count(),
        0
    );
}

#[test]
fn what_its_user_interrupts_or_stops_stays_as_it_is_while_others_come_back() {
    let world = world(ONCE);
    let mut interrupted = answering(&world, "a");
    interrupted.signal(Signal::INT);
    interrupted.wait_for_exit(WAIT).unwrap();
    world.wait_for_state(&interrupted.session_id, "ended");
    let mut stopped = answering(&world, "b");
    let receipt = world.json(&["stop", &id(&stopped.session_id), "--yes"]);
    assert_eq!(receipt["ok"], true, "{receipt}");
    stopped.wait_for_exit(WAIT).unwrap();
    world.wait_for_state(&stopped.session_id, "ended");
    let mut killed = answering(&world, "c");
    killed.kill().unwrap();
    comes_back(&world, &killed.session_id, killed.pid());
    for chat in [&interrupted, &stopped] {
        assert_eq!(world.crashes_of(&chat.session_id), Vec::<Value>::new(), "its user's hand is no crash");
        assert_eq!(world.home.clients_on(&chat.session_id), Vec::<u32>::new());
    }
}

/// One that takes no notice of being asked, and what it started, tools that would outlive it among them.
#[test]
fn a_stop_ends_the_whole_tree_and_is_shown_before_it_is_done() {
    let world = world("stop.grace_seconds = 1");
    let cwd = world.home.project("p").unwrap();
    let script = "@@tool Bash {\"command\": \"echo begin > b.txt; sleep 600; echo end > e.txt\"}";
    let mut chat = Headless::start(&world.home, &Start::new(&cwd, script)).unwrap();
    wait(WAIT, "the tool to wait", || (cwd.join("b.txt").exists() && world.sleeps()).then_some(())).unwrap();
    world.wait_for_state(&chat.session_id, "working");
    let tools = world.home.tools_of(&chat.session_id);
    chat.signal(Signal::STOP);
    let target = id(&chat.session_id);
    let refused = world.shim(&["stop", &target]);
    assert_eq!(refused.status.code(), Some(1), "nobody is there to be asked: {refused:?}");
    let rehearsed = world.json(&["stop", &target, "--dry-run"]);
    let pids: Vec<u32> = serde_json::from_value(rehearsed["pids"].clone()).unwrap();
    assert!(pids.contains(&chat.pid()) && tools.iter().all(|tool| pids.contains(&tool.pid)), "{rehearsed}");
    assert!(is_alive(chat.pid()) && world.home.tools_of(&chat.session_id) == tools, "nothing was ended yet");
    let stopped = world.json(&["stop", &target, "--yes"]);
    let steps: Vec<_> =
        stopped["steps"].as_array().unwrap().iter().map(|step| (&step["step"], &step["ok"])).collect();
    assert_eq!(stopped["ok"], true, "{stopped}");
    assert_eq!(json!(steps), json!([["ask_to_end", true], ["force", true], ["confirm_dead", true]]));
    chat.wait_for_exit(WAIT).unwrap();
    assert!(world.home.tools_of(&chat.session_id).is_empty() && !cwd.join("e.txt").exists());
    world.wait_for_state(&chat.session_id, "ended");
    assert_eq!(world.crashes_of(&chat.session_id), Vec::<Value>::new());
}

/// The restore ends what hangs, which takes its grace; its user says stop meanwhile.
#[test]
fn a_stop_is_worth_more_than_a_restore_that_is_under_way() {
    let world = world("hang = { stopped_seconds = 5, readings = 2, after_wake_seconds = 0 }");
    let chat = answering(&world, "p");
    let target = id(&chat.session_id);
    chat.signal(Signal::STOP);
    world.wait_for_state(&chat.session_id, "hung");
    std::thread::scope(|scope| {
        let restoring = scope.spawn(|| world.restore(&target, &["--headless", "--continue"]));
        wait(WAIT, "the restore to be under way", || {
            let refused = &world.restore(&target, &["--headless", "--dry-run"])["refused"];
            (refused["reason"] == "under_way").then_some(())
        })
        .unwrap();
        let stopped = world.json(&["stop", &target, "--yes"]);
        assert_eq!(stopped["ok"], true, "{stopped}");
        let receipt = restoring.join().unwrap();
        let steps = receipt["steps"].to_string();
        assert_eq!(receipt["ok"], false, "{receipt}");
        assert!(steps.contains("its user stopped the chat while it was being restored"), "{receipt}");
    });
    assert_eq!(world.home.clients_on(&chat.session_id), Vec::<u32>::new());
    world.wait_for_state(&chat.session_id, "ended");
    assert!(world.crashes_of(&chat.session_id).iter().all(|crash| crash["resolved"] == true));
}

#[test]
fn a_rehearsal_of_the_policy_says_what_it_would_do_and_does_nothing() {
    let world = world(&format!("{ONCE}\npolicy.dry_run = true"));
    let mut chat = answering(&world, "p");
    let asked = world.asked();
    chat.kill().unwrap();
    says(&world, "WouldRestore {");
    world.wait_for_state(&chat.session_id, "crashed");
    assert_eq!((world.home.clients_on(&chat.session_id), world.asked()), (Vec::new(), asked));
    assert_eq!(world.wait_for_crash(&chat.session_id)["restore"], Value::Null);
}

#[test]
fn nothing_comes_back_by_itself_unless_its_user_said_so() {
    let world = world("policy.delay_seconds = 0");
    let mut chat = answering(&world, "p");
    chat.kill().unwrap();
    world.wait_for_crash(&chat.session_id);
    // A second chat's whole life passes meanwhile.
    world.finished_chat(&world.home.project("q").unwrap(), "@@text done");
    assert_eq!(world.home.clients_on(&chat.session_id), Vec::<u32>::new());
    assert_eq!(world.chat(&chat.session_id)["state"], "crashed");
}
