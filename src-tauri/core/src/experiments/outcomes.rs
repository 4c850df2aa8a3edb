//! What is measured of a chat, and how a chat's many measurements become the one number that is compared. A chat was
//! assigned once, so that all it shows counts as one toss of that coin: its checkpoints are folded, not counted.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::evidence::Scale;

/// A number of a chat. Of all of them, lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "ExperimentMetric")]
pub enum Metric {
    /// 1 where the chat's first process under the experiment crashed or hung, 0 where it ended cleanly.
    Crash,
    /// 1 where more than 5 % of the chat's checkpoints took over 100 ms: its 95th percentile lies above.
    SlowCheckpoints,
    /// Mean seconds that the chat's checkpoints took.
    CheckpointSeconds,
    /// Seconds that all its checkpoints took together, by turn: what their pace costs.
    CheckpointLoad,
    /// 1 where the chat's first restore failed.
    RestoreFailed,
    /// Tokens that the chat used up by turn.
    TokensPerTurn,
    /// Tool calls since the last checkpoint when the chat's process ended: what a crash there costs.
    UnsavedCalls,
}

/// A checkpoint that takes longer is slow, in microseconds.
pub const SLOW_US: u64 = 100_000;
/// Slow ones of a hundred from which on the chat's 95th percentile is slow.
const SLOW_PERCENT: u64 = 5;

impl Metric {
    pub const ALL: [Self; 7] = [
        Self::Crash,
        Self::SlowCheckpoints,
        Self::CheckpointSeconds,
        Self::CheckpointLoad,
        Self::RestoreFailed,
        Self::TokensPerTurn,
        Self::UnsavedCalls,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::SlowCheckpoints => "slow_checkpoints",
            Self::CheckpointSeconds => "checkpoint_seconds",
            Self::CheckpointLoad => "checkpoint_load",
            Self::RestoreFailed => "restore_failed",
            Self::TokensPerTurn => "tokens_per_turn",
            Self::UnsavedCalls => "unsaved_calls",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    pub fn scale(self) -> Scale {
        match self {
            Self::Crash | Self::SlowCheckpoints | Self::RestoreFailed => Scale::Binary,
            Self::CheckpointSeconds | Self::CheckpointLoad | Self::TokensPerTurn | Self::UnsavedCalls => {
                Scale::Positive
            }
        }
    }
}

/// What the engine saw of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Measure {
    /// Checkpoints of it that were taken since this was said last.
    Checkpoints(Checkpoints),
    /// A restore of it came to its end.
    Restored { ok: bool },
    /// Its process ended.
    Ended {
        crashed: bool,
        /// What its transcript holds by then.
        held: Held,
        /// Tool calls since the last checkpoint.
        unsaved_calls: u64,
    },
}

/// Checkpoints, and how long it took until each was on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoints {
    pub count: u64,
    /// Those that took longer than [`SLOW_US`].
    pub slow: u64,
    /// Of all together.
    pub micros: u64,
}

impl Checkpoints {
    pub fn add(&mut self, micros: u64) {
        self.join(Self { count: 1, slow: u64::from(micros > SLOW_US), micros });
    }

    fn join(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.slow = self.slow.saturating_add(more.slow);
        self.micros = self.micros.saturating_add(more.micros);
    }
}

/// Turns and tokens of a chat, of all its processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub turns: u64,
    pub tokens: u64,
}

/// What was measured of one chat and is not told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    #[serde(default)]
    taken: Checkpoints,
    /// What it held when its process came up; where that is not known, nothing is told of what the process used up.
    #[serde(default)]
    came_with: Option<Held>,
    ended: bool,
    restored: bool,
}

impl Folded {
    pub fn came_with(held: Held) -> Self {
        Self { came_with: Some(held), ..Self::default() }
    }

    /// Takes a measurement in. What it completes is told, each metric once in a chat's life.
    pub fn take(&mut self, measure: Measure) -> Vec<(Metric, f64)> {
        match measure {
            Measure::Checkpoints(more) => {
                if !self.ended {
                    self.taken.join(more);
                }
                Vec::new()
            }
            Measure::Restored { ok } if !self.restored => {
                self.restored = true;
                vec![(Metric::RestoreFailed, truth(!ok))]
            }
            Measure::Restored { .. } => Vec::new(),
            Measure::Ended { crashed, held, unsaved_calls } if !self.ended => {
                self.ended = true;
                let mut told =
                    vec![(Metric::Crash, truth(crashed)), (Metric::UnsavedCalls, number(unsaved_calls))];
                let used_up = self.came_with.map(|before| {
                    (held.turns.saturating_sub(before.turns), held.tokens.saturating_sub(before.tokens))
                });
                let Checkpoints { count, slow, micros } = self.taken;
                if let Some((turns, tokens)) = used_up.filter(|(turns, _)| *turns > 0) {
                    told.push((Metric::TokensPerTurn, number(tokens) / number(turns)));
                    told.push((Metric::CheckpointLoad, number(micros) / 1e6 / number(turns)));
                }
                if count > 0 {
                    let slow = slow.saturating_mul(100) > count.saturating_mul(SLOW_PERCENT);
                    let seconds = number(micros) / 1e6 / number(count);
                    told.extend([
                        (Metric::SlowCheckpoints, truth(slow)),
                        (Metric::CheckpointSeconds, seconds),
                    ]);
                }
                told
            }
            Measure::Ended { .. } => Vec::new(),
        }
    }
}

fn truth(it: bool) -> f64 {
    f64::from(u8::from(it))
}

#[expect(clippy::cast_precision_loss, reason = "counts and sums below 2^53")]
fn number(n: u64) -> f64 {
    n as f64
}

/// Mean of what came last: beyond `KEPT` the older half weighs half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    pub n: f64,
    pub sum: f64,
}

impl Tally {
    const KEPT: f64 = 400.0;

    pub fn add(&mut self, value: f64) {
        if self.n >= Self::KEPT {
            (self.n, self.sum) = (self.n / 2.0, self.sum / 2.0);
        }
        (self.n, self.sum) = (self.n + 1.0, self.sum + value);
    }

    /// `None` of fewer than `least`.
    pub fn mean(&self, least: f64) -> Option<f64> {
        (self.n >= least && self.n > 0.0).then(|| self.sum / self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(micros: impl IntoIterator<Item = u64>) -> Measure {
        let mut checkpoints = Checkpoints::default();
        micros.into_iter().for_each(|micros| checkpoints.add(micros));
        Measure::Checkpoints(checkpoints)
    }

    #[test]
    fn a_chats_many_checkpoints_are_one_number() {
        let mut folded = Folded::came_with(Held { turns: 2, tokens: 100 });
        for some in [taken([1000, 2000]), taken([300_000, 1000])] {
            assert_eq!(folded.take(some), []);
        }
        let held = Held { turns: 5, tokens: 1000 };
        let ended = Measure::Ended { crashed: true, held, unsaved_calls: 7 };
        let expected = [
            (Metric::Crash, 1.0),
            (Metric::UnsavedCalls, 7.0),
            (Metric::TokensPerTurn, 300.0),
            (Metric::CheckpointLoad, 0.304 / 3.0),
            (Metric::SlowCheckpoints, 1.0),
            (Metric::CheckpointSeconds, 0.076),
        ];
        assert_eq!(folded.take(ended), expected);
        assert_eq!(folded.take(Measure::Restored { ok: false }), [(Metric::RestoreFailed, 1.0)]);
        for again in [ended, Measure::Restored { ok: true }, taken([1])] {
            assert_eq!(folded.take(again), [], "{again:?}");
        }
    }

    #[test]
    fn one_slow_checkpoint_of_twenty_is_at_the_quantile() {
        let mut folded = Folded::default();
        folded.take(taken((0..20).map(|n| if n == 0 { SLOW_US + 1 } else { SLOW_US })));
        let told = folded.take(Measure::Ended { crashed: false, held: Held::default(), unsaved_calls: 0 });
        assert!(told.contains(&(Metric::SlowCheckpoints, 0.0)), "{told:?}");
        let used_up = |(metric, _): &(Metric, f64)| *metric == Metric::TokensPerTurn;
        assert!(!told.iter().any(used_up), "it is not known what it came with: {told:?}");
    }

    #[test]
    fn a_tally_forgets_slowly() {
        let mut tally = Tally::default();
        assert_eq!(tally.mean(1.0), None);
        (0..400).for_each(|_| tally.add(1.0));
        (0..400).for_each(|_| tally.add(0.0));
        let mean = tally.mean(20.0).unwrap();
        assert!(mean > 0.2 && mean < 0.4, "{mean}");
    }
}
