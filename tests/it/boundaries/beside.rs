//! SHIM dies while it stops a chat, or brings chats back by itself or together: no chat has two processes, a user's
//! word holds, and what was cut short is told.

use std::fs;

use serde_json::{Value, json};
use shim_engine::BESIDE;
use shim_standin::client::{Signal, wait};

use crate::{
    policy::{ONCE, answering, world},
    world::{WAIT, World, id},
};

fn arm(world: &World, boundary: &str) {
    println!("{boundary}");
    assert!(BESIDE.contains(&boundary));
    fs::write(world.die_at(), boundary).unwrap();
}

fn died(world: &mut World) {
    world.shim_dies();
    fs::remove_file(world.die_at()).unwrap();
}

/// What the doctor says of it.
fn told(world: &World, session_id: &str, words: &str) {
    let said = wait(WAIT, words, || {
        let findings = world.json(&["doctor"]);
        let says = |one: &Value| {
            let found = one["found"].as_str().unwrap_or_default();
            one["what"] == "cut short" && found.contains(session_id) && found.contains(words)
        };
        findings.as_array().unwrap().iter().any(says).then_some(())
    });
    said.unwrap_or_else(|error| panic!("{error}: {}\n{}", world.json(&["doctor"]), world.log()));
}

#[test]
fn a_stop_that_was_cut_is_finished_or_undone_and_is_no_crash() {
    let mut world = world(ONCE);
    for (boundary, lives) in [
        ("stop.noted", true),
        ("stop.remembered", true),
        ("stop.asked", true),
        ("stop.asked", false),
        ("stop.ended", false),
        ("stop.recorded", false),
    ] {
        let mut chat = answering(&world, &boundary.replace('.', "-"));
        let session_id = chat.session_id.clone();
        arm(&world, boundary);
        let _ = world.shim(&["stop", &id(&session_id), "--yes"]);
        died(&mut world);
        if !lives && boundary == "stop.asked" {
            // The signal came, and nobody was left to see what came of it.
            chat.kill().unwrap();
        }
        world.start_shim();
        if lives {
            told(&world, &session_id, "stop it again");
            world.wait_for_state(&session_id, "working");
            let receipt = world.json(&["stop", &id(&session_id), "--yes"]);
            assert_eq!(receipt["ok"], true, "{boundary}: {receipt}");
        } else if boundary != "stop.recorded" {
            told(&world, &session_id, "what it was to end is gone");
        }
        chat.wait_for_exit(WAIT).unwrap();
        world.wait_for_state(&session_id, "ended");
        assert_eq!(
            world.crashes_of(&session_id),
            Vec::<Value>::new(),
            "{boundary}: its user's word is no crash"
        );
        assert_eq!(world.home.clients_on(&session_id), Vec::<u32>::new(), "{boundary}");
    }
    world.is_sound();
}

/// In the end it is back once, by itself or by its user.
fn is_back_once(world: &World, session_id: &str, boundary: &str) {
    let crashes = world.crashes_of(session_id);
    assert_eq!(crashes.len(), 1, "{boundary}: {crashes:?}");
    let receipt = world.restore(&id(session_id), &["--headless"]);
    let lives = receipt["refused"]["reason"] == "still_alive";
    assert!(receipt["ok"] == true || lives, "{boundary}: {receipt}\n{}", world.log());
    let clients = wait(WAIT, "the chat to have its process", || {
        Some(world.home.clients_on(session_id)).filter(|clients| !clients.is_empty())
    });
    assert_eq!(clients.unwrap().len(), 1, "{boundary}");
    let resolved = wait(WAIT, "the crash to be history", || {
        (world.wait_for_crash(session_id)["resolved"] == true).then_some(())
    });
    resolved.unwrap_or_else(|error| panic!("{boundary}: {error}"));
}

#[test]
fn a_chat_that_was_being_restored_by_itself_comes_back_once() {
    let mut world = world(ONCE);
    for boundary in ["policy.begun", "policy.ended"] {
        let mut chat = answering(&world, &boundary.replace('.', "-"));
        let session_id = chat.session_id.clone();
        arm(&world, boundary);
        chat.kill().unwrap();
        died(&mut world);
        let back = world.home.clients_on(&session_id).len();
        assert_eq!(back, usize::from(boundary == "policy.ended"), "{boundary}");
        world.start_shim();
        wait(WAIT, "the death to be known", || (!world.crashes_of(&session_id).is_empty()).then_some(()))
            .unwrap();
        is_back_once(&world, &session_id, boundary);
        world.json(&["stop", &id(&session_id), "--yes"]);
        world.wait_for_state(&session_id, "ended");
    }
    world.is_sound();
}

#[test]
fn chats_that_were_being_restored_together_come_back_once_each() {
    let mut world = world("fleet.at_once = 1");
    for boundary in ["fleet.item.begun", "fleet.item.ended"] {
        let mut chats: Vec<_> = ["a", "b"]
            .map(|name| answering(&world, &format!("{name}-{}", boundary.replace('.', "-"))))
            .into();
        for chat in &mut chats {
            chat.kill().unwrap();
            world.wait_for_crash(&chat.session_id);
        }
        arm(&world, boundary);
        let _ = world.shim(&["restore", "--all", "--headless"]);
        died(&mut world);
        world.start_shim();
        for chat in &chats {
            let back = wait(WAIT, "the chat to come back by itself", || {
                let resolved = world.wait_for_crash(&chat.session_id)["resolved"] == true;
                (resolved && world.home.clients_on(&chat.session_id).len() == 1).then_some(())
            });
            back.unwrap_or_else(|error| panic!("{boundary}: {error}\n{}", world.log()));
            assert_eq!(world.crashes_of(&chat.session_id).len(), 1, "{boundary}");
        }
        let receipts = world.restore("--all", &["--headless"]);
        assert_eq!(receipts, json!([]), "{boundary}: nothing is left");
        for chat in &chats {
            world.json(&["stop", &id(&chat.session_id), "--yes"]);
            world.wait_for_state(&chat.session_id, "ended");
        }
    }
    world.is_sound();
}

/// Whatever the engine came to of ending what hangs, the hang is one crash, and the next restore brings the chat back.
#[test]
fn a_client_that_hangs_and_was_being_ended_comes_back_once() {
    let mut world = world(
        "hang = { spin_seconds = 600, silent_seconds = 600, stopped_seconds = 10, readings = 3, after_wake_seconds = 0 }",
    );
    for (boundary, lives) in
        [("restore.hung.noted", true), ("restore.hung.noted", false), ("restore.hung.ended", false)]
    {
        let mut chat = answering(&world, &format!("{}-{lives}", boundary.replace('.', "-")));
        let session_id = chat.session_id.clone();
        chat.signal(Signal::STOP);
        world.wait_for_state(&session_id, "hung");
        arm(&world, boundary);
        let _ = world.shim(&["restore", &id(&session_id), "--headless"]);
        died(&mut world);
        if !lives {
            chat.kill().unwrap();
        }
        world.start_shim();
        world.wait_for_state(&session_id, if lives { "hung" } else { "crashed" });
        let crash = world.wait_for_crash(&session_id);
        assert_eq!(crash["kind"], "hung", "{boundary}: {crash}");
        let steps = crash["restore"]["steps"].to_string();
        assert!(steps.contains("ask_to_end") && steps.contains("before anything was started"), "{crash}");
        is_back_once(&world, &session_id, boundary);
        chat.wait_for_exit(WAIT).unwrap();
        world.json(&["stop", &id(&session_id), "--yes"]);
        world.wait_for_state(&session_id, "ended");
    }
    world.is_sound();
}
