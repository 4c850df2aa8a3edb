//! SHIM dies while it keeps or changes a user's files: they are as before or as after when it is back, and it says so.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use shim_standin::client::wait;

use crate::{
    workspace::{checkpoints, files, git, kept, repository, users_own},
    world::{WAIT, World, id},
};

/// Has the engine die at a boundary within what a command asks for, and starts the next.
fn dies_within(world: &mut World, boundary: &str, args: &[&str]) {
    println!("{boundary}");
    fs::write(world.die_at(), boundary).unwrap();
    // The engine dies before it answers, or right behind its answer.
    let _ = world.shim(args);
    world.shim_dies();
    fs::remove_file(world.die_at()).unwrap();
}

/// What the doctor says of changes that were cut short.
fn told(world: &World, words: &str) -> String {
    let said = wait(WAIT, words, || {
        let findings = world.json(&["doctor"]);
        let mut all = findings.as_array().unwrap().iter().filter(|one| one["what"] == "cut short");
        all.find(|one| one["found"].as_str().unwrap().contains(words)).map(|one| one["found"].to_string())
    });
    said.unwrap_or_else(|error| panic!("{error}: {}\n{}", world.json(&["doctor"]), world.log()))
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn locks(folder: &Path) -> Vec<String> {
    let entries = walkdir(folder);
    entries.into_iter().filter(|name| name.ends_with(".lock") || name.contains("shim")).collect()
}

/// Every file below a folder that is no object of git's and no reference.
fn walkdir(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        match path.is_dir() {
            true if name == "objects" || name == "refs" => {}
            true => found.extend(walkdir(&path)),
            false => found.push(name),
        }
    }
    found
}

#[test]
fn a_snapshot_that_is_cut_leaves_nothing_in_the_repository_but_what_git_collects() {
    let mut world = World::new();
    let cwd = repository(&world);
    let session_id = world.finished_chat(&cwd, "@@text one");
    world.wait_for_state(&session_id, "ended");
    let within =
        ["snapshot.begun", "snapshot.indexed", "snapshot.committed", "snapshot.referred", "snapshot.noted"];
    is_kept_anew(&world, &session_id);
    for boundary in within {
        fs::write(cwd.join("kept.txt"), format!("before {boundary}\n")).unwrap();
        let (before, referred) = (users_own(&world, &cwd), references(&world, &cwd).len());
        dies_within(&mut world, boundary, &["checkpoint", &id(&session_id)]);
        assert_eq!(locks(&cwd.join(".git")), Vec::<String>::new(), "{boundary}");
        world.start_shim();
        let own = || names(&world.shim_home.join("snapshots"));
        wait(WAIT, "SHIM's own files to be gone", || own().is_empty().then_some(()))
            .unwrap_or_else(|error| panic!("{boundary}: {error}: {:?}", own()));
        // What a reference keeps a checkpoint names, and nothing else is kept.
        let now = || (named(&world, &session_id), references(&world, &cwd));
        wait(WAIT, "the reference to go", || (now().0 == now().1).then_some(()))
            .unwrap_or_else(|error| panic!("{boundary}: {error}: {:?}", now()));
        let stays = usize::from(boundary == "snapshot.noted");
        assert_eq!(references(&world, &cwd).len(), referred + stays, "{boundary}");
        git(&world, &cwd, &["fsck", "--strict"]);
        assert_eq!(users_own(&world, &cwd), before, "{boundary}");
        fs::write(cwd.join("kept.txt"), format!("after {boundary}\n")).unwrap();
        is_kept_anew(&world, &session_id);
    }
    world.is_sound();
}

/// The commits that SHIM's references keep.
fn references(world: &World, cwd: &Path) -> BTreeSet<String> {
    let refs = git(world, cwd, &["for-each-ref", "--format=%(objectname)", "refs/shim/"]);
    refs.lines().map(str::to_owned).collect()
}

/// The commits that checkpoints name.
fn named(world: &World, session_id: &str) -> BTreeSet<String> {
    let all = checkpoints(world, session_id);
    all.iter().filter_map(|point| Some(point["workspace"]["snapshot"].as_str()?.to_owned())).collect()
}

fn is_kept_anew(world: &World, session_id: &str) {
    let next = world.json(&["checkpoint", &id(session_id)])["id"].clone();
    let kept = wait(WAIT, "the next one to be kept", || {
        let all = checkpoints(world, session_id);
        all.iter().any(|point| point["id"] == next && point["workspace"]["state"] == "kept").then_some(())
    });
    kept.unwrap_or_else(|error| panic!("{error}: {:?}", checkpoints(world, session_id)));
}

#[test]
fn a_tree_that_was_being_put_back_is_put_back_wholly_by_the_next_engine() {
    let mut world = World::new();
    let cwd = repository(&world);
    let session_id = world.finished_chat(&cwd, "@@text one");
    world.wait_for_state(&session_id, "ended");
    fs::write(cwd.join("kept.txt"), "as wanted\n").unwrap();
    fs::write(cwd.join("new.txt"), "new\n").unwrap();
    fs::remove_file(cwd.join("gone.txt")).unwrap();
    world.json(&["checkpoint", &id(&session_id)]);
    let number = kept(&world, &session_id, "user", "kept")["id"].to_string();
    let wanted = files(&cwd);
    let index = fs::read(cwd.join(".git/index")).unwrap();
    let spoil = || {
        fs::write(cwd.join("kept.txt"), "spoiled\n").unwrap();
        fs::write(cwd.join("gone.txt"), "here again\n").unwrap();
        fs::write(cwd.join("later.txt"), "made later\n").unwrap();
        fs::remove_file(cwd.join("new.txt")).unwrap();
        files(&cwd)
    };
    let put = ["workspace", &number, "--in-place", "--yes"];
    for boundary in ["workspace.noted", "workspace.removed", "workspace.put"] {
        let spoiled = spoil();
        dies_within(&mut world, boundary, &put);
        if boundary == "workspace.removed" {
            let half = files(&cwd);
            assert!(half != spoiled && half != wanted, "{half:?}");
        }
        world.start_shim();
        told(&world, "the rest was put back since");
        assert_eq!(files(&cwd), wanted, "{boundary}");
        assert_eq!(names(&world.shim_home.join("changes")), BTreeSet::new());
        let before =
            |point: &&Value| point["note"].as_str().is_some_and(|note| note.contains("were put back"));
        let undo = checkpoints(&world, &session_id).iter().rfind(before).unwrap()["id"].to_string();
        world.json(&["workspace", &undo, "--in-place", "--yes"]);
        assert_eq!(files(&cwd), spoiled, "{boundary}");
        world.json(&put);
        assert_eq!(files(&cwd), wanted, "{boundary}");
    }
    spoil();
    dies_within(&mut world, "workspace.removed", &put);
    fs::write(cwd.join("kept.txt"), "written since\n").unwrap();
    world.start_shim();
    assert!(told(&world, "kept.txt was changed since").contains("brings the state before"));
    assert_eq!(fs::read_to_string(cwd.join("kept.txt")).unwrap(), "written since\n", "never over it");
    assert_eq!(fs::read(cwd.join(".git/index")).unwrap(), index, "the user's index was never touched");
}

#[test]
fn a_file_that_was_being_repaired_or_put_back_is_whole_and_it_is_told() {
    let mut world = World::new();
    let cwd = world.home.project("p").unwrap();
    for (boundary, verb, says, done) in [
        ("repair.noted", "repair", "it is as it was", false),
        ("repair.replaced", "repair", "it was, as a whole", true),
        ("undelete.noted", "undelete", "it was not", false),
        ("undelete.replaced", "undelete", "it was, as a whole", true),
    ] {
        let session_id = world.finished_chat(&cwd, "@@text one");
        world.wait_for_state(&session_id, "ended");
        world.wait_until_kept(&session_id);
        let (path, whole) = (world.home.transcript(&session_id).unwrap(), world.transcript(&session_id));
        let torn = [&whole[..], &[0; 512]].concat();
        let args: &[&str] = if verb == "repair" {
            fs::write(&path, &torn).unwrap();
            &["--in-place", "--yes"]
        } else {
            fs::remove_file(&path).unwrap();
            &[]
        };
        dies_within(&mut world, boundary, &[&[verb, &id(&session_id)], args].concat());
        let folder = path.parent().unwrap();
        if boundary == "repair.noted" {
            // As it would lie there had it died a moment later.
            fs::write(folder.join(format!("{session_id}.jsonl.shim-new")), "half").unwrap();
        }
        world.start_shim();
        assert!(told(&world, says).contains(&session_id), "{boundary}");
        let left: Vec<_> = names(folder).into_iter().filter(|name| name.contains("shim-new")).collect();
        assert_eq!(left, Vec::<String>::new(), "{boundary}");
        match (verb, done) {
            ("repair", false) => assert_eq!(fs::read(&path).unwrap(), torn),
            ("undelete", false) => assert!(!path.exists()),
            _ => assert_eq!(fs::read(&path).unwrap(), whole, "{boundary}"),
        }
        if !done {
            let again = world.json(&[&[verb, &id(&session_id)], args].concat());
            assert_eq!(
                (&again["ok"], fs::read(&path).unwrap()),
                (&json!(true), whole),
                "{boundary}: {again}"
            );
        }
        wait(WAIT, "nothing to ail the chat", || {
            world.crashes_of(&session_id).iter().all(|crash| crash["resolved"] == true).then_some(())
        })
        .unwrap_or_else(|error| panic!("{boundary}: {error}: {:?}", world.crashes_of(&session_id)));
    }
    world.is_sound();
}
