//! Finding Claude Code: its folders, its registry, its transcripts, its program.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use shim_core::{
    chats::{ChatId, Client},
    claude_code::{Registration, read_registration},
    settings::Settings,
};

use crate::{paths::open_regular, processes};

/// Largest registry file read, in bytes; real ones have about 700.
const REGISTRY_BYTES_MAX: u64 = 64 * 1024;

/// A transcript on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transcript {
    pub path: PathBuf,
    pub chat: ChatId,
    /// Empty for the chat's own.
    pub sub_agent: String,
}

/// The folders Claude Code itself would use, the ones named in the settings, and those of running clients.
pub fn homes(settings: &Settings, remembered: Vec<PathBuf>, look_for_more: bool) -> BTreeSet<PathBuf> {
    let mut homes: Vec<PathBuf> = remembered;
    homes.extend(own_home());
    homes.extend(settings.watch_homes.iter().cloned());
    if look_for_more && settings.watch_discover {
        let running = processes::running_programs("claude").unwrap_or_default();
        homes.extend(running.iter().filter_map(|running| home_of(&running.started)));
    }
    let wanted = homes.into_iter().filter_map(|home| home.canonicalize().ok());
    wanted.filter(|home| is_within(settings, home)).collect()
}

/// Folders in which a home that is not there yet would appear: before the first chat is ever started.
pub fn awaited(settings: &Settings) -> Vec<PathBuf> {
    let homes = own_home().into_iter().chain(settings.watch_homes.iter().cloned());
    let missing = homes.filter(|home| !home.exists());
    let parents = missing.filter_map(|home| home.parent()?.canonicalize().ok());
    parents.filter(|parent| is_within(settings, parent)).collect()
}

fn is_within(settings: &Settings, home: &Path) -> bool {
    let below = |folder: &PathBuf| home.starts_with(folder.canonicalize().as_deref().unwrap_or(folder));
    settings.watch_within.is_empty() || settings.watch_within.iter().any(below)
}

fn own_home() -> Option<PathBuf> {
    let configured = std::env::var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    configured.or_else(|| std::env::home_dir().map(|home| home.join(".claude")))
}

/// The folder that a running client uses, by its environment.
pub fn home_of(started: &processes::Started) -> Option<PathBuf> {
    let value = |name: &str| {
        let found = started.environment.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| PathBuf::from(value)).filter(|value| !value.as_os_str().is_empty())
    };
    let home_name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    value("CLAUDE_CONFIG_DIR").or_else(|| value(home_name).map(|home| home.join(".claude")))
}

/// The folder that a chat's own transcript lies in: `<home>/projects/<slug>/<session>.jsonl`.
pub fn home_of_transcript(path: &Path) -> Option<PathBuf> {
    path.ancestors().nth(3).map(Path::to_owned)
}

/// Changes an environment so that a client started with it uses `home`, where it does not already.
pub fn point_at_home(environment: &mut Vec<(String, String)>, home: &Path) {
    let value = |name: &str| {
        environment.iter().find(|(known, _)| known == name).map(|(_, value)| PathBuf::from(value))
    };
    let home_name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    let used = value("CLAUDE_CONFIG_DIR").or_else(|| value(home_name).map(|user| user.join(".claude")));
    if used.and_then(|used| used.canonicalize().ok()).as_deref() == Some(home) {
        return;
    }
    // A default folder keeps its neighbour `.claude.json`, which a named one does not have.
    let (name, folder) = match home.parent().filter(|_| home.file_name() == Some(OsStr::new(".claude"))) {
        Some(user) => (home_name, user),
        None => ("CLAUDE_CONFIG_DIR", home),
    };
    environment.retain(|(known, _)| known != name && known != "CLAUDE_CONFIG_DIR");
    environment.push((name.to_owned(), folder.to_string_lossy().into_owned()));
}

pub fn sessions_folder(home: &Path) -> PathBuf {
    home.join("sessions")
}

pub fn projects_folder(home: &Path) -> PathBuf {
    home.join("projects")
}

/// Every registry file of a home that is whole. Keys beside them are secrets and never opened.
pub fn registrations(home: &Path) -> io::Result<Vec<(PathBuf, Registration)>> {
    let folder = match fs::read_dir(sessions_folder(home)) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = folder.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(paths.filter_map(|path| Some((path.clone(), registration(&path)?))).collect())
}

/// The registry file at `path`; `None` when it is none, is gone, or is just being written.
pub fn registration(path: &Path) -> Option<Registration> {
    let is_ours = path.extension() == Some(OsStr::new("json"))
        && path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    if !is_ours {
        return None;
    }
    let mut bytes = Vec::new();
    open_regular(path).ok()?.take(REGISTRY_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    read_registration(&bytes)
}

/// Every transcript of a home. Folders that cannot be read are told in `unreadable`.
pub fn transcripts(home: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript> {
    let mut found = Vec::new();
    for project in folders(&projects_folder(home), unreadable) {
        for entry in entries(&project, unreadable) {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_file() => found.extend(transcript_at(&path)),
                Ok(kind) if kind.is_dir() => {
                    let agents = path.join("subagents");
                    if agents.is_dir() {
                        let files = entries(&agents, unreadable);
                        let real =
                            files.iter().filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()));
                        found.extend(real.filter_map(|file| transcript_at(&file.path())));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// What a path says: `<home>/projects/<slug>/<session>.jsonl` or
/// `<home>/projects/<slug>/<session>/subagents/agent-<id>.jsonl`.
pub fn transcript_at(path: &Path) -> Option<Transcript> {
    if path.extension() != Some(OsStr::new("jsonl")) {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    let parent = path.parent()?;
    let (session, sub_agent) = if parent.file_name() == Some(OsStr::new("subagents")) {
        (parent.parent()?.file_name()?.to_str()?, stem)
    } else {
        (stem, "")
    };
    Some(Transcript {
        path: path.to_owned(),
        chat: ChatId::new(Client::ClaudeCode, session),
        sub_agent: sub_agent.to_owned(),
    })
}

fn entries(folder: &Path, unreadable: &mut Vec<String>) -> Vec<fs::DirEntry> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(Result::ok).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            unreadable
                .push(format!("{} cannot be read ({error}); chats in it are not watched", folder.display()));
            Vec::new()
        }
    }
}

/// Folders directly below. A link to a folder is not followed: a loop would never end.
fn folders(folder: &Path, unreadable: &mut Vec<String>) -> Vec<PathBuf> {
    let entries = entries(folder, unreadable);
    let real = entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    real.map(fs::DirEntry::path).collect()
}

/// The program to start: as set, as it was, or as found.
pub fn program(settings: &Settings, before: Option<&Path>) -> Option<PathBuf> {
    if !settings.claude_code_command.is_empty() {
        return which::which(&settings.claude_code_command).ok();
    }
    if let Some(before) = before.filter(|program| program.is_file()) {
        return Some(before.to_owned());
    }
    let usual = std::env::home_dir().map(|home| home.join(".local").join("bin").join("claude"));
    which::which("claude").ok().or(usual.filter(|program| program.is_file()))
}
