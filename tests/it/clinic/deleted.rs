//! Chats that their client deletes by itself after a time.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::json;
use shim_standin::client::wait;

use super::{Sample, go_on, said};
use crate::world::{WAIT, World, id};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn written_days_ago(path: &Path, days: u32) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - DAY * days).unwrap();
}

fn swept() -> World {
    let mut world = World::without_shim();
    world.settings("watch.sweep_seconds = 1");
    world.start_shim();
    world
}

#[test]
fn a_deletion_by_the_client_is_announced_noticed_and_undone() {
    let world = swept();
    let sample = Sample::play(&world);
    world.wait_until_kept(&sample.session_id);
    let path = world.home.transcript(&sample.session_id).unwrap();
    let bytes = fs::read(&path).unwrap();
    let doctor = || world.json(&["doctor"]).to_string();
    assert!(!doctor().contains("will be deleted"));
    written_days_ago(&path, 28);
    wait(WAIT, "the deletion to be announced", || {
        doctor().contains("1 chat will be deleted by Claude Code").then_some(())
    })
    .unwrap();
    assert!(world.crashes_of(&sample.session_id).is_empty());
    // The client's own clean-up, which runs beside its next chat.
    written_days_ago(&path, 40);
    wait(WAIT, "the file's age to be seen", || doctor().contains("1 chat will be deleted").then_some(()))
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let other = world.home.project("q").unwrap();
    world.finished_chat(&other, "@@slow 60 0.1");
    let by_client = wait(Duration::from_secs(5), "the client's clean-up", || (!path.exists()).then_some(()));
    println!("the client itself deleted the file: {}", by_client.is_ok());
    if by_client.is_err() {
        fs::remove_file(&path).unwrap();
    }
    let crash = world.wait_for_crash(&sample.session_id);
    assert_eq!((&crash["kind"], &crash["resolved"]), (&json!("deleted"), &json!(false)), "{crash}");
    let rehearsal = world.json(&["undelete", &id(&sample.session_id), "--dry-run"]);
    assert!(rehearsal["ok"] == json!(true) && !path.exists(), "{rehearsal}");
    let report = world.json(&["undelete", &id(&sample.session_id)]);
    assert_eq!(report["ok"], json!(true), "{report}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "byte for byte");
    wait(WAIT, "the crash to be history", || {
        (world.crashes_of(&sample.session_id)[0]["resolved"] == json!(true)).then_some(())
    })
    .unwrap();
    // It is not deleted again, and goes on.
    world.finished_chat(&other, "@@slow 60 0.1");
    let (request, answered) = go_on(&world, &sample.cwd, &sample.session_id, "@@text DELTA");
    assert!(answered && said(&request.unwrap()).contains("GAMMA"));
    let again = world.json(&["undelete", &id(&sample.session_id)]);
    assert_eq!(again["ok"], json!(false), "what is there is not written over: {again}");
}

#[test]
fn a_file_that_went_before_its_time_may_be_its_users_own_doing() {
    let world = swept();
    let cwd = world.home.project("p").unwrap();
    let session_id = world.finished_chat(&cwd, "@@text ALPHA");
    world.wait_until_kept(&session_id);
    let path = world.home.transcript(&session_id).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    wait(WAIT, "the doctor to tell", || {
        world.json(&["doctor"]).to_string().contains("maybe by your own wish").then_some(())
    })
    .unwrap();
    assert!(world.crashes_of(&session_id).is_empty(), "nothing is claimed, nothing is done");
    assert!(!path.exists());
    assert_eq!(world.json(&["undelete", &id(&session_id)])["ok"], json!(true));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
