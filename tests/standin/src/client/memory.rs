//! A group of processes that gets no more memory than it is allowed: what the system does to a machine that is full,
//! done to one client alone. Only where control groups of version 1 may be made.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// So little that the next that is asked for is too much, in bytes.
const NOTHING: &str = "65536";
/// What a group may have at first.
const ENOUGH: &str = "1073741824";

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// `None` where none may be made.
    pub fn make() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.split_once(":memory:"))?.1.to_owned();
        let name = format!("shim-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/')).join(name);
        fs::create_dir(&folder).ok()?;
        let group = Self(folder);
        fs::write(group.0.join("memory.limit_in_bytes"), ENOUGH).ok()?;
        Some(group)
    }

    /// What the process holds stays charged where it was: what it takes from now on is what is short. The limit comes
    /// first, since the system refuses one below what is in use already.
    pub fn starve(&self, pid: u32) -> io::Result<()> {
        fs::write(self.0.join("memory.limit_in_bytes"), NOTHING)?;
        fs::write(self.0.join("cgroup.procs"), pid.to_string())
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
