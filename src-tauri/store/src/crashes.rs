//! Crashes, each recorded once.

use rusqlite::{OptionalExtension, Row, params};
use shim_core::{
    chats::{ChatId, ProcessKey},
    crashes::{CrashKind, Evidence, InTurn, ToolCall},
    supervisor::NewCrash,
    time::Timestamp,
};

use crate::{chats::json, connection::StoreError, journal::read_chat_id, writer::Batch};

#[derive(Clone, Debug, PartialEq)]
pub struct CrashRow {
    pub id: i64,
    pub chat: ChatId,
    pub process: ProcessKey,
    pub kind: CrashKind,
    pub in_turn: InTurn,
    pub in_flight: Vec<ToolCall>,
    pub evidence: Vec<Evidence>,
    pub happened_at: Timestamp,
    pub detected_at: Timestamp,
    pub detected_after_ms: u64,
    pub seen_live: bool,
    pub resolved: bool,
    /// Its process is known to be gone. Only one that hung may live on.
    pub ended: bool,
}

impl Batch<'_> {
    /// The crash's number; `None` when this death was recorded before.
    pub fn record_crash(&self, crash: &NewCrash, detected_at: Timestamp) -> Result<Option<i64>, StoreError> {
        let after = detected_at.since(crash.happened_at).as_millis();
        // A process dies once, and may hang several times before.
        let (episode, ended) = match crash.kind {
            CrashKind::Hung => (crash.happened_at.ms(), false),
            _ => (0, true),
        };
        let inserted = self
            .connection
            .prepare_cached(
                "INSERT INTO crash (chat_id, pid, start, kind, in_turn, in_flight, evidence, happened_at, detected_at,
                                    detected_after_ms, seen_live, resolved, episode, ended)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                crash.chat.as_str(),
                crash.process.pid,
                crash.process.start,
                crash.kind.name(),
                crash.in_turn.name(),
                json(&crash.in_flight),
                json(&crash.evidence),
                crash.happened_at.ms(),
                detected_at.ms(),
                i64::try_from(after).unwrap_or(i64::MAX),
                crash.seen_live,
                episode,
                ended,
            ])?;
        Ok((inserted == 1).then(|| self.connection.last_insert_rowid()))
    }

    pub fn resolve_crashes(&self, chat: &ChatId) -> Result<(), StoreError> {
        self.connection.execute("UPDATE crash SET resolved = 1 WHERE chat_id = ?1", [chat.as_str()])?;
        Ok(())
    }

    /// A process that hung is gone.
    pub fn hung_ended(&self, chat: &ChatId, process: &ProcessKey, at: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE crash SET ended = 1 WHERE chat_id = ?1 AND pid = ?2 AND start = ?3 AND happened_at <= ?4",
            params![chat.as_str(), process.pid, process.start, at.ms()],
        )?;
        Ok(())
    }

    /// All crashes, the newest first.
    pub fn crashes(&self) -> Result<Vec<CrashRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} ORDER BY id DESC"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One chat's crashes, oldest first.
    pub fn crashes_of_chat(&self, chat: &ChatId) -> Result<Vec<CrashRow>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(&format!("{COLUMNS} WHERE chat_id = ?1 ORDER BY id"))?;
        let rows = statement.query_map([chat.as_str()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn crash(&self, id: i64) -> Result<Option<CrashRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
        Ok(statement.query_row([id], read).optional()?)
    }
}

const COLUMNS: &str =
    "SELECT id, chat_id, pid, start, kind, in_turn, in_flight, evidence, happened_at, detected_at,
    detected_after_ms, seen_live, resolved, ended FROM crash";

fn read(row: &Row<'_>) -> rusqlite::Result<CrashRow> {
    let (kind, in_turn): (String, String) = (row.get(4)?, row.get(5)?);
    let (in_flight, evidence): (String, String) = (row.get(6)?, row.get(7)?);
    Ok(CrashRow {
        id: row.get(0)?,
        chat: read_chat_id(row, 1)?,
        process: ProcessKey { pid: row.get(2)?, start: row.get(3)? },
        kind: CrashKind::from_name(&kind).unwrap_or(CrashKind::Killed),
        in_turn: InTurn::from_name(&in_turn).unwrap_or(InTurn::None),
        in_flight: serde_json::from_str(&in_flight).unwrap_or_default(),
        evidence: serde_json::from_str(&evidence).unwrap_or_default(),
        happened_at: Timestamp::from_ms(row.get(8)?),
        detected_at: Timestamp::from_ms(row.get(9)?),
        detected_after_ms: row.get::<_, i64>(10)?.cast_unsigned(),
        seen_live: row.get(11)?,
        resolved: row.get(12)?,
        ended: row.get(13)?,
    })
}
