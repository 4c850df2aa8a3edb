//! A database that is newer, damaged, or held by another engine: refused with a reason, and left as it is.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::PathBuf,
};

use super::{is_kept, nothing_panicked, plant, session, turn};
use crate::world::{World, ended};

/// Where SQLite's file format keeps `user_version`, four bytes, big-endian.
const USER_VERSION_AT: u64 = 60;

/// A world whose SHIM kept one chat and ended.
fn kept_and_ended() -> (World, PathBuf) {
    let id = session(1);
    let mut world = World::of_files();
    plant(world.home.config(), &id, turn(&id, 1).as_bytes());
    world.start_shim();
    is_kept(&world, &id, 1);
    assert!(world.stop_shim().success());
    let database = world.shim_home.join("shim.db");
    assert!(database.is_file());
    (world, database)
}

/// `shim run` ends by itself, says why, and leaves the database as it found it.
#[track_caller]
fn is_refused(world: &World, database: &PathBuf, why: &[&str]) {
    let before = fs::read(database).unwrap();
    let status = ended(world.spawn_shim());
    assert_eq!(status.code(), Some(1), "{}", world.log());
    let told = world.log();
    for words in why {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert!(fs::read(database).unwrap() == before, "the database was changed");
    nothing_panicked(world);
}

#[test]
fn a_newer_database_is_refused_and_not_touched() {
    let (world, database) = kept_and_ended();
    let file = File::options().write(true).open(&database).unwrap();
    file.write_all_at(&9_999_u32.to_be_bytes(), USER_VERSION_AT).unwrap();
    is_refused(&world, &database, &["newer SHIM", "9999", "update SHIM"]);
}

#[test]
fn a_damaged_database_is_refused_and_not_touched() {
    for (what, from) in [("its header", 0), ("its first table", 100)] {
        let (world, database) = kept_and_ended();
        println!("{what}");
        let file = File::options().write(true).open(&database).unwrap();
        file.write_all_at(&[0xa5; 3000], from).unwrap();
        is_refused(&world, &database, &["is damaged", "shim.db"]);
        // What the message advises works: the journal comes back from the client's own file.
        fs::rename(&database, database.with_extension("aside")).unwrap();
        let mut world = world;
        world.start_shim();
        is_kept(&world, &session(1), 1);
    }
}

#[test]
fn a_second_engine_is_refused_and_the_first_runs_on() {
    let id = session(1);
    let mut world = World::of_files();
    plant(world.home.config(), &id, turn(&id, 1).as_bytes());
    world.start_shim();
    is_kept(&world, &id, 1);
    let second = world.spawn_shim();
    assert_eq!(ended(second).code(), Some(1), "{}", world.log());
    assert!(world.log().contains("another engine (process"), "{}", world.log());
    plant(world.home.config(), &session(2), turn(&session(2), 1).as_bytes());
    is_kept(&world, &session(2), 1);
    nothing_panicked(&world);
}

#[test]
fn settings_that_are_wrong_are_all_told_at_once() {
    let world = World::of_files();
    world.settings("watch.sweep_seconds = 0\nmoon.phase = 1");
    assert_eq!(ended(world.spawn_shim()).code(), Some(1));
    let told = world.log();
    for words in ["line 3", "watch.sweep_seconds", "line 4", "moon"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}
