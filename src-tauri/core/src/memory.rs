//! Memory that runs out, seen ahead by its slope: of one process towards its own limit, or of the whole machine. It
//! warns; nothing here ends anything.

use std::{collections::VecDeque, time::Duration};

/// Samples kept: ten minutes of them.
const SAMPLES_MAX: usize = 41;
/// Seconds between two samples that are kept.
const SAMPLE_SECONDS: f64 = 15.0;
/// A trend is read from so many samples: two minutes.
const TREND_SAMPLES_MIN: usize = 9;
/// Growth that is worth a word, in bytes: clients grow by less when they start.
const GROWTH_MIN: f64 = 64.0 * 1024.0 * 1024.0;
/// Share of all pairs of samples that must rise.
const RISING_MIN: f64 = 0.75;
/// From this share of the limit on, whatever the slope.
const WARN_SHARE: f64 = 0.85;
const CRITICAL_SHARE: f64 = 0.95;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Warned when it runs out within this time.
    pub warn: Duration,
    pub critical: Duration,
    /// After a word, none of the same level for so long.
    pub rest: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            warn: Duration::from_secs(30 * 60),
            critical: Duration::from_secs(5 * 60),
            rest: Duration::from_secs(30 * 60),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Fine,
    Warn,
    Critical,
}

/// What there is to be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Word {
    pub level: Level,
    /// At the slope of the last ten minutes; `None` when it does not rise, or does so in fits.
    pub left: Option<Duration>,
    /// Share of the limit in use, 0 to 1.
    pub share: f64,
}

/// The machine over one process's memory, or over the machine's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Time awake in seconds, and bytes in use.
    samples: VecDeque<(f64, f64)>,
    level: Level,
    told_at: Option<f64>,
}

impl Memory {
    /// Takes one reading in. Gives a word when it is to be said: at a new level, and seldom.
    pub fn look(&mut self, awake: f64, bytes: u64, limit: u64, thresholds: &Thresholds) -> Option<Word> {
        self.keep(awake, bytes as f64);
        if limit == 0 {
            return None;
        }
        let share = bytes as f64 / limit as f64;
        let left = self.left(bytes as f64, limit as f64);
        let within = |span: Duration| left.is_some_and(|left| left <= span);
        let level = if share >= CRITICAL_SHARE || within(thresholds.critical) {
            Level::Critical
        } else if share >= WARN_SHARE || within(thresholds.warn) {
            Level::Warn
        } else {
            Level::Fine
        };
        let rested = self.told_at.is_none_or(|at| awake - at >= thresholds.rest.as_secs_f64());
        if level == Level::Fine || (level <= self.level && !rested) {
            // Back to fine only after a rest: a level that flutters is one.
            if rested {
                self.level = level;
            }
            return None;
        }
        (self.level, self.told_at) = (level, Some(awake));
        Some(Word { level, left, share })
    }

    /// Bytes per second over the last ten minutes: the median of the slopes of all pairs (Theil and Sen), so that one
    /// reading out of line means nothing. `None` without a steady rise.
    pub fn slope(&self) -> Option<f64> {
        if self.samples.len() < TREND_SAMPLES_MIN {
            return None;
        }
        let later = |at: usize| self.samples.iter().skip(at + 1);
        let pairs = self.samples.iter().enumerate().flat_map(|(at, a)| later(at).map(move |b| (a, b)));
        let mut slopes: Vec<f64> =
            pairs.filter(|(a, b)| b.0 > a.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
        slopes.sort_by(f64::total_cmp);
        let median = slopes.get(slopes.len() / 2).copied()?;
        let rising = slopes.iter().filter(|slope| **slope > 0.0).count() as f64 / slopes.len() as f64;
        let span = self.samples.back()?.0 - self.samples.front()?.0;
        (rising >= RISING_MIN && median * span >= GROWTH_MIN).then_some(median)
    }

    fn left(&self, bytes: f64, limit: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(((limit - bytes) / self.slope()?).max(0.0)).ok()
    }

    fn keep(&mut self, awake: f64, bytes: f64) {
        if self.samples.back().is_some_and(|(last, _)| awake - last < SAMPLE_SECONDS) {
            return;
        }
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back((awake, bytes));
    }
}

/// The heap that Node's V8 gives a program of which nothing else is said, in bytes: a quarter of the memory, at most
/// 4 GiB (`Heap::MaxOldGenerationSizeFromPhysicalMemory`, 64-bit).
pub fn v8_heap(memory_total: u64) -> u64 {
    (memory_total / 4).clamp(512 << 20, 4 << 30)
}

/// The heap that a program's words allow it: Node's `--max-old-space-size`, in MiB.
pub fn heap_of<'a>(words: impl Iterator<Item = &'a str>) -> Option<u64> {
    let sizes = words.flat_map(str::split_whitespace).filter_map(|word| {
        let size =
            word.strip_prefix("--max-old-space-size=").or(word.strip_prefix("--max_old_space_size="))?;
        size.parse::<u64>().ok()?.checked_mul(1 << 20)
    });
    sizes.filter(|bytes| *bytes > 0).last()
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
