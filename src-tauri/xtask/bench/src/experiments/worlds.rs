//! Worlds for experiments to run in: how outcomes come about in each arm, and what was predicted of them.

use std::f64::consts::TAU;

/// Sessions a day, and days of a week of which the last two are bad ones.
const SESSIONS_A_DAY: u32 = 30;
const GOOD_DAYS: u32 = 5;

/// How outcomes come about.
#[derive(Clone, Copy)]
pub enum Arms {
    Rates([f64; 2]),
    /// From 6 % to 18 % over the run, in both arms.
    Drift,
    /// 5 % on five days, 25 % on two, in both arms.
    Cycle,
    /// Risks of their own, and treatment that adds to their log odds.
    Risks(Risks),
    Lognormal {
        ratio: f64,
    },
    /// Pareto with the exponent .9.
    HeavyTailed {
        ratio: f64,
    },
    /// Lognormal, ten times as long at the end as at the beginning, in both arms.
    DriftingSeconds,
    /// Geometric, 0 in seven of ten where the ratio is 1.
    Counts {
        ratio: f64,
    },
}

#[derive(Clone, Copy)]
pub struct World {
    arms: Arms,
    risks: Known,
    ramped: bool,
}

/// What was predicted before a session was assigned.
#[derive(Clone, Copy)]
enum Known {
    Nothing,
    Truth,
    /// Any number.
    Noise,
}

impl World {
    pub fn rates(control: f64, treatment: f64) -> Self {
        Self::of(Arms::Rates([control, treatment]))
    }

    pub fn of(arms: Arms) -> Self {
        Self { arms, risks: Known::Nothing, ramped: false }
    }

    pub fn with_empty_risks(self) -> Self {
        Self { risks: Known::Noise, ..self }
    }

    pub fn without_risks(self) -> Self {
        Self { risks: Known::Nothing, ..self }
    }

    /// Treatment for 10 % of the sessions at first, then for 25 %, then for half.
    pub fn ramped(self) -> Self {
        Self { ramped: true, ..self }
    }

    /// With what probability a session is treated.
    pub fn share(&self, session: u32, of: u32) -> f64 {
        match (self.ramped, 3 * session / of.max(1)) {
            (false, _) | (true, 2..) => 0.5,
            (true, 0) => 0.1,
            (true, 1) => 0.25,
        }
    }

    /// The value of a session, and the risk that was predicted of it.
    pub fn outcome(
        &self,
        treated: bool,
        session: u32,
        of: u32,
        random: &mut fastrand::Rng,
    ) -> (f64, Option<f64>) {
        let part = f64::from(session) / f64::from(of);
        let yes = |rate: f64, random: &mut fastrand::Rng| f64::from(u8::from(random.f64() < rate));
        let times = |ratio: f64| if treated { ratio } else { 1.0 };
        let mut risk = None;
        let value = match self.arms {
            Arms::Rates([control, treatment]) => yes(if treated { treatment } else { control }, random),
            Arms::Drift => yes(0.06 + 0.12 * part, random),
            Arms::Cycle => {
                let good = session / SESSIONS_A_DAY % 7 < GOOD_DAYS;
                yes(if good { 0.05 } else { 0.25 }, random)
            }
            Arms::Risks(risks) => {
                let log_odds = risks.centre + risks.spread * normal(random);
                risk = Some(logistic(log_odds));
                yes(logistic(log_odds + if treated { risks.shift } else { 0.0 }), random)
            }
            Arms::Lognormal { ratio } => times(ratio) * normal(random).exp(),
            Arms::HeavyTailed { ratio } => times(ratio) * (1.0 - random.f64()).powf(-1.0 / 0.9),
            Arms::DriftingSeconds => (normal(random) + part * 10_f64.ln()).exp(),
            Arms::Counts { ratio } => {
                let more = 0.3 * times(ratio);
                ((1.0 - random.f64()).ln() / more.ln()).floor()
            }
        };
        let risk = match self.risks {
            Known::Nothing => None,
            Known::Truth => risk,
            Known::Noise => Some(random.f64()),
        };
        (value, risk)
    }
}

/// Log odds that are normal over sessions.
#[derive(Clone, Copy)]
pub struct Risks {
    centre: f64,
    spread: f64,
    /// What treatment adds to them.
    shift: f64,
}

impl Risks {
    /// Those that tell outcomes of the control apart by this area under the curve, where the arms have these rates.
    pub fn telling(auc: f64, rates: [f64; 2]) -> Self {
        let risks = Self::of_odds_ratio(auc, rates[0], 1.0);
        let shift = root([-10.0, 10.0], |shift| Self { shift, ..risks }.rates()[1] - rates[1]);
        Self { shift, ..risks }
    }

    pub fn of_odds_ratio(auc: f64, rate: f64, odds_ratio: f64) -> Self {
        let centred = |spread: f64| {
            let of = |centre: f64| Self { centre, spread, shift: odds_ratio.ln() };
            of(root([-20.0, 5.0], |centre| of(centre).rates()[0] - rate))
        };
        centred(root([0.1, 8.0], |spread| centred(spread).auc() - auc))
    }

    pub fn world(self) -> World {
        World { risks: Known::Truth, ..World::of(Arms::Risks(self)) }
    }

    /// Of control and treatment.
    pub fn rates(&self) -> [f64; 2] {
        [0.0, self.shift]
            .map(|shift| self.points().map(|(log_odds, part)| part * logistic(log_odds + shift)).sum())
    }

    /// How likely a session that came out 1 had a higher risk than one that came out 0.
    fn auc(&self) -> f64 {
        let rate = self.rates()[0];
        let (mut below, mut area) = (0.0, 0.0);
        for (log_odds, part) in self.points() {
            let (one, zero) = (part * logistic(log_odds), part * (1.0 - logistic(log_odds)));
            area += one * (below + zero / 2.0);
            below += zero;
        }
        area / (rate * (1.0 - rate))
    }

    /// The normal distribution as points, the lowest first, with the part of sessions at each.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        const STEP: f64 = 0.02;
        (-350..=350).map(|step| {
            let away = f64::from(step) * STEP;
            (self.centre + self.spread * away, STEP * (-0.5 * away * away).exp() / TAU.sqrt())
        })
    }
}

/// Where a function that grows crosses 0, by halving.
fn root([mut low, mut high]: [f64; 2], function: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if function(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// A standard normal number (Box & Muller 1958).
fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::Risks;

    #[test]
    fn risks_tell_what_they_shall() {
        let risks = Risks::telling(0.91, [0.12, 0.08]);
        for (is, shall) in [(risks.auc(), 0.91), (risks.rates()[0], 0.12), (risks.rates()[1], 0.08)] {
            assert!((is - shall).abs() < 1e-6, "{is}, and not {shall}");
        }
    }
}
