//! `config.toml`: what is set, and reading it by the table of keys. All errors are told at once,
//! each with its line and key.

mod checkpoints;
mod clients;
mod clinic;
pub mod desktop;
mod edit;
mod experiments;
mod hangs;
mod journal;
mod keys;
mod metrics;
mod notices;
mod policy;
pub mod privacy;
mod restore;
mod signals;
mod watch;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};
use ts_rs::TS;

pub use edit::edit;
pub use keys::{Key, Takes, Value, key, keys};

use self::keys::OutOfBounds;
use crate::{
    chats::Client, checkpoints::pace::Pace, fleet::Limits, memory, notices::Rules as NoticeRules,
    policy::Rules, prompts, restore::OrphanPolicy, risk::Zones, supervisor::RestoreWindow,
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
    pub desktop: desktop::Desktop,
    pub notices: NoticeRules,
    pub privacy: privacy::Privacy,
    /// Ideas found in this machine's history are tried without being asked.
    pub experiments_auto: bool,
    /// `/metrics` is answered without the token.
    pub metrics_serve: bool,
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

    /// Sets one key. `false` where there is none of that name or it does not take the value: nothing is changed.
    pub fn put(&mut self, name: &str, value: &Value) -> bool {
        key(name).is_some_and(|key| key.apply(Some(value), self).is_ok())
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
            desktop: desktop::Desktop::default(),
            notices: NoticeRules::default(),
            privacy: privacy::Privacy::default(),
            experiments_auto: true,
            metrics_serve: true,
        }
    }
}

const GIB: u64 = 1024 * 1024 * 1024;
const DAY: u64 = 24 * 60 * 60;

/// One thing wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Wrong {
    /// Counted from 1; 0 where it stands on none.
    pub line: usize,
    pub key: String,
    pub message: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// The file's text, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    pub settings: Settings,
    /// The keys that stand in it.
    pub set: BTreeMap<&'static str, Value>,
}

/// Reads the file's text. Either every key is right, or all that is wrong is told.
pub fn parse(text: &str) -> Result<File, Vec<Wrong>> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![broken(text, at, error.message())]
    })?;
    let (mut file, mut wrong) = (File::default(), Vec::new());
    walk(text, "", table.get_ref(), &mut file, &mut wrong);
    let terminal = &file.settings.terminal_command;
    if terminal.iter().all(|part| !part.contains("{command}")) && !terminal.is_empty() {
        let at = text.find("terminal").unwrap_or(0);
        let message = "one part must hold {command}, the client's command line".to_owned();
        wrong.push(Wrong { line: line_of(text, at), key: "terminal.command".to_owned(), message });
    }
    if wrong.is_empty() { Ok(file) } else { Err(wrong) }
}

/// What is no TOML.
fn broken(text: &str, at: usize, message: &str) -> Wrong {
    Wrong { line: line_of(text, at), key: "config.toml".to_owned(), message: message.to_owned() }
}

fn walk(text: &str, prefix: &str, table: &DeTable<'_>, file: &mut File, wrong: &mut Vec<Wrong>) {
    for (name, value) in table {
        let path = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let line = line_of(text, name.span().start);
        let problem = match key(&path) {
            Some(key) => {
                let value = read(value.get_ref());
                let applied = key.apply(value.as_ref(), &mut file.settings);
                file.set.extend(value.map(|value| (key.name, value)));
                applied.err().map(|OutOfBounds(message)| message)
            }
            None => match value.get_ref() {
                DeValue::Table(inner) if keys().any(|key| key.name.starts_with(&format!("{path}."))) => {
                    walk(text, &path, inner, file, wrong);
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

/// `None` for what no key takes, such as a table or a number below 0.
fn read(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::Boolean(on) => Some(Value::Switch(*on)),
        DeValue::Integer(number) => {
            u64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Whole)
        }
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            texts.collect::<Option<_>>().map(Value::Texts)
        }
        _ => None,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use super::{Settings, Value, keys, parse};
    use crate::{
        chats::Client,
        notices::{NoticeKind, QuietHours, TimeOfDay},
        restore::OrphanPolicy,
    };

    #[test]
    fn empty_text_gives_the_defaults() {
        assert_eq!(parse("").map(|file| file.settings), Ok(Settings::default()));
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
            [privacy]
            redact_shown = false
            redact_exports = true
        "#;
        let expected = Settings {
            watch_within: vec![PathBuf::from("/tmp/a b")],
            watch_discover: false,
            watch_sweep: Duration::from_secs(5),
            restore_orphans: OrphanPolicy::Refuse,
            terminal_command: ["xterm", "-e", "{command}"].map(String::from).to_vec(),
            privacy: super::privacy::Privacy { redact_shown: false, redact_exports: true },
            ..Settings::default()
        };
        let mut expected = expected;
        expected.of_mut(Client::ClaudeCode).command = "/opt/claude".to_owned();
        expected.of_mut(Client::Codex).homes = vec![PathBuf::from("/x")];
        assert_eq!(parse(text).map(|file| file.settings), Ok(expected));
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
    fn notices_are_switched_by_kind_and_quiet_by_the_clock() {
        let text = "[notices]\ncrashed = false\nlimit = true\nquiet = true\nquiet_from = \"23:30\"\nquiet_to = \"6:05\"\n";
        let mut expected = Settings::default();
        expected.notices.want(NoticeKind::Crashed, false);
        expected.notices.is_quiet_on = true;
        let time = |text| TimeOfDay::parse(text).unwrap();
        expected.notices.quiet = QuietHours { from: time("23:30"), to: time("06:05") };
        assert_eq!(parse(text).map(|file| file.settings), Ok(expected));
        for wrong in ["24:00", "7", "7:5", "07:60", "-1:00", "+7:00", "", "22:00 "] {
            let said = parse(&format!("[notices]\nquiet_from = \"{wrong}\"\n")).unwrap_err();
            let message = "must be a time of day from \"00:00\" to \"23:59\", in quotes";
            assert_eq!((said[0].line, said[0].message.as_str()), (2, message), "{wrong}");
        }
    }

    #[test]
    fn every_kind_of_notice_has_a_switch() {
        for kind in NoticeKind::ALL {
            let name = serde_json::to_value(kind).unwrap();
            let text = format!("[notices]\n{} = false\n", name.as_str().unwrap());
            let settings = parse(&text).unwrap().settings;
            assert_eq!(settings.notices.unwanted, [kind].into(), "{text}");
        }
    }

    #[test]
    fn every_keys_default_is_what_holds_where_nothing_is_set() {
        for key in keys() {
            let mut settings = Settings::default();
            key.apply(Some(&key.default()), &mut settings)
                .unwrap_or_else(|wrong| panic!("{}: {wrong:?}", key.name));
            assert_eq!(settings, Settings::default(), "{}", key.name);
        }
    }

    #[test]
    fn what_is_read_once_is_told_of_keys_that_there_are() {
        assert_eq!(keys().filter(|key| key.is_read_once()).count(), 8);
    }

    #[test]
    fn what_stands_in_the_file_is_told() {
        let file = parse("[watch]\nsweep_seconds = 0x10\n[policy]\nauto_restore = \"once\"\n").unwrap();
        let expected = [
            ("policy.auto_restore", Value::Text("once".to_owned())),
            ("watch.sweep_seconds", Value::Whole(16)),
        ];
        assert_eq!(file.set, expected.into());
    }
}
