//! Sample ratio: whether chats that are counted came to the arms as often as their assignment says. A bet against it
//! that may be looked at after each chat; a fixed-horizon chi-square looked at each time would cry wolf.

use serde::{Deserialize, Serialize};

/// Odds of treatment, times what they should be, that are bet on; a mixture of them, each with the same weight.
const TILTS: [f64; 8] = [0.25, 0.5, 0.7, 0.85, 1.0 / 0.85, 1.0 / 0.7, 2.0, 4.0];
/// The ratio is broken once the e-value reaches this: by chance in at most one experiment of a thousand.
const BROKEN: f64 = 1000.0;
const LOG_MAX: f64 = 700.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    logs: [f64; TILTS.len()],
    pub n: u64,
}

impl Ratio {
    /// `share` is with what probability it was to be treated; one that leaves no choice tells nothing.
    pub fn observe(&mut self, treated: bool, share: f64) {
        if !(share > 0.0 && share < 1.0) {
            return;
        }
        self.n = self.n.saturating_add(1);
        for (log, tilt) in self.logs.iter_mut().zip(TILTS) {
            let tilted = share * tilt / (share * tilt + 1.0 - share);
            *log += libm::log(if treated { tilted / share } else { (1.0 - tilted) / (1.0 - share) });
        }
    }

    /// Reaches 1/α with a probability of at most α, over all looks together, while the ratio is kept.
    pub fn e(&self) -> f64 {
        let sum: f64 = self.logs.iter().map(|log| libm::exp(log.min(LOG_MAX))).sum();
        sum / f64::from(u8::try_from(TILTS.len()).unwrap_or(u8::MAX))
    }

    pub fn is_broken(&self) -> bool {
        self.e() >= BROKEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it broke within so many chats of which `real` were treated where `share` was meant.
    fn breaks(random: &mut fastrand::Rng, share: f64, real: f64, chats: u32) -> Option<u64> {
        let mut ratio = Ratio::default();
        for _ in 0..chats {
            ratio.observe(random.f64() < real, share);
            if ratio.is_broken() {
                return Some(ratio.n);
            }
        }
        None
    }

    #[test]
    fn a_kept_ratio_is_hardly_ever_called_broken_and_a_broken_one_soon() {
        let mut random = fastrand::Rng::with_seed(11);
        for share in [0.1, 0.25, 0.5, 0.9] {
            let wrong = (0..400).filter(|_| breaks(&mut random, share, share, 1000).is_some()).count();
            assert!(wrong <= 2, "{wrong} of 400 at {share}");
        }
        let mut after: Vec<_> = (0..101).filter_map(|_| breaks(&mut random, 0.5, 0.35, 2000)).collect();
        after.sort_unstable();
        assert!(after.len() == 101 && after[50] < 300, "{:?}", after.get(50));
    }
}
