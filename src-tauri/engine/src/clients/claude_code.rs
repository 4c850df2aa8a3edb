//! Claude Code: its folders, its registry, its transcripts, its command line.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use notify::RecursiveMode;
use shim_core::{
    chats::{ChatId, Client},
    clients::{Registration, claude_code::read_registration},
    crashes::Leave,
    restore::Then,
};

use super::{
    Change, Flags, GO_ON, Input, Look, Plan, Port, Start, Transcript, USER_HOME, Variables, entries, folders,
    home_of,
};
use crate::{
    paths::{open_regular, write_whole},
    terminal,
};

/// Largest registry file read, in bytes; real ones have about 700.
const REGISTRY_BYTES_MAX: u64 = 64 * 1024;

const FLAGS: Flags = Flags {
    with_value: &[
        "--add-dir",
        "--agent",
        "--agents",
        "--allowed-tools",
        "--allowedTools",
        "--append-system-prompt",
        "--betas",
        "--disallowed-tools",
        "--disallowedTools",
        "--effort",
        "--fallback-model",
        "--mcp-config",
        "--plugin-dir",
        "--setting-sources",
        "--settings",
        "--system-prompt",
        "--tools",
    ],
    with_values: &[
        "--add-dir",
        "--allowed-tools",
        "--allowedTools",
        "--betas",
        "--disallowed-tools",
        "--disallowedTools",
        "--mcp-config",
        "--tools",
    ],
    // Permission flags are not among them: the mode that was in force last is given instead.
    switches: &["--bare", "--chrome", "--ide", "--strict-mcp-config"],
};

const ENVIRONMENT_STORED: &[&str] = &[
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_VERTEX_PROJECT_ID",
    "AWS_PROFILE",
    "AWS_REGION",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CONFIG_DIR",
    "CLOUD_ML_REGION",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "IS_SANDBOX",
];

pub struct ClaudeCode;

impl Port for ClaudeCode {
    fn client(&self) -> Client {
        Client::ClaudeCode
    }

    fn program_name(&self) -> &'static str {
        "claude"
    }

    fn usual_program(&self) -> Option<PathBuf> {
        std::env::home_dir().map(|home| home.join(".local").join("bin").join("claude"))
    }

    fn home(&self, variables: Variables<'_>) -> Option<PathBuf> {
        variables("CLAUDE_CONFIG_DIR").or_else(|| variables(USER_HOME).map(|home| home.join(".claude")))
    }

    fn point_at_home(&self, environment: &mut Vec<(String, String)>, home: &Path) {
        let used = home_of(self, environment).and_then(|used| crate::paths::canonical(&used).ok());
        if used.as_deref() == Some(home) {
            return;
        }
        // A default folder keeps its neighbour `.claude.json`, which a named one does not have.
        let (name, folder) = match home.parent().filter(|_| home.file_name() == Some(OsStr::new(".claude"))) {
            Some(user) => (USER_HOME, user),
            None => ("CLAUDE_CONFIG_DIR", home),
        };
        environment.retain(|(known, _)| known != name && known != "CLAUDE_CONFIG_DIR");
        environment.push((name.to_owned(), folder.to_string_lossy().into_owned()));
    }

    fn folders(&self, home: &Path) -> Vec<(PathBuf, RecursiveMode)> {
        vec![
            (sessions_folder(home), RecursiveMode::NonRecursive),
            (projects_folder(home), RecursiveMode::Recursive),
        ]
    }

    fn change(&self, home: &Path, path: &Path) -> Change {
        if path.parent() == Some(&sessions_folder(home)) {
            return Change::Processes;
        }
        // Where a home keeps transcripts, and not merely named like one.
        let below = path.strip_prefix(projects_folder(home)).ok();
        match transcript_at(path).filter(|_| below.is_some_and(|b| matches!(b.components().count(), 2 | 4))) {
            Some(transcript) => Change::Transcript(transcript),
            None => Change::Nothing,
        }
    }

    fn transcripts(&self, home: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript> {
        let mut found = Vec::new();
        for project in folders(&projects_folder(home), unreadable) {
            for entry in entries(&project, unreadable) {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_file() => found.extend(transcript_at(&path)),
                    Ok(kind) if kind.is_dir() => found.extend(sub_agents(&path, unreadable)),
                    _ => {}
                }
            }
        }
        found
    }

    /// `<home>/projects/<slug>/<session>.jsonl`.
    fn home_of_transcript(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().nth(3).map(Path::to_owned)
    }

    /// Every registry file that is whole. Keys beside them are secrets and never opened.
    fn registrations(&self, home: &Path, _look: &Look) -> io::Result<Vec<(PathBuf, Registration)>> {
        let folder = match fs::read_dir(sessions_folder(home)) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = folder.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        Ok(paths.filter_map(|path| Some((path.clone(), registration(&path)?))).collect())
    }

    fn keeps_registry(&self) -> bool {
        true
    }

    fn last_words(&self, mark: &Path, last: &Registration) -> (Registration, Leave) {
        match registration(mark).filter(|left| left.process == last.process) {
            Some(left) => (left, Leave::LeftBehind),
            None => (last.clone(), Leave::Orderly),
        }
    }

    fn tool_marks(&self, session_id: &str, _dead: &[u32]) -> Vec<String> {
        vec![format!("CLAUDE_CODE_SESSION_ID={session_id}")]
    }

    fn flags(&self) -> &'static Flags {
        &FLAGS
    }

    fn environment_stored(&self) -> &'static [&'static str] {
        ENVIRONMENT_STORED
    }

    fn belongs_to_one_process(&self, variable: &str) -> bool {
        variable.starts_with("CLAUDE_CODE_RESUME_")
            || matches!(
                variable,
                "CLAUDECODE"
                    | "CLAUDE_PID"
                    | "CLAUDE_ENV_FILE"
                    | "CLAUDE_PROJECT_DIR"
                    | "CLAUDE_CODE_ENTRYPOINT"
                    | "CLAUDE_CODE_SESSION_ID"
                    | "CLAUDE_CODE_SESSION_ATTENDED"
                    | "CLAUDE_CODE_CHILD_SESSION"
                    | "CLAUDE_CODE_CHILD_NOTES_DIR"
                    | "CLAUDE_CODE_MESSAGING_TOKEN"
            )
    }

    fn cannot(&self, _start: &Start<'_>, _fork: bool) -> Option<String> {
        None
    }

    /// By a SessionStart hook that is given to this one start; the user's settings are not touched.
    fn write_context(&self, start: &Start<'_>) -> anyhow::Result<String> {
        let settings = start_settings(start)?;
        write_whole(start.context_path, start.context.as_bytes())?;
        write_whole(start.settings_path, serde_json::to_string_pretty(&settings)?.as_bytes())?;
        Ok("the chat is given a SessionStart hook, for this start alone, that says what was in flight"
            .to_owned())
    }

    fn plan(&self, start: &Start<'_>) -> Plan {
        let message = first_message(start);
        let input = message.filter(|_| start.headless).map(|text| {
            let content = serde_json::json!([{ "type": "text", "text": text }]);
            let line =
                serde_json::json!({ "type": "user", "message": { "role": "user", "content": content } });
            format!("{line}\n").into_bytes()
        });
        Plan {
            arguments: arguments(start, message),
            environment: environment(start, message),
            input: Input::Kept(input.unwrap_or_default()),
        }
    }

    fn id_fields(&self) -> &'static [&'static str] {
        &["sessionId"]
    }
}

fn sessions_folder(home: &Path) -> PathBuf {
    home.join("sessions")
}

fn projects_folder(home: &Path) -> PathBuf {
    home.join("projects")
}

/// The registry file at `path`; `None` when it is none, is gone, or is just being written.
fn registration(path: &Path) -> Option<Registration> {
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

fn sub_agents(session: &Path, unreadable: &mut Vec<String>) -> Vec<Transcript> {
    let agents = session.join("subagents");
    if !agents.is_dir() {
        return Vec::new();
    }
    let files = entries(&agents, unreadable);
    let real = files.iter().filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()));
    real.filter_map(|file| transcript_at(&file.path())).collect()
}

/// What a path says: `<home>/projects/<slug>/<session>.jsonl` or
/// `<home>/projects/<slug>/<session>/subagents/agent-<id>.jsonl`.
fn transcript_at(path: &Path) -> Option<Transcript> {
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

/// A cut tool call is never left to the client's own way of going on: that hides the call from the model
/// and asks the same prompt again, and the model runs the tool a second time (measured on 2.1.329). An
/// ordinary message makes the client tell of the call and that its outcome is unknown.
fn first_message(start: &Start<'_>) -> Option<&'static str> {
    (start.then == Then::Continue && start.tool_in_doubt).then_some(GO_ON)
}

fn environment(start: &Start<'_>, message: Option<&str>) -> Vec<(String, String)> {
    if start.then == Then::Idle || message.is_some() {
        return Vec::new();
    }
    // The second: should a call have been cut that nobody knows of, the model is at least shown it.
    ["CLAUDE_CODE_RESUME_INTERRUPTED_TURN", "CLAUDE_CODE_RESUME_SHOWS_CUT_OFF_CALLS"]
        .map(|name| (name.to_owned(), "1".to_owned()))
        .to_vec()
}

fn arguments(start: &Start<'_>, message: Option<&str>) -> Vec<String> {
    let mut words: Vec<&str> = Vec::new();
    if start.headless {
        words.extend(["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]);
    }
    let settings = start.settings_path.to_string_lossy();
    words.extend(["--resume", start.session_id, "--settings", &settings]);
    words.extend(start.model.into_iter().flat_map(|model| ["--model", model]));
    words.extend(start.permission_mode.into_iter().flat_map(|mode| ["--permission-mode", mode]));
    let mut flags = start.flags.iter();
    while let Some(flag) = flags.next() {
        if flag == "--settings" {
            flags.next();
        } else {
            words.push(flag);
        }
    }
    words.extend(message.filter(|_| !start.headless).into_iter().flat_map(|message| ["--", message]));
    words.into_iter().map(str::to_owned).collect()
}

/// The settings given to the start: those it had by flag, and the hook.
fn start_settings(start: &Start<'_>) -> anyhow::Result<serde_json::Value> {
    let given = start.flags.iter().position(|flag| flag == "--settings");
    let mut settings = match given.and_then(|at| start.flags.get(at + 1)) {
        None => serde_json::json!({}),
        Some(text) if text.trim_start().starts_with('{') => serde_json::from_str(text)?,
        Some(path) => serde_json::from_slice(&fs::read(start.cwd.join(path))?)?,
    };
    let (shim, context) = (start.shim.to_string_lossy(), start.context_path.to_string_lossy());
    let command = terminal::shell_line(&[&shim, "hook", "context", &context]);
    let hook = serde_json::json!({
        "matcher": "resume",
        "hooks": [{ "type": "command", "command": command, "timeout": 10 }]
    });
    let hooks =
        settings.as_object_mut().map(|map| map.entry("hooks").or_insert_with(|| serde_json::json!({})));
    let Some(hooks) = hooks.and_then(serde_json::Value::as_object_mut) else {
        anyhow::bail!("the settings it was started with are not an object");
    };
    match hooks.entry("SessionStart").or_insert_with(|| serde_json::json!([])).as_array_mut() {
        Some(list) => list.push(hook),
        None => anyhow::bail!("the settings it was started with hold SessionStart hooks of an unknown form"),
    }
    Ok(settings)
}
