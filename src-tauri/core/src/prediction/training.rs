//! Learning from what chats lived through. A model is taken into use only when it foretells later history better
//! than the zones and than the mere rate of crashes; otherwise it says why not.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    chats::Client,
    prediction::{
        features::{CONSTANT, Numbers, WIDTH, ZONE_DANGER, ZONE_WARNING, names},
        hazard::{Fit, FitError, Link, Prior, Rows, fit, log_score},
        model::{HORIZON, Model, cold_start, minutes, within},
        scoring::{Forecast, by_chance, outcome, score, windows},
    },
    signals::Signals,
    time::Timestamp,
};

/// Crashes before which nothing is learned: fourteen to learn from and six to prove it on.
pub const CRASHES_NEEDED: u64 = 20;
/// Rows that are learned from, of some 160 bytes each. Of more, those without a crash are thinned and count for more.
const ROWS_MAX: usize = 20_000;
/// Share of the crashes, the oldest, that is learned from before it is proved on the rest.
const EARLIER: f64 = 0.7;
/// How strongly a coefficient may be held to the cold start: as if this many crashes had spoken for it. Which one
/// is found on the earlier history alone.
const STRENGTHS: [f64; 4] = [8.0, 32.0, 128.0, 512.0];
/// The rate of crashes is this machine's own affair: one crash outweighs what was believed of it.
const CONSTANT_STRENGTH: f64 = 1.0;
/// A zone is or is not so, which spreads half as far as a measured number.
const ZONE_STRENGTH: f64 = 0.25;
/// A gain that chance would give this often is none.
const CHANCE_MAX: f64 = 0.05;
/// A chat is looked at every minute; a row never stands for more than this.
const ROW_MAX: Duration = Duration::from_secs(150);
/// Moments closer together than this are one row.
const ROW_MIN: Duration = Duration::from_secs(50);
/// Crashes since a model was taken into use after which it is held against the zones again.
const PROVEN_AGAIN: usize = 5;

/// One chat for about a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// Tells processes apart.
    pub process: u32,
    pub at: Timestamp,
    pub minutes: f32,
    /// The row ended in a crash.
    pub crashed: bool,
    /// Rows it stands for.
    pub weight: f32,
    pub numbers: Numbers,
}

/// Gathers rows, process by process, in bounded memory.
#[derive(Debug)]
pub struct History {
    examples: Vec<Example>,
    keep_every: u32,
    passed: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { examples: Vec::new(), keep_every: 1, passed: 0 }
    }
}

impl History {
    /// Adds what one process lived through: its moments in order, and when it crashed, if it did.
    pub fn add(
        &mut self,
        process: u32,
        moments: impl IntoIterator<Item = (Timestamp, Numbers)>,
        crashed: Option<Timestamp>,
    ) {
        let mut last: Option<(Timestamp, Numbers)> = None;
        for (at, numbers) in moments {
            if crashed.is_some_and(|crash| at >= crash) {
                break;
            }
            match last {
                Some((before, _)) if at.since(before) < ROW_MIN => continue,
                Some((before, was)) => self.row(process, before, at.since(before).min(ROW_MAX), false, was),
                None => {}
            }
            last = Some((at, numbers));
        }
        // What came after the last moment is not known, unless a crash did.
        if let (Some((before, was)), Some(crash)) = (last, crashed)
            && crash.since(before) <= ROW_MAX
        {
            self.row(process, before, crash.since(before).max(Duration::from_secs(1)), true, was);
        }
    }

    /// Oldest first.
    pub fn examples(mut self) -> Vec<Example> {
        self.examples.sort_by_key(|example| (example.at, example.process));
        self.examples
    }

    fn row(&mut self, process: u32, at: Timestamp, span: Duration, crashed: bool, numbers: Numbers) {
        if !crashed {
            self.passed = (self.passed + 1) % self.keep_every;
            if self.passed != 0 {
                return;
            }
        }
        let weight = if crashed { 1.0 } else { self.keep_every as f32 };
        self.examples.push(Example { process, at, minutes: minutes(span) as f32, crashed, weight, numbers });
        if self.examples.len() > ROWS_MAX {
            self.thin();
        }
    }

    /// Drops every other row without a crash and has the rest count twice; with nothing left to thin, the oldest.
    fn thin(&mut self) {
        let mut keep = false;
        self.examples.retain(|example| {
            keep = !keep;
            example.crashed || keep
        });
        self.examples.iter_mut().filter(|example| !example.crashed).for_each(|example| example.weight *= 2.0);
        self.keep_every = self.keep_every.saturating_mul(2).max(1);
        let over = self.examples.len().saturating_sub(ROWS_MAX);
        self.examples.drain(..over);
    }
}

/// A chat's signals over time, parted into the lives of the processes that held it: another one is younger.
pub fn lives(rows: Vec<Signals>) -> Vec<Vec<Signals>> {
    /// Two moments of one process tell its start alike but for this.
    const SAME_START_MS: u64 = 60_000;
    /// Where the age is not known, a process is taken to be another after so long a silence.
    const SILENCE: Duration = Duration::from_secs(15 * 60);
    let start = |row: &Signals| Some(row.at.ms() - (row.age_seconds? * 1000.0) as i64);
    let mut lives: Vec<Vec<Signals>> = Vec::new();
    for row in rows {
        let goes_on =
            lives.last().and_then(|life| life.last()).is_some_and(|last| match (start(last), start(&row)) {
                (Some(before), Some(now)) => before.abs_diff(now) < SAME_START_MS,
                _ => row.at.since(last.at) < SILENCE,
            });
        match lives.last_mut() {
            Some(life) if goes_on => life.push(row),
            Some(_) | None => lives.push(vec![row]),
        }
    }
    lives
}

/// What a model is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Rival {
    /// Every chat at every moment as likely as the mean.
    BaseRate,
    /// The zones as they are.
    Zones,
    /// The zones, with this machine's rate of crashes.
    ZonesAtThisRate,
}

impl Rival {
    pub fn title(self) -> &'static str {
        match self {
            Self::BaseRate => "the mere rate of crashes",
            Self::Zones => "the zones",
            Self::ZonesAtThisRate => "the zones at this machine's rate",
        }
    }
}

/// What came of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Verdict {
    /// It foretells better than every rival, and is in use.
    Taken,
    NotEnough {
        crashes: u64,
        needed: u64,
    },
    /// It does not foretell later history better than this rival.
    NotBetter {
        than: Rival,
        /// In nats per crash on the later history; above 0 is better.
        gain: f64,
        /// How often chance would give as much.
        by_chance: f64,
    },
    /// Minute by minute it is better, and yet within the hour no better than always saying the mean rate.
    NoSkill {
        brier_skill: f64,
    },
    Failed {
        why: String,
    },
}

/// A model, and whether it is to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Null where nothing could be fitted.
    pub model: Option<Model>,
    pub verdict: Verdict,
}

/// Learns from examples, the oldest first. `go_on` is asked often; false ends it.
pub fn train(client: Client, examples: &[Example], now: Timestamp, go_on: &dyn Fn() -> bool) -> Trained {
    let crashes = examples.iter().filter(|example| example.crashed).count() as u64;
    if crashes < CRASHES_NEEDED {
        let verdict = Verdict::NotEnough { crashes, needed: CRASHES_NEEDED };
        return Trained { model: None, verdict };
    }
    match learn(examples, go_on) {
        Ok(learned) => {
            let held_out = score(&windows(forecasts(learned.later, &learned.proved))).ok();
            let verdict = match &held_out {
                Some(score) if learned.verdict == Verdict::Taken && score.brier_skill <= 0.0 => {
                    Verdict::NoSkill { brier_skill: score.brier_skill }
                }
                Some(_) | None => learned.verdict,
            };
            let model = Model {
                client,
                trained_at: now,
                since: examples.first().map_or(now, |example| example.at),
                rows: examples.len() as u64,
                crashes,
                strength: learned.strength,
                coefficients: Model::named(&learned.coefficients),
                held_out,
            };
            Trained { model: Some(model), verdict }
        }
        Err(error) => Trained { model: None, verdict: Verdict::Failed { why: error.to_string() } },
    }
}

struct Learned<'a> {
    strength: f64,
    /// From all of the history: what is used.
    coefficients: Vec<f64>,
    /// From the earlier history: what was proved on the later.
    proved: Vec<f64>,
    later: &'a [Example],
    verdict: Verdict,
}

fn learn<'a>(examples: &'a [Example], go_on: &dyn Fn() -> bool) -> Result<Learned<'a>, FitError> {
    let (earlier, later) = split(examples);
    let strength = best_strength(earlier, go_on)?;
    let proved = fitted(earlier, strength, go_on)?.coefficients;
    let verdict = hold_against_rivals(&proved, earlier, later, go_on)?;
    let coefficients = fitted(examples, strength, go_on)?.coefficients;
    Ok(Learned { strength, coefficients, proved, later, verdict })
}

/// Cuts before the crash with which the later share of crashes begins.
fn split(examples: &[Example]) -> (&[Example], &[Example]) {
    let crashes: Vec<_> =
        examples.iter().enumerate().filter(|(_, example)| example.crashed).map(|(at, _)| at).collect();
    let nth = (crashes.len() as f64 * EARLIER) as usize;
    examples.split_at(crashes.get(nth).copied().unwrap_or(examples.len()))
}

/// The strength that foretells the later part of the earlier history best; of equals the strongest.
fn best_strength(earlier: &[Example], go_on: &dyn Fn() -> bool) -> Result<f64, FitError> {
    let (first, second) = split(earlier);
    let mut best = (f64::NEG_INFINITY, STRENGTHS.iter().copied().fold(0.0, f64::max));
    for strength in STRENGTHS.iter().rev() {
        let coefficients = fitted(first, *strength, go_on)?.coefficients;
        let told: f64 = second.iter().map(|example| log_score_of(example, &coefficients)).sum();
        if told > best.0 {
            best = (told, *strength);
        }
    }
    Ok(best.1)
}

fn fitted(examples: &[Example], strength: f64, go_on: &dyn Fn() -> bool) -> Result<Fit, FitError> {
    let mut rows = Rows::new(WIDTH);
    for example in examples {
        let numbers = example.numbers.0.map(f64::from);
        rows.push(&numbers, example.log_minutes(), f64::from(example.weight), example.crashed)?;
    }
    let held = names().map(|name| match name {
        CONSTANT => CONSTANT_STRENGTH,
        ZONE_WARNING | ZONE_DANGER => strength * ZONE_STRENGTH,
        _ => strength,
    });
    fit(&rows, Link::Cloglog, &Prior { centre: cold_start(), strength: held.collect() }, go_on)
}

fn hold_against_rivals(
    model: &[f64],
    earlier: &[Example],
    later: &[Example],
    go_on: &dyn Fn() -> bool,
) -> Result<Verdict, FitError> {
    let rivals = [
        (Rival::BaseRate, base_rate(earlier)),
        (Rival::Zones, cold_start()),
        (Rival::ZonesAtThisRate, zones_at_the_rate_of(earlier, go_on)?),
    ];
    let crashes = later.iter().filter(|example| example.crashed).count().max(1) as f64;
    for (than, rival) in rivals {
        let gains = gains(later, model, &rival);
        let (gain, by_chance) = (gains.iter().sum::<f64>() / crashes, by_chance(&gains));
        if by_chance > CHANCE_MAX || gain <= 0.0 {
            return Ok(Verdict::NotBetter { than, gain, by_chance });
        }
    }
    Ok(Verdict::Taken)
}

/// Whether a model in use foretold what came after it was trained worse than the zones would have.
pub fn is_outdone(model: &Model, examples: &[Example]) -> bool {
    let Some(coefficients) = model.values() else { return true };
    let since: Vec<_> = examples.iter().filter(|example| example.at > model.trained_at).copied().collect();
    let crashes = since.iter().filter(|example| example.crashed).count();
    crashes >= PROVEN_AGAIN && gains(&since, &coefficients, &cold_start()).iter().sum::<f64>() < 0.0
}

/// By how much the one foretold each process better than the other, in nats.
fn gains(examples: &[Example], one: &[f64], other: &[f64]) -> Vec<f64> {
    let mut by_process: BTreeMap<u32, f64> = BTreeMap::new();
    for example in examples {
        let gain = log_score_of(example, one) - log_score_of(example, other);
        *by_process.entry(example.process).or_default() += gain;
    }
    by_process.into_values().collect()
}

fn log_score_of(example: &Example, coefficients: &[f64]) -> f64 {
    let eta = example.numbers.times(coefficients) + example.log_minutes();
    f64::from(example.weight) * log_score(Link::Cloglog, eta, example.crashed)
}

impl Example {
    fn log_minutes(&self) -> f64 {
        f64::from(self.minutes).max(1e-3).ln()
    }
}

fn base_rate(examples: &[Example]) -> Vec<f64> {
    let crashes = examples.iter().filter(|example| example.crashed).count() as f64;
    let minutes: f64 = examples.iter().map(|example| f64::from(example.minutes * example.weight)).sum();
    let log_rate = (crashes.max(0.5) / minutes.max(1.0)).ln();
    names().map(|name| if name == CONSTANT { log_rate } else { 0.0 }).collect()
}

fn zones_at_the_rate_of(examples: &[Example], go_on: &dyn Fn() -> bool) -> Result<Vec<f64>, FitError> {
    let zones = cold_start();
    let mut rows = Rows::new(1);
    for example in examples {
        let offset = example.numbers.times(&zones) + example.log_minutes();
        rows.push(&[1.0], offset, f64::from(example.weight), example.crashed)?;
    }
    let shift = fit(&rows, Link::Cloglog, &Prior::none(1), go_on)?.coefficients;
    let moved = names().zip(zones).map(|(name, value)| match name {
        CONSTANT => value + shift.first().copied().unwrap_or(0.0),
        _ => value,
    });
    Ok(moved.collect())
}

/// What would have been predicted at each example, and what came of it.
fn forecasts(examples: &[Example], coefficients: &[f64]) -> Vec<Forecast> {
    let mut crashes: BTreeMap<u32, Timestamp> = BTreeMap::new();
    for example in examples.iter().filter(|example| example.crashed) {
        let end = example.at.plus(Duration::from_secs_f32(example.minutes.max(0.0) * 60.0));
        crashes.insert(example.process, end);
    }
    let forecast = |example: &Example| {
        let outcome = outcome(example.at, crashes.get(&example.process).copied(), true);
        let probability = within(coefficients, &example.numbers, HORIZON);
        Forecast { process: example.process, at: example.at, probability, outcome }
    };
    examples.iter().map(forecast).collect()
}

#[cfg(test)]
#[path = "training_tests.rs"]
mod tests;
