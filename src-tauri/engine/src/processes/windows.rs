//! Windows: start marks and exits from process handles. What SHIM starts stands in a job, by whose name any
//! engine ends the whole tree. A process is only ended by a handle that was seen to be its own.

use std::{
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle},
    process::{Child, Command, Stdio},
    ptr::{null, null_mut},
    sync::Arc,
    time::Duration,
};

use shim_core::{chats::ProcessKey, crashes::ExitStatus, time::Timestamp};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use windows_sys::{
    Win32::{
        Foundation::{
            DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_ACCESS_DENIED, FILETIME, HWND, LPARAM,
            WAIT_OBJECT_0,
        },
        System::{
            Console::{
                AttachConsole, CTRL_BREAK_EVENT, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent,
                GetConsoleProcessList, SetConsoleCtrlHandler,
            },
            JobObjects::{AssignProcessToJobObject, CreateJobObjectW, OpenJobObjectW, TerminateJobObject},
            Threading::{
                CREATE_NEW_CONSOLE, CREATE_NO_WINDOW, DETACHED_PROCESS, GetCurrentProcess, GetCurrentThread,
                GetExitCodeProcess, GetProcessId, GetProcessTimes, OpenProcess,
                PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, SetThreadPriority,
                THREAD_PRIORITY_BELOW_NORMAL, TerminateProcess, WaitForSingleObject,
            },
        },
        UI::WindowsAndMessaging::{
            EnumWindows, GW_OWNER, GetClassNameW, GetWindow, GetWindowThreadProcessId, IsWindowVisible,
            PostMessageW, WM_CLOSE,
        },
    },
    core::BOOL,
};

use super::{
    Exit, Liveness,
    marks::{TICKS_PER_SECOND, WINDOWS_TO_UNIX_SECONDS},
    probe,
};

pub use super::marks::is_same_start;

/// How often a waiting thread looks whether it is still wanted.
const WAIT_SLICE: Duration = Duration::from_secs(1);
/// What a process that was ended by force gives as its exit code, as `taskkill /f` does.
const ENDED_BY_FORCE: u32 = 1;
/// Access right to end a job; the bindings lack the name.
const JOB_OBJECT_TERMINATE: u32 = 0x8;
/// Processes of one console that are looked at; one with more is left to force.
const CONSOLE_PROCESSES_MAX: usize = 256;
/// The class of the windows of consoles: closing one ends all in it, a person's shell among them.
const CONSOLE_WINDOW: &str = "ConsoleWindowClass";

/// Lets all other work of the machine go before this thread's.
#[allow(unsafe_code)]
pub fn step_back() {
    // SAFETY: the handle stands for the calling thread and is not closed.
    unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_BELOW_NORMAL) };
}

/// Ticks since 1601 at which the process was started. `None` when no such process runs.
pub fn start_mark(pid: u32) -> Option<String> {
    match Process::open(pid, 0) {
        Ok(process) if process.has_ended(Duration::ZERO) => None,
        Ok(process) => process.created().map(|ticks| ticks.to_string()),
        Err(error) if is_denied(&error) => listed_start(pid),
        Err(_) => None,
    }
}

/// What the system's list says of a process that may not be opened, to the second.
fn listed_start(pid: u32) -> Option<String> {
    let mut system = System::new().ok()?;
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, ProcessRefreshKind::nothing());
    let seconds = i64::try_from(system.process(pid)?.start_time()).ok()?;
    Some(((seconds + WINDOWS_TO_UNIX_SECONDS) * TICKS_PER_SECOND).to_string())
}

/// By its start mark.
pub fn started_at(pid: u32) -> Option<Timestamp> {
    let ticks: i64 = start_mark(pid)?.parse().ok()?;
    Timestamp::checked_ms(ticks / (TICKS_PER_SECOND / 1000) - WINDOWS_TO_UNIX_SECONDS * 1000)
}

/// Windows has one set of pids.
pub fn is_our_pid_domain(_domain: &str) -> bool {
    true
}

/// Resolves when the process has exited.
pub async fn exited(process: &ProcessKey) -> Exit {
    let process = process.clone();
    // Dropped with this future, so that the thread ends when nobody waits any more.
    let wanted = Arc::new(());
    let still_wanted = Arc::downgrade(&wanted);
    let waited = tokio::task::spawn_blocking(move || wait(&process, || still_wanted.strong_count() > 0));
    let exit = waited.await.ok().flatten();
    drop(wanted);
    exit
}

fn wait(key: &ProcessKey, is_wanted: impl Fn() -> bool) -> Exit {
    let Ok(process) = Process::open(key.pid, 0) else {
        while is_wanted() && probe(key) == Liveness::Alive {
            std::thread::sleep(WAIT_SLICE);
        }
        return None;
    };
    if !process.is(key) {
        return None;
    }
    while is_wanted() {
        if process.has_ended(WAIT_SLICE) {
            return process.exit_code().map(ExitStatus::Code);
        }
    }
    None
}

/// Asks a process to end, or ends it with all that stands in its job.
pub fn signal(key: &ProcessKey, force: bool) {
    let Ok(process) = Process::open(key.pid, PROCESS_TERMINATE) else { return };
    if !process.is(key) || (!force && ask(key.pid)) {
        return;
    }
    // It may be gone already; whoever asked looks again.
    if !end_job(key) {
        process.end();
    }
}

/// Windows are asked to close, a program in a console of its own gets a Ctrl-C. False where nothing could
/// be asked.
fn ask(pid: u32) -> bool {
    let closing = close_windows(pid);
    closing || interrupt_from_outside(pid)
}

/// A process can only send a Ctrl-C into its own console, so that SHIM's program does it in a process of
/// its own.
fn interrupt_from_outside(pid: u32) -> bool {
    let Ok(own) = std::env::current_exe() else { return false };
    if own.file_stem().is_none_or(|name| name != "shim") {
        return false;
    }
    let mut command = Command::new(own);
    command.args(["interrupt", &pid.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::windows::process::CommandExt::creation_flags(&mut command, DETACHED_PROCESS);
    command.status().is_ok_and(|status| status.success())
}

/// Sends a Ctrl-C to the console of a process, if nobody else uses that console. This process has no
/// console afterwards.
#[allow(unsafe_code)]
pub fn interrupt(pid: u32) -> bool {
    let ours: Vec<_> = super::tree(pid).iter().map(|below| below.process.pid).collect();
    let mut attached = [0_u32; CONSOLE_PROCESSES_MAX];
    let room = u32::try_from(attached.len()).unwrap_or(0);
    // SAFETY: plain calls; the array is as long as is said.
    let count = unsafe {
        FreeConsole();
        if AttachConsole(pid) == 0 {
            return false;
        }
        GetConsoleProcessList(attached.as_mut_ptr(), room)
    };
    let Some(others) = attached.get(..count as usize) else { return false };
    if !others.iter().all(|pid| *pid == std::process::id() || ours.contains(pid)) {
        return false;
    }
    // SAFETY: plain calls; this process is told to pass over the Ctrl-C that it sends.
    unsafe { SetConsoleCtrlHandler(None, 1) != 0 && GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) != 0 }
}

/// What a search for windows looks for and found.
struct Search {
    pid: u32,
    closed: usize,
}

#[allow(unsafe_code)]
fn close_windows(pid: u32) -> bool {
    let mut search = Search { pid, closed: 0 };
    // SAFETY: the search outlives the call, and only the callback uses it meanwhile.
    unsafe { EnumWindows(Some(close_if_wanted), (&raw mut search) as LPARAM) };
    search.closed > 0
}

/// A top window of the process that a person sees is asked to close.
#[allow(unsafe_code)]
unsafe extern "system" fn close_if_wanted(window: HWND, search: LPARAM) -> BOOL {
    let mut class = [0_u16; 64];
    let mut pid = 0;
    // SAFETY: `search` is what `close_windows` gave; the window may be gone, which these calls bear.
    unsafe {
        let search = &mut *(search as *mut Search);
        GetWindowThreadProcessId(window, &raw mut pid);
        if pid != search.pid || IsWindowVisible(window) == 0 || !GetWindow(window, GW_OWNER).is_null() {
            return 1;
        }
        let length = GetClassNameW(window, class.as_mut_ptr(), 64);
        let class = class.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
        if String::from_utf16_lossy(class) != CONSOLE_WINDOW && PostMessageW(window, WM_CLOSE, 0, 0) != 0 {
            search.closed += 1;
        }
    }
    1
}

/// Puts what SHIM started into a job, so that it can be ended with all that it starts. The process itself
/// holds the job open: its name lasts as long as the process, also beyond the engine that started it.
#[allow(unsafe_code)]
pub fn contain(child: &Child) -> io::Result<()> {
    let start = start_mark(child.id()).unwrap_or_default();
    let name = job_name(&ProcessKey { pid: child.id(), start });
    let process = child.as_raw_handle();
    let mut theirs = null_mut();
    // SAFETY: the name ends with a zero; the child's handle is open as long as `child` is.
    unsafe {
        let job = owned(CreateJobObjectW(null(), name.as_ptr()))?;
        done(AssignProcessToJobObject(job.as_raw_handle(), process))?;
        let (from, access) = (GetCurrentProcess(), DUPLICATE_SAME_ACCESS);
        done(DuplicateHandle(from, job.as_raw_handle(), process, &raw mut theirs, 0, 0, access))
    }
}

#[allow(unsafe_code)]
fn end_job(key: &ProcessKey) -> bool {
    let name = job_name(key);
    // SAFETY: the name ends with a zero, and the job's handle is owned.
    unsafe {
        let job = owned(OpenJobObjectW(JOB_OBJECT_TERMINATE, 0, name.as_ptr()));
        job.is_ok_and(|job| TerminateJobObject(job.as_raw_handle(), ENDED_BY_FORCE) != 0)
    }
}

fn job_name(key: &ProcessKey) -> Vec<u16> {
    format!("shim-{}-{}", key.pid, key.start).encode_utf16().chain([0]).collect()
}

/// A Ctrl-C is for the child that runs in the same console, and leaves this process waiting for it. Unlike
/// other ways to pass over it, this one is not handed down to the child.
#[allow(unsafe_code)]
pub fn leave_interrupts_to_children() {
    // SAFETY: a plain call with a function that lives as long as the process.
    unsafe { SetConsoleCtrlHandler(Some(is_for_children), 1) };
}

/// The end of the console, of the session and of the machine are for all.
#[allow(unsafe_code)]
unsafe extern "system" fn is_for_children(event: u32) -> BOOL {
    BOOL::from(event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT)
}

/// A console of its own that nobody sees, so that a Ctrl-C or the end of SHIM's own does not reach it.
pub fn stand_alone(command: &mut Command) {
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NO_WINDOW);
}

/// A console of its own in a window.
pub fn in_a_window(command: &mut Command) {
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_CONSOLE);
}

/// An open process. It stands for one process, whatever becomes of the pid.
struct Process(OwnedHandle);

impl Process {
    /// Opens it to be looked at and waited for, and with the rights in `more`.
    #[allow(unsafe_code)]
    fn open(pid: u32, more: u32) -> io::Result<Self> {
        let rights = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE | more;
        // SAFETY: a plain call; the handle it gives is owned.
        let process = Self(unsafe { owned(OpenProcess(rights, 0, pid))? });
        // Windows opens pid 4 when it is asked for 5, 6 or 7.
        // SAFETY: the handle is open.
        if unsafe { GetProcessId(process.0.as_raw_handle()) } == pid {
            Ok(process)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn is(&self, key: &ProcessKey) -> bool {
        let same = |ticks: i64| is_same_start(&ticks.to_string(), &key.start);
        key.start.is_empty() || self.created().is_some_and(same)
    }

    #[allow(unsafe_code)]
    fn created(&self) -> Option<i64> {
        let mut times = [FILETIME::default(); 4];
        let [created, exited, kernel, user] = &mut times;
        // SAFETY: the handle is open, and there is room for each answer.
        let told = unsafe { GetProcessTimes(self.0.as_raw_handle(), created, exited, kernel, user) };
        let ticks = u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime);
        (told != 0).then(|| i64::try_from(ticks).ok()).flatten()
    }

    #[allow(unsafe_code)]
    fn has_ended(&self, at_most: Duration) -> bool {
        let ms = u32::try_from(at_most.as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), ms) == WAIT_OBJECT_0 }
    }

    #[allow(unsafe_code)]
    fn exit_code(&self) -> Option<i32> {
        let mut code = 0;
        // SAFETY: the handle is open, and there is room for the answer.
        let told = unsafe { GetExitCodeProcess(self.0.as_raw_handle(), &raw mut code) };
        (told != 0).then_some(code.cast_signed())
    }

    #[allow(unsafe_code)]
    fn end(&self) {
        // SAFETY: the handle is open. It may have ended already, which is as good.
        unsafe { TerminateProcess(self.0.as_raw_handle(), ENDED_BY_FORCE) };
    }
}

/// # Safety
/// `handle` is null or belongs to nobody else.
#[allow(unsafe_code)]
unsafe fn owned(handle: RawHandle) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as asked of the caller.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn done(answer: BOOL) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn is_denied(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed())
}
