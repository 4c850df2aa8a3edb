//! macOS: start marks from `sysinfo`, exits from kqueue.

use std::{sync::Arc, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use shim_core::chats::ProcessKey;
use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};
use waitpid_any::WaitHandle;

use super::{Exit, Liveness, probe};

pub use super::marks::is_same_start;

/// How often a waiting thread looks whether it is still wanted.
const WAIT_SLICE: Duration = Duration::from_secs(1);

/// Does nothing: a lower priority would be the whole engine's here. What is done on such a thread is bounded.
pub fn step_back() {}

/// Seconds since 1970 at which the process was started. `None` when no such process runs.
pub fn start_mark(pid: u32) -> Option<String> {
    let mut system = System::new().ok()?;
    let pid = sysinfo::Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, ProcessRefreshKind::nothing());
    let process = system.process(pid)?;
    (process.status() != ProcessStatus::Zombie).then(|| process.start_time().to_string())
}

/// macOS has one set of pids.
pub fn is_our_pid_domain(_domain: &str) -> bool {
    true
}

/// Resolves when the process has exited.
pub async fn exited(process: &ProcessKey) -> Exit {
    let (process, pid) = (process.clone(), i32::try_from(process.pid).unwrap_or(-1));
    // Dropped with this future, so that the thread ends when nobody waits any more.
    let wanted = Arc::new(());
    let still_wanted = Arc::downgrade(&wanted);
    let waited = tokio::task::spawn_blocking(move || {
        let mut handle = WaitHandle::open(pid).ok();
        // Only now is it sure that the handle stands for this process and not for a later one.
        while probe(&process) == Liveness::Alive && still_wanted.strong_count() > 0 {
            match &mut handle {
                Some(handle) => drop(handle.wait_timeout(WAIT_SLICE)),
                None => std::thread::sleep(WAIT_SLICE),
            }
        }
    });
    let _ = waited.await;
    drop(wanted);
    None
}

pub fn signal(process: &ProcessKey, force: bool) {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return };
    // It may be gone already; whoever asked looks again.
    let _ = kill_process(pid, if force { Signal::KILL } else { Signal::TERM });
}
