//! What of a session's rows is journaled already, and the lines for what is not. Pure: rows come in, lines go out.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::time::Timestamp;

/// A part that is not whole yet (a tool's output grows in it) is journaled again after so long, in milliseconds.
const UNFINISHED_EVERY_MS: i64 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Session,
    Message,
    Part,
}

impl Table {
    pub const ALL: [Self; 3] = [Self::Session, Self::Message, Self::Part];

    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Message => "message",
            Self::Part => "part",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// By what two versions of a row are told apart without reading them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Mark {
    pub time_updated: i64,
    /// Of its data, in bytes.
    pub bytes: u64,
}

/// A row, or what of it is needed to tell whether it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub table: Table,
    pub id: String,
    /// The message it is or belongs to; empty for the session itself.
    pub message_id: String,
    pub mark: Mark,
}

/// A row as it stands in the client's database.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub table: Table,
    pub id: String,
    pub mark: Mark,
    /// Its columns but `data`.
    pub columns: Map<String, Value>,
    /// The text of its column `data`; a session has none.
    pub data: Option<String>,
    /// Of the message that a part belongs to.
    pub role: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    mark: Mark,
    is_whole: bool,
    /// When it was journaled; unknown for what an earlier engine did.
    at: Option<Timestamp>,
}

/// The last journaled version of each row of a session.
#[derive(Clone, Debug, Default)]
pub struct Journaled {
    rows: BTreeMap<(Table, String), Version>,
}

/// What became of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// To be journaled, in the order in which a reader understands them.
    pub changed: Vec<Changed>,
    pub removed: Vec<(Table, String)>,
    /// Something was left for later, since it is not whole yet.
    pub waits: bool,
}

impl Journaled {
    /// Takes up one line of the journal.
    pub fn note_line(&mut self, line: &[u8]) {
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            table: Cow<'a, str>,
            #[serde(borrow)]
            id: Cow<'a, str>,
            #[serde(default)]
            removed: bool,
            #[serde(default)]
            time_updated: i64,
            #[serde(default)]
            bytes: Option<u64>,
            #[serde(borrow, default)]
            data: Option<&'a RawValue>,
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else { return };
        let Some(table) = Table::from_name(&line.table) else { return };
        let key = (table, line.id.into_owned());
        if line.removed {
            self.rows.remove(&key);
            return;
        }
        let data = line.data.map(RawValue::get);
        let bytes = line.bytes.or_else(|| data.map(|data| data.len() as u64)).unwrap_or(0);
        let mark = Mark { time_updated: line.time_updated, bytes };
        self.rows.insert(key, Version { mark, is_whole: is_whole(table, data), at: None });
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a message that was journaled is there no more: the user took the chat back to before it.
    pub fn lost_messages(&self, now: &[Changed]) -> bool {
        let held: std::collections::BTreeSet<&str> =
            now.iter().filter(|row| row.table == Table::Message).map(|row| row.id.as_str()).collect();
        let mut messages = self.rows.keys().filter(|(table, _)| *table == Table::Message);
        messages.any(|(_, id)| !held.contains(id.as_str()))
    }

    /// What of `rows`, which are all rows of the session, is not journaled. `wholly` leaves nothing for later.
    pub fn news(&self, rows: Vec<Changed>, now: Timestamp, wholly: bool) -> News {
        let held: std::collections::BTreeSet<(Table, &str)> =
            rows.iter().map(|row| (row.table, row.id.as_str())).collect();
        let removed = self.rows.keys().filter(|(table, id)| !held.contains(&(*table, id.as_str())));
        let removed: Vec<_> = removed.cloned().collect();
        let (mut changed, mut waits) = (Vec::new(), false);
        for row in rows {
            match self.rows.get(&(row.table, row.id.clone())) {
                Some(version) if version.mark == row.mark => {}
                Some(version) if !wholly && version.is_too_soon(now) => waits = true,
                Some(_) | None => changed.push(row),
            }
        }
        // A message is told after its parts: only then is it known how it ended.
        changed.sort_by(|a, b| {
            let place = |row: &Changed| match row.table {
                Table::Session => 0,
                Table::Part => 1,
                Table::Message => 2,
            };
            (&a.message_id, place(a), &a.id).cmp(&(&b.message_id, place(b), &b.id))
        });
        News { changed, removed, waits }
    }

    /// The line for a row, which is noted as journaled.
    pub fn line(&mut self, row: &Row, now: Timestamp) -> Vec<u8> {
        let key = (row.table, row.id.clone());
        let before = self.rows.get(&key);
        let again = before.is_some_and(|version| version.is_whole);
        let line = line(row, again);
        let is_whole = is_whole(row.table, row.data.as_deref());
        self.rows.insert(key, Version { mark: row.mark, is_whole, at: Some(now) });
        line
    }

    /// The line that says that a row is gone.
    pub fn removal(&mut self, table: Table, id: &str) -> Vec<u8> {
        self.rows.remove(&(table, id.to_owned()));
        let line = serde_json::json!({ "table": table.name(), "id": id, "removed": true });
        format!("{line}\n").into_bytes()
    }
}

impl Version {
    fn is_too_soon(&self, now: Timestamp) -> bool {
        !self.is_whole && self.at.is_some_and(|at| now.ms() - at.ms() < UNFINISHED_EVERY_MS)
    }
}

/// The line for a row by itself: `data` stands in it as the client wrote it.
pub fn line(row: &Row, again: bool) -> Vec<u8> {
    let mut head = Map::new();
    head.insert("table".to_owned(), row.table.name().into());
    head.insert("id".to_owned(), row.id.as_str().into());
    head.insert("bytes".to_owned(), row.mark.bytes.into());
    head.extend(row.role.as_deref().map(|role| ("role".to_owned(), role.into())));
    head.extend(again.then(|| ("again".to_owned(), true.into())));
    let columns = row.columns.iter().filter(|(name, _)| !head.contains_key(*name)).collect::<Vec<_>>();
    let columns: Vec<_> = columns.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    head.extend(columns);
    head.insert("time_updated".to_owned(), row.mark.time_updated.into());
    let mut text = Value::Object(head).to_string();
    if let Some(data) = &row.data {
        text.pop();
        text.push_str(",\"data\":");
        let is_json = !data.contains('\n') && serde_json::from_str::<&RawValue>(data).is_ok();
        text.push_str(&if is_json { data.clone() } else { Value::from(data.as_str()).to_string() });
        text.push('}');
    }
    text.push('\n');
    text.into_bytes()
}

/// Whether a later version of this row would tell the same: then it is not told again.
fn is_whole(table: Table, data: Option<&str>) -> bool {
    let Some(data) = data.and_then(|data| serde_json::from_str::<Value>(data).ok()) else {
        return table == Table::Session;
    };
    let text = |at: &str| data.pointer(at).and_then(Value::as_str);
    let is_set = |at: &str| data.pointer(at).is_some_and(|value| !value.is_null());
    match table {
        Table::Session => true,
        Table::Message => text("/role") != Some("assistant") || is_set("/time/completed"),
        Table::Part => match text("/type") {
            Some("tool") => matches!(text("/state/status"), Some("completed" | "error")),
            Some("text" | "reasoning") => !is_set("/time/start") || is_set("/time/end"),
            _ => true,
        },
    }
}
