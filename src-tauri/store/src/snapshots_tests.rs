//! Checkpoints and snapshots on a real file: what is thinned out, what makes room, and what rows of before mean.

use std::{path::Path, time::Duration};

use shim_core::{
    chats::{ChatId, Client},
    checkpoints::{Trigger, snapshots::SnapshotState},
    time::Timestamp,
};

use crate::{Dropped, NewCheckpoint, NewSnapshot, Outcome, Store, StreamId, Urgency};

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("shim.db"), Duration::from_millis(2)).unwrap()
}

fn chat() -> ChatId {
    ChatId::new(Client::ClaudeCode, "11111111-0000-4000-8000-000000000001")
}

fn put(store: &Store, trigger: Trigger, at: i64) -> i64 {
    let new = NewCheckpoint {
        chat: chat(),
        at: Timestamp::from_ms(at),
        trigger,
        also: vec![Trigger::Turn, Trigger::Risky],
        note: None,
        turns: 1,
        tokens: 2,
        stream: StreamId(1),
        generation: 0,
        offset: 3,
        head: None,
        branch: None,
        todos: Vec::new(),
    };
    store.write(Urgency::AtOnce, move |store| store.put_checkpoint(&new)).unwrap()
}

/// Keeps a snapshot of a checkpoint.
fn keep(store: &Store, checkpoint: i64, at: i64) -> i64 {
    store
        .write(Urgency::AtOnce, move |store| {
            let new = NewSnapshot {
                chat: chat(),
                at: Timestamp::from_ms(at),
                folder: b"/w".to_vec(),
                in_repository: true,
            };
            let begun = store.begin_snapshot(&new)?;
            assert_eq!(begun.reference, format!("refs/shim/111111110000/{}", begun.id));
            let outcome = Outcome {
                state: SnapshotState::Kept,
                commit: Some("c".to_owned()),
                tree: Some("t".to_owned()),
                head: None,
                files: 1,
                bytes: 2,
                left_out: Vec::new(),
                listed: Vec::new(),
                error: None,
                took_us: 3,
            };
            store.end_snapshot(begun.id, &outcome)?;
            store.name_snapshot(&[checkpoint], begun.id)?;
            Ok(begun.id)
        })
        .unwrap()
}

#[test]
fn a_chat_keeps_so_many_checkpoints_and_those_of_the_user_longest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let asked = put(&store, Trigger::User, 0);
    for n in 1..40 {
        put(&store, Trigger::Interval, n * 1000);
    }
    let thin = |max: usize| {
        store
            .write(Urgency::AtOnce, move |store| {
                store.thin_checkpoints(&chat(), max, Timestamp::from_ms(40_000))
            })
            .unwrap()
    };
    assert_eq!((thin(40), thin(30), thin(30)), (0, 10, 0));
    let left = store.read(|store| store.checkpoints(&chat())).unwrap();
    assert_eq!((left.len(), left[0].id), (30, asked));
    assert_eq!(left[0].checkpoint.also, [Trigger::Turn, Trigger::Risky]);
}

#[test]
fn a_checkpoint_tells_its_snapshot_and_a_row_of_before_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (bare, with) = (put(&store, Trigger::Turn, 0), put(&store, Trigger::Crash, 1));
    let snapshot = keep(&store, with, 2);
    rusqlite::Connection::open(folder.path().join("shim.db"))
        .unwrap()
        .execute("UPDATE checkpoint SET also = NULL, cause = 'of a later version' WHERE id = ?1", [bare])
        .unwrap();
    let row = |id| store.read(move |store| store.checkpoint(id)).unwrap().unwrap();
    let (bare, with) = (row(bare), row(with));
    assert_eq!((bare.snapshot, bare.checkpoint.also, bare.checkpoint.trigger), (None, vec![], Trigger::User));
    let named = with.snapshot.unwrap();
    assert_eq!((named.id, named.state, named.commit.as_deref()), (snapshot, SnapshotState::Kept, Some("c")));
}

#[test]
fn the_oldest_routine_snapshots_make_room_and_the_newest_never_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let kept: Vec<_> = (0..6)
        .map(|n| {
            let trigger = if n == 1 { Trigger::Crash } else { Trigger::Turn };
            let checkpoint = put(&store, trigger, n * 1000);
            keep(&store, checkpoint, n * 1000)
        })
        .collect();
    let superfluous = |max: usize| {
        let rows = store.read(|store| store.superfluous_snapshots(&chat(), max)).unwrap();
        let mut ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(superfluous(6), Vec::<i64>::new());
    assert_eq!(superfluous(3), [kept[0], kept[2], kept[3]]);
    assert_eq!((superfluous(1), superfluous(0)), (kept[..5].to_vec(), kept[..5].to_vec()));
    let first = kept[0];
    store.write(Urgency::AtOnce, move |store| store.expire_snapshot(first)).unwrap();
    assert_eq!(superfluous(3), kept[2..4]);
    let orphans = || store.read(|store| store.orphaned_snapshots()).unwrap().len();
    assert_eq!(orphans(), 0, "a chat that is new has no row yet");
    let dropped = Dropped {
        at: Timestamp::from_ms(9000),
        chat: chat(),
        title: "t".to_owned(),
        bytes: 1,
        why: "w".to_owned(),
    };
    store.write(Urgency::AtOnce, move |store| store.drop_chat(&dropped)).unwrap();
    assert_eq!(orphans(), 5);
}

#[test]
fn what_was_begun_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let new =
        NewSnapshot { chat: chat(), at: Timestamp::from_ms(1), folder: b"/w".to_vec(), in_repository: false };
    let begun = open(folder.path()).write(Urgency::AtOnce, move |store| store.begin_snapshot(&new)).unwrap();
    let store = open(folder.path());
    assert_eq!(store.read(|store| store.unfinished_snapshots()).unwrap(), [begun]);
}

#[test]
fn a_snapshot_is_kept_as_long_as_the_last_checkpoint_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let old = put(&store, Trigger::Turn, 1000);
    let (same, other) = (keep(&store, old, 1000), keep(&store, put(&store, Trigger::Turn, 2000), 2000));
    let late = put(&store, Trigger::Crash, 9000);
    store.write(Urgency::AtOnce, move |store| store.name_snapshot(&[late, old], same)).unwrap();
    let aged = |before: i64| {
        let rows = store.read(|store| store.aged_snapshots(Timestamp::from_ms(before))).unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(aged(2000), Vec::<i64>::new());
    assert_eq!(aged(9000), [other]);
    assert_eq!(aged(9001), [same, other], "also the newest");
    store.write(Urgency::AtOnce, move |store| store.name_snapshot(&[late], other)).unwrap();
    let named = store.read(|store| store.checkpoint(late)).unwrap().unwrap().snapshot.unwrap();
    assert_eq!(named.id, same, "what was kept first with a checkpoint stays its own");
}
