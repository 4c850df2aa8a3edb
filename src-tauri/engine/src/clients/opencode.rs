//! opencode: its database, what its processes work on, its command line. Facts were measured on version 1.18.33.
//! A chat's path is `<database>#<session>`. The database is only read, and written by the client alone.

mod binding;

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use notify::RecursiveMode;
use shim_core::{
    chats::{ChatId, Client},
    clients::Registration,
    crashes::Leave,
    restore::Then,
};
use shim_store::{OpencodeError, OpencodeSession, OpencodeStamp};

use super::{
    Change, Flags, GO_ON, Input, Look, Plan, Port, RowsPlace, Start, Transcript, USER_HOME, Variables,
    home_of,
};
use crate::paths::write_whole;

const DATABASE: &str = "opencode.db";
const WRITE_AHEAD_LOG: &str = "opencode.db-wal";
/// Sub-agents of sub-agents, at most; deeper ones are filed with the last.
const PARENTS_MAX: usize = 8;
/// Settings for one process, given as text.
const CONFIG_CONTENT: &str = "OPENCODE_CONFIG_CONTENT";

const FLAGS: Flags = Flags {
    with_value: &["--log-level", "--variant"],
    with_values: &[],
    // Model and agent are not among them: those that were in force last are given instead.
    switches: &["--auto", "--pure"],
};

const ENVIRONMENT_STORED: &[&str] = &[
    "OPENCODE_CONFIG",
    "OPENCODE_CONFIG_DIR",
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_MODELS_FETCH",
    "OPENCODE_DISABLE_PROJECT_CONFIG",
    "OPENCODE_PERMISSION",
    "OPENCODE_PURE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

pub struct Opencode;

impl Port for Opencode {
    fn client(&self) -> Client {
        Client::Opencode
    }

    fn program_name(&self) -> &'static str {
        "opencode"
    }

    fn usual_program(&self) -> Option<PathBuf> {
        std::env::home_dir().map(|home| home.join(".opencode").join("bin").join("opencode"))
    }

    fn home(&self, variables: Variables<'_>) -> Option<PathBuf> {
        let data = variables("XDG_DATA_HOME")
            .or_else(|| variables(USER_HOME).map(|home| home.join(".local").join("share")));
        data.map(|data| data.join("opencode"))
    }

    fn point_at_home(&self, environment: &mut Vec<(String, String)>, home: &Path) {
        let used = home_of(self, environment).and_then(|used| crate::paths::canonical(&used).ok());
        let data = home.parent().filter(|_| home.file_name() == Some(OsStr::new("opencode")));
        if let (false, Some(data)) = (used.as_deref() == Some(home), data) {
            environment.retain(|(known, _)| known != "XDG_DATA_HOME");
            environment.push(("XDG_DATA_HOME".to_owned(), data.to_string_lossy().into_owned()));
        }
    }

    /// The home's own folder is watched already, and the database lies in it.
    fn folders(&self, _home: &Path) -> Vec<(PathBuf, RecursiveMode)> {
        Vec::new()
    }

    fn change(&self, home: &Path, path: &Path) -> Change {
        let is_of_database = [DATABASE, WRITE_AHEAD_LOG].iter().any(|name| path == home.join(name));
        if is_of_database { Change::Rows } else { Change::Nothing }
    }

    fn transcripts(&self, home: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript> {
        let database = database(home);
        if !database.is_file() {
            return Vec::new();
        }
        match shim_store::Opencode::open(&database).and_then(|chats| chats.sessions()) {
            Ok(sessions) => {
                transcripts_in(&database, &sessions).into_iter().map(|(transcript, _)| transcript).collect()
            }
            Err(OpencodeError::Empty { .. }) => Vec::new(),
            Err(error) => {
                unreadable.push(error.to_string());
                Vec::new()
            }
        }
    }

    fn rows(&self, path: &Path) -> Option<RowsPlace> {
        let name = path.file_name()?.to_str()?;
        let (database, session_id) = name.split_once('#')?;
        Some(RowsPlace { database: path.with_file_name(database), session_id: session_id.to_owned() })
    }

    fn is_there(&self, path: &Path) -> bool {
        let Some(place) = self.rows(path).filter(|place| place.database.is_file()) else { return false };
        let stamp =
            shim_store::Opencode::open(&place.database).and_then(|chats| chats.stamp(&place.session_id));
        // What cannot be read now is not gone.
        !matches!(stamp, Ok(None))
    }

    fn home_of_transcript(&self, path: &Path) -> Option<PathBuf> {
        path.parent().map(Path::to_owned)
    }

    fn registrations(&self, home: &Path, look: &Look) -> io::Result<Vec<(PathBuf, Registration)>> {
        let database = database(home);
        let running = look.programs(self)?;
        let clients: Vec<_> =
            running.into_iter().filter(|running| binding::is_client_of(self, running, home)).collect();
        if clients.is_empty() || !database.is_file() {
            return Ok(Vec::new());
        }
        match shim_store::Opencode::open(&database).and_then(|chats| chats.sessions()) {
            Ok(sessions) => Ok(binding::registrations(home, &clients, &sessions)),
            Err(OpencodeError::Empty { .. }) => Ok(Vec::new()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn keeps_registry(&self) -> bool {
        false
    }

    fn last_words(&self, _mark: &Path, last: &Registration) -> (Registration, Leave) {
        (last.clone(), Leave::Unsaid)
    }

    fn tool_marks(&self, _session_id: &str, dead: &[u32]) -> Vec<String> {
        // No process has the number 0: it stands for one that was never seen.
        dead.iter().filter(|pid| **pid != 0).map(|pid| format!("OPENCODE_PID={pid}")).collect()
    }

    fn flags(&self) -> &'static Flags {
        &FLAGS
    }

    fn environment_stored(&self) -> &'static [&'static str] {
        ENVIRONMENT_STORED
    }

    fn belongs_to_one_process(&self, variable: &str) -> bool {
        matches!(
            variable,
            "AGENT" | "OPENCODE" | "OPENCODE_PID" | "OPENCODE_RUN_ID" | "OPENCODE_PROCESS_ROLE"
        )
    }

    fn cannot(&self, start: &Start<'_>, _fork: bool) -> Option<String> {
        (start.headless && start.then == Then::Idle).then(|| {
            "opencode cannot wait for its user without a terminal: restore it with --continue, or in a terminal"
                .to_owned()
        })
    }

    /// As a further file of instructions, named in settings that are given to this one process.
    fn write_context(&self, start: &Start<'_>) -> anyhow::Result<String> {
        write_whole(start.context_path, start.context.as_bytes())?;
        Ok("the chat is given a file of instructions, for this start alone, that says what was in flight"
            .to_owned())
    }

    fn plan(&self, start: &Start<'_>) -> Plan {
        let asks = start.then == Then::Continue;
        let told = instructions(start);
        // Where the user's own settings take no file of instructions, the message itself tells.
        let message = if told.is_some() { GO_ON.to_owned() } else { start.spoken() };
        let mut words: Vec<&str> = Vec::new();
        if start.headless {
            words.push("run");
        } else if asks {
            // With a chat to go on with, only this form takes a prompt.
            words.push("--mini");
        }
        words.extend(["-s", start.session_id]);
        words.extend(start.model.into_iter().flat_map(|model| ["-m", model]));
        words.extend(start.permission_mode.into_iter().flat_map(|agent| ["--agent", agent]));
        let mut flags = start.flags.iter();
        while let Some(flag) = flags.next() {
            match flag.as_str() {
                // Known to a chat without a terminal alone.
                "--variant" if !start.headless => drop(flags.next()),
                _ => words.push(flag),
            }
        }
        if !start.headless && asks {
            words.extend(["--prompt", &message]);
        }
        let input =
            if start.headless && asks { Input::Once(message.as_bytes().to_vec()) } else { Input::Nothing };
        Plan {
            arguments: words.into_iter().map(str::to_owned).collect(),
            environment: told.into_iter().collect(),
            input,
        }
    }

    fn new_session_id(&self) -> String {
        let chance = uuid::Uuid::new_v4().simple().to_string();
        // The client counts a session's moment downwards, in 4096ths of a millisecond, in 48 bits.
        let moment = !(crate::run::now().ms().cast_unsigned() << 12) & 0xffff_ffff_ffff;
        format!("ses_{moment:012x}{}", chance.get(..14).unwrap_or_default())
    }

    fn fork_path(&self, original: &Path, _old: &str, new: &str) -> PathBuf {
        original.with_file_name(format!("{DATABASE}#{new}"))
    }

    fn id_fields(&self) -> &'static [&'static str] {
        &["id", "session_id"]
    }
}

pub fn database(home: &Path) -> PathBuf {
    home.join(DATABASE)
}

/// Sessions as transcripts. One that another session started is a sub-agent of the first in the line.
pub fn transcripts_in(database: &Path, sessions: &[OpencodeSession]) -> Vec<(Transcript, OpencodeStamp)> {
    let of = |session: &OpencodeSession| {
        let root = root_of(sessions, &session.id);
        let mut name = database.file_name().unwrap_or_default().to_os_string();
        name.push(format!("#{}", session.id));
        let sub_agent = if root == session.id { String::new() } else { session.id.clone() };
        Transcript {
            path: database.with_file_name(name),
            chat: ChatId::new(Client::Opencode, &root),
            sub_agent,
        }
    };
    let is_named =
        |session: &&OpencodeSession| !session.id.is_empty() && !session.id.contains(['#', '/', '\\']);
    sessions.iter().filter(is_named).map(|session| (of(session), session.stamp)).collect()
}

/// The chat that a session belongs to.
fn root_of(sessions: &[OpencodeSession], id: &str) -> String {
    let parent = |id: &str| sessions.iter().find(|session| session.id == id)?.parent_id.clone();
    let mut root = id.to_owned();
    for _ in 0..PARENTS_MAX {
        match parent(&root) {
            Some(above) => root = above,
            None => break,
        }
    }
    root
}

/// The user's own settings of this kind with the file of instructions added; left as they are where they make no sense.
fn instructions(start: &Start<'_>) -> Option<(String, String)> {
    let given = start.environment.iter().find(|(name, _)| name == CONFIG_CONTENT);
    let mut settings: serde_json::Value = match given {
        Some((_, text)) if !text.trim().is_empty() => serde_json::from_str(text).ok()?,
        _ => serde_json::json!({}),
    };
    let list = settings.as_object_mut()?.entry("instructions").or_insert_with(|| serde_json::json!([]));
    let list = list.as_array_mut()?;
    // The file of a restore before belonged to that start.
    list.retain(|file| {
        let folder = file.as_str().and_then(|file| Path::new(file).parent());
        folder.is_none() || folder != start.context_path.parent()
    });
    list.push(start.context_path.to_string_lossy().into());
    Some((CONFIG_CONTENT.to_owned(), settings.to_string()))
}

#[cfg(test)]
#[path = "opencode_tests.rs"]
mod tests;
