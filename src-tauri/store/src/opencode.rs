//! opencode's own database, looked into: read-only, in short reads, never written, never locked for long. A database
//! of another form is an error that says so.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Row as SqlRow, ffi::ErrorCode, types::ValueRef};
use serde_json::{Map, Value};
use shim_core::clients::opencode::{Changed, Mark, Row, Table};

/// Longest wait for the client's own write, which takes milliseconds.
const BUSY_WAIT: Duration = Duration::from_millis(200);
/// Sessions listed of one database; the newest are.
const SESSIONS_MAX: i64 = 20_000;
/// Columns without which nothing can be told.
const NEEDED: [(Table, &[&str]); 3] = [
    (Table::Session, &["id", "parent_id", "directory", "time_created", "time_updated"]),
    (Table::Message, &["id", "session_id", "time_created", "time_updated", "data"]),
    (Table::Part, &["id", "message_id", "session_id", "time_updated", "data"]),
];

#[derive(Debug, thiserror::Error)]
pub enum OpencodeError {
    /// As it is while the client makes it.
    #[error("{path} holds no chats yet", path = path.display())]
    Empty { path: PathBuf },
    #[error("{path} is of an opencode that this SHIM does not know ({why}): its chats are not kept; update SHIM", path = path.display())]
    OtherVersion { path: PathBuf, why: String },
    #[error("{path} is in use and could not be read in time; it is tried again", path = path.display())]
    Busy { path: PathBuf },
    #[error("{path} cannot be read ({why}): its chats are not kept; what is journaled stays", path = path.display())]
    Unreadable { path: PathBuf, why: String },
}

/// A session as far as a list tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    pub parent_id: Option<String>,
    pub directory: String,
    /// Milliseconds since 1970.
    pub time_created: i64,
    pub stamp: Stamp,
}

/// Changes whenever a row of the session does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    pub time_updated: i64,
    /// The client's own count of changes to the session, or the newest time of its rows where it keeps none.
    pub changes: i64,
}

/// An opened database of the client.
pub struct Opencode {
    connection: Connection,
    path: PathBuf,
    counts_changes: bool,
}

impl Opencode {
    pub fn open(path: &Path) -> Result<Self, OpencodeError> {
        let failed = |error: rusqlite::Error| failed(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
        connection.pragma_update(None, "query_only", true).map_err(failed)?;
        // 512 KiB of pages: many databases may be open at once.
        connection.pragma_update(None, "cache_size", -512).map_err(failed)?;
        let mut found = Vec::new();
        for (table, needed) in NEEDED {
            found.push((table, needed, columns(&connection, table.name()).map_err(failed)?));
        }
        if found.iter().all(|(_, _, columns)| columns.is_empty()) {
            return Err(OpencodeError::Empty { path: path.to_owned() });
        }
        for (table, needed, columns) in found {
            if let Some(missing) = needed.iter().find(|name| !columns.iter().any(|column| column == *name)) {
                let why = format!("its table {} has no column {missing}", table.name());
                return Err(OpencodeError::OtherVersion { path: path.to_owned(), why });
            }
        }
        let counts_changes =
            columns(&connection, "event_sequence").map_err(failed)?.iter().any(|name| name == "seq");
        Ok(Self { connection, path: path.to_owned(), counts_changes })
    }

    pub fn sessions(&self) -> Result<Vec<Session>, OpencodeError> {
        let sql = format!(
            "SELECT id, parent_id, directory, time_created, time_updated, {} FROM session ORDER BY time_updated DESC LIMIT {SESSIONS_MAX}",
            self.changes()
        );
        self.all(&sql, [], |row| {
            Ok(Session {
                id: row.get(0)?,
                parent_id: row.get(1)?,
                directory: row.get(2)?,
                time_created: row.get(3)?,
                stamp: Stamp { time_updated: row.get(4)?, changes: row.get(5)? },
            })
        })
    }

    /// `None` when there is no such session.
    pub fn stamp(&self, session_id: &str) -> Result<Option<Stamp>, OpencodeError> {
        let sql = format!("SELECT time_updated, {} FROM session WHERE id = ?1", self.changes());
        let stamps =
            self.all(&sql, [session_id], |row| Ok(Stamp { time_updated: row.get(0)?, changes: row.get(1)? }));
        Ok(stamps?.pop())
    }

    fn changes(&self) -> &'static str {
        if self.counts_changes {
            "coalesce((SELECT seq FROM event_sequence WHERE aggregate_id = session.id), 0)"
        } else {
            "coalesce((SELECT max(time_updated) FROM part WHERE session_id = session.id), 0)
             + coalesce((SELECT max(time_updated) FROM message WHERE session_id = session.id), 0)"
        }
    }

    /// Every row of a session, by what tells its versions apart.
    pub fn marks(&self, session_id: &str) -> Result<Vec<Changed>, OpencodeError> {
        let mut marks = Vec::new();
        for (table, sql) in [
            (Table::Session, "SELECT id, '', time_updated, 0 FROM session WHERE id = ?1"),
            (
                Table::Message,
                "SELECT id, id, time_updated, octet_length(data) FROM message WHERE session_id = ?1",
            ),
            (
                Table::Part,
                "SELECT id, message_id, time_updated, octet_length(data) FROM part WHERE session_id = ?1",
            ),
        ] {
            marks.extend(self.all(sql, [session_id], |row| {
                let mark = Mark { time_updated: row.get(2)?, bytes: row.get::<_, i64>(3)?.cast_unsigned() };
                Ok(Changed { table, id: row.get(0)?, message_id: row.get(1)?, mark })
            })?);
        }
        Ok(marks)
    }

    /// A row whole; `None` when it is gone meanwhile.
    pub fn row(&self, table: Table, id: &str) -> Result<Option<Row>, OpencodeError> {
        let sql = match table {
            Table::Session => "SELECT session.*, NULL AS role FROM session WHERE id = ?1",
            Table::Message => "SELECT message.*, NULL AS role FROM message WHERE id = ?1",
            Table::Part => {
                "SELECT part.*, (SELECT CASE WHEN json_valid(message.data) THEN json_extract(message.data, '$.role') END
                                 FROM message WHERE message.id = part.message_id) AS role
                 FROM part WHERE id = ?1"
            }
        };
        Ok(self.all(sql, [id], |row| read_row(table, row))?.pop())
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, OpencodeError> {
        let read = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare_cached(sql)?.query_map(params, read)?.collect()
        };
        read().map_err(|error| failed(&self.path, &error))
    }
}

fn read_row(table: Table, row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let names: Vec<String> = row.as_ref().column_names().into_iter().map(str::to_owned).collect();
    let (mut columns, mut data, mut role) = (Map::new(), None, None);
    for (at, name) in names.iter().enumerate() {
        match (name.as_str(), row.get_ref(at)?) {
            ("data", ValueRef::Text(text)) => data = Some(String::from_utf8_lossy(text).into_owned()),
            ("role", ValueRef::Text(text)) => role = Some(String::from_utf8_lossy(text).into_owned()),
            ("role", _) => {}
            (_, value) => drop(columns.insert(name.clone(), json(value))),
        }
    }
    let id = columns.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let time_updated = columns.get("time_updated").and_then(Value::as_i64).unwrap_or(0);
    let bytes = data.as_ref().map_or(0, |data: &String| data.len() as u64);
    Ok(Row { table, id, mark: Mark { time_updated, bytes }, columns, data, role })
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        // No column that is known holds bytes.
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()).into(),
    }
}

/// The columns of a table; none when there is no such table.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

fn failed(path: &Path, error: &rusqlite::Error) -> OpencodeError {
    let (path, why) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpencodeError::Busy { path },
        // A table or column of another version.
        Some(ErrorCode::Unknown) => OpencodeError::OtherVersion { path, why },
        _ if matches!(
            error,
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..)
        ) =>
        {
            OpencodeError::OtherVersion { path, why }
        }
        _ => OpencodeError::Unreadable { path, why },
    }
}

#[cfg(test)]
#[path = "opencode_tests.rs"]
mod tests;
