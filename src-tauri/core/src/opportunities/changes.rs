//! Days since which things are otherwise: change points of daily rates, by PELT. A later half cannot confirm what happened
//! before it, so each change is found in every other chat, and confirmed in those between.

use std::collections::BTreeMap;

use super::{
    Asked, Candidate, Effect, Evidence, Kind, Measure, Target, history::Lived, outliers::measured,
    outliers::median,
};
use crate::statistics::{
    Interval, Tail,
    means::welch_t,
    proportions::{Share, two_proportions},
    ranks::{Method, mann_whitney},
    tables::fisher_exact,
};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Days on each side of a change.
const DAYS_MIN: usize = 5;
/// Chats on each side, at least.
const CHATS_MIN: usize = 10;
const TOLD_MAX: usize = 2;
/// Times σ² ln n that a change must explain: a position and a mean, and one more, since daily rates are no normal numbers.
const PENALTY: f64 = 3.0;

pub(super) fn ask<'a>(target: Target, history: &[&'a Lived]) -> Asked<'a> {
    let every_other = |from: usize| history.iter().skip(from).step_by(2).copied().collect::<Vec<_>>();
    let (found_in, confirmed_in) = (every_other(0), every_other(1));
    let days = daily(target, &found_in);
    let values: Vec<_> = days.iter().map(|(_, value)| *value).collect();
    let changes = pelt(&values, PENALTY * variance(&values) * (values.len().max(2) as f64).ln(), DAYS_MIN);
    let day = |at: usize| days.get(at).map(|(day, _)| *day);
    // Each change is held against the time between its neighbours.
    let mut asked = Asked::default();
    let questions = values.len().saturating_sub(2 * DAYS_MIN).max(1) as f64;
    for (place, at) in changes.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| changes.get(before)).map_or(0, |before| *before);
        let until = changes.get(place + 1).and_then(|next| day(*next)).unwrap_or(i64::MAX);
        let (Some(from), Some(since)) = (day(before), day(*at)) else { continue };
        let Some(earlier) = evidence(target, &found_in, [from, since, until]) else { continue };
        asked.p_values.push((earlier.p * questions).min(1.0));
        let later = confirmed_in.clone();
        asked.best.push(Candidate {
            kind: Kind::Change,
            target,
            what: words(since, &found_in, [from, since, until]),
            earlier,
            questions,
            proposal: None,
            again: Box::new(move || evidence(target, &later, [from, since, until])),
        });
    }
    asked.best.sort_by(|one, other| one.earlier.p.total_cmp(&other.earlier.p));
    asked.best.truncate(TOLD_MAX);
    asked
}

fn day_of(lived: &Lived) -> i64 {
    lived.at.ms().div_euclid(DAY_MS)
}

/// Of each day with chats the share that crashed, or the mean logarithm of what they measured.
fn daily(target: Target, chats: &[&Lived]) -> Vec<(i64, f64)> {
    let mut days: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for lived in chats {
        let value = match target {
            Target::Crashes => Some(if lived.crashed { 1.0 } else { 0.0 }),
            Target::Cost | Target::Latency => measured(target, lived).map(f64::ln),
        };
        if let Some(value) = value {
            let (sum, count) = days.entry(day_of(lived)).or_default();
            *sum += value;
            *count += 1.0;
        }
    }
    days.into_iter().map(|(day, (sum, count))| (day, sum / count)).collect()
}

/// From neighbours' differences, which a few changes of the level hardly move.
pub fn variance(values: &[f64]) -> f64 {
    let differences = values.iter().zip(values.iter().skip(1)).map(|(one, other)| (other - one).abs());
    let robust = median(differences.collect()).unwrap_or(0.0) * 1.4826 / std::f64::consts::SQRT_2;
    if robust > 0.0 {
        return robust * robust;
    }
    // Where more than half of the days are alike.
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count
}

/// Where new levels begin: the cuts that leave the least squares about each level, each cut paid for by `penalty`
/// (R. Killick, P. Fearnhead, I. Eckley, JASA 107 (2012) 1590-1598).
pub fn pelt(values: &[f64], penalty: f64, length_min: usize) -> Vec<usize> {
    if penalty.is_nan() || penalty <= 0.0 || length_min == 0 {
        return Vec::new();
    }
    let sums = sums(values);
    let at = |place: usize| sums.get(place).copied().unwrap_or_default();
    let cost = |from: usize, to: usize| {
        let ((sum, squares), (sum_before, squares_before)) = (at(to), at(from));
        let sum = sum - sum_before;
        squares - squares_before - sum * sum / (to - from).max(1) as f64
    };
    // The best up to each place, and the last cut on the way there.
    let mut best = vec![(-penalty, 0); values.len() + 1];
    let best_at =
        |best: &[(f64, usize)], place: usize| best.get(place).map_or(f64::INFINITY, |(cost, _)| *cost);
    let mut open = vec![0];
    for to in length_min..=values.len() {
        let costs: Vec<_> =
            open.iter().map(|from| (best_at(&best, *from) + cost(*from, to), *from)).collect();
        let least = costs.iter().copied().min_by(|one, other| one.0.total_cmp(&other.0));
        let Some((least, from)) = least else { continue };
        best.get_mut(to).into_iter().for_each(|place| *place = (least + penalty, from));
        // One that even without a penalty is no better will never be.
        open = costs.into_iter().filter(|(cost, _)| *cost <= least + penalty).map(|(_, from)| from).collect();
        let next = (to + 1).saturating_sub(length_min);
        if next >= length_min {
            open.push(next);
        }
    }
    let mut cuts = Vec::new();
    let mut place = values.len();
    while let Some((_, from)) = best.get(place).filter(|(_, from)| *from > 0) {
        cuts.push(*from);
        place = *from;
    }
    cuts.reverse();
    cuts
}

/// Of values and their squares, up to each place; about their mean, so that little is taken from much.
fn sums(values: &[f64]) -> Vec<(f64, f64)> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let mut sums = vec![(0.0, 0.0)];
    sums.extend(values.iter().scan((0.0, 0.0), |(sum, squares), value| {
        *sum += value - mean;
        *squares += (value - mean).powi(2);
        Some((*sum, *squares))
    }));
    sums
}

/// Whether the chats since a day differ from those before it.
fn evidence(target: Target, chats: &[&Lived], days: [i64; 3]) -> Option<Evidence> {
    let (before, since) = parted(chats, days);
    match target {
        Target::Crashes => of_crashes(&before, &since),
        Target::Cost | Target::Latency => {
            let logs = |chats: &[&Lived]| -> Vec<f64> {
                chats.iter().filter_map(|lived| measured(target, lived)).map(f64::ln).collect()
            };
            of_values(&logs(&before), &logs(&since))
        }
    }
}

fn parted<'a>(chats: &[&'a Lived], [from, since, until]: [i64; 3]) -> (Vec<&'a Lived>, Vec<&'a Lived>) {
    let within = chats.iter().copied().filter(|lived| (from..until).contains(&day_of(lived)));
    within.partition(|lived| day_of(lived) < since)
}

fn of_crashes(before: &[&Lived], since: &[&Lived]) -> Option<Evidence> {
    let count =
        |chats: &[&Lived]| (chats.iter().filter(|lived| lived.crashed).count() as u64, chats.len() as u64);
    let ((x1, n1), (x2, n2)) = (count(since), count(before));
    if n1.min(n2) < CHATS_MIN as u64 {
        return None;
    }
    let found =
        two_proportions(Share::new(x1, n1).ok()?, Share::new(x2, n2).ok()?, Tail::TwoSided, 0.95).ok()?;
    let p = fisher_exact([[x1, n1 - x1], [x2, n2 - x2]], Tail::TwoSided).ok()?.p;
    Some(Evidence {
        chats: n1,
        events: x1,
        other_chats: n2,
        other_events: x2,
        effect: Effect::new(Measure::Difference, found.difference, found.interval_newcombe),
        p,
        chance: 1.0 - p / 2.0,
    })
}

/// By ranks, with the ratio of the middles; of logarithms.
fn of_values(before: &[f64], since: &[f64]) -> Option<Evidence> {
    if before.len().min(since.len()) < CHATS_MIN {
        return None;
    }
    let p = mann_whitney(since, before, Tail::TwoSided, Method::Asymptotic, true).ok()?.p;
    let welch = welch_t(since, before, Tail::TwoSided, 0.95).ok()?;
    let Interval { low, high } = welch.interval;
    let interval = Interval { low: low.exp(), high: high.exp() };
    Some(Evidence {
        chats: since.len() as u64,
        events: 0,
        other_chats: before.len() as u64,
        other_events: 0,
        effect: Effect::new(Measure::Ratio, welch.difference.exp(), interval),
        p,
        chance: 1.0 - p / 2.0,
    })
}

/// The day, and the client's version that most chats had since and before, where it is another.
fn words(since: i64, chats: &[&Lived], days: [i64; 3]) -> String {
    let date = crate::charts::date(since);
    let (before, after) = parted(chats, days);
    match (usual_version(&before), usual_version(&after)) {
        (Some(old), Some(new)) if old != new => {
            format!("since {date} (most chats with {new}, before with {old})")
        }
        _ => format!("since {date}"),
    }
}

fn usual_version(chats: &[&Lived]) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for lived in chats {
        if let Some(version) = &lived.version {
            *counts.entry(format!("{} {version}", lived.client.title())).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(version, _)| version)
}
