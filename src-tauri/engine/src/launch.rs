//! How a client was started, and how it is started again: the same program, directory, flags and
//! environment, without what belonged to the one dead process.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use serde::{Deserialize, Serialize};
use shim_core::chats::Client;
use shim_store::Launch;

use crate::{
    clients::{Append, Flags, Port, ports},
    processes::Started,
};

/// What every client is started with again, beside its own settings. None of them is a key or a token.
const ENVIRONMENT_STORED: &[&str] = &["HOME", "NODE_EXTRA_CA_CERTS", "PATH", "USERPROFILE"];

/// What belonged to the dead process's terminal, or to SHIM itself.
const OF_ITS_TERMINAL: &[&str] = &["SHIM_HOME", "TMUX", "TMUX_PANE", "WINDOWID"];

/// What is kept of how a process was started.
pub fn describe(
    port: &dyn Port,
    started: Option<&Started>,
    client_home: Option<PathBuf>,
    cwd: Option<String>,
) -> Launch {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let environment = started.map(|started| &started.environment).into_iter().flatten();
    let stored =
        environment.filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
    Launch {
        program: started.and_then(|started| port.program_of(started)).as_deref().map(text),
        flags: started
            .map(|started| without_inline_settings(kept_flags(port.flags(), &started.arguments)))
            .unwrap_or_default(),
        // An address may hold a user's name and password.
        environment: stored.filter(|(name, value)| is_stored(port, name) && !value.contains('@')).collect(),
        client_home: client_home.as_deref().map(text),
        cwd: cwd.or_else(|| started.and_then(|started| started.cwd.as_deref()).map(text)),
        headless: started.is_some_and(|started| is_headless(port.client(), &started.arguments)),
    }
}

/// Whether a client was started to work without a person before it.
pub fn is_headless(client: Client, arguments: &[OsString]) -> bool {
    let words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let mut words = words.take_while(|word| *word != "--");
    match client {
        Client::ClaudeCode => words.any(|word| matches!(word, "-p" | "--print")),
        Client::Gemini => words.any(|word| matches!(word, "-p" | "--prompt")),
        Client::Codex => words.any(|word| matches!(word, "exec" | "e")),
        Client::Opencode => words.any(|word| matches!(word, "run" | "serve")),
        Client::ClaudeDesktop => false,
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
    environment.retain(|(name, _)| {
        !OF_ITS_TERMINAL.contains(&name.as_str())
            && !ports().iter().any(|port| port.belongs_to_one_process(name))
    });
    environment
}

fn is_stored(port: &dyn Port, name: &str) -> bool {
    ENVIRONMENT_STORED.contains(&name) || port.environment_stored().contains(&name)
}

/// The flags that are given again, each followed by its values.
pub fn kept_flags(known: &Flags, arguments: &[OsString]) -> Vec<String> {
    let mut flags = Vec::new();
    let mut arguments = arguments.iter().skip(1).filter_map(|argument| argument.to_str()).peekable();
    while let Some(argument) = arguments.next() {
        let (name, value) =
            argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
        if argument == "--" {
            break;
        } else if known.switches.contains(&name) {
            flags.push(argument.to_owned());
        } else if known.with_value.contains(&name) {
            flags.push(name.to_owned());
            flags.extend(value.map(str::to_owned));
            while let Some(value) = arguments.next_if(|next| value.is_none() && !next.starts_with('-')) {
                flags.push(value.to_owned());
                if !known.with_values.contains(&name) {
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
        if flag.trim_start().starts_with(['{', '[']) || may_be_a_secret(&flag) {
            while stored.pop().is_some_and(|dropped| !dropped.starts_with('-')) {}
        } else {
            stored.push(flag);
        }
    }
    stored
}

/// A setting given as `name=value` whose name speaks of a key, but not of the variable that holds it.
fn may_be_a_secret(flag: &str) -> bool {
    let Some((name, _)) = flag.split_once('=').filter(|_| !flag.starts_with('-')) else { return false };
    let name = name.to_lowercase();
    !name.ends_with("env_key")
        && ["key", "token", "secret", "password", "header"].iter().any(|word| name.contains(word))
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
    /// What a chat at rest is told by its own file.
    pub added: Option<Append>,
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
    launch.added.as_ref().map_or(Ok(()), add)?;
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

/// One write, behind what is there: a client that reads meanwhile sees all of it or nothing. A last line that was
/// torn stays a line of its own.
fn add(added: &Append) -> io::Result<()> {
    let mut file = File::options().read(true).append(true).open(&added.path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let between = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{between}{}", added.text).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::kept_flags;
    use crate::clients::port;
    use shim_core::chats::Client;

    #[test]
    fn a_worker_is_told_from_a_chat_in_a_terminal() {
        for (client, line, expected) in [
            (Client::ClaudeCode, "claude -p hello", true),
            (Client::ClaudeCode, "claude --resume 1 -- -p", false),
            (Client::Codex, "codex exec fix it", true),
            (Client::Codex, "codex resume 1", false),
            (Client::Gemini, "gemini --prompt hello", true),
            (Client::Opencode, "opencode run hello", true),
            (Client::Opencode, "opencode", false),
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(super::is_headless(client, &arguments), expected, "{line}");
        }
    }

    #[test]
    fn what_may_hold_a_key_is_not_stored() {
        for (flags, expected) in [
            ("--settings {\"apiKey\":1} --ide", "--ide"),
            ("-c a=1 -c x.http_headers={A=\"b\"} --search", "-c a=1 --search"),
            ("-c experimental_bearer_token=x -c x.env_key=\"Y\"", "-c x.env_key=\"Y\""),
        ] {
            let flags = flags.split(' ').map(str::to_owned).collect();
            assert_eq!(super::without_inline_settings(flags).join(" "), expected);
        }
    }

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
            assert_eq!(
                kept_flags(port(Client::ClaudeCode).flags(), &arguments).join(" "),
                expected,
                "{line}"
            );
        }
    }
}
