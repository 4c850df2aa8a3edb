//! Linux: what the control group of a process allows it of memory, and what the group takes. Only read; where there
//! are no such groups there is nothing to tell.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// Where groups are shown, on every usual system.
const GROUPS: &str = "/sys/fs/cgroup";
/// Groups within groups that are looked at, from a process's own upwards.
const DEPTH_MAX: usize = 64;

/// A group of processes that may take so much memory together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryGroup {
    folder: PathBuf,
    version: Version,
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMemory {
    /// Without what the system would drop first: pages of files that nobody used for a while.
    pub used: u64,
    pub limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The files of the limit and of what is taken, and the line of what can be dropped.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            Self::Two => ("memory.max", "memory.current", "inactive_file"),
        }
    }
}

/// Of all groups that a process lies in, the one that may take the least; `None` where none may take less than the
/// machine has.
pub fn memory_group(pid: u32, machine_bytes: u64) -> Option<MemoryGroup> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    smallest(Path::new(GROUPS), &own, machine_bytes)
}

fn smallest(groups: &Path, own: &str, machine_bytes: u64) -> Option<MemoryGroup> {
    let (top, path, version) = place(groups, own)?;
    let mut folder = top.join(path);
    let mut found: Option<(u64, MemoryGroup)> = None;
    for _ in 0..DEPTH_MAX {
        // A container may show only itself, and call its own group the uppermost.
        let group = MemoryGroup { folder: folder.clone(), version };
        let least = found.as_ref().map_or(machine_bytes, |(limit, _)| *limit);
        if let Some(limit) = group.limit().filter(|limit| *limit < least) {
            found = Some((limit, group));
        }
        if folder == top || !folder.pop() {
            break;
        }
    }
    found.map(|(_, group)| group)
}

/// The uppermost folder, the way from it to the process's own, and how groups are written there: each line of
/// `/proc/PID/cgroup` is `number:controllers:path`, of version 2 `0::path`.
fn place(groups: &Path, own: &str) -> Option<(PathBuf, PathBuf, Version)> {
    let parts = own.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        Some((controllers, Path::new(path.trim_start_matches('/'))))
    });
    let memory = |(controllers, _): &(&str, &Path)| controllers.split(',').any(|name| name == "memory");
    let (top, path, version) = match parts.clone().find(memory) {
        Some((_, path)) => (groups.join("memory"), path, Version::One),
        None => (groups.to_owned(), parts.clone().find(|(none, _)| none.is_empty())?.1, Version::Two),
    };
    // A process of another namespace lies above what is shown here.
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_below.then(|| (top, path.to_owned(), version))
}

impl MemoryGroup {
    /// `None` when the group is gone or has no limit any more.
    pub fn read(&self) -> Option<GroupMemory> {
        let (_, used, dropped) = self.version.names();
        let used: u64 = self.text(used)?.trim().parse().ok()?;
        let stat = self.text("memory.stat").unwrap_or_default();
        let line = stat.lines().find_map(|line| line.strip_prefix(dropped)?.trim().parse().ok());
        Some(GroupMemory { used: used.saturating_sub(line.unwrap_or(0)), limit: self.limit()? })
    }

    /// Without a limit version 2 says `max`, version 1 a number that no machine has.
    fn limit(&self) -> Option<u64> {
        self.text(self.version.names().0)?.trim().parse().ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(name)).ok()
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
