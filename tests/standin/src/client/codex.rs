//! The real Codex CLI in a home of its own: its settings point at the stand-in, nothing is sent elsewhere, and no
//! background server is installed. A chat's process is the native program, which the launcher starts.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::{Headless, Home, Process, processes::send, wait};
use crate::install;

const CONFIG: &str = include_str!("codex.toml");

impl Home {
    /// Furnishes the home for Codex too, which talks to the stand-in at `api`.
    pub fn with_codex(mut self, api: &str) -> Result<Self> {
        let program = install::program(&install::CODEX)?;
        std::os::unix::fs::symlink(program, self.codex())?;
        fs::create_dir_all(self.codex_home())?;
        fs::write(self.codex_home().join("config.toml"), CONFIG.replace("{api}", api))?;
        self.environment.push((OsString::from("MOCK_KEY"), OsString::from(super::DUMMY_KEY)));
        Ok(self)
    }

    /// The launcher as users call it.
    pub fn codex(&self) -> PathBuf {
        self.folder().join("bin/codex")
    }

    pub fn codex_home(&self) -> PathBuf {
        self.folder().join(".codex")
    }

    /// A directory that chats may work in without being asked whether it is trusted.
    pub fn codex_project(&self, name: &str) -> Result<PathBuf> {
        let project = self.project(name)?;
        let mut config = File::options().append(true).open(self.codex_home().join("config.toml"))?;
        let path = serde_json::to_string(&project.to_string_lossy())?;
        writeln!(config, "\n[projects.{path}]\ntrust_level = \"trusted\"")?;
        Ok(project)
    }

    /// A hook of the user's own, at the start of each chat, which the user trusts.
    pub fn codex_hook(&self, command: &str) -> Result<()> {
        let file = self.codex_home().join("hooks.json");
        let command = serde_json::to_string(command)?;
        let hook = format!(r#"{{"type": "command", "command": {command}}}"#);
        fs::write(&file, format!(r#"{{"hooks": {{"SessionStart": [{{"hooks": [{hook}]}}]}}}}"#))?;
        let identity = format!(
            r#"{{"event_name":"session_start","hooks":[{{"async":false,"command":{command},"timeout":600,"type":"command"}}]}}"#
        );
        let written = self.folder().join("tmp/hook-identity");
        fs::write(&written, identity)?;
        let sum = Command::new("sha256sum").arg(&written).output().context("sha256sum cannot be started")?;
        let sum = String::from_utf8_lossy(&sum.stdout).into_owned();
        let sum = sum.split_whitespace().next().context("sha256sum said nothing")?;
        let key = serde_json::to_string(&format!("{}:session_start:0:0", file.display()))?;
        let mut config = File::options().append(true).open(self.codex_home().join("config.toml"))?;
        writeln!(config, "\n[hooks.state.{key}]\ntrusted_hash = \"sha256:{sum}\"")?;
        Ok(())
    }

    /// The chat's rollout, once there is one.
    pub fn rollout(&self, thread_id: &str) -> Option<PathBuf> {
        let mut folders = vec![self.codex_home().join("sessions")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(&format!("-{thread_id}.jsonl")) {
                    return Some(path);
                }
            }
        }
        None
    }

    /// What a process that holds the chat holds open.
    pub fn codex_lock(&self, thread_id: &str) -> PathBuf {
        self.codex_home().join("thread-writer-locks").join(format!("{thread_id}.lock"))
    }

    /// Live clients that hold this chat.
    pub fn codex_on(&self, thread_id: &str) -> Vec<u32> {
        let lock = self.codex_lock(thread_id);
        let holds = |process: &Process| {
            let open = fs::read_dir(format!("/proc/{}/fd", process.pid)).into_iter().flatten().flatten();
            open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|path| path == lock)
        };
        let holding: Vec<_> = self.processes().into_iter().filter(holds).map(|process| process.pid).collect();
        // What the client is about to start holds what it holds until it has become another program.
        let is_fork = |pid: &u32| parent(*pid).is_some_and(|parent| holding.contains(&parent));
        holding.iter().copied().filter(|pid| !is_fork(pid)).collect()
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// How a chat is started.
#[derive(Clone, Debug)]
pub struct CodexStart {
    pub cwd: PathBuf,
    pub prompt: String,
    /// Goes on with the chat of that id, where it would begin one.
    pub resume: Option<String>,
    /// Further arguments.
    pub args: Vec<String>,
}

impl CodexStart {
    pub fn new(cwd: impl Into<PathBuf>, prompt: impl Into<String>) -> Self {
        Self { cwd: cwd.into(), prompt: prompt.into(), resume: None, args: Vec::new() }
    }

    pub fn resuming(mut self, thread_id: &str) -> Self {
        self.resume = Some(thread_id.to_owned());
        self
    }
}

/// A chat without a terminal: `codex exec`. Dropped, its launcher is killed; the home ends the rest.
#[derive(Debug)]
pub struct Codex {
    pub thread_id: String,
    /// The native program.
    pub pid: u32,
    pub launcher: Headless,
}

impl Codex {
    /// Starts a chat and waits until its process holds it.
    pub fn start(home: &Home, start: &CodexStart, timeout: Duration) -> Result<Self> {
        let launcher = Self::launch(home, start)?;
        let thread_id = wait(timeout, "the chat's id", || Self::id_in(&launcher))
            .with_context(|| launcher.complaints())?;
        let pid =
            wait(timeout, "the client to hold the chat", || home.codex_on(&thread_id).first().copied())?;
        Ok(Self { thread_id, pid, launcher })
    }

    /// Plays a whole chat or a further turn of one, and gives its id.
    pub fn play(home: &Home, start: &CodexStart, timeout: Duration) -> Result<String> {
        let mut launcher = Self::launch(home, start)?;
        let status = launcher.wait_for_exit(timeout)?;
        anyhow::ensure!(status.success(), "{status}: {} {:?}", launcher.complaints(), launcher.events());
        Self::id_in(&launcher).context("the client named no chat")
    }

    /// Starts the client without waiting for anything.
    pub fn launch(home: &Home, start: &CodexStart) -> Result<Headless> {
        let mut command = home.command(home.codex(), &start.cwd);
        command.arg("exec");
        command.args(start.resume.iter().map(|_| "resume"));
        command.args(["--json", "--skip-git-repo-check"]).args(&start.args);
        command.args(&start.resume).arg(&start.prompt);
        Headless::spawn(command, String::new())
    }

    fn id_in(launcher: &Headless) -> Option<String> {
        let events = launcher.events();
        let begun = events.iter().find(|event| event["type"] == "thread.started")?;
        begun["thread_id"].as_str().map(str::to_owned)
    }

    /// Signals the native program.
    pub fn signal(&self, signal: Signal) {
        send(self.pid, signal);
    }
}
