//! Linux: start marks from /proc, exits from pidfd.

use std::{os::fd::OwnedFd, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use shim_core::{chats::ProcessKey, time::Timestamp};
use tokio::io::{Interest, unix::AsyncFd};

use super::{Exit, Liveness, probe};

/// How often a process is looked at that gives no event.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// In which the system counts a process's start, on every machine that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Lets all other work of the machine go before this thread's.
pub fn step_back() {
    // On Linux this is the calling thread's alone.
    let _ = rustix::process::nice(10);
}

/// Field 22 of `/proc/PID/stat`: clock ticks from boot to start. `None` when no such process runs; a
/// zombie does not run.
pub fn start_mark(pid: u32) -> Option<String> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let after_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = String::from_utf8_lossy(stat.get(after_name + 2..)?).into_owned();
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// By its start mark and how long the machine has been up.
pub fn started_at(pid: u32) -> Option<Timestamp> {
    let ticks: f64 = start_mark(pid)?.parse().ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let age = uptime - ticks / TICKS_PER_SECOND;
    let age = Duration::try_from_secs_f64(age.max(0.0)).ok()?;
    let ms = i64::try_from(age.as_millis()).ok()?;
    Timestamp::checked_ms(crate::run::now().ms().saturating_sub(ms))
}

/// Whether a start mark from a client's registry means the same start as ours.
pub fn is_same_start(ours: &str, theirs: &str) -> bool {
    ours == theirs
}

/// Whether pids of this domain (`linux:<machine id>:pid:[<namespace>]`) are ours to judge.
pub fn is_our_pid_domain(domain: &str) -> bool {
    let Some((_, namespace)) = domain.rsplit_once(":pid:") else { return true };
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(own) => own.to_string_lossy().trim_start_matches("pid:") == namespace,
        Err(_) => true,
    }
}

/// Whether a stopped process was stopped in its terminal: its shell took the terminal back, and can go on with it.
pub fn is_suspended(pid: u32) -> bool {
    let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) else { return true };
    let Some(after_name) = stat.iter().rposition(|byte| *byte == b')') else { return true };
    let rest = String::from_utf8_lossy(stat.get(after_name + 2..).unwrap_or_default()).into_owned();
    // State, parent, process group, session, terminal, the terminal's foreground group.
    let fields: Vec<i64> = rest.split(' ').skip(1).take(5).filter_map(|field| field.parse().ok()).collect();
    let [_, group, _, terminal, foreground] = fields[..] else { return true };
    terminal != 0 && foreground != group
}

/// Resolves when the process has exited.
pub async fn exited(process: &ProcessKey) -> Exit {
    if let Some(watch) = open(process.pid) {
        // Only now is it sure that the descriptor stands for this process and not for a later one.
        if probe(process) == Liveness::Alive {
            let _ = watch.readable().await;
        }
    }
    // Where the system gives no descriptor, and while a thread of the process still winds up.
    while probe(process) == Liveness::Alive {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

#[allow(unsafe_code)]
fn open(pid: u32) -> Option<AsyncFd<OwnedFd>> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // SAFETY: the descriptor is owned by the watch it is registered with, and closed only with it.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.ok()
}

pub fn signal(process: &ProcessKey, force: bool) {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return };
    // It may be gone already; whoever asked looks again.
    let _ = kill_process(pid, if force { Signal::KILL } else { Signal::TERM });
}
