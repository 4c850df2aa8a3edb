//! A home of its own for real clients: first questions answered, a dummy key, the stand-in's address, and the
//! client as `claude` on its search path. Dropped, it ends every process that has it as its home.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    processes::{self, Process, is_alive, send},
    wait,
};
use crate::install::{CLAUDE_CODE, program};

/// Not a secret: the stand-in takes any.
pub const DUMMY_KEY: &str = "test-key";
/// Where chats may work without being asked whether they are trusted, below the home.
const PROJECTS: &str = "work";
/// Longest wait for killed processes to be gone.
const GONE_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    config: PathBuf,
    pub(super) environment: Vec<(OsString, OsString)>,
}

/// A client's own note of a running chat, `sessions/<pid>.json`.
#[derive(Clone, Debug)]
pub struct Registry {
    pub path: PathBuf,
    pub pid: u32,
    pub session_id: String,
    /// `busy`, `idle`, `waiting`.
    pub status: String,
    pub whole: Value,
}

impl Home {
    /// Furnishes `folder`, which should be an empty one, for clients that talk to the stand-in at `api`.
    pub fn new(folder: &Path, api: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        refuse_own_home(&folder)?;
        refuse_foreign_api(api)?;
        let home = Self { environment: environment(&folder, api), config: folder.join(".claude"), folder };
        fs::create_dir_all(home.folder.join("bin"))?;
        fs::create_dir_all(home.folder.join("tmp"))?;
        std::os::unix::fs::symlink(program(&CLAUDE_CODE)?, home.folder.join("bin/claude"))?;
        fs::create_dir_all(home.folder.join(PROJECTS))?;
        home.answer_first_questions(&home.folder)?;
        Ok(home)
    }

    /// Clients of this home keep their chats in `config`, as `CLAUDE_CONFIG_DIR` tells them.
    pub fn with_config(mut self, config: &Path) -> Result<Self> {
        fs::create_dir_all(config)?;
        self.config = config.canonicalize()?;
        self.environment.push((OsString::from("CLAUDE_CONFIG_DIR"), self.config.clone().into_os_string()));
        self.answer_first_questions(&self.config)?;
        Ok(self)
    }

    /// Each of these is a question that the client would ask in a terminal before anything else.
    fn answer_first_questions(&self, folder: &Path) -> Result<()> {
        let answers = json!({
            "hasCompletedOnboarding": true,
            "customApiKeyResponses": {"approved": [DUMMY_KEY], "rejected": []},
            "projects": {self.folder.join(PROJECTS).to_string_lossy(): {"hasTrustDialogAccepted": true}},
        });
        fs::write(folder.join(".claude.json"), serde_json::to_vec_pretty(&answers)?)?;
        fs::create_dir_all(&self.config)?;
        fs::write(self.config.join("settings.json"), b"{\"skipDangerousModePermissionPrompt\": true}")?;
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A directory that chats may work in, made if it is not there.
    pub fn project(&self, name: &str) -> Result<PathBuf> {
        let project = self.folder.join(PROJECTS).join(name);
        fs::create_dir_all(&project)?;
        Ok(project)
    }

    /// The whole environment of whatever runs in this home.
    pub fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// A command in this home: nothing of the caller's own environment reaches it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, cwd: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(k, v)| (k, v))).current_dir(cwd);
        command
    }

    /// The client as users call it.
    pub fn claude(&self) -> PathBuf {
        self.folder.join("bin/claude")
    }

    /// The client's own folder.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Every registry file that can be read.
    pub fn registries(&self) -> Vec<Registry> {
        let entries = fs::read_dir(self.config.join("sessions")).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| {
                let whole: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
                Some(Registry {
                    pid: u32::try_from(whole.get("pid")?.as_u64()?).ok()?,
                    session_id: whole.get("sessionId")?.as_str()?.to_owned(),
                    status: whole.get("status").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    path,
                    whole,
                })
            })
            .collect()
    }

    /// The registry file of a live process on this chat.
    pub fn live(&self, session_id: &str) -> Option<Registry> {
        let live = |registry: &Registry| registry.session_id == session_id && is_alive(registry.pid);
        self.registries().into_iter().find(live)
    }

    /// Waits until a live process on this chat says that it is in this state.
    pub fn wait_for_status(&self, timeout: Duration, session_id: &str, status: &str) -> Result<Registry> {
        wait(timeout, &format!("chat {session_id} to be {status}"), || {
            self.live(session_id).filter(|registry| registry.status == status)
        })
    }

    /// The chat's transcript, once there is one.
    pub fn transcript(&self, session_id: &str) -> Option<PathBuf> {
        let name = format!("{session_id}.jsonl");
        let folders = fs::read_dir(self.config.join("projects")).into_iter().flatten().flatten();
        folders.map(|folder| folder.path().join(&name)).find(|path| path.is_file())
    }

    /// Every process in this home, lowest pid first.
    pub fn processes(&self) -> Vec<Process> {
        processes::of_home(&self.folder)
    }

    /// Live clients whose registry names this chat.
    pub fn clients_on(&self, session_id: &str) -> Vec<u32> {
        let on = |registry: &Registry| registry.session_id == session_id && is_alive(registry.pid);
        self.registries().into_iter().filter(on).map(|registry| registry.pid).collect()
    }

    /// What a client started for this chat and still runs: shells, tools, hooks.
    pub fn tools_of(&self, session_id: &str) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.serves.as_deref() == Some(session_id)).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = wait(GONE_WAIT, "killed processes to be gone", || {
            let left = self.processes();
            left.iter().for_each(|process| {
                send(process.pid, Signal::KILL);
            });
            left.is_empty().then_some(())
        });
    }
}

fn environment(folder: &Path, api: &str) -> Vec<(OsString, OsString)> {
    let mut path = folder.join("bin").into_os_string();
    path.push(":/usr/local/bin:/usr/bin:/bin");
    let set = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    vec![
        (OsString::from("PATH"), path),
        (OsString::from("HOME"), folder.as_os_str().to_owned()),
        set("SHELL", "/bin/sh"),
        set("TERM", "xterm-256color"),
        (OsString::from("TMPDIR"), folder.join("tmp").into_os_string()),
        set("LANG", "C.UTF-8"),
        set("ANTHROPIC_BASE_URL", api),
        set("ANTHROPIC_API_KEY", DUMMY_KEY),
        set("DISABLE_AUTOUPDATER", "1"),
        set("DISABLE_TELEMETRY", "1"),
        set("DISABLE_ERROR_REPORTING", "1"),
        set("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        // Lets root use the permission mode that tests need.
        set("IS_SANDBOX", "1"),
    ]
}

/// The machine's own home holds real chats and real keys: no test may run there.
fn refuse_own_home(folder: &Path) -> Result<()> {
    let user = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let homes = users.lines().filter_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        (fields.get(2) == Some(&user.as_str())).then(|| fields.get(5).map(PathBuf::from)).flatten()
    });
    for own in homes.chain(std::env::var_os("HOME").map(PathBuf::from)) {
        let own = own.canonicalize().unwrap_or(own);
        if own == folder {
            bail!("{} is this machine's own home: tests run in a folder of their own", folder.display());
        }
    }
    Ok(())
}

fn refuse_foreign_api(api: &str) -> Result<()> {
    let port = api.strip_prefix("http://127.0.0.1:").context("the model API of a test is on 127.0.0.1")?;
    port.parse::<u16>().with_context(|| format!("{api} names no port"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_the_machines_own_home() {
        let own = PathBuf::from(std::env::var_os("HOME").unwrap());
        let error = Home::new(&own, "http://127.0.0.1:1").unwrap_err();
        assert!(error.to_string().contains("own home"), "{error}");
    }

    #[test]
    fn refuses_an_api_that_is_not_on_loopback() {
        let folder = tempfile::tempdir().unwrap();
        for api in [
            "https://api.anthropic.com",
            "http://127.0.0.1.example.org:80",
            "http://127.0.0.1:80/x",
            "http://127.0.0.1",
        ] {
            Home::new(folder.path(), api).unwrap_err();
        }
    }
}
