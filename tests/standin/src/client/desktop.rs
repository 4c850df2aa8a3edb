//! The stand-in for Claude Desktop, installed in a home where the Linux package puts the app.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::json;

use super::{Home, Process, wait};
use crate::install::{CLAUDE_CODE, program};

/// The app as installed in one home.
pub struct Desktop<'a> {
    home: &'a Home,
    program: PathBuf,
    data: PathBuf,
}

impl<'a> Desktop<'a> {
    /// Installs the app that was built at `built`, with the real client as the one it bundles.
    pub fn install(home: &'a Home, built: &Path) -> Result<Self> {
        let desktop = Self::at(home);
        fs::create_dir_all(desktop.program.parent().context("the program lies in no folder")?)?;
        // By a process of its own: a program that is open for writing cannot be started.
        let copied = std::process::Command::new("cp").arg(built).arg(&desktop.program).status()?;
        anyhow::ensure!(copied.success(), "{} cannot be copied", built.display());
        let bundled = desktop.data.join("claude-code/2.1.329");
        fs::create_dir_all(&bundled)?;
        std::os::unix::fs::symlink(program(&CLAUDE_CODE)?, bundled.join("claude"))?;
        Ok(desktop)
    }

    /// The app as `install` put it.
    pub fn at(home: &'a Home) -> Self {
        Self {
            home,
            program: home.folder().join("usr/lib/claude-desktop/claude-desktop"),
            data: home.folder().join(".config/Claude"),
        }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts the app and waits for its window's process.
    pub fn start(&self, timeout: Duration) -> Result<u32> {
        let mut command = self.home.command(&self.program, self.home.folder());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        wait(timeout, "the app's window", || self.renderers().first().cloned())?;
        Ok(child.id())
    }

    /// Tells the app to do something.
    pub fn tell(&self, command: &str) -> Result<()> {
        let mut control = fs::File::options().create(true).append(true).open(self.data.join("control"))?;
        Ok(control.write_all(format!("{command}\n").as_bytes())?)
    }

    /// Begins a session of the Code tab.
    pub fn code(&self, session_id: &str, cwd: &Path, title: &str, prompt: &str) -> Result<()> {
        let session = json!({ "session_id": session_id, "cwd": cwd, "title": title, "prompt": prompt });
        self.tell(&format!("code {session}"))
    }

    pub fn processes(&self) -> Vec<Process> {
        let own = self.program.to_string_lossy().into_owned();
        let is_own = |process: &Process| process.args.first() == Some(&own);
        self.home.processes().into_iter().filter(is_own).collect()
    }

    /// The main processes: one, when all is well.
    pub fn mains(&self) -> Vec<u32> {
        let is_main = |process: &Process| !process.args.iter().any(|word| word.starts_with("--type="));
        self.processes().into_iter().filter(is_main).map(|process| process.pid).collect()
    }

    pub fn renderers(&self) -> Vec<u32> {
        let shows = |process: &Process| process.args.iter().any(|word| word == "--type=renderer");
        self.processes().into_iter().filter(shows).map(|process| process.pid).collect()
    }

    /// The entry of the index that lists a chat.
    pub fn entry(&self, session_id: &str) -> Result<PathBuf> {
        let sessions = self.data.join("claude-code-sessions");
        let outer = fs::read_dir(&sessions)?.flatten().next().context("no account")?.path();
        let inner = fs::read_dir(outer)?.flatten().next().context("no organisation")?.path();
        Ok(inner.join(format!("local_{session_id}.json")))
    }

    /// The links that the app was asked to show.
    pub fn links(&self) -> Vec<String> {
        let text = fs::read_to_string(self.data.join("links.txt")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
