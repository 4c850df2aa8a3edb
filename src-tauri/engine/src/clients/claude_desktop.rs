//! Claude Desktop: its data folders, its processes, its log, its index of sessions. The app is the one thing
//! of it that SHIM restores: its chats lie on a server, and the sessions of its Code tab and of Cowork are
//! chats of Claude Code.

use std::{
    ffi::OsStr,
    io::{self, Read},
    path::{Path, PathBuf},
};

use notify::RecursiveMode;
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    clients::{
        Registration,
        claude_desktop::{APP, IndexEntry, Role, read_index_entry, role_of},
    },
    crashes::Leave,
};

use super::{
    Change, ClientHome, Flags, Look, Plan, Port, Start, Transcript, USER_HOME, Variables, folders, home_of,
};
use crate::{
    paths::{canonical, open_regular},
    processes::{Running, start_mark},
};

/// Marks an entry of the app's index in the journal of the chat that it lists.
pub const INDEX: &str = "desktop-index";
/// Largest entry read, in bytes; real ones are said to have some hundred.
const ENTRY_BYTES_MAX: u64 = 256 * 1024;
/// Homes of Cowork sessions that are watched; the newest first.
const COWORK_HOMES_MAX: usize = 200;
/// The family name of the app's package, by which Windows starts it.
pub const PACKAGE_FAMILY: &str = "Claude_pzs8sxrjxfjjc";

const FLAGS: Flags = Flags { with_value: &[], with_values: &[], switches: &[] };

pub struct ClaudeDesktop;

impl Port for ClaudeDesktop {
    fn client(&self) -> Client {
        Client::ClaudeDesktop
    }

    fn program_name(&self) -> &'static str {
        if cfg!(target_os = "macos") { "Claude" } else { "claude-desktop" }
    }

    fn usual_program(&self) -> Option<PathBuf> {
        if cfg!(target_os = "macos") {
            return Some(PathBuf::from("/Applications/Claude.app/Contents/MacOS/Claude"));
        }
        if cfg!(windows) {
            let old = std::env::var_os("LOCALAPPDATA").map(PathBuf::from);
            return old.map(|local| local.join("AnthropicClaude").join("claude.exe"));
        }
        Some(PathBuf::from("/usr/lib/claude-desktop/claude-desktop"))
    }

    fn home(&self, variables: Variables<'_>) -> Option<PathBuf> {
        data_folders(variables).into_iter().next()
    }

    fn further_homes(&self, home: &Path) -> Vec<ClientHome> {
        let mut found = Vec::new();
        let sessions = home.join("local-agent-mode-sessions");
        for user in folders(&sessions, &mut Vec::new()).iter().flat_map(|org| folders(org, &mut Vec::new())) {
            let own = folders(&user, &mut Vec::new()).into_iter().map(|session| session.join(".claude"));
            found.extend(own.filter(|folder| folder.is_dir()));
        }
        found.sort_by_key(|folder| std::cmp::Reverse(crate::paths::modified(folder)));
        found.truncate(COWORK_HOMES_MAX);
        found.into_iter().map(|folder| ClientHome { client: Client::ClaudeCode, folder }).collect()
    }

    fn point_at_home(&self, _environment: &mut Vec<(String, String)>, _home: &Path) {}

    fn folders(&self, home: &Path) -> Vec<(PathBuf, RecursiveMode)> {
        let logs = log_files(home).into_iter().filter_map(|log| log.parent().map(Path::to_owned));
        logs.map(|folder| (folder, RecursiveMode::NonRecursive)).collect()
    }

    /// Its log is heard before a home is asked.
    fn change(&self, _home: &Path, _path: &Path) -> Change {
        Change::Nothing
    }

    /// The entries of its index, each kept with the chat that it lists.
    fn transcripts(&self, home: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript> {
        let files = index_files(home, unreadable).into_iter();
        let read = files.filter_map(|path| {
            let entry = index_entry(&path)?;
            let chat = ChatId::new(Client::ClaudeCode, &entry.cli_session_id);
            Some(Transcript { path, chat, sub_agent: INDEX.to_owned() })
        });
        read.collect()
    }

    fn home_of_transcript(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    fn registrations(&self, home: &Path, look: &Look) -> io::Result<Vec<(PathBuf, Registration)>> {
        let main = processes_of(home, look)?.into_iter().find(|(role, _)| *role == Role::Main);
        let registration = main.and_then(|(_, running)| {
            let process = ProcessKey { pid: running.pid, start: start_mark(running.pid)? };
            Some(Registration {
                name: Some(Client::ClaudeDesktop.title().to_owned()),
                ..Registration::new(Client::ClaudeDesktop, process, APP)
            })
        });
        Ok(registration.map(|registration| (home.join(APP), registration)).into_iter().collect())
    }

    fn keeps_registry(&self) -> bool {
        false
    }

    fn last_words(&self, _mark: &Path, last: &Registration) -> (Registration, Leave) {
        (last.clone(), Leave::Unsaid)
    }

    fn tool_marks(&self, _session_id: &str, _dead: &[u32]) -> Vec<String> {
        Vec::new()
    }

    fn flags(&self) -> &'static Flags {
        &FLAGS
    }

    fn environment_stored(&self) -> &'static [&'static str] {
        &["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"]
    }

    fn belongs_to_one_process(&self, _variable: &str) -> bool {
        false
    }

    fn cannot(&self, _start: &Start<'_>, _fork: bool) -> Option<String> {
        Some("the chats of Claude Desktop lie on a server: restart the app instead".to_owned())
    }

    fn can_fork(&self) -> bool {
        false
    }

    fn write_context(&self, _start: &Start<'_>) -> anyhow::Result<String> {
        anyhow::bail!("the app takes no context")
    }

    fn plan(&self, _start: &Start<'_>) -> Plan {
        Plan::default()
    }

    fn id_fields(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Where the app's data may lie, in every layout it was ever delivered in; the one it uses first.
pub fn data_folders(variables: Variables<'_>) -> Vec<PathBuf> {
    if cfg!(windows) {
        let packaged = variables("LOCALAPPDATA").map(|local| packaged_data(&local)).unwrap_or_default();
        let installed = variables("APPDATA").map(|roaming| roaming.join("Claude"));
        return packaged.into_iter().chain(installed).collect();
    }
    let user = variables(USER_HOME);
    let parent = if cfg!(target_os = "macos") {
        user.map(|user| user.join("Library").join("Application Support"))
    } else {
        variables("XDG_CONFIG_HOME").or_else(|| user.map(|user| user.join(".config")))
    };
    parent.map(|parent| parent.join("Claude")).into_iter().collect()
}

/// The data folders of the packaged app. The hash in its name is the publisher's and not relied on.
fn packaged_data(local: &Path) -> Vec<PathBuf> {
    let packages = folders(&local.join("Packages"), &mut Vec::new()).into_iter();
    let own = packages.filter(|package| {
        package.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Claude_"))
    });
    own.map(|package| package.join("LocalCache").join("Roaming").join("Claude"))
        .filter(|data| data.is_dir())
        .collect()
}

/// Where the app's log may lie; versions differ.
pub fn log_files(home: &Path) -> Vec<PathBuf> {
    let mut logs = vec![home.join("logs").join("main.log")];
    if cfg!(windows) {
        let local = std::env::var_os("LOCALAPPDATA").map(PathBuf::from);
        logs.extend(local.map(|local| local.join("Claude").join("Logs").join("main.log")));
    }
    if cfg!(target_os = "macos") {
        // `~/Library/Application Support/Claude` has `~/Library/Logs/Claude` for its logs.
        let library = home.ancestors().nth(2);
        logs.extend(library.map(|library| library.join("Logs").join("Claude").join("main.log")));
    }
    logs
}

/// The folders whose entries are the app's index.
pub fn index_folders(home: &Path) -> [PathBuf; 2] {
    [home.join("claude-code-sessions"), home.join("local-agent-mode-sessions")]
}

fn index_files(home: &Path, unreadable: &mut Vec<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for outer in index_folders(home).iter().flat_map(|folder| folders(folder, unreadable)).collect::<Vec<_>>()
    {
        for inner in folders(&outer, unreadable) {
            let files = super::entries(&inner, unreadable).into_iter().map(|entry| entry.path());
            found.extend(files.filter(|path| is_index_file(path)));
        }
    }
    found
}

fn is_index_file(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("json"))
        && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("local_"))
}

/// The entry at `path`; `None` when it is none, is gone, or is just being written.
pub fn index_entry(path: &Path) -> Option<IndexEntry> {
    let mut bytes = Vec::new();
    open_regular(path).ok()?.take(ENTRY_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    read_index_entry(&bytes)
}

/// The processes of the app that use this data folder; empty when it is proved closed.
pub fn pids_of(home: &Path) -> io::Result<Vec<u32>> {
    let look = Look::default();
    Ok(processes_of(home, &look)?.iter().map(|(_, running)| running.pid).collect())
}

/// The app's processes that use this data folder; all of them where the system does not tell.
pub fn processes_of<'a>(home: &Path, look: &'a Look) -> io::Result<Vec<(Role, &'a Running)>> {
    let found = look.all()?.iter().filter_map(|running| {
        let image = running.started.program.as_deref()?.to_string_lossy().into_owned();
        let words: Vec<_> =
            running.started.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let role = role_of(&image, &words)?;
        let used =
            home_of(&ClaudeDesktop, &running.started.environment).and_then(|used| canonical(&used).ok());
        used.is_none_or(|used| used == home).then_some((role, running))
    });
    Ok(found.collect())
}
