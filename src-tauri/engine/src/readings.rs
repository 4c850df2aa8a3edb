//! What the system tells of the live chats' processes and of the machine, read anew every few seconds. It only reads;
//! what the readings mean is decided elsewhere.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(any(test, not(target_os = "linux")))]
mod others;
#[cfg(not(target_os = "linux"))]
use others as system;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::collections::HashMap;

use shim_core::{
    chats::{ChatId, ProcessKey},
    readings::Reading,
    time::Timestamp,
};

use crate::run::{Watch, now};

/// Processes of one chat that are read; a build may start hundreds.
const TREE_MAX: usize = 512;

impl Watch {
    /// Reads the processes of all live chats, and the machine, and takes the chats' signals.
    pub fn sample(&mut self) {
        if self.is_paused() {
            return;
        }
        let (at, mut look) = (now(), system::Look::default());
        let mut of_process: HashMap<ProcessKey, Option<Reading>> = HashMap::new();
        let mut living: Vec<(ChatId, ProcessKey)> = Vec::new();
        self.readings.clear();
        for (chat, process) in self.supervisor.living() {
            // One process of an app may stand behind many chats.
            let reading =
                of_process.entry(process.clone()).or_insert_with_key(|process| read(&mut look, process, at));
            if let Some(reading) = reading
                && !self.readings.contains_key(&chat)
            {
                self.readings.insert(chat.clone(), *reading);
                living.push((chat, process));
            }
        }
        self.host = system::host(at);
        self.follow(&living, at);
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
