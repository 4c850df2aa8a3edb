//! Prediction at work: every minute each live chat's risk is foretold and kept, alarms are said and acted on, and
//! what came of older predictions is told. Learning is done in the background, by `training`.

#[cfg(test)]
mod alarm_tests;
mod report;
mod settle;
#[cfg(test)]
mod tests;
mod training;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use shim_api::events::Event as Told;
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    prediction::{
        alarms::Alarm,
        features::Numbers,
        model::{HORIZON, Standing, cold_start, level, within},
    },
    risk::{Level, Risk},
    time::Timestamp,
};
use shim_store::{NewPrediction, PREDICTIONS_MAX, Store, StoreError, Urgency};

use self::training::Trainer;
pub use self::{report::report, training::until_crashes};
use crate::run::{Watch, now};

/// Time between two predictions of one chat.
const EVERY: Duration = Duration::from_secs(60);
/// The first look at everything comes before the first word on what is to come.
const FIRST_AFTER: Duration = Duration::from_secs(10);

/// What the watch keeps of prediction.
pub struct Foresight {
    /// The models in use, with their versions.
    models: BTreeMap<Client, InUse>,
    cold_start: Vec<f64>,
    alarms: HashMap<ChatId, Alarm>,
    salt: String,
    /// Since when this engine watches.
    since: Timestamp,
    next: Instant,
    trainer: Trainer,
}

pub struct InUse {
    version: i64,
    coefficients: Vec<f64>,
}

impl Foresight {
    /// Takes up the models that are in use.
    pub fn open(store: &Store) -> Result<Self, StoreError> {
        let new = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self {
            models: models(store)?,
            cold_start: cold_start(),
            alarms: recalled(store, now())?,
            salt: store.write(Urgency::AtOnce, move |store| store.prediction_salt(&new))?,
            since: now(),
            next: Instant::now() + FIRST_AFTER,
            trainer: Trainer::new(),
        })
    }

    pub fn stop(&mut self) {
        self.trainer.stop();
    }

    fn coefficients(&self, client: Client) -> (Option<i64>, &[f64]) {
        match self.models.get(&client) {
            Some(model) => (Some(model.version), &model.coefficients),
            None => (None, &self.cold_start),
        }
    }
}

/// Alarms that may still come true: whether they are acted on was drawn by the engine that said them.
fn recalled(store: &Store, at: Timestamp) -> Result<HashMap<ChatId, Alarm>, StoreError> {
    let since = i64::try_from(HORIZON.as_millis()).unwrap_or(0);
    let said = store.read(|store| store.alarms_since(Timestamp::from_ms(at.ms().saturating_sub(since))))?;
    Ok(said.into_iter().map(|(chat, at, acted)| (chat, Alarm::recalled(at, !acted))).collect())
}

/// A model that was learned from other numbers than this version takes is not used.
fn models(store: &Store) -> Result<BTreeMap<Client, InUse>, StoreError> {
    let mut models = BTreeMap::new();
    for client in Client::ALL {
        let rows = store.read(|store| store.trainings(client))?;
        let in_use = rows.into_iter().find(|row| row.standing == Standing::InUse);
        let known = in_use.and_then(|row| Some((row.id, row.model?.values()?)));
        if let Some((version, coefficients)) = known {
            models.insert(client, InUse { version, coefficients });
        }
    }
    Ok(models)
}

impl Watch {
    /// Called often; does its work once a minute.
    pub fn predict_when_due(&mut self) {
        if Instant::now() < self.foresight.next || self.is_paused() || self.is_demo() {
            return;
        }
        self.foresight.next = Instant::now() + EVERY;
        let living = self.supervisor.living();
        self.predict(living, now());
        let handle = self.handle.clone();
        self.foresight.trainer.begin_when_due(handle);
    }

    /// Foretells for each live chat, keeps it, and says the alarms.
    pub fn predict(&mut self, living: Vec<(ChatId, ProcessKey)>, at: Timestamp) {
        self.foresight.alarms.retain(|chat, _| living.iter().any(|(living, _)| living == chat));
        let mut rows = Vec::new();
        for (chat, process) in &living {
            // What hangs has crashed: there is nothing left to foretell until it moves again.
            if self.supervisor.is_hung(chat, process) {
                continue;
            }
            let Some((model, probability)) = self.foretold(chat, at) else { continue };
            let alarm = self.foresight.alarms.entry(chat.clone()).or_default().handle(probability, at);
            let acted = alarm && self.act_on_danger(chat, at);
            if alarm {
                self.handle.tell(Told::ChatChanged { chat: chat.clone() });
            }
            let (chat, process) = (chat.clone(), process.clone());
            rows.push(NewPrediction { chat, process, at, probability, alarm, acted, model });
        }
        self.keep_predictions(rows, living, at);
    }

    /// A chat is in danger, as the zones or a model tell it: a checkpoint is taken, unless the alarm is one of those
    /// that are held out. Says whether it is acted on.
    pub fn act_on_danger(&mut self, chat: &ChatId, at: Timestamp) -> bool {
        let alarm = self.foresight.alarms.entry(chat.clone()).or_default();
        if alarm.is_held_out(&self.foresight.salt, chat, at) {
            tracing::debug!(%chat, "a crash is likely: by chance nothing is done, to tell what alarms are worth");
            return false;
        }
        tracing::info!(%chat, "a crash is likely: a checkpoint is taken");
        self.risk_rose(chat, Level::Danger);
        true
    }

    /// In one commit with what came of older ones.
    fn keep_predictions(&self, rows: Vec<NewPrediction>, living: Vec<(ChatId, ProcessKey)>, at: Timestamp) {
        let since = self.foresight.since;
        let job = move |store: &shim_store::Batch<'_>| {
            store.put_predictions(&rows, PREDICTIONS_MAX)?;
            settle::settle(store, &living, since, at)
        };
        let handle = self.handle.clone();
        let kept = move |result: Result<settle::Settled, StoreError>| match result {
            Ok(settled) => settled.into_iter().for_each(|((client, foretold), count)| {
                handle.tell(Told::PredictionsSettled { client, foretold, count });
            }),
            Err(error) => tracing::warn!("predictions could not be kept: {error}"),
        };
        self.home.store.submit(Urgency::Gathered, job, kept);
    }

    /// The probability of a crash within the horizon, and the model that says so; `None` where nothing is measured.
    fn foretold(&self, chat: &ChatId, at: Timestamp) -> Option<(Option<i64>, f64)> {
        let numbers = Numbers::of(&self.signals_of(chat, at)?, &self.home.settings().zones);
        let (model, coefficients) = self.foresight.coefficients(chat.client());
        Some((model, within(coefficients, &numbers, HORIZON)))
    }

    /// The risk as the model in use tells it; as the zones do where none is.
    pub fn learned_risk(&self, chat: &ChatId, risk: Risk, at: Timestamp) -> Risk {
        match self.foretold(chat, at) {
            Some((Some(_), probability)) => Risk { level: level(probability), ..risk.learned(probability) },
            Some((None, _)) | None => risk,
        }
    }

    /// A training has ended: what is in use may be another.
    fn take_up_models(&mut self, trained: Client) {
        let last = self.home.store.read(|store| store.trainings(trained)).unwrap_or_default();
        let taken = last.first().is_some_and(|row| row.standing == Standing::InUse);
        self.handle.tell(Told::ModelTrained { client: trained, taken });
        match models(&self.home.store) {
            Ok(models) => self.foresight.models = models,
            Err(error) => tracing::warn!("the models could not be read: {error}"),
        }
    }
}
