//! Files that a client or a user removed or wrote anew: what stood in them stays, and a restore puts back what is
//! missing.

use std::fs;

use serde_json::{Value, json};
use shim_standin::client::{Headless, Start, wait};

use crate::{
    hostile::{is_kept, plant, session, turn},
    world::{WAIT, World, id},
};

#[test]
fn a_transcript_that_was_deleted_is_put_back_by_the_restore() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let session_id = world.finished_chat(&cwd, "@@text I shall remember the word BANANA");
    let mut start = Start::new(&cwd, "@@slow 2000 0.05 1");
    start.session_id.clone_from(&session_id);
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&session_id, "working");
    chat.kill().unwrap();
    world.wait_for_crash(&session_id);
    world.wait_until_kept(&session_id);
    let path = world.home.transcript(&session_id).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(world.export(&session_id, &[]), bytes, "the journal outlives the file");

    let rehearsal = world.restore(&session_id, &["--headless", "--dry-run"]);
    assert!(rehearsal["steps"].to_string().contains("would put the client's file back"), "{rehearsal}");
    assert!(!path.exists());
    let asked = world.asked();
    let receipt = world.restore(&session_id, &["--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["turns_after"], &receipt["turns_lost"]),
        (&json!(true), &json!(1), &json!(0)),
        "{receipt}"
    );
    assert!(fs::read(&path).unwrap().starts_with(&bytes), "the client went on behind what was put back");
    let text = world.wait_for_request(&session_id, asked).text();
    assert!(text.contains("I shall remember the word BANANA"), "{text}");
}

#[test]
fn what_a_transcript_held_before_it_was_written_anew_stays() {
    let chat = session(1);
    let mut world = World::of_files();
    let before = [turn(&chat, 1), turn(&chat, 2), turn(&chat, 3)].concat();
    let path = plant(world.home.config(), &chat, before.as_bytes());
    world.start_shim();
    is_kept(&world, &chat, 3);
    let checkpoint = world.json(&["checkpoint", &id(&chat), "--note", "before it was cut"]);
    let after = turn(&chat, 9);
    fs::write(&path, &after).unwrap();
    is_kept(&world, &chat, 1);
    let number = checkpoint["id"].to_string();
    assert_eq!(world.export(&chat, &["--checkpoint", &number]), before.as_bytes());
    fs::remove_file(&path).unwrap();
    assert!(world.stop_shim().success());
    world.start_shim();
    assert_eq!(world.export(&chat, &[]), after.as_bytes());
    assert_eq!(world.export(&chat, &["--checkpoint", &number]), before.as_bytes());
    world.is_sound();
}

#[test]
fn a_chat_of_which_no_record_can_be_read_is_not_restored() {
    let chat = session(1);
    let mut world = World::of_files();
    plant(world.home.config(), &chat, b"nothing that a client would read\n");
    world.start_shim();
    wait(WAIT, "the chat to be listed", || (world.chat(&chat) != Value::Null).then_some(())).unwrap();
    let receipt = world.restore(&chat, &["--headless"]);
    assert_eq!(
        (&receipt["ok"], &receipt["refused"]["reason"]),
        (&json!(false), &json!("nothing_to_restore")),
        "{receipt}"
    );
}
