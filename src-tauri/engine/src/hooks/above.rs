//! The processes above this one, nearest first: a hook's client is among them. Only looks.

use shim_core::chats::ProcessKey;

/// Processes looked at; between a client and its hook stands a shell or two.
const ABOVE_MAX: usize = 8;

/// With the name of each program.
#[cfg(target_os = "linux")]
pub fn above() -> Vec<(ProcessKey, String)> {
    let mut found = Vec::new();
    let mut pid = std::os::unix::process::parent_id();
    while found.len() < ABOVE_MAX && pid > 1 {
        let Some((parent, start, name)) = described(pid) else { break };
        found.push((ProcessKey { pid, start }, name));
        pid = parent;
    }
    found
}

/// `/proc/PID/stat`: `pid (name) state parent … start`.
#[cfg(target_os = "linux")]
fn described(pid: u32) -> Option<(u32, String, String)> {
    let stat = String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    Some((parent, fields.nth(17)?.to_owned(), name))
}

#[cfg(not(target_os = "linux"))]
pub fn above() -> Vec<(ProcessKey, String)> {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

    let Ok(mut system) = System::new() else { return Vec::new() };
    system.refresh_processes_specifics(ProcessesToUpdate::All, false, ProcessRefreshKind::nothing());
    let mut found: Vec<(ProcessKey, String)> = Vec::new();
    let mut next = system.process(Pid::from_u32(std::process::id())).and_then(sysinfo::Process::parent);
    while let Some(process) = next.and_then(|pid| system.process(pid)) {
        let pid = process.pid().as_u32();
        if found.len() == ABOVE_MAX || found.iter().any(|(known, _)| known.pid == pid) {
            break;
        }
        let start = crate::processes::start_mark(pid).unwrap_or_default();
        found.push((ProcessKey { pid, start }, process.name().to_string_lossy().into_owned()));
        next = process.parent();
    }
    found
}
