//! A context that fills up: told once, with a checkpoint, before the client puts a summary in its place. And chats that
//! are not examined, which is said.

use std::{
    fs::{self, File},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use shim_api::{Engine, events::Event, home::read_engine_file};
use shim_standin::client::{Headless, Start, wait};

use super::wait_until_known;
use crate::world::{WAIT, World, id};

/// The notices that the engine gives from now on.
fn notices(world: &World) -> Arc<Mutex<Vec<String>>> {
    let (heard, engine) =
        (Arc::new(Mutex::new(Vec::new())), Engine::at(read_engine_file(&world.shim_home).unwrap()));
    let (told, ready) = (Arc::clone(&heard), engine.clone());
    std::thread::spawn(move || {
        let listened = engine.events(|event| {
            match event {
                Event::Notice { what, .. } => told.lock().unwrap().push(format!("{what:?}")),
                Event::StatusChanged => told.lock().unwrap().push("ready".to_owned()),
                _ => {}
            }
            true
        });
        drop(listened);
    });
    // Heard from when a change of its status comes through.
    wait(WAIT, "the engine to be listened to", || {
        ready.resume().unwrap();
        (!heard.lock().unwrap().is_empty()).then_some(())
    })
    .unwrap();
    heard
}

/// A turn of a chat that calls a tool and then answers slowly, so that it is seen while it lives. Ended by force.
fn turn(world: &World, session_id: &str, prompt: &str) {
    let script = format!("{prompt}\n@@tool Bash {{\"command\": \"true\"}}\n@@slow 2000 0.1 1");
    let mut start = Start::new(world.home.project("p").unwrap(), script);
    start.session_id = session_id.to_owned();
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(session_id, "working");
    chat.kill().unwrap();
    world.wait_until_kept(session_id);
}

fn share(world: &World, session_id: &str) -> f64 {
    world.chat(session_id)["context_used"].as_f64().unwrap()
}

#[test]
fn a_context_that_fills_up_is_told_once_with_a_checkpoint() {
    let mut world = World::new();
    let session_id = world.finished_chat(&world.home.project("p").unwrap(), "@@text ALPHA");
    wait_until_known(&world, &session_id);
    let before = share(&world, &session_id);
    assert!(world.stop_shim().success());
    world.settings(&format!("clinic.context_warning_percent = {}", (before * 100.0).ceil() + 6.0));
    world.start_shim();
    let heard = notices(&world);
    let full = || heard.lock().unwrap().iter().filter(|what| what.contains("ContextFills")).count();
    turn(&world, &session_id, "a little more");
    assert_eq!(full(), 0, "{:?} at {before}, then {}", heard.lock().unwrap(), share(&world, &session_id));
    for _ in 0..2 {
        turn(&world, &session_id, &"lorem ipsum ".repeat(9_000));
        wait(WAIT, "the notice", || (full() > 0).then_some(()))
            .unwrap_or_else(|error| panic!("{error} at {}", share(&world, &session_id)));
    }
    assert_eq!(full(), 1, "once: {:?}", heard.lock().unwrap());
    // Wanted for more than one reason at once, one is taken for all.
    let is_before = |checkpoint: &Value| {
        let also = checkpoint["also"].as_array().unwrap();
        checkpoint["trigger"] == "compaction" || also.contains(&Value::from("compaction"))
    };
    wait(WAIT, "the checkpoint", || {
        let checkpoints = world.json(&["checkpoints", &id(&session_id)]);
        checkpoints.as_array().unwrap().iter().any(is_before).then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}: {}", world.json(&["checkpoints", &id(&session_id)])));
}

#[test]
fn a_file_too_large_to_be_examined_is_not_called_well() {
    let world = World::new();
    let session_id = world.finished_chat(&world.home.project("p").unwrap(), "@@text ALPHA");
    wait_until_known(&world, &session_id);
    let well = world.shim(&["examine", &id(&session_id)]);
    assert!(
        well.status.success() && String::from_utf8_lossy(&well.stdout).contains("Nothing ails it"),
        "{well:?}"
    );
    let path = world.home.transcript(&session_id).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let large = shim_core::clinic::TRANSCRIPT_BYTES_MAX + 1 - bytes.len();
    bytes.extend(std::iter::repeat_n(b'\n', large));
    std::io::Write::write_all(&mut File::create(&path).unwrap(), &bytes).unwrap();
    let examined = world.shim(&["examine", &id(&session_id)]);
    let said = String::from_utf8_lossy(&examined.stdout);
    assert_eq!(examined.status.code(), Some(1), "{examined:?}");
    assert!(said.contains("It was not examined: the file is larger than 64 MiB"), "{said}");
    assert!(!said.contains("Nothing ails it"), "{said}");
}
