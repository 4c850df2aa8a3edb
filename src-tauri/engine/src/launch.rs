//! How a client was started, and how it is started again: the same program, directory, flags and
//! environment, without what belonged to the one dead process.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use serde::{Deserialize, Serialize};
use shim_store::Launch;

use crate::processes::Started;

/// Flags that take a value and are given again.
const FLAGS_WITH_VALUE: &[&str] = &[
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
];
/// Flags without a value that are given again. Permission flags are not among them: the mode that was in
/// force last is given instead.
const SWITCHES: &[&str] = &["--bare", "--chrome", "--ide", "--strict-mcp-config"];

/// Settings in the environment that are stored with a chat. None of them is a key or a token.
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
    "HOME",
    "IS_SANDBOX",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
];

/// What belonged to the dead process, or to a client that SHIM itself runs under.
fn belongs_to_one_process(name: &str) -> bool {
    name.starts_with("CLAUDE_CODE_RESUME_")
        || matches!(
            name,
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
                | "TMUX"
                | "TMUX_PANE"
                | "WINDOWID"
                | "SHIM_HOME"
        )
}

/// What is kept of how a process was started.
pub fn describe(started: Option<&Started>, client_home: Option<PathBuf>, cwd: Option<String>) -> Launch {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let environment = started.map(|started| &started.environment).into_iter().flatten();
    let stored =
        environment.filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
    Launch {
        program: started.and_then(|started| started.program.as_deref()).map(text),
        flags: started
            .map(|started| without_inline_settings(kept_flags(&started.arguments)))
            .unwrap_or_default(),
        // An address may hold a user's name and password.
        environment: stored
            .filter(|(name, value)| ENVIRONMENT_STORED.contains(&name.as_str()) && !value.contains('@'))
            .collect(),
        client_home: client_home.as_deref().map(text),
        cwd: cwd.or_else(|| started.and_then(|started| started.cwd.as_deref()).map(text)),
    }
}

/// The environment for the new process: the dead one's own where it is remembered, else ours with what
/// was stored.
pub fn environment(started: Option<&Started>, launch: &Launch) -> Vec<(String, String)> {
    let pairs: Vec<(OsString, OsString)> = match started {
        Some(started) if !started.environment.is_empty() => started.environment.clone(),
        _ => std::env::vars_os().collect(),
    };
    let mut environment: Vec<(String, String)> = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    for (name, value) in &launch.environment {
        environment.retain(|(known, _)| known != name);
        environment.push((name.clone(), value.clone()));
    }
    environment.retain(|(name, _)| !belongs_to_one_process(name));
    environment
}

/// The flags that are given again, each followed by its values.
pub fn kept_flags(arguments: &[OsString]) -> Vec<String> {
    let mut flags = Vec::new();
    let mut arguments = arguments.iter().skip(1).filter_map(|argument| argument.to_str()).peekable();
    while let Some(argument) = arguments.next() {
        let (name, value) =
            argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
        if argument == "--" {
            break;
        } else if SWITCHES.contains(&argument) {
            flags.push(argument.to_owned());
        } else if FLAGS_WITH_VALUE.contains(&name) {
            flags.push(name.to_owned());
            flags.extend(value.map(str::to_owned));
            while let Some(value) = arguments.next_if(|next| value.is_none() && !next.starts_with('-')) {
                flags.push(value.to_owned());
                if !takes_several(name) {
                    break;
                }
            }
        }
    }
    flags
}

/// Settings written out on the command line may hold keys: such a flag is not stored.
fn without_inline_settings(flags: Vec<String>) -> Vec<String> {
    let mut stored: Vec<String> = Vec::new();
    for flag in flags {
        if flag.trim_start().starts_with(['{', '[']) {
            while stored.pop().is_some_and(|dropped| !dropped.starts_with("--")) {}
        } else {
            stored.push(flag);
        }
    }
    stored
}

fn takes_several(flag: &str) -> bool {
    matches!(
        flag,
        "--add-dir"
            | "--allowed-tools"
            | "--allowedTools"
            | "--betas"
            | "--disallowed-tools"
            | "--disallowedTools"
            | "--mcp-config"
            | "--tools"
    )
}

/// A start that another process carries out: read once, then gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LaunchFile {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub cwd: PathBuf,
    /// Taken over from the terminal it runs in, such as `TERM`.
    pub from_terminal: Vec<String>,
}

impl LaunchFile {
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.cwd).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let taken = self.from_terminal.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.envs(taken);
        command
    }
}

/// `shim launch FILE`: becomes the client that the file names. The file may hold keys, so it is removed
/// before the client starts.
pub fn run_launch_file(path: &Path) -> io::Result<ExitCode> {
    let bytes = std::fs::read(path)?;
    std::fs::remove_file(path)?;
    let launch: LaunchFile = serde_json::from_slice(&bytes)?;
    let mut command = launch.command();
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(command.exec())
    }
    #[cfg(windows)]
    {
        use_console(&mut command);
        crate::processes::leave_interrupts_to_children();
        let status = command.status()?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The console's own input and output: an engine without a console hands down none that a person sees.
#[cfg(windows)]
fn use_console(command: &mut Command) {
    let open = |name| std::fs::File::options().read(true).write(true).open(name);
    if let (Ok(input), Ok(output), Ok(errors)) = (open("CONIN$"), open("CONOUT$"), open("CONOUT$")) {
        command.stdin(input).stdout(output).stderr(errors);
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::kept_flags;

    #[test]
    fn flags_are_given_again_and_prompts_are_not() {
        for (line, expected) in [
            ("claude", ""),
            ("claude -p hello --output-format stream-json --verbose --session-id 1", ""),
            ("claude --add-dir /a /b --settings s.json fix it", "--add-dir /a /b --settings s.json"),
            ("claude --model=opus --effort=high", "--effort high"),
            ("claude --settings=s.json --add-dir /a -c", "--settings s.json --add-dir /a"),
            (
                "claude --dangerously-skip-permissions --strict-mcp-config --mcp-config a.json",
                "--strict-mcp-config --mcp-config a.json",
            ),
            ("claude --resume 1 --permission-mode plan -- --ide", ""),
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(kept_flags(&arguments).join(" "), expected, "{line}");
        }
    }
}
