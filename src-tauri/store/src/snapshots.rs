//! Snapshots of workspaces: what was kept of a chat's folder, and where.

use rusqlite::{OptionalExtension, Row, params};
use shim_core::{
    chats::ChatId,
    checkpoints::snapshots::{LeftOut, Listed, SnapshotState, reference},
    time::Timestamp,
};

use crate::{chats::json, connection::StoreError, journal::read_chat_id, writer::Batch};

/// Rows of one chat that stay although no checkpoint names them: what is under way, and a little history.
const UNNAMED_MAX: u32 = 20;

/// A snapshot before anything was done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSnapshot {
    pub chat: ChatId,
    pub at: Timestamp,
    pub folder: Vec<u8>,
    /// Whether a repository holds the folder: then it has a reference there.
    pub in_repository: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub state: SnapshotState,
    pub commit: Option<String>,
    pub tree: Option<String>,
    /// The commit git's HEAD named.
    pub head: Option<String>,
    /// Files that were not as git's index has them, or that are listed.
    pub files: u64,
    pub bytes: u64,
    pub left_out: Vec<LeftOut>,
    pub listed: Vec<Listed>,
    pub error: Option<String>,
    pub took_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRow {
    pub id: i64,
    pub chat: ChatId,
    pub at: Timestamp,
    pub folder: Vec<u8>,
    pub reference: String,
    pub outcome: Outcome,
}

impl Batch<'_> {
    /// Gives it a number. Nothing is done in a repository before this is on disk.
    pub fn begin_snapshot(&self, new: &NewSnapshot) -> Result<SnapshotRow, StoreError> {
        self.connection.execute(
            "INSERT INTO snapshot (chat_id, at, state, folder, reference, files, bytes, left_out, listed, took_us)
             VALUES (?1, ?2, ?3, ?4, '', 0, 0, '[]', '[]', 0)",
            params![new.chat.as_str(), new.at.ms(), SnapshotState::Begun.name(), new.folder],
        )?;
        let id = self.connection.last_insert_rowid();
        if new.in_repository {
            self.connection.execute(
                "UPDATE snapshot SET reference = ?2 WHERE id = ?1",
                params![id, reference(new.chat.session_id(), id)],
            )?;
        }
        self.drop_unnamed_snapshots(&new.chat)?;
        self.snapshot(id)?.ok_or(StoreError::Closed)
    }

    pub fn end_snapshot(&self, id: i64, outcome: &Outcome) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE snapshot SET state = ?2, commit_id = ?3, tree_id = ?4, head = ?5, files = ?6, bytes = ?7,
                                 left_out = ?8, listed = ?9, error = ?10, took_us = ?11
             WHERE id = ?1",
            params![
                id,
                outcome.state.name(),
                outcome.commit,
                outcome.tree,
                outcome.head,
                outcome.files.cast_signed(),
                outcome.bytes.cast_signed(),
                json(&outcome.left_out),
                json(&outcome.listed),
                outcome.error,
                outcome.took_us.cast_signed(),
            ],
        )?;
        Ok(())
    }

    /// Forgets one that turned out to be the same as another.
    pub fn drop_snapshot(&self, id: i64) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM snapshot WHERE id = ?1", [id])?;
        Ok(())
    }

    /// A checkpoint that names one already keeps it: what was kept first is nearest to it.
    pub fn name_snapshot(&self, checkpoints: &[i64], snapshot: i64) -> Result<(), StoreError> {
        for checkpoint in checkpoints {
            self.connection.execute(
                "UPDATE checkpoint SET snapshot_id = ?2 WHERE id = ?1 AND snapshot_id IS NULL",
                params![checkpoint, snapshot],
            )?;
        }
        Ok(())
    }

    pub fn snapshot(&self, id: i64) -> Result<Option<SnapshotRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
        Ok(statement.query_row([id], read).optional()?)
    }

    /// A chat's snapshots, oldest first.
    pub fn snapshots(&self, chat: &ChatId) -> Result<Vec<SnapshotRow>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(&format!("{COLUMNS} WHERE chat_id = ?1 ORDER BY id"))?;
        let rows = statement.query_map([chat.as_str()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest that a commit holds.
    pub fn last_kept_snapshot(&self, chat: &ChatId) -> Result<Option<SnapshotRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE chat_id = ?1 AND state = 'kept' ORDER BY id DESC LIMIT 1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row([chat.as_str()], read).optional()?)
    }

    /// Those that an engine began and did not end.
    pub fn unfinished_snapshots(&self) -> Result<Vec<SnapshotRow>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(&format!("{COLUMNS} WHERE state = 'begun' ORDER BY id"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Those that are beyond `max` of the chat. What the user asked for, a crash and a milestone stay longest; the
    /// newest always stays.
    pub fn superfluous_snapshots(&self, chat: &ChatId, max: usize) -> Result<Vec<SnapshotRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{COLUMNS} WHERE chat_id = ?1 AND state = 'kept'
             ORDER BY id = (SELECT max(id) FROM snapshot WHERE chat_id = ?1 AND state = 'kept') DESC,
                      EXISTS (SELECT 1 FROM checkpoint WHERE snapshot_id = snapshot.id
                              AND cause IN ('user', 'crash', 'milestone')) DESC,
                      id DESC"
        ))?;
        let rows = statement.query_map([chat.as_str()], read)?.skip(max.max(1));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Kept ones of any chat that are older than `before`, as is every checkpoint that names them: a tree that did not
    /// change is kept as long as the last checkpoint of it.
    pub fn aged_snapshots(&self, before: Timestamp) -> Result<Vec<SnapshotRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{COLUMNS} WHERE state = 'kept' AND at < ?1
             AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE snapshot_id = snapshot.id AND checkpoint.at >= ?1)"
        ))?;
        let rows = statement.query_map([before.ms()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Kept ones whose chat retention dropped. A chat that is new has no row of its own yet.
    pub fn orphaned_snapshots(&self) -> Result<Vec<SnapshotRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{COLUMNS} WHERE state = 'kept' AND chat_id IN (SELECT chat_id FROM dropped)
             AND NOT EXISTS (SELECT 1 FROM chat WHERE chat.id = snapshot.chat_id)"
        ))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn expire_snapshot(&self, id: i64) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE snapshot SET state = ?2, listed = '[]' WHERE id = ?1",
            params![id, SnapshotState::Expired.name()],
        )?;
        Ok(())
    }

    /// Rows that hold nothing any more and that no checkpoint names.
    fn drop_unnamed_snapshots(&self, chat: &ChatId) -> Result<(), StoreError> {
        self.connection.execute(
            "DELETE FROM snapshot WHERE chat_id = ?1 AND state NOT IN ('kept', 'begun')
             AND NOT EXISTS (SELECT 1 FROM checkpoint WHERE snapshot_id = snapshot.id)
             AND id <= (SELECT max(id) FROM snapshot WHERE chat_id = ?1) - ?2",
            params![chat.as_str(), UNNAMED_MAX],
        )?;
        Ok(())
    }
}

const COLUMNS: &str =
    "SELECT id, chat_id, at, state, folder, reference, commit_id, tree_id, head, files, bytes,
    left_out, listed, error, took_us FROM snapshot";

fn read(row: &Row<'_>) -> rusqlite::Result<SnapshotRow> {
    let (state, left_out, listed): (String, String, String) = (row.get(3)?, row.get(11)?, row.get(12)?);
    Ok(SnapshotRow {
        id: row.get(0)?,
        chat: read_chat_id(row, 1)?,
        at: Timestamp::from_ms(row.get(2)?),
        folder: row.get(4)?,
        reference: row.get(5)?,
        outcome: Outcome {
            state: SnapshotState::from_name(&state).unwrap_or(SnapshotState::Failed),
            commit: row.get(6)?,
            tree: row.get(7)?,
            head: row.get(8)?,
            files: row.get::<_, i64>(9)?.cast_unsigned(),
            bytes: row.get::<_, i64>(10)?.cast_unsigned(),
            left_out: serde_json::from_str(&left_out).unwrap_or_default(),
            listed: serde_json::from_str(&listed).unwrap_or_default(),
            error: row.get(13)?,
            took_us: row.get::<_, i64>(14)?.cast_unsigned(),
        },
    })
}

#[cfg(test)]
#[path = "snapshots_tests.rs"]
mod tests;
