//! From journal lines back to what the client takes up again: the last version of each row, as `opencode import` reads it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::journaled::Table;

/// Columns of a session that the client's own form names otherwise: column, place, and whether its text is JSON.
const SESSION_FIELDS: &[(&str, &str, bool)] = &[
    ("id", "id", false),
    ("slug", "slug", false),
    ("project_id", "projectID", false),
    ("workspace_id", "workspaceID", false),
    ("parent_id", "parentID", false),
    ("directory", "directory", false),
    ("path", "path", false),
    ("title", "title", false),
    ("version", "version", false),
    ("agent", "agent", false),
    ("model", "model", true),
    ("permission", "permission", true),
    ("revert", "revert", true),
    ("metadata", "metadata", true),
    ("cost", "cost", false),
];

/// Characters of an id that are chance: they follow its kind and its moment.
const ID_CHANCE_AFTER: usize = 16;

/// The last version of each row, in the order of the client: the session, then each message after its parts.
pub fn as_now(journal: &[u8]) -> Vec<Value> {
    let mut rows: BTreeMap<(Table, String), Value> = BTreeMap::new();
    for line in journal.split(|byte| *byte == b'\n') {
        let Ok(row) = serde_json::from_slice::<Value>(line) else { continue };
        let Some(table) = Table::ALL.into_iter().find(|table| is_of(&row, *table)) else { continue };
        let Some(id) = row.get("id").and_then(Value::as_str) else { continue };
        let key = (table, id.to_owned());
        if row.get("removed").is_some_and(|removed| *removed == true) {
            rows.remove(&key);
        } else {
            rows.insert(key, row);
        }
    }
    rows.into_values().collect()
}

/// What `opencode import` reads; `None` when the rows hold no session.
pub fn export(rows: &[Value]) -> Option<Value> {
    let of = |table: Table| rows.iter().filter(move |row| is_of(row, table));
    let session = of(Table::Session).next()?;
    let messages = of(Table::Message).map(|message| {
        let parts = of(Table::Part).filter(|part| part.get("message_id") == message.get("id"));
        let parts: Vec<_> = parts.map(|part| whole(part, &["session_id", "message_id"])).collect();
        json!({ "info": whole(message, &["session_id"]), "parts": parts })
    });
    let messages: Vec<_> = messages.collect();
    Some(json!({ "info": info(session), "messages": messages }))
}

fn is_of(row: &Value, table: Table) -> bool {
    row.get("table").is_some_and(|name| *name == table.name())
}

fn of_row(row: &Value, column: &str) -> Value {
    row.get(column).cloned().unwrap_or(Value::Null)
}

/// A row's data with the ids that stand beside it.
fn whole(row: &Value, ids: &[&str]) -> Value {
    let mut data = row.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    data.insert("id".to_owned(), of_row(row, "id"));
    for id in ids {
        let name = if *id == "session_id" { "sessionID" } else { "messageID" };
        data.insert(name.to_owned(), of_row(row, id));
    }
    Value::Object(data)
}

fn info(session: &Value) -> Value {
    let mut info = Map::new();
    for (column, field, is_json) in SESSION_FIELDS {
        let value = of_row(session, column);
        let value = match value.as_str().filter(|_| *is_json) {
            Some(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            None => value,
        };
        if !value.is_null() {
            info.insert((*field).to_owned(), value);
        }
    }
    let count = |column: &str| session.get(column).and_then(Value::as_u64).unwrap_or(0);
    info.insert(
        "summary".to_owned(),
        json!({
            "additions": count("summary_additions"),
            "deletions": count("summary_deletions"),
            "files": count("summary_files"),
        }),
    );
    info.insert(
        "tokens".to_owned(),
        json!({
            "input": count("tokens_input"),
            "output": count("tokens_output"),
            "reasoning": count("tokens_reasoning"),
            "cache": { "read": count("tokens_cache_read"), "write": count("tokens_cache_write") },
        }),
    );
    let mut time = Map::new();
    for (column, field) in [
        ("time_created", "created"),
        ("time_updated", "updated"),
        ("time_compacting", "compacting"),
        ("time_archived", "archived"),
    ] {
        let value = of_row(session, column);
        if !value.is_null() {
            time.insert(field.to_owned(), value);
        }
    }
    info.insert("time".to_owned(), Value::Object(time));
    Value::Object(info)
}

/// The same rows as another chat: the session gets `new` as its id, each other row the chance of that id for its own.
pub fn renamed(rows: &[Value], new: &str) -> Vec<Value> {
    let chance: String = new.chars().skip(ID_CHANCE_AFTER).collect();
    let other = |id: &Value| match id.as_str() {
        Some(id) => Value::from(id.chars().take(ID_CHANCE_AFTER).chain(chance.chars()).collect::<String>()),
        None => Value::Null,
    };
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let is_session = is_of(row, Table::Session);
        let renamed = if is_session { Value::from(new) } else { other(&of_row(row, "id")) };
        let Some(fields) = row.as_object_mut() else { continue };
        fields.insert("id".to_owned(), renamed);
        if is_session {
            fields.remove("parent_id");
            continue;
        }
        fields.insert("session_id".to_owned(), new.into());
        if let Some(message) = fields.get("message_id").map(other) {
            fields.insert("message_id".to_owned(), message);
        }
        if let Some(parent) = fields.get("data").and_then(|data| data.get("parentID")).map(other)
            && let Some(data) = fields.get_mut("data").and_then(Value::as_object_mut)
        {
            data.insert("parentID".to_owned(), parent);
        }
    }
    rows
}
