//! SHIM's MCP server in Codex's `config.toml`: a table of its own at the end, all other bytes kept.

use std::ops::Range;

use toml_edit::{Document, Item, Table, TableLike};

use super::{Wanted, Wrong, jsonc::line_of, mcp};

const SERVERS: &str = "mcp_servers";

pub fn install(text: &str, wanted: &Wanted<'_>) -> Result<String, Wrong> {
    let document = parse(text)?;
    let installed = match standing(&document) {
        None => added(text, &document, wanted)?,
        Some(server) => {
            let words = words(server);
            if words == wanted_words(wanted) {
                return Ok(text.to_owned());
            }
            if mcp::calls_shim(&words, wanted.caller).is_none() {
                return Err(taken(text, server));
            }
            renewed(text, server, wanted)?
        }
    };
    let document = parse(&installed).map_err(|_| Wrong::Unsound)?;
    let sound = standing(&document).is_some_and(|server| words(server) == wanted_words(wanted));
    if sound { Ok(installed) } else { Err(Wrong::Unsound) }
}

pub fn uninstall(text: &str, wanted: &Wanted<'_>, before: Option<&str>) -> Result<String, Wrong> {
    let document = parse(text)?;
    let Some(server) = standing(&document) else { return Ok(text.to_owned()) };
    if mcp::calls_shim(&words(server), wanted.caller) != Some(wanted.caller.home.clone()) {
        return Ok(text.to_owned());
    }
    let Some(table) = server.as_table().filter(|table| !table.is_dotted()) else {
        return Err(taken(text, server));
    };
    let span = table_span(text, table).ok_or(Wrong::Unsound)?;
    let mut left = text.to_owned();
    left.replace_range(behind_gap(text, span.start)..span.end, "");
    // Whether the last line ended is not to be seen any more.
    if let Some(before) = before.filter(|before| same_but_for_its_end(before, &left)) {
        left = before.to_owned();
    }
    match standing(&parse(&left).map_err(|_| Wrong::Unsound)?) {
        Some(_) => Err(Wrong::Unsound),
        None => Ok(left),
    }
}

/// The blank line before the table was SHIM's too.
fn behind_gap(text: &str, table: usize) -> usize {
    let ahead = text.get(..table).unwrap_or_default();
    let less = ahead.strip_suffix('\n').map(|less| less.strip_suffix('\r').unwrap_or(less));
    less.filter(|less| less.ends_with('\n')).map_or(table, str::len)
}

fn same_but_for_its_end(one: &str, other: &str) -> bool {
    one.trim_end_matches(['\n', '\r']) == other.trim_end_matches(['\n', '\r'])
}

fn parse(text: &str) -> Result<Document<&str>, Wrong> {
    Document::parse(text).map_err(|error| Wrong::Malformed {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })
}

fn standing<'a>(document: &'a Document<&str>) -> Option<&'a Item> {
    document.as_table().get(SERVERS)?.as_table_like()?.get(mcp::NAME)
}

fn taken(text: &str, server: &Item) -> Wrong {
    let line = line_of(text, server.span().map_or(0, |span| span.start));
    Wrong::Taken { line, what: format!("`{SERVERS}.{}`", mcp::NAME) }
}

fn wanted_words(wanted: &Wanted<'_>) -> Vec<String> {
    [wanted.caller.program.clone()].into_iter().chain(mcp::arguments(wanted.caller)).collect()
}

fn words(server: &Item) -> Vec<String> {
    let command = server.get("command").and_then(Item::as_str);
    let arguments = server.get("args").and_then(Item::as_array).into_iter().flatten();
    command.into_iter().chain(arguments.filter_map(|value| value.as_str())).map(str::to_owned).collect()
}

fn added(text: &str, document: &Document<&str>, wanted: &Wanted<'_>) -> Result<String, Wrong> {
    if let Some(servers) = document.as_table().get(SERVERS).filter(|servers| !servers.is_table()) {
        let line = line_of(text, servers.span().map_or(0, |span| span.start));
        return Err(Wrong::Shape {
            line,
            what: format!("`{SERVERS}`"),
            wanted: "a table that can be added to",
        });
    }
    let newline = newline(text);
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => newline,
        _ => &newline.repeat(2),
    };
    let (command, arguments) = values(wanted);
    Ok(format!(
        "{text}{gap}[{SERVERS}.{}]{newline}command = {command}{newline}args = {arguments}{newline}",
        mcp::NAME
    ))
}

/// The table with another program or other arguments; what a person added to it stays.
fn renewed(text: &str, server: &Item, wanted: &Wanted<'_>) -> Result<String, Wrong> {
    let (command, arguments) = values(wanted);
    let span = |key| server.get(key).and_then(Item::span);
    let (Some(program), Some(list)) = (span("command"), span("args")) else {
        return Err(taken(text, server));
    };
    let mut edits = [(program, command), (list, arguments)];
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, value) in edits {
        text.replace_range(span, &value);
    }
    Ok(text)
}

/// A JSON string is a TOML string too.
fn values(wanted: &Wanted<'_>) -> (String, String) {
    let text = |word: &str| serde_json::Value::from(word).to_string();
    let arguments: Vec<_> = mcp::arguments(wanted.caller).iter().map(|word| text(word)).collect();
    (text(&wanted.caller.program), format!("[{}]", arguments.join(", ")))
}

/// From the table's header to the end of the line of its last value, tables within it too.
fn table_span(text: &str, table: &Table) -> Option<Range<usize>> {
    let header = table.span()?;
    let end = last_end(table).max(header.end);
    let line = text.get(end..)?;
    let end = end + line.find('\n').map_or(line.len(), |at| at + 1);
    Some(header.start..end)
}

fn last_end(table: &dyn TableLike) -> usize {
    let ends = table.iter().map(|(_, item)| {
        let own = item.span().map_or(0, |span| span.end);
        item.as_table().map_or(own, |inner| last_end(inner).max(own))
    });
    ends.max().unwrap_or(0)
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
