//! Power loss: the store's own system calls are recorded, and its files rebuilt as a disk would hold them had the power
//! gone at some moment: what was synced is there, of what was not, some sectors are and some are not. Each such disk
//! is opened by the real store, and must hold all that was acknowledged. Needs strace.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "power_loss/disk.rs"]
mod disk;
#[path = "power_loss/trace.rs"]
mod trace;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::{CrashKind, InTurn},
    supervisor::NewCrash,
    time::Timestamp,
};
use shim_store::{Packer, Store, StreamId, Urgency};

use self::{disk::Disk, trace::Call};

/// Disks that are rebuilt and opened.
const IMAGES: u64 = 240;
/// Each time the store is closed, its log is copied into the database and cut to nothing.
const LIVES: u32 = 3;
const WRITES_PER_LIFE: u32 = 25;
/// Bytes of each piece of the journal.
const PIECE_BYTES: usize = 3000;
/// Tells this program, run again under strace, where to write.
const FOLDER: &str = "SHIM_TEST_POWER_FOLDER";

fn chat() -> ChatId {
    ChatId::new(Client::ClaudeCode, "11111111-0000-4000-8000-000000000001")
}

fn piece(number: u32) -> Vec<u8> {
    let mut dice = fastrand::Rng::with_seed(u64::from(number));
    (0..PIECE_BYTES).map(|_| dice.u8(..)).collect()
}

fn crash(number: u32) -> NewCrash {
    NewCrash {
        chat: chat(),
        process: ProcessKey { pid: number, start: "77".to_owned() },
        kind: CrashKind::Killed,
        in_turn: InTurn::Answer,
        in_flight: Vec::new(),
        evidence: Vec::new(),
        happened_at: Timestamp::from_ms(1000),
        seen_live: true,
    }
}

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("shim.db"), Duration::from_millis(2)).unwrap()
}

fn stream(store: &Store) -> StreamId {
    store.write(Urgency::AtOnce, |store| store.stream(&chat(), "", b"/t/1.jsonl")).unwrap().id
}

/// One piece of the journal and one crash, in one commit.
fn write(store: &Store, stream: StreamId, number: u32) {
    let packed = Packer::default().pack(u64::from(number) * PIECE_BYTES as u64, &piece(number)).unwrap();
    let written = store.write(Urgency::AtOnce, move |store| {
        store.append(stream, 1, &packed)?;
        store.record_crash(&crash(number), Timestamp::from_ms(2000))
    });
    written.unwrap();
}

/// What strace watches: writes, and says after each acknowledgement that it has it.
#[test]
#[ignore = "run by the tests below, under strace"]
fn writes_until_the_power_goes() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut acknowledged = File::create(folder.join("acknowledged")).unwrap();
    for life in 0..LIVES {
        let store = open(&folder);
        let stream = stream(&store);
        for number in life * WRITES_PER_LIFE..(life + 1) * WRITES_PER_LIFE {
            write(&store, stream, number);
            acknowledged.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
    }
}

fn recorded() -> (PathBuf, Vec<Call>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let data = root.join("data");
    fs::create_dir(&data).unwrap();
    let trace = root.join("trace");
    let calls = "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat,renameat2";
    let output = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "1000000", "-e", calls, "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "writes_until_the_power_goes", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, &data)
        .output()
        .expect("strace cannot be started: install it");
    assert!(output.status.success(), "{output:?}");
    let calls = trace::read(&fs::read_to_string(trace).unwrap(), &data);
    assert!(calls.iter().filter(|call| matches!(call, Call::Sync { .. })).count() > 80, "the store syncs");
    (data, calls, folder)
}

/// The number that was acknowledged last, when the power went after so many calls.
fn acknowledged(data: &Path, calls: &[Call]) -> Option<u32> {
    let told = data.join("acknowledged");
    calls.iter().rev().find_map(|call| match call {
        Call::Write { path, bytes, .. } if *path == told => {
            String::from_utf8_lossy(bytes).trim().parse().ok()
        }
        _ => None,
    })
}

/// What is wrong with a disk that must hold everything up to `last`.
fn wrong(folder: &Path, last: Option<u32>) -> Option<String> {
    let store = match Store::open(&folder.join("shim.db"), Duration::from_millis(2)) {
        Ok(store) => store,
        Err(error) => return Some(format!("it does not open: {error}")),
    };
    let found = store.read(|store| {
        let crashes = store.crashes()?;
        let mut bytes = Vec::new();
        if let Some(stream) = store.stream_at(b"/t/1.jsonl")? {
            store.read_journal(stream.id, 1, 0, u64::MAX, |piece| {
                bytes.extend_from_slice(piece);
                true
            })?;
        }
        Ok((crashes, bytes, store.verify()?))
    });
    let (crashes, bytes, verified) = match found {
        Ok(found) => found,
        Err(error) => return Some(format!("it cannot be read: {error}")),
    };
    let count = last.map_or(0, |last| last + 1);
    let kept = u32::try_from(crashes.len()).unwrap();
    let whole: Vec<u8> = (0..kept).flat_map(piece).collect();
    match () {
        () if !verified.damaged.is_empty() => Some(format!("damaged: {:?}", verified.damaged)),
        () if kept < count => Some(format!("{kept} of {count} acknowledged crashes are there")),
        () if kept > count + 1 => Some(format!("{kept} crashes, and only {count} were acknowledged")),
        () if bytes != whole => Some(format!("the journal holds {} bytes of {}", bytes.len(), whole.len())),
        () => is_whole(&folder.join("shim.db")),
    }
}

/// What the database says of its own pages.
fn is_whole(path: &Path) -> Option<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    (said != "ok").then_some(said)
}

/// Rebuilds so many disks and gives what is wrong with each.
fn cut(data: &Path, calls: &[Call], images: u64, lies: bool) -> Vec<String> {
    let mut found = Vec::new();
    for seed in 0..images {
        let mut dice = fastrand::Rng::with_seed(seed);
        let until = dice.usize(..=calls.len());
        let mut disk = Disk::new(data, lies);
        calls[..until].iter().for_each(|call| disk.take(call));
        let folder = tempfile::tempdir().unwrap();
        disk.lose_power(&mut dice, folder.path());
        let last = acknowledged(data, &calls[..until]);
        if let Some(wrong) = wrong(folder.path(), last) {
            found.push(format!("seed {seed}, after {until} of {} calls: {wrong}", calls.len()));
        }
    }
    found
}

#[test]
fn what_was_acknowledged_survives_a_power_loss_at_any_moment() {
    let (data, calls, _folder) = recorded();
    let all = LIVES * WRITES_PER_LIFE;
    assert_eq!(acknowledged(&data, &calls), Some(all - 1), "the record is whole");
    assert_eq!(cut(&data, &calls, IMAGES, false), Vec::<String>::new());
}

/// The same test on a disk that forgets all syncs: it must find what is lost, or it could find nothing at all.
#[test]
fn a_disk_that_lies_about_its_syncs_is_found_out() {
    let (data, calls, _folder) = recorded();
    let found = cut(&data, &calls, 40, true);
    assert!(found.len() > 20, "only {} of 40: {found:?}", found.len());
}
