//! SHIM's MCP server in the JSON settings of Claude Code, Claude Desktop, Gemini CLI and opencode.

use jsonc_parser::common::Ranged;
use serde_json::Value;

use super::{Caller, Client, Wanted, Wrong, hooks, is_shim, jsonc, tree::Tree};

/// The name of SHIM's server, for clients and for models.
pub const NAME: &str = "shim";

fn key(client: Client) -> &'static str {
    match client {
        Client::Opencode => "mcp",
        Client::ClaudeCode | Client::Codex | Client::Gemini | Client::ClaudeDesktop => "mcpServers",
    }
}

pub fn install(text: &str, wanted: &Wanted<'_>) -> Result<String, Wrong> {
    let (key, server) = (key(wanted.client), server(wanted));
    let installed = match standing(text, key)? {
        None => jsonc::put_member(text, &[key], NAME, &server)?,
        Some(found) if found.value == server.value() => return Ok(text.to_owned()),
        Some(found) if calls(&found.value, wanted.caller).is_none() => {
            return Err(Wrong::Taken { line: found.line, what: format!("`{key}.{NAME}`") });
        }
        Some(found) => match jsonc::parse(text)? {
            Some(root) => jsonc::replace(text, &root, found.span, &server),
            None => return Err(Wrong::Unsound),
        },
    };
    let sound =
        standing(&installed, key).is_ok_and(|found| found.is_some_and(|found| found.value == server.value()));
    if sound { Ok(installed) } else { Err(Wrong::Unsound) }
}

pub fn uninstall(text: &str, wanted: &Wanted<'_>, before: Option<&str>) -> Result<String, Wrong> {
    let key = key(wanted.client);
    let Some(found) = standing(text, key)? else { return Ok(text.to_owned()) };
    if calls(&found.value, wanted.caller) != Some(wanted.caller.home.clone()) {
        return Ok(text.to_owned());
    }
    let text = hooks::without_member(text, &[key, NAME], before)?;
    hooks::without_empty(&text, &[key], before)
}

struct Found {
    value: Value,
    span: (usize, usize),
    line: usize,
}

fn standing(text: &str, key: &str) -> Result<Option<Found>, Wrong> {
    let Some(root) = jsonc::parse(text)? else { return Ok(None) };
    Ok(jsonc::at(&root, &[key, NAME]).map(|value| Found {
        value: Value::from(value.clone()),
        span: (value.start(), value.end()),
        line: jsonc::line_of(text, value.start()),
    }))
}

/// The words after the program.
pub fn arguments(caller: &Caller) -> Vec<String> {
    let home = caller.home.iter().flat_map(|home| ["--home".to_owned(), home.clone()]);
    ["mcp".to_owned()].into_iter().chain(home).collect()
}

fn server(wanted: &Wanted<'_>) -> Tree {
    let program = Tree::text(&wanted.caller.program);
    let arguments = arguments(wanted.caller).into_iter().map(Tree::Text);
    match wanted.client {
        // Without `alwaysLoad` the model sees the tools' names only when it searches for them.
        Client::ClaudeCode => Tree::object([
            ("type", Tree::text("stdio")),
            ("command", program),
            ("args", Tree::List(arguments.collect())),
            ("alwaysLoad", Tree::Yes),
        ]),
        Client::Opencode => Tree::object([
            ("type", Tree::text("local")),
            ("command", Tree::List([program].into_iter().chain(arguments).collect())),
            ("enabled", Tree::Yes),
        ]),
        Client::Codex | Client::Gemini | Client::ClaudeDesktop => {
            Tree::object([("command", program), ("args", Tree::List(arguments.collect()))])
        }
    }
}

/// The data folder of the SHIM that a server entry starts; `None` when it starts something else.
fn calls(server: &Value, caller: &Caller) -> Option<Option<String>> {
    let words = |value: &Value| match value {
        Value::String(word) => vec![word.clone()],
        Value::Array(words) => words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let command = server.get("command").map(words).unwrap_or_default();
    let arguments = server.get("args").map(words).unwrap_or_default();
    calls_shim(&command.into_iter().chain(arguments).collect::<Vec<_>>(), caller)
}

/// The same, of a whole command line.
pub fn calls_shim(words: &[String], caller: &Caller) -> Option<Option<String>> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [program, "mcp"] if is_shim(program, caller) => Some(None),
        [program, "mcp", "--home", home] if is_shim(program, caller) => Some(Some((*home).to_owned())),
        _ => None,
    }
}
