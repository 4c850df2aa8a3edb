//! A machine in a folder: a home with real clients, the stand-in API, and an engine with a data folder of its own.
//! Nothing outside the folder is watched, changed or ended.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use shim_api::{Engine, crashes::Crash};
use shim_core::chats::ChatId;
use shim_standin::{
    Standin,
    client::{Home, Terminals, wait},
};

/// Longest wait for a client or the engine to do something; machines that run tests are slow at times.
pub const WAIT: Duration = Duration::from_secs(120);

pub struct Rig {
    pub home: Home,
    pub standin: Standin,
    shim: PathBuf,
    data: PathBuf,
    engine: Option<Child>,
    folder: tempfile::TempDir,
}

impl Rig {
    /// With an engine that runs, and more settings than where it looks.
    pub fn new(shim: &Path, more: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("shim-torture-").tempdir()?;
        let root = folder.path().canonicalize()?;
        let standin = Standin::start(0)?;
        let home = Home::new(&root.join("home"), &standin.url())?.with_codex(&standin.url())?;
        let data = root.join("shim");
        fs::create_dir(&data)?;
        let opener = serde_json::to_string(&Terminals::opener(home.folder()))?;
        let within = serde_json::to_string(&[&root])?;
        fs::write(
            data.join(shim_api::home::SETTINGS_FILE),
            format!("watch.within = {within}\nterminal.command = {opener}\n{more}"),
        )?;
        let mut rig = Self { home, standin, shim: shim.to_owned(), data, engine: None, folder };
        rig.start_engine()?;
        Ok(rig)
    }

    pub fn start_engine(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("engine.log"))?;
        let mut command = self.home.command(&self.shim, self.home.folder());
        command.env("SHIM_HOME", &self.data).arg("run");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("{} cannot be started", self.shim.display()))?;
        let pid = child.id();
        self.engine = Some(child);
        wait(WAIT, "the engine to answer", || {
            let file = shim_api::home::read_engine_file(&self.data)?;
            (file.pid == pid).then(|| Engine::connect(&self.data).ok()).flatten()
        })
        .with_context(|| self.log())?;
        Ok(())
    }

    /// As a power loss does: without a word.
    pub fn kill_engine(&mut self) -> Result<()> {
        if let Some(mut engine) = self.engine.take() {
            engine.kill()?;
            engine.wait()?;
        }
        Ok(())
    }

    pub fn api(&self) -> Result<Engine> {
        Ok(Engine::connect(&self.data)?)
    }

    pub fn crashes_of(&self, chat: &ChatId) -> Result<Vec<Crash>> {
        Ok(self.api()?.crashes()?.into_iter().filter(|crash| crash.chat == *chat).collect())
    }

    /// The end of the engine's log.
    pub fn log(&self) -> String {
        let text = fs::read(self.folder.path().join("engine.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.kill_engine();
    }
}
