//! What the system tells of a chat's processes, and of the whole machine, at one moment.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One chat's processes at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub at: Timestamp,
    /// Resident memory of the client's own process, in bytes.
    pub rss_bytes: u64,
    /// The same with every process it started.
    pub tree_rss_bytes: u64,
    /// Processor time the client's own process used since it started, in seconds.
    pub cpu_seconds: f64,
    /// The same of everything it started and still runs.
    pub children_cpu_seconds: f64,
    /// Processes it started that run now: tools, MCP servers, helpers.
    pub children: u32,
    /// Stopped by a signal or a debugger: it can do nothing, whatever its state says.
    pub stopped: bool,
}

/// The whole machine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReading {
    pub at: Timestamp,
    /// In bytes.
    pub memory_total: u64,
    /// What programs could still get without swapping, in bytes.
    pub memory_available: u64,
    pub swap_total: u64,
    pub swap_free: u64,
    /// Time the machine was awake since it started, in seconds; stands still while it sleeps.
    pub awake_seconds: f64,
}

impl HostReading {
    /// Share of the memory in use, 0 to 1.
    pub fn pressure(&self) -> f64 {
        if self.memory_total == 0 {
            return 0.0;
        }
        1.0 - (self.memory_available.min(self.memory_total) as f64 / self.memory_total as f64)
    }
}
