//! Conditions that single chats out, as a person would say them.

use std::collections::BTreeMap;

use super::{
    Direction, Proposal, Target,
    history::{Lived, SIGNALS, Signal, cuts},
};
use crate::chats::Client;

/// Shares of the chats below the limits that are looked at, from above and from below: what goes wrong does so more
/// often where numbers are high.
const OVER: [f64; 6] = [0.25, 0.5, 0.6, 0.7, 0.8, 0.9];
const AT_MOST: [f64; 3] = [0.25, 0.5, 0.75];
/// Names of one kind (versions, models) that are looked at, the most frequent.
const NAMES_MAX: usize = 6;
const HOURS: [(u8, u8); 4] = [(0, 6), (6, 12), (12, 18), (18, 24)];

#[derive(Clone, Debug)]
pub enum Condition {
    Over(&'static Signal, f64),
    AtMost(&'static Signal, f64),
    Of(Client),
    Version(Client, String),
    Model(String),
    /// From the first hour on, before the second.
    Between(u8, u8),
}

impl Condition {
    pub fn holds(&self, lived: &Lived) -> bool {
        match self {
            Self::Over(signal, limit) => (signal.read)(&lived.numbers).is_some_and(|number| number > *limit),
            Self::AtMost(signal, limit) => {
                (signal.read)(&lived.numbers).is_some_and(|number| number <= *limit)
            }
            Self::Of(client) => lived.client == *client,
            Self::Version(client, version) => {
                lived.client == *client && lived.version.as_deref() == Some(version)
            }
            Self::Model(model) => lived.model.as_deref() == Some(model),
            Self::Between(from, to) => (*from..*to).contains(&lived.hour),
        }
    }

    pub fn words(&self) -> String {
        match self {
            Self::Over(signal, limit) => format!("over {}", (signal.said)(*limit)),
            Self::AtMost(signal, limit) => format!("of at most {}", (signal.said)(*limit)),
            Self::Of(client) => format!("of {}", client.title()),
            Self::Version(client, version) => format!("of {} {version}", client.title()),
            Self::Model(model) => format!("with {model}"),
            Self::Between(from, to) => format!("begun from {from} to {to} o'clock"),
        }
    }

    /// What it is about: two conditions on the same are one too many.
    pub fn about(&self) -> &'static str {
        match self {
            Self::Over(signal, _) | Self::AtMost(signal, _) => signal.name,
            Self::Of(_) | Self::Version(..) => "client",
            Self::Model(_) => "model",
            Self::Between(..) => "hour",
        }
    }

    /// Where the number is high, care is to begin at it; else more is to be kept.
    pub fn proposal(&self) -> Proposal {
        match self {
            Self::Over(signal, limit) => Proposal {
                knob: signal.knob.to_owned(),
                direction: Direction::Lower,
                value: signal.value.map(|of| of(*limit).round().max(0.0) as u64),
            },
            Self::AtMost(..) | Self::Of(_) | Self::Version(..) | Self::Model(_) | Self::Between(..) => {
                Proposal { knob: "checkpoints.minutes".to_owned(), direction: Direction::Lower, value: None }
            }
        }
    }
}

/// All conditions that part these chats. What a target is measured by is no condition for it.
pub fn all(target: Target, chats: &[&Lived]) -> Vec<Condition> {
    let is_asked = |signal: &&Signal| match target {
        Target::Crashes => signal.name != "cost",
        Target::Cost => !["cost", "tokens"].contains(&signal.name),
        Target::Latency => signal.name != "latency_seconds",
    };
    let mut conditions = Vec::new();
    for signal in SIGNALS.iter().filter(is_asked) {
        let mut values = chats.iter().filter_map(|lived| (signal.read)(&lived.numbers)).collect();
        conditions.extend(cuts(&mut values, &OVER).into_iter().map(|limit| Condition::Over(signal, limit)));
        conditions
            .extend(cuts(&mut values, &AT_MOST).into_iter().map(|limit| Condition::AtMost(signal, limit)));
    }
    conditions.extend(Client::ALL.map(Condition::Of));
    let versions = chats.iter().filter_map(|lived| Some((lived.client, lived.version.clone()?)));
    conditions
        .extend(frequent(versions).into_iter().map(|(client, version)| Condition::Version(client, version)));
    conditions.extend(
        frequent(chats.iter().filter_map(|lived| lived.model.clone())).into_iter().map(Condition::Model),
    );
    conditions.extend(HOURS.map(|(from, to)| Condition::Between(from, to)));
    conditions
}

fn frequent<T: Ord + Clone>(names: impl Iterator<Item = T>) -> Vec<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let mut names: Vec<_> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names.into_iter().take(NAMES_MAX).map(|(name, _)| name).collect()
}
