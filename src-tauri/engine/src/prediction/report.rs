//! What foretells crashes, and what it was worth, client by client. The zones and each model are scored apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shim_api::{
    ApiError,
    prediction::{Before, ModelInUse, Prediction, Training, Worth},
};
use shim_core::{
    chats::Client,
    prediction::{
        model::{Standing, is_foretold},
        scoring::{Forecast, Said, score, score_alarms, windows},
        training::CRASHES_NEEDED,
    },
    risk::Source,
    time::Timestamp,
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
    let crashes = crashes.iter().filter(|(_, crash)| is_foretold(crash.kind)).count() as u64;
    if rows.is_empty() && trainings.is_empty() && crashes == 0 {
        return Ok(None);
    }
    let crashed = crashed.iter().filter(|(_, crash)| is_foretold(crash.kind));
    let crashed = crashed.map(|(process, crash)| (*process, crash.happened_at)).collect();
    let last_training =
        trainings.first().map(|row| Training { version: row.id, at: row.at, outcome: row.verdict.clone() });
    let in_use = trainings.into_iter().find(|row| row.standing == Standing::InUse);
    let model = in_use.and_then(|row| Some(ModelInUse { version: row.id, model: row.model? }));
    let model = model.filter(|in_use| in_use.model.values().is_some());
    let mut apart = apart(rows, crashed);
    let own = apart.remove(&model.as_ref().map(|in_use| in_use.version));
    let before = apart.into_iter().map(|(version, foretold)| Before { version, worth: worth(&foretold) });
    Ok(Some(Prediction {
        client,
        source: if model.is_some() { Source::Model } else { Source::Zones },
        model,
        last_training,
        crashes,
        crashes_needed: CRASHES_NEEDED,
        worth: worth(&own.unwrap_or_default()),
        before: before.collect(),
    }))
}

/// What the zones or one model foretold, and the crashes that were its to foretell.
#[derive(Default)]
struct Foretold {
    rows: Vec<PredictionRow>,
    crashes: Vec<(i64, Timestamp)>,
}

/// By the model's version, the zones by none. Of two that predicted one process the later has its crash.
fn apart(rows: Vec<PredictionRow>, crashes: Vec<(i64, Timestamp)>) -> BTreeMap<Option<i64>, Foretold> {
    let mut apart: BTreeMap<Option<i64>, Foretold> = BTreeMap::new();
    let mut of_process: HashMap<i64, Vec<&PredictionRow>> = HashMap::new();
    for row in &rows {
        of_process.entry(row.process).or_default().push(row);
    }
    for (process, at) in crashes {
        let own = of_process.get(&process).map(Vec::as_slice).unwrap_or_default();
        if let Some(last) = own.iter().rfind(|row| row.at < at) {
            apart.entry(last.model).or_default().crashes.push((process, at));
        }
    }
    for row in rows {
        apart.entry(row.model).or_default().rows.push(row);
    }
    apart
}

fn worth(foretold: &Foretold) -> Worth {
    let Foretold { rows, crashes } = foretold;
    let mut numbers = Numbering::default();
    let scored = score(&windows(rows.iter().filter_map(|row| numbers.forecast(row)).collect()));
    let said: Vec<_> = rows.iter().filter(|row| row.alarm).map(|row| numbers.said(row)).collect();
    let crashed: Vec<_> = crashes.iter().map(|(process, at)| (numbers.of(*process), *at)).collect();
    let minutes: BTreeSet<_> = rows.iter().map(|row| row.at.ms().div_euclid(60_000)).collect();
    Worth {
        predictions: rows.len() as u64,
        not_enough: scored.as_ref().err().copied(),
        score: scored.ok(),
        alarms: score_alarms(&said, &crashed, minutes.len() as u64),
    }
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
