//! What the readings of one process add up to over the last ten minutes: slopes and rates. Kept in memory only; after a
//! restart of the engine it goes on from the stored history.

use std::{collections::VecDeque, time::Duration};

use super::{Signals, WINDOW};
use crate::{readings::Reading, time::Timestamp};

/// Least time between two samples.
const SAMPLES_APART: Duration = Duration::from_secs(15);
/// A whole window of them, and the one before it began.
const SAMPLES_MAX: usize = 41;
/// Samples and span from which on a slope is told: two readings of a program that just started say nothing.
const SLOPE_SAMPLES_MIN: usize = 4;
const SLOPE_SPAN_MIN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    at: Timestamp,
    rss_bytes: u64,
    transcript_bytes: u64,
}

/// Follows one process. Another process gets a gauge of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauge {
    samples: VecDeque<Sample>,
    last: Option<Reading>,
    cpu: Option<f64>,
}

impl Gauge {
    /// Takes what was stored of the same process, oldest first.
    pub fn recalled(rows: &[Signals]) -> Self {
        let mut gauge = Self::default();
        for row in rows {
            if let Some(rss_bytes) = row.rss_bytes {
                gauge.sample(Sample { at: row.at, rss_bytes, transcript_bytes: row.transcript_bytes });
            }
        }
        gauge
    }

    pub fn note(&mut self, reading: &Reading, transcript_bytes: u64) {
        self.cpu = self.last.and_then(|last| share_of_a_core(&last, reading));
        self.last = Some(*reading);
        self.sample(Sample { at: reading.at, rss_bytes: reading.rss_bytes, transcript_bytes });
    }

    fn sample(&mut self, new: Sample) {
        if self.samples.back().is_some_and(|last| new.at < last.at) {
            // The clock was set back: times before and after do not go together.
            self.samples.clear();
        }
        if self.samples.back().is_some_and(|last| new.at.since(last.at) < SAMPLES_APART) {
            return;
        }
        self.samples.push_back(new);
        while self.samples.front().is_some_and(|first| new.at.since(first.at) > WINDOW)
            || self.samples.len() > SAMPLES_MAX
        {
            self.samples.pop_front();
        }
    }

    pub fn rss_bytes(&self) -> Option<u64> {
        self.last.map(|last| last.rss_bytes)
    }

    /// Share of one core between the last two readings.
    pub fn cpu(&self) -> Option<f64> {
        self.cpu
    }

    /// Bytes per second, by least squares.
    pub fn rss_slope(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        if self.samples.len() < SLOPE_SAMPLES_MIN || last.at.since(first.at) < SLOPE_SPAN_MIN {
            return None;
        }
        let count = self.samples.len() as f64;
        let points = || self.samples.iter().map(|s| (s.at.since(first.at).as_secs_f64(), s.rss_bytes as f64));
        let (mean_t, mean_y) =
            (points().map(|(t, _)| t).sum::<f64>() / count, points().map(|(_, y)| y).sum::<f64>() / count);
        let covariance: f64 = points().map(|(t, y)| (t - mean_t) * (y - mean_y)).sum();
        let variance: f64 = points().map(|(t, _)| (t - mean_t).powi(2)).sum();
        (variance > 0.0).then(|| covariance / variance)
    }

    /// Bytes per second over the window up to `now`; 0 for a transcript that was written anew and is shorter.
    pub fn transcript_growth(&self, now: Timestamp, bytes: u64) -> f64 {
        let oldest = self.samples.iter().find(|sample| now.since(sample.at) <= WINDOW);
        let Some(oldest) = oldest.filter(|oldest| now > oldest.at) else { return 0.0 };
        bytes.saturating_sub(oldest.transcript_bytes) as f64 / now.since(oldest.at).as_secs_f64()
    }
}

fn share_of_a_core(before: &Reading, after: &Reading) -> Option<f64> {
    let span = after.at.since(before.at).as_secs_f64();
    let used = after.cpu_seconds - before.cpu_seconds;
    (span > 0.0 && used >= 0.0).then(|| used / span)
}
