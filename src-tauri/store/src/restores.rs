//! Receipts of restores, refused and failed ones too.

use rusqlite::{OptionalExtension, Row, params};
use shim_core::{chats::ChatId, time::Timestamp};

use crate::{connection::StoreError, journal::read_chat_id, writer::Batch};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRow {
    pub id: i64,
    /// The chat that was asked for.
    pub chat: ChatId,
    pub crash: Option<i64>,
    pub at: Timestamp,
    /// A process was started.
    pub started: bool,
    /// JSON, as it goes over the wire.
    pub receipt: String,
}

impl Batch<'_> {
    /// Takes a number for a receipt; `put_receipt` fills it.
    pub fn new_restore(&self, chat: &ChatId, crash: Option<i64>, at: Timestamp) -> Result<i64, StoreError> {
        self.connection.execute(
            "INSERT INTO restore (chat_id, crash_id, at, started, receipt) VALUES (?1, ?2, ?3, 0, '')",
            params![chat.as_str(), crash, at.ms()],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Says, before it is done, that a process is about to be started.
    pub fn mark_started(&self, id: i64) -> Result<(), StoreError> {
        self.connection.execute("UPDATE restore SET started = 1 WHERE id = ?1", [id])?;
        Ok(())
    }

    pub fn put_receipt(&self, id: i64, receipt: &str) -> Result<(), StoreError> {
        self.connection.execute("UPDATE restore SET receipt = ?2 WHERE id = ?1", params![id, receipt])?;
        Ok(())
    }

    /// A chat's restores, oldest first. One whose engine died under way has an empty receipt.
    pub fn restores(&self, chat: &ChatId) -> Result<Vec<RestoreRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, chat_id, crash_id, at, started, receipt FROM restore WHERE chat_id = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([chat.as_str()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Restores that started a process at or after `since`.
    pub fn restores_started(&self, since: Timestamp) -> Result<Vec<RestoreRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, chat_id, crash_id, at, started, receipt FROM restore WHERE started = 1 AND at >= ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([since.ms()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Restores that were begun and have no receipt, or a note only that says it is not the last word.
    pub fn unfinished_restores(&self) -> Result<Vec<RestoreRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, chat_id, crash_id, at, started, receipt FROM restore
             WHERE CASE receipt WHEN '' THEN 1 ELSE json_extract(receipt, '$.unfinished') IS 1 END ORDER BY id",
        )?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last receipt for a crash that was not a rehearsal.
    pub fn last_receipt(&self, crash: i64) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT receipt FROM restore WHERE crash_id = ?1 AND receipt <> '' AND json_extract(receipt, '$.dry_run') = 0
             ORDER BY id DESC LIMIT 1",
        )?;
        Ok(statement.query_row([crash], |row| row.get(0)).optional()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<RestoreRow> {
    Ok(RestoreRow {
        id: row.get(0)?,
        chat: read_chat_id(row, 1)?,
        crash: row.get(2)?,
        at: Timestamp::from_ms(row.get(3)?),
        started: row.get(4)?,
        receipt: row.get(5)?,
    })
}
