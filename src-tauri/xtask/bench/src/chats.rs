//! Chats as Claude Code leaves them on disk: a registry file, a transcript, and a cheap process that can
//! be killed. The process does nothing; this program writes for it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use serde_json::json;
use shim_core::chats::{ChatId, Client};

use crate::{
    engine::{Engine, Place},
    records::Records,
};

const SEEN_WAIT: Duration = Duration::from_secs(60);

pub struct Chat {
    pub id: ChatId,
    pub transcript: PathBuf,
    process: Child,
    registry: PathBuf,
    records: Records,
    /// Bytes written to the transcript.
    pub bytes: u64,
}

impl Chat {
    /// A chat with a process behind it and a finished first turn.
    pub fn start(place: &Place, seed: u64, status: &str) -> Result<Self> {
        let session = uuid::Uuid::new_v4().to_string();
        let cwd = place.home().join(format!("work/p{}", seed % 7));
        fs::create_dir_all(&cwd)?;
        let folder = place.claude().join("projects").join(slug(&cwd));
        fs::create_dir_all(&folder)?;
        let process = Command::new(std::env::current_exe()?)
            .arg("fake-client")
            .stdin(Stdio::piped())
            .spawn()
            .context("the stand-in for a client could not be started")?;
        let mut chat = Self {
            id: ChatId::new(Client::ClaudeCode, &session),
            transcript: folder.join(format!("{session}.jsonl")),
            registry: place.claude().join(format!("sessions/{}.json", process.id())),
            records: Records::new(seed, &session, &cwd.to_string_lossy()),
            process,
            bytes: 0,
        };
        let opening = chat.records.opening();
        chat.append(&opening)?;
        chat.register(&cwd, status)?;
        Ok(chat)
    }

    /// One step of a turn, 1 to 30 KB, as the client writes it: open, append, close, no sync.
    pub fn step(&mut self) -> Result<()> {
        let step = self.records.step();
        self.append(&step)
    }

    fn append(&mut self, text: &str) -> Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.transcript)?;
        file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Kills the process at once; gives the moment just before.
    pub fn kill(&mut self) -> Result<Instant> {
        let before = Instant::now();
        self.process.kill()?;
        self.process.wait()?;
        Ok(before)
    }

    fn register(&self, cwd: &Path, status: &str) -> Result<()> {
        let pid = self.process.id();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let now = u64::try_from(now)?;
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let registry = json!({
            "pid": pid, "sessionId": self.id.session_id(), "cwd": cwd, "startedAt": now,
            "procStart": start_mark(pid)?, "version": "2.1.329", "kind": "interactive", "entrypoint": "cli",
            "pidDomain": format!("linux:{}:{}", machine.trim(), namespace.display()),
            "name": "bench", "nameSource": "derived", "status": status, "updatedAt": now, "statusUpdatedAt": now,
        });
        fs::write(&self.registry, registry.to_string())?;
        Ok(())
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // A process that cannot be ended ends by itself when this program does: its input closes.
        let _ = self.kill();
    }
}

/// Starts chats and waits until the engine has seen the process behind each and kept every byte.
pub fn start_all(place: &Place, engine: &Engine, count: usize, status: &str) -> Result<Vec<Chat>> {
    let chats = (0..count as u64).map(|seed| Chat::start(place, seed, status)).collect::<Result<Vec<_>>>()?;
    engine.wait("the engine to see every chat", SEEN_WAIT, Duration::from_millis(50), |api| {
        let known = api.chats(None, None)?;
        Ok(chats.iter().all(|chat| {
            let seen = known.iter().find(|known| known.id == chat.id);
            seen.is_some_and(|seen| seen.pid == Some(chat.process.id()) && seen.journal.bytes == chat.bytes)
        }))
    })?;
    Ok(chats)
}

/// What the stand-in for a client's process does: nothing but to hold files locked, until this program is gone or
/// kills it.
pub fn wait_for_end(words: &[String]) -> Result<()> {
    let held: Vec<_> = words.iter().filter_map(|word| fs::File::open(word).ok()).collect();
    // Codex takes away a lock file that nobody has locked.
    held.iter().for_each(|file| drop(file.try_lock()));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Claude Code's name for the folder of a project.
pub fn slug(cwd: &Path) -> String {
    shim_core::clients::claude_code::project_slug(&cwd.to_string_lossy())
}

/// Field 22 of `/proc/PID/stat`, by which a process is told from a later one with its pid.
fn start_mark(pid: u32) -> Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    fields.split_whitespace().nth(19).map(str::to_owned).context("the process has no start mark")
}
