//! `shim experiments judge`: an experiment told from outside, line by line. One JSON object in, one out;
//! nothing is kept but what those lines said.

mod words;

use std::collections::HashMap;

use serde_json::{Value, json};

use self::words::{Line, Name, Start};
use super::{
    assignment::{BUCKETS, bucket},
    contest::{Contest, Decision, Levels},
    evidence::{Evidence, Scale},
};

/// Sessions of one experiment.
const SESSIONS_MAX: usize = 2_000_000;
/// Arms of one experiment, the control among them.
const ARMS_MAX: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Ships at α, rolls back at .20.
    #[default]
    Default,
    /// All verdicts together at α.
    Strict,
}

/// What a line could not be answered for.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("not a line of the protocol: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("no experiment was started")]
    NotStarted,
    #[error("an experiment has a control and at least one other arm, {ARMS_MAX} arms at most; this has {0}")]
    Arms(usize),
    #[error("`{0}` is no kind of metric: bernoulli, positive, seconds, count or mean")]
    Kind(String),
    #[error("alpha lies between 0 and 1, and is not {0}")]
    Alpha(f64),
    #[error("a baseline has at least as many sessions as events, and none below 0")]
    Baseline,
    #[error("more than {SESSIONS_MAX} sessions")]
    TooMany,
    #[error("session `{0}` was not assigned")]
    NotAssigned(Name),
    #[error("session `{0}` was assigned to arm {1}, and not to arm {2}")]
    OtherArm(Name, usize, usize),
    #[error("session `{0}` was observed before")]
    Twice(Name),
    #[error("a value of this metric is {wanted}, and not {found}")]
    Value { wanted: &'static str, found: f64 },
    #[error("a risk is a probability, and not {0}")]
    Risk(f64),
}

#[derive(Debug, Default)]
pub struct Judge {
    mode: Mode,
    trial: Option<Trial>,
}

impl Judge {
    pub fn new(mode: Mode) -> Self {
        Self { mode, trial: None }
    }

    /// The answer to one line; `{"error"}` with the reason where there is none.
    pub fn answer(&mut self, line: &str) -> Value {
        self.take(line).unwrap_or_else(|refusal| json!({ "error": refusal.to_string() }))
    }

    fn take(&mut self, line: &str) -> Result<Value, Refusal> {
        let line: Value = serde_json::from_str(line)?;
        // A start that is refused must not leave what came before in force.
        if line.get("type").is_some_and(|kind| kind == "start") {
            self.trial = None;
        }
        let line: Line = serde_json::from_value(line)?;
        if let Line::Start(start) = line {
            self.trial = Some(Trial::begin(start, self.mode)?);
            return Ok(json!({ "ok": true }));
        }
        let trial = self.trial.as_mut().ok_or(Refusal::NotStarted)?;
        match line {
            Line::Assign { session, risk } => Ok(json!({ "arm": trial.assign(session, risk)? })),
            Line::Observe { session, arm, value, risk } => {
                trial.observe(session, arm, value.number(), risk)?;
                Ok(trial.says(trial.verdict()))
            }
            Line::End => Ok(trial.says(trial.last())),
            Line::Start(_) => Err(Refusal::NotStarted),
        }
    }
}

/// One experiment.
#[derive(Debug)]
struct Trial {
    id: Name,
    scale: Scale,
    contest: Contest,
    arms: usize,
    sessions: HashMap<Name, Session>,
    observed: u64,
    /// Outcomes after which nothing more is waited for.
    horizon: Option<u64>,
}

#[derive(Debug)]
struct Session {
    arm: usize,
    /// With what probability it could get into each arm.
    shares: Vec<f64>,
    risk: Option<f64>,
    observed: bool,
}

impl Trial {
    fn begin(start: Start, mode: Mode) -> Result<Self, Refusal> {
        let arms = start.arms.len();
        if !(2..=ARMS_MAX).contains(&arms) {
            return Err(Refusal::Arms(arms));
        }
        if !(start.alpha > 0.0 && start.alpha < 1.0) {
            return Err(Refusal::Alpha(start.alpha));
        }
        let scale = start.kind.scale().ok_or_else(|| Refusal::Kind(start.kind.to_string()))?;
        let mut evidence = Evidence::new(scale, start.lower_is_better);
        if let Some(baseline) = start.baseline {
            if !(baseline.events >= 0.0 && baseline.n >= baseline.events) {
                return Err(Refusal::Baseline);
            }
            evidence = evidence.with_baseline(baseline.n, baseline.events);
        }
        let levels = match mode {
            Mode::Default => Levels::lenient(start.alpha),
            Mode::Strict => Levels::strict(start.alpha),
        };
        Ok(Self {
            id: start.id,
            scale,
            contest: Contest::new(levels, arms - 1, &evidence),
            arms,
            sessions: HashMap::new(),
            observed: 0,
            horizon: start.horizon.map(|horizon| horizon.0),
        })
    }

    /// Equal shares by hash for every arm that is open; once it is decided, what was decided for.
    fn assign(&mut self, name: Name, risk: Option<f64>) -> Result<usize, Refusal> {
        let risk = probability(risk)?;
        if let Some(session) = self.sessions.get(&name) {
            return Ok(session.arm);
        }
        if self.sessions.len() == SESSIONS_MAX {
            return Err(Refusal::TooMany);
        }
        let decided = match self.verdict() {
            Verdict::Continue => None,
            Verdict::Ship(arm) => Some(arm),
            Verdict::RollBack | Verdict::Stop | Verdict::None => Some(0),
        };
        let open: Vec<_> = match decided {
            Some(arm) => vec![arm],
            None => (0..self.arms)
                .zip(self.contest.open())
                .filter_map(|(arm, open)| open.then_some(arm))
                .collect(),
        };
        let (arm, shares) = deal(bucket(&self.id.to_string(), &name.to_string()), &open, self.arms);
        self.sessions.insert(name, Session { arm, shares, risk, observed: false });
        Ok(arm)
    }

    fn observe(
        &mut self,
        name: Name,
        arm: Option<usize>,
        value: f64,
        risk: Option<f64>,
    ) -> Result<(), Refusal> {
        let risk = probability(risk)?;
        let value = self.value(value)?;
        let Some(session) = self.sessions.get_mut(&name) else { return Err(Refusal::NotAssigned(name)) };
        match arm {
            Some(arm) if arm != session.arm => return Err(Refusal::OtherArm(name, session.arm, arm)),
            _ if session.observed => return Err(Refusal::Twice(name)),
            _ => session.observed = true,
        }
        let decided = self.horizon.is_some_and(|horizon| self.observed >= horizon);
        if !decided && self.contest.decision() == Decision::Continue {
            self.contest.observe(session.arm, &session.shares, value, session.risk.or(risk));
            self.observed += 1;
        }
        Ok(())
    }

    fn value(&self, value: f64) -> Result<f64, Refusal> {
        let (kept, wanted) = match self.scale {
            Scale::Binary => (value == 0.0 || value == 1.0, "0 or 1"),
            Scale::Positive => (value.is_finite() && value >= 0.0, "0 or more"),
        };
        if kept { Ok(value) } else { Err(Refusal::Value { wanted, found: value }) }
    }

    fn verdict(&self) -> Verdict {
        match self.contest.decision() {
            Decision::Ship(arm) => Verdict::Ship(arm),
            Decision::RollBack => Verdict::RollBack,
            Decision::Continue if self.horizon.is_some_and(|horizon| self.observed >= horizon) => {
                Verdict::Stop
            }
            Decision::Continue => Verdict::Continue,
        }
    }

    /// At the end nothing more can come: what is not decided never will be.
    fn last(&self) -> Verdict {
        match self.verdict() {
            Verdict::Continue | Verdict::Stop => Verdict::None,
            decided => decided,
        }
    }

    /// With which of several treatments is shipped, and which arms no session gets into any more.
    fn says(&self, verdict: Verdict) -> Value {
        let decision = verdict.word();
        if self.arms <= 2 {
            return json!({ "decision": decision });
        }
        let closed = (0..self.arms).zip(self.contest.open());
        let dropped: Vec<_> = closed.filter_map(|(arm, open)| (!open).then_some(arm)).collect();
        match verdict {
            Verdict::Ship(arm) => json!({ "decision": decision, "dropped": dropped, "arm": arm }),
            Verdict::Continue | Verdict::RollBack | Verdict::Stop | Verdict::None => {
                json!({ "decision": decision, "dropped": dropped })
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Continue,
    Ship(usize),
    RollBack,
    /// The horizon was reached undecided.
    Stop,
    None,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Ship(_) => "ship",
            Self::RollBack => "rollback",
            Self::Stop => "stop",
            Self::None => "none",
        }
    }
}

fn probability(risk: Option<f64>) -> Result<Option<f64>, Refusal> {
    match risk {
        Some(risk) if !(0.0..=1.0).contains(&risk) => Err(Refusal::Risk(risk)),
        risk => Ok(risk),
    }
}

/// The arm of a bucket where all `open` arms get as many buckets, and the share of buckets of each arm.
fn deal(bucket: u64, open: &[usize], arms: usize) -> (usize, Vec<f64>) {
    let (mut shares, mut its, mut first) = (vec![0.0; arms], 0, 0);
    for (place, arm) in (1..).zip(open) {
        let end = (BUCKETS * place).div_ceil(open.len().max(1) as u64);
        if (first..end).contains(&bucket) {
            its = *arm;
        }
        if let Some(share) = shares.get_mut(*arm) {
            *share = (end - first) as f64 / BUCKETS as f64;
        }
        first = end;
    }
    (its, shares)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
