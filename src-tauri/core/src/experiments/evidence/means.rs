//! Evidence that treatment's mean is more than so many times the control's, of values of 0 or more: what a tenth of the
//! chats cost is in a mean and in no rank. A value is clipped at a cap that is set by what came before. Weighed by its
//! assignment, what a session tells is treatment's clipped mean over `times` less the control's in expectation, however
//! well it was expected; a bet on that which cannot lose everything is an e-process (Waudby-Smith & Ramdas 2024).
//! `docs/experiments.md` has the formula.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{LOG_MAX, count};

/// Values from which on there is a cap.
const LEAST: usize = 10;
/// Values that set the caps.
const VALUES_MAX: usize = 256;
/// The low cap: so many times the mean of what came before. The high one is the largest of it.
const TIMES_MEAN: f64 = 4.0;
const CAPS: usize = 2;
const STAKES: [f64; 3] = [0.1, 0.35, 0.95];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Means {
    times: f64,
    /// Of both arms, the oldest first.
    recent: VecDeque<f64>,
    /// Logs of what each stake has become, under each cap.
    capitals: [[f64; STAKES.len()]; CAPS],
}

impl Means {
    /// That treatment's mean is more than `times` the control's.
    pub fn over(times: f64) -> Self {
        Self { times, recent: VecDeque::new(), capitals: [[0.0; STAKES.len()]; CAPS] }
    }

    /// Takes one session's value in, 0 or more; `share` is the probability with which it was to be treated.
    pub fn observe(&mut self, treated: bool, share: f64, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        if share > 0.0 && share < 1.0 && self.recent.len() >= LEAST {
            self.bet(treated, share, value);
        }
        if self.recent.len() == VALUES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
    }

    fn bet(&mut self, treated: bool, share: f64, value: f64) {
        let n = count(self.recent.len() as u64);
        let mean = self.recent.iter().sum::<f64>() / n;
        let largest = self.recent.iter().copied().fold(0.0, f64::max);
        for (cap, capitals) in [TIMES_MEAN * mean, largest].into_iter().zip(&mut self.capitals) {
            // Where all before was nothing there is no scale yet.
            if cap <= 0.0 {
                continue;
            }
            let clipped = |value: f64| value.min(cap) / cap;
            let expected = self.recent.iter().copied().map(clipped).sum::<f64>() / n;
            let told = if treated {
                (clipped(value) / self.times - expected) / share
            } else {
                (expected - clipped(value)) / (1.0 - share)
            };
            let most_lost = f64::max(expected / share, (1.0 - expected) / (1.0 - share));
            for (capital, stake) in capitals.iter_mut().zip(STAKES) {
                *capital += libm::log1p(stake * told / most_lost);
            }
        }
    }

    /// The e-value for "the mean is more than that": it reaches 1/α with a probability of at most α, over all looks
    /// together, where it is not.
    pub fn e(&self) -> f64 {
        let all = self.capitals.iter().flatten();
        let sum: f64 = all.map(|log| libm::exp(log.min(LOG_MAX))).sum();
        sum / count((CAPS * STAKES.len()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::Means;

    /// A value of a heavy tail: its mean is 1, and one in a hundred is above 6 or so.
    fn lognormal(random: &mut fastrand::Rng) -> f64 {
        let normal = (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos();
        (normal - 0.5).exp()
    }

    /// The share of experiments of so many sessions in which it was ever called out.
    fn called_out(share: f64, sessions: u32, value: impl Fn(&mut fastrand::Rng, bool, u32) -> f64) -> f64 {
        const RUNS: u32 = 120;
        let mut random = fastrand::Rng::with_seed(11);
        let mut out = 0;
        for _ in 0..RUNS {
            let mut means = Means::over(1.2);
            out += u32::from((0..sessions).any(|n| {
                let treated = random.f64() < share;
                means.observe(treated, share, value(&mut random, treated, n));
                means.e() >= 20.0
            }));
        }
        f64::from(out) / f64::from(RUNS)
    }

    #[test]
    fn what_keeps_the_limit_is_seldom_called_out() {
        for share in [0.1, 0.25, 0.5, 0.9] {
            let at_the_limit = called_out(share, 900, |random, treated, _| {
                lognormal(random) * if treated { 1.2 } else { 1.0 }
            });
            // The scale grows tenfold, and the tail is that of 1/x.
            let pareto = called_out(share, 900, |random, treated, n| {
                (1.0 - random.f64()).powf(-1.0 / 1.5)
                    * (1.0 + f64::from(n) / 100.0)
                    * if treated { 1.2 } else { 1.0 }
            });
            println!("{share}: {at_the_limit} {pareto}");
            assert!(at_the_limit <= 0.05 && pareto <= 0.05, "{share}: {at_the_limit} {pareto}");
        }
    }

    #[test]
    fn a_runaway_tenth_is_called_out_though_most_cost_less() {
        let runaway = |random: &mut fastrand::Rng, treated: bool, _| {
            let usual = 0.5 + random.f64();
            if !treated {
                usual
            } else if random.f64() < 0.1 {
                20.0 * usual
            } else {
                0.8 * usual
            }
        };
        let (few, many) = (called_out(0.5, 150, runaway), called_out(0.5, 450, runaway));
        println!("{few} {many}");
        assert!(many >= 0.4, "{few} {many}");
        let far =
            called_out(0.5, 450, |random, treated, _| (0.5 + random.f64()) * if treated { 1.6 } else { 1.0 });
        assert!(far >= 0.99, "{far}");
    }

    #[test]
    fn where_all_is_nothing_nothing_is_said() {
        let mut means = Means::over(2.0);
        (0..100).for_each(|n| means.observe(n % 2 == 0, 0.5, 0.0));
        assert!((means.e() - 1.0).abs() < 1e-12);
        for told in [f64::NAN, f64::INFINITY, -1.0] {
            means.observe(true, 0.5, told);
        }
        assert_eq!(means.recent.len(), 100);
    }
}
