//! What the loop of experiments was told and decided, and its state now and then. Capped as it is written; what the
//! state does not hold yet is never dropped, and a state stands at the beginning of what is left of the log.

use rusqlite::params;
use shim_core::{
    experiments::audit::{Audited, Entry, RULES},
    time::Timestamp,
};

use crate::{chats::json, connection::StoreError, writer::Batch};

/// Entries kept at least, the ones without a decision: a year of thirty chats a day, each with some six.
const ENTRIES_MAX: u64 = 70_000;
/// Entries with a decision that are kept.
const DECISIONS_MAX: u64 = 5_000;
/// Entries between two states from which the log can be played again, and so the step in which it is cut.
const BASE_EVERY: u64 = 10_000;

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    pub number: u64,
    pub at: Timestamp,
    /// Of words of another version of SHIM nothing can be made.
    pub entry: Option<Entry>,
}

/// A state as it was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptState {
    /// Of the last entry that it holds.
    pub number: u64,
    /// By which it was decided; 0 before they had a number.
    pub rules: u32,
    /// `None` where the words are those of another version of SHIM, or damaged.
    pub state: Option<Audited>,
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

    /// Keeps the state, and drops what is older than is kept: of the log, whole stretches between two bases.
    pub fn put_experiment_state(&self, state: &Audited) -> Result<(), StoreError> {
        let (number, rules) = (count(state.number), i64::from(RULES));
        let based: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM experiment_states WHERE base = 1 AND rules = ?1 AND number > ?2)",
            params![rules, count(state.number.saturating_sub(BASE_EVERY))],
            |row| row.get(0),
        )?;
        self.connection.execute("DELETE FROM experiment_states WHERE base = 0", [])?;
        self.connection.execute(
            "INSERT INTO experiment_states (number, rules, base, state) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (number) DO UPDATE SET
                 rules = excluded.rules, state = excluded.state, base = max(base, excluded.base)",
            params![number, rules, i64::from(!based), json(state)],
        )?;
        let cut: Option<i64> = self.connection.query_row(
            "SELECT max(number) FROM experiment_states WHERE base = 1 AND number <= ?1 - ?2",
            params![number, count(ENTRIES_MAX)],
            |row| row.get(0),
        )?;
        if let Some(cut) = cut {
            self.connection.execute("DELETE FROM experiment_states WHERE number < ?1", [cut])?;
            self.connection
                .execute("DELETE FROM experiment_log WHERE number <= ?1 AND decided = 0", [cut])?;
        }
        self.connection.execute(
            "DELETE FROM experiment_log WHERE number <= ?1 AND decided > 0 AND number <=
                 (SELECT number FROM experiment_log WHERE decided > 0 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            params![cut.unwrap_or(0), count(DECISIONS_MAX)],
        )?;
        Ok(())
    }

    /// The states that are kept, the newest first: where it goes on, and those from which the log can be played again.
    pub fn experiment_states(&self) -> Result<Vec<KeptState>, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT number, rules, state FROM experiment_states ORDER BY number DESC")?;
        let rows = statement.query_map([], |row| {
            let text: String = row.get(2)?;
            Ok(KeptState {
                number: row.get::<_, i64>(0)?.unsigned_abs(),
                rules: row.get(1)?,
                state: serde_json::from_str(&text).ok(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All that is kept of experiments, as lines of JSON, before it is dropped by `drop_experiments`.
    pub fn experiment_lines(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT state FROM (SELECT number, state FROM experiment_states ORDER BY number)
             UNION ALL SELECT entry FROM (SELECT number, entry FROM experiment_log ORDER BY number)",
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn drop_experiments(&self) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM experiment_states", [])?;
        self.connection.execute("DELETE FROM experiment_log", [])?;
        Ok(())
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
