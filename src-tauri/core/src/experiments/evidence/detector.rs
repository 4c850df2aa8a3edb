//! Watches for a limit that is kept now and may be broken later: an e-detector (Shin, Ramdas & Rinaldo 2023). What was
//! lost while all was well is forgiven, so that a change for the worse is told as soon after a year as after a day.

use serde::{Deserialize, Serialize};

use super::{Bound, Limit};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detector(Bound);

impl Detector {
    pub fn new(limit: Limit) -> Self {
        Self(Bound::new(limit))
    }

    pub fn observe(&mut self, value: f64) {
        self.0.observe(value);
        self.0.forgive();
    }

    pub fn limit(&self) -> Limit {
        self.0.limit()
    }

    pub fn n(&self) -> u64 {
        self.0.n()
    }

    /// Reaches c after c values on average, or later, where the limit is kept.
    pub fn e(&self) -> f64 {
        self.0.e()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of 1 at this rate until it calls out, of `most`; `good` of them first at 4 %.
    fn calls_out(random: &mut fastrand::Rng, good: usize, rate: f64, most: usize) -> Option<usize> {
        let mut detector = Detector::new(Limit::MeanAtMost(0.10));
        let mut toss = |rate: f64| f64::from(u8::from(random.f64() < rate));
        (0..good).for_each(|_| detector.observe(toss(0.04)));
        (1..=most).find(|_| {
            detector.observe(toss(rate));
            detector.e() >= 1000.0
        })
    }

    #[test]
    fn a_change_is_told_as_soon_after_long_as_at_once_and_a_kept_limit_hardly_ever() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut median = |good: usize, rate: f64| {
            let mut all: Vec<_> =
                (0..200).map(|_| calls_out(&mut random, good, rate, 5000).unwrap_or(5000)).collect();
            all.sort_unstable();
            all[100]
        };
        let (at_once, late) = (median(0, 0.30), median(3000, 0.30));
        assert!(late <= at_once + 5 && at_once < 100, "{at_once}, {late}");
        assert!(median(3000, 0.60) < 25);
        // At the very limit a thousand values pass on average, at least.
        let run = |random: &mut fastrand::Rng| calls_out(random, 0, 0.10, 20_000).unwrap_or(20_000);
        let mean = (0..100).map(|_| run(&mut random)).sum::<usize>() / 100;
        assert!(mean >= 1000, "{mean}");
    }
}
