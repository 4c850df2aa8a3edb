//! Claude Desktop, by a stand-in of its own (the real app cannot be installed here): seen, hung, updated over
//! live chats, its index lost and put back, restarted.

use std::{fs, path::Path};

use serde_json::{Value, json};
use shim_standin::client::{Desktop, Headless, Start, is_alive, wait};

use crate::world::{WAIT, World, id};

const APP: &str = "claude-desktop:app";
const CHAT_OF_CLAUDE_AI: &str = "0f1e2d3c-0000-4000-8000-000000000001";
const SESSION: &str = "44444444-0000-4000-8000-0000000000d1";

/// A world with the app installed; SHIM looks often, and knows the program.
fn world() -> World {
    let mut world = World::without_shim();
    let desktop = install(&world);
    let program = serde_json::to_string(desktop.program()).unwrap();
    drop(desktop);
    world.settings(&format!("watch.sweep_seconds = 1\nclients.claude-desktop.command = {program}"));
    world.start_shim();
    world
}

fn install(world: &World) -> Desktop<'_> {
    let shim = Path::new(env!("CARGO_BIN_EXE_shim"));
    Desktop::install(&world.home, &shim.with_file_name("shim-standin-desktop")).unwrap()
}

/// The app that `world()` installed.
fn app(world: &World) -> Desktop<'_> {
    Desktop::at(&world.home)
}

fn state_of_app(world: &World) -> Value {
    let chats = world.json(&["chats", "--client", "claude-desktop"]);
    chats.as_array().unwrap().first().map_or(Value::Null, |chat| chat["state"].clone())
}

#[track_caller]
fn wait_for_app(world: &World, state: &str) {
    wait(WAIT, &format!("the app to be {state}"), || (state_of_app(world) == state).then_some(()))
        .unwrap_or_else(|error| panic!("{error}; it is {}\n{}", state_of_app(world), world.log()));
}

fn crashes_of_app(world: &World) -> Vec<Value> {
    let crashes = world.json(&["crashes"]);
    crashes.as_array().unwrap().iter().filter(|crash| crash["chat"] == APP).cloned().collect()
}

#[test]
fn the_app_is_seen_running_and_gone() {
    let world = world();
    let desktop = app(&world);
    desktop.start(WAIT).unwrap();
    wait_for_app(&world, "idle");
    desktop.tell("quit").unwrap();
    wait_for_app(&world, "ended");
    assert_eq!(crashes_of_app(&world), Vec::<Value>::new(), "a quit is no crash");
}

#[test]
fn an_app_without_its_window_hangs_and_is_restarted() {
    let world = world();
    let desktop = app(&world);
    let cwd = world.home.project("p").unwrap();
    // A chat of the command line, whose program has the same name.
    let start = Start::new(&cwd, "@@slow 2000 0.05");
    let chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 2).unwrap();
    let main = desktop.start(WAIT).unwrap();
    wait_for_app(&world, "idle");
    desktop.tell("renderer-gone").unwrap();
    wait_for_app(&world, "hung");
    let crashes = crashes_of_app(&world);
    let [crash] = &crashes[..] else { panic!("{crashes:?}") };
    assert_eq!((&crash["kind"], &crash["resolved"]), (&json!("hung"), &json!(false)));
    let sources: Vec<_> =
        crash["evidence"].as_array().unwrap().iter().map(|evidence| evidence["source"].clone()).collect();
    assert_eq!(sources, ["process", "log"], "{crash}");

    let rehearsal = world.restore(APP, &["--dry-run"]);
    assert_eq!((&rehearsal["ok"], &rehearsal["dry_run"]), (&json!(true), &json!(true)), "{rehearsal}");
    assert_eq!(desktop.mains(), [main], "a rehearsal ends nothing");

    let receipt = world.restore(APP, &[]);
    assert_eq!(
        (&receipt["ok"], &receipt["processes"]),
        (&json!(true), &json!(1)),
        "{receipt}\n{}",
        world.log()
    );
    let mains = desktop.mains();
    assert_ne!(mains, [main]);
    assert_eq!(json!(mains), json!([receipt["pid"]]));
    assert!(is_alive(chat.pid()), "the command line client of the same name was not ended");
    wait_for_app(&world, "idle");
    assert_eq!(crashes_of_app(&world)[0]["resolved"], true);
}

#[test]
fn a_window_that_comes_back_ends_the_hang() {
    let world = world();
    let desktop = app(&world);
    desktop.start(WAIT).unwrap();
    wait_for_app(&world, "idle");
    desktop.tell("renderer-gone").unwrap();
    wait_for_app(&world, "hung");
    desktop.tell("renderer-back").unwrap();
    wait_for_app(&world, "idle");
    assert_eq!(crashes_of_app(&world)[0]["resolved"], true);
}

#[test]
fn an_update_over_live_work_is_told_before_and_the_chat_comes_back() {
    let world = world();
    let desktop = app(&world);
    let cwd = world.home.project("p").unwrap();
    desktop.start(WAIT).unwrap();
    wait_for_app(&world, "idle");
    desktop.code(SESSION, &cwd, "Nightly report", "Count.\n@@slow 2000 0.05 1").unwrap();
    let chat = world.wait_for_state(SESSION, "working");
    assert_eq!(chat["title"], "Nightly report", "the app's title");
    wait(WAIT, "the prompt to be kept", || {
        world.chat(SESSION)["journal"]["bytes"].as_u64().filter(|n| *n > 0)
    })
    .unwrap();

    desktop.tell("update-ready").unwrap();
    let taken = wait(WAIT, "a checkpoint before the update", || {
        let checkpoints = world.json(&["checkpoints", &id(SESSION)]);
        checkpoints.as_array().unwrap().iter().find(|c| c["trigger"] == "client_update").cloned()
    });
    taken.unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
    assert!(world.whole_log().contains("UpdateReady { client: ClaudeDesktop"), "{}", world.log());

    desktop.tell("restart-for-update").unwrap();
    let crash = world.wait_for_crash(SESSION);
    assert_eq!((&crash["kind"], &crash["in_turn"]), (&json!("client_update"), &json!("answer")), "{crash}");
    wait(WAIT, "the notice after the update", || {
        world.whole_log().contains("UpdateDone { client: ClaudeDesktop, chats: 1 }").then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
    assert_eq!(desktop.mains().len(), 1);

    let receipt = world.restore(&id(SESSION), &["--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["processes"]),
        (&json!(true), &json!(1)),
        "{receipt}\n{}",
        world.log()
    );
}

#[test]
fn a_restart_does_not_cut_chats_at_work() {
    let world = world();
    let desktop = app(&world);
    let cwd = world.home.project("p").unwrap();
    let main = desktop.start(WAIT).unwrap();
    wait_for_app(&world, "idle");
    desktop.code(SESSION, &cwd, "Work", "@@slow 2000 0.05").unwrap();
    world.wait_for_state(SESSION, "working");
    let receipt = world.restore(APP, &[]);
    assert_eq!(receipt["refused"]["reason"], "still_alive", "{receipt}");
    assert!(receipt["refused"]["message"].as_str().unwrap().contains(SESSION), "{receipt}");
    assert_eq!(desktop.mains(), [main]);
}

#[test]
fn a_chat_of_claude_ai_is_shown_in_the_app() {
    let world = world();
    let desktop = app(&world);
    let target = format!("claude-desktop:{CHAT_OF_CLAUDE_AI}");
    for running in [false, true] {
        assert_eq!(!desktop.mains().is_empty(), running);
        let receipt = world.restore(&target, &[]);
        assert_eq!(
            (&receipt["ok"], &receipt["processes"]),
            (&json!(true), &json!(1)),
            "{receipt}\n{}",
            world.log()
        );
    }
    let link = format!("claude://claude.ai/chat/{CHAT_OF_CLAUDE_AI}");
    wait(WAIT, "both links", || (desktop.links() == [link.as_str(); 2]).then_some(())).unwrap();
    let nonsense = world.shim(&["restore", "claude-desktop:../settings"]);
    assert!(!nonsense.status.success());
}

/// A finished session of the Code tab, with its entry in the index, and the app closed.
fn listed(world: &World) -> Vec<u8> {
    let desktop = app(world);
    let cwd = world.home.project("p").unwrap();
    desktop.start(WAIT).unwrap();
    wait_for_app(world, "idle");
    desktop.code(SESSION, &cwd, "Listed", "@@text done").unwrap();
    world.wait_for_state(SESSION, "ended");
    world.wait_until_kept(SESSION);
    wait(WAIT, "the entry to be known", || (world.chat(SESSION)["title"] == "Listed").then_some(())).unwrap();
    fs::read(desktop.entry(SESSION).unwrap()).unwrap()
}

#[test]
fn an_entry_that_was_lost_is_put_back_while_the_app_is_closed() {
    let world = world();
    let entry = listed(&world);
    let desktop = app(&world);
    desktop.tell("quit").unwrap();
    wait_for_app(&world, "ended");
    let path = desktop.entry(SESSION).unwrap();
    // A sweep sees that the app is closed; what goes at the same moment may have been its user's doing.
    std::thread::sleep(std::time::Duration::from_secs(3));
    fs::remove_file(&path).unwrap();
    let crash = world.wait_for_crash(SESSION);
    assert_eq!((&crash["kind"], &crash["resolved"]), (&json!("index_lost"), &json!(false)), "{crash}");

    desktop.start(WAIT).unwrap();
    let refused = world.restore(&id(SESSION), &[]);
    assert_eq!(refused["refused"]["reason"], "still_alive", "{refused}");
    assert!(!path.exists());
    desktop.tell("quit").unwrap();
    wait_for_app(&world, "ended");

    let rehearsal = world.restore(&id(SESSION), &["--dry-run"]);
    assert_eq!(rehearsal["ok"], true, "{rehearsal}");
    assert!(!path.exists(), "a rehearsal writes nothing");
    let receipts = world.restore("--all", &[]);
    let receipt = &receipts[0];
    assert_eq!(receipt["ok"], true, "{receipts}\n{}", world.log());
    assert_eq!(receipt["steps"][0]["step"], "fleet", "{receipt}");
    assert_eq!(fs::read(&path).unwrap(), entry, "byte for byte");
    let backups: Vec<_> = fs::read_dir(world.shim_home.join("backups")).unwrap().flatten().collect();
    assert_eq!(backups.len(), 1, "the folder was copied aside");
    assert_eq!(world.wait_for_crash(SESSION)["resolved"], true);
}

#[test]
fn an_entry_that_its_user_deleted_stays_deleted() {
    let world = world();
    listed(&world);
    let desktop = app(&world);
    desktop.tell(&format!("delete {SESSION}")).unwrap();
    let path = desktop.entry(SESSION).unwrap();
    wait(WAIT, "the entry to be deleted", || (!path.exists()).then_some(())).unwrap();
    // Two sweeps at least.
    std::thread::sleep(std::time::Duration::from_secs(3));
    desktop.tell("quit").unwrap();
    wait_for_app(&world, "ended");
    assert_eq!(world.crashes_of(SESSION), Vec::<Value>::new());
}

#[test]
fn sessions_of_cowork_are_chats() {
    let world = world();
    let desktop = app(&world);
    let session = "local-agent-mode-sessions/org/user/local_1/.claude/projects/-p";
    let folder = desktop.data().join(session);
    fs::create_dir_all(&folder).unwrap();
    let transcript = fs::read_to_string("../../tests/data/claude/clean.jsonl").unwrap();
    fs::write(folder.join(format!("{SESSION}.jsonl")), transcript).unwrap();
    let chat = wait(WAIT, "the chat", || Some(world.chat(SESSION)).filter(|chat| chat["turns"] == 1));
    chat.unwrap_or_else(|error| panic!("{error}: {}\n{}", world.chat(SESSION), world.log()));
}
