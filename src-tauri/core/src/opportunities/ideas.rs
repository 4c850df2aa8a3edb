//! What the loop may try of what was found: confirmed, tellable, and one step of a knob that nobody else moves.

use super::{Direction, Looked, Opportunity, Proposal, Standing, Target};
use crate::{
    experiments::{
        improvement::{Idea, Improvement},
        machine::{From, State},
        outcomes::Metric,
    },
    knobs::{Knob, knob},
    settings::Value,
    time::Timestamp,
};

/// Ideas out of a report that the loop does not know yet, what is worth most first. One for a knob at a time: what comes
/// of it decides whether the next makes sense.
pub fn ideas(looked: &Looked, improvement: &Improvement, now: Timestamp) -> Vec<Idea> {
    let mut ideas: Vec<Idea> = Vec::new();
    for opportunity in &looked.found {
        let Some(idea) = idea(opportunity, improvement, now) else { continue };
        if ideas.iter().all(|other| other.knob != idea.knob) {
            ideas.push(idea);
        }
    }
    ideas
}

fn idea(opportunity: &Opportunity, improvement: &Improvement, now: Timestamp) -> Option<Idea> {
    let (proposal, worth) = (opportunity.proposal.as_ref()?, opportunity.worth.as_ref()?);
    if opportunity.standing != Standing::Confirmed || worth.refused.is_some() {
        return None;
    }
    let (knob, metric) = (knob(&proposal.knob)?, metric(opportunity.target)?);
    let current = improvement.value(knob.key);
    let wanted = toward(knob, &current, proposal)?;
    let is_free = knob.affects.contains(&metric)
        && knob.may_try(&current, &wanted).is_ok()
        && !improvement.is_set(knob.key)
        && !improvement.is_pinned(knob.key)
        && improvement.rests().get(knob.key).is_none_or(|rest| rest.until <= now)
        && !is_known(improvement, knob, &wanted);
    is_free.then(|| Idea {
        knob: knob.key.to_owned(),
        values: vec![wanted],
        metric,
        why: format!("{}. {}", opportunity.statement, opportunity.hypothesis),
        from: From::Opportunity,
        worth: worth.value,
    })
}

/// What an experiment on it is decided by.
fn metric(target: Target) -> Option<Metric> {
    match target {
        Target::Crashes => Some(Metric::Crash),
        Target::Cost => Some(Metric::TokensPerTurn),
        // No knob moves how long a model takes.
        Target::Latency => None,
    }
}

/// As far as one step of the knob goes to what is proposed. None where it is there already.
fn toward(knob: &Knob, current: &Value, proposal: &Proposal) -> Option<Value> {
    let Value::Whole(from) = *current else { return None };
    let (low, high) = knob.reach(from);
    let value = match (proposal.direction, proposal.value) {
        (Direction::Lower, wanted) => wanted.unwrap_or(low).max(low),
        (Direction::Raise, wanted) => wanted.unwrap_or(high).min(high),
    };
    let is_there = match proposal.direction {
        Direction::Lower => value < from,
        Direction::Raise => value > from,
    };
    is_there.then_some(Value::Whole(value))
}

/// It waits, something of the knob is tried, or this was tried before.
fn is_known(improvement: &Improvement, knob: &Knob, wanted: &Value) -> bool {
    improvement.experiments().any(|experiment| {
        let state = &experiment.state;
        let waits = *state == State::Draft;
        experiment.plan.knob == knob.key
            && (waits || state.is_open() || experiment.plan.arms.iter().skip(1).any(|value| value == wanted))
    })
}
