//! The demo: a data folder of its own with a recorded busy week, and an engine that shows it. It looks at nothing
//! of this machine and starts, ends and changes nothing.

mod record;
mod script;
mod week;

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use shim_api::{
    ApiError,
    error::ErrorCode,
    home::{DATABASE_FILE, DEMO_FILE, ENGINE_FILE, ENGINE_LOG_FILE, LOCK_FILE, SETTINGS_FILE},
};
use shim_core::{
    chats::{ChatId, ChatState, Client, ProcessKey},
    crashes::RegistryStatus,
    supervisor::Event,
};
use shim_store::Urgency;

use crate::{
    home::{Home, HomeError},
    paths::{make_private_folder, write_whole},
    run::{Watch, now},
};

const WHAT: &str = "A demo of SHIM, made by `shim demo`, which makes it anew: it shows a recorded week.";

/// Whoever looks at a demo wants to see the week, not the welcome.
const SETTINGS: &str = "[desktop]\nwelcomed = true\n";

/// What a demo before this one made, and is made anew.
const MADE: [&str; 6] =
    [DATABASE_FILE, "shim.db-wal", "shim.db-shm", ENGINE_FILE, ENGINE_LOG_FILE, SETTINGS_FILE];

/// A data folder that is a demo's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Demo {
    what: String,
    /// Those behind which a process stood.
    stood: Vec<Stood>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stood {
    chat: ChatId,
    state: ChatState,
    process: ProcessKey,
}

/// What is written of a demo; `None` of any other folder. One that was not made whole shows less, and is a demo.
pub fn read(folder: &Path) -> Option<Demo> {
    let bytes = fs::read(folder.join(DEMO_FILE)).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Makes the demo anew in its folder, which is new, empty, or a demo's: nothing else is ever taken away.
pub fn make(folder: &Path) -> anyhow::Result<()> {
    let is_empty = fs::read_dir(folder)
        .map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |mut entries| entries.next().is_none());
    if !is_empty && !is_of_a_demo(folder) {
        bail!("{} is no folder of a demo, and not empty: name another with --home", folder.display());
    }
    clear(folder)?;
    write_whole(&folder.join(SETTINGS_FILE), SETTINGS.as_bytes())
        .with_context(|| format!("{} cannot be written to", folder.display()))?;
    let home = Home::open(folder)?;
    let demo = fill(&home).context("the recorded week could not be written")?;
    mark(folder, &demo)
}

/// Whether the mark is SHIM's: other programs have files of that name too.
fn is_of_a_demo(folder: &Path) -> bool {
    let read =
        fs::read(folder.join(DEMO_FILE)).ok().and_then(|bytes| serde_json::from_slice::<Demo>(&bytes).ok());
    read.is_some_and(|demo| demo.what == WHAT)
}

fn mark(folder: &Path, demo: &Demo) -> anyhow::Result<()> {
    write_whole(&folder.join(DEMO_FILE), &serde_json::to_vec_pretty(demo)?)
        .with_context(|| format!("{} cannot be written to", folder.display()))
}

/// Takes away what a demo before this one made, while no engine runs on it.
fn clear(folder: &Path) -> anyhow::Result<()> {
    let unusable = || format!("{} cannot be used", folder.display());
    make_private_folder(folder).with_context(unusable)?;
    // First of all, so that one which is left half made is known for what it is.
    mark(folder, &Demo { what: WHAT.to_owned(), stood: Vec::new() })?;
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK_FILE));
    let lock = lock.with_context(unusable)?;
    if lock.try_lock().is_err() {
        let pid = shim_api::home::read_engine_file(folder).map(|file| file.pid);
        return Err(HomeError::Locked { path: folder.to_owned(), pid }.into());
    }
    for name in MADE {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(unusable);
            }
            _ => {}
        }
    }
    Ok(())
}

fn fill(home: &Home) -> anyhow::Result<Demo> {
    let week = week::week()?;
    let end = now();
    let chats = week.chats.iter().zip(0..).map(|(chat, number)| record::record(&week, chat, number, end));
    let chats = chats.collect::<Result<Vec<_>, _>>()?;
    let stood = chats.iter().filter(|chat| chat.state.is_live() || chat.state == ChatState::Unknown);
    let stood =
        stood.map(|chat| Stood { chat: chat.id.clone(), state: chat.state, process: chat.process.clone() });
    let demo = Demo { what: WHAT.to_owned(), stood: stood.collect() };
    home.store.write(Urgency::AtOnce, move |store| {
        let mut crashes = Vec::new();
        for chat in chats {
            crashes.extend(chat.write(store)?);
        }
        crashes.sort_by_key(|crash| crash.detected_at);
        crashes.into_iter().try_for_each(|crash| crash.write(store))?;
        record::settle(store, end)
    })?;
    Ok(demo)
}

/// The program of a client, as it was recorded.
pub fn program(client: Client) -> String {
    let name = match client {
        Client::ClaudeCode => "claude",
        Client::Codex | Client::Gemini | Client::Opencode | Client::ClaudeDesktop => client.name(),
    };
    format!("/home/user/.local/bin/{name}")
}

/// The folder of a client's chats, as it was recorded.
pub fn client_home(client: Client) -> String {
    let folder = match client {
        Client::ClaudeCode => ".claude",
        Client::Codex => ".codex",
        Client::Gemini => ".gemini",
        Client::Opencode => ".local/share/opencode",
        Client::ClaudeDesktop => ".config/Claude",
    };
    format!("/home/user/{folder}")
}

/// What everybody hears who asks for more than to be shown something.
pub fn refusal() -> ApiError {
    let message = "this is the demo: nothing is started or changed";
    ApiError::new(ErrorCode::Refused, message)
}

/// Calls by POST that a demo answers: they change nothing but its own folder, or end it.
const ANSWERED: [&str; 4] = ["/settings", "/pause", "/resume", "/stop"];
/// Calls by GET that would look at this machine.
const LOOKS: [&str; 1] = ["/examine"];

/// Whether a demo answers this call.
pub fn answers(is_get: bool, path: &str) -> bool {
    let path = path.strip_prefix("/api").unwrap_or(path);
    if is_get { !LOOKS.contains(&path) } else { ANSWERED.contains(&path) }
}

impl Watch {
    pub fn is_demo(&self) -> bool {
        self.home.demo.is_some()
    }

    /// The chats stand as they were recorded: no process of this machine stands behind them.
    pub fn recall_demo(&mut self) {
        let at = now();
        for Stood { chat, state, process } in self.home.demo.clone().unwrap_or_default().stood {
            let status = match state {
                ChatState::Working | ChatState::Hung => Some(RegistryStatus::Busy),
                ChatState::Waiting => Some(RegistryStatus::Waiting),
                ChatState::Idle => Some(RegistryStatus::Idle),
                ChatState::Ended | ChatState::Crashed | ChatState::Unknown => None,
            };
            let (chat, process) = (&chat, &process);
            let event = match status {
                Some(status) => Event::Alive { chat, process, status },
                None => Event::Unknowable { chat, process },
            };
            // What it would have the engine do is what is not done here.
            drop(self.supervisor.handle(event, at));
            if state.is_live() {
                self.follow_as_recorded(chat, process);
            }
        }
    }
}

#[cfg(test)]
#[path = "demo/demo_tests.rs"]
mod tests;
