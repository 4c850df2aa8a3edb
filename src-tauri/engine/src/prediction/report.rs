//! What foretells crashes, and what it was worth, client by client.

use std::collections::{BTreeSet, HashMap};

use shim_api::{
    ApiError,
    prediction::{ModelInUse, Prediction, Training},
};
use shim_core::{
    chats::Client,
    prediction::{
        model::{Standing, is_foretold},
        scoring::{Forecast, Said, score, score_alarms, windows},
        training::CRASHES_NEEDED,
    },
    risk::Source,
};
use shim_store::{PredictionRow, Store, StoreError};

use crate::views;

/// One entry for each client of which anything is known.
pub fn report(store: &Store) -> Result<Vec<Prediction>, ApiError> {
    let all: Result<Vec<_>, StoreError> =
        Client::ALL.into_iter().map(|client| of_client(store, client)).collect();
    Ok(all.map_err(views::store_error)?.into_iter().flatten().collect())
}

fn of_client(store: &Store, client: Client) -> Result<Option<Prediction>, StoreError> {
    let (rows, crashed, trainings, crashes) = store.read(|store| {
        Ok((
            store.predictions(client)?,
            store.predicted_crashes(client)?,
            store.trainings(client)?,
            store.crashes_of_client(client)?,
        ))
    })?;
    let crashes = crashes.iter().filter(|(_, kind, _)| is_foretold(*kind)).count() as u64;
    if rows.is_empty() && trainings.is_empty() && crashes == 0 {
        return Ok(None);
    }
    let mut numbers = Numbering::default();
    let scored = score(&windows(rows.iter().filter_map(|row| numbers.forecast(row)).collect()));
    let said: Vec<_> = rows.iter().filter(|row| row.alarm).map(|row| numbers.said(row)).collect();
    let crashed = crashed.iter().filter(|(_, kind, _)| is_foretold(*kind));
    let crashed: Vec<_> = crashed.map(|(process, _, at)| (numbers.of(*process), *at)).collect();
    let minutes: BTreeSet<_> = rows.iter().map(|row| row.at.ms().div_euclid(60_000)).collect();
    let last_training =
        trainings.first().map(|row| Training { version: row.id, at: row.at, outcome: row.verdict.clone() });
    let in_use = trainings.into_iter().find(|row| row.standing == Standing::InUse);
    let model = in_use.and_then(|row| Some(ModelInUse { version: row.id, model: row.model? }));
    let model = model.filter(|in_use| in_use.model.values().is_some());
    Ok(Some(Prediction {
        client,
        source: if model.is_some() { Source::Model } else { Source::Zones },
        model,
        last_training,
        crashes,
        crashes_needed: CRASHES_NEEDED,
        predictions: rows.len() as u64,
        not_enough: scored.as_ref().err().copied(),
        score: scored.ok(),
        alarms: score_alarms(&said, &crashed, minutes.len() as u64),
    }))
}

/// Processes by small numbers.
#[derive(Default)]
struct Numbering(HashMap<i64, u32>);

impl Numbering {
    fn of(&mut self, process: i64) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(process).or_insert(next)
    }

    fn forecast(&mut self, row: &PredictionRow) -> Option<Forecast> {
        let (process, outcome) = (self.of(row.process), row.outcome?);
        Some(Forecast { process, at: row.at, probability: row.probability, outcome })
    }

    fn said(&mut self, row: &PredictionRow) -> Said {
        Said { process: self.of(row.process), at: row.at, acted: row.acted, outcome: row.outcome }
    }
}
