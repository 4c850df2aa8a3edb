//! Many chats that went down together come back together: once each, whenever the engine dies, as memory allows.

use std::{collections::BTreeSet, fs, process::Stdio};

use serde_json::{Value, json};
use shim_standin::client::{Headless, Start, is_alive, wait};

use crate::world::{WAIT, World, ended, id};

const SLOW_ANSWER: &str = "@@slow 2000 0.2 1";
const CHATS: usize = 4;

/// Chats that went down with the machine, as the next engine finds them: their client's notes are from before it
/// was started.
fn after_a_reboot(settings: &str) -> (World, Vec<Headless>) {
    let mut world = World::alone();
    world.settings(settings);
    world.start_shim();
    let start = |n| Start::new(world.home.project(&format!("p{n}")).unwrap(), SLOW_ANSWER);
    let mut chats: Vec<_> = (0..CHATS).map(|n| Headless::start(&world.home, &start(n)).unwrap()).collect();
    for chat in &chats {
        chat.wait_for_words(WAIT, 3).unwrap();
        world.wait_for_state(&chat.session_id, "working");
    }
    world.kill_shim();
    for chat in &mut chats {
        chat.kill().unwrap();
    }
    for registry in world.home.registries() {
        let mut left = registry.whole.clone();
        for name in ["startedAt", "updatedAt", "statusUpdatedAt"] {
            left[name] = json!(1_000_000_000_000_i64);
        }
        fs::write(&registry.path, serde_json::to_vec(&left).unwrap()).unwrap();
    }
    world.start_shim();
    for chat in &chats {
        assert_eq!(world.wait_for_crash(&chat.session_id)["kind"], "shutdown");
    }
    (world, chats)
}

fn ids(chats: &[Headless]) -> BTreeSet<String> {
    chats.iter().map(|chat| id(&chat.session_id)).collect()
}

/// Chats with exactly one live process.
fn back(world: &World, chats: &[Headless]) -> usize {
    chats.iter().filter(|chat| world.home.clients_on(&chat.session_id).len() == 1).count()
}

#[test]
fn a_rehearsal_of_all_changes_nothing_and_then_all_come_back() {
    let (world, chats) = after_a_reboot("");
    let rehearsed = world.restore("--all", &["--headless", "--dry-run"]);
    let rehearsed = rehearsed.as_array().unwrap();
    assert_eq!(rehearsed.len(), CHATS);
    assert!(
        rehearsed.iter().all(|receipt| receipt["ok"] == true && receipt["dry_run"] == true),
        "{rehearsed:?}"
    );
    assert_eq!(back(&world, &chats), 0, "nothing was started");
    let receipts = world.restore("--all", &["--headless"]);
    let restored: BTreeSet<_> = receipts
        .as_array()
        .unwrap()
        .iter()
        .inspect(|receipt| {
            assert_eq!((&receipt["ok"], &receipt["processes"]), (&json!(true), &json!(1)), "{receipt}")
        })
        .map(|receipt| receipt["chat"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((restored, back(&world, &chats)), (ids(&chats), CHATS));
    assert_eq!(world.restore("--all", &["--headless"]), json!([]), "nothing is left");
}

#[test]
fn an_engine_killed_in_the_middle_goes_on_where_it_was_and_none_comes_back_twice() {
    let (mut world, chats) = after_a_reboot("fleet.at_once = 1");
    let mut asked = world.shim_command(&["restore", "--all", "--headless"]);
    let asked = asked.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait(WAIT, "the first chat to come back", || (back(&world, &chats) > 0).then_some(())).unwrap();
    world.kill_shim();
    assert!(!ended(asked).success(), "who asked is told that the engine is gone");
    assert!(back(&world, &chats) < CHATS, "it was in the middle");
    world.start_shim();
    let all = || (back(&world, &chats) == CHATS && open(&world) == 0).then_some(());
    wait(WAIT, "the rest to come back by itself", all).unwrap_or_else(|error| {
        let on: Vec<_> = chats.iter().map(|chat| world.home.clients_on(&chat.session_id)).collect();
        panic!("{error}: {on:?}\n{}", world.log())
    });
    for chat in &chats {
        let [crash] = <[Value; 1]>::try_from(world.crashes_of(&chat.session_id)).unwrap();
        assert_eq!(crash["resolved"], true, "{crash}");
        let pids = world.home.clients_on(&chat.session_id);
        assert!(pids.len() == 1 && is_alive(pids[0]), "{pids:?}");
    }
}

fn open(world: &World) -> u64 {
    world.json(&["status"])["open_crashes"].as_u64().unwrap()
}

#[test]
fn without_memory_nothing_is_begun_and_it_can_be_called_off() {
    let (world, chats) = after_a_reboot("fleet.reserve_mib = 1048576");
    let mut asked = world.shim_command(&["restore", "--all", "--headless"]);
    let asked = asked.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let cancelled = || world.shim(&["restore", "--cancel"]).status.success().then_some(());
    wait(WAIT, "the fleet to be there to be cancelled", cancelled).unwrap();
    assert_eq!(ended(asked).code(), Some(1));
    assert_eq!((back(&world, &chats), open(&world)), (0, CHATS as u64));
    // One chat at a time is its user's own choice.
    assert_eq!(world.restore(&chats[0].session_id, &["--headless"])["ok"], true);
}
