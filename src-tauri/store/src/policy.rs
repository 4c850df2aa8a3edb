//! What the policy remembers: chats, fleets, stops, and what was left unjudged when the system went down.

use rusqlite::{OptionalExtension, params};
use shim_core::{chats::ChatId, crashes::CrashKind, fleet::Fleet, policy::Memory, time::Timestamp};

use crate::{chats::json, connection::StoreError, journal::read_chat_id, writer::Batch};

/// Chats that the policy remembers something of.
const MEMORIES_MAX: u32 = 1000;
/// Fleets kept, the last one among them.
const FLEETS_MAX: u32 = 50;
/// Stops kept.
const STOPS_MAX: u32 = 1000;
/// Last moments kept; a machine has fewer chats.
const MOMENTS_MAX: u32 = 1000;

impl Batch<'_> {
    pub fn put_memory(&self, chat: &ChatId, memory: &Memory, at: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO policy_memory (chat_id, touched, memory) VALUES (?1, ?2, ?3)
             ON CONFLICT (chat_id) DO UPDATE SET touched = excluded.touched, memory = excluded.memory",
            params![chat.as_str(), at.ms(), json(memory)],
        )?;
        self.connection.execute(
            "DELETE FROM policy_memory WHERE chat_id IN
             (SELECT chat_id FROM policy_memory ORDER BY touched DESC LIMIT -1 OFFSET ?1)",
            [MEMORIES_MAX],
        )?;
        Ok(())
    }

    /// What cannot be read any more is forgotten.
    pub fn memories(&self) -> Result<Vec<(ChatId, Memory)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT chat_id, memory FROM policy_memory")?;
        let rows = statement.query_map([], |row| Ok((read_chat_id(row, 0)?, row.get::<_, String>(1)?)))?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        Ok(rows
            .into_iter()
            .filter_map(|(chat, text)| Some((chat, serde_json::from_str(&text).ok()?)))
            .collect())
    }

    /// Takes a number for a fleet and keeps it.
    pub fn new_fleet(&self, boot: &str, mut fleet: Fleet) -> Result<Fleet, StoreError> {
        self.connection.execute("INSERT INTO fleet (boot, over, fleet) VALUES (?1, 0, '')", [boot])?;
        fleet.id = self.connection.last_insert_rowid();
        self.put_fleet(&fleet)?;
        self.connection
            .execute("DELETE FROM fleet WHERE id <= (SELECT max(id) FROM fleet) - ?1", [FLEETS_MAX])?;
        Ok(fleet)
    }

    pub fn put_fleet(&self, fleet: &Fleet) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE fleet SET over = ?2, fleet = ?3 WHERE id = ?1")?
            .execute(params![fleet.id, fleet.is_over(), json(fleet)])?;
        Ok(())
    }

    /// The fleet that was begun last, and the life of the machine it was begun in.
    pub fn last_fleet(&self) -> Result<Option<(String, Fleet)>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT boot, fleet FROM fleet ORDER BY id DESC LIMIT 1")?;
        let row = statement.query_row([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let row = row.optional()?;
        Ok(row.and_then(|(boot, text)| Some((boot, serde_json::from_str(&text).ok()?))))
    }

    /// Takes a number for a stop; `put_stop` fills in what came of it.
    pub fn new_stop(&self, chat: &ChatId, at: Timestamp, receipt: &str) -> Result<i64, StoreError> {
        self.connection.execute(
            "INSERT INTO stop (at, chat_id, receipt) VALUES (?1, ?2, ?3)",
            params![at.ms(), chat.as_str(), receipt],
        )?;
        let id = self.connection.last_insert_rowid();
        self.connection.execute("DELETE FROM stop WHERE id <= ?1 - ?2", params![id, STOPS_MAX])?;
        Ok(id)
    }

    pub fn put_stop(&self, id: i64, receipt: &str) -> Result<(), StoreError> {
        self.connection.execute("UPDATE stop SET receipt = ?2 WHERE id = ?1", params![id, receipt])?;
        Ok(())
    }

    /// Stops that an engine began and did not come to an end with: the number, and what was noted.
    pub fn unfinished_stops(&self) -> Result<Vec<(i64, String)>, StoreError> {
        let sql = "SELECT id, receipt FROM stop WHERE json_extract(receipt, '$.unfinished') IS NOT NULL ORDER BY id";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was ended of a chat, oldest first: when, and the receipt.
    pub fn stops(&self, chat: &ChatId) -> Result<Vec<(Timestamp, String)>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT at, receipt FROM stop WHERE chat_id = ?1 ORDER BY id")?;
        let rows =
            statement.query_map([chat.as_str()], |row| Ok((Timestamp::from_ms(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps the last moment of a chat, as JSON, for the next engine.
    pub fn put_moment(&self, boot: &str, moment: &str) -> Result<(), StoreError> {
        self.connection.execute("INSERT INTO last_moment (boot, moment) VALUES (?1, ?2)", [boot, moment])?;
        let sql = "DELETE FROM last_moment WHERE id <= (SELECT max(id) FROM last_moment) - ?1";
        self.connection.execute(sql, [MOMENTS_MAX])?;
        Ok(())
    }

    /// Last moments, oldest first, each with the life of the machine that it is of.
    pub fn moments(&self) -> Result<Vec<(i64, String, String)>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT id, boot, moment FROM last_moment ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn drop_moments(&self, up_to: i64) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM last_moment WHERE id <= ?1", [up_to])?;
        Ok(())
    }

    /// A crash turned out to be of another kind.
    pub fn set_crash_kind(&self, id: i64, kind: CrashKind) -> Result<(), StoreError> {
        self.connection.execute("UPDATE crash SET kind = ?2 WHERE id = ?1", params![id, kind.name()])?;
        Ok(())
    }
}
