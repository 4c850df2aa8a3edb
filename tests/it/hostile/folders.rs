//! Folders that cannot be read, lead in circles, or have names that are no text.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown, symlink},
    },
    path::Path,
    process::{Command, Stdio},
};

use shim_standin::client::{Signal, send, wait};

use super::{is_kept, nothing_panicked, plant, project_folder, session, turn, warnings};
use crate::world::{WAIT, World};

/// The user and group that own nothing.
const NOBODY: u32 = 65_534;

#[test]
fn names_that_are_no_text_hide_nothing() {
    let id = session(1);
    let mut world = World::of_files();
    let projects = world.home.config().join("projects");
    let odd = projects.join(OsStr::from_bytes(b"-caf\xe9-\xff"));
    fs::create_dir_all(&odd).unwrap();
    fs::write(odd.join(format!("{id}.jsonl")), turn(&id, 1)).unwrap();
    fs::write(odd.join(OsStr::from_bytes(b"\xfe\xff.jsonl")), turn(&id, 1)).unwrap();
    plant(world.home.config(), &session(2), turn(&session(2), 1).as_bytes());
    world.start_shim();
    is_kept(&world, &id, 1);
    is_kept(&world, &session(2), 1);
    nothing_panicked(&world);
}

#[test]
fn links_in_a_circle_and_files_in_the_place_of_folders_are_passed_over() {
    let id = session(1);
    let mut world = World::of_files();
    let config = world.home.config().to_owned();
    plant(&config, &id, turn(&id, 1).as_bytes());
    let projects = config.join("projects");
    symlink(&projects, projects.join("-circle")).unwrap();
    symlink("self.jsonl", projects.join("-nowhere/self.jsonl")).unwrap();
    symlink("/nowhere/at/all", projects.join("-dangling")).unwrap();
    symlink("/dev/zero", projects.join(format!("-nowhere/{}.jsonl", session(7)))).unwrap();
    fs::write(projects.join("-a-file"), "no folder").unwrap();
    fs::write(config.join("sessions"), "no folder").unwrap();
    fs::create_dir(projects.join(format!("-nowhere/{}.jsonl", session(8)))).unwrap();
    world.start_shim();
    is_kept(&world, &id, 1);
    // What comes later is seen too.
    plant(&config, &session(2), turn(&session(2), 1).as_bytes());
    is_kept(&world, &session(2), 1);
    nothing_panicked(&world);
}

/// Runs SHIM as a user that permission bits apply to: root may read anything.
#[test]
fn a_folder_that_may_not_be_read_is_named_and_the_others_are_kept() {
    let id = session(1);
    let world = World::of_files();
    plant(world.home.config(), &id, turn(&id, 1).as_bytes());
    let locked = world.home.config().join("projects/-locked");
    fs::create_dir(&locked).unwrap();
    fs::write(locked.join(format!("{}.jsonl", session(2))), turn(&session(2), 1)).unwrap();
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if is_root {
        fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755)).unwrap();
        give_to_nobody(&world.root());
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let mut engine =
        if is_root { as_nobody(&world.shim_command(&["run"])) } else { world.shim_command(&["run"]) };
    let log = fs::File::options().create(true).append(true).open(world.log_path()).unwrap();
    let mut engine =
        engine.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    wait(WAIT, "the engine to answer", || world.answers(engine.id()).then_some(())).unwrap();
    is_kept(&world, &id, 1);
    let named = wait(WAIT, "the warning", || warnings(&world).contains("-locked").then_some(()));
    send(engine.id(), Signal::TERM);
    engine.wait().unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
    named.unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
    assert!(project_folder(world.home.config()).exists());
    nothing_panicked(&world);
}

fn give_to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).ok();
    if path.symlink_metadata().unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_to_nobody(&entry.unwrap().path()));
    }
}

/// The same command, run by nobody.
fn as_nobody(command: &Command) -> Command {
    let environment = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut nobody = Command::new("setpriv");
    let who = NOBODY.to_string();
    nobody.args(["--reuid", &who, "--regid", &who, "--clear-groups"]);
    nobody.arg(command.get_program()).args(command.get_args());
    nobody.env_clear().envs(environment).current_dir(command.get_current_dir().unwrap());
    nobody
}
