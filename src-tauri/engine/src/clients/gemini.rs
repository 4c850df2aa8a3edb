//! Gemini CLI: its folders, its chat files, its processes, its command line. It keeps no registry and no lock, and
//! a chat's file is closed between writes.

mod holding;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use notify::RecursiveMode;
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    clients::{
        Registration,
        gemini::{is_message, note, read_header},
    },
    crashes::{Leave, RegistryStatus, ToolCall},
    digest::Digest,
    restore::{Orphan, Then},
    time::Timestamp,
};

use self::holding::{Holding, Memory, Process, Session, holdings};
use super::{
    Append, Change, Flags, Look, Plan, Port, Start, Transcript, USER_HOME, Variables, entries, folders,
    home_of,
};
use crate::{
    paths::open_regular,
    processes::{Running, Started, start_mark},
    run::now,
};

const CHATS: &str = "chats";
/// What the command line of a shell holds that waits for a tool's command.
const WAITING_SHELL: &str = "_bgpids_file=";
/// Bytes read of a file to find its header and its first message: the client's own context stands between.
const HEAD_BYTES_MAX: u64 = 256 * 1024;
/// Bytes at a file's end among which the time of its newest record is looked for.
const TAIL_BYTES: u64 = 16 * 1024;
/// Files remembered as chats; beyond that all are read again.
const KNOWN_MAX: usize = 20_000;
/// Largest `.project_root` read: one path.
const ROOT_BYTES_MAX: u64 = 16 * 1024;
/// Words of a command line among which the script's name is looked for.
const SCRIPT_WORDS_MAX: usize = 6;

const FLAGS: Flags = Flags {
    // A mode of approval is what the user gave at the start: the client records none. So is the model: where none
    // was given the client chooses one for each request.
    with_value: &[
        "--admin-policy",
        "--allowed-mcp-server-names",
        "--allowed-tools",
        "--approval-mode",
        "--extensions",
        "--include-directories",
        "--model",
        "--policy",
        "-e",
        "-m",
    ],
    with_values: &[],
    switches: &["--sandbox", "--screen-reader", "--skip-trust", "--yolo", "-s", "-y"],
};

const ENVIRONMENT_STORED: &[&str] = &[
    "GEMINI_CLI_HOME",
    "GEMINI_CLI_SYSTEM_DEFAULTS_PATH",
    "GEMINI_CLI_SYSTEM_SETTINGS_PATH",
    "GEMINI_MODEL",
    "GEMINI_SANDBOX",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_GENAI_USE_VERTEXAI",
];

/// Which process was seen with which chat. Proved bindings only; lost with the engine, and found again or not.
static MEMORY: LazyLock<Mutex<Memory>> = LazyLock::new(Mutex::default);
/// Files that hold a message, with their chat: they are chats for ever.
static KNOWN: LazyLock<Mutex<HashMap<PathBuf, String>>> = LazyLock::new(Mutex::default);

pub struct Gemini;

impl Port for Gemini {
    fn client(&self) -> Client {
        Client::Gemini
    }

    fn program_name(&self) -> &'static str {
        "gemini"
    }

    /// The script, not the interpreter that runs it.
    fn program_of(&self, started: &Started) -> Option<PathBuf> {
        script(started).filter(|path| path.is_absolute())
    }

    fn home(&self, variables: Variables<'_>) -> Option<PathBuf> {
        let user = variables("GEMINI_CLI_HOME").or_else(|| variables(USER_HOME))?;
        Some(user.join(".gemini"))
    }

    fn point_at_home(&self, environment: &mut Vec<(String, String)>, home: &Path) {
        let used = home_of(self, environment).and_then(|used| crate::paths::canonical(&used).ok());
        let Some(user) = home.parent().filter(|_| used.as_deref() != Some(home)) else { return };
        environment.retain(|(known, _)| known != "GEMINI_CLI_HOME");
        environment.push(("GEMINI_CLI_HOME".to_owned(), user.to_string_lossy().into_owned()));
    }

    fn folders(&self, home: &Path) -> Vec<(PathBuf, RecursiveMode)> {
        vec![(home.join("tmp"), RecursiveMode::Recursive)]
    }

    fn change(&self, home: &Path, path: &Path) -> Change {
        let below = path.strip_prefix(home.join("tmp")).ok();
        let in_chats = below.is_some_and(|below| below.iter().nth(1) == Some(OsStr::new(CHATS)));
        match transcript_at(path).filter(|_| in_chats) {
            Some(transcript) => Change::Transcript(transcript),
            // A header without a message: a client began, or took another chat up.
            None if in_chats => Change::Processes,
            None => Change::Nothing,
        }
    }

    fn transcripts(&self, home: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript> {
        let mut found = Vec::new();
        for project in folders(&home.join("tmp"), unreadable) {
            for entry in entries(&project.join(CHATS), unreadable) {
                match entry.file_type() {
                    Ok(kind) if kind.is_file() => found.extend(transcript_at(&entry.path())),
                    Ok(kind) if kind.is_dir() => {
                        let agents = entries(&entry.path(), unreadable);
                        found.extend(agents.iter().filter_map(|agent| transcript_at(&agent.path())));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// `<home>/tmp/<project>/chats/<file>`.
    fn home_of_transcript(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().nth(4).map(Path::to_owned)
    }

    fn registrations(&self, home: &Path, look: &Look) -> io::Result<Vec<(PathBuf, Registration)>> {
        let mut by_project: BTreeMap<PathBuf, Vec<(&Running, Process)>> = BTreeMap::new();
        let running = look.programs(self)?;
        let ours = running.into_iter().filter(|running| is_client(running) && uses(running, home));
        for client in ours.filter_map(|running| Some((running, process(running)?))) {
            let cwd = client.0.started.cwd.as_deref();
            if let Some(project) = cwd.and_then(|cwd| project_of(home, cwd)) {
                by_project.entry(project).or_default().push(client);
            }
        }
        let found =
            by_project.into_iter().flat_map(|(project, clients)| registrations_in(&project, &clients));
        Ok(found.collect())
    }

    fn keeps_registry(&self) -> bool {
        false
    }

    fn last_words(&self, _mark: &Path, last: &Registration) -> (Registration, Leave) {
        (last.clone(), Leave::Unsaid)
    }

    /// A call is written down when it is over.
    fn may_ask_unseen(&self, _digest: &Digest) -> bool {
        true
    }

    fn tool_marks(&self, _session_id: &str, _dead: &[u32]) -> Vec<String> {
        vec!["GEMINI_CLI=1".to_owned()]
    }

    fn tool_marks_name_the_chat(&self) -> bool {
        false
    }

    /// The shell that waits for a command is of a call that has no result yet. What a finished call left in the
    /// background has no such shell.
    fn unfinished_call(&self, orphan: &Orphan) -> Option<ToolCall> {
        let (_, rest) = orphan.command.split_once(WAITING_SHELL)?;
        let command = rest.split_once("EXIT\n").map_or(rest, |(_, command)| command);
        let command = command.rsplit_once("\n)\n__code=").map_or(command, |(command, _)| command);
        Some(ToolCall {
            tool: "run_shell_command".to_owned(),
            input: serde_json::json!({ "command": command.trim() }),
        })
    }

    fn flags(&self) -> &'static Flags {
        &FLAGS
    }

    fn permission_mode(&self, flags: &[String]) -> Option<String> {
        if flags.iter().any(|flag| matches!(flag.as_str(), "-y" | "--yolo")) {
            return Some("yolo".to_owned());
        }
        let at = flags.iter().position(|flag| flag == "--approval-mode")?;
        flags.get(at + 1).cloned()
    }

    fn environment_stored(&self) -> &'static [&'static str] {
        ENVIRONMENT_STORED
    }

    fn belongs_to_one_process(&self, variable: &str) -> bool {
        matches!(
            variable,
            "GEMINI_CLI"
                | "GEMINI_CLI_NO_RELAUNCH"
                | "GEMINI_CLI_TRUST_WORKSPACE"
                | "GEMINI_SESSION_ID"
                // A client that finds it takes itself to be inside a sandbox, and makes none.
                | "SANDBOX"
        )
    }

    fn cannot(&self, start: &Start<'_>, _fork: bool) -> Option<String> {
        (start.headless && start.then == Then::Idle).then(|| {
            "Gemini CLI cannot wait for its user without a terminal: restore it in one, or let it go on at once \
             with --continue"
                .to_owned()
        })
    }

    fn write_context(&self, start: &Start<'_>) -> anyhow::Result<String> {
        Ok(match start.then {
            Then::Continue => "the message that asks the chat to go on says what was in flight",
            Then::Idle => {
                "a line that says what was in flight is added to the client's file when the client is started: it \
                 has no other ear without a message that it would answer"
            }
        }
        .to_owned())
    }

    fn plan(&self, start: &Start<'_>) -> Plan {
        let mut arguments = vec!["--resume".to_owned(), start.session_id.to_owned()];
        arguments.extend(start.flags.iter().cloned());
        match (start.headless, start.then) {
            (true, _) => {
                let format = ["--output-format", "stream-json", "--prompt"].map(str::to_owned);
                arguments.extend(format.into_iter().chain([start.spoken()]));
            }
            (false, Then::Continue) => arguments.extend(["--prompt-interactive".to_owned(), start.spoken()]),
            (false, Then::Idle) => {}
        }
        Plan { arguments, ..Plan::default() }
    }

    fn added(&self, start: &Start<'_>, transcript: &Path) -> Option<Append> {
        let id = uuid::Uuid::new_v4().to_string();
        (start.cut && start.then == Then::Idle && !start.headless)
            .then(|| Append { path: transcript.to_owned(), text: note(&id, now(), start.context) })
    }

    /// The name holds the beginning of the id.
    fn fork_path(&self, original: &Path, old: &str, new: &str) -> PathBuf {
        let (old, new) = (old.get(..8).unwrap_or(old), new.get(..8).unwrap_or(new));
        let name = original.file_name().unwrap_or_default().to_string_lossy().replace(old, new);
        original.with_file_name(name)
    }

    fn id_fields(&self) -> &'static [&'static str] {
        &["sessionId"]
    }
}

/// The script that an interpreter runs, or the program itself.
fn script(started: &Started) -> Option<PathBuf> {
    let words = started.arguments.iter().take(SCRIPT_WORDS_MAX).map(PathBuf::from);
    words.into_iter().find(|word| {
        let stem = word.file_stem().map(OsStr::to_string_lossy);
        let is_package = || word.components().any(|part| part.as_os_str() == "gemini-cli");
        stem.is_some_and(|stem| stem == "gemini" || (stem == "index" && is_package()))
    })
}

/// Whether this is the process that holds a chat. What the user started only waits for it: it starts the same
/// program again, marked as the one that does the work.
fn is_client(running: &Running) -> bool {
    let started = &running.started;
    let marked =
        started.environment.iter().any(|(name, _)| name == "GEMINI_CLI_NO_RELAUNCH" || name == "SANDBOX");
    let program = started.program.as_deref().and_then(Path::file_stem).map(OsStr::to_string_lossy);
    let runs_scripts = program.is_some_and(|stem| matches!(&*stem, "node" | "bun" | "gemini" | "nodejs"));
    marked && runs_scripts && script(started).is_some()
}

fn uses(running: &Running, home: &Path) -> bool {
    home_of(&Gemini, &running.started.environment)
        .and_then(|used| crate::paths::canonical(&used).ok())
        .as_deref()
        == Some(home)
}

fn process(running: &Running) -> Option<Process> {
    let words: Vec<_> = running.started.arguments.iter().map(|word| word.to_string_lossy()).collect();
    let is = |word: &str, names: &[&str]| names.contains(&word.split('=').next().unwrap_or(word));
    let value = |names: &[&str]| {
        let at = words.iter().position(|word| is(word, names))?;
        let word = words.get(at)?;
        match word.split_once('=') {
            Some((_, value)) => Some(value.to_owned()),
            None => words.get(at + 1).map(ToString::to_string),
        }
    };
    // `latest` and a number name a chat, too, but not to us.
    let named = value(&["--resume", "-r", "--session-id"]).filter(|id| uuid::Uuid::parse_str(id).is_ok());
    Some(Process {
        key: ProcessKey { pid: running.pid, start: start_mark(running.pid)? },
        since: running.since,
        named,
        interactive: !words.iter().any(|word| is(word, &["-p", "--prompt"])),
    })
}

/// The folder below `tmp` that belongs to a directory.
fn project_of(home: &Path, cwd: &Path) -> Option<PathBuf> {
    let projects = folders(&home.join("tmp"), &mut Vec::new());
    projects.into_iter().find(|project| root_of(project).is_some_and(|root| root == cwd))
}

/// The directory that a project's folder stands for.
fn root_of(project: &Path) -> Option<PathBuf> {
    let mut text = String::new();
    let file = open_regular(&project.join(".project_root")).ok()?;
    file.take(ROOT_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(PathBuf::from(text.trim_end_matches(['\r', '\n'])))
}

fn registrations_in(project: &Path, clients: &[(&Running, Process)]) -> Vec<(PathBuf, Registration)> {
    let mut sessions: BTreeMap<String, (Session, Option<PathBuf>)> = BTreeMap::new();
    for entry in entries(&project.join(CHATS), &mut Vec::new()) {
        let path = entry.path();
        let Some((id, began)) = header_of(&path) else { continue };
        let empty = Session { id: id.clone(), headers: Vec::new(), written: Timestamp::from_ms(0) };
        let (session, main) = sessions.entry(id).or_insert((empty, None));
        session.headers.extend(began);
        session.written = session.written.max(written(&path)).max(began.unwrap_or(session.written));
        if transcript_at(&path).is_some() {
            *main = Some(path);
        }
    }
    let all: Vec<_> = sessions.values().map(|(session, _)| session.clone()).collect();
    let processes: Vec<_> = clients.iter().map(|(_, process)| process.clone()).collect();
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let held = holdings(&processes, &all, &mut memory, now());
    let mains = sessions.into_iter().filter_map(|(id, (_, main))| Some((id, main?))).collect();
    held.into_iter().filter_map(|holding| registration(&holding, clients, &mains)).collect()
}

fn registration(
    holding: &Holding,
    clients: &[(&Running, Process)],
    mains: &BTreeMap<String, PathBuf>,
) -> Option<(PathBuf, Registration)> {
    let (running, process) = clients.get(holding.process)?;
    let main = mains.get(&holding.session)?;
    let is_in_a_tool = running.children.iter().any(|child| child.contains(WAITING_SHELL));
    let mark = main.join(format!("{}-{}", process.key.pid, process.key.start));
    let registration = Registration {
        cwd: running.started.cwd.as_deref().map(|cwd| cwd.to_string_lossy().into_owned()),
        status: if is_in_a_tool { RegistryStatus::Busy } else { RegistryStatus::Other(String::new()) },
        started_at: Some(process.since),
        // Whether it holds this chat or another cannot be judged from here.
        pid_domain: (!holding.sure).then(|| "one of several chats".to_owned()),
        ..Registration::new(Client::Gemini, process.key.clone(), &holding.session)
    };
    Some((mark, registration))
}

/// The chat of a file and when a client began or took it up, by its first line.
fn header_of(path: &Path) -> Option<(String, Option<Timestamp>)> {
    if path.extension() != Some(OsStr::new("jsonl")) {
        return None;
    }
    let mut line = Vec::new();
    let file = open_regular(path).ok()?;
    BufReader::new(file.take(HEAD_BYTES_MAX)).read_until(b'\n', &mut line).ok()?;
    let header = read_header(&line).filter(|header| !header.sub_agent)?;
    Some((header.session_id, header.started_at))
}

/// When the newest record of a file was written, by what it says of itself: a copy of a chat is no news of it.
fn written(path: &Path) -> Timestamp {
    let mut tail = Vec::new();
    let read = open_regular(path).and_then(|mut file: File| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        file.take(TAIL_BYTES).read_to_end(&mut tail)
    });
    let text = String::from_utf8_lossy(&tail);
    let times = ["\"lastUpdated\":\"", "\"timestamp\":\"", "\"startTime\":\""].iter().filter_map(|name| {
        let (_, rest) = text.rsplit_once(name)?;
        Timestamp::parse(rest.split_once('"')?.0)
    });
    times.max().filter(|_| read.is_ok()).unwrap_or(Timestamp::from_ms(0))
}

/// What a path says: `…/chats/session-<minute>-<id8>.jsonl` with a message in it, or
/// `…/chats/<session>/<agent>.jsonl`.
fn transcript_at(path: &Path) -> Option<Transcript> {
    if path.extension() != Some(OsStr::new("jsonl")) {
        return None;
    }
    let parent = path.parent()?;
    let of = |session: &str, sub_agent: &str| Transcript {
        path: path.to_owned(),
        chat: ChatId::new(Client::Gemini, session),
        sub_agent: sub_agent.to_owned(),
    };
    if parent.file_name() != Some(OsStr::new(CHATS)) {
        let below_chats = parent.parent()?.file_name() == Some(OsStr::new(CHATS));
        return below_chats.then(|| Some(of(parent.file_name()?.to_str()?, path.file_stem()?.to_str()?)))?;
    }
    let known = |files: &HashMap<PathBuf, String>| files.get(path).cloned();
    if let Some(session) = known(&KNOWN.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Some(of(&session, ""));
    }
    let mut lines = BufReader::new(open_regular(path).ok()?.take(HEAD_BYTES_MAX)).split(b'\n');
    let header = read_header(&lines.next()?.ok()?).filter(|header| !header.sub_agent)?;
    lines.map_while(Result::ok).find(|line| is_message(line))?;
    let mut files = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if files.len() >= KNOWN_MAX {
        files.clear();
    }
    files.insert(path.to_owned(), header.session_id.clone());
    Some(of(&header.session_id, ""))
}

#[cfg(test)]
mod tests {
    use shim_core::restore::Orphan;

    use super::*;

    fn header(session: &str) -> String {
        format!(
            "{{\"sessionId\":\"{session}\",\"projectHash\":\"h\",\"startTime\":\"2026-11-21T00:55:03.845Z\"}}\n"
        )
    }

    #[test]
    fn only_a_file_with_a_message_is_a_chat() {
        let folder = tempfile::tempdir().unwrap();
        let chats = folder.path().join("tmp/p/chats");
        std::fs::create_dir_all(&chats).unwrap();
        let context = "{\"$set\":{\"messages\":[],\"lastUpdated\":\"2026-11-21T00:56:00.000Z\"}}\n";
        let message = "{\"id\":\"u\",\"timestamp\":\"2026-11-21T00:57:00.000Z\",\"type\":\"user\",\"content\":\"hi\"}\n";
        for (name, text) in [
            ("session-1-aaaaaaaa.jsonl", header("a") + context + message),
            ("session-2-aaaaaaaa.jsonl", header("a") + context),
            ("session-3-bbbbbbbb.jsonl", header("b") + context),
            ("torn.jsonl", "{\"sess".to_owned()),
            ("other.txt", header("c") + message),
        ] {
            std::fs::write(chats.join(name), text).unwrap();
        }
        let main = chats.join("session-1-aaaaaaaa.jsonl");
        let found: Vec<_> = Gemini.transcripts(folder.path(), &mut Vec::new());
        let found: Vec<_> = found.iter().map(|found| (&found.path, found.chat.session_id())).collect();
        assert_eq!(found, [(&main, "a")]);
        assert_eq!(Timestamp::parse("2026-11-21T00:57:00.000Z"), Some(written(&main)));
        let stub = chats.join("session-2-aaaaaaaa.jsonl");
        assert_eq!(Gemini.change(folder.path(), &stub), Change::Processes);
        assert_eq!(Gemini.change(folder.path(), &folder.path().join("tmp/p/logs.json")), Change::Nothing);
        assert_eq!(Gemini.home_of_transcript(&main).as_deref(), Some(folder.path()));
        let fork = Gemini.fork_path(&main, "aaaaaaaa-1", "cccccccc-2");
        assert_eq!(fork, chats.join("session-1-cccccccc.jsonl"));
    }

    #[test]
    fn a_waiting_shell_tells_its_call() {
        let shell = "/usr/bin/bash -c shopt -u promptvars; _bgpids_file=/tmp/x/bgpids.tmp\n(\n  trap 'jobs -p > \"$_bgpids_file\"' EXIT\nsleep 9; ls\n)\n__code=$?\nexit $__code";
        let call = |command: &str| {
            let process = ProcessKey { pid: 1, start: "1".to_owned() };
            Gemini.unfinished_call(&Orphan { process, command: command.to_owned() })
        };
        assert_eq!(call(shell).unwrap().input, serde_json::json!({"command": "sleep 9; ls"}));
        assert_eq!(call("sleep 9"), None);
    }

    #[test]
    fn a_command_line_tells_client_and_chat() {
        let id = "386049c6-764a-45e7-b1b9-2cf9d257b7e7";
        let running = |program: &str, line: &str, marked: bool| Running {
            pid: std::process::id(),
            parent: None,
            children: Vec::new(),
            since: Timestamp::from_ms(0),
            started: Started {
                program: Some(PathBuf::from(program)),
                arguments: line.split(' ').map(Into::into).collect(),
                environment: if marked {
                    vec![("GEMINI_CLI_NO_RELAUNCH".into(), "true".into())]
                } else {
                    vec![]
                },
                cwd: None,
            },
        };
        let node = "/usr/bin/node";
        for (program, line, marked, is, named, interactive) in [
            (
                node,
                format!("node --max-old-space-size=9 /x/bin/gemini --resume {id}"),
                true,
                true,
                Some(id),
                true,
            ),
            (node, format!("node /x/bin/gemini -p hi --session-id={id}"), true, true, Some(id), false),
            (node, "node /x/gemini-cli/bundle/gemini.js --resume latest".to_owned(), true, true, None, true),
            (node, "node /x/bin/gemini".to_owned(), false, false, None, true),
            ("/bin/tail", "tail -f gemini.log".to_owned(), true, false, None, true),
            (node, "node server.js".to_owned(), true, false, None, true),
        ] {
            let running = running(program, &line, marked);
            assert_eq!(is_client(&running), is, "{line}");
            let process = process(&running).unwrap();
            assert_eq!((process.named.as_deref(), process.interactive), (named, interactive), "{line}");
        }
    }
}
