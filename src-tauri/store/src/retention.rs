//! Keeping the journal within its size and age. What is dropped is said, never silent.

use rusqlite::params;
use shim_core::{chats::ChatId, time::Timestamp};

use crate::{connection::StoreError, journal::read_chat_id, writer::Batch};

/// Notes of dropped chats that are kept.
const DROPPED_NOTES_MAX: u32 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    pub at: Timestamp,
    pub chat: ChatId,
    pub title: String,
    pub bytes: u64,
    pub why: String,
}

impl Batch<'_> {
    /// Compressed bytes of a chat's chunks, all generations.
    pub fn chat_bytes(&self, chat: &ChatId) -> Result<u64, StoreError> {
        // Without an order or a group: those would copy every chunk into a temporary table.
        let sql = "SELECT coalesce(sum(length(chunk.compressed)), 0) FROM stream
                   JOIN chunk ON chunk.stream_id = stream.id WHERE stream.chat_id = ?1";
        Ok(self.connection.query_row(sql, [chat.as_str()], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// Drops a chat's bytes and checkpoints and notes it. Its streams stay, as known but not kept, so
    /// that the same bytes are not journaled again.
    pub fn drop_chat(&self, dropped: &Dropped) -> Result<(), StoreError> {
        let chat = dropped.chat.as_str();
        self.connection.execute(
            "DELETE FROM chunk WHERE stream_id IN (SELECT id FROM stream WHERE chat_id = ?1)",
            [chat],
        )?;
        self.drop_signals(&dropped.chat)?;
        self.connection.execute("DELETE FROM checkpoint WHERE chat_id = ?1", [chat])?;
        self.connection.execute("DELETE FROM chat WHERE id = ?1", [chat])?;
        self.connection.execute("DELETE FROM launch WHERE chat_id = ?1", [chat])?;
        self.connection.execute(
            "INSERT INTO dropped (at, chat_id, title, bytes, why) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![dropped.at.ms(), chat, dropped.title, dropped.bytes.cast_signed(), dropped.why],
        )?;
        self.connection.execute(
            "DELETE FROM dropped WHERE id <= (SELECT max(id) FROM dropped) - ?1",
            [DROPPED_NOTES_MAX],
        )?;
        // Each step frees one page: at most 100 MiB here, the rest with the next chat that is dropped.
        let mut vacuum = self.connection.prepare("PRAGMA incremental_vacuum(102400)")?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
        Ok(())
    }

    /// What was dropped, the newest first.
    pub fn dropped(&self) -> Result<Vec<Dropped>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT at, chat_id, title, bytes, why FROM dropped ORDER BY id DESC")?;
        let rows = statement.query_map([], |row| {
            Ok(Dropped {
                at: Timestamp::from_ms(row.get(0)?),
                chat: read_chat_id(row, 1)?,
                title: row.get(2)?,
                bytes: row.get::<_, i64>(3)?.cast_unsigned(),
                why: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn is_dropped(&self, chat: &ChatId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM dropped WHERE chat_id = ?1";
        Ok(self.connection.query_row(sql, [chat.as_str()], |row| row.get::<_, i64>(0))? > 0)
    }
}
