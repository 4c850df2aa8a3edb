//! Where each client keeps the settings that name its hooks and MCP servers, found as the client finds it.

use std::path::{Path, PathBuf};

use shim_core::{chats::Client, install::Part};

/// Of one client: its file, or why it has none.
pub struct Place {
    pub client: Client,
    pub file: Result<PathBuf, &'static str>,
}

const NOT_HERE: &str = "not found on this machine";

pub fn of(client: Client, part: Part) -> Vec<Place> {
    let place = |file| Place { client, file };
    let none = |why| vec![place(Err(why))];
    match (client, part) {
        (Client::Opencode, Part::Hooks) => {
            return none(
                "opencode has no hooks that run a program: SHIM learns of its chats from its database",
            );
        }
        (Client::ClaudeDesktop, Part::Hooks) => {
            return none("Claude Desktop has no hooks; chats of its Code tab run those of Claude Code");
        }
        _ => {}
    }
    if client == Client::ClaudeDesktop {
        let folders: Vec<_> = desktop_folders().into_iter().filter(|folder| folder.is_dir()).collect();
        let file = |folder: PathBuf| place(Ok(folder.join("claude_desktop_config.json")));
        return if folders.is_empty() { none(NOT_HERE) } else { folders.into_iter().map(file).collect() };
    }
    match folder(client).filter(|folder| folder.is_dir() || which::which(program(client)).is_ok()) {
        Some(folder) => vec![place(Ok(file_in(&folder, client, part)))],
        None => none(NOT_HERE),
    }
}

/// The parts that stand in one file with this one.
pub fn parts_in_file_of(client: Client, part: Part) -> Vec<Part> {
    match client {
        Client::Gemini => Part::ALL.to_vec(),
        Client::ClaudeCode | Client::Codex | Client::Opencode | Client::ClaudeDesktop => vec![part],
    }
}

fn program(client: Client) -> &'static str {
    match client {
        Client::ClaudeCode => "claude",
        Client::Codex => "codex",
        Client::Gemini => "gemini",
        Client::Opencode => "opencode",
        Client::ClaudeDesktop => "claude-desktop",
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn user() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

fn folder(client: Client) -> Option<PathBuf> {
    match client {
        Client::ClaudeCode => variable("CLAUDE_CONFIG_DIR").or_else(|| Some(user()?.join(".claude"))),
        Client::Codex => variable("CODEX_HOME").or_else(|| Some(user()?.join(".codex"))),
        Client::Gemini => Some(variable("GEMINI_CLI_HOME").or_else(user)?.join(".gemini")),
        Client::Opencode => Some(xdg_config()?.join("opencode")),
        Client::ClaudeDesktop => None,
    }
}

fn xdg_config() -> Option<PathBuf> {
    variable("XDG_CONFIG_HOME").or_else(|| Some(user()?.join(".config")))
}

fn file_in(folder: &Path, client: Client, part: Part) -> PathBuf {
    match (client, part) {
        (Client::ClaudeCode, Part::Mcp) if variable("CLAUDE_CONFIG_DIR").is_none() => {
            folder.with_file_name(".claude.json")
        }
        (Client::ClaudeCode, Part::Mcp) => folder.join(".claude.json"),
        (Client::Codex, Part::Hooks) => folder.join("hooks.json"),
        (Client::Codex, Part::Mcp) => folder.join("config.toml"),
        (Client::Opencode, _) => opencode_file(folder),
        (Client::ClaudeCode | Client::Gemini | Client::ClaudeDesktop, _) => folder.join("settings.json"),
    }
}

/// opencode reads all of these, the later over the earlier.
fn opencode_file(folder: &Path) -> PathBuf {
    if let Some(named) = variable("OPENCODE_CONFIG") {
        return named;
    }
    let files = ["opencode.jsonc", "opencode.json"].map(|name| folder.join(name));
    files.iter().find(|file| file.exists()).cloned().unwrap_or_else(|| folder.join("opencode.json"))
}

/// Every layout the app was ever delivered in.
fn desktop_folders() -> Vec<PathBuf> {
    if cfg!(windows) {
        let packages = variable("LOCALAPPDATA").map(|local| local.join("Packages"));
        let entries = packages.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
        let packed = entries.filter_map(Result::ok).map(|entry| entry.path());
        let packed = packed.filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Claude_"))
        });
        let packed = packed.map(|path| path.join("LocalCache").join("Roaming").join("Claude"));
        packed.chain(variable("APPDATA").map(|roaming| roaming.join("Claude"))).collect()
    } else if cfg!(target_os = "macos") {
        user().map(|user| user.join("Library/Application Support/Claude")).into_iter().collect()
    } else {
        xdg_config().map(|config| config.join("Claude")).into_iter().collect()
    }
}
