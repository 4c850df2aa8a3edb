//! What the system tells of the live chats' processes and of the machine, read anew every few seconds. It only reads;
//! what the readings mean is decided elsewhere.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
mod others;
#[cfg(not(target_os = "linux"))]
use others as system;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::{collections::HashMap, time::Duration};

use shim_core::{chats::ProcessKey, readings::Reading, time::Timestamp};

use crate::run::{Watch, now};

/// Time between two readings.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Processes of one chat that are read; a build may start hundreds.
const TREE_MAX: usize = 512;

impl Watch {
    /// Reads the processes of all live chats, and the machine.
    pub fn sample(&mut self) {
        if self.is_paused() {
            return;
        }
        let (at, mut look) = (now(), system::Look::default());
        let mut of_process: HashMap<ProcessKey, Option<Reading>> = HashMap::new();
        self.readings.clear();
        for (chat, process) in self.supervisor.living() {
            // One process of an app may stand behind many chats.
            let reading =
                of_process.entry(process).or_insert_with_key(|process| read(&mut look, process, at));
            if let Some(reading) = reading {
                self.readings.entry(chat).or_insert(*reading);
            }
        }
        self.host = system::host(at);
    }
}

/// One process, as far as its own figures go.
struct Seen {
    rss_bytes: u64,
    cpu_seconds: f64,
    stopped: bool,
}

/// A process with all that it started; `None` when it does not run.
fn read(look: &mut system::Look, process: &ProcessKey, at: Timestamp) -> Option<Reading> {
    let own = look.process(process.pid, Some(&process.start))?;
    let mut reading = Reading {
        at,
        rss_bytes: own.rss_bytes,
        tree_rss_bytes: own.rss_bytes,
        cpu_seconds: own.cpu_seconds,
        stopped: own.stopped,
        ..Reading::default()
    };
    let mut pids = vec![process.pid];
    let mut next = 0;
    while let Some(parent) = pids.get(next).copied() {
        next += 1;
        for pid in look.children(parent) {
            if pids.len() >= TREE_MAX || pids.contains(&pid) {
                continue;
            }
            pids.push(pid);
            if let Some(child) = look.process(pid, None) {
                reading.tree_rss_bytes = reading.tree_rss_bytes.saturating_add(child.rss_bytes);
                reading.children_cpu_seconds += child.cpu_seconds;
                reading.children += 1;
            }
        }
    }
    Some(reading)
}
