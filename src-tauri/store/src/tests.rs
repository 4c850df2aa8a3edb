//! The store on a real file: what was acknowledged is there, old generations stay, strangers are left
//! alone.

use std::{path::Path, time::Duration};

use rusqlite::Connection;
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::{CrashKind, InTurn},
    digest::Digest,
    fleet::{self, Fleet},
    policy::Memory,
    supervisor::NewCrash,
    time::Timestamp,
};

use crate::{
    CHUNK_BYTES_MAX, ChatRow, DATABASE_VERSION, Dropped, Packer, Store, StoreError, Stream, Urgency,
};

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("shim.db"), Duration::from_millis(2)).unwrap()
}

fn chat() -> ChatId {
    ChatId::new(Client::ClaudeCode, "11111111-0000-4000-8000-000000000001")
}

fn stream(store: &Store) -> Stream {
    store.write(Urgency::AtOnce, |store| store.stream(&chat(), "", b"/t/1.jsonl")).unwrap()
}

fn append(store: &Store, stream: &Stream, generation: i64, offset: u64, bytes: &[u8]) {
    let (id, piece) = (stream.id, Packer::default().pack(offset, bytes).unwrap());
    store.write(Urgency::Gathered, move |store| store.append(id, generation, &piece)).unwrap();
}

fn read(store: &Store, stream: &Stream, generation: i64, from: u64, until: u64) -> Vec<u8> {
    let mut all = Vec::new();
    store
        .read(|store| {
            store.read_journal(stream.id, generation, from, until, |bytes| {
                all.extend_from_slice(bytes);
                true
            })
        })
        .unwrap();
    all
}

fn crash(pid: u32) -> NewCrash {
    NewCrash {
        chat: chat(),
        process: ProcessKey { pid, start: "77".to_owned() },
        kind: CrashKind::Killed,
        in_turn: InTurn::Answer,
        in_flight: Vec::new(),
        evidence: Vec::new(),
        happened_at: Timestamp::from_ms(1000),
        seen_live: true,
    }
}

#[test]
fn bytes_come_back_as_they_were_from_any_place_to_any_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stream = stream(&store);
    let all: Vec<u8> = (0..3 * CHUNK_BYTES_MAX / 2).map(|n| (n * 31 % 251) as u8).collect();
    let (head, rest) = all.split_at(CHUNK_BYTES_MAX);
    append(&store, &stream, 1, 0, head);
    append(&store, &stream, 1, head.len() as u64, rest);
    for (from, until) in
        [(0, all.len()), (0, 10), (10, 10), (CHUNK_BYTES_MAX - 3, CHUNK_BYTES_MAX + 3), (5, all.len() - 5)]
    {
        assert!(read(&store, &stream, 1, from as u64, until as u64) == all[from..until], "{from}..{until}");
    }
    let again = store.read(|store| store.stream_at(b"/t/1.jsonl")).unwrap().unwrap();
    assert_eq!(again.known.bytes, all.len() as u64);
}

#[test]
fn an_old_generation_stays_when_a_new_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stream = stream(&store);
    append(&store, &stream, 1, 0, b"before\n");
    let id = stream.id;
    let generation = store.write(Urgency::AtOnce, move |store| store.begin_generation(id)).unwrap();
    append(&store, &stream, generation, 0, b"after\n");
    assert_eq!(generation, 2);
    assert_eq!(read(&store, &stream, 1, 0, 99), b"before\n");
    assert_eq!(read(&store, &stream, 2, 0, 99), b"after\n");
    let bytes: Vec<_> =
        store.read(|store| store.generations(id)).unwrap().iter().map(|g| (g.generation, g.bytes)).collect();
    assert_eq!(bytes, [(1, 7), (2, 6)]);
}

#[test]
fn a_piece_that_would_leave_a_hole_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stream = stream(&store);
    append(&store, &stream, 1, 0, b"one");
    let (id, apart) = (stream.id, Packer::default().pack(5, b"two").unwrap());
    let result = store.write(Urgency::Gathered, move |store| store.append(id, 1, &apart));
    assert!(matches!(result, Err(StoreError::Busy)));
    assert_eq!(read(&store, &stream, 1, 0, 99), b"one");
}

#[test]
fn a_missing_piece_is_told_and_never_papered_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stream = stream(&store);
    for (offset, bytes) in [(0, b"one"), (3, b"two"), (6, b"six")] {
        append(&store, &stream, 1, offset, bytes);
    }
    drop(store);
    Connection::open(folder.path().join("shim.db"))
        .unwrap()
        .execute("DELETE FROM chunk WHERE offset = 3", [])
        .unwrap();
    let store = open(folder.path());
    let result = store.read(|store| store.read_journal(stream.id, 1, 0, 9, |_| true));
    assert!(matches!(result, Err(StoreError::Checksum(why)) if why.contains("3 to 6")));
    assert_eq!(store.read(|store| store.verify()).unwrap().damaged.len(), 1);
}

#[test]
fn what_is_acknowledged_is_there_after_the_writer_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let id = store
        .write(Urgency::AtOnce, |store| store.record_crash(&crash(5), Timestamp::from_ms(1012)))
        .unwrap();
    // A copy of the files as they are now is what a power loss would leave.
    let copy = tempfile::tempdir().unwrap();
    for name in ["shim.db", "shim.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let crashes = open(copy.path()).read(|store| store.crashes()).unwrap();
    assert_eq!(crashes.iter().map(|row| Some(row.id)).collect::<Vec<_>>(), [id]);
    assert_eq!(crashes[0].detected_after_ms, 12);
}

#[test]
fn one_death_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let record = |pid| {
        store.write(Urgency::AtOnce, move |store| store.record_crash(&crash(pid), Timestamp::from_ms(2000)))
    };
    assert!(record(5).unwrap().is_some());
    assert!(record(5).unwrap().is_none());
    assert!(record(6).unwrap().is_some());
}

#[test]
fn a_process_may_hang_often_and_dies_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let record = |kind, at| {
        let crash = NewCrash { kind, happened_at: Timestamp::from_ms(at), ..crash(5) };
        store.write(Urgency::AtOnce, move |store| store.record_crash(&crash, Timestamp::from_ms(9000)))
    };
    let recorded: Vec<_> = [
        (CrashKind::Hung, 100),
        (CrashKind::Hung, 100),
        (CrashKind::Hung, 200),
        (CrashKind::Killed, 300),
        (CrashKind::Killed, 400),
    ]
    .map(|(kind, at)| record(kind, at).unwrap().is_some())
    .to_vec();
    assert_eq!(recorded, [true, false, true, true, false]);
    let ended = || {
        let crashes = store.read(|store| store.crashes()).unwrap();
        crashes.iter().rev().map(|row| row.ended).collect::<Vec<_>>()
    };
    assert_eq!(ended(), [false, false, true]);
    let process = crash(5).process;
    store
        .write(Urgency::AtOnce, move |store| store.hung_ended(&chat(), &process, Timestamp::from_ms(500)))
        .unwrap();
    assert_eq!(ended(), [true, true, true]);
}

#[test]
fn a_job_that_fails_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stream = stream(&store);
    append(&store, &stream, 1, 0, b"one");
    let (id, again) = (stream.id, Packer::default().pack(0, b"two").unwrap());
    let (sender, answers) = std::sync::mpsc::channel();
    let (first, second) = (sender.clone(), sender);
    store.submit(
        Urgency::Gathered,
        move |store| store.append(id, 1, &again),
        move |r| first.send(r.is_ok()).unwrap(),
    );
    store.submit(
        Urgency::Gathered,
        |store| store.record_crash(&crash(9), Timestamp::from_ms(1)).map(drop),
        move |r| second.send(r.is_ok()).unwrap(),
    );
    assert_eq!([answers.recv().unwrap(), answers.recv().unwrap()], [false, true]);
    assert_eq!(store.read(|store| store.crashes()).unwrap().len(), 1);
    assert_eq!(read(&store, &stream, 1, 0, 9), b"one");
}

#[test]
fn a_damaged_byte_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stream = stream(&store);
    append(&store, &stream, 1, 0, b"some bytes that matter");
    assert_eq!(store.read(|store| store.verify()).unwrap().damaged, []);
    drop(store);
    let connection = Connection::open(folder.path().join("shim.db")).unwrap();
    connection.execute("UPDATE chunk SET crc32 = crc32 + 1", []).unwrap();
    drop(connection);
    let verified = open(folder.path()).read(|store| store.verify()).unwrap();
    assert_eq!(verified.damaged.len(), 1);
    assert_eq!((&verified.damaged[0].chat, verified.damaged[0].offset), (&chat(), 0));
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shim.db");
    drop(open(folder.path()));
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", i64::try_from(DATABASE_VERSION).unwrap() + 1)
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path, Duration::ZERO).err().unwrap();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("update SHIM"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shim.db");
    for bytes in [b"this is no database at all, but a text of some length".to_vec(), {
        drop(open(folder.path()));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..8192].fill(0xAA);
        bytes
    }] {
        std::fs::write(&path, &bytes).unwrap();
        let error = Store::open(&path, Duration::ZERO).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn dropping_a_chat_gives_its_space_back_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stream = stream(&store);
    let noise: Vec<u8> =
        (0..400_000_u32).map(|n| (n.wrapping_mul(n | 1).wrapping_mul(2_654_435_761) >> 21) as u8).collect();
    append(&store, &stream, 1, 0, &noise);
    let row =
        ChatRow { id: chat(), digest: Digest::default(), last_activity: Timestamp::from_ms(5), name: None };
    store.write(Urgency::AtOnce, move |store| store.put_chat(&row)).unwrap();
    let bytes = store.read(|store| store.chat_bytes(&chat())).unwrap();
    assert!(bytes > 100_000);
    let dropped = Dropped {
        at: Timestamp::from_ms(9),
        chat: chat(),
        title: "t".to_owned(),
        bytes,
        why: "w".to_owned(),
    };
    let kept = dropped.clone();
    store.write(Urgency::AtOnce, move |store| store.drop_chat(&dropped)).unwrap();
    assert_eq!(store.read(|store| store.chat_bytes(&chat())).unwrap(), 0);
    assert_eq!(store.read(|store| store.dropped()).unwrap(), [kept]);
    drop(store);
    assert!(std::fs::metadata(folder.path().join("shim.db")).unwrap().len() < 200_000);
}

#[test]
fn what_the_policy_remembers_is_there_again_and_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let chat = |n: i64| ChatId::new(Client::ClaudeCode, &n.to_string());
    let at = Timestamp::from_ms;
    let memory = Memory { crashed_at: Some(at(7)), ..Memory::default() };
    let written = memory.clone();
    store
        .write(Urgency::AtOnce, move |store| {
            (0..1100).try_for_each(|n| store.put_memory(&chat(n), &written, at(n)))?;
            (0..1100).try_for_each(|n| store.put_moment("boot", &n.to_string()))
        })
        .unwrap();
    let memories = store.read(|store| store.memories()).unwrap();
    assert_eq!(memories.len(), 1000);
    assert!(memories.contains(&(chat(1099), memory)) && memories.iter().all(|(id, _)| *id != chat(99)));
    let moments = store.read(|store| store.moments()).unwrap();
    assert_eq!((moments.len(), moments.last().map(|moment| moment.2.as_str())), (1000, Some("1099")));
    let last = moments.last().map(|moment| moment.0).unwrap();
    store.write(Urgency::AtOnce, move |store| store.drop_moments(last)).unwrap();
    assert_eq!(store.read(|store| store.moments()).unwrap(), []);
}

#[test]
fn the_last_fleet_is_there_again_as_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let new = |at| Fleet::new(0, Timestamp::from_ms(at), fleet::Options::default(), Vec::new());
    let numbers: Vec<_> = (0..60)
        .map(|at| store.write(Urgency::AtOnce, move |store| store.new_fleet("boot", new(at))).unwrap().id)
        .collect();
    let (boot, mut last) = store.read(|store| store.last_fleet()).unwrap().unwrap();
    assert_eq!((boot.as_str(), Some(&last.id)), ("boot", numbers.last()));
    last.state = fleet::State::Cancelled;
    let changed = last.clone();
    store.write(Urgency::AtOnce, move |store| store.put_fleet(&changed)).unwrap();
    assert_eq!(store.read(|store| store.last_fleet()).unwrap().unwrap().1, last);
    drop(store);
    let connection = Connection::open(folder.path().join("shim.db")).unwrap();
    let kept: i64 = connection.query_row("SELECT count(*) FROM fleet", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 50);
}

/// A released schema never changes: a change is a new migration, and this snapshot then shows it.
#[test]
fn the_schema_is_the_one_on_record() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let connection = Connection::open(folder.path().join("shim.db")).unwrap();
    let mut statement =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let sql: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    insta::assert_snapshot!(sql.join(";\n\n"));
}
