//! Linux: figures from /proc, of the processes asked for and of no others.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    path::Path,
    str::{FromStr, SplitAsciiWhitespace},
};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    time::{ClockId, clock_gettime},
};
use shim_core::{readings::HostReading, time::Timestamp};

use super::Seen;

/// Bytes of the longest file read whole: a line of 52 numbers is below 1 KiB, /proc/meminfo below 2.
const FILE_BYTES_MAX: usize = 8 * 1024;

/// One look at processes.
pub struct Look {
    buffer: Box<[u8; FILE_BYTES_MAX]>,
    /// Children by their parent, where the system does not list them.
    scanned: Option<HashMap<u32, Vec<u32>>>,
    lists_children: bool,
}

impl Default for Look {
    fn default() -> Self {
        let own = std::process::id();
        let lists_children = Path::new(&format!("/proc/{own}/task/{own}/children")).exists();
        Self { buffer: Box::new([0; FILE_BYTES_MAX]), scanned: None, lists_children }
    }
}

impl Look {
    /// `None` when it does not run, or is not the one that was started at `start`.
    pub fn process(&mut self, pid: u32, start: Option<&str>) -> Option<Seen> {
        let stat = self.stat(pid)?;
        let is_meant = start.is_none_or(|start| start.is_empty() || start == stat.start.to_string());
        is_meant.then(|| Seen {
            rss_bytes: stat.rss_pages.saturating_mul(page_size() as u64),
            cpu_seconds: stat.cpu_ticks as f64 / clock_ticks_per_second().max(1) as f64,
            stopped: stat.stopped,
        })
    }

    /// What a process started itself and still runs.
    pub fn children(&mut self, pid: u32) -> Vec<u32> {
        if self.lists_children { self.listed(pid) } else { self.scanned(pid) }
    }

    /// Each thread lists what it started.
    fn listed(&mut self, pid: u32) -> Vec<u32> {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
        let mut children = Vec::new();
        for thread in threads.filter_map(Result::ok) {
            let list = self.read(&thread.path().join("children"));
            children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        children
    }

    fn scanned(&mut self, pid: u32) -> Vec<u32> {
        if self.scanned.is_none() {
            let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
            for entry in fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok) {
                let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                if let Some(stat) = self.stat(child) {
                    children.entry(stat.parent).or_default().push(child);
                }
            }
            self.scanned = Some(children);
        }
        self.scanned.as_ref().and_then(|children| children.get(&pid)).cloned().unwrap_or_default()
    }

    fn stat(&mut self, pid: u32) -> Option<Stat> {
        Stat::read(self.read(Path::new(&format!("/proc/{pid}/stat"))))
    }

    /// Empty when it cannot be read.
    fn read(&mut self, path: &Path) -> &str {
        let Ok(mut file) = File::open(path) else { return "" };
        let mut length = 0;
        while let Some(room) = self.buffer.get_mut(length..).filter(|room| !room.is_empty()) {
            match file.read(room) {
                Ok(0) | Err(_) => break,
                Ok(read) => length += read,
            }
        }
        let text = self.buffer.get(..length).unwrap_or_default();
        // A program's name may be cut within a character; all that follows is plain.
        let name_end = text.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 1);
        std::str::from_utf8(text.get(name_end..).unwrap_or_default()).unwrap_or_default()
    }
}

/// What `/proc/PID/stat` says behind the program's name.
struct Stat {
    stopped: bool,
    parent: u32,
    cpu_ticks: u64,
    start: u64,
    rss_pages: u64,
}

impl Stat {
    /// Fields are counted from 1, as proc(5) does; the first here is 3. A zombie does not run.
    fn read(fields: &str) -> Option<Self> {
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = number(&mut fields, 0)?;
        let user: u64 = number(&mut fields, 9)?;
        let system: u64 = number(&mut fields, 0)?;
        let start = number(&mut fields, 6)?;
        let rss_pages = number::<i64>(&mut fields, 1)?;
        (!matches!(state, "Z" | "X")).then(|| Self {
            stopped: matches!(state, "T" | "t"),
            parent,
            cpu_ticks: user.saturating_add(system),
            start,
            rss_pages: u64::try_from(rss_pages).unwrap_or(0),
        })
    }
}

/// The number behind `skipped` further fields.
fn number<T: FromStr>(fields: &mut SplitAsciiWhitespace<'_>, skipped: usize) -> Option<T> {
    fields.nth(skipped)?.parse().ok()
}

pub fn host(at: Timestamp) -> HostReading {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim_end().parse::<u64>().ok());
        kib.unwrap_or(0).saturating_mul(1024)
    };
    // Stands still while the machine sleeps, unlike CLOCK_BOOTTIME.
    let awake = clock_gettime(ClockId::Monotonic);
    HostReading {
        at,
        memory_total: of("MemTotal"),
        memory_available: of("MemAvailable"),
        swap_total: of("SwapTotal"),
        swap_free: of("SwapFree"),
        awake_seconds: awake.tv_sec as f64 + awake.tv_nsec as f64 / 1e9,
    }
}

#[cfg(test)]
impl Look {
    /// As on a system that does not list children.
    pub fn scanning() -> Self {
        Self { lists_children: false, ..Self::default() }
    }
}
