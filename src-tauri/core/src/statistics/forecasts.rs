//! What probabilities and scores were worth, told by what happened.

use serde::Serialize;

use super::{Problem, finite, ranks};

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Brier {
    /// Mean squared distance of the probability from what happened; 0 is best.
    pub brier: f64,
    /// Share by which that is better than always saying the base rate; none where all outcomes are alike.
    pub skill: Option<f64>,
    pub base_rate: f64,
}

/// G. W. Brier, Monthly Weather Review 78 (1950) 1-3, of two outcomes.
pub fn brier(probabilities: &[f64], happened: &[bool]) -> Result<Brier, Problem> {
    pairs("probabilities", probabilities, happened)?;
    if let Some(value) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Problem::OutOfRange { what: "probabilities", value: *value, wanted: "from 0 to 1" });
    }
    let count = probabilities.len() as f64;
    let off = probabilities.iter().zip(happened).map(|(p, happened)| (p - number(*happened)).powi(2));
    let brier = off.sum::<f64>() / count;
    let base_rate = count_of(happened) / count;
    let always = base_rate * (1.0 - base_rate);
    Ok(Brier { brier, skill: (always > 0.0).then(|| 1.0 - brier / always), base_rate })
}

/// Area under the curve of hits over false alarms: how often an event has a higher score than what was none. Equal
/// scores count half.
pub fn auc(scores: &[f64], happened: &[bool]) -> Result<f64, Problem> {
    pairs("scores", scores, happened)?;
    let of = |kind: bool| -> Vec<f64> {
        scores.iter().zip(happened).filter(|(_, is)| **is == kind).map(|(score, _)| *score).collect()
    };
    let (events, others) = (of(true), of(false));
    if events.is_empty() || others.is_empty() {
        return Err(Problem::OneKind { what: "the area", of: happened.len() });
    }
    Ok(ranks::ranked(&events, &others).u / (events.len() as f64 * others.len() as f64))
}

/// The sum over thresholds of precision times the recall gained there; equal scores are one threshold. At least one
/// event.
pub fn average_precision(scores: &[f64], happened: &[bool]) -> Result<f64, Problem> {
    pairs("scores", scores, happened)?;
    let events = count_of(happened);
    if events == 0.0 {
        return Err(Problem::OneKind { what: "the precision", of: happened.len() });
    }
    let mut descending: Vec<_> = scores.iter().copied().zip(happened.iter().copied()).collect();
    descending.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let (mut said, mut hit, mut area) = (0.0, 0.0, 0.0);
    for alike in descending.chunk_by(|(one, _), (other, _)| one == other) {
        let gained: f64 = alike.iter().map(|(_, happened)| number(*happened)).sum();
        said += alike.len() as f64;
        hit += gained;
        area += hit / said * gained;
    }
    Ok(area / events)
}

fn pairs(what: &'static str, values: &[f64], happened: &[bool]) -> Result<(), Problem> {
    finite(what, values, 1)?;
    if values.len() == happened.len() {
        Ok(())
    } else {
        let others = happened.len();
        Err(Problem::NotAsMany { one: what, ones: values.len(), other: "outcomes", others })
    }
}

fn count_of(happened: &[bool]) -> f64 {
    happened.iter().filter(|happened| **happened).count() as f64
}

fn number(happened: bool) -> f64 {
    if happened { 1.0 } else { 0.0 }
}
