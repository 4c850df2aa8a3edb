//! Costs and waits far above the usual, by medians, which the far ones themselves do not move.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Target, history::Lived};
use crate::time::Timestamp;

/// Of a modified z score on logarithms: B. Iglewicz, D. Hoaglin, How to Detect and Handle Outliers (1993).
const FAR: f64 = 3.5;
/// From a median deviation to a normal distribution's own.
const TO_SIGMA: f64 = 1.4826;
/// Spread below which alike numbers are taken to differ by this much, so that a rounding is not far out.
const SPREAD_MIN: f64 = 0.05;
const VALUES_MIN: usize = 20;
/// Single chats told.
const SINGLE_MAX: usize = 10;

/// A chat far above the usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct FarOut {
    pub target: Target,
    #[ts(type = "string")]
    pub at: Timestamp,
    pub client: String,
    /// Its cost or tokens, or its seconds.
    pub value: f64,
    pub usual: f64,
}

/// From where on cost and latency are far out; none with too few numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    cost: Option<Bound>,
    latency: Option<Bound>,
}

#[derive(Clone, Copy, Debug)]
struct Bound {
    usual: f64,
    far: f64,
}

impl Bounds {
    pub fn of(chats: &[&Lived]) -> Self {
        let bound = |target| Bound::of(chats.iter().filter_map(|lived| measured(target, lived)));
        Self { cost: bound(Target::Cost), latency: bound(Target::Latency) }
    }

    fn get(&self, target: Target) -> Option<Bound> {
        match target {
            Target::Crashes => None,
            Target::Cost => self.cost,
            Target::Latency => self.latency,
        }
    }

    /// Whether what the target means happened to a chat.
    pub fn happened(&self, target: Target, lived: &Lived) -> bool {
        match target {
            Target::Crashes => lived.crashed,
            Target::Cost | Target::Latency => self.excess(target, lived).is_some(),
        }
    }

    /// The value of a chat that is far out, and the usual one.
    fn excess(&self, target: Target, lived: &Lived) -> Option<(f64, f64)> {
        let bound = self.get(target)?;
        let value = measured(target, lived).filter(|value| *value > bound.far)?;
        Some((value, bound.usual))
    }
}

impl Bound {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let logs: Vec<_> = values.map(f64::ln).collect();
        if logs.len() < VALUES_MIN {
            return None;
        }
        let middle = median(logs.clone())?;
        let spread = median(logs.iter().map(|log| (log - middle).abs()).collect())? * TO_SIGMA;
        Some(Self { usual: middle.exp(), far: (middle + FAR * spread.max(SPREAD_MIN)).exp() })
    }
}

/// What a target is measured by; above 0.
pub(super) fn measured(target: Target, lived: &Lived) -> Option<f64> {
    let value = match target {
        Target::Crashes => None,
        Target::Cost => lived.numbers.cost.or(lived.numbers.tokens),
        Target::Latency => lived.numbers.latency_seconds,
    };
    value.filter(|value| value.is_finite() && *value > 0.0)
}

/// Single chats far above the usual of their whole history, the farthest first.
pub(super) fn single(history: &[&Lived]) -> Vec<FarOut> {
    let bounds = Bounds::of(history);
    let mut far: Vec<_> = [Target::Cost, Target::Latency]
        .into_iter()
        .flat_map(|target| history.iter().filter_map(move |lived| far_out(&bounds, target, lived)))
        .collect();
    far.sort_by(|one, other| (other.value / other.usual).total_cmp(&(one.value / one.usual)));
    far.truncate(SINGLE_MAX);
    far
}

fn far_out(bounds: &Bounds, target: Target, lived: &Lived) -> Option<FarOut> {
    let (value, usual) = bounds.excess(target, lived)?;
    Some(FarOut { target, at: lived.at, client: lived.client.name().to_owned(), value, usual })
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.get(values.len() / 2)?, values.get((values.len().max(1) - 1) / 2)?);
    Some((upper + lower) / 2.0)
}
