//! Checkpoints: named points in a chat's journal.

use rusqlite::{OptionalExtension, Row, params};
use shim_core::{
    chats::ChatId,
    checkpoints::{
        Todo, Trigger,
        snapshots::SnapshotState,
        thinning::{Standing, superfluous},
    },
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
    /// Reasons that came too soon for one of their own.
    pub also: Vec<Trigger>,
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
    pub snapshot: Option<SnapshotOf>,
}

/// A checkpoint's snapshot, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOf {
    pub id: i64,
    pub state: SnapshotState,
    pub commit: Option<String>,
    pub error: Option<String>,
}

impl Batch<'_> {
    pub fn put_checkpoint(&self, new: &NewCheckpoint) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO checkpoint (chat_id, at, cause, note, turns, tokens, stream_id, generation, offset, head,
                                         branch, todos, also, took_us)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0)",
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
                json(&new.also.iter().map(|trigger| trigger.name()).collect::<Vec<_>>()),
            ])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Drops a chat's least telling checkpoints where there are more than `max`.
    pub fn thin_checkpoints(&self, chat: &ChatId, max: usize, now: Timestamp) -> Result<usize, StoreError> {
        let count = "SELECT count(*) FROM checkpoint WHERE chat_id = ?1";
        let count: i64 =
            self.connection.prepare_cached(count)?.query_row([chat.as_str()], |row| row.get(0))?;
        if usize::try_from(count).unwrap_or(0) <= max {
            return Ok(0);
        }
        let sql = "SELECT id, at, cause FROM checkpoint WHERE chat_id = ?1 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let standing = statement.query_map([chat.as_str()], |row| {
            let cause: String = row.get(2)?;
            let trigger = Trigger::from_name(&cause).unwrap_or(Trigger::User);
            Ok(Standing { id: row.get(0)?, at: Timestamp::from_ms(row.get(1)?), trigger })
        })?;
        let gone = superfluous(&standing.collect::<Result<Vec<_>, _>>()?, max, now);
        for id in &gone {
            self.connection.prepare_cached("DELETE FROM checkpoint WHERE id = ?1")?.execute([id])?;
        }
        Ok(gone.len())
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
        let mut statement = self
            .connection
            .prepare_cached(&format!("{COLUMNS} WHERE checkpoint.chat_id = ?1 ORDER BY checkpoint.id"))?;
        let rows = statement.query_map([chat.as_str()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn checkpoint(&self, id: i64) -> Result<Option<CheckpointRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} WHERE checkpoint.id = ?1"))?;
        Ok(statement.query_row([id], read).optional()?)
    }
}

const COLUMNS: &str =
    "SELECT checkpoint.id, checkpoint.chat_id, checkpoint.at, cause, note, turns, tokens, stream_id, generation,
    offset, checkpoint.head, branch, todos, checkpoint.took_us,
    length(checkpoint.chat_id) + length(cause) + coalesce(length(note), 0) + coalesce(length(checkpoint.head), 0)
        + coalesce(length(branch), 0) + length(todos) + coalesce(length(also), 0) + 64,
    also, snapshot.id, snapshot.state, snapshot.commit_id, snapshot.error
    FROM checkpoint LEFT JOIN snapshot ON snapshot.id = checkpoint.snapshot_id";

fn read(row: &Row<'_>) -> rusqlite::Result<CheckpointRow> {
    let (cause, todos): (String, String) = (row.get(3)?, row.get(12)?);
    let (also, snapshot): (Option<String>, Option<i64>) = (row.get(15)?, row.get(16)?);
    let also: Vec<String> = also.and_then(|also| serde_json::from_str(&also).ok()).unwrap_or_default();
    let snapshot = match snapshot {
        Some(id) => {
            let state: String = row.get(17)?;
            let state = SnapshotState::from_name(&state).unwrap_or(SnapshotState::Failed);
            Some(SnapshotOf { id, state, commit: row.get(18)?, error: row.get(19)? })
        }
        None => None,
    };
    Ok(CheckpointRow {
        id: row.get(0)?,
        checkpoint: NewCheckpoint {
            chat: read_chat_id(row, 1)?,
            at: Timestamp::from_ms(row.get(2)?),
            trigger: Trigger::from_name(&cause).unwrap_or(Trigger::User),
            also: also.iter().filter_map(|name| Trigger::from_name(name)).collect(),
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
        snapshot,
    })
}
