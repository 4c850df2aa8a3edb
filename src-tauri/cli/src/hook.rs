//! `shim hook`: what clients call. Needs no engine, never fails the client, and never keeps it waiting.

use std::{
    ffi::OsString,
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::channel,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Subcommand;
use serde::Deserialize;
use shim_api::{
    checkpoints::{RISKY_WAIT_MS, RiskyRequest},
    client::Engine,
    home::{SETTINGS_FILE, read_engine_file},
};
use shim_core::{
    chats::{ChatId, Client},
    checkpoints::risky,
    hooks::{Meaning, Told, answer, client_among, is_session_id},
    settings,
    time::Timestamp,
};
use shim_engine::hooks;

/// Longest that a client waits, whatever its stdin or the disk do.
const WAIT_MAX: Duration = Duration::from_millis(1000);
/// Longest that a tool call waits, a risky one for its checkpoint too.
const CALL_WAIT_MAX: Duration = Duration::from_millis(RISKY_WAIT_MS + 300);
/// Most that is read of what a client says; a prompt or an answer may be in it.
const STDIN_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Subcommand)]
pub enum HookEvent {
    /// Hands the resume context of one restore to the chat that starts, once: a later resume in the same
    /// window is another matter.
    Context { file: PathBuf },
}

pub fn run(event: &HookEvent) -> ExitCode {
    match event {
        HookEvent::Context { file } => {
            // Without the text the chat still starts; it is only told less.
            if let Ok(text) = std::fs::read(file) {
                let _ = std::io::stdout().write_all(&text);
                let _ = std::fs::remove_file(file);
            }
        }
    }
    ExitCode::SUCCESS
}

/// `shim hook EVENT --client C [--home H]`, as `shim install hooks` writes it into clients' settings.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    event: String,
    client: Client,
    home: Option<PathBuf>,
}

impl Call {
    /// Read without the command line's own parser, which costs more than all else here.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = arguments.into_iter();
        let (mut event, mut client, mut home) = (None, None, None);
        let mut is_hook = false;
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--home") => home = words.next().map(PathBuf::from),
                Some("hook") if !is_hook => is_hook = true,
                Some("--client") if is_hook => client = words.next()?.to_str().and_then(Client::from_name),
                Some(word) if is_hook && event.is_none() => event = Some(word.to_owned()),
                Some(_) | None => return None,
            }
        }
        Some(Self { event: event?, client: client?, home })
    }

    /// Does what the event asks for, within a time that a client can wait.
    pub fn answer(self) -> ExitCode {
        std::panic::set_hook(Box::new(|_| {}));
        let wait = if self.is_call() { CALL_WAIT_MAX } else { WAIT_MAX };
        let (done, ended) = channel();
        let work = std::thread::Builder::new().spawn(move || {
            self.take();
            let _ = done.send(());
        });
        if work.is_ok() {
            let _ = ended.recv_timeout(wait);
        }
        ExitCode::SUCCESS
    }

    fn take(&self) -> Option<()> {
        let stdin = BufReader::new(std::io::stdin().lock().take(STDIN_BYTES_MAX));
        let told = Told::deserialize(&mut serde_json::Deserializer::from_reader(stdin)).unwrap_or_default();
        let named = ["CLAUDE_CODE_SESSION_ID", "GEMINI_SESSION_ID"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok());
        let session_id = told.session_id().map(str::to_owned).or(named.filter(|id| is_session_id(id)))?;
        let home = shim_api::home::data_folder(self.home.clone()).ok()?;
        if self.is_call() {
            return self.before_call(&home, &session_id, told);
        }
        if Meaning::of(&self.event) == Some(Meaning::Began)
            && told.takes_up_chat()
            && let Some(context) = hooks::take_context(&home, self.client, &session_id)
        {
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(answer(&self.event, &context).as_bytes()).and_then(|()| stdout.flush());
        }
        let mut note = told.note(self.client, &self.event, &session_id, now());
        let above = hooks::above();
        let named = std::env::var("CLAUDE_PID").ok().and_then(|pid| pid.parse().ok());
        note.process = client_among(&above, named).cloned();
        note.transcript_bytes =
            told.transcript_path().and_then(|path| Some(std::fs::metadata(path).ok()?.len()));
        hooks::leave(&home, &note).ok()
    }
}

impl Call {
    fn is_call(&self) -> bool {
        Meaning::of(&self.event) == Some(Meaning::Calls)
    }

    /// A call on the list of risky ones waits until the engine has its checkpoint; any other goes its way.
    fn before_call(&self, home: &Path, session_id: &str, told: Told) -> Option<()> {
        let text = std::fs::read_to_string(home.join(SETTINGS_FILE)).unwrap_or_default();
        let settings = settings::parse(&text).ok()?.settings;
        let command = risky::command_of(&settings.checkpoints.risky, &told.call()?)?;
        let engine = Engine::waiting(read_engine_file(home)?, Duration::from_millis(RISKY_WAIT_MS));
        let chat = ChatId::new(self.client, session_id);
        engine.before_risky(&RiskyRequest { chat, command }).ok()
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, path::PathBuf};

    use shim_core::chats::Client;

    use super::Call;

    #[test]
    fn only_what_clients_call_is_taken_past_the_command_line() {
        let read = |line: &str| Call::read(line.split_whitespace().map(OsString::from));
        let call = |home: Option<&str>| {
            Some(Call { event: "Stop".to_owned(), client: Client::Codex, home: home.map(PathBuf::from) })
        };
        for (line, expected) in [
            ("hook Stop --client codex", call(None)),
            ("hook Stop --client codex --home /h", call(Some("/h"))),
            ("--home /h hook Stop --client codex", call(Some("/h"))),
            ("hook Stop --client nobody", None),
            ("hook context /file", None),
            ("hook Stop --client", None),
            ("hook", None),
            ("status --json", None),
            ("", None),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
