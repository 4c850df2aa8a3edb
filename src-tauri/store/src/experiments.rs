//! What the loop of experiments was told and decided, and its state now and then. Capped as it is written; what the
//! state does not hold yet is never dropped.

use rusqlite::{OptionalExtension, params};
use shim_core::{
    experiments::audit::{Audited, Entry},
    time::Timestamp,
};

use crate::{chats::json, connection::StoreError, writer::Batch};

/// Entries kept, the ones without a decision: a year of thirty chats a day.
const ENTRIES_MAX: u64 = 50_000;
/// Entries with a decision that are kept.
const DECISIONS_MAX: u64 = 5_000;

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    pub number: u64,
    pub at: Timestamp,
    /// Of words of another version of SHIM nothing can be made.
    pub entry: Option<Entry>,
}

/// Which entries are wanted.
#[derive(Clone, Copy, Debug)]
pub struct LogPage {
    /// Those before this number.
    pub before: Option<u64>,
    pub only_decided: bool,
    pub limit: u32,
}

impl Batch<'_> {
    pub fn put_experiment_entry(&self, entry: &Entry, kind: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO experiment_log (number, at, kind, decided, entry) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                count(entry.number),
                entry.at.ms(),
                kind,
                count(entry.decided.len() as u64),
                json(entry)
            ])?;
        Ok(())
    }

    /// Keeps the state, and drops what is older than is kept.
    pub fn put_experiment_state(&self, state: &Audited) -> Result<(), StoreError> {
        let number = count(state.number);
        self.connection.execute(
            "INSERT INTO experiment_state (only, number, state) VALUES (1, ?1, ?2)
             ON CONFLICT (only) DO UPDATE SET number = excluded.number, state = excluded.state",
            params![number, json(state)],
        )?;
        self.connection.execute(
            "DELETE FROM experiment_log WHERE number <= ?1 AND number <= ?1 - ?2 AND decided = 0",
            params![number, count(ENTRIES_MAX)],
        )?;
        self.connection.execute(
            "DELETE FROM experiment_log WHERE number <= ?1 AND decided > 0 AND number <=
                 (SELECT number FROM experiment_log WHERE decided > 0 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            params![number, count(DECISIONS_MAX)],
        )?;
        Ok(())
    }

    /// The state that was kept last; `None` where there is none, or none that can be read.
    pub fn experiment_state(&self) -> Result<Option<Audited>, StoreError> {
        let mut statement = self.connection.prepare("SELECT state FROM experiment_state")?;
        let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Entries after this one, the oldest first.
    pub fn experiment_entries(&self, after: u64) -> Result<Vec<LogRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT number, at, entry FROM experiment_log WHERE number > ?1 ORDER BY number")?;
        let rows = statement.query_map([count(after)], read_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest entries, the newest first.
    pub fn experiment_log(&self, page: LogPage) -> Result<Vec<LogRow>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT number, at, entry FROM experiment_log WHERE number < ?1 AND decided >= ?2
             ORDER BY number DESC LIMIT ?3",
        )?;
        let before = page.before.map_or(i64::MAX, count);
        let rows =
            statement.query_map(params![before, i64::from(page.only_decided), page.limit], read_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers of the first and the last entry.
    pub fn experiment_log_ends(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT min(number), max(number) FROM experiment_log")?;
        let ends = statement
            .query_row([], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))?;
        Ok(ends.0.zip(ends.1).map(|(first, last)| (first.unsigned_abs(), last.unsigned_abs())))
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<LogRow> {
    let text: String = row.get(2)?;
    Ok(LogRow {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        at: Timestamp::from_ms(row.get(1)?),
        entry: serde_json::from_str(&text).ok(),
    })
}

#[cfg(test)]
#[path = "experiments_tests.rs"]
mod tests;
