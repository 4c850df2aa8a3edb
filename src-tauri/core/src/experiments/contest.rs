//! Treatments against one control, and when it is decided between them. Each treatment is compared with the
//! control alone, over sessions that could have got either; one that does harm is dropped and the others go on.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Outcome, Scale};

/// How often a verdict may be wrong, over all looks together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// That any treatment that is no better is shipped, 0..1.
    pub ship: f64,
    /// That a treatment that does no harm is dropped, 0..1.
    pub roll_back: f64,
    /// Whether all verdicts together keep to `ship`, droppings among them.
    pub together: bool,
}

impl Levels {
    /// Ships at `alpha`, and rolls back sooner: the old value is always a safe choice.
    pub fn lenient(alpha: f64) -> Self {
        Self { ship: alpha, roll_back: ROLL_BACK, together: false }
    }

    pub fn strict(alpha: f64) -> Self {
        Self { ship: alpha, roll_back: alpha, together: true }
    }
}

/// The level at which harm is acted on.
pub const ROLL_BACK: f64 = 0.20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Continue,
    /// This treatment is better than the control; 1 is the first.
    Ship(usize),
    /// Every treatment does harm.
    RollBack,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contest {
    levels: Levels,
    treatments: Vec<Treatment>,
    decision: Decision,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Treatment {
    evidence: Evidence,
    dropped: bool,
}

impl Contest {
    /// `treatments` of them, each of which begins with what `evidence` knows.
    pub fn new(levels: Levels, treatments: usize, evidence: &Evidence) -> Self {
        let treatment = Treatment { evidence: evidence.clone(), dropped: false };
        Self { levels, treatments: vec![treatment; treatments], decision: Decision::Continue }
    }

    /// The usual one: a treatment, a control, outcomes of which lower ones are better.
    pub fn of_two(levels: Levels, scale: Scale) -> Self {
        Self::new(levels, 1, &Evidence::new(scale, true))
    }

    /// Takes in what came of a session in `arm` (0 is the control), given with what probabilities it could get
    /// into each arm. A decision stands: what comes after it changes nothing.
    pub fn observe(&mut self, arm: usize, shares: &[f64], value: f64, risk: Option<f64>) -> Decision {
        if self.decision != Decision::Continue {
            return self.decision;
        }
        let control = shares.first().copied().unwrap_or(0.0);
        let treatments = self.treatments.iter_mut().zip(shares.iter().skip(1)).zip(1..);
        for ((treatment, share), its_arm) in treatments {
            if !treatment.dropped && *share > 0.0 && (arm == 0 || arm == its_arm) {
                let share = share / (share + control);
                treatment.evidence.observe(&Outcome { treated: arm != 0, share, value, risk });
            }
        }
        self.decision = self.decide();
        self.decision
    }

    /// Control, then the treatments: whether sessions may still get into it.
    pub fn open(&self) -> Vec<bool> {
        std::iter::once(true).chain(self.treatments.iter().map(|treatment| !treatment.dropped)).collect()
    }

    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// Of each treatment.
    pub fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.treatments.iter().map(|treatment| &treatment.evidence)
    }

    fn decide(&mut self) -> Decision {
        let better: Vec<_> = self.evidence().map(Evidence::better_e).collect();
        let worse: Vec<_> = self.evidence().map(Evidence::worse_e).collect();
        let all: Vec<_> = better.iter().chain(&worse).copied().collect();
        // What is asked of one, and among which others it must stand out.
        let family = if self.levels.together { &all } else { &better };
        let ships = better.iter().map(|e| corrected(*e, family) >= 1.0 / self.levels.ship);
        let best = ships.zip(&better).zip(1..).filter(|((ships, _), _)| *ships);
        let best = best.max_by(|((_, a), _), ((_, b), _)| a.total_cmp(b));
        if let Some((_, arm)) = best {
            return Decision::Ship(arm);
        }
        for (treatment, e) in self.treatments.iter_mut().zip(&worse) {
            let e = if self.levels.together { corrected(*e, &all) } else { *e };
            treatment.dropped |= e >= 1.0 / self.levels.roll_back;
        }
        let none_left = self.treatments.iter().all(|treatment| treatment.dropped);
        if none_left { Decision::RollBack } else { Decision::Continue }
    }
}

/// An e-value among others, so that the chance of any wrong verdict keeps to the level: the least mean of it
/// and some of the others. That is closed testing by averaging (Vovk & Wang 2021), which is never less than
/// e-Holm, and for the largest of k never less than e/k.
fn corrected(e: f64, all: &[f64]) -> f64 {
    let mut lower: Vec<_> = all.iter().copied().filter(|other| *other < e).collect();
    lower.sort_by(f64::total_cmp);
    let (mut sum, mut n, mut least) = (e, 1.0, e);
    for other in lower {
        sum += other;
        n += 1.0;
        least = f64::min(least, sum / n);
    }
    least
}

#[cfg(test)]
mod tests {
    use super::{Contest, Decision, Evidence, Levels, Scale, corrected};

    #[test]
    fn a_correction_is_the_least_mean_with_others() {
        for (e, all, corrected_e) in [
            (40.0, vec![40.0], 40.0),
            (40.0, vec![40.0, 0.0], 20.0),
            (40.0, vec![40.0, 0.0, 100.0], 20.0),
            (40.0, vec![40.0, 2.0, 0.0], 14.0),
            (2.0, vec![40.0, 2.0, 2.0], 2.0),
        ] {
            assert!((corrected(e, &all) - corrected_e).abs() < 1e-12, "{e} among {all:?}");
        }
    }

    #[test]
    fn harmful_arms_are_dropped_and_a_better_one_is_shipped() {
        let mut random = fastrand::Rng::with_seed(7);
        let rates = [0.3, 0.8, 0.05];
        let mut contest = Contest::new(Levels::lenient(0.05), 2, &Evidence::new(Scale::Binary, true));
        let mut shares = [0.0; 3];
        let mut last = Decision::Continue;
        for _ in 0..2000 {
            let open_arms: Vec<_> = (0..3).filter(|arm| contest.open()[*arm]).collect();
            for (share, open) in shares.iter_mut().zip(contest.open()) {
                *share = if open { 1.0 / f64::from(u32::try_from(open_arms.len()).unwrap()) } else { 0.0 };
            }
            let arm = open_arms[random.usize(0..open_arms.len())];
            let value = f64::from(u8::from(random.f64() < rates[arm]));
            last = contest.observe(arm, &shares, value, None);
            if last != Decision::Continue {
                break;
            }
        }
        assert_eq!((last, contest.open()), (Decision::Ship(2), vec![true, false, true]));
    }

    #[test]
    fn what_does_harm_is_rolled_back_and_nothing_changes_that() {
        let mut contest = Contest::of_two(Levels::strict(0.05), Scale::Binary);
        for session in 0..200 {
            let treated = usize::from(session % 2 == 0);
            contest.observe(treated, &[0.5, 0.5], f64::from(u8::try_from(treated).unwrap()), None);
        }
        let stands = contest.clone();
        assert_eq!(contest.observe(0, &[0.5, 0.5], 1.0, None), Decision::RollBack);
        assert_eq!(contest, stands);
    }
}
