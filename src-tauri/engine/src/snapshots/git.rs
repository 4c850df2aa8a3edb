//! Runs the `git` program so that it changes nothing but what it is asked for: no hooks, no filters, no collecting
//! of garbage, no file monitor, no network, no question. Bounded in time and in what it prints.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use crate::processes;

/// What `git` may print, in bytes: the names of some 200,000 files.
const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What is kept of its complaints, in bytes.
const COMPLAINT_BYTES_MAX: u64 = 4096;
/// How often it is looked whether the engine ends, while `git` runs.
const STOP_LOOK: Duration = Duration::from_millis(200);

#[cfg(windows)]
const NOWHERE: &str = "NUL";
#[cfg(not(windows))]
const NOWHERE: &str = "/dev/null";

/// What holds for every call, whatever the repository or the user has set.
const ALWAYS: [&str; 11] = [
    "gc.auto=0",
    "maintenance.auto=false",
    "core.fsmonitor=false",
    // A split or a shared index would leave files beside the user's own.
    "core.splitIndex=false",
    "core.untrackedCache=false",
    "index.sparse=false",
    "core.logAllRefUpdates=false",
    // One wait for the disk for all objects, not one each; older programs wait for each.
    "core.fsyncMethod=batch",
    "core.safecrlf=false",
    "advice.addEmbeddedRepo=false",
    "protocol.allow=never",
];

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("the program `git` was not found")]
    Missing,
    #[error("git took longer than {} s and was ended", .0.as_secs())]
    TimeUp(Duration),
    #[error("the engine ended meanwhile")]
    Stopped,
    #[error("`git {what}` printed more than is read")]
    TooMuch { what: String },
    #[error("`git {what}` failed: {why}")]
    Failed { what: String, why: String },
    #[error("`git {what}` could not be run: {why}")]
    Io { what: String, why: std::io::Error },
    #[error("{0}")]
    Refused(String),
}

/// The one command that takes a lock of the user's repository. It is quick, and never broken off.
const LOCKS: &str = "update-ref";

/// `git` in one folder, up to one moment.
pub struct Git<'a> {
    folder: PathBuf,
    index: Option<PathBuf>,
    until: Instant,
    time_max: Duration,
    stop: &'a AtomicBool,
    filters_off: Vec<OsString>,
}

impl<'a> Git<'a> {
    pub fn new(folder: &Path, time_max: Duration, stop: &'a AtomicBool) -> Self {
        Self {
            folder: folder.to_owned(),
            index: None,
            until: Instant::now() + time_max,
            time_max,
            stop,
            filters_off: Vec::new(),
        }
    }

    /// Uses this file in the place of the repository's index.
    pub fn with_index(self, index: &Path) -> Self {
        Self { index: Some(index.to_owned()), ..self }
    }

    /// Switches off every filter that is set, so that no program of theirs is run.
    pub fn without_filters(mut self) -> Result<Self, GitError> {
        let pattern = r"^filter\..*\.(clean|smudge|process|required)$";
        let set = match self.run(&["config", "-z", "--name-only", "--get-regexp", pattern], None) {
            Ok(set) => set,
            // It says so by its exit alone when there are none.
            Err(GitError::Failed { why, .. }) if why.is_empty() => Vec::new(),
            Err(error) => return Err(error),
        };
        for name in set.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let name = String::from_utf8_lossy(name);
            if name.contains('=') {
                return Err(GitError::Refused(format!("the filter {name} cannot be switched off")));
            }
            let value = if name.ends_with(".required") { "false" } else { "" };
            self.filters_off.push(format!("{name}={value}").into());
        }
        Ok(self)
    }

    pub fn text(&self, args: &[&str]) -> Result<String, GitError> {
        let output = self.run(args, None)?;
        Ok(String::from_utf8_lossy(&output).trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Runs it and gives what it printed; `input` is a file it reads.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S], input: Option<&Path>) -> Result<Vec<u8>, GitError> {
        let what = args.first().map(|arg| arg.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
        let io = |why| GitError::Io { what: what.clone(), why };
        if self.stop.load(Ordering::Relaxed) {
            return Err(GitError::Stopped);
        }
        let mut command = self.command()?;
        command.args(args);
        match input {
            Some(path) => command.stdin(File::open(path).map_err(io)?),
            None => command.stdin(Stdio::null()),
        };
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(io)?;
        let ended = self.wait(&mut child, &what);
        if ended.is_err() {
            if what == LOCKS {
                // Killed, it would leave its lock in the user's repository; it ends by itself.
                return ended.map(|_| Vec::new());
            }
            // It may have ended by itself; then there is nothing to kill.
            let _ = child.kill();
        }
        let status = child.wait().map_err(io)?;
        let (output, complaint) = ended?;
        if status.success() {
            return Ok(output);
        }
        let why = String::from_utf8_lossy(&complaint).trim().to_owned();
        Err(GitError::Failed { what, why })
    }

    fn command(&self) -> Result<Command, GitError> {
        let program = which::which("git").map_err(|_| GitError::Missing)?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().to_ascii_uppercase().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command.arg("--no-pager").args(["-c", &format!("core.hooksPath={NOWHERE}")]);
        for set in ALWAYS.iter().map(OsStr::new).chain(self.filters_off.iter().map(OsString::as_os_str)) {
            command.arg("-c").arg(set);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .current_dir(&self.folder);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "SHIM")
                .env(format!("GIT_{role}_EMAIL"), "shim@localhost");
        }
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        processes::stand_alone(&mut command);
        Ok(command)
    }

    /// Both outputs, once they are closed.
    fn wait(&self, child: &mut Child, what: &str) -> Result<(Vec<u8>, Vec<u8>), GitError> {
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Ok(Default::default());
        };
        let (done, ended) = channel();
        let complained = std::thread::spawn(move || read_in_bounds(err, COMPLAINT_BYTES_MAX).0);
        let printed = std::thread::spawn(move || {
            let read = read_in_bounds(out, OUTPUT_BYTES_MAX);
            drop(done);
            read
        });
        loop {
            if self.stop.load(Ordering::Relaxed) && what != LOCKS {
                return Err(GitError::Stopped);
            }
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(GitError::TimeUp(self.time_max));
            }
            // Nothing is ever sent: the other end goes when the output is closed.
            match ended.recv_timeout(left.min(STOP_LOOK)) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let (output, whole) = printed.join().unwrap_or_default();
        if !whole {
            return Err(GitError::TooMuch { what: what.to_owned() });
        }
        Ok((output, complained.join().unwrap_or_default()))
    }
}

/// Reads up to a limit and lets the rest go by; says whether that was all.
fn read_in_bounds(mut from: impl Read, bytes_max: u64) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let read = from.by_ref().take(bytes_max).read_to_end(&mut bytes);
    let rest = std::io::copy(&mut from, &mut std::io::sink()).unwrap_or(0);
    (bytes, read.is_ok() && rest == 0)
}

/// The top of the work tree that a folder lies in, and its git folder, from files alone.
pub fn find(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    folder.ancestors().find_map(|top| Some((top.to_owned(), crate::git::git_folder(top)?)))
}
