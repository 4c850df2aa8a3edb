//! Signals over time, capped by rows of a chat, rows in all, and age.

use rusqlite::{Row, params};
use shim_core::{chats::ChatId, signals::Signals, time::Timestamp};

use crate::{chats::json, connection::StoreError, writer::Batch};

/// Rows of one chat: two days of one a minute.
const SIGNALS_OF_CHAT_MAX: i64 = 3_000;
/// Rows of all chats, some 30 MB.
const SIGNALS_MAX: i64 = 200_000;

/// How many rows there may be.
#[derive(Clone, Copy, Debug)]
pub struct SignalCaps {
    pub of_chat: i64,
    pub in_all: i64,
}

impl Default for SignalCaps {
    fn default() -> Self {
        Self { of_chat: SIGNALS_OF_CHAT_MAX, in_all: SIGNALS_MAX }
    }
}

impl Batch<'_> {
    /// Adds a row for each; the oldest beyond the caps go.
    pub fn put_signals(&self, rows: &[(ChatId, Signals)], caps: SignalCaps) -> Result<(), StoreError> {
        rows.iter().try_for_each(|(chat, signals)| self.put_one(chat, signals, caps.of_chat))?;
        self.connection
            .prepare_cached("DELETE FROM signal WHERE id <= (SELECT max(id) FROM signal) - ?1")?
            .execute([caps.in_all])?;
        Ok(())
    }

    fn put_one(&self, id: &ChatId, signals: &Signals, max: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO signal_chat (chat_id) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([id.as_str()])?;
        let (chat, number): (i64, i64) = self
            .connection
            .prepare_cached(
                "SELECT id, (SELECT coalesce(max(number), 0) + 1 FROM signal WHERE chat = signal_chat.id)
                 FROM signal_chat WHERE chat_id = ?1",
            )?
            .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.connection
            .prepare_cached(
                "INSERT INTO signal (chat, number, at, client_version, tokens, context_used, tokens_per_message,
                                     messages, tool_calls, calls_since_checkpoint, messages_per_minute, age_seconds,
                                     since_answer_seconds, latency_seconds, latency_trend, failure_rate,
                                     failures_in_a_row, recent_errors, rss_bytes, rss_slope, cpu, transcript_growth,
                                     transcript_bytes, memory_pressure)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                         ?21, ?22, ?23, ?24)",
            )?
            .execute(params![
                chat,
                number,
                signals.at.ms(),
                signals.client_version,
                signals.tokens.cast_signed(),
                signals.context_used,
                signals.tokens_per_message,
                signals.messages.cast_signed(),
                signals.tool_calls.cast_signed(),
                signals.calls_since_checkpoint.cast_signed(),
                signals.messages_per_minute,
                signals.age_seconds,
                signals.since_answer_seconds,
                signals.latency_seconds,
                signals.latency_trend,
                signals.failure_rate,
                signals.failures_in_a_row.cast_signed(),
                json(&signals.recent_errors),
                signals.rss_bytes.map(u64::cast_signed),
                signals.rss_slope,
                signals.cpu,
                signals.transcript_growth,
                signals.transcript_bytes.cast_signed(),
                signals.memory_pressure,
            ])?;
        self.connection
            .prepare_cached("DELETE FROM signal WHERE chat = ?1 AND number <= ?2")?
            .execute(params![chat, number - max])?;
        Ok(())
    }

    /// A chat's signals within a window, both ends included, oldest first.
    pub fn signals(
        &self,
        chat: &ChatId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Signals>, StoreError> {
        // The index holds at most as many rows of one chat as its cap.
        let mut statement = self.connection.prepare_cached(
            "SELECT at, client_version, tokens, context_used, tokens_per_message, messages, tool_calls,
                    calls_since_checkpoint, messages_per_minute, age_seconds, since_answer_seconds, latency_seconds,
                    latency_trend, failure_rate, failures_in_a_row, recent_errors, rss_bytes, rss_slope, cpu,
                    transcript_growth, transcript_bytes, memory_pressure
             FROM signal WHERE chat = (SELECT id FROM signal_chat WHERE chat_id = ?1) AND at BETWEEN ?2 AND ?3
             ORDER BY number",
        )?;
        let rows = statement.query_map(params![chat.as_str(), since.ms(), until.ms()], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Drops what is older.
    pub fn prune_signals(&self, before: Timestamp) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM signal WHERE at < ?1", [before.ms()])?;
        self.connection
            .execute("DELETE FROM signal_chat WHERE id NOT IN (SELECT DISTINCT chat FROM signal)", [])?;
        Ok(())
    }

    /// Drops all of one chat.
    pub fn drop_signals(&self, chat: &ChatId) -> Result<(), StoreError> {
        self.connection.execute(
            "DELETE FROM signal WHERE chat = (SELECT id FROM signal_chat WHERE chat_id = ?1)",
            [chat.as_str()],
        )?;
        self.connection.execute("DELETE FROM signal_chat WHERE chat_id = ?1", [chat.as_str()])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Signals> {
    let count = |index: usize| row.get::<_, i64>(index).map(i64::cast_unsigned);
    let recent_errors: String = row.get(15)?;
    Ok(Signals {
        at: Timestamp::from_ms(row.get(0)?),
        client_version: row.get(1)?,
        tokens: count(2)?,
        context_used: row.get(3)?,
        tokens_per_message: row.get(4)?,
        messages: count(5)?,
        tool_calls: count(6)?,
        calls_since_checkpoint: count(7)?,
        messages_per_minute: row.get(8)?,
        age_seconds: row.get(9)?,
        since_answer_seconds: row.get(10)?,
        latency_seconds: row.get(11)?,
        latency_trend: row.get(12)?,
        failure_rate: row.get(13)?,
        failures_in_a_row: count(14)?,
        recent_errors: serde_json::from_str(&recent_errors).unwrap_or_default(),
        rss_bytes: row.get::<_, Option<i64>>(16)?.map(i64::cast_unsigned),
        rss_slope: row.get(17)?,
        cpu: row.get(18)?,
        transcript_growth: row.get(19)?,
        transcript_bytes: count(20)?,
        memory_pressure: row.get(21)?,
    })
}

#[cfg(test)]
#[path = "signals_tests.rs"]
mod tests;
