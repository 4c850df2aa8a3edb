//! Predictions with what came of them, and the models that made them. Both are capped as they are written.

use rusqlite::{OptionalExtension, Row, params};
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::CrashKind,
    prediction::{
        model::{Model, Standing},
        scoring::Outcome,
        training::{Trained, Verdict},
    },
    time::Timestamp,
};

use crate::{chats::json, connection::StoreError, journal::read_chat_id, writer::Batch};

/// Predictions kept: weeks of a busy machine's minutes, some 6 MB.
pub const PREDICTIONS_MAX: i64 = 100_000;
/// Trainings of one client that are kept.
const TRAININGS_MAX: i64 = 20;

#[derive(Clone, Debug, PartialEq)]
pub struct NewPrediction {
    pub chat: ChatId,
    pub process: ProcessKey,
    pub at: Timestamp,
    /// Of a crash within the horizon.
    pub probability: f64,
    /// An alarm was said.
    pub alarm: bool,
    /// It was acted on.
    pub acted: bool,
    /// The training it rests on; `None` for the zones.
    pub model: Option<i64>,
}

/// A prediction whose horizon is over, and what is needed to tell what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsettled {
    pub id: i64,
    pub at: Timestamp,
    pub chat: ChatId,
    pub process: ProcessKey,
    /// When its process was predicted last.
    pub seen: Timestamp,
    pub probability: f64,
}

/// A prediction as it is scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictionRow {
    /// Tells processes apart.
    pub process: i64,
    pub at: Timestamp,
    pub probability: f64,
    pub alarm: bool,
    pub acted: bool,
    pub model: Option<i64>,
    pub outcome: Option<Outcome>,
}

/// A crash as predictions are held against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashMoment {
    pub kind: CrashKind,
    pub happened_at: Timestamp,
    /// A hang is noticed long after it began.
    pub detected_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TrainingRow {
    /// The model's version.
    pub id: i64,
    pub client: Client,
    pub at: Timestamp,
    pub standing: Standing,
    pub verdict: Verdict,
    pub model: Option<Model>,
}

impl Batch<'_> {
    /// Adds predictions; the oldest beyond `max` go.
    pub fn put_predictions(&self, rows: &[NewPrediction], max: i64) -> Result<(), StoreError> {
        let mut came = false;
        for row in rows {
            let (process, is_new) = self.prediction_process(&row.chat, &row.process)?;
            came |= is_new;
            self.connection
                .prepare_cached(
                    "INSERT INTO prediction (process, at, probability, alarm, acted, model, outcome)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)",
                )?
                .execute(params![
                    process,
                    row.at.ms(),
                    row.probability,
                    row.alarm,
                    row.acted,
                    row.model.unwrap_or(0)
                ])?;
        }
        self.connection
            .prepare_cached("DELETE FROM prediction WHERE id <= (SELECT max(id) FROM prediction) - ?1")?
            .execute([max])?;
        if came {
            self.connection.execute(
                "DELETE FROM prediction_process
                 WHERE NOT EXISTS (SELECT 1 FROM prediction WHERE process = prediction_process.id)",
                [],
            )?;
        }
        Ok(())
    }

    /// The process's number, and whether it is a new one.
    fn prediction_process(&self, chat: &ChatId, process: &ProcessKey) -> Result<(i64, bool), StoreError> {
        let key = params![chat.as_str(), process.pid, process.start];
        let mut known = self.connection.prepare_cached(
            "SELECT id FROM prediction_process WHERE chat_id = ?1 AND pid = ?2 AND start = ?3",
        )?;
        if let Some(id) = known.query_row(key, |row| row.get(0)).optional()? {
            return Ok((id, false));
        }
        self.connection
            .prepare_cached(
                "INSERT INTO prediction_process (client, chat_id, pid, start) VALUES (?4, ?1, ?2, ?3)",
            )?
            .execute(params![chat.as_str(), process.pid, process.start, chat.client().name()])?;
        Ok((self.connection.last_insert_rowid(), true))
    }

    /// Predictions made until `until` of which it is not said what came of them, oldest first.
    pub fn unsettled_predictions(&self, until: Timestamp, limit: u32) -> Result<Vec<Unsettled>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT p.id, p.at, k.chat_id, k.pid, k.start, (SELECT max(at) FROM prediction WHERE process = k.id), p.probability
             FROM prediction p JOIN prediction_process k ON k.id = p.process
             WHERE p.outcome IS NULL AND p.at <= ?1 ORDER BY p.at LIMIT ?2",
        )?;
        let rows = statement.query_map(params![until.ms(), limit], |row| {
            Ok(Unsettled {
                id: row.get(0)?,
                at: Timestamp::from_ms(row.get(1)?),
                chat: read_chat_id(row, 2)?,
                process: ProcessKey { pid: row.get(3)?, start: row.get(4)? },
                seen: Timestamp::from_ms(row.get(5)?),
                probability: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn settle_prediction(&self, id: i64, outcome: Outcome) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE prediction SET outcome = ?2 WHERE id = ?1")?
            .execute(params![id, outcome.name()])?;
        Ok(())
    }

    /// One process's crashes, oldest first: hangs that it came out of, and its end.
    pub fn crashes_of(&self, chat: &ChatId, process: &ProcessKey) -> Result<Vec<CrashMoment>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT kind, happened_at, detected_at FROM crash WHERE chat_id = ?1 AND pid = ?2 AND start = ?3
             ORDER BY happened_at",
        )?;
        let key = params![chat.as_str(), process.pid, process.start];
        let rows = statement.query_map(key, |row| read_moment(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All crashes of one client's chats, oldest first.
    pub fn crashes_of_client(&self, client: Client) -> Result<Vec<(ChatId, CrashMoment)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT chat_id, kind, happened_at, detected_at FROM crash WHERE substr(chat_id, 1, length(?1)) = ?1
             ORDER BY happened_at",
        )?;
        let rows = statement.query_map([format!("{}:", client.name())], |row| {
            Ok((read_chat_id(row, 0)?, read_moment(row, 1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The crashes of predicted processes of one client, by the process's number.
    pub fn predicted_crashes(&self, client: Client) -> Result<Vec<(i64, CrashMoment)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT k.id, c.kind, c.happened_at, c.detected_at FROM prediction_process k
             JOIN crash c ON c.chat_id = k.chat_id AND c.pid = k.pid AND c.start = k.start
             WHERE k.client = ?1 ORDER BY c.happened_at",
        )?;
        let rows = statement.query_map([client.name()], |row| Ok((row.get(0)?, read_moment(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All predictions of one client's chats, oldest first.
    pub fn predictions(&self, client: Client) -> Result<Vec<PredictionRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT process, at, probability, alarm, acted, model, outcome FROM prediction
             WHERE process IN (SELECT id FROM prediction_process WHERE client = ?1) ORDER BY id",
        )?;
        let rows = statement.query_map([client.name()], |row| {
            let (model, outcome): (i64, Option<String>) = (row.get(5)?, row.get(6)?);
            Ok(PredictionRow {
                process: row.get(0)?,
                at: Timestamp::from_ms(row.get(1)?),
                probability: row.get(2)?,
                alarm: row.get(3)?,
                acted: row.get(4)?,
                model: (model != 0).then_some(model),
                outcome: outcome.and_then(|name| Outcome::from_name(&name)),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Alarms said from then on, the oldest first: when, and whether they were acted on.
    pub fn alarms_since(&self, since: Timestamp) -> Result<Vec<(ChatId, Timestamp, bool)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT k.chat_id, p.at, p.acted FROM prediction p JOIN prediction_process k ON k.id = p.process
             WHERE p.outcome IS NULL AND p.at >= ?1 AND p.alarm ORDER BY p.at",
        )?;
        let rows = statement.query_map([since.ms()], |row| {
            Ok((read_chat_id(row, 0)?, Timestamp::from_ms(row.get(1)?), row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Chats of one client of which there are signals.
    pub fn chats_with_signals(&self, client: Client) -> Result<Vec<ChatId>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT chat_id FROM signal_chat WHERE substr(chat_id, 1, length(?1)) = ?1 ORDER BY chat_id",
        )?;
        let rows = statement.query_map([format!("{}:", client.name())], |row| read_chat_id(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps what came of a training and gives its number: the model's version. One that was taken into use
    /// replaces the one before.
    pub fn put_training(&self, client: Client, at: Timestamp, trained: &Trained) -> Result<i64, StoreError> {
        let taken = trained.verdict == Verdict::Taken && trained.model.is_some();
        if taken {
            self.set_standing(client, Standing::Replaced)?;
        }
        let standing = if taken { Standing::InUse } else { Standing::NotTaken };
        self.connection.execute(
            "INSERT INTO prediction_model (client, at, standing, verdict, model) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                client.name(),
                at.ms(),
                standing.name(),
                json(&trained.verdict),
                trained.model.as_ref().map(json)
            ],
        )?;
        let id = self.connection.last_insert_rowid();
        self.connection.execute(
            "DELETE FROM prediction_model WHERE client = ?1 AND standing <> ?3 AND id NOT IN
                 (SELECT id FROM prediction_model WHERE client = ?1 ORDER BY id DESC LIMIT ?2)",
            params![client.name(), TRAININGS_MAX, Standing::InUse.name()],
        )?;
        Ok(id)
    }

    /// The model in use is so no longer.
    pub fn set_standing(&self, client: Client, standing: Standing) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE prediction_model SET standing = ?2 WHERE client = ?1 AND standing = ?3",
            params![client.name(), standing.name(), Standing::InUse.name()],
        )?;
        Ok(())
    }

    /// One client's trainings, the newest first.
    pub fn trainings(&self, client: Client) -> Result<Vec<TrainingRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, client, at, standing, verdict, model FROM prediction_model WHERE client = ?1 ORDER BY id DESC",
        )?;
        let rows = statement.query_map([client.name()], read_training)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// This machine's secret; `new` becomes it when there is none.
    pub fn prediction_salt(&self, new: &str) -> Result<String, StoreError> {
        self.connection.execute(
            "INSERT INTO prediction_salt (only, salt) VALUES (1, ?1) ON CONFLICT DO NOTHING",
            [new],
        )?;
        Ok(self.connection.query_row("SELECT salt FROM prediction_salt", [], |row| row.get(0))?)
    }
}

/// Three columns, from this one on.
fn read_moment(row: &Row<'_>, column: usize) -> rusqlite::Result<CrashMoment> {
    let kind: String = row.get(column)?;
    Ok(CrashMoment {
        kind: CrashKind::from_name(&kind).unwrap_or(CrashKind::Killed),
        happened_at: Timestamp::from_ms(row.get(column + 1)?),
        detected_at: Timestamp::from_ms(row.get(column + 2)?),
    })
}

/// A model in words of another version is none; its training stays.
fn read_training(row: &Row<'_>) -> rusqlite::Result<TrainingRow> {
    let (client, standing): (String, String) = (row.get(1)?, row.get(3)?);
    let (verdict, model): (String, Option<String>) = (row.get(4)?, row.get(5)?);
    let unread = |error: serde_json::Error| Verdict::Failed { why: error.to_string() };
    Ok(TrainingRow {
        id: row.get(0)?,
        client: Client::from_name(&client).unwrap_or(Client::ClaudeCode),
        at: Timestamp::from_ms(row.get(2)?),
        standing: Standing::from_name(&standing).unwrap_or(Standing::NotTaken),
        verdict: serde_json::from_str(&verdict).unwrap_or_else(unread),
        model: model.and_then(|text| serde_json::from_str(&text).ok()),
    })
}

#[cfg(test)]
#[path = "predictions_tests.rs"]
mod tests;
