//! Windows and macOS: figures from `sysinfo`, who started whom first and then those that are asked for.

use std::collections::HashMap;

use shim_core::{chats::ProcessKey, readings::HostReading, time::Timestamp};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::Seen;
use crate::processes::{Liveness, probe};

/// One look at processes.
#[derive(Default)]
pub struct Look {
    system: Option<System>,
    /// Children by their parent, found at the first question.
    children: HashMap<Pid, Vec<u32>>,
}

impl Look {
    /// `None` when it does not run, or is not the one that was started at `start`.
    pub fn process(&mut self, pid: u32, start: Option<&str>) -> Option<Seen> {
        if let Some(start) = start
            && probe(&ProcessKey { pid, start: start.to_owned() }) != Liveness::Alive
        {
            return None;
        }
        let pid = Pid::from_u32(pid);
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
        let system = self.system()?;
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
        let process = system.process(pid).filter(|process| process.status() != ProcessStatus::Zombie)?;
        Some(Seen {
            rss_bytes: process.memory(),
            cpu_seconds: process.accumulated_cpu_time() as f64 / 1000.0,
            stopped: matches!(process.status(), ProcessStatus::Stop | ProcessStatus::Tracing),
        })
    }

    /// What a process started itself and still runs.
    pub fn children(&mut self, pid: u32) -> Vec<u32> {
        self.system();
        self.children.get(&Pid::from_u32(pid)).cloned().unwrap_or_default()
    }

    fn system(&mut self) -> Option<&mut System> {
        if self.system.is_none() {
            let mut system = System::new().ok()?;
            let kind = ProcessRefreshKind::nothing().without_tasks();
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
            for process in system.processes().values() {
                let parent = process.parent().and_then(|parent| system.process(parent));
                // A parent's pid may be another's by now.
                if let Some(parent) = parent.filter(|parent| parent.start_time() <= process.start_time()) {
                    self.children.entry(parent.pid()).or_default().push(process.pid().as_u32());
                }
            }
            self.system = Some(system);
        }
        self.system.as_mut()
    }
}

pub fn host(at: Timestamp) -> HostReading {
    let Ok(mut system) = System::new() else {
        return HostReading { at, awake_seconds: awake_seconds(), ..HostReading::default() };
    };
    system.refresh_memory_specifics(MemoryRefreshKind::everything());
    HostReading {
        at,
        memory_total: system.total_memory(),
        memory_available: system.available_memory(),
        swap_total: system.total_swap(),
        swap_free: system.free_swap(),
        awake_seconds: awake_seconds(),
    }
}

#[cfg(windows)]
#[allow(unsafe_code)]
fn awake_seconds() -> f64 {
    let mut ticks = 0_u64;
    // SAFETY: writes one number, to a place that outlives the call.
    unsafe { windows_sys::Win32::System::WindowsProgramming::QueryUnbiasedInterruptTime(&mut ticks) };
    // In units of 100 ns, without the time asleep.
    ticks as f64 / 1e7
}

/// Since the first question: `Instant` counts CLOCK_UPTIME_RAW here, which stands still while the machine sleeps.
#[cfg(not(windows))]
fn awake_seconds() -> f64 {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}
