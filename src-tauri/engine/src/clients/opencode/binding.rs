//! Which process of opencode works on which session. The client keeps no registry: the line of its log that a process
//! wrote last names its run, and the run's lines name its sessions; before that, its command line does. Never a guess.

use std::path::{Path, PathBuf};

use shim_core::{
    chats::{Client, ProcessKey},
    clients::Registration,
};
use shim_store::OpencodeSession;

use super::{Opencode, root_of};
use crate::{
    clients::home_of,
    processes::{self, Running},
};

/// Bytes of the log before a process's last line in which its session is looked for.
#[cfg(target_os = "linux")]
const LOG_BYTES_MAX: u64 = 512 * 1024;
/// Verbs of the command line that hold no chat of their own.
const OTHER_VERBS: &[&str] = &[
    "agent",
    "attach",
    "auth",
    "completion",
    "db",
    "debug",
    "export",
    "github",
    "import",
    "mcp",
    "models",
    "plugin",
    "plug",
    "pr",
    "providers",
    "session",
    "stats",
    "uninstall",
    "upgrade",
];
/// Verbs that serve many chats at once: which of them a process works on is told by its log alone.
const SERVERS: &[&str] = &["acp", "serve", "web"];
/// Flags that are followed by a value.
const VALUED: &[&str] = &[
    "--agent",
    "--command",
    "--cors",
    "--dir",
    "--file",
    "--format",
    "--hostname",
    "--log-level",
    "--mdns-domain",
    "--model",
    "--password",
    "--port",
    "--prompt",
    "--replay-limit",
    "--session",
    "--title",
    "--username",
    "--variant",
    "-f",
    "-m",
    "-p",
    "-s",
    "-u",
];

/// Whether a process is the program itself, working on the chats of this home.
pub fn is_client_of(port: &Opencode, running: &Running, home: &Path) -> bool {
    let file = running.started.program.as_deref().and_then(Path::file_name).unwrap_or_default();
    let file = file.to_string_lossy();
    // A program that was replaced while it ran is marked so.
    let name = file.trim_end_matches(" (deleted)").trim_end_matches(".exe");
    let used = home_of(port, &running.started.environment);
    name == "opencode"
        && used.is_some_and(|used| crate::paths::canonical(&used).is_ok_and(|used| used == home))
        && names_no_other_database(running, home)
        && !OTHER_VERBS.contains(&command_line(running).verb.as_str())
}

/// By its environment a process may keep its chats elsewhere than in its home's own database.
fn names_no_other_database(running: &Running, home: &Path) -> bool {
    let named = running.started.environment.iter().find(|(name, _)| name == "OPENCODE_DB");
    named.is_none_or(|(_, file)| file.is_empty() || home.join(file) == super::database(home))
}

pub fn registrations(
    home: &Path,
    clients: &[&Running],
    sessions: &[OpencodeSession],
) -> Vec<(PathBuf, Registration)> {
    clients
        .iter()
        .filter_map(|running| {
            let started_at = processes::started_at(running.pid);
            let session_id = session_of(home, running, sessions)?;
            let session = sessions.iter().find(|session| session.id == session_id)?;
            let start = processes::start_mark(running.pid)?;
            // No such file: it only tells the processes of a home apart.
            let mark = home.join(format!("process-{}", running.pid));
            let process = ProcessKey { pid: running.pid, start };
            let registration = Registration {
                cwd: Some(session.directory.clone()),
                started_at,
                ..Registration::new(Client::Opencode, process, &session.id)
            };
            Some((mark, registration))
        })
        .collect()
}

fn session_of(home: &Path, running: &Running, sessions: &[OpencodeSession]) -> Option<String> {
    let line = command_line(running);
    let logged = logged_session(home, running.pid).filter(|id| sessions.iter().any(|known| known.id == *id));
    let named = line.session.filter(|_| !line.forks && !SERVERS.contains(&line.verb.as_str()));
    logged.map(|id| root_of(sessions, &id)).or(named)
}

/// What of a command line tells its chat.
#[derive(Debug, Default, PartialEq, Eq)]
struct CommandLine {
    verb: String,
    session: Option<String>,
    forks: bool,
}

fn command_line(running: &Running) -> CommandLine {
    let words = running.started.arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    read_command_line(words)
}

fn read_command_line(mut words: impl Iterator<Item = String>) -> CommandLine {
    let mut line = CommandLine::default();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.clone(), None),
        };
        if word == "--" {
            break;
        } else if name == "-s" || name == "--session" {
            line.session = value.or_else(|| words.next());
        } else if name == "--fork" {
            line.forks = value.as_deref() != Some("false");
        } else if VALUED.contains(&name.as_str()) {
            if value.is_none() {
                words.next();
            }
        } else if !name.starts_with('-') && line.verb.is_empty() {
            line.verb = word;
        }
    }
    line
}

/// The session that a process turned to last, by the log: the place up to which it wrote is exactly behind its own
/// last line, whoever else writes there.
#[cfg(target_os = "linux")]
fn logged_session(home: &Path, pid: u32) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};

    let log = home.join("log").join("opencode.log");
    let written = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten().filter_map(|entry| {
        let open = std::fs::read_link(entry.path()).ok().filter(|open| *open == log)?;
        drop(open);
        let info =
            std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_str()?)).ok()?;
        info.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse::<u64>().ok()
    });
    let upto = written.max().filter(|upto| *upto > 0)?;
    let from = upto.saturating_sub(LOG_BYTES_MAX);
    let mut file = crate::paths::open_regular(&log).ok()?;
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(upto - from).read_to_end(&mut bytes).ok()?;
    session_in_log(&String::from_utf8_lossy(&bytes))
}

/// Elsewhere the system does not tell where a process writes.
#[cfg(not(target_os = "linux"))]
fn logged_session(_home: &Path, _pid: u32) -> Option<String> {
    None
}

/// The last session that the run of the last line turned to or made.
#[cfg(any(target_os = "linux", test))]
fn session_in_log(log: &str) -> Option<String> {
    let run = log.lines().next_back()?.split_whitespace().find(|word| word.starts_with("run="))?;
    let own = log.lines().rev().filter(|line| line.split_whitespace().any(|word| word == run));
    own.filter_map(|line| {
        let value = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
        match value("message=")? {
            "loop" => value("session.id="),
            // A sub-agent's session is made in the course of another's turn.
            "created" if value("parentID=") == Some("undefined") => value("id="),
            _ => None,
        }
    })
    .next()
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, read_command_line, session_in_log};

    #[test]
    fn a_command_line_names_its_session() {
        for (line, verb, session, forks) in [
            ("run -s ses_1 --format json", "run", Some("ses_1"), false),
            ("-s ses_1 --prompt go", "", Some("ses_1"), false),
            ("--session=ses_1 --fork", "", Some("ses_1"), true),
            ("run -m a/b hello -s", "run", None, false),
            ("/some/project", "/some/project", None, false),
            ("run -- -s ses_1", "run", None, false),
            ("--port 0 serve", "serve", None, false),
        ] {
            let read = read_command_line(line.split(' ').map(str::to_owned));
            let session = session.map(str::to_owned);
            assert_eq!(read, CommandLine { verb: verb.to_owned(), session, forks }, "{line}");
        }
    }

    #[test]
    fn a_log_names_the_session_of_the_run_that_wrote_its_last_line() {
        let log = "timestamp=1 level=INFO run=aa message=created id=ses_1 slug=x parentID=undefined title=\"New\"\n\
            timestamp=2 level=INFO run=bb message=loop session.id=ses_9 step=0\n\
            timestamp=3 level=INFO run=aa message=created id=ses_3 slug=x parentID=ses_1\n";
        assert_eq!(session_in_log(log).as_deref(), Some("ses_1"));
        let more = format!(
            "{log}timestamp=4 run=aa message=loop session.id=ses_2 step=0\ntimestamp=5 run=bb message=init\n"
        );
        assert_eq!(session_in_log(&more).as_deref(), Some("ses_9"));
        assert_eq!(session_in_log("timestamp=5 run=cc message=init\n"), None);
        assert_eq!(session_in_log(""), None);
    }
}
