//! What SHIM writes into clients' settings files: from a file's text to its text with SHIM's entries, or
//! without them. All other bytes stay. Never reads or writes a file itself.

mod hooks;
mod jsonc;
mod mcp;
mod servers_toml;
mod tree;
mod trust;

use serde::{Deserialize, Serialize};

use crate::chats::Client;

pub use trust::untrusted;

pub use hooks::{EVENTS_CLAUDE_CODE, EVENTS_CODEX, EVENTS_GEMINI};

/// What of SHIM a client is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Hooks,
    Mcp,
}

impl Part {
    pub const ALL: [Self; 2] = [Self::Hooks, Self::Mcp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hooks => "hooks",
            Self::Mcp => "mcp",
        }
    }
}

/// The SHIM that clients are to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its program, by its full path.
    pub program: String,
    /// Its data folder, where that is not the platform's own.
    pub home: Option<String>,
    pub windows: bool,
}

/// One part in one client's settings.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub client: Client,
    pub part: Part,
    pub caller: &'a Caller,
}

/// Why a file is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("line {line} cannot be read ({why}): mend it first")]
    Malformed { line: usize, why: String },
    #[error("line {line}: {what} is not {wanted}, as the client needs it: mend it first")]
    Shape { line: usize, what: String, wanted: &'static str },
    #[error("line {line}: {what} is there and is not SHIM's: rename it first")]
    Taken { line: usize, what: String },
    #[error("the client has no {0}")]
    Unsupported(&'static str),
    #[error(
        "SHIM could not write this file's entries soundly: add them by hand, and report it as a fault of SHIM"
    )]
    Unsound,
}

/// The byte order mark that some editors put before a file's text.
const MARK: char = '\u{feff}';

/// The text with SHIM's entries. The same text, when they are all there.
pub fn install(text: &str, wanted: &Wanted<'_>) -> Result<String, Wrong> {
    beyond_mark(text, |text| match (wanted.part, wanted.client) {
        (Part::Hooks, _) => hooks::install(text, wanted),
        (Part::Mcp, Client::Codex) => servers_toml::install(text, wanted),
        (Part::Mcp, _) => mcp::install(text, wanted),
    })
}

/// The text without SHIM's entries. Objects that were made for them go too, unless `before`, the text from
/// before SHIM, holds them. The same text, when none are there.
pub fn uninstall(text: &str, wanted: &Wanted<'_>, before: Option<&str>) -> Result<String, Wrong> {
    let before = before.map(|before| before.trim_start_matches(MARK));
    beyond_mark(text, |text| match (wanted.part, wanted.client) {
        (Part::Hooks, _) => hooks::uninstall(text, wanted, before),
        (Part::Mcp, Client::Codex) => servers_toml::uninstall(text, wanted, before),
        (Part::Mcp, _) => mcp::uninstall(text, wanted, before),
    })
}

/// Whether all that is wanted stands in the text.
pub fn is_installed(text: &str, wanted: &Wanted<'_>) -> bool {
    install(text, wanted).is_ok_and(|installed| installed == text)
}

/// Whether nothing but an empty object is left.
pub fn is_empty(text: &str) -> bool {
    let text = text.trim_start_matches(MARK).trim();
    text.is_empty()
        || jsonc::empty_inside(text, &[])
            .is_some_and(|inside| inside.trim().is_empty() && text.starts_with('{') && text.ends_with('}'))
}

/// What a person should know about the text, where it keeps SHIM's entries from having an effect.
pub fn hindrances(text: &str, wanted: &Wanted<'_>) -> Vec<String> {
    let (client, part) = (wanted.client, wanted.part);
    if (client, part) == (Client::Codex, Part::Mcp) {
        return Vec::new();
    }
    let (title, reads) = (client.title(), reads(client));
    let plain = text.trim_start_matches(MARK);
    let mut found = Vec::new();
    if !reads.mark && plain.len() < text.len() {
        found.push(format!("{title} reads no file that begins with a byte order mark: take it out"));
    }
    for (what, line) in [
        ("comments", jsonc::line_beyond(plain, reads.comments, true)),
        ("trailing commas", jsonc::line_beyond(plain, true, reads.trailing_commas)),
    ] {
        found.extend(line.map(|line| {
            format!(
                "{title} reads no file with {what}: until line {line} is mended, nothing in it has an effect"
            )
        }));
    }
    if part == Part::Hooks {
        found.extend(hooks::hindrances(plain, client).into_iter().map(str::to_owned));
    }
    found
}

/// What a client takes in its own JSON beyond the standard; measured on the versions that the tests run.
struct Reads {
    comments: bool,
    trailing_commas: bool,
    mark: bool,
}

fn reads(client: Client) -> Reads {
    let (comments, trailing_commas, mark) = match client {
        Client::ClaudeCode => (false, false, true),
        Client::Codex | Client::ClaudeDesktop => (false, false, false),
        Client::Gemini => (true, false, false),
        Client::Opencode => (true, true, true),
    };
    Reads { comments, trailing_commas, mark }
}

fn beyond_mark(text: &str, edit: impl FnOnce(&str) -> Result<String, Wrong>) -> Result<String, Wrong> {
    match text.strip_prefix(MARK) {
        Some(text) => Ok(format!("{MARK}{}", edit(text)?)),
        None => edit(text),
    }
}

/// Whether a program is SHIM, by its file's name.
fn is_shim(program: &str, caller: &Caller) -> bool {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    program == caller.program || name.to_ascii_lowercase().contains("shim")
}

#[cfg(test)]
#[path = "install/install_tests.rs"]
mod tests;
