//! Processes: whether one is alive, when it exits, how it was started, what it left running. Identity is
//! pid and start mark, never the pid alone.

mod groups;
#[cfg(target_os = "linux")]
mod kernel_log;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(any(target_os = "linux", windows)))]
mod macos;
#[cfg(not(any(target_os = "linux", windows)))]
use macos as system;
#[cfg(any(test, not(target_os = "linux")))]
mod marks;
#[cfg(test)]
mod tests;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use shim_core::{
    chats::ProcessKey,
    crashes::{ExitStatus, Gone},
    restore::Orphan,
    time::Timestamp,
};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

pub use groups::{MemoryGroup, memory_group};
#[cfg(target_os = "linux")]
pub use kernel_log::is_named_as_ended;
#[cfg(target_os = "linux")]
pub use linux::is_suspended;
pub use system::{exited, is_our_pid_domain, start_mark, step_back};
#[cfg(windows)]
pub use system::{interrupt, leave_interrupts_to_children};

/// How long a process that was asked to end may take before it is ended by force.
const END_GRACE: Duration = Duration::from_secs(2);
/// How long one that was ended by force may take to be gone.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// Start times are rounded down to the second, and the system's idea of when it was started may be off by one.
const START_SLACK: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    Alive,
    Dead(Gone),
}

/// Looks whether exactly this process runs. An unknown start mark matches any.
pub fn probe(process: &ProcessKey) -> Liveness {
    match start_mark(process.pid) {
        None => Liveness::Dead(Gone::Absent),
        Some(mark) if process.start.is_empty() || system::is_same_start(&mark, &process.start) => {
            Liveness::Alive
        }
        Some(_) => Liveness::Dead(Gone::PidReused),
    }
}

/// When the machine was started, to the second.
pub fn boot_time() -> Timestamp {
    let seconds = i64::try_from(System::boot_time().unwrap_or(0)).unwrap_or(0);
    Timestamp::from_ms(seconds.saturating_mul(1000))
}

/// When a process was started: to the hundredth of a second where the system tells it so finely, else to the second.
pub fn started_at(pid: u32) -> Option<Timestamp> {
    #[cfg(any(target_os = "linux", windows))]
    if let Some(at) = system::started_at(pid) {
        return Some(at);
    }
    let mut system = System::new().ok()?;
    let pid = sysinfo::Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    let seconds = i64::try_from(system.process(pid)?.start_time()).ok()?;
    Timestamp::checked_ms(seconds.saturating_mul(1000))
}

/// How a process was started.
#[derive(Clone, Debug, Default)]
pub struct Started {
    pub program: Option<PathBuf>,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    pub cwd: Option<PathBuf>,
}

pub fn started(pid: u32) -> Option<Started> {
    let mut system = System::new().ok()?;
    let pid = sysinfo::Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, everything());
    system.process(pid).map(describe)
}

/// One running process, as found by looking over all.
pub struct Running {
    pub pid: u32,
    pub parent: Option<u32>,
    /// When it was started, to the second.
    pub since: Timestamp,
    /// Command lines of what it started itself and still runs.
    pub children: Vec<String>,
    pub started: Started,
}

/// Words of a command line in which a program's name is looked for: an interpreter has flags of its own
/// before the script.
const NAME_WORDS_MAX: usize = 5;

impl Running {
    /// Whether its program's name begins with `name`: by its file, by what it was started as, or by the
    /// script that an interpreter runs. Installers keep versions as files of other names.
    pub fn is_of(&self, name: &str) -> bool {
        let words = self.started.arguments.iter().take(NAME_WORDS_MAX).map(Path::new);
        is_named(self.started.program.as_deref().into_iter().chain(words), name)
    }

    /// Whether a word of its command line is this chat's id.
    pub fn names(&self, session_id: &str) -> bool {
        self.started.arguments.iter().any(|argument| argument == session_id)
    }
}

fn is_named<'a>(mut words: impl Iterator<Item = &'a Path>, name: &str) -> bool {
    words.any(|word| word.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)))
}

/// All processes whose program's name begins with one of `names`.
pub fn running_programs(names: &[&str]) -> Option<Vec<Running>> {
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::All,
        true,
        ProcessRefreshKind::nothing()
            .with_exe(UpdateKind::Always)
            .with_cmd(UpdateKind::Always)
            .without_tasks(),
    );
    let is_ours = |process: &sysinfo::Process| {
        names.iter().any(|name| {
            let words = process.cmd().iter().take(NAME_WORDS_MAX).map(Path::new);
            is_named(process.exe().into_iter().chain(words), name)
                || process.name().to_string_lossy().starts_with(name)
        })
    };
    let pids: Vec<_> =
        system.processes().values().filter(|p| is_ours(p)).map(sysinfo::Process::pid).collect();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), false, everything());
    let found = pids.iter().filter_map(|pid| system.process(*pid));
    let running = found.map(|process| Running {
        pid: process.pid().as_u32(),
        parent: process.parent().map(sysinfo::Pid::as_u32),
        since: since(process),
        children: children_of(&system, process.pid()),
        started: describe(process),
    });
    Some(running.collect())
}

fn children_of(system: &System, pid: sysinfo::Pid) -> Vec<String> {
    let children = system.processes().values().filter(|process| process.parent() == Some(pid));
    children.map(command_line).collect()
}

fn command_line(process: &sysinfo::Process) -> String {
    let words: Vec<_> = process.cmd().iter().map(|part| part.to_string_lossy()).collect();
    words.join(" ")
}

/// Processes whose environment says that a tool call of this chat started them; `None` where
/// the system does not tell. Left out are this process
/// and the clients of other chats, each with what it was started by and what it started: those inherited
/// the mark and are somebody else's by now.
pub fn tool_children(marks: &[String], clients: &[u32], whose: Option<&Whose>) -> Option<Vec<Orphan>> {
    let mut system = System::new().ok()?;
    let kind = ProcessRefreshKind::nothing()
        .with_environ(UpdateKind::Always)
        .with_cmd(UpdateKind::Always)
        .with_cwd(UpdateKind::OnlyIfNotSet)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let marks: Vec<_> = marks.iter().map(OsString::from).collect();
    let heads: Vec<_> =
        clients.iter().copied().chain([std::process::id()]).map(sysinfo::Pid::from_u32).collect();
    let above: HashSet<_> = heads.iter().flat_map(|head| line_of(&system, *head)).collect();
    let is_others = |pid: sysinfo::Pid| {
        above.contains(&pid) || line_of(&system, pid).iter().any(|pid| heads.contains(pid))
    };
    let children = system
        .processes()
        .values()
        .filter(|process| marks.iter().any(|mark| process.environ().contains(mark)))
        .filter(|process| whose.is_none_or(|whose| whose.is(&system, process, &marks)));
    let mut orphans: Vec<_> = children.filter(|process| !is_others(process.pid())).collect();
    // A shell before what it waits for: the other way round it would go on to its next command.
    orphans.sort_by_key(|process| line_of(&system, process.pid()).len());
    Some(orphans.into_iter().filter_map(as_orphan).collect())
}

/// Whose tool children are meant, where the marks do not say.
pub struct Whose {
    /// An entry of the environment.
    pub user: OsString,
    pub cwd: PathBuf,
    /// How the name of the client's program begins.
    pub program: &'static str,
    /// The earliest and the latest start; both are known to the second.
    pub between: (Option<Timestamp>, Option<Timestamp>),
}

impl Whose {
    fn is(&self, system: &System, process: &sysinfo::Process, marks: &[OsString]) -> bool {
        let is_marked = |p: &sysinfo::Process| marks.iter().any(|mark| p.environ().contains(mark));
        let is_client = |p: &sysinfo::Process| {
            is_named(p.cmd().iter().take(NAME_WORDS_MAX).map(Path::new), self.program) && !is_marked(p)
        };
        let line = line_of(system, process.pid());
        let has_a_client = line.iter().filter_map(|pid| system.process(*pid)).any(is_client);
        let (from, until) = self.between;
        let started = since(process);
        process.environ().contains(&self.user)
            && from.is_none_or(|from| started.plus(START_SLACK) >= from)
            && until.is_none_or(|until| started <= until)
            && process.cwd().is_some_and(|cwd| cwd.starts_with(&self.cwd))
            && !has_a_client
    }
}

/// A process and all that it started, parents first: a launcher is not the client, and a client's tools are
/// not the client either.
pub fn tree(root: u32) -> Vec<Orphan> {
    tree_without(root, &[])
}

/// The same without `others` and what those started: a client that another client's tool started holds a chat of its own.
pub fn tree_without(root: u32, others: &[u32]) -> Vec<Orphan> {
    let Ok(mut system) = System::new() else { return Vec::new() };
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let root = sysinfo::Pid::from_u32(root);
    let others: Vec<_> = others.iter().copied().map(sysinfo::Pid::from_u32).collect();
    let is_others =
        |line: &[sysinfo::Pid]| line.iter().take_while(|pid| **pid != root).any(|pid| others.contains(pid));
    let mut members: Vec<_> = system
        .processes()
        .values()
        .map(|process| (line_of(&system, process.pid()), process))
        .filter(|(line, process)| line.contains(&root) && !is_others(line) && !is_of_the_system(process))
        .collect();
    members.sort_by_key(|(line, _)| line.len());
    members.into_iter().filter_map(|(_, process)| as_orphan(process)).collect()
}

/// What a client starts anew every few minutes, so that the machine does not sleep in a turn: no tool.
const KEEP_AWAKE: [&str; 2] = ["caffeinate", "systemd-inhibit"];

/// Whether anything below a process was started at `at` or later; `None` where the system does not tell.
pub fn started_something_since(root: u32, at: Timestamp) -> Option<bool> {
    let mut system = System::new().ok()?;
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let root = sysinfo::Pid::from_u32(root);
    system.process(root)?;
    let is_below = |process: &sysinfo::Process| {
        process.pid() != root && line_of(&system, process.pid()).contains(&root) && !is_of_the_system(process)
    };
    let is_young = |process: &sysinfo::Process| {
        process.status() != sysinfo::ProcessStatus::Zombie
            && !KEEP_AWAKE.iter().any(|name| process.name() == *name)
            && since(process).plus(START_SLACK) >= at
    };
    Some(system.processes().values().any(|process| is_young(process) && is_below(process)))
}

fn since(process: &sysinfo::Process) -> Timestamp {
    Timestamp::from_ms(i64::try_from(process.start_time()).unwrap_or(0).saturating_mul(1000))
}

fn as_orphan(process: &sysinfo::Process) -> Option<Orphan> {
    let pid = process.pid().as_u32();
    Some(Orphan { process: ProcessKey { pid, start: start_mark(pid)? }, command: command_line(process) })
}

/// Windows gives each console a process of its own, which ends with those that use it.
fn is_of_the_system(process: &sysinfo::Process) -> bool {
    cfg!(windows) && process.name().eq_ignore_ascii_case("conhost.exe")
}

/// A process and those it was started by.
pub fn lineage(pid: u32) -> Vec<u32> {
    let Ok(mut system) = System::new() else { return vec![pid] };
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    line_of(&system, sysinfo::Pid::from_u32(pid)).into_iter().map(sysinfo::Pid::as_u32).collect()
}

fn line_of(system: &System, pid: sysinfo::Pid) -> Vec<sysinfo::Pid> {
    let mut line = vec![pid];
    while let Some(parent) =
        line.last().and_then(|pid| system.process(*pid)).and_then(|child| parent_of(system, child))
        && !line.contains(&parent)
    {
        line.push(parent);
    }
    line
}

/// A parent's pid may be another's by now: one that was started after its child is not its parent.
fn parent_of(system: &System, child: &sysinfo::Process) -> Option<sysinfo::Pid> {
    let parent = child.parent()?;
    let is_later = |known: &sysinfo::Process| known.start_time() > child.start_time();
    (!system.process(parent).is_some_and(is_later)).then_some(parent)
}

/// Sets a program apart from SHIM's own terminal or console, so that what ends SHIM does not end the chat.
pub fn stand_alone(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    system::stand_alone(command);
}

/// The same for a terminal. On Windows a program without a window gets a console in a window.
pub fn in_a_window(command: &mut Command) {
    #[cfg(unix)]
    stand_alone(command);
    #[cfg(windows)]
    system::in_a_window(command);
}

/// Keeps what SHIM started together with all that it will start, where the system can.
pub fn contain(child: &Child) -> std::io::Result<()> {
    #[cfg(windows)]
    return system::contain(child);
    #[cfg(not(windows))]
    {
        let _ = child;
        Ok(())
    }
}

/// Asks each to end, in the order given, then ends by force what is left. Returns those that would not go. Each is looked at
/// again before each signal: a pid may have become another's.
pub fn end(processes: &[Orphan]) -> Vec<Orphan> {
    end_within(processes, END_GRACE)
}

/// The same, with another time to end by themselves.
pub fn end_within(processes: &[Orphan], grace: Duration) -> Vec<Orphan> {
    kill(&ask(processes, grace))
}

/// Asks each to end and waits at most so long. Returns those that live on.
pub fn ask(processes: &[Orphan], grace: Duration) -> Vec<Orphan> {
    signal(processes, false, grace)
}

/// Ends each by force. Returns those that would not go.
pub fn kill(processes: &[Orphan]) -> Vec<Orphan> {
    signal(processes, true, KILL_WAIT)
}

fn signal(processes: &[Orphan], force: bool, patience: Duration) -> Vec<Orphan> {
    let alive = |orphan: &&Orphan| probe(&orphan.process) == Liveness::Alive;
    for orphan in processes.iter().filter(alive) {
        system::signal(&orphan.process, force);
    }
    let until = Instant::now() + patience;
    while processes.iter().any(|orphan| alive(&orphan)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    processes.iter().filter(alive).cloned().collect()
}

/// Processes that the system ended for lack of memory since it was started, those of memory groups included; 0 where
/// it does not count them.
pub fn ended_for_lack_of_memory() -> u64 {
    let counts =
        if cfg!(target_os = "linux") { std::fs::read_to_string("/proc/vmstat") } else { Ok(String::new()) };
    let counts = counts.unwrap_or_default();
    let count = counts.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Whether the system's log names this process as ended for lack of memory within that time until now; `None` where
/// it is not to be read.
#[cfg(not(target_os = "linux"))]
pub fn is_named_as_ended(_pid: u32, _within: Duration) -> Option<bool> {
    None
}

/// Whether a stopped process was stopped in its terminal, as Ctrl-Z does, and can be gone on with there. Where the
/// system does not tell, it counts as such.
#[cfg(not(target_os = "linux"))]
pub fn is_suspended(_pid: u32) -> bool {
    true
}

/// Names this life of the machine: two are equal while it was not started anew.
pub fn boot_id() -> String {
    if let Some(id) = shim_store::faults::other_boot() {
        return id;
    }
    let told = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    told.map_or_else(|_| boot_time().to_string(), |id| id.trim().to_owned())
}

/// Memory that programs could still get, in bytes, by the machine and by the limits of the group SHIM runs in.
pub fn memory_available() -> u64 {
    let Ok(mut system) = System::new() else { return 0 };
    system.refresh_memory();
    let of_group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    system.available_memory().min(of_group)
}

/// The number of the process at the head of the session that a process belongs to: its terminal's shell, where it has
/// one. It may be the process itself, one that is gone, and 0 where it is out of sight (in a container, say). `None`
/// where the system does not tell.
pub fn session_head(pid: u32) -> Option<u32> {
    // There a session is a user's, and has a number of its own.
    if cfg!(windows) {
        return None;
    }
    let mut system = System::new().ok()?;
    let own = sysinfo::Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
    Some(system.process(own)?.session_id()?.as_u32())
}

/// What an exit watch reports.
pub type Exit = Option<ExitStatus>;

/// What this process itself uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub memory_bytes: u64,
    pub cpu_seconds: f64,
    pub written_bytes: Option<u64>,
}

pub fn own_usage() -> Usage {
    let Ok(mut system) = System::new() else { return Usage::default() };
    let pid = sysinfo::Pid::from_u32(std::process::id());
    let kind = ProcessRefreshKind::nothing().with_memory().with_cpu().with_disk_usage();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    system.process(pid).map_or_else(Usage::default, |process| Usage {
        memory_bytes: process.memory(),
        cpu_seconds: process.accumulated_cpu_time() as f64 / 1000.0,
        written_bytes: Some(process.disk_usage().total_written_bytes),
    })
}

fn everything() -> ProcessRefreshKind {
    ProcessRefreshKind::nothing()
        .with_exe(UpdateKind::Always)
        .with_cmd(UpdateKind::Always)
        .with_environ(UpdateKind::Always)
        .with_cwd(UpdateKind::Always)
        .without_tasks()
}

fn describe(process: &sysinfo::Process) -> Started {
    let pairs = process.environ().iter().filter_map(|entry| split(entry));
    Started {
        program: process.exe().map(PathBuf::from),
        arguments: process.cmd().to_vec(),
        environment: pairs.collect::<HashMap<_, _>>().into_iter().collect(),
        cwd: process.cwd().map(PathBuf::from),
    }
}

#[cfg(unix)]
fn split(entry: &std::ffi::OsStr) -> Option<(OsString, OsString)> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let bytes = entry.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (bytes.get(..at)?, bytes.get(at + 1..)?);
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
}

#[cfg(not(unix))]
fn split(entry: &std::ffi::OsStr) -> Option<(OsString, OsString)> {
    let text = entry.to_string_lossy();
    let (name, value) = text.split_once('=')?;
    Some((name.into(), value.into()))
}
