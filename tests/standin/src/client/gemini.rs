//! The real Gemini CLI in a home of its own: first questions answered, nothing sent elsewhere. What users start is a
//! launcher; a chat's process is the second one, which it starts.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Headless, Home, Process, Terminals, processes::send, wait};
use crate::install;

/// Named, so that the client does not ask a model which model to ask.
const MODEL: &str = "gemini-2.5-pro";

impl Home {
    /// Furnishes the home for Gemini CLI too, which talks to the stand-in at `api`.
    pub fn with_gemini(mut self, api: &str) -> Result<Self> {
        std::os::unix::fs::symlink(install::program(&install::GEMINI)?, self.gemini())?;
        fs::create_dir_all(self.gemini_home())?;
        let settings = json!({
            "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
            "privacy": {"usageStatisticsEnabled": false},
            "telemetry": {"enabled": false},
            // Its tidying takes a resumed chat for a damaged one and deletes it at the next start of another.
            "general": {
                "enableAutoUpdate": false,
                "enableAutoUpdateNotification": false,
                "sessionRetention": {"enabled": false},
            },
            "model": {"name": MODEL},
        });
        fs::write(self.gemini_home().join("settings.json"), serde_json::to_vec_pretty(&settings)?)?;
        for (name, value) in [("GEMINI_API_KEY", super::DUMMY_KEY), ("GOOGLE_GEMINI_BASE_URL", api)] {
            self.environment.push((OsString::from(name), OsString::from(value)));
        }
        Ok(self)
    }

    /// The client as users call it.
    pub fn gemini(&self) -> PathBuf {
        self.folder().join("bin/gemini")
    }

    /// The client's own folder.
    pub fn gemini_home(&self) -> PathBuf {
        self.folder().join(".gemini")
    }

    /// Every file that names this chat in its first line; the one with messages first.
    pub fn gemini_files(&self, session_id: &str) -> Vec<PathBuf> {
        let projects = fs::read_dir(self.gemini_home().join("tmp")).into_iter().flatten().flatten();
        let files =
            projects.flat_map(|project| fs::read_dir(project.path().join("chats")).into_iter().flatten());
        let mut found: Vec<_> = files
            .flatten()
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .filter_map(|path| Some((fs::read_to_string(&path).ok()?, path)))
            .filter(|(text, _)| text.lines().next().is_some_and(|line| line.contains(session_id)))
            .map(|(text, path)| (text.lines().filter(|line| line.starts_with("{\"id\"")).count(), path))
            .collect();
        found.sort_by_key(|(messages, _)| std::cmp::Reverse(*messages));
        found.into_iter().map(|(_, path)| path).collect()
    }

    /// The chat's file, once it holds a message.
    pub fn gemini_chat(&self, session_id: &str) -> Option<PathBuf> {
        let path = self.gemini_files(session_id).into_iter().next()?;
        fs::read_to_string(&path).ok()?.lines().any(|line| line.starts_with("{\"id\"")).then_some(path)
    }

    /// Live processes that do the client's work, in this directory: one for each chat that is open.
    pub fn gemini_workers(&self, cwd: &Path) -> Vec<u32> {
        let is = |process: &Process| is_worker(process) && works_in(process.pid, cwd);
        self.processes().into_iter().filter(is).map(|process| process.pid).collect()
    }

    /// What tools of this directory's chats still run.
    pub fn gemini_tools(&self, cwd: &Path) -> Vec<Process> {
        let is = |process: &Process| has(process.pid, "GEMINI_CLI=1") && works_in(process.pid, cwd);
        self.processes().into_iter().filter(is).collect()
    }
}

fn is_worker(process: &Process) -> bool {
    has(process.pid, "GEMINI_CLI_NO_RELAUNCH=true")
        && !has(process.pid, "GEMINI_CLI=1")
        && process.args.iter().any(|word| word.ends_with("/gemini"))
}

fn has(pid: u32, entry: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|known| known == entry.as_bytes())
}

fn works_in(pid: u32, cwd: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|its| its == cwd)
}

/// How a chat is started.
#[derive(Clone, Debug)]
pub struct GeminiStart {
    pub cwd: PathBuf,
    pub prompt: String,
    pub session_id: String,
    /// Goes on with the chat of that id, where it would begin one.
    pub resume: bool,
    /// Further arguments; at first, that every tool is allowed.
    pub args: Vec<String>,
}

impl GeminiStart {
    pub fn new(cwd: impl Into<PathBuf>, prompt: impl Into<String>) -> Self {
        Self {
            cwd: cwd.into(),
            prompt: prompt.into(),
            session_id: uuid::Uuid::new_v4().to_string(),
            resume: false,
            args: vec!["--yolo".to_owned()],
        }
    }

    pub fn resuming(mut self, session_id: &str) -> Self {
        session_id.clone_into(&mut self.session_id);
        self.resume = true;
        self
    }

    fn arguments(&self) -> Vec<String> {
        let session = if self.resume { "--resume" } else { "--session-id" };
        [&[session.to_owned(), self.session_id.clone()][..], &self.args].concat()
    }
}

/// A chat without a terminal: `gemini -p`. Dropped, its launcher is killed; the home ends the rest.
#[derive(Debug)]
pub struct Gemini {
    pub session_id: String,
    /// The process that does the work.
    pub pid: u32,
    pub launcher: Headless,
}

impl Gemini {
    /// Starts a chat in a directory of its own and waits until its process works.
    pub fn start(home: &Home, start: &GeminiStart, timeout: Duration) -> Result<Self> {
        let launcher = Self::launch(home, start)?;
        let pid = wait(timeout, "the client to start its worker", || {
            home.gemini_workers(&start.cwd).first().copied()
        })
        .with_context(|| launcher.complaints())?;
        Ok(Self { session_id: start.session_id.clone(), pid, launcher })
    }

    /// Plays a whole chat or a further turn of one, and gives its id.
    pub fn play(home: &Home, start: &GeminiStart, timeout: Duration) -> Result<String> {
        let mut launcher = Self::launch(home, start)?;
        let status = launcher.wait_for_exit(timeout)?;
        anyhow::ensure!(status.success(), "{status}: {} {:?}", launcher.complaints(), launcher.events());
        Ok(start.session_id.clone())
    }

    /// Starts the client without waiting for anything.
    pub fn launch(home: &Home, start: &GeminiStart) -> Result<Headless> {
        let mut command = home.command(home.gemini(), &start.cwd);
        command.args(start.arguments()).args(["--output-format", "stream-json", "--prompt", &start.prompt]);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Headless::spawn(command, start.session_id.clone())
    }

    /// Opens a chat in a window named after it; the prompt, unless empty, is sent at once.
    pub fn open(terminals: &Terminals<'_>, program: &Path, start: &GeminiStart) -> Result<()> {
        let mut command = vec![program.to_string_lossy().into_owned()];
        command.extend(start.arguments());
        if !start.prompt.is_empty() {
            command.extend(["--prompt-interactive".to_owned(), start.prompt.clone()]);
        }
        terminals.run(&start.session_id, &start.cwd, &[], &command)
    }

    /// Words of the answer that a user would have seen by now.
    pub fn words(&self) -> usize {
        let events = self.launcher.events();
        let said = events.iter().filter(|event| event["role"] == "assistant" && event["delta"] == true);
        said.filter_map(|event| event["content"].as_str()).flat_map(str::split_whitespace).count()
    }

    pub fn wait_for_words(&self, timeout: Duration, words: usize) -> Result<()> {
        wait(timeout, &format!("{words} words of an answer"), || (self.words() >= words).then_some(()))
            .with_context(|| self.launcher.complaints())
    }

    /// Signals the process that does the work.
    pub fn signal(&self, signal: Signal) {
        send(self.pid, signal);
    }

    /// Signals the launcher alone.
    pub fn signal_launcher(&self, signal: Signal) {
        send(self.launcher.pid(), signal);
    }

    /// Signals both, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.launcher.pid()).ok().and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// What the last event of its output says of how it ended.
    pub fn result(&self) -> Option<Value> {
        self.launcher.events().into_iter().rev().find(|event| event["type"] == "result")
    }
}
