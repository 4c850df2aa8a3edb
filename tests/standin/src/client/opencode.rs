//! The real opencode in a home of its own: its settings point at the stand-in, and npm, which it would fetch its own
//! plugins with, is told that it is offline. One native program; its chats lie in one database.

use std::{ffi::OsString, fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Headless, Home, Process, wait};
use crate::install;

/// As the client's own documentation names them; none of them reaches beyond loopback.
const QUIET: [&str; 4] = [
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_MODELS_FETCH",
];
/// Words of the user's own instructions, which every request must hold.
pub const OWN_INSTRUCTIONS: &str = "Always peel bananas from the other end.";

impl Home {
    /// Furnishes the home for opencode too, which talks to the stand-in at `api`.
    pub fn with_opencode(mut self, api: &str) -> Result<Self> {
        let program = install::program(&install::OPENCODE)?;
        std::os::unix::fs::symlink(program, self.opencode())?;
        let own = self.folder().join("own-instructions.md");
        fs::write(&own, OWN_INSTRUCTIONS)?;
        let model = json!({"name": "M1", "limit": {"context": 200_000, "output": 8000}});
        let provider = json!({
            "npm": "@ai-sdk/openai-compatible", "name": "Stand-in",
            "options": {"baseURL": format!("{api}/v1"), "apiKey": super::DUMMY_KEY},
            "models": {"m1": model.clone(), "m2": model},
        });
        let settings = json!({
            "autoupdate": false, "share": "disabled", "permission": "allow", "model": "standin/m1",
            "small_model": "standin/m1", "instructions": [own], "provider": {"standin": provider},
        });
        fs::create_dir_all(self.folder().join(".config/opencode"))?;
        fs::write(self.opencode_settings(), serde_json::to_vec_pretty(&settings)?)?;
        fs::write(self.folder().join(".npmrc"), format!("registry={api}/npm/\noffline=true\n"))?;
        self.environment.extend(QUIET.map(|name| (OsString::from(name), OsString::from("1"))));
        Ok(self)
    }

    /// The client as users call it.
    pub fn opencode(&self) -> PathBuf {
        self.folder().join("bin/opencode")
    }

    pub fn opencode_settings(&self) -> PathBuf {
        self.folder().join(".config/opencode/opencode.json")
    }

    pub fn opencode_database(&self) -> PathBuf {
        self.folder().join(".local/share/opencode/opencode.db")
    }

    /// Live clients whose command line names this chat.
    pub fn opencode_on(&self, session_id: &str) -> Vec<u32> {
        let on = |process: &Process| {
            process.args.first().is_some_and(|program| program.ends_with("opencode"))
                && process.args.iter().any(|word| word == session_id)
        };
        self.processes().into_iter().filter(on).map(|process| process.pid).collect()
    }

    /// What `opencode export` says of a chat; `None` when the client knows no such chat.
    pub fn opencode_export(&self, session_id: &str) -> Result<Option<Value>> {
        let mut command = self.command(self.opencode(), self.folder());
        let output = command.args(["export", session_id]).stdin(Stdio::null()).output()?;
        Ok(serde_json::from_slice(&output.stdout).ok())
    }

    /// Runs another verb of the client to its end.
    pub fn opencode_does(&self, words: &[&str]) -> Result<()> {
        let output =
            self.command(self.opencode(), self.folder()).args(words).stdin(Stdio::null()).output()?;
        anyhow::ensure!(output.status.success(), "{words:?}: {output:?}");
        Ok(())
    }
}

/// How a chat is started.
#[derive(Clone, Debug)]
pub struct OpencodeStart {
    pub cwd: PathBuf,
    pub prompt: String,
    /// Goes on with the chat of that id, where it would begin one.
    pub session_id: Option<String>,
    /// Further arguments.
    pub args: Vec<String>,
    /// Further environment.
    pub environment: Vec<(String, String)>,
}

impl OpencodeStart {
    pub fn new(cwd: impl Into<PathBuf>, prompt: impl Into<String>) -> Self {
        Self {
            cwd: cwd.into(),
            prompt: prompt.into(),
            session_id: None,
            args: Vec::new(),
            environment: Vec::new(),
        }
    }

    pub fn resuming(mut self, session_id: &str) -> Self {
        self.session_id = Some(session_id.to_owned());
        self
    }
}

/// A chat without a terminal: `opencode run`. Dropped, it is killed.
#[derive(Debug)]
pub struct Opencode {
    pub client: Headless,
}

impl Opencode {
    /// Starts the client without waiting for anything. The prompt is its input: on the command line it would be quoted.
    pub fn start(home: &Home, start: &OpencodeStart) -> Result<Self> {
        let prompt = home.folder().join("tmp").join(format!("{}.txt", uuid::Uuid::new_v4()));
        fs::write(&prompt, &start.prompt)?;
        let mut command = home.command("/bin/sh", &start.cwd);
        command.args(["-c", "exec \"$@\" < \"$0\""]).arg(prompt).arg(home.opencode());
        command.args(["run", "--format", "json"]);
        command.args(start.session_id.iter().flat_map(|id| ["-s", id])).args(&start.args);
        command.envs(start.environment.iter().map(|(name, value)| (name, value)));
        Ok(Self { client: Headless::spawn(command, start.session_id.clone().unwrap_or_default())? })
    }

    /// Plays a whole chat or a further turn of one, and gives its id.
    pub fn play(home: &Home, start: &OpencodeStart, timeout: Duration) -> Result<String> {
        let mut run = Self::start(home, start)?;
        let status = run.client.wait_for_exit(timeout)?;
        anyhow::ensure!(status.success(), "{status}: {} {:?}", run.client.complaints(), run.client.events());
        run.session_id().context("the client named no chat")
    }

    /// The chat's id, once the client named it.
    pub fn session_id(&self) -> Option<String> {
        self.client.events().iter().find_map(|event| event["sessionID"].as_str().map(str::to_owned))
    }

    pub fn wait_for_session(&self, timeout: Duration) -> Result<String> {
        wait(timeout, "the chat's id", || self.session_id()).with_context(|| self.client.complaints())
    }

    pub fn pid(&self) -> u32 {
        self.client.pid()
    }

    pub fn signal(&self, signal: Signal) {
        self.client.signal(signal);
    }
}
