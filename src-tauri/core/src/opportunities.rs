//! What in the history goes with crashes, high cost and long waits, and what might be tried about it. Found in the earlier
//! part of the history, confirmed on the later; it says "associated with", since only an experiment may say "causes".

pub mod changes;
pub mod conditions;
pub mod hazard;
pub mod history;
pub mod ideas;
pub mod outliers;
pub mod subgroups;
pub mod worth;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    opportunities::{
        history::{Lived, split},
        outliers::FarOut,
        worth::Worth,
    },
    statistics::{
        Interval,
        multiple::{benjamini_hochberg, holm},
    },
    time::Timestamp,
};

/// Twenty chats inside and outside of a group, in each half of the history.
pub const CHATS_NEEDED: u64 = 80;
pub const CRASHES_NEEDED: u64 = 10;
/// Chats that are looked at, the newest.
pub const CHATS_MAX: usize = 10_000;
/// Expected share of false ones among what stands out in the earlier history.
const Q_MAX: f64 = 0.10;
/// How often a history without anything in it may have something confirmed.
const ALPHA: f64 = 0.05;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "OpportunityTarget")]
pub enum Target {
    Crashes,
    /// Costs far above the usual, or tokens where no cost is known.
    Cost,
    /// Waits for an answer far above the usual.
    Latency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "OpportunityKind")]
pub enum Kind {
    /// Chats that one or two conditions single out.
    Subgroup,
    /// A day since which things are otherwise.
    Change,
    /// The rate of crashes per hour while a number is high.
    Hazard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "OpportunityMeasure")]
pub enum Measure {
    /// One share less the other, -1 to 1.
    Difference,
    /// One over the other; 1 is no difference.
    Ratio,
}

/// An estimate with its 95 % interval; an end without bound is null.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "OpportunityEffect")]
pub struct Effect {
    pub measure: Measure,
    pub estimate: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// What one part of the history says: chats inside and outside, and what was counted in them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "OpportunityEvidence")]
pub struct Evidence {
    pub chats: u64,
    pub events: u64,
    pub other_chats: u64,
    pub other_events: u64,
    pub effect: Effect,
    /// By chance alone, before the number of questions is allowed for.
    pub p: f64,
    /// How likely the difference is in this direction at all, 0 to 1.
    pub chance: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "OpportunityStanding")]
pub enum Standing {
    Confirmed,
    /// The later history does not show it as surely.
    NotConfirmed,
    /// The later history has too few chats of this kind.
    TooFewLater,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "OpportunityDirection")]
pub enum Direction {
    Lower,
    Raise,
}

/// One knob to be tried otherwise. Whether the value is allowed is decided where knobs are declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "OpportunityProposal")]
pub struct Proposal {
    /// A key of `config.toml`.
    pub knob: String,
    pub direction: Direction,
    /// In the knob's unit; null where only the direction is meant.
    pub value: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Opportunity {
    pub kind: Kind,
    pub target: Target,
    /// Such as `over 120 calls and over 80 % of the context`.
    pub what: String,
    /// With effect, interval and sample, in a sentence.
    pub statement: String,
    pub hypothesis: String,
    pub earlier: Evidence,
    /// Of the earlier p among all that was looked at (Benjamini-Hochberg).
    pub q: f64,
    pub later: Option<Evidence>,
    /// Of the later p among all that was to be confirmed (Holm).
    pub p_confirmed: Option<f64>,
    pub standing: Standing,
    pub proposal: Option<Proposal>,
    /// What an experiment on it would be worth; null for what is no affair of single chats.
    pub worth: Option<Worth>,
}

/// What was found, or how far it is to a first answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "OpportunityReport")]
pub enum Report {
    NotEnoughYet { chats: u64, chats_needed: u64, crashes: u64, crashes_needed: u64 },
    Looked(Looked),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "Opportunities")]
pub struct Looked {
    pub chats: u64,
    pub crashes: u64,
    #[ts(type = "string")]
    pub since: Timestamp,
    /// From here on the history only confirms.
    #[ts(type = "string")]
    pub split_at: Timestamp,
    /// Questions asked of the earlier history.
    pub candidates: u64,
    /// The confirmed first, then by what they are worth.
    pub found: Vec<Opportunity>,
    /// Single chats far above the usual, the farthest first.
    pub far_out: Vec<FarOut>,
}

/// A question asked of the earlier history, and how to ask it again.
pub(crate) struct Candidate<'a> {
    kind: Kind,
    target: Target,
    what: String,
    earlier: Evidence,
    /// Questions it stands for: all days on which a change might have been.
    questions: f64,
    proposal: Option<Proposal>,
    again: Box<dyn Fn() -> Option<Evidence> + 'a>,
}

/// What stands out of a kind: every question's p, and the candidates that may be told.
#[derive(Default)]
pub(crate) struct Asked<'a> {
    /// Of all that was looked at, whether told or not.
    p_values: Vec<f64>,
    best: Vec<Candidate<'a>>,
}

/// Looks for what goes with crashes, cost and latency.
pub fn find(history: &[Lived]) -> Report {
    let mut history: Vec<&Lived> = history.iter().collect();
    history.sort_by_key(|lived| lived.at);
    let history = history.split_off(history.len().saturating_sub(CHATS_MAX));
    let chats = history.len() as u64;
    let crashes = history.iter().filter(|lived| lived.crashed).count() as u64;
    let (earlier, later) = split(&history);
    let (Some(first), Some(middle)) = (history.first(), later.first()) else {
        return not_enough(chats, crashes);
    };
    if chats < CHATS_NEEDED || crashes < CRASHES_NEEDED {
        return not_enough(chats, crashes);
    }
    let mut asked = vec![hazard::ask(earlier, later)];
    for target in [Target::Crashes, Target::Cost, Target::Latency] {
        asked.push(subgroups::ask(target, earlier, later));
        asked.push(changes::ask(target, &history));
    }
    let candidates = asked.iter().map(|asked| asked.p_values.len() as u64).sum();
    let found = worth::ranked(confirmed(standing_out(asked)), &history);
    let (since, split_at) = (first.at, middle.at);
    Report::Looked(Looked {
        chats,
        crashes,
        since,
        split_at,
        candidates,
        found,
        far_out: outliers::single(&history),
    })
}

fn not_enough(chats: u64, crashes: u64) -> Report {
    Report::NotEnoughYet { chats, chats_needed: CHATS_NEEDED, crashes, crashes_needed: CRASHES_NEEDED }
}

/// Those of a small q among all questions of all kinds.
fn standing_out(asked: Vec<Asked<'_>>) -> Vec<(Candidate<'_>, f64)> {
    let all: Vec<f64> = asked.iter().flat_map(|asked| asked.p_values.iter().copied()).collect();
    let Ok(q_values) = benjamini_hochberg(&all) else { return Vec::new() };
    let q_of = |p: f64| {
        let same = all.iter().zip(&q_values).find(|(one, _)| **one == p);
        same.map_or(1.0, |(_, q)| *q)
    };
    let best = asked.into_iter().flat_map(|asked| asked.best);
    let with_q = best.map(|candidate| {
        let q = q_of((candidate.earlier.p * candidate.questions).min(1.0));
        (candidate, q)
    });
    with_q.filter(|(_, q)| *q <= Q_MAX).collect()
}

/// Asks each again of what was not looked at, and allows for how many are asked.
fn confirmed(standing_out: Vec<(Candidate<'_>, f64)>) -> Vec<Opportunity> {
    let later: Vec<_> = standing_out.iter().map(|(candidate, _)| (candidate.again)()).collect();
    let p_values: Vec<f64> = later.iter().flatten().map(|evidence| evidence.p).collect();
    let mut adjusted = holm(&p_values).unwrap_or_default().into_iter();
    let told = standing_out.into_iter().zip(later).map(|((candidate, q), later)| {
        let p_confirmed = later.as_ref().and_then(|_| adjusted.next());
        opportunity(candidate, q, later, p_confirmed)
    });
    told.collect()
}

fn opportunity(
    candidate: Candidate<'_>,
    q: f64,
    later: Option<Evidence>,
    p_confirmed: Option<f64>,
) -> Opportunity {
    let standing = match p_confirmed {
        Some(p) if p <= ALPHA => Standing::Confirmed,
        Some(_) => Standing::NotConfirmed,
        None => Standing::TooFewLater,
    };
    let Candidate { kind, target, what, earlier, proposal, .. } = candidate;
    // The later figures are not flattered by having been chosen.
    let statement = statement(kind, target, &what, &later.unwrap_or(earlier));
    let hypothesis = hypothesis(target, &what, proposal.as_ref());
    Opportunity {
        kind,
        target,
        what,
        statement,
        hypothesis,
        earlier,
        q,
        later,
        p_confirmed,
        standing,
        proposal,
        worth: None,
    }
}

fn statement(kind: Kind, target: Target, what: &str, evidence: &Evidence) -> String {
    let Evidence { chats, events, other_chats, other_events, effect, .. } = evidence;
    let numbers = effect.words();
    match (kind, target) {
        (Kind::Subgroup, _) => format!(
            "Chats {what} are associated with {}: {events} of {chats}, of the others {other_events} of {other_chats} \
             ({numbers})",
            target.events()
        ),
        (Kind::Hazard, _) => format!(
            "Time {what} is associated with crashes: {events} in {chats} chats, in the rest of the time {other_events} \
             in {other_chats} ({numbers})"
        ),
        (Kind::Change, Target::Crashes) => format!(
            "The time {what} is associated with another rate of crashes: {events} of {chats} chats since, \
             {other_events} of {other_chats} before ({numbers})"
        ),
        (Kind::Change, _) => format!(
            "The time {what} is associated with another {}: {chats} chats since, {other_chats} before ({numbers})",
            target.measured()
        ),
    }
}

fn hypothesis(target: Target, what: &str, proposal: Option<&Proposal>) -> String {
    let fewer = target.fewer();
    match proposal {
        Some(Proposal { knob, direction, value }) => {
            let verb = if *direction == Direction::Lower { "lower" } else { "higher" };
            let to = value.map_or(String::new(), |value| format!(" ({value})"));
            format!("With a {verb} `{knob}`{to} there are {fewer} among chats {what}.")
        }
        None => format!("Something that came about {what} can be undone, and then there are {fewer}."),
    }
}

impl Target {
    fn events(self) -> &'static str {
        match self {
            Self::Crashes => "crashes",
            Self::Cost => "costs far above the usual",
            Self::Latency => "waits far above the usual",
        }
    }

    fn fewer(self) -> &'static str {
        match self {
            Self::Crashes => "fewer crashes",
            Self::Cost => "fewer costs far above the usual",
            Self::Latency => "fewer waits far above the usual",
        }
    }

    fn measured(self) -> &'static str {
        match self {
            Self::Crashes => "rate of crashes",
            Self::Cost => "cost of a chat",
            Self::Latency => "wait for an answer",
        }
    }
}

impl Effect {
    fn new(measure: Measure, estimate: f64, interval: Interval) -> Self {
        let known = |number: f64| number.is_finite().then_some(number);
        Self { measure, estimate: known(estimate), low: known(interval.low), high: known(interval.high) }
    }

    fn words(&self) -> String {
        let number = |number: Option<f64>| match (self.measure, number) {
            (_, None) => "no bound".to_owned(),
            (Measure::Difference, Some(number)) => format!("{:+.1}", number * 100.0),
            (Measure::Ratio, Some(number)) => format!("{number:.2}"),
        };
        let unit = match self.measure {
            Measure::Difference => "points",
            Measure::Ratio => "times as much",
        };
        let (estimate, low, high) = (number(self.estimate), number(self.low), number(self.high));
        format!("{estimate} {unit}, 95 % from {low} to {high}")
    }
}

#[cfg(test)]
#[path = "opportunities_tests.rs"]
mod tests;
