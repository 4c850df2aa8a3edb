//! The rate of crashes while a number is high, over that of the rest of the time: from stretches of chats, so that those
//! that never crashed count with all the time they lived.

use std::collections::BTreeMap;

use super::{
    Asked, Candidate, Direction, Effect, Evidence, Kind, Measure, Proposal, Target,
    history::{Lived, SIGNALS, Signal, Stretch, cuts},
    subgroups::SUPPORT_MIN,
};
use crate::statistics::{
    Interval,
    beta::Beta,
    proportions::{Share, clopper_pearson},
};

/// Where the time is parted.
const SHARES: [f64; 3] = [0.5, 0.75, 0.9];
/// Crashes in all below which no rate is told.
const CRASHES_MIN: u64 = 5;
const LATER_CHATS_MIN: u64 = 10;
const TOLD_MAX: usize = 3;

pub(super) fn ask<'a>(earlier: &'a [&'a Lived], later: &'a [&'a Lived]) -> Asked<'a> {
    let mut p_values = Vec::new();
    let mut best: BTreeMap<&str, Candidate<'a>> = BTreeMap::new();
    // What a chat cost rises with its age, as its tokens do, and is no cause of anything.
    for signal in SIGNALS.iter().filter(|signal| signal.name != "cost") {
        let stretches = earlier.iter().flat_map(|lived| &lived.stretches);
        let mut values = stretches.filter_map(|stretch| (signal.read)(&stretch.numbers)).collect();
        for limit in cuts(&mut values, &SHARES) {
            let Some(evidence) = evidence(earlier, signal, limit, SUPPORT_MIN) else { continue };
            p_values.push(evidence.p);
            let is_better = best.get(signal.name).is_none_or(|before| evidence.p < before.earlier.p);
            if is_better {
                best.insert(signal.name, candidate(signal, limit, evidence, later));
            }
        }
    }
    let mut best: Vec<_> = best.into_values().collect();
    best.sort_by(|one, other| one.earlier.p.total_cmp(&other.earlier.p));
    best.truncate(TOLD_MAX);
    Asked { p_values, best }
}

fn candidate<'a>(
    signal: &'static Signal,
    limit: f64,
    earlier: Evidence,
    later: &'a [&'a Lived],
) -> Candidate<'a> {
    let value = signal.value.map(|of| of(limit).round().max(0.0) as u64);
    Candidate {
        kind: Kind::Hazard,
        target: Target::Crashes,
        what: format!("over {}", (signal.said)(limit)),
        earlier,
        questions: 1.0,
        proposal: Some(Proposal { knob: signal.knob.to_owned(), direction: Direction::Lower, value }),
        again: Box::new(move || evidence(later, signal, limit, LATER_CHATS_MIN)),
    }
}

/// Time, crashes and chats on one side of a limit.
#[derive(Default)]
struct Side {
    minutes: f64,
    crashes: u64,
    chats: u64,
}

/// With the number at the same rate everywhere, each crash falls on the high side as often as that side has time: the
/// conditional test of two Poisson rates (J. Przyborowski, H. Wilenski, Biometrika 31 (1940) 313-323).
fn evidence(chats: &[&Lived], signal: &Signal, limit: f64, support: u64) -> Option<Evidence> {
    let (high, low) = sides(chats, signal, limit);
    let (all, minutes) = (high.crashes + low.crashes, high.minutes + low.minutes);
    if high.chats < support
        || low.chats < support
        || all < CRASHES_MIN
        || high.minutes <= 0.0
        || low.minutes <= 0.0
    {
        return None;
    }
    let share = high.minutes / minutes;
    let p = match high.crashes {
        0 => 1.0,
        crashes => Beta::new(crashes as f64, (low.crashes + 1) as f64).ok()?.at_most(share),
    };
    let belief = Beta::new(0.5, 0.5).and_then(|prior| prior.after(high.crashes, all)).ok()?;
    let Interval { low: least, high: most } =
        clopper_pearson(Share::new(high.crashes, all).ok()?, 0.95).ok()?;
    let ratio = |of_crashes: f64| of_crashes / (1.0 - of_crashes) * low.minutes / high.minutes;
    let estimate = high.crashes as f64 / high.minutes / (low.crashes as f64 / low.minutes);
    Some(Evidence {
        chats: high.chats,
        events: high.crashes,
        other_chats: low.chats,
        other_events: low.crashes,
        effect: Effect::new(Measure::Ratio, estimate, Interval { low: ratio(least), high: ratio(most) }),
        p,
        chance: 1.0 - belief.at_most(share),
    })
}

fn sides(chats: &[&Lived], signal: &Signal, limit: f64) -> (Side, Side) {
    let (mut high, mut low) = (Side::default(), Side::default());
    for lived in chats {
        let known = |stretch: &Stretch| Some(((signal.read)(&stretch.numbers)? > limit, stretch.minutes));
        let known: Vec<_> = lived.stretches.iter().filter_map(known).collect();
        for (side, is_high) in [(&mut high, true), (&mut low, false)] {
            let minutes =
                known.iter().filter(|(high, _)| *high == is_high).map(|(_, minutes)| minutes.max(0.0));
            let (time, stretches) = minutes.fold((0.0, 0_u64), |(sum, count), one| (sum + one, count + 1));
            side.minutes += time;
            side.chats += u64::from(stretches > 0);
        }
        let last = lived.stretches.last().and_then(known_high(signal, limit));
        match last.filter(|_| lived.crashed) {
            Some(true) => high.crashes += 1,
            Some(false) => low.crashes += 1,
            None => {}
        }
    }
    (high, low)
}

fn known_high(signal: &Signal, limit: f64) -> impl Fn(&Stretch) -> Option<bool> {
    let read = signal.read;
    move |stretch| Some(read(&stretch.numbers)? > limit)
}
