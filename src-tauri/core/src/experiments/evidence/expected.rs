//! What is expected of a session before its outcome is known, from earlier sessions of both arms. Only power
//! depends on it: an expectation that is wrong makes no verdict less true.

use serde::{Deserialize, Serialize};

/// Sessions that count: older ones fade, so that a rate that drifts is followed.
const SESSIONS_MAX: f64 = 600.0;
/// Of a history before the experiment, at most so many: it may have been another time.
const KNOWN_MAX: f64 = 60.0;
/// A probability closer to 0 or 1 is taken for this.
const RISK_MIN: f64 = 0.0005;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    n: f64,
    events: f64,
    calibration: Calibration,
}

impl Default for Expected {
    fn default() -> Self {
        Self { n: 2.0, events: 0.3, calibration: Calibration::default() }
    }
}

impl Expected {
    pub fn know(&mut self, n: f64, events: f64) {
        if n > 0.0 && (0.0..=n).contains(&events) {
            let share = (KNOWN_MAX / n).min(1.0);
            self.n += n * share;
            self.events += events * share;
        }
    }

    /// The probability of a 1, above 0 and below 1.
    pub fn rate(&self, risk: Option<f64>) -> f64 {
        let rate = match risk {
            Some(risk) => logistic(self.calibration.log_odds(log_odds(risk))),
            None => self.events / self.n,
        };
        rate.clamp(RISK_MIN, 1.0 - RISK_MIN)
    }

    pub fn learn(&mut self, value: f64, risk: Option<f64>) {
        let fade = if self.n > SESSIONS_MAX { SESSIONS_MAX / self.n } else { 1.0 };
        self.n = self.n * fade + 1.0;
        self.events = self.events * fade + value;
        if let Some(risk) = risk {
            self.calibration.learn(log_odds(risk), value);
        }
    }
}

/// Makes predicted log odds true ones: intercept + slope × predicted, learned session by session (logistic
/// regression by the extended Kalman filter: one Newton step for each outcome).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Calibration {
    intercept: f64,
    slope: f64,
    /// Variances of the intercept and the slope, and what they vary in common.
    spread: [f64; 3],
}

impl Default for Calibration {
    fn default() -> Self {
        Self { intercept: 0.0, slope: 1.0, spread: [0.5, 0.1, 0.0] }
    }
}

impl Calibration {
    fn log_odds(&self, predicted: f64) -> f64 {
        self.intercept + self.slope * predicted
    }

    fn learn(&mut self, predicted: f64, value: f64) {
        let [first, second, both] = self.spread;
        let expected = logistic(self.log_odds(predicted));
        let along = [first + both * predicted, both + second * predicted];
        let bend = expected * (1.0 - expected);
        let gain = 1.0 / (1.0 + bend * (along[0] + along[1] * predicted));
        let miss = (value - expected) * gain;
        self.intercept += along[0] * miss;
        self.slope += along[1] * miss;
        let shrink = bend * gain;
        self.spread = [
            first - shrink * along[0] * along[0],
            second - shrink * along[1] * along[1],
            both - shrink * along[0] * along[1],
        ];
    }
}

fn log_odds(probability: f64) -> f64 {
    let probability = probability.clamp(RISK_MIN, 1.0 - RISK_MIN);
    libm::log(probability / (1.0 - probability))
}

fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}
