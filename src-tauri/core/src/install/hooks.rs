//! SHIM's hooks in the settings of Claude Code, Codex and Gemini CLI, which share one shape: an object of
//! events, each a list of groups, each with a list of commands.

use jsonc_parser::{ast::Value, common::Ranged};

use super::{Caller, Client, Wanted, Wrong, is_shim, jsonc, tree::Tree};

/// The events that serve, by the client's own names. Each costs one start of SHIM, which the client waits
/// for: a few milliseconds, also before each tool call, since which calls are risky is set in SHIM.
///
/// Claude Code warns at each start of an event it does not know, so only those that all its versions have.
pub const EVENTS_CLAUDE_CODE: [&str; 7] =
    ["SessionStart", "UserPromptSubmit", "PreToolUse", "PreCompact", "Notification", "Stop", "SessionEnd"];
pub const EVENTS_CODEX: [&str; 6] =
    ["SessionStart", "UserPromptSubmit", "PreToolUse", "PreCompact", "Stop", "SessionEnd"];
/// `PreCompress` is called before every request to the model and is left out.
pub const EVENTS_GEMINI: [&str; 6] =
    ["SessionStart", "BeforeAgent", "BeforeTool", "AfterAgent", "Notification", "SessionEnd"];

/// Longest that a client waits for SHIM, in seconds. Codex allows 3 at a session's end.
const TIMEOUT_S: u32 = 3;

const HOOKS: &str = "hooks";

fn events(client: Client) -> Result<&'static [&'static str], Wrong> {
    match client {
        Client::ClaudeCode => Ok(&EVENTS_CLAUDE_CODE),
        Client::Codex => Ok(&EVENTS_CODEX),
        Client::Gemini => Ok(&EVENTS_GEMINI),
        Client::Opencode | Client::ClaudeDesktop => Err(Wrong::Unsupported("hooks that run a program")),
    }
}

pub fn install(text: &str, wanted: &Wanted<'_>) -> Result<String, Wrong> {
    let events = events(wanted.client)?;
    let mut text = text.to_owned();
    let mut kept = Vec::new();
    while let Some(next) = first_superfluous(&text, wanted, events, &mut kept)? {
        text = next;
    }
    for event in events {
        let hook = hook(wanted, event);
        let next = match standing(&text, wanted)?.into_iter().find(|found| found.event == *event) {
            Some(found) if found.value == hook.value() => continue,
            Some(found) => match jsonc::parse(&text)? {
                Some(root) => jsonc::replace(&text, &root, found.span, &hook),
                None => continue,
            },
            None => {
                let group = Tree::object([(HOOKS, Tree::List(vec![hook]))]);
                jsonc::put_item(&text, &[HOOKS, event], &group)?
            }
        };
        text = next;
    }
    let found = standing(&text, wanted).map_err(|_| Wrong::Unsound)?;
    let sound = found.len() == events.len()
        && found.iter().all(|found| found.value == hook(wanted, &found.event).value());
    if sound { Ok(text) } else { Err(Wrong::Unsound) }
}

/// The text without the first hook of SHIM that stands at another event, or twice.
fn first_superfluous(
    text: &str,
    wanted: &Wanted<'_>,
    events: &[&str],
    kept: &mut Vec<String>,
) -> Result<Option<String>, Wrong> {
    kept.clear();
    for found in standing(text, wanted)? {
        if events.contains(&found.event.as_str()) && !kept.contains(&found.event) {
            kept.push(found.event);
        } else {
            return without(text, &found, None).map(Some);
        }
    }
    Ok(None)
}

pub fn uninstall(text: &str, wanted: &Wanted<'_>, before: Option<&str>) -> Result<String, Wrong> {
    events(wanted.client)?;
    let mut text = text.to_owned();
    let mut emptied = Vec::new();
    while let Some(found) = standing(&text, wanted)?.into_iter().next() {
        text = without(&text, &found, before)?;
        emptied.push(found.event);
    }
    for event in &emptied {
        text = without_empty(&text, &[HOOKS, event], before)?;
    }
    if !emptied.is_empty() {
        text = without_empty(&text, &[HOOKS], before)?;
    }
    Ok(text)
}

/// Takes away an object or list that holds nothing, unless it was there before and held nothing then.
pub fn without_empty(text: &str, path: &[&str], before: Option<&str>) -> Result<String, Wrong> {
    let was_there = before.is_some_and(|before| jsonc::empty_inside(before, path).is_some());
    if was_there || jsonc::empty_inside(text, path).is_none_or(|inside| !inside.trim().is_empty()) {
        return Ok(text.to_owned());
    }
    without_member(text, path, before)
}

/// Takes away the last member at a path.
pub fn without_member(text: &str, path: &[&str], before: Option<&str>) -> Result<String, Wrong> {
    let (Some(root), Some((name, parent))) = (jsonc::parse(text)?, path.split_last()) else {
        return Ok(text.to_owned());
    };
    let object = jsonc::at(&root, parent).and_then(|value| Some((value, value.as_object()?)));
    let Some((value, object)) = object else { return Ok(text.to_owned()) };
    let member = object.properties.iter().rev().find(|prop| prop.name.as_str() == *name);
    let Some(member) = member else { return Ok(text.to_owned()) };
    let inside = before.and_then(|before| jsonc::empty_inside(before, parent));
    Ok(jsonc::remove(text, value, member.start(), inside))
}

pub fn hindrances(text: &str, client: Client) -> Vec<&'static str> {
    let Ok(Some(root)) = jsonc::parse(text) else { return Vec::new() };
    let is = |path: &[&str], value: bool| {
        jsonc::at(&root, path).and_then(Value::as_boolean_lit).is_some_and(|found| found.value == value)
    };
    match client {
        Client::ClaudeCode if is(&["disableAllHooks"], true) => {
            vec!["the same file says `disableAllHooks`: no hook runs until that is taken out"]
        }
        Client::Gemini if is(&["hooksConfig", "enabled"], false) => {
            vec!["the same file says `hooksConfig.enabled: false`: no hook runs until that is taken out"]
        }
        _ => Vec::new(),
    }
}

/// A hook of SHIM's, of this data folder.
pub struct Standing {
    pub event: String,
    span: (usize, usize),
    pub value: serde_json::Value,
    /// Its group's place in the event's list, and its own in the group.
    pub group: usize,
    pub place: usize,
}

pub fn standing(text: &str, wanted: &Wanted<'_>) -> Result<Vec<Standing>, Wrong> {
    let Some(root) = jsonc::parse(text)? else { return Ok(Vec::new()) };
    let Some(events) = jsonc::at(&root, &[HOOKS]).and_then(Value::as_object) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for event in &events.properties {
        let groups = event.value.as_array().map(|list| list.elements.as_slice()).unwrap_or_default();
        for (group, commands) in groups.iter().enumerate() {
            let commands = jsonc::at(commands, &[HOOKS]).and_then(Value::as_array);
            for (place, command) in commands.into_iter().flat_map(|list| &list.elements).enumerate() {
                let value = serde_json::Value::from(command.clone());
                if is_ours(&value, wanted) {
                    let (event, span) = (event.name.as_str().to_owned(), (command.start(), command.end()));
                    found.push(Standing { event, span, value, group, place });
                }
            }
        }
    }
    Ok(found)
}

/// The text without one hook, and without its group when that holds no other.
fn without(text: &str, found: &Standing, before: Option<&str>) -> Result<String, Wrong> {
    let Some(root) = jsonc::parse(text)? else { return Ok(text.to_owned()) };
    let path = [HOOKS, found.event.as_str()];
    let list = jsonc::at(&root, &path).and_then(|value| Some((value, value.as_array()?)));
    let group = list.and_then(|(list, groups)| Some((list, groups.elements.get(found.group)?)));
    let Some((list, group)) = group else { return Ok(text.to_owned()) };
    let commands = jsonc::at(group, &[HOOKS]).and_then(|value| Some((value, value.as_array()?)));
    let Some((commands, all)) = commands else { return Ok(text.to_owned()) };
    if all.elements.len() == 1 {
        let inside = before.and_then(|before| jsonc::empty_inside(before, &path));
        return Ok(jsonc::remove(text, list, group.start(), inside));
    }
    let start = all.elements.get(found.place).map(Ranged::start).unwrap_or_default();
    Ok(jsonc::remove(text, commands, start, None))
}

fn hook(wanted: &Wanted<'_>, event: &str) -> Tree {
    let Wanted { client, caller, .. } = wanted;
    let words = arguments(caller, *client, event);
    let (command, arguments) = match (caller.windows, client) {
        (false, _) => (for_posix_shell(&caller.program, &words), None),
        // Without a shell: which one it would be differs between machines.
        (true, Client::ClaudeCode) => (caller.program.clone(), Some(words)),
        (true, Client::Gemini) => (for_powershell(&caller.program, &words), None),
        (true, _) => (for_any_windows_shell(&caller.program, &words), None),
    };
    let mut members = vec![("type", Tree::text("command")), ("command", Tree::Text(command))];
    members.extend(arguments.map(|words| ("args", Tree::List(words.into_iter().map(Tree::Text).collect()))));
    if *client == Client::Gemini {
        members.extend([("name", Tree::text("shim")), ("timeout", Tree::Number(TIMEOUT_S * 1000))]);
    } else {
        members.push(("timeout", Tree::Number(TIMEOUT_S)));
    }
    Tree::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn arguments(caller: &Caller, client: Client, event: &str) -> Vec<String> {
    let words = ["hook", event, "--client", client.name()].map(str::to_owned);
    let home = caller.home.iter().flat_map(|home| ["--home".to_owned(), home.clone()]);
    words.into_iter().chain(home).collect()
}

fn for_posix_shell(program: &str, words: &[String]) -> String {
    let quoted = |word: &str| {
        let escaped = word.chars().flat_map(|c| {
            let escape = matches!(c, '"' | '\\' | '$' | '`').then_some('\\');
            escape.into_iter().chain([c])
        });
        format!("\"{}\"", escaped.collect::<String>())
    };
    let bare = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    let words = words.iter().map(|word| if bare(word) { word.clone() } else { quoted(word) });
    [quoted(program)].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn for_powershell(program: &str, words: &[String]) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', "''"));
    let words = words.iter().map(|word| quoted(word));
    ["&".to_owned(), quoted(program)].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// PowerShell and `cmd` alike run this.
fn for_any_windows_shell(program: &str, words: &[String]) -> String {
    let quoted = |word: &str| if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() };
    let words = words.iter().map(|word| quoted(word));
    ["cmd /c".to_owned(), format!("\"{program}\"")].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// Whether a command is a hook of SHIM's, with this data folder: `… hook EVENT --client C [--home H]`.
fn is_ours(command: &serde_json::Value, wanted: &Wanted<'_>) -> bool {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let Some(program) = command.get("command").and_then(text) else { return false };
    let words = match command.get("args").and_then(serde_json::Value::as_array) {
        Some(arguments) => [program].into_iter().chain(arguments.iter().filter_map(text)).collect(),
        None => split(&program, wanted.caller.windows),
    };
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let words = match words.as_slice() {
        ["&", rest @ ..] | ["cmd", "/c", rest @ ..] => rest,
        all => all,
    };
    let home = match words {
        [program, "hook", _, "--client", _, rest @ ..] if is_shim(program, wanted.caller) => match rest {
            [] => None,
            ["--home", home] => Some(*home),
            _ => return false,
        },
        _ => return false,
    };
    home == wanted.caller.home.as_deref()
}

/// The words of a command line as a shell would take them.
fn split(line: &str, windows: bool) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, Some(open)) if c == open => quote = None,
            ('\\', Some('"') | None) if !windows => {
                let next = rest.next_if(|next| quote.is_none() || "\"\\$`".contains(*next));
                word.get_or_insert_default().push(next.unwrap_or('\\'));
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
