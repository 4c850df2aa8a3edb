//! Transcripts that no client should have written: kept byte for byte all the same, read as far as they make sense.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use super::{is_kept, nothing_panicked, plant, project_folder, session, turn, turn_of};
use crate::world::World;

const MIB: u64 = 1024 * 1024;
/// Memory that the engine may have taken while it read a transcript of any size.
const MEMORY_MAX: u64 = 96 * MIB;

/// A name, the bytes, and the turns that can be read in them.
fn rows(id: &str) -> Vec<(&'static str, Vec<u8>, u64)> {
    let (one, two) = (turn(id, 1), turn(id, 2));
    let between = |middle: &[u8]| [one.as_bytes(), middle, two.as_bytes()].concat();
    let deep = format!("{}{}\n", "[".repeat(200_000), "]".repeat(200_000));
    vec![
        ("whole", between(b""), 2),
        ("unknown record types", between(b"{\"type\":\"hologram\",\"uuid\":\"h\",\"message\":{\"role\":7}}\n{\"kind\":1}\n[1,2]\nnull\n"), 2),
        ("garbage", between(b"\x00\x01\xfe\xff not json at all }}}{{\n"), 2),
        ("known types with foreign shapes", between(b"{\"type\":\"user\",\"message\":[]}\n{\"type\":\"assistant\",\"message\":{\"content\":{\"a\":1},\"usage\":\"lots\"}}\n{\"type\":\"assistant\",\"timestamp\":12,\"message\":null}\n"), 2),
        ("numbers beyond any count", between(b"{\"type\":\"assistant\",\"uuid\":\"n\",\"message\":{\"id\":\"m\",\"stop_reason\":null,\"content\":[],\"usage\":{\"input_tokens\":18446744073709551615,\"output_tokens\":-5}}}\n"), 2),
        ("very deep nesting", between(deep.as_bytes()), 2),
        ("blank lines and carriage returns", between(b"\n\r\n   \n\n"), 2),
        ("a NUL tail", between(b"").into_iter().chain([0; 4096]).collect(), 2),
        ("NULs in the middle, with a line feed", between(&[&[0; 512][..], b"\n"].concat()), 2),
        ("a torn last line", [one.as_bytes(), &two.as_bytes()[..two.len() / 2]].concat(), 1),
        ("two turns glued on one line", [one.trim_end(), &two].concat().into_bytes(), 2),
        ("bytes that are no UTF-8 in a message", between(b"{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"\xff\xfe\"}}\n"), 2),
        ("a byte order mark", [b"\xef\xbb\xbf", one.as_bytes(), two.as_bytes()].concat(), 1),
        ("one half of a surrogate pair", between(b"{\"type\":\"system\",\"content\":\"\\ud800\"}\n"), 2),
        ("garbage only", b"\xde\xad\xbe\xef\n\n\x00".to_vec(), 0),
    ]
}

#[test]
fn whatever_stands_in_a_transcript_is_kept_and_read_as_far_as_it_makes_sense() {
    let mut world = World::of_files();
    let count = rows("").len() as u64;
    for n in 0..count {
        let (_, bytes, _) = &rows(&session(n))[usize::try_from(n).unwrap()];
        plant(world.home.config(), &session(n), bytes);
    }
    plant(world.home.config(), &session(900), b"");
    world.start_shim();
    for n in 0..count {
        let (name, _, turns) = &rows(&session(n))[usize::try_from(n).unwrap()];
        println!("{name}");
        is_kept(&world, &session(n), *turns);
    }
    // Each grows by a turn while SHIM looks on, on a line of its own as the client writes it.
    for n in 0..count {
        let path = project_folder(world.home.config()).join(format!("{}.jsonl", session(n)));
        let more = format!("\n{}", turn(&session(n), 3));
        File::options().append(true).open(path).unwrap().write_all(more.as_bytes()).unwrap();
    }
    for n in 0..count {
        let (name, _, turns) = &rows(&session(n))[usize::try_from(n).unwrap()];
        println!("{name}, grown");
        is_kept(&world, &session(n), turns + 1);
    }
    assert_eq!(world.crashes_of(&session(900)), Vec::<serde_json::Value>::new());
    world.is_sound();
    nothing_panicked(&world);
}

#[test]
fn a_line_of_fifty_megabytes_is_kept_and_the_turns_around_it_are_counted() {
    let id = session(1);
    let mut world = World::of_files();
    let long = turn_of(&id, 2, &"long ".repeat(10 * 1024 * 1024));
    plant(world.home.config(), &id, [turn(&id, 1), long, turn(&id, 3)].concat().as_bytes());
    world.start_shim();
    is_kept(&world, &id, 3);
    nothing_panicked(&world);
}

#[test]
fn a_huge_transcript_is_read_in_flat_memory() {
    let full = std::env::var_os("SHIM_TEST_FULL").is_some_and(|full| full == "1");
    let bytes_min = if full { 1024 * MIB } else { 256 * MIB };
    let id = session(1);
    let mut world = World::of_files();
    let turns = write_turns(&project_folder(world.home.config()).join(format!("{id}.jsonl")), &id, bytes_min);
    world.start_shim();
    is_kept(&world, &id, turns);
    let own = &world.json(&["status"])["own"];
    println!("{own}");
    let memory = world.peak_memory();
    assert!(memory < MEMORY_MAX, "{} MiB at the most, while reading {} MiB", memory / MIB, bytes_min / MIB);
    nothing_panicked(&world);
}

/// A client may keep files for longer than SHIM keeps chats: what was dropped is not read again with each sweep.
#[test]
fn a_chat_older_than_chats_are_kept_is_dropped_once() {
    let (old, new) = (session(1), session(2));
    let mut world = World::of_files();
    world.settings("watch.sweep_seconds = 1");
    let path = plant(world.home.config(), &old, turn(&old, 1).replace("2026-11-20", "2019-11-20").as_bytes());
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_574_000_000);
    File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    plant(world.home.config(), &new, turn(&new, 1).as_bytes());
    world.start_shim();
    is_kept(&world, &new, 1);
    // Several sweeps.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let before = world.json(&["status"])["own"]["watched_bytes"].clone();
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(world.json(&["status"])["own"]["watched_bytes"], before, "{}", world.log());
    assert!(world.whole_log().matches("dropped the journal").count() <= 1, "{}", world.log());
    nothing_panicked(&world);
}

/// Writes turns until the file is so long, and tells how many.
fn write_turns(path: &Path, id: &str, bytes_min: u64) -> u64 {
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    let (mut bytes, mut turns) = (0, 0);
    while bytes < bytes_min {
        turns += 1;
        // Answers differ, so that compression has something to do.
        let answer: String =
            (0..400_u64).map(|word| format!("{:x} ", (turns * 7919 + word * 104_729) % 65_521)).collect();
        let lines = turn_of(id, turns, &answer);
        file.write_all(lines.as_bytes()).unwrap();
        bytes += lines.len() as u64;
    }
    file.flush().unwrap();
    drop(file);
    assert_eq!(fs::metadata(path).unwrap().len(), bytes);
    turns
}
