//! What predictions were worth, told by what happened. With too little behind it there is no figure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use ts_rs::TS;

use crate::{
    prediction::model::{DANGER_AT, HORIZON},
    statistics::{Interval, forecasts::average_precision, proportions},
    time::Timestamp,
};

/// Windows and crashes below which nothing is scored.
pub const WINDOWS_MIN: u64 = 100;
pub const CRASHES_MIN: u64 = 5;
/// Alarms below which their worth is not told.
pub const ALARMS_MIN: u64 = 20;
/// Watched days below which nothing is told per day.
const DAYS_MIN: f64 = 1.0;
/// Between these probabilities predictions are counted together, to be compared with what happened.
const BINS: [f64; 6] = [0.0, 0.01, 0.03, 0.10, 0.30, 1.0];
const MINUTES_A_DAY: f64 = 24.0 * 60.0;

/// What came of a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Outcome {
    /// The process crashed within the horizon.
    Crashed,
    /// It lived to the horizon's end, or its user left it.
    Survived,
    /// The machine or an update ended it, or it was not watched: nobody can tell.
    Censored,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Crashed, Self::Survived, Self::Censored];

    pub fn name(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Survived => "survived",
            Self::Censored => "censored",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A prediction beside what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Foretold {
    /// Danger was said, and a crash came.
    TruePositive,
    FalsePositive,
    FalseNegative,
    TrueNegative,
    /// Nobody can tell.
    Unverifiable,
}

impl Foretold {
    pub fn of(probability: f64, outcome: Outcome) -> Self {
        match (probability >= DANGER_AT, outcome) {
            (_, Outcome::Censored) => Self::Unverifiable,
            (true, Outcome::Crashed) => Self::TruePositive,
            (true, Outcome::Survived) => Self::FalsePositive,
            (false, Outcome::Crashed) => Self::FalseNegative,
            (false, Outcome::Survived) => Self::TrueNegative,
        }
    }

    /// In short, as it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::TruePositive => "tp",
            Self::FalsePositive => "fp",
            Self::FalseNegative => "fn",
            Self::TrueNegative => "tn",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// What came of a prediction made at `at`, once its horizon is over. `crashed` is when its process crashed; it was
/// `watched` when it lived to the horizon's end, or came to its end before, under the eyes of the engine.
pub fn outcome(at: Timestamp, crashed: Option<Timestamp>, watched: bool) -> Outcome {
    match crashed {
        // A hang is noticed after it began.
        Some(crash) if crash <= at => Outcome::Censored,
        Some(crash) if crash.since(at) <= HORIZON => Outcome::Crashed,
        Some(_) | None if watched => Outcome::Survived,
        Some(_) | None => Outcome::Censored,
    }
}

/// A prediction and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Tells processes apart.
    pub process: u32,
    pub at: Timestamp,
    /// Of a crash within the horizon.
    pub probability: f64,
    pub outcome: Outcome,
}

/// Of each process the first prediction in every stretch of one horizon. Predictions a minute apart speak of the
/// same hour, and counting each would make the figures look surer than they are.
pub fn windows(mut forecasts: Vec<Forecast>) -> Vec<Forecast> {
    forecasts.retain(|forecast| forecast.outcome != Outcome::Censored && forecast.probability.is_finite());
    forecasts.sort_by_key(|forecast| (forecast.process, forecast.at));
    let mut last: Option<(u32, Timestamp)> = None;
    forecasts.retain(|forecast| {
        let apart =
            last.is_none_or(|(process, at)| process != forecast.process || forecast.at.since(at) >= HORIZON);
        if apart {
            last = Some((forecast.process, forecast.at));
        }
        apart
    });
    forecasts
}

/// What the predictions were worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Score {
    /// Stretches of one horizon that were predicted, and those with a crash in them.
    pub windows: u64,
    pub crashes: u64,
    /// The second over the first: what always saying the same would say.
    pub base_rate: f64,
    /// Mean squared distance of the probability from what happened; 0 is best.
    pub brier: f64,
    /// Share by which that is better than always saying the base rate; 0 is worth nothing, 1 is perfect.
    pub brier_skill: f64,
    /// Area under precision over recall; worth something when above the base rate.
    pub average_precision: f64,
    pub calibration: Vec<Bin>,
    /// Share of windows in which danger was said and a crash came, or neither.
    pub crash_prediction_accuracy: f64,
    /// The same for always saying that nothing will happen: what accuracy is to be compared with.
    pub accuracy_of_never: f64,
}

/// Predictions of like probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Bin {
    pub from: f64,
    pub to: f64,
    pub windows: u64,
    /// Their mean probability.
    pub predicted: f64,
    /// The share that crashed, with its 95 % interval (Wilson).
    pub observed: Share,
}

/// A share of a count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Share {
    pub of: u64,
    pub count: u64,
    pub share: f64,
    /// Within which the true share lies, 95 times of 100 (Wilson).
    pub low: f64,
    pub high: f64,
}

/// How far it is to a first figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct NotEnough {
    pub windows: u64,
    pub windows_needed: u64,
    pub crashes: u64,
    pub crashes_needed: u64,
}

/// Scores what `windows` gave.
pub fn score(windows: &[Forecast]) -> Result<Score, NotEnough> {
    let count = windows.len() as u64;
    let crashes = windows.iter().filter(|window| window.outcome == Outcome::Crashed).count() as u64;
    // With nothing but crashes there is no base rate to be better than.
    if count < WINDOWS_MIN || crashes < CRASHES_MIN || crashes == count {
        return Err(NotEnough {
            windows: count,
            windows_needed: WINDOWS_MIN,
            crashes,
            crashes_needed: CRASHES_MIN,
        });
    }
    let base_rate = crashes as f64 / count as f64;
    let brier = mean(windows.iter().map(|window| (window.probability - window.happened()).powi(2)));
    let said: Vec<_> = windows.iter().map(|window| window.probability).collect();
    let happened: Vec<_> = windows.iter().map(|window| window.outcome == Outcome::Crashed).collect();
    let right = |window: &&Forecast| (window.probability >= DANGER_AT) == (window.happened() == 1.0);
    Ok(Score {
        windows: count,
        crashes,
        base_rate,
        brier,
        brier_skill: 1.0 - brier / (base_rate * (1.0 - base_rate)),
        average_precision: average_precision(&said, &happened).unwrap_or(0.0),
        calibration: calibration(windows),
        crash_prediction_accuracy: windows.iter().filter(right).count() as f64 / count as f64,
        accuracy_of_never: 1.0 - base_rate,
    })
}

impl Forecast {
    fn happened(&self) -> f64 {
        if self.outcome == Outcome::Crashed { 1.0 } else { 0.0 }
    }
}

fn calibration(windows: &[Forecast]) -> Vec<Bin> {
    let edges = BINS.iter().zip(BINS.iter().skip(1));
    let bins = edges.map(|(from, to)| {
        let is_last = *to >= 1.0;
        let within = |window: &&Forecast| {
            window.probability >= *from
                && (window.probability < *to || (is_last && window.probability <= *to))
        };
        let inside: Vec<_> = windows.iter().filter(within).collect();
        let crashes = inside.iter().filter(|window| window.outcome == Outcome::Crashed).count() as u64;
        Bin {
            from: *from,
            to: *to,
            windows: inside.len() as u64,
            predicted: mean(inside.iter().map(|window| window.probability)),
            observed: Share::new(crashes, inside.len() as u64),
        }
    });
    bins.filter(|bin| bin.windows > 0).collect()
}

impl Share {
    /// With Wilson's interval. Of nothing, or of less than nothing, nothing is known.
    pub fn new(count: u64, of: u64) -> Self {
        let wilson = proportions::Share::new(count, of)
            .and_then(|share| Ok((share.value(), proportions::wilson(share, 0.95)?)));
        match wilson {
            Ok((share, Interval { low, high })) => Self { of, count, share, low, high },
            Err(_) => Self { of, count, share: 0.0, low: 0.0, high: 1.0 },
        }
    }
}

/// An alarm that was said, and what came of it; null before its horizon is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    pub process: u32,
    pub at: Timestamp,
    /// False for the one in twenty that took no action.
    pub acted: bool,
    pub outcome: Option<Outcome>,
}

/// What alarms were worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct AlarmScore {
    pub alarms: u64,
    pub false_alarms: u64,
    /// Days in which at least one chat was watched, minute by minute.
    pub watched_days: f64,
    /// Null before a day was watched.
    pub false_alarms_a_day: Option<f64>,
    /// Of the crashes those that had an alarm within the horizon before them; null before there were a few.
    pub foretold: Option<Share>,
    /// Seconds from that alarm to its crash, the middle one; null when none was foretold.
    pub lead_seconds: Option<f64>,
    /// Alarms that were acted on and came true; null before there were a few.
    pub acted: Option<Share>,
    /// The same of those that took no action by chance: what alarms are worth undisturbed.
    pub held_out: Option<Share>,
}

/// `crashes` are those of predicted processes; `minutes` in which at least one chat was predicted.
pub fn score_alarms(said: &[Said], crashes: &[(u32, Timestamp)], minutes: u64) -> AlarmScore {
    let told = |acted: bool| {
        let settled = said.iter().filter(|alarm| alarm.acted == acted);
        let outcomes: Vec<_> =
            settled.filter_map(|alarm| alarm.outcome).filter(|o| *o != Outcome::Censored).collect();
        let came_true = outcomes.iter().filter(|outcome| **outcome == Outcome::Crashed).count() as u64;
        let of = outcomes.len() as u64;
        (of >= ALARMS_MIN).then(|| Share::new(came_true, of))
    };
    let leads = leads(said, crashes);
    let count = crashes.len() as u64;
    let false_alarms = said.iter().filter(|alarm| alarm.outcome == Some(Outcome::Survived)).count() as u64;
    let watched_days = minutes as f64 / MINUTES_A_DAY;
    AlarmScore {
        alarms: said.len() as u64,
        false_alarms,
        watched_days,
        false_alarms_a_day: (watched_days >= DAYS_MIN).then(|| false_alarms as f64 / watched_days),
        foretold: (count >= CRASHES_MIN).then(|| Share::new(leads.len() as u64, count)),
        lead_seconds: median(leads),
        acted: told(true),
        held_out: told(false),
    }
}

/// For each crash that was foretold, the seconds from the first alarm within its horizon.
fn leads(said: &[Said], crashes: &[(u32, Timestamp)]) -> Vec<f64> {
    let mut by_process: BTreeMap<u32, Vec<Timestamp>> = BTreeMap::new();
    for alarm in said {
        by_process.entry(alarm.process).or_default().push(alarm.at);
    }
    let lead = |(process, crash): &(u32, Timestamp)| {
        let before = by_process.get(process)?.iter().filter(|at| *at < crash);
        before.map(|at| crash.since(*at)).filter(|lead| *lead <= HORIZON).max()
    };
    crashes.iter().filter_map(lead).map(|lead| lead.as_secs_f64()).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.get(values.len() / 2)?, values.get((values.len() - 1) / 2)?);
    Some((upper + lower) / 2.0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// How likely it is that values this much above 0, or more, come about when there is nothing in it: Student's
/// test, on one side. 1 when it cannot be told.
pub fn by_chance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = mean(values.iter().copied());
    let variance = values.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / (count - 1.0);
    let t = middle / (variance / count).sqrt();
    if !t.is_finite() {
        return 1.0;
    }
    StudentsT::new(0.0, 1.0, count - 1.0).map_or(1.0, |student| student.sf(t))
}

#[cfg(test)]
#[path = "scoring_tests.rs"]
mod tests;
