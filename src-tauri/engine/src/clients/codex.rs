//! Codex CLI: its folders, the locks that its processes hold, its rollouts, its command line. Facts were measured
//! on version 0.169.0. A chat's process is the native program; the launcher that npm installs only waits for it.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use notify::RecursiveMode;
use shim_core::{
    chats::{ChatId, Client},
    clients::{Registration, codex},
    crashes::Leave,
    digest::sha256,
    restore::Then,
};

use super::{
    Change, Flags, GO_ON, Input, Look, Plan, Port, Start, Transcript, USER_HOME, Variables, entries, folders,
    home_of,
};
use crate::{
    paths::{open_regular, write_whole},
    processes::{self, Running},
    terminal,
};

/// First version whose terminal hands a chat to a background server, which a restored chat must do without.
const BACKGROUND_SERVER_SINCE: (u32, u32) = (0, 169);
/// Bytes at the start of a rollout in which its ids stand.
const HEAD_BYTES: u64 = 1024;
/// Seconds that the hook which tells the chat may take.
const HOOK_SECONDS: u32 = 10;
/// Where the client files hooks that its command line names.
const OWN_HOOK_KEY: &str = "/<session-flags>/config.toml:session_start:0:0";

/// Rollouts of which it is remembered whose they are; beyond that all are read again.
const KNOWN_MAX: usize = 50_000;

/// The chat that a rollout's sub-agent serves; `None` for a chat of its own. A first line never changes.
static KNOWN: LazyLock<Mutex<HashMap<PathBuf, Option<String>>>> = LazyLock::new(Mutex::default);

const FLAGS: Flags = Flags {
    with_value: &[
        "--add-dir",
        "--config",
        "--disable",
        "--enable",
        "--local-provider",
        "--profile",
        "-c",
        "-p",
    ],
    with_values: &[],
    // Permission flags are not among them: the policies that were in force last are given instead.
    switches: &[
        "--dangerously-bypass-hook-trust",
        "--ignore-rules",
        "--ignore-user-config",
        "--no-alt-screen",
        "--oss",
        "--search",
        "--strict-config",
    ],
};
/// Flags that only a chat in a terminal knows.
const TERMINAL_ONLY: [&str; 2] = ["--no-alt-screen", "--search"];
/// Settings that a restore gives itself, as the chat had them last.
const OWN_SETTINGS: [&str; 6] =
    ["approval_policy", "hooks.SessionStart", "hooks.state", "model", "model_provider", "sandbox_mode"];

pub struct Codex;

impl Port for Codex {
    fn client(&self) -> Client {
        Client::Codex
    }

    fn program_name(&self) -> &'static str {
        "codex"
    }

    fn home(&self, variables: Variables<'_>) -> Option<PathBuf> {
        variables("CODEX_HOME").or_else(|| variables(USER_HOME).map(|home| home.join(".codex")))
    }

    fn point_at_home(&self, environment: &mut Vec<(String, String)>, home: &Path) {
        let used = home_of(self, environment).and_then(|used| crate::paths::canonical(&used).ok());
        if used.as_deref() != Some(home) {
            environment.retain(|(known, _)| known != "CODEX_HOME");
            environment.push(("CODEX_HOME".to_owned(), home.to_string_lossy().into_owned()));
        }
    }

    fn folders(&self, home: &Path) -> Vec<(PathBuf, RecursiveMode)> {
        vec![
            (home.join("sessions"), RecursiveMode::Recursive),
            (home.join("archived_sessions"), RecursiveMode::NonRecursive),
            (locks_folder(home), RecursiveMode::NonRecursive),
        ]
    }

    fn change(&self, home: &Path, path: &Path) -> Change {
        if path.parent() == Some(&locks_folder(home)) {
            return Change::Processes;
        }
        match transcript_at(path).filter(|_| self.home_of_transcript(path).as_deref() == Some(home)) {
            Some(transcript) => Change::Transcript(transcript),
            None => Change::Nothing,
        }
    }

    fn transcripts(&self, home: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript> {
        rollouts(home, unreadable).iter().filter_map(|path| transcript_at(path)).collect()
    }

    fn home_of_transcript(&self, path: &Path) -> Option<PathBuf> {
        let day = path.parent()?;
        if day.file_name() == Some(OsStr::new("archived_sessions")) {
            return day.parent().map(Path::to_owned);
        }
        let sessions = day.ancestors().nth(3)?;
        let is_sessions = sessions.file_name() == Some(OsStr::new("sessions"));
        sessions.parent().filter(|_| is_sessions).map(Path::to_owned)
    }

    /// Processes that hold a chat's lock, and its rollout: a chat that was not asked anything yet has none.
    fn registrations(&self, home: &Path, look: &Look) -> io::Result<Vec<(PathBuf, Registration)>> {
        let locks = locks(home)?;
        if locks.is_empty() {
            return Ok(Vec::new());
        }
        Ok(holders(&locks, &look.programs(self)?))
    }

    fn left_marks(&self, home: &Path, look: &Look) -> io::Result<Vec<(PathBuf, String)>> {
        let locks = locks(home)?;
        if locks.is_empty() {
            return Ok(Vec::new());
        }
        let left = unheld(locks, &look.programs(self)?);
        Ok(left.into_iter().filter_map(|lock| Some((lock.clone(), id_of(&lock)?.to_owned()))).collect())
    }

    fn keeps_registry(&self) -> bool {
        false
    }

    fn locks_its_chats(&self) -> bool {
        true
    }

    #[cfg(target_os = "linux")]
    fn still_holds(&self, lock: &Path, pid: u32) -> bool {
        open_files(pid).iter().any(|open| open == lock)
    }

    /// A lock is taken away at a clean end and when the user stopped the turn; it stays after a kill, and after a
    /// polite request to end.
    fn last_words(&self, mark: &Path, last: &Registration) -> (Registration, Leave) {
        (last.clone(), if mark.exists() { Leave::LeftBehind } else { Leave::Orderly })
    }

    fn tool_marks(&self, session_id: &str, _dead: &[u32]) -> Vec<String> {
        // Those of its sub-agents bear the second.
        vec![format!("CODEX_THREAD_ID={session_id}"), format!("CODEX_SESSION_ID={session_id}")]
    }

    fn flags(&self) -> &'static Flags {
        &FLAGS
    }

    fn environment_stored(&self) -> &'static [&'static str] {
        &[
            "CODEX_HOME",
            "CODEX_MANAGED_BY_NPM",
            "CODEX_MANAGED_PACKAGE_ROOT",
            "CODEX_SQLITE_HOME",
            "OPENAI_BASE_URL",
        ]
    }

    fn belongs_to_one_process(&self, variable: &str) -> bool {
        matches!(
            variable,
            "CODEX_APPLY_PATCH_PRESERVE_LINE_ENDINGS"
                | "CODEX_CI"
                | "CODEX_SANDBOX"
                | "CODEX_SANDBOX_NETWORK_DISABLED"
                | "CODEX_SESSION_ID"
                | "CODEX_THREAD_ID"
                | "CODEX_TOOL_CALL_ID"
                | "CODEX_VERSION"
        )
    }

    fn cannot(&self, start: &Start<'_>, _fork: bool) -> Option<String> {
        (start.headless && start.then == Then::Idle).then(|| {
            "Codex has no way to wait for its user without a terminal: restore it in one, or with --continue".to_owned()
        })
    }

    fn write_context(&self, start: &Start<'_>) -> anyhow::Result<String> {
        if start.headless {
            return Ok("the chat is told what was in flight by the message it goes on with".to_owned());
        }
        write_whole(start.context_path, start.context.as_bytes())?;
        Ok("the chat is given a SessionStart hook, for this start alone, that says what was in flight"
            .to_owned())
    }

    fn plan(&self, start: &Start<'_>) -> Plan {
        let mut arguments = Vec::new();
        let mut say = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        let (command, input) = if start.headless {
            ("exec", Input::Once(start.spoken().into_bytes()))
        } else {
            ("resume", Input::Nothing)
        };
        say(&[command]);
        if !start.headless && has_background_server(start.version) {
            say(&["--no-daemon"]);
        }
        kept(start).iter().for_each(|flag| say(&[flag]));
        settings(start).iter().for_each(|setting| say(&["-c", setting]));
        start.model.iter().for_each(|model| say(&["-m", model]));
        if start.headless {
            say(&["resume", "--json", "--skip-git-repo-check", start.session_id, "-"]);
        } else {
            say(&[start.session_id]);
            if start.then == Then::Continue {
                say(&[GO_ON]);
            }
        }
        Plan { arguments, environment: Vec::new(), input }
    }

    fn id_fields(&self) -> &'static [&'static str] {
        &["id", "session_id", "thread_id"]
    }
}

fn locks_folder(home: &Path) -> PathBuf {
    home.join("thread-writer-locks")
}

fn locks(home: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(locks_folder(home)) {
        Ok(folder) => {
            let paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
            Ok(paths.filter(|path| id_of(path).is_some()).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The chat that a lock is of.
fn id_of(lock: &Path) -> Option<&str> {
    let is_lock = lock.extension() == Some(OsStr::new("lock"));
    lock.file_stem()?.to_str().filter(|id| is_lock && codex::is_thread_id(id))
}

/// `<home>/sessions/<year>/<month>/<day>/rollout-…` and `<home>/archived_sessions/rollout-…`.
fn rollouts(home: &Path, unreadable: &mut Vec<String>) -> Vec<PathBuf> {
    let mut days = vec![home.join("sessions")];
    for _ in 0..3 {
        days = days.iter().flat_map(|folder| folders(folder, unreadable)).collect();
    }
    days.push(home.join("archived_sessions"));
    let files: Vec<_> = days.iter().flat_map(|day| entries(day, unreadable)).collect();
    let real = files.iter().filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()));
    real.map(fs::DirEntry::path).collect()
}

/// The chat that a rollout's name speaks of.
fn named_in(rollout: &Path) -> Option<&str> {
    codex::thread_id(rollout.file_name()?.to_str()?)
}

fn transcript_at(path: &Path) -> Option<Transcript> {
    let id = named_in(path)?;
    let (chat, sub_agent) = match whose(path) {
        Whose::OwnChat => (ChatId::new(Client::Codex, id), ""),
        Whose::SubAgentOf(root) => (ChatId::new(Client::Codex, &root), id),
        Whose::Unsaid => return None,
    };
    Some(Transcript { path: path.to_owned(), chat, sub_agent: sub_agent.to_owned() })
}

/// What a rollout is of, as its first line says.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    OwnChat,
    SubAgentOf(String),
    /// Its first line is just being written.
    Unsaid,
}

fn whose(rollout: &Path) -> Whose {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(root) = known.get(rollout) {
        return root.clone().map_or(Whose::OwnChat, Whose::SubAgentOf);
    }
    let found = read_whose(rollout);
    if known.len() >= KNOWN_MAX {
        known.clear();
    }
    match &found {
        Whose::OwnChat if rollout.is_file() => drop(known.insert(rollout.to_owned(), None)),
        Whose::SubAgentOf(root) => drop(known.insert(rollout.to_owned(), Some(root.clone()))),
        Whose::OwnChat | Whose::Unsaid => {}
    }
    found
}

fn read_whose(rollout: &Path) -> Whose {
    let mut head = Vec::new();
    let read = open_regular(rollout).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    match (read, codex::root_of(&head)) {
        (Ok(_), Some(root)) => Whose::SubAgentOf(root.to_owned()),
        (Ok(read), None) if (read as u64) < HEAD_BYTES && !head.contains(&b'\n') => Whose::Unsaid,
        // One that is gone is gone under the name that it had.
        (Ok(_) | Err(_), _) => Whose::OwnChat,
    }
}

/// Which of the running programs hold which locks, each lock with its holder.
#[cfg(target_os = "linux")]
fn holders(locks: &[PathBuf], running: &[&Running]) -> Vec<(PathBuf, Registration)> {
    let open: Vec<_> = running.iter().map(|process| (*process, open_files(process.pid))).collect();
    let mut found = Vec::new();
    for lock in locks {
        let Some(id) = id_of(lock) else { continue };
        let holding: Vec<_> = open.iter().filter(|(_, files)| holds(files, lock, id)).collect();
        // What a client is about to start holds what it holds until it has become another program. The client itself
        // may have taken it after it was looked at, and before its child was.
        let is_fork = |process: &Running| {
            let parent = running.iter().find(|other| process.parent == Some(other.pid));
            parent.is_some_and(|parent| holds(&open_files(parent.pid), lock, id))
        };
        let holder = holding.iter().find(|(process, _)| !is_fork(process));
        found.extend(holder.and_then(|(process, _)| Some((lock.clone(), registration(id, process.pid)?))));
    }
    found
}

#[cfg(target_os = "linux")]
fn unheld(mut locks: Vec<PathBuf>, running: &[&Running]) -> Vec<PathBuf> {
    let open: Vec<_> = running.iter().flat_map(|process| open_files(process.pid)).collect();
    locks.retain(|lock| !open.contains(lock));
    locks
}

#[cfg(target_os = "linux")]
fn holds(open: &[PathBuf], lock: &PathBuf, id: &str) -> bool {
    open.contains(lock) && open.iter().any(|path| named_in(path) == Some(id) && whose(path) == Whose::OwnChat)
}

#[cfg(target_os = "linux")]
fn open_files(pid: u32) -> Vec<PathBuf> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

/// Where open files are not to be seen: a lock that is held belongs to the process whose command line names its chat,
/// else to the only one that runs.
#[cfg(not(target_os = "linux"))]
fn holders(locks: &[PathBuf], running: &[&Running]) -> Vec<(PathBuf, Registration)> {
    let is_native = |process: &Running| {
        process.started.program.as_deref().and_then(Path::file_stem) == Some(OsStr::new("codex"))
    };
    let natives: Vec<&Running> = running.iter().copied().filter(|process| is_native(process)).collect();
    // What a client is about to start looks like the client until it has become another program.
    let is_fork = |process: &Running| natives.iter().any(|other| process.parent == Some(other.pid));
    let holding: Vec<&Running> = natives.iter().copied().filter(|process| !is_fork(process)).collect();
    let only = if let [only] = holding.as_slice() { Some(*only) } else { None };
    let mut found = Vec::new();
    for lock in locks.iter().filter(|lock| is_held(lock)) {
        let Some(id) = id_of(lock).filter(|id| is_a_chat(lock, id)) else { continue };
        let names = |process: &Running| process.started.arguments.iter().any(|argument| argument == id);
        let holder = holding.iter().copied().find(|process| names(process)).or(only);
        found.extend(holder.and_then(|process| Some((lock.clone(), registration(id, process.pid)?))));
    }
    found
}

#[cfg(not(target_os = "linux"))]
fn unheld(mut locks: Vec<PathBuf>, _running: &[&Running]) -> Vec<PathBuf> {
    locks.retain(|lock| !is_held(lock));
    locks
}

/// Whether there is a rollout of its own: not of a sub-agent.
#[cfg(not(target_os = "linux"))]
fn is_a_chat(lock: &Path, id: &str) -> bool {
    let home = lock.parent().and_then(Path::parent);
    let rollouts = home.map(|home| rollouts(home, &mut Vec::new())).unwrap_or_default();
    rollouts.iter().any(|path| named_in(path) == Some(id) && whose(path) == Whose::OwnChat)
}

#[cfg(not(target_os = "linux"))]
fn is_held(lock: &Path) -> bool {
    let held = fs::File::open(lock).map(|file| file.try_lock_shared());
    matches!(held, Ok(Err(fs::TryLockError::WouldBlock)))
}

fn registration(session_id: &str, pid: u32) -> Option<Registration> {
    let start = processes::start_mark(pid)?;
    let process = shim_core::chats::ProcessKey { pid, start };
    Some(Registration {
        started_at: processes::started_at(pid),
        ..Registration::new(Client::Codex, process, session_id)
    })
}

fn has_background_server(version: Option<&str>) -> bool {
    let Some(version) = version else { return true };
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    parts.next().zip(parts.next()).is_none_or(|version| version >= BACKGROUND_SERVER_SINCE)
}

/// The flags that are given again, without settings that the restore gives itself.
fn kept<'a>(start: &Start<'a>) -> Vec<&'a str> {
    let mut flags = Vec::new();
    let mut given = start.flags.iter().map(String::as_str).peekable();
    while let Some(flag) = given.next() {
        let value = given.next_if(|_| FLAGS.with_value.contains(&flag));
        let key = value.and_then(|value| value.split_once('=')).map(|(key, _)| key.trim());
        let is_own = matches!(flag, "-c" | "--config") && key.is_some_and(|key| OWN_SETTINGS.contains(&key));
        let is_foreign = start.headless && TERMINAL_ONLY.contains(&flag);
        if !is_own && !is_foreign {
            flags.push(flag);
            flags.extend(value);
        }
    }
    flags
}

/// What the chat had last: left to itself, the client would take what its settings say by now, and that may be more.
fn settings(start: &Start<'_>) -> Vec<String> {
    let mut settings = Vec::new();
    let mut set = |key: &str, value: &str| settings.push(format!("{key}={}", quoted(value)));
    if let Some((approval, sandbox)) = start.permission_mode.and_then(codex::policies) {
        set("approval_policy", approval);
        set("sandbox_mode", sandbox);
    }
    start.provider.iter().for_each(|provider| set("model_provider", provider));
    if !start.headless {
        settings.extend(hook(start));
    }
    settings
}

/// A hook that tells the chat what was in flight, and the trust that the client asks for it. Both are of this start
/// alone: the user's own hooks, and which of them are trusted, stay as they are.
fn hook(start: &Start<'_>) -> [String; 2] {
    let (shim, context) = (start.shim.to_string_lossy(), start.context_path.to_string_lossy());
    let command = quoted(&terminal::shell_line(&[&shim, "hook", "context", &context]));
    // The client's own way of naming a hook: its parts in this order, without spaces.
    let identity = format!(
        r#"{{"event_name":"session_start","hooks":[{{"async":false,"command":{command},"timeout":{HOOK_SECONDS},"type":"command"}}],"matcher":"resume"}}"#
    );
    let key = quoted(OWN_HOOK_KEY);
    [
        format!(
            r#"hooks.SessionStart=[{{matcher="resume",hooks=[{{type="command",command={command},timeout={HOOK_SECONDS}}}]}}]"#
        ),
        format!(r#"hooks.state={{{key}={{trusted_hash="sha256:{}"}}}}"#, sha256(&identity)),
    ]
}

/// A text as TOML and JSON both write it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
#[path = "codex_tests.rs"]
mod tests;
