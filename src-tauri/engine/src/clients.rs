//! The client port: all that the engine must know of a client, answered by one file per client. A port finds
//! and describes; it starts nothing, ends nothing, and decides nothing.

mod claude_code;
pub mod claude_desktop;
mod codex;
mod gemini;
pub mod opencode;

use std::{
    cell::OnceCell,
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use notify::RecursiveMode;
use serde::{Deserialize, Serialize};
use shim_core::{
    chats::{ChatId, Client},
    clients::Registration,
    crashes::{Leave, ToolCall},
    digest::Digest,
    restore::{Orphan, Then},
    settings::Settings,
    time::Timestamp,
};
use shim_store::Launch;

use crate::{
    paths::canonical,
    processes::{self, Running, Started, Whose},
};

/// What asks a chat to go on with a turn that was cut.
pub const GO_ON: &str = "Continue from where you left off.";

/// A folder in which a client keeps its chats.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientHome {
    pub client: Client,
    pub folder: PathBuf,
}

impl ClientHome {
    pub fn port(&self) -> &'static dyn Port {
        port(self.client)
    }
}

/// A transcript on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transcript {
    pub path: PathBuf,
    pub chat: ChatId,
    /// Empty for the chat's own.
    pub sub_agent: String,
}

/// A chat in a client's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsPlace {
    pub database: PathBuf,
    pub session_id: String,
}

/// What it means that a path below a home changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This transcript came or grew.
    Transcript(Transcript),
    /// Rows of the database that holds the home's chats changed.
    Rows,
    /// Another process may hold a chat.
    Processes,
    /// Nothing that SHIM reads.
    Nothing,
}

/// The value of an environment variable, of SHIM's own process or of another.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<PathBuf>;

/// A start that is to be described.
pub struct Start<'a> {
    /// The client's own id of the chat that goes on.
    pub session_id: &'a str,
    pub then: Then,
    pub headless: bool,
    /// Something was in flight when the chat died.
    pub cut: bool,
    /// A tool call was cut, or left something running: it must not be repeated.
    pub tool_in_doubt: bool,
    pub model: Option<&'a str>,
    /// Who serves the model, where the client has several.
    pub provider: Option<&'a str>,
    /// The client's version that wrote the chat last.
    pub version: Option<&'a str>,
    pub permission_mode: Option<&'a str>,
    /// Flags that are given again.
    pub flags: &'a [String],
    pub cwd: &'a Path,
    /// What the chat is to be told: that it was restored, and what was in flight.
    pub context: &'a str,
    /// A file for that text. It belongs to this start alone, and the one that reads it removes it.
    pub context_path: &'a Path,
    /// A file for settings of this start alone.
    pub settings_path: &'a Path,
    /// SHIM's own program.
    pub shim: &'a Path,
    /// What the new process gets beside what the plan adds.
    pub environment: &'a [(String, String)],
}

impl Start<'_> {
    /// The context and the request to go on as one message, for clients that have no other ear.
    pub fn spoken(&self) -> String {
        format!("{}\n\n{GO_ON}", self.context)
    }
}

/// How a client is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub arguments: Vec<String>,
    /// Added to the environment.
    pub environment: Vec<(String, String)>,
    /// What a worker reads. In a terminal the person at it is the input.
    pub input: Input,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    #[default]
    Nothing,
    /// These bytes, then the end.
    Once(Vec<u8>),
    /// These bytes, and it stays open: the worker waits for more.
    Kept(Vec<u8>),
}

/// Text that is added to a client's file right before the client is started, when nobody can write to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    pub path: PathBuf,
    pub text: String,
}

/// Flags of a client's command line that are given again at a restart.
pub struct Flags {
    pub with_value: &'static [&'static str],
    /// Those of `with_value` that take several values.
    pub with_values: &'static [&'static str],
    pub switches: &'static [&'static str],
}

pub trait Port: Sync {
    fn client(&self) -> Client;

    /// How the names of its program's files begin.
    fn program_name(&self) -> &'static str;

    /// The program to start again, of a process that was running.
    fn program_of(&self, started: &Started) -> Option<PathBuf> {
        started.program.clone()
    }

    /// Where installers put the program beside the search path.
    fn usual_program(&self) -> Option<PathBuf> {
        None
    }

    /// The folder that a process with these variables keeps its chats in.
    fn home(&self, variables: Variables<'_>) -> Option<PathBuf>;

    /// Homes that this one holds, of this client or another.
    fn further_homes(&self, _home: &Path) -> Vec<ClientHome> {
        Vec::new()
    }

    /// Changes an environment so that a client started with it uses `home`, where it does not already.
    fn point_at_home(&self, environment: &mut Vec<(String, String)>, home: &Path);

    /// Folders below a home in which changes are to be told.
    fn folders(&self, home: &Path) -> Vec<(PathBuf, RecursiveMode)>;

    /// What the change of a path below a home means.
    fn change(&self, home: &Path, path: &Path) -> Change;

    /// Every transcript of a home. What cannot be read is told in `unreadable`.
    fn transcripts(&self, home: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript>;

    /// Where the rows of a transcript stand that is no file: its path then names a database and a chat in it.
    fn rows(&self, _path: &Path) -> Option<RowsPlace> {
        None
    }

    /// Whether what a transcript's path names is there.
    fn is_there(&self, path: &Path) -> bool {
        path.exists()
    }

    /// The home that a transcript lies in.
    fn home_of_transcript(&self, path: &Path) -> Option<PathBuf>;

    /// Which processes hold which chats, each with the file that says so: a registry file, a lock, the
    /// transcript itself.
    fn registrations(&self, home: &Path, look: &Look) -> io::Result<Vec<(PathBuf, Registration)>>;

    /// Whether the client itself keeps a registry with the chat's status, that outlives its processes. Where
    /// it does not, `registrations` tells of live processes only, and the transcript tells the status.
    fn keeps_registry(&self) -> bool;

    /// Whether the client itself lets only one process write a chat.
    fn locks_its_chats(&self) -> bool {
        false
    }

    /// Marks that no process of the client holds, each with its chat's id: they stay behind when one is killed.
    fn left_marks(&self, _home: &Path, _look: &Look) -> io::Result<Vec<(PathBuf, String)>> {
        Ok(Vec::new())
    }

    /// Whether the client's user may be asked something of which nothing can be seen from outside, its chat standing so:
    /// a permission for a call, where no registry tells of it.
    fn may_ask_unseen(&self, digest: &Digest) -> bool {
        !self.keeps_registry() && !digest.in_flight().is_empty()
    }

    /// Whether a process that was found to hold a chat is still what it was then. What a client is about to start
    /// holds what the client holds, until it has become another program.
    fn still_holds(&self, _mark: &Path, _pid: u32) -> bool {
        true
    }

    /// What a process that is gone said last, read again where it can be, and whether its mark is still there.
    fn last_words(&self, mark: &Path, last: &Registration) -> (Registration, Leave);

    /// `NAME=value` entries of the environment, any of which marks a process as started by a tool call of
    /// this chat. `dead` are the pids of processes that held the chat.
    fn tool_marks(&self, session_id: &str, dead: &[u32]) -> Vec<String>;

    /// Whether those marks name the chat. Where they name the client alone, a process counts as the chat's that has
    /// the same user and directory and no living client above it.
    fn tool_marks_name_the_chat(&self) -> bool {
        true
    }

    /// The call that a process left behind was started for, where the transcript does not have it and the process
    /// itself shows that the call was not finished.
    fn unfinished_call(&self, _orphan: &Orphan) -> Option<ToolCall> {
        None
    }

    fn flags(&self) -> &'static Flags;

    /// The mode that these flags ask for, where the transcript does not say which is in force.
    fn permission_mode(&self, _flags: &[String]) -> Option<String> {
        None
    }

    /// Settings in the environment that are stored with a chat. None of them may be a key or a token.
    fn environment_stored(&self) -> &'static [&'static str];

    /// Whether a variable belonged to the dead process alone.
    fn belongs_to_one_process(&self, variable: &str) -> bool;

    /// Why this start is not to be had of this client, and what to do.
    fn cannot(&self, start: &Start<'_>, fork: bool) -> Option<String>;

    /// Whether a chat can be begun again from an earlier point of it, as a chat of its own.
    fn can_fork(&self) -> bool {
        true
    }

    /// Leaves the context where the start will find it. Says how the chat is told.
    fn write_context(&self, start: &Start<'_>) -> anyhow::Result<String>;

    fn plan(&self, start: &Start<'_>) -> Plan;

    /// What is added to the chat's file when this start is carried out.
    fn added(&self, _start: &Start<'_>, _transcript: &Path) -> Option<Append> {
        None
    }

    /// An id for a fork, as long as the client's own.
    fn new_session_id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// Where the transcript of a fork is written.
    fn fork_path(&self, original: &Path, old: &str, new: &str) -> PathBuf {
        let name = original.file_name().unwrap_or_default().to_string_lossy().replace(old, new);
        original.with_file_name(name)
    }

    /// Fields of its records whose value is the chat's id.
    fn id_fields(&self) -> &'static [&'static str];
}

pub fn port(client: Client) -> &'static dyn Port {
    match client {
        Client::ClaudeCode => &claude_code::ClaudeCode,
        Client::Codex => &codex::Codex,
        Client::Gemini => &gemini::Gemini,
        Client::Opencode => &opencode::Opencode,
        Client::ClaudeDesktop => &claude_desktop::ClaudeDesktop,
    }
}

pub fn ports() -> [&'static dyn Port; Client::ALL.len()] {
    Client::ALL.map(port)
}

/// A look at the machine's processes, taken when it is first asked for, however many ask.
#[derive(Default)]
pub struct Look {
    programs: OnceCell<Option<Vec<Running>>>,
}

impl Look {
    /// The processes of a client's program, with how they were started.
    pub fn programs(&self, port: &dyn Port) -> io::Result<Vec<&Running>> {
        Ok(self.all()?.iter().filter(|running| running.is_of(port.program_name())).collect())
    }

    /// The processes of all clients' programs.
    pub fn all(&self) -> io::Result<&[Running]> {
        let names = ports().map(Port::program_name);
        let programs = self.programs.get_or_init(|| processes::running_programs(&names));
        let programs = programs
            .as_ref()
            .ok_or_else(|| io::Error::other("the system does not say which processes run"))?;
        Ok(programs)
    }
}

/// What tool calls of a chat left running; `None` where the system does not tell. `dead` are the pids of processes
/// that held the chat, `others` those of clients that hold other chats. Where nothing names the chat, only those count
/// that were started between its last word and its end.
pub fn tool_children(
    chat: &ChatId,
    launch: &Launch,
    cwd: Option<&str>,
    dead: &[u32],
    others: &[u32],
    between: (Option<Timestamp>, Option<Timestamp>),
) -> Option<Vec<Orphan>> {
    let port = port(chat.client());
    let marks = port.tool_marks(chat.session_id(), dead);
    if port.tool_marks_name_the_chat() {
        return processes::tool_children(&marks, others, None);
    }
    let user = launch.environment.iter().find(|(name, _)| name == USER_HOME);
    let Some(((name, home), cwd)) = user.zip(cwd) else { return Some(Vec::new()) };
    let whose = Whose {
        user: OsString::from(format!("{name}={home}")),
        cwd: PathBuf::from(cwd),
        program: port.program_name(),
        between,
    };
    processes::tool_children(&marks, others, Some(&whose))
}

/// The folders the client itself would use, the ones named in the settings, and those of running clients.
pub fn homes(settings: &Settings, remembered: Vec<ClientHome>, look: Option<&Look>) -> BTreeSet<ClientHome> {
    let mut homes = remembered;
    for port in ports() {
        let of = |folder: PathBuf| ClientHome { client: port.client(), folder };
        homes.extend(own_home(port).map(of));
        homes.extend(settings.of(port.client()).homes.iter().cloned().map(of));
        if let Some(look) = look.filter(|_| settings.watch_discover) {
            let running = look.programs(port).unwrap_or_default();
            homes.extend(
                running.iter().filter_map(|running| home_of(port, &running.started.environment)).map(of),
            );
        }
    }
    let inner: Vec<_> = homes.iter().flat_map(|home| home.port().further_homes(&home.folder)).collect();
    homes.extend(inner);
    let real = homes
        .into_iter()
        .filter_map(|home| Some(ClientHome { client: home.client, folder: canonical(&home.folder).ok()? }));
    real.filter(|home| is_within(settings, &home.folder)).collect()
}

/// Folders in which a home that is not there yet would appear: before the first chat is ever started.
pub fn awaited(settings: &Settings) -> BTreeSet<PathBuf> {
    let homes = ports()
        .into_iter()
        .flat_map(|port| own_home(port).into_iter().chain(settings.of(port.client()).homes.iter().cloned()));
    let missing = homes.filter(|home| !home.exists());
    let parents = missing.filter_map(|home| canonical(home.parent()?).ok());
    parents.filter(|parent| is_within(settings, parent)).collect()
}

fn is_within(settings: &Settings, home: &Path) -> bool {
    let below = |folder: &PathBuf| home.starts_with(canonical(folder).as_deref().unwrap_or(folder));
    settings.watch_within.is_empty() || settings.watch_within.iter().any(below)
}

/// The folder that a client started by this user uses.
pub fn own_home(port: &dyn Port) -> Option<PathBuf> {
    port.home(&own_variable)
}

/// What a variable says in SHIM's own environment.
pub fn own_variable(name: &str) -> Option<PathBuf> {
    let value = match name {
        USER_HOME => std::env::home_dir(),
        _ => std::env::var_os(name).map(PathBuf::from),
    };
    value.filter(|value| !value.as_os_str().is_empty())
}

/// The folder that a client with this environment uses.
pub fn home_of<T: AsRef<OsStr>>(port: &dyn Port, environment: &[(T, T)]) -> Option<PathBuf> {
    port.home(&|name| {
        let found = environment.iter().find(|(key, _)| key.as_ref() == OsStr::new(name));
        found.map(|(_, value)| PathBuf::from(value.as_ref())).filter(|value| !value.as_os_str().is_empty())
    })
}

/// The variable that names a user's own folder.
pub const USER_HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// The program to start: as set, as it was, or as found.
pub fn program(settings: &Settings, client: Client, before: Option<&Path>) -> Option<PathBuf> {
    let (set, port) = (&settings.of(client).command, port(client));
    if !set.is_empty() {
        return which::which(set).ok();
    }
    if let Some(before) = before.filter(|program| program.is_file()) {
        return Some(before.to_owned());
    }
    let usual = || port.usual_program().filter(|program| program.is_file());
    which::which(port.program_name()).ok().or_else(usual)
}

/// The entries of a folder; none where it is not there.
pub fn entries(folder: &Path, unreadable: &mut Vec<String>) -> Vec<fs::DirEntry> {
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
pub fn folders(folder: &Path, unreadable: &mut Vec<String>) -> Vec<PathBuf> {
    let entries = entries(folder, unreadable);
    let real = entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    real.map(fs::DirEntry::path).collect()
}
