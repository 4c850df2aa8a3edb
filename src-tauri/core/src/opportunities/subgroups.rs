//! Groups of chats that one or two conditions single out and in which more happens than outside: a beam search over
//! conditions, two deep.

use std::rc::Rc;

use super::{
    Asked, Candidate, Effect, Evidence, Kind, Measure, Target,
    conditions::{Condition, all},
    history::Lived,
    outliers::{Bounds, measured},
};
use crate::statistics::{
    Tail,
    beta::Beta,
    proportions::{Share, two_proportions},
    tables::fisher_exact,
};

/// Chats inside and outside of a group, at least.
pub const SUPPORT_MIN: u64 = 20;
/// Later chats inside and outside, at least, for a confirmation to be tried.
const LATER_MIN: u64 = 10;
/// Conditions that are taken further.
const BEAM: usize = 12;
/// Groups told of one target.
const TOLD_MAX: usize = 3;
/// Two groups that share more of their chats than this are one.
const SAME_FROM: f64 = 0.5;

/// A group as which chats are in it.
struct Group {
    conditions: Vec<Condition>,
    inside: Vec<bool>,
    counts: Counts,
    /// Of the two shares: how the beam is chosen.
    z: f64,
    p: f64,
}

/// Events and chats inside, and outside.
type Counts = [(u64, u64); 2];

pub(super) fn ask<'a>(target: Target, earlier: &'a [&'a Lived], later: &'a [&'a Lived]) -> Asked<'a> {
    // A chat of which the number is not known says nothing of it: neither that it was high nor that it was not.
    let known = |chats: &[&'a Lived]| -> Vec<&'a Lived> {
        chats
            .iter()
            .copied()
            .filter(|lived| target == Target::Crashes || measured(target, lived).is_some())
            .collect()
    };
    let (earlier, later) = (&known(earlier)[..], Rc::new(known(later)));
    let bounds = Bounds::of(earlier);
    let happened: Vec<_> = earlier.iter().map(|lived| bounds.happened(target, lived)).collect();
    let conditions: Vec<_> = all(target, earlier)
        .into_iter()
        .map(|condition| {
            let inside: Vec<_> = earlier.iter().map(|lived| condition.holds(lived)).collect();
            (condition, inside)
        })
        .collect();
    let single = conditions
        .iter()
        .filter_map(|(condition, inside)| group(vec![condition.clone()], inside.clone(), &happened));
    let mut groups: Vec<_> = single.collect();
    groups.sort_by(|one, other| other.z.total_cmp(&one.z));
    let deeper: Vec<_> =
        groups.iter().take(BEAM).flat_map(|group| narrower(group, &conditions, &happened)).collect();
    groups.extend(deeper);
    let p_values = groups.iter().map(|group| group.p).collect();
    let best = told(groups)
        .into_iter()
        .filter_map(|group| candidate(target, group, Rc::clone(&later), bounds))
        .collect();
    Asked { p_values, best }
}

/// A group with one condition more.
fn narrower(group_: &Group, conditions: &[(Condition, Vec<bool>)], happened: &[bool]) -> Vec<Group> {
    let Some(first) = group_.conditions.first() else { return Vec::new() };
    let others = conditions.iter().filter(|(condition, _)| condition.about() != first.about());
    let both = others.filter_map(|(condition, inside)| {
        let inside = group_.inside.iter().zip(inside).map(|(one, other)| *one && *other).collect();
        group(vec![first.clone(), condition.clone()], inside, happened)
    });
    both.collect()
}

fn group(conditions: Vec<Condition>, inside: Vec<bool>, happened: &[bool]) -> Option<Group> {
    let counts = counts(inside.iter().copied().zip(happened.iter().copied()));
    let p = p_of(counts, SUPPORT_MIN)?;
    Some(Group { conditions, inside, counts, z: z_of(counts), p })
}

/// How often chance alone gives so many events inside, or more; none with too few chats on a side.
fn p_of([(x1, n1), (x2, n2)]: Counts, support: u64) -> Option<f64> {
    if n1 < support || n2 < support {
        return None;
    }
    Some(fisher_exact([[x1, n1.checked_sub(x1)?], [x2, n2.checked_sub(x2)?]], Tail::Greater).ok()?.p)
}

fn z_of([(x1, n1), (x2, n2)]: Counts) -> f64 {
    let (x1, n1, x2, n2) = (x1 as f64, n1 as f64, x2 as f64, n2 as f64);
    let pooled = (x1 + x2) / (n1 + n2);
    let error = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    if error > 0.0 { (x1 / n1 - x2 / n2) / error } else { 0.0 }
}

fn counts(chats: impl Iterator<Item = (bool, bool)>) -> Counts {
    let mut counts = [(0, 0); 2];
    let [inside, outside] = &mut counts;
    for (is_inside, happened) in chats {
        let (events, all) = if is_inside { &mut *inside } else { &mut *outside };
        *all += 1;
        *events += u64::from(happened);
    }
    counts
}

/// Whether more happened inside, of at least so many chats on each side.
fn evidence(counts: Counts, support: u64) -> Option<Evidence> {
    let p = p_of(counts, support)?;
    let [(x1, n1), (x2, n2)] = counts;
    let found =
        two_proportions(Share::new(x1, n1).ok()?, Share::new(x2, n2).ok()?, Tail::Greater, 0.95).ok()?;
    let belief = |events, chats| Beta::new(1.0, 1.0).and_then(|prior| prior.after(events, chats));
    Some(Evidence {
        chats: n1,
        events: x1,
        other_chats: n2,
        other_events: x2,
        effect: Effect::new(Measure::Difference, found.difference, found.interval_newcombe),
        p,
        chance: belief(x1, n1).ok()?.exceeds(belief(x2, n2).ok()?),
    })
}

/// The few most telling, each of other chats than those before.
fn told(mut groups: Vec<Group>) -> Vec<Group> {
    groups.sort_by(|one, other| one.p.total_cmp(&other.p));
    let mut told: Vec<Group> = Vec::new();
    for group in groups {
        if told.len() == TOLD_MAX {
            break;
        }
        if told.iter().all(|before| shared(&before.inside, &group.inside) <= SAME_FROM) {
            told.push(group);
        }
    }
    told
}

/// Chats in both over chats in the smaller one.
fn shared(one: &[bool], other: &[bool]) -> f64 {
    let size = |group: &[bool]| group.iter().filter(|is| **is).count();
    let both = one.iter().zip(other).filter(|(one, other)| **one && **other).count();
    both as f64 / size(one).min(size(other)).max(1) as f64
}

fn candidate<'a>(
    target: Target,
    group: Group,
    later: Rc<Vec<&'a Lived>>,
    bounds: Bounds,
) -> Option<Candidate<'a>> {
    let earlier = evidence(group.counts, SUPPORT_MIN)?;
    let words: Vec<_> = group.conditions.iter().map(Condition::words).collect();
    let over = group.conditions.iter().find(|condition| matches!(condition, Condition::Over(..)));
    let proposal = over.or(group.conditions.first()).map(Condition::proposal);
    let conditions = group.conditions;
    let again = move || {
        let chats = later.iter().map(|lived| {
            (conditions.iter().all(|condition| condition.holds(lived)), bounds.happened(target, lived))
        });
        evidence(counts(chats), LATER_MIN)
    };
    Some(Candidate {
        kind: Kind::Subgroup,
        target,
        what: words.join(" and "),
        earlier,
        questions: 1.0,
        proposal,
        again: Box::new(again),
    })
}
