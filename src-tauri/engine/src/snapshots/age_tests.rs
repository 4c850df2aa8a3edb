//! What is too old goes from the user's repository, whether its chat still works or not.

use std::{path::Path, process::Command, sync::atomic::AtomicBool};

use shim_core::{
    chats::{ChatId, Client},
    checkpoints::snapshots::SnapshotState,
    time::Timestamp,
};
use shim_store::{NewSnapshot, Outcome, SnapshotRow, Urgency};

use super::{Snapshots, Work, failed, make_room};
use crate::{home::Home, paths, run::now};

fn git(folder: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"];
    let mut command = Command::new("git");
    command.args(identity).args(args).current_dir(folder).env_clear();
    let output = command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A snapshot that was taken so many days ago.
fn kept(home: &Home, repository: &Path, days: i64) -> SnapshotRow {
    let at = Timestamp::from_ms(now().ms() - days * 24 * 60 * 60 * 1000);
    let chat = ChatId::new(Client::ClaudeCode, "11111111-0000-4000-8000-000000000001");
    let new = NewSnapshot { chat, at, folder: paths::to_bytes(repository), in_repository: true };
    let begun = home.store.write(Urgency::AtOnce, move |store| store.begin_snapshot(&new)).unwrap();
    git(repository, &["update-ref", &begun.reference, "HEAD"]);
    let outcome = Outcome { state: SnapshotState::Kept, ..failed(String::new(), std::time::Instant::now()) };
    let id = begun.id;
    home.store.write(Urgency::AtOnce, move |store| store.end_snapshot(id, &outcome)).unwrap();
    begun
}

#[test]
fn the_snapshots_of_a_chat_that_ended_go_when_they_are_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().canonicalize().unwrap().join("repository");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q"]);
    git(&repository, &["commit", "-q", "--allow-empty", "-m", "first"]);
    let home = Home::open(&folder.path().join("shim")).unwrap();
    let (old, young) = (kept(&home, &repository, 15), kept(&home, &repository, 13));
    make_room(&home, None, &AtomicBool::new(false));
    let references = git(&repository, &["for-each-ref", "--format=%(refname)", "refs/shim/"]);
    assert_eq!(references, young.reference);
    let state = |id| home.store.read(move |store| store.snapshot(id)).unwrap().map(|row| row.outcome.state);
    assert_eq!((state(old.id), state(young.id)), (Some(SnapshotState::Expired), Some(SnapshotState::Kept)));
}

#[test]
fn the_thread_is_told_to_look_what_is_too_old() {
    let snapshots = Snapshots::default();
    snapshots.tidy();
    assert!(matches!(snapshots.next(), Some(Work::Tidy)));
    snapshots.tidy();
    snapshots.lock().ending = true;
    assert!(snapshots.next().is_none(), "the engine's end does not wait for it");
}
