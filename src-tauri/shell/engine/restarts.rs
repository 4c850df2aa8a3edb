//! When an engine that died is started again: at once the first time, then after 1, 2, 4 … 30 s.

use std::time::{Duration, Instant};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// An engine that stood this long starts a new count.
const STABLE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Restarts {
    next: Instant,
    wait: Duration,
}

impl Restarts {
    pub fn new(now: Instant) -> Self {
        Self { next: now, wait: FIRST_WAIT }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// The engine died, or could not be started.
    pub fn died(&mut self, now: Instant) {
        self.next = now + self.wait;
        self.wait = (self.wait * 2).min(WAIT_MAX);
    }

    /// The engine answered for this long.
    pub fn stood(&mut self, span: Duration) {
        if span >= STABLE {
            self.wait = FIRST_WAIT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_twice_as_long_after_each_death_and_forgets_after_a_minute_up() {
        let start = Instant::now();
        let mut restarts = Restarts::new(start);
        assert!(restarts.is_due(start));
        let mut waits = Vec::new();
        let mut died = |restarts: &mut Restarts| {
            restarts.died(start);
            waits.push((0..).find(|&s| restarts.is_due(start + Duration::from_secs(s))).unwrap());
        };
        for _ in 0..7 {
            died(&mut restarts);
        }
        restarts.stood(STABLE - Duration::from_millis(1));
        died(&mut restarts);
        restarts.stood(STABLE);
        died(&mut restarts);
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30, 1]);
    }
}
