//! A disk that is full and a folder that may not be written: said clearly, and made good when there is room again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use shim_standin::client::wait;

use super::{is_kept, nothing_panicked, plant, session, turn, turn_of, warnings};
use crate::world::{WAIT, World, ended};

/// A small disk of its own, taken away when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this user may not mount one.
    fn mount(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: this user may not mount a disk to fill");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_made_good_when_there_is_room() {
    let id = session(1);
    let mut world = World::of_files();
    let Some(_disk) = Disk::mount(&world.shim_home, "size=16m") else { return };
    world.settings("");
    world.start_shim();
    plant(world.home.config(), &id, turn(&id, 1).as_bytes());
    is_kept(&world, &id, 1);
    let filler = world.shim_home.join("filler");
    fill(&filler);
    // Text that hardly compresses.
    let noise: String =
        (0..400_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    plant(world.home.config(), &session(2), turn_of(&session(2), 1, &noise).as_bytes());
    wait(WAIT, "the warning", || warnings(&world).contains("full").then_some(()))
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", warnings(&world), world.log()));
    assert_eq!(world.export(&id, &[]), world.transcript(&id), "what was kept can still be read");
    fs::remove_file(&filler).unwrap();
    is_kept(&world, &session(2), 1);
    wait(WAIT, "the warning to go", || (!warnings(&world).contains("full")).then_some(()))
        .unwrap_or_else(|error| panic!("{error}: {}", warnings(&world)));
    world.is_sound();
    nothing_panicked(&world);
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let block = vec![b'x'; 64 * 1024];
    let mut file = fs::File::create(path).unwrap();
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
}

#[test]
fn a_data_folder_that_may_not_be_written_is_said() {
    let world = World::of_files();
    let Some(_disk) = Disk::mount(&world.shim_home, "size=4m") else { return };
    world.settings("");
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&world.shim_home).status().unwrap();
    assert!(remounted.success());
    assert_eq!(ended(world.spawn_shim()).code(), Some(1), "{}", world.log());
    let told = world.log();
    assert!(told.contains(world.shim_home.to_str().unwrap()) && told.contains("SHIM_HOME"), "{told}");
    nothing_panicked(&world);
}
