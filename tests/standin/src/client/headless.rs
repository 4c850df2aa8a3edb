//! A chat without a terminal: `claude -p`, its events read as they come. Dropped, it is killed.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;

use super::{Home, processes::send, wait};

/// Events kept of one chat; a test that needs more looks at the transcript.
const EVENTS_MAX: usize = 100_000;
/// Longest wait for the rest of its output once a client has ended. A tool that outlives it may hold the pipes.
const REST_WAIT: Duration = Duration::from_secs(5);

/// How a chat is started.
#[derive(Clone, Debug)]
pub struct Start {
    pub cwd: PathBuf,
    pub prompt: String,
    pub session_id: String,
    /// Goes on with the chat of that id, where it would begin one.
    pub resume: bool,
    pub permission_mode: String,
    /// Further arguments.
    pub args: Vec<String>,
    /// Further environment.
    pub environment: Vec<(String, String)>,
}

impl Start {
    /// A new chat with an id of its own, in which every tool is allowed.
    pub fn new(cwd: impl Into<PathBuf>, prompt: impl Into<String>) -> Self {
        Self {
            cwd: cwd.into(),
            prompt: prompt.into(),
            session_id: uuid::Uuid::new_v4().to_string(),
            resume: false,
            permission_mode: "bypassPermissions".to_owned(),
            args: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The command line of a chat without a terminal, without the program.
    pub fn headless_args(&self) -> Vec<String> {
        let mut args = vec!["-p".to_owned(), self.prompt.clone()];
        args.extend(
            ["--output-format", "stream-json", "--verbose", "--include-partial-messages"].map(str::to_owned),
        );
        args.extend([
            if self.resume { "--resume" } else { "--session-id" }.to_owned(),
            self.session_id.clone(),
        ]);
        args.extend(["--permission-mode".to_owned(), self.permission_mode.clone()]);
        args.extend(self.args.iter().cloned());
        args
    }
}

#[derive(Debug)]
pub struct Headless {
    pub session_id: String,
    child: Child,
    seen: Arc<Mutex<Seen>>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    events: Vec<Value>,
    words: u64,
    complaints: String,
}

impl Headless {
    pub fn start(home: &Home, start: &Start) -> Result<Self> {
        let mut command = home.command(home.claude(), &start.cwd);
        command.args(start.headless_args()).envs(start.environment.iter().map(|(k, v)| (k, v)));
        Self::spawn(command, start.session_id.clone())
    }

    /// Any client whose output is one event a line.
    pub(super) fn spawn(mut command: Command, session_id: String) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let seen = Arc::clone(&seen);
            readers.push(std::thread::spawn(move || read_events(stdout, &seen)));
        }
        if let Some(stderr) = child.stderr.take() {
            let seen = Arc::clone(&seen);
            readers.push(std::thread::spawn(move || read_complaints(stderr, &seen)));
        }
        Ok(Self { session_id, child, seen, readers })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Events seen so far, in the client's own words.
    pub fn events(&self) -> Vec<Value> {
        lock(&self.seen).events.clone()
    }

    /// Words of the answer that a user would have seen by now.
    pub fn words(&self) -> u64 {
        lock(&self.seen).words
    }

    /// What the client wrote to stderr; empty until it has ended.
    pub fn complaints(&self) -> String {
        lock(&self.seen).complaints.clone()
    }

    pub fn wait_for_words(&self, timeout: Duration, words: u64) -> Result<()> {
        wait(timeout, &format!("{words} words of an answer"), || (self.words() >= words).then_some(()))
            .with_context(|| self.told())
    }

    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits until it has ended by itself and all its output was read.
    pub fn wait_for_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        let status = wait(timeout, "the client to end", || child.try_wait().ok().flatten());
        let status = status.with_context(|| self.told())?;
        self.wait_for_output();
        Ok(status)
    }

    /// Kills it at once and waits until it is gone.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        let status = self.child.wait()?;
        self.wait_for_output();
        Ok(status)
    }

    fn wait_for_output(&self) {
        let _ = wait(REST_WAIT, "the rest of the output", || {
            self.readers.iter().all(JoinHandle::is_finished).then_some(())
        });
    }

    /// What was seen of it, for a test that failed.
    fn told(&self) -> String {
        let seen = lock(&self.seen);
        let last: Vec<_> = seen.events.iter().rev().take(3).map(Value::to_string).collect();
        format!("chat {}: last events {last:?}, stderr {:?}", self.session_id, seen.complaints)
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_complaints(mut stderr: impl Read, seen: &Mutex<Seen>) {
    let mut text = Vec::new();
    let _ = stderr.read_to_end(&mut text);
    lock(seen).complaints = String::from_utf8_lossy(&text).into_owned();
}

fn read_events(stdout: impl Read, seen: &Mutex<Seen>) {
    for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
        let mut seen = lock(seen);
        seen.words += u64::from(event.pointer("/event/delta/type").is_some_and(|kind| kind == "text_delta"));
        if seen.events.len() < EVENTS_MAX {
            seen.events.push(event);
        }
    }
}
