//! `config.toml`: what is set, and reading it by the table of keys. All errors are told at once,
//! each with its line and key.

mod checkpoints;
mod clients;
mod clinic;
mod hangs;
mod journal;
mod keys;
mod policy;
mod restore;
mod signals;
mod watch;

use std::{path::PathBuf, time::Duration};

use toml::de::{DeTable, DeValue};

pub use keys::{Key, keys};

use self::keys::Kind;
use crate::{
    chats::Client, checkpoints::pace::Pace, fleet::Limits, memory, policy::Rules, prompts,
    restore::OrphanPolicy, risk::Zones, supervisor::RestoreWindow,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub api_port: u16,
    /// What is set for single clients, in the order of `Client::ALL`.
    pub clients: [ClientSettings; Client::ALL.len()],
    /// Watch only what lies below one of these; empty means anywhere.
    pub watch_within: Vec<PathBuf>,
    /// Find further homes from running clients.
    pub watch_discover: bool,
    pub watch_sweep: Duration,
    pub journal_commit: Duration,
    pub journal_bytes_max: u64,
    pub journal_keep: Duration,
    pub restore_window: RestoreWindow,
    pub restore_start_timeout: Duration,
    pub restore_orphans: OrphanPolicy,
    pub signals_keep: Duration,
    pub zones: Zones,
    /// Days before a client deletes a chat that this is announced; 0: never.
    pub clinic_announce_days: u64,
    /// Share of the context, 0 to 1, from which a chat is warned of; 0: never.
    pub clinic_context_warning: f64,
    /// How long a client that is ended on purpose may take to end by itself.
    pub stop_grace: Duration,
    pub policy: Rules,
    pub fleet: Limits,
    /// Program and arguments; `{command}` and `{cwd}` are filled in. Empty means: find one.
    pub terminal_command: Vec<String>,
    pub hang: crate::hangs::Thresholds,
    pub memory: memory::Thresholds,
    pub prompt_notice: Duration,
    pub checkpoints: Pace,
}

/// What is set for one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// The program to start; empty means: find it.
    pub command: String,
    /// Folders of its own to watch beside the ones found.
    pub homes: Vec<PathBuf>,
}

impl Settings {
    pub fn of(&self, client: Client) -> &ClientSettings {
        let [claude_code, codex, gemini, opencode, claude_desktop] = &self.clients;
        match client {
            Client::ClaudeCode => claude_code,
            Client::Codex => codex,
            Client::Gemini => gemini,
            Client::Opencode => opencode,
            Client::ClaudeDesktop => claude_desktop,
        }
    }

    pub fn of_mut(&mut self, client: Client) -> &mut ClientSettings {
        let [claude_code, codex, gemini, opencode, claude_desktop] = &mut self.clients;
        match client {
            Client::ClaudeCode => claude_code,
            Client::Codex => codex,
            Client::Gemini => gemini,
            Client::Opencode => opencode,
            Client::ClaudeDesktop => claude_desktop,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_port: 47_615,
            clients: Default::default(),
            watch_within: Vec::new(),
            watch_discover: true,
            watch_sweep: Duration::from_secs(10),
            journal_commit: Duration::from_millis(30),
            journal_bytes_max: 10 * GIB,
            journal_keep: Duration::from_secs(365 * DAY),
            restore_window: RestoreWindow::default(),
            restore_start_timeout: Duration::from_secs(60),
            restore_orphans: OrphanPolicy::End,
            signals_keep: Duration::from_secs(90 * DAY),
            zones: Zones::default(),
            clinic_announce_days: 3,
            clinic_context_warning: 0.75,
            stop_grace: Duration::from_secs(5),
            policy: Rules::default(),
            fleet: Limits::default(),
            terminal_command: Vec::new(),
            hang: crate::hangs::Thresholds::default(),
            memory: memory::Thresholds::default(),
            prompt_notice: prompts::NOTICE_AFTER,
            checkpoints: Pace::default(),
        }
    }
}

const GIB: u64 = 1024 * 1024 * 1024;
const DAY: u64 = 24 * 60 * 60;

/// One thing wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Counted from 1.
    pub line: usize,
    pub key: String,
    pub message: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.key, self.message)
    }
}

/// Reads the file's text. Either every key is right, or all that is wrong is told.
pub fn parse(text: &str) -> Result<Settings, Vec<Wrong>> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![Wrong {
            line: line_of(text, at),
            key: "config.toml".to_owned(),
            message: error.message().to_owned(),
        }]
    })?;
    let (mut settings, mut wrong) = (Settings::default(), Vec::new());
    walk(text, "", table.get_ref(), &mut settings, &mut wrong);
    if settings.terminal_command.iter().all(|part| !part.contains("{command}"))
        && !settings.terminal_command.is_empty()
    {
        let at = text.find("terminal").unwrap_or(0);
        let message = "one part must hold {command}, the client's command line".to_owned();
        wrong.push(Wrong { line: line_of(text, at), key: "terminal.command".to_owned(), message });
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

fn walk(text: &str, prefix: &str, table: &DeTable<'_>, settings: &mut Settings, wrong: &mut Vec<Wrong>) {
    for (name, value) in table {
        let path = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let line = line_of(text, name.span().start);
        let problem = match keys().find(|key| key.name == path) {
            Some(key) => apply(key, value.get_ref(), settings).err().map(|OutOfBounds(message)| message),
            None => match value.get_ref() {
                DeValue::Table(inner) if keys().any(|key| key.name.starts_with(&format!("{path}."))) => {
                    walk(text, &path, inner, settings, wrong);
                    None
                }
                _ => Some(unknown(&path)),
            },
        };
        wrong.extend(problem.map(|message| Wrong { line, key: path, message }));
    }
}

fn unknown(path: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    match keys().find(|key| key.name.ends_with(last) || key.name.contains(path)) {
        Some(key) => format!("there is no such key; is `{}` meant?", key.name),
        None => format!(
            "there is no such key; known are {}",
            keys().map(|key| key.name).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// What a key would take instead.
#[derive(Debug)]
struct OutOfBounds(String);

fn apply(key: &Key, value: &DeValue<'_>, settings: &mut Settings) -> Result<(), OutOfBounds> {
    match (&key.kind, value) {
        (Kind::Whole { min, max, set }, DeValue::Integer(number)) => {
            let number = u64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|n| (*min..=*max).contains(n));
            set(
                settings,
                number.ok_or_else(|| OutOfBounds(format!("must be a whole number from {min} to {max}")))?,
            );
        }
        (Kind::Whole { min, max, .. }, _) => {
            return Err(OutOfBounds(format!("must be a whole number from {min} to {max}")));
        }
        (Kind::Switch(set), DeValue::Boolean(on)) => set(settings, *on),
        (Kind::Switch(_), _) => return Err(OutOfBounds("must be true or false".to_owned())),
        (Kind::Text(set), DeValue::String(text)) => set(settings, text.to_string()),
        (Kind::Text(_), _) => return Err(OutOfBounds("must be a text in quotes".to_owned())),
        (Kind::Texts(set), DeValue::Array(items)) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                _ => Err(OutOfBounds("must be a list of texts in quotes".to_owned())),
            });
            set(settings, texts.collect::<Result<_, _>>()?);
        }
        (Kind::Texts(_), _) => return Err(OutOfBounds("must be a list of texts in quotes".to_owned())),
        (Kind::OneOf(choices, set), DeValue::String(text)) => {
            match choices.iter().position(|choice| choice == text) {
                Some(choice) => set(settings, choice),
                None => return Err(OutOfBounds(format!("must be one of {}", choices.join(", ")))),
            }
        }
        (Kind::OneOf(choices, _), _) => {
            return Err(OutOfBounds(format!("must be one of {}", choices.join(", "))));
        }
    }
    Ok(())
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use super::{Settings, keys, parse};
    use crate::{chats::Client, restore::OrphanPolicy};

    #[test]
    fn empty_text_gives_the_defaults() {
        assert_eq!(parse(""), Ok(Settings::default()));
    }

    #[test]
    fn every_kind_of_key_is_read() {
        let text = r#"
            [watch]
            within = ["/tmp/a b"]
            discover = false
            sweep_seconds = 5
            [restore]
            orphans = "refuse"
            [terminal]
            command = ["xterm", "-e", "{command}"]
            [clients.claude-code]
            command = "/opt/claude"
            [clients.codex]
            homes = ["/x"]
        "#;
        let expected = Settings {
            watch_within: vec![PathBuf::from("/tmp/a b")],
            watch_discover: false,
            watch_sweep: Duration::from_secs(5),
            restore_orphans: OrphanPolicy::Refuse,
            terminal_command: ["xterm", "-e", "{command}"].map(String::from).to_vec(),
            ..Settings::default()
        };
        let mut expected = expected;
        expected.of_mut(Client::ClaudeCode).command = "/opt/claude".to_owned();
        expected.of_mut(Client::Codex).homes = vec![PathBuf::from("/x")];
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_with_line_and_key() {
        let text = "[watch]\nsweep_seconds = 0\nsweep = 3\ndiscover = \"yes\"\n[restore]\norphans = \"eat\"\n[moon]\nphase = 1\n";
        let wrong: Vec<_> = parse(text).unwrap_err().iter().map(|w| (w.line, w.key.clone())).collect();
        let expected = [
            (2, "watch.sweep_seconds"),
            (3, "watch.sweep"),
            (4, "watch.discover"),
            (6, "restore.orphans"),
            (7, "moon"),
        ];
        let mut wrong = wrong;
        wrong.sort();
        assert_eq!(wrong, expected.map(|(line, key)| (line, key.to_owned())));
    }

    #[test]
    fn broken_toml_names_its_line() {
        let wrong = parse("[watch]\nhomes = [\n").unwrap_err();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].line >= 2, "{wrong:?}");
    }

    #[test]
    fn a_terminal_without_a_place_for_the_command_is_refused() {
        let wrong = parse("[terminal]\ncommand = [\"xterm\"]\n").unwrap_err();
        assert!(wrong[0].message.contains("{command}"), "{wrong:?}");
    }

    #[test]
    fn every_key_says_its_default() {
        for key in keys() {
            assert!(key.about.contains("Default"), "{}", key.name);
        }
    }
}
