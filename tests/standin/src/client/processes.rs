//! Processes that belong to a home: those whose environment names it as `HOME`. They are ended by pid, never by name.

use std::{fs, os::unix::ffi::OsStrExt, path::Path};

use rustix::process::{Pid, Signal, kill_process};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks from boot to start.
    pub start: String,
    /// Arguments, the program first.
    pub args: Vec<String>,
    /// `CLAUDE_CODE_SESSION_ID`, `CODEX_THREAD_ID`: set for what a client started for a chat. Of opencode's, which
    /// knows no such name, `OPENCODE_PID`: the client itself.
    pub serves: Option<String>,
}

/// Every process with this `HOME`, lowest pid first.
pub fn of_home(home: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| process(pid, home))
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn process(pid: u32, home: &Path) -> Option<Process> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &[u8]| {
        environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(name)?.strip_prefix(b"="))
    };
    if value(b"HOME")? != home.as_os_str().as_bytes() {
        return None;
    }
    let args = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(Process {
        pid,
        start: start_mark(pid)?,
        args: args
            .split(|byte| *byte == 0)
            .filter(|arg| !arg.is_empty())
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect(),
        serves: [&b"CLAUDE_CODE_SESSION_ID"[..], b"CODEX_THREAD_ID", b"OPENCODE_PID"]
            .into_iter()
            .find_map(value)
            .map(|id| String::from_utf8_lossy(id).into_owned()),
    })
}

/// When a process started, in ticks; `None` when it is gone or only waits to be reaped.
pub fn start_mark(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields are counted from its end.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" { None } else { fields.nth(18).map(str::to_owned) }
}

pub fn is_alive(pid: u32) -> bool {
    start_mark(pid).is_some()
}

/// Sends a signal; false when there is no such process.
pub fn send(pid: u32, signal: Signal) -> bool {
    i32::try_from(pid).ok().and_then(Pid::from_raw).is_some_and(|pid| kill_process(pid, signal).is_ok())
}
