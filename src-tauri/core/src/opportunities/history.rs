//! What chats lived through, as rows: one for each chat, with the stretches of its life.

use crate::{chats::Client, time::Timestamp};

/// A chat's numbers; what is not known is none, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    pub calls: Option<f64>,
    pub messages: Option<f64>,
    /// 0 to 1.
    pub context_used: Option<f64>,
    /// Of the last fifty calls, 0 to 1.
    pub failure_rate: Option<f64>,
    pub latency_seconds: Option<f64>,
    pub rss_bytes: Option<f64>,
    /// Since the process started.
    pub minutes: Option<f64>,
    pub tokens: Option<f64>,
    /// In the user's currency.
    pub cost: Option<f64>,
}

/// Part of a chat's life, with its numbers where it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// How long it is.
    pub minutes: f64,
    pub numbers: Numbers,
}

/// What one process of a chat lived through.
#[derive(Clone, Debug, PartialEq)]
pub struct Lived {
    /// When it began.
    pub at: Timestamp,
    pub client: Client,
    pub version: Option<String>,
    pub model: Option<String>,
    /// Of the day where its user is, when it began: 0 to 23.
    pub hour: u8,
    /// The last of each that is known, and the highest context and memory.
    pub numbers: Numbers,
    /// A crash is in the last.
    pub stretches: Vec<Stretch>,
    pub crashed: bool,
}

/// The older half, in which is looked, and the newer, which confirms.
pub(super) fn split<'h, 'a>(history: &'h [&'a Lived]) -> (&'h [&'a Lived], &'h [&'a Lived]) {
    history.split_at(history.len() / 2)
}

/// A number that conditions are made of.
#[derive(Debug)]
pub struct Signal {
    pub name: &'static str,
    pub read: fn(&Numbers) -> Option<f64>,
    /// The number as it is said, such as `120 calls`.
    pub said: fn(f64) -> String,
    /// What might be tried where it goes with crashes, and its value in the knob's unit from the number's.
    pub knob: &'static str,
    pub value: Option<fn(f64) -> f64>,
}

pub const SIGNALS: [Signal; 9] = [
    Signal {
        name: "calls",
        read: |numbers| numbers.calls,
        said: |limit| format!("{limit} calls"),
        knob: "checkpoints.calls",
        value: None,
    },
    Signal {
        name: "messages",
        read: |numbers| numbers.messages,
        said: |limit| format!("{limit} messages"),
        knob: "risk.danger.messages",
        value: Some(|limit| limit),
    },
    Signal {
        name: "context_used",
        read: |numbers| numbers.context_used,
        said: |limit| format!("{} % of the context", percent(limit)),
        knob: "risk.danger.context_percent",
        value: Some(percent),
    },
    Signal {
        name: "failure_rate",
        read: |numbers| numbers.failure_rate,
        said: |limit| format!("{} % of failed calls", percent(limit)),
        knob: "risk.danger.failures_percent",
        value: Some(percent),
    },
    Signal {
        name: "latency_seconds",
        read: |numbers| numbers.latency_seconds,
        said: |limit| format!("{limit} s for an answer"),
        knob: "hang.silent_seconds",
        value: None,
    },
    Signal {
        name: "rss_bytes",
        read: |numbers| numbers.rss_bytes,
        said: |limit| format!("{:.0} MB of memory", limit / 1e6),
        knob: "checkpoints.minutes",
        value: None,
    },
    Signal {
        name: "minutes",
        read: |numbers| numbers.minutes,
        said: |limit| format!("{limit} minutes"),
        knob: "risk.danger.minutes",
        value: Some(|limit| limit),
    },
    Signal {
        name: "tokens",
        read: |numbers| numbers.tokens,
        said: |limit| format!("{limit} tokens"),
        knob: "checkpoints.minutes",
        value: None,
    },
    Signal {
        name: "cost",
        read: |numbers| numbers.cost,
        said: |limit| format!("a cost of {limit}"),
        knob: "checkpoints.minutes",
        value: None,
    },
];

fn percent(share: f64) -> f64 {
    (share * 100.0).round()
}

/// Values that part the numbers at these shares, said with two digits; each once.
pub(super) fn cuts(values: &mut Vec<f64>, shares: &[f64]) -> Vec<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    let mut cuts: Vec<_> = shares
        .iter()
        .filter_map(|share| values.get((last * share) as usize))
        .copied()
        .map(two_digits)
        .collect();
    cuts.dedup();
    cuts
}

/// By way of its digits, so that it is said as it is meant.
fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}
