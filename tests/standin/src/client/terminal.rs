//! Chats in a terminal: a tmux server of the home's own, on a socket inside it. It ends when it
//! is closed, at the latest with the home.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result, bail};

use super::{Home, headless::Start};

#[derive(Debug)]
pub struct Terminals<'h> {
    home: &'h Home,
}

impl<'h> Terminals<'h> {
    pub fn new(home: &'h Home) -> Self {
        Self { home }
    }

    pub fn socket(home: &Path) -> PathBuf {
        home.join("tmux.sock")
    }

    /// The command that opens a terminal of this home, for SHIM's settings: `{cwd}` and `{command}` stand for
    /// the directory and for one command line.
    pub fn opener(home: &Path) -> Vec<String> {
        let socket = Self::socket(home).to_string_lossy().into_owned();
        let mut opener = vec!["tmux".to_owned(), "-S".to_owned(), socket];
        opener.extend(
            ["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "-c", "{cwd}", "{command}"]
                .map(str::to_owned),
        );
        opener
    }

    /// Starts a chat in a window named after it; the prompt, unless empty, is sent at once.
    pub fn start(&self, start: &Start) -> Result<()> {
        let mut args = vec![self.home.claude().to_string_lossy().into_owned()];
        args.extend([
            if start.resume { "--resume" } else { "--session-id" }.to_owned(),
            start.session_id.clone(),
        ]);
        args.extend(["--permission-mode".to_owned(), start.permission_mode.clone()]);
        args.extend(start.args.iter().cloned());
        if !start.prompt.is_empty() {
            args.push(start.prompt.clone());
        }
        self.run(&start.session_id, &start.cwd, &start.environment, &args)
    }

    /// Runs any command in a window of this name.
    pub fn run(
        &self,
        window: &str,
        cwd: &Path,
        environment: &[(String, String)],
        command: &[String],
    ) -> Result<()> {
        let mut args: Vec<_> =
            ["new-session", "-d", "-x", "120", "-y", "40", "-s", window, "-c"].map(str::to_owned).into();
        args.push(cwd.to_string_lossy().into_owned());
        for (name, value) in environment {
            args.extend(["-e".to_owned(), format!("{name}={value}")]);
        }
        args.extend(command.iter().cloned());
        self.tmux(&args)?;
        Ok(())
    }

    /// Types text into a window, as it is.
    pub fn type_text(&self, window: &str, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-t", &format!("{window}:"), "-l", text])?;
        Ok(())
    }

    /// Presses keys by tmux's names: `Enter`, `Escape`, `C-c`.
    pub fn press(&self, window: &str, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys", "-t", &format!("{window}:")][..], keys].concat())?;
        Ok(())
    }

    /// What a window shows.
    pub fn screen(&self, window: &str) -> Result<String> {
        let output = self.tmux(&["capture-pane", "-p", "-t", &format!("{window}:")])?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What names the windows that are open, whoever opened them.
    pub fn open(&self) -> Vec<String> {
        let listed = self.tmux(&["list-sessions", "-F", "#{session_id}"]);
        let text =
            listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Closes every window.
    pub fn close(self) -> Result<()> {
        self.tmux(&["kill-server"])?;
        Ok(())
    }

    fn tmux(&self, args: &[impl AsRef<std::ffi::OsStr>]) -> Result<Output> {
        let mut command = self.home.command("tmux", self.home.folder());
        command.arg("-S").arg(Self::socket(self.home.folder())).args(["-f", "/dev/null"]).args(args);
        let output = command.output().context("tmux cannot be started: install it")?;
        if !output.status.success() {
            let verb: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect();
            bail!("tmux {verb:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output)
    }
}
