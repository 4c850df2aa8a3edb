//! macOS and Windows: start marks from `sysinfo`, exits from kqueue and wait handles.

use std::{sync::Arc, time::Duration};

use shim_core::chats::ProcessKey;
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, Signal, System};
use waitpid_any::WaitHandle;

use super::{Exit, Liveness, probe};

/// How often a waiting thread looks whether it is still wanted.
const WAIT_SLICE: Duration = Duration::from_secs(1);

/// Seconds since 1970 at which the process was started. `None` when no such process runs.
pub fn start_mark(pid: u32) -> Option<String> {
    let mut system = System::new().ok()?;
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, ProcessRefreshKind::nothing());
    let process = system.process(pid)?;
    (process.status() != ProcessStatus::Zombie).then(|| process.start_time().to_string())
}

/// Whether a start mark from a client's registry means the same start as ours. macOS clients write what
/// `ps -o lstart=` prints in UTC; a form that cannot be compared is taken as the same, since a false death
/// is worse than a missed one.
pub fn is_same_start(ours: &str, theirs: &str) -> bool {
    let Ok(ours) = ours.parse::<i64>() else { return true };
    let theirs = theirs.parse::<i64>().ok().or_else(|| {
        let read = jiff::civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", theirs).ok()?;
        Some(read.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
    });
    theirs.is_none_or(|theirs| (ours - theirs).abs() <= 2)
}

/// These systems have one set of pids.
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

pub fn signal(pid: u32, force: bool) {
    let Ok(mut system) = System::new() else { return };
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, ProcessRefreshKind::nothing());
    if let Some(process) = system.process(pid) {
        // Where there is no request to end, only force is left.
        if force || process.kill_with(Signal::Term).is_none() {
            process.kill();
        }
    }
}
