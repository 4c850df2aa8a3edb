//! The database of opencode's chats: read only, put back by the client alone, and told where it cannot be read.

use std::fs;

use serde_json::json;
use shim_standin::client::{OpencodeStart, wait};

use super::{exported, folded, furnished, id, play, request_after, wait_until_kept, world};
use crate::{
    receipts::FIRST_ANSWER,
    world::{WAIT, World},
};

fn told(world: &World) -> String {
    String::from_utf8_lossy(&world.shim(&["status", "--json"]).stdout).into_owned()
}

#[test]
fn opencodes_database_is_never_written_and_its_journal_survives_the_engine() {
    let mut world = furnished();
    let cwd = world.home.project("p").unwrap();
    let session_id = play(&world, &OpencodeStart::new(&cwd, "@@text one"));
    let database = world.home.opencode_database();
    let files =
        || (fs::read(&database).unwrap(), fs::read(database.with_extension("db-wal")).unwrap_or_default());
    let before = files();
    world.start_shim();
    wait(WAIT, "the chat to be found", || (world.chat(&id(&session_id))["turns"] == 1).then_some(()))
        .unwrap();
    let journal = world.export(&id(&session_id), &[]);
    world.kill_shim();
    assert!(files() == before, "SHIM changed the database");
    world.start_shim();
    wait(WAIT, "the chat to be found again", || (world.chat(&id(&session_id))["turns"] == 1).then_some(()))
        .unwrap();
    assert_eq!(world.export(&id(&session_id), &[]), journal, "nothing is journaled twice");
    play(&world, &OpencodeStart::new(&cwd, "@@text two").resuming(&session_id));
    wait_until_kept(&world, &session_id);
    assert!(world.export(&id(&session_id), &[]).starts_with(&journal), "what was journaled stays");
    world.is_sound();
}

#[test]
fn opencodes_deleted_chat_is_put_back_by_its_own_import() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    let script =
        format!("@@tool bash {{\"command\": \"true\", \"description\": \"d\"}}\n@@text {FIRST_ANSWER}");
    let session_id = play(&world, &OpencodeStart::new(&cwd, script));
    wait_until_kept(&world, &session_id);
    wait(WAIT, "the turn to be counted", || (world.chat(&id(&session_id))["turns"] == 1).then_some(()))
        .unwrap();
    let before = exported(&world, &session_id);
    world.home.opencode_does(&["session", "delete", &session_id]).unwrap();
    assert_eq!(world.home.opencode_export(&session_id).unwrap(), None);
    let asked = world.asked();
    let receipt = world.restore(&id(&session_id), &["--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["turns_before"], &receipt["turns_lost"]),
        (&json!(true), &json!(1), &json!(0)),
        "{receipt}\n{}",
        world.log()
    );
    assert_eq!(receipt["last_message_sha256_before"], receipt["last_message_sha256_after"], "{receipt}");
    let text = request_after(&world, &session_id, asked).text();
    assert!(text.contains(FIRST_ANSWER), "{text}");
    world.wait_for_state(&id(&session_id), "ended");
    let after = exported(&world, &session_id);
    assert!(before.iter().all(|(row, data)| after.get(row) == Some(data)), "{before:#?}\n{after:#?}");
    wait_until_kept(&world, &session_id);
}

#[test]
fn opencode_forked_from_a_checkpoint_leaves_the_original_alone() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    let session_id = play(&world, &OpencodeStart::new(&cwd, format!("@@text {FIRST_ANSWER}")));
    let checkpoint = wait(WAIT, "the turn's checkpoint", || {
        let listed = world.json(&["checkpoints", &id(&session_id)]);
        listed.as_array().unwrap().iter().find(|checkpoint| checkpoint["turns"] == 1).cloned()
    })
    .unwrap();
    play(&world, &OpencodeStart::new(&cwd, "@@text something else").resuming(&session_id));
    wait_until_kept(&world, &session_id);
    let (original, asked) = (exported(&world, &session_id), world.asked());
    let number = checkpoint["id"].to_string();
    let receipt = world.restore(&id(&session_id), &["--checkpoint", &number, "--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["fork_of"], &receipt["turns_before"], &receipt["turns_lost"]),
        (&json!(true), &json!(id(&session_id)), &json!(1), &json!(0)),
        "{receipt}\n{}",
        world.log()
    );
    assert_eq!(receipt["last_message_sha256_before"], receipt["last_message_sha256_after"], "{receipt}");
    let fork = receipt["chat"].as_str().unwrap().trim_start_matches("opencode:").to_owned();
    let text = request_after(&world, &fork, asked).text();
    assert!(text.contains(FIRST_ANSWER) && !text.contains("something else"), "{text}");
    world.wait_for_state(&id(&fork), "ended");
    assert_eq!(exported(&world, &session_id), original);
    wait_until_kept(&world, &fork);
}

#[test]
fn a_database_that_cannot_be_read_is_told_and_left_as_it_is() {
    let mut world = furnished();
    let database = world.home.opencode_database();
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    fs::write(&database, "a database of long ago ".repeat(300)).unwrap();
    let before = fs::read(&database).unwrap();
    world.start_shim();
    wait(WAIT, "a warning", || told(&world).contains("opencode.db cannot be read").then_some(()))
        .unwrap_or_else(|error| panic!("{error}: {}", told(&world)));
    assert_eq!(fs::read(&database).unwrap(), before);
    // When it is a right one again, its chats are found.
    fs::remove_file(&database).unwrap();
    let session_id = play(&world, &OpencodeStart::new(world.home.project("p").unwrap(), "@@text one"));
    wait(WAIT, "the chat to be found", || (world.chat(&id(&session_id))["turns"] == 1).then_some(()))
        .unwrap();
    assert!(!folded(&world.export(&id(&session_id), &[])).is_empty());
}
