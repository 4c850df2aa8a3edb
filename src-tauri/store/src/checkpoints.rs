//! Checkpoints: named points in a chat's journal.

use rusqlite::{OptionalExtension, Row, params};
use shim_core::{
    chats::ChatId,
    checkpoints::{Todo, Trigger},
    time::Timestamp,
};

use crate::{
    chats::json,
    connection::StoreError,
    journal::{StreamId, read_chat_id},
    writer::Batch,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCheckpoint {
    pub chat: ChatId,
    pub at: Timestamp,
    pub trigger: Trigger,
    pub note: Option<String>,
    pub turns: u64,
    pub tokens: u64,
    pub stream: StreamId,
    pub generation: i64,
    /// Bytes of the transcript up to here.
    pub offset: u64,
    pub head: Option<String>,
    pub branch: Option<String>,
    pub todos: Vec<Todo>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    pub id: i64,
    pub checkpoint: NewCheckpoint,
    /// Microseconds from deciding to written; the commit follows.
    pub took_us: u64,
    /// Bytes of this row's own columns.
    pub bytes: u64,
}

impl Batch<'_> {
    pub fn put_checkpoint(&self, new: &NewCheckpoint) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO checkpoint (chat_id, at, cause, note, turns, tokens, stream_id, generation, offset, head,
                                         branch, todos, took_us)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0)",
            )?
            .execute(params![
                new.chat.as_str(),
                new.at.ms(),
                new.trigger.name(),
                new.note,
                new.turns.cast_signed(),
                new.tokens.cast_signed(),
                new.stream.0,
                new.generation,
                new.offset.cast_signed(),
                new.head,
                new.branch,
                json(&new.todos),
            ])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// How long it took, known only once it was durable; written with whatever comes next.
    pub fn set_checkpoint_took(&self, id: i64, took_us: u64) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE checkpoint SET took_us = ?2 WHERE id = ?1",
            params![id, took_us.cast_signed()],
        )?;
        Ok(())
    }

    /// A chat's checkpoints, oldest first.
    pub fn checkpoints(&self, chat: &ChatId) -> Result<Vec<CheckpointRow>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(&format!("{COLUMNS} WHERE chat_id = ?1 ORDER BY id"))?;
        let rows = statement.query_map([chat.as_str()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn checkpoint(&self, id: i64) -> Result<Option<CheckpointRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
        Ok(statement.query_row([id], read).optional()?)
    }
}

const COLUMNS: &str =
    "SELECT id, chat_id, at, cause, note, turns, tokens, stream_id, generation, offset, head, branch,
    todos, took_us,
    length(chat_id) + length(cause) + coalesce(length(note), 0) + coalesce(length(head), 0)
        + coalesce(length(branch), 0) + length(todos) + 64
    FROM checkpoint";

fn read(row: &Row<'_>) -> rusqlite::Result<CheckpointRow> {
    let (cause, todos): (String, String) = (row.get(3)?, row.get(12)?);
    Ok(CheckpointRow {
        id: row.get(0)?,
        checkpoint: NewCheckpoint {
            chat: read_chat_id(row, 1)?,
            at: Timestamp::from_ms(row.get(2)?),
            trigger: Trigger::from_name(&cause).unwrap_or(Trigger::User),
            note: row.get(4)?,
            turns: row.get::<_, i64>(5)?.cast_unsigned(),
            tokens: row.get::<_, i64>(6)?.cast_unsigned(),
            stream: StreamId(row.get(7)?),
            generation: row.get(8)?,
            offset: row.get::<_, i64>(9)?.cast_unsigned(),
            head: row.get(10)?,
            branch: row.get(11)?,
            todos: serde_json::from_str(&todos).unwrap_or_default(),
        },
        took_us: row.get::<_, i64>(13)?.cast_unsigned(),
        bytes: row.get::<_, i64>(14)?.cast_unsigned(),
    })
}
