//! A chat's signals as numbers of like size, in a fixed order. What is not known counts as usual and says that it
//! is not known; nothing a client writes makes a number larger than `REACH`.

use crate::{
    risk::{Level, Zones, risk},
    signals::Signals,
};

/// Numbers are held within this many times their usual spread, so that one odd reading never decides.
const REACH: f64 = 4.0;
const MIB: f64 = 1024.0 * 1024.0;

/// One number that is learned from.
pub struct Feature {
    pub name: &'static str,
    /// What a usual working chat has, and how far chats usually are from it.
    usual: f64,
    spread: f64,
    read: fn(&Signals) -> Option<f64>,
}

/// The coefficient every row has: the log of crashes per minute of a usual chat.
pub const CONSTANT: &str = "constant";
/// The zones, as what is or is not so. A chat in danger is in the warning too.
pub const ZONE_WARNING: &str = "zone_warning";
pub const ZONE_DANGER: &str = "zone_danger";

/// Whether a number is not known.
type Unknown = fn(&Signals) -> bool;

/// What may be unknown for many chats together, and then says something of its own.
const UNKNOWNS: [(&str, Unknown); 5] = [
    ("context_unknown", |s| s.context_used.is_none()),
    ("not_waiting_for_the_model", |s| s.since_answer_seconds.is_none()),
    ("latency_unknown", |s| s.latency_seconds.is_none()),
    ("failures_unknown", |s| s.failure_rate.is_none()),
    ("memory_unknown", |s| s.rss_bytes.is_none()),
];

/// The measured numbers. Usual values and spreads are of Claude Code's and Codex's chats of ordinary length; they
/// set the scale on which the penalty works and need not be exact.
const FEATURES: &[Feature] = &[
    Feature { name: "context_used", usual: 0.4, spread: 0.25, read: |s| s.context_used },
    Feature { name: "tokens", usual: 11.5, spread: 1.5, read: |s| log(s.tokens as f64) },
    Feature { name: "tokens_per_message", usual: 9.5, spread: 1.5, read: |s| log(s.tokens_per_message?) },
    Feature { name: "messages", usual: 2.7, spread: 1.0, read: |s| log(s.messages as f64) },
    Feature { name: "tool_calls", usual: 2.7, spread: 1.2, read: |s| log(s.tool_calls as f64) },
    Feature {
        name: "calls_since_checkpoint",
        usual: 1.1,
        spread: 1.0,
        read: |s| log(s.calls_since_checkpoint as f64),
    },
    Feature { name: "messages_per_minute", usual: 0.7, spread: 0.7, read: |s| log(s.messages_per_minute) },
    Feature { name: "age_minutes", usual: 3.4, spread: 1.2, read: |s| log(s.age_seconds? / 60.0) },
    Feature { name: "since_answer", usual: 2.5, spread: 1.3, read: |s| log(s.since_answer_seconds?) },
    Feature { name: "latency", usual: 2.0, spread: 0.8, read: |s| log(s.latency_seconds?) },
    Feature {
        name: "latency_trend",
        usual: 0.0,
        spread: 0.5,
        read: |s| s.latency_trend.filter(|trend| *trend > 0.0).map(f64::ln),
    },
    Feature { name: "failure_rate", usual: 0.07, spread: 0.1, read: |s| s.failure_rate },
    Feature { name: "failures_in_a_row", usual: 0.2, spread: 0.5, read: |s| log(s.failures_in_a_row as f64) },
    Feature { name: "recent_errors", usual: 0.2, spread: 0.5, read: |s| log(s.recent_errors.len() as f64) },
    Feature { name: "rss", usual: 5.9, spread: 0.7, read: |s| log(s.rss_bytes? as f64 / MIB) },
    Feature {
        name: "rss_slope",
        usual: 0.0,
        spread: 1.0,
        // MiB a minute, on a scale that is even around 0 and logarithmic far from it.
        read: |s| Some((s.rss_slope? * 60.0 / MIB).asinh()),
    },
    Feature { name: "cpu", usual: 0.15, spread: 0.25, read: |s| log(s.cpu?) },
    Feature {
        name: "transcript_growth",
        usual: 0.3,
        spread: 0.6,
        read: |s| log(s.transcript_growth / 1024.0),
    },
    Feature {
        name: "transcript_size",
        usual: 0.8,
        spread: 0.9,
        read: |s| log(s.transcript_bytes as f64 / MIB),
    },
    Feature { name: "memory_pressure", usual: 0.6, spread: 0.2, read: |s| s.memory_pressure },
];

/// How many numbers there are.
pub const WIDTH: usize = 3 + FEATURES.len() + UNKNOWNS.len();

/// One chat at one moment, in the order of `names`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers(pub [f32; WIDTH]);

impl Numbers {
    pub fn of(signals: &Signals, zones: &Zones) -> Self {
        let zone = risk(signals, zones).level;
        let zones = [1.0, said(zone >= Level::Warning), said(zone >= Level::Danger)];
        let measured = FEATURES.iter().map(|feature| feature.scaled(signals));
        let unknown = UNKNOWNS.iter().map(|(_, is_unknown)| said(is_unknown(signals)));
        let mut numbers = [0.0; WIDTH];
        for (place, number) in numbers.iter_mut().zip(zones.into_iter().chain(measured).chain(unknown)) {
            *place = number as f32;
        }
        Self(numbers)
    }

    /// With each coefficient, summed up.
    pub fn times(&self, coefficients: &[f64]) -> f64 {
        self.0.iter().zip(coefficients).map(|(number, coefficient)| f64::from(*number) * coefficient).sum()
    }
}

impl Feature {
    /// How many spreads from the usual value. Unknown is 0: the usual value.
    fn scaled(&self, signals: &Signals) -> f64 {
        let known = (self.read)(signals).filter(|number| number.is_finite());
        known.map_or(0.0, |number| ((number - self.usual) / self.spread).clamp(-REACH, REACH))
    }
}

/// What each of the `WIDTH` numbers is called, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    let zones = [CONSTANT, ZONE_WARNING, ZONE_DANGER].into_iter();
    zones.chain(FEATURES.iter().map(|feature| feature.name)).chain(UNKNOWNS.iter().map(|(name, _)| *name))
}

fn said(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

/// Counts and sizes matter by their ratio; 0 stays 0.
fn log(number: f64) -> Option<f64> {
    (number >= 0.0).then(|| number.ln_1p())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Numbers, WIDTH, names};
    use crate::{
        risk::{Level, Zones},
        signals::Signals,
    };

    fn number(of: &Signals, wanted: &str) -> f32 {
        let at = names().position(|name| name == wanted).unwrap();
        Numbers::of(of, &Zones::default()).0[at]
    }

    #[test]
    fn every_number_has_a_name_of_its_own() {
        let mut all: Vec<_> = names().collect();
        assert_eq!(all.len(), WIDTH);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), WIDTH);
    }

    #[test]
    fn what_is_unknown_is_usual_and_says_so() {
        let unknown = Signals::default();
        assert_eq!(number(&unknown, "context_used"), 0.0);
        assert_eq!(number(&unknown, "context_unknown"), 1.0);
        let known = Signals { context_used: Some(0.9), ..Signals::default() };
        assert_eq!(number(&known, "context_used"), 2.0);
        assert_eq!(number(&known, "context_unknown"), 0.0);
    }

    #[test]
    fn the_zones_are_among_the_numbers() {
        for (context, level) in [(0.1, Level::Safe), (0.76, Level::Warning)] {
            let signals = Signals { context_used: Some(context), ..Signals::default() };
            let warning = if level >= Level::Warning { 1.0 } else { 0.0 };
            assert_eq!(number(&signals, "zone_warning"), warning, "{context}");
            assert_eq!(number(&signals, "zone_danger"), 0.0, "{context}");
        }
        let both = Signals { context_used: Some(0.8), messages: 51, ..Signals::default() };
        assert_eq!((number(&both, "zone_warning"), number(&both, "zone_danger")), (1.0, 1.0));
    }

    proptest! {
        #[test]
        fn no_reading_makes_a_number_that_is_none(a in any::<f64>(), b in any::<f64>(), n in any::<u64>()) {
            let signals = Signals {
                tokens: n, context_used: Some(a), tokens_per_message: Some(b), messages: n, tool_calls: n,
                messages_per_minute: a, age_seconds: Some(b), since_answer_seconds: Some(a),
                latency_seconds: Some(b), latency_trend: Some(a), failure_rate: Some(b), failures_in_a_row: n,
                rss_bytes: Some(n), rss_slope: Some(a), cpu: Some(b), transcript_growth: a,
                transcript_bytes: n, memory_pressure: Some(b), ..Signals::default()
            };
            prop_assert!(Numbers::of(&signals, &Zones::default()).0.iter().all(|number| number.abs() <= 4.0));
        }
    }
}
