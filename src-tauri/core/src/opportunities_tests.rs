//! What is found in made-up histories: nothing where there is nothing, and what was put there.

use fastrand::Rng;
use proptest::prelude::*;

use super::{
    Direction, Kind, Looked, Opportunity, Proposal, Report, Standing, Target,
    changes::{pelt, variance},
    find,
    history::{Lived, Numbers, Stretch},
    ideas::ideas,
    worth::of_group,
};
use crate::{
    chats::Client,
    experiments::improvement::{Event, Improvement},
    settings::Value,
    time::Timestamp,
};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const CHATS_A_DAY: i64 = 30;
const STRETCH_MINUTES: f64 = 10.0;

/// Chats whose ends come at a constant rate, one in so many of them a crash: whether a chat crashed says nothing about
/// its length, and how long it has lived nothing about its rate.
fn made(rng: &mut Rng, chats: i64, crashes: impl Fn(&Lived, &mut Rng) -> f64) -> Vec<Lived> {
    let one = |number: i64| {
        let minutes = -60.0 * (1.0 - rng.f64()).ln() + 1.0;
        // Each grows with the time, at a pace of its own.
        let mut pace = || (1.5 * (2.0 * rng.f64() - 1.0)).exp();
        let (calls, messages, room, growth) = (1.5 * pace(), 0.4 * pace(), 80.0 * pace(), 1e6 * pace());
        let (latency, memory) = ((1.0 + rng.f64() * 2.0).exp(), 2e8 * (0.5 + rng.f64()));
        let at = |minutes: f64| Numbers {
            calls: Some((minutes * calls).round()),
            messages: Some((minutes * messages).round()),
            context_used: Some((minutes / room).min(1.0)),
            failure_rate: Some(spread_share(number)),
            latency_seconds: Some(latency),
            rss_bytes: Some(memory + minutes * growth),
            minutes: Some(minutes),
            tokens: Some((minutes * messages * 20_000.0).round()),
            cost: None,
        };
        let stretches = (0..=(minutes / STRETCH_MINUTES) as u32).map(|n| {
            let from = f64::from(n) * STRETCH_MINUTES;
            Stretch { minutes: (minutes - from).min(STRETCH_MINUTES), numbers: at(from) }
        });
        let mut lived = Lived {
            at: Timestamp::from_ms(20_000 * DAY_MS + number * DAY_MS / CHATS_A_DAY),
            client: if rng.bool() { Client::ClaudeCode } else { Client::Codex },
            version: Some(format!("2.1.{}", rng.u8(0..4))),
            model: Some(["opus", "sonnet", "haiku"][rng.usize(0..3)].to_owned()),
            hour: rng.u8(0..24),
            numbers: at(minutes),
            stretches: stretches.collect(),
            crashed: false,
        };
        let chance = crashes(&lived, rng);
        lived.crashed = rng.f64() < chance;
        lived
    };
    (0..chats).map(one).collect()
}

/// A share that is spread evenly over chats.
fn spread_share(number: i64) -> f64 {
    (number * 37 % 101) as f64 / 101.0 * 0.3
}

fn looked(history: &[Lived]) -> Looked {
    match find(history) {
        Report::Looked(looked) => looked,
        not_enough => panic!("{not_enough:?}"),
    }
}

fn confirmed(looked: &Looked) -> Vec<&Opportunity> {
    looked.found.iter().filter(|found| found.standing == Standing::Confirmed).collect()
}

const NULL_RUNS: u64 = 100;
const PLANTED_RUNS: u64 = 20;

#[test]
fn with_little_history_there_is_no_answer_but_how_far_it_is() {
    let few = |chats, crashes| {
        let mut history = made(&mut Rng::with_seed(1), chats, |_, _| 0.0);
        history.iter_mut().take(crashes).for_each(|lived| lived.crashed = true);
        find(&history)
    };
    for (chats, crashes) in [(0, 0), (1, 1), (79, 40), (500, 9)] {
        let wanted = Report::NotEnoughYet {
            chats: chats as u64,
            chats_needed: 80,
            crashes: crashes as u64,
            crashes_needed: 10,
        };
        assert_eq!(few(chats, crashes), wanted);
    }
    assert!(matches!(few(80, 10), Report::Looked(_)));
}

#[test]
fn a_history_with_nothing_in_it_has_hardly_ever_anything_confirmed() {
    let runs = NULL_RUNS;
    let (mut with_any, mut stood_out) = (0, 0);
    for seed in 0..runs {
        let looked = looked(&made(&mut Rng::with_seed(seed), 600, |_, _| 0.12));
        assert!(looked.candidates > 300, "{}", looked.candidates);
        with_any += u64::from(!confirmed(&looked).is_empty());
        stood_out += u64::from(!looked.found.is_empty());
    }
    println!("null: {stood_out} of {runs} histories had something stand out, {with_any} something confirmed");
    // At 5 %, and three standard deviations more.
    let most = 0.05 * runs as f64 + 3.0 * (0.05 * 0.95 * runs as f64).sqrt();
    assert!((with_any as f64) <= most, "{with_any} of {runs}");
}

#[test]
fn crashes_of_long_and_full_chats_are_found_and_confirmed() {
    let runs = PLANTED_RUNS;
    let (mut hit, mut any, mut last) = (0, 0, None);
    for seed in 0..runs {
        let planted = |lived: &Lived, _: &mut Rng| {
            let full = lived.numbers.context_used.unwrap() > 0.8 && lived.numbers.calls.unwrap() > 120.0;
            if full { 0.45 } else { 0.08 }
        };
        let looked = looked(&made(&mut Rng::with_seed(1000 + seed), 900, planted));
        let found = confirmed(&looked).into_iter().find(|found| {
            found.target == Target::Crashes
                && ["of the context", "calls"].iter().all(|word| found.what.contains(word))
        });
        any += u64::from(confirmed(&looked).iter().any(|found| found.target == Target::Crashes));
        hit += u64::from(found.is_some());
        last = found.cloned().or(last);
    }
    let found = last.unwrap();
    println!("planted: confirmed by both its conditions in {hit} of {runs}, by any in {any}; {found:#?}");
    assert!(hit as f64 >= 0.8 * runs as f64 && any as f64 >= 0.95 * runs as f64, "{hit}, {any} of {runs}");
    assert!(found.statement.contains("associated with crashes") && !found.statement.contains("cause"));
    assert!(found.earlier.effect.low.unwrap() > 0.0 && found.q < 0.05);
    assert_eq!(found.proposal.as_ref().unwrap().direction, Direction::Lower);
    assert!(found.worth.as_ref().unwrap().refused.is_none(), "{found:?}");
}

/// What a report says of a knob, and nothing else in it.
fn proposing(looked: &Looked, knob: &str, direction: Direction, value: Option<u64>) -> Looked {
    let mut one = confirmed(looked).into_iter().find(|found| found.worth.is_some()).unwrap().clone();
    one.proposal = Some(Proposal { knob: knob.to_owned(), direction, value });
    one.worth.as_mut().unwrap().refused = None;
    Looked { found: vec![one], ..looked.clone() }
}

#[test]
fn what_is_confirmed_is_tried_step_by_step_and_its_users_word_wins() {
    let history = made(&mut Rng::with_seed(1), 900, |lived, _| {
        let full = lived.numbers.calls > Some(120.0) && lived.numbers.context_used > Some(0.8);
        if full { 0.5 } else { 0.05 }
    });
    let report = looked(&history);
    let now = Timestamp::from_ms(DAY_MS);
    let mut improvement = Improvement::default();
    let told = |improvement: &Improvement, knob: &str, direction, value| {
        let ideas = ideas(&proposing(&report, knob, direction, value), improvement, now);
        ideas.into_iter().map(|idea| (idea.knob, idea.values)).collect::<Vec<_>>()
    };
    let expected = |knob: &str, value: u64| vec![(knob.to_owned(), vec![Value::Whole(value)])];
    // Of 8 calls half is the farthest; a direction alone goes as far.
    let (calls, lower) = ("checkpoints.calls", Direction::Lower);
    assert_eq!(told(&improvement, calls, lower, Some(1)), expected(calls, 4));
    assert_eq!(told(&improvement, calls, lower, Some(6)), expected(calls, 6));
    assert_eq!(told(&improvement, calls, lower, None), expected(calls, 4));
    assert_eq!(told(&improvement, calls, Direction::Raise, None), expected(calls, 16));
    // There already, nobody's to move, or no knob at all.
    assert_eq!(told(&improvement, calls, lower, Some(9)), []);
    assert_eq!(told(&improvement, "signals.sample_seconds", lower, None), []);
    assert_eq!(told(&improvement, "moon.phase", lower, None), []);

    // The loop takes it, and is told it once.
    let found = proposing(&report, calls, lower, None);
    let [idea] = &ideas(&found, &improvement, now)[..] else { panic!() };
    assert!(idea.why.contains("associated with") && idea.worth > 0.0, "{idea:?}");
    assert_eq!(improvement.check(&Event::Idea { idea: idea.clone() }), Ok(()));
    improvement.handle(Event::Idea { idea: idea.clone() }, now);
    assert_eq!(told(&improvement, calls, lower, Some(6)), []);
    // Nor again once it was tried and its user stopped it; another step only after the rest.
    improvement.handle(Event::Start { experiment: 1 }, now);
    improvement.handle(Event::Stop { experiment: 1 }, now);
    assert_eq!(told(&improvement, calls, lower, Some(6)), []);
    let later = Timestamp::from_ms(30 * DAY_MS);
    assert_eq!(ideas(&found, &improvement, later), []);
    assert_eq!(ideas(&proposing(&report, calls, lower, Some(6)), &improvement, later).len(), 1);
    let set = [(calls.to_owned(), Value::Whole(8))].into();
    improvement.handle(Event::Settings { automatic: true, set }, later);
    assert_eq!(ideas(&proposing(&report, calls, lower, Some(6)), &improvement, later), []);

    // What later chats did not show, or what nobody could tell in time, is left.
    let mut unsure = proposing(&report, "checkpoints.minutes", lower, None);
    assert_eq!(ideas(&unsure, &improvement, now).len(), 1);
    unsure.found[0].standing = Standing::NotConfirmed;
    assert_eq!(ideas(&unsure, &improvement, now), []);
    let mut endless = proposing(&report, "checkpoints.minutes", lower, None);
    endless.found[0].worth.as_mut().unwrap().refused = Some("too long".to_owned());
    assert_eq!(ideas(&endless, &improvement, now), []);
}

#[test]
fn a_rate_that_rises_with_memory_is_found_though_most_chats_never_crash() {
    let heavy = |lived: &Lived, _: &mut Rng| {
        if lived.stretches.last().unwrap().numbers.rss_bytes.unwrap() > 3e8 { 0.4 } else { 0.03 }
    };
    let looked = looked(&made(&mut Rng::with_seed(5), 900, heavy));
    let found = confirmed(&looked).into_iter().find(|found| found.kind == Kind::Hazard).unwrap();
    assert!(found.what.contains("MB of memory"), "{found:?}");
    assert!(found.later.unwrap().effect.low.unwrap() > 1.5, "{found:?}");
}

#[test]
fn a_day_since_which_chats_crash_more_is_found_with_the_version_that_came() {
    let mut history =
        made(
            &mut Rng::with_seed(7),
            1500,
            |lived, _| {
                if lived.at.ms() >= (20_000 + 25) * DAY_MS { 0.25 } else { 0.05 }
            },
        );
    for lived in &mut history {
        let new = lived.at.ms() >= (20_000 + 25) * DAY_MS;
        lived.version = Some(if new { "3.0" } else { "2.9" }.to_owned());
        lived.client = Client::Codex;
    }
    let looked = looked(&history);
    let found = confirmed(&looked).into_iter().find(|found| found.kind == Kind::Change).unwrap();
    let day = crate::charts::date(20_025);
    assert_eq!(found.what, format!("since {day} (most chats with Codex 3.0, before with Codex 2.9)"));
    assert!(found.worth.is_none() && found.proposal.is_none());
}

#[test]
fn waits_and_costs_far_above_the_usual_are_told_with_what_they_go_with() {
    let mut rng = Rng::with_seed(9);
    let mut history = made(&mut rng, 600, |_, _| 0.1);
    for lived in &mut history {
        if lived.model.as_deref() == Some("opus") && rng.f64() < 0.3 {
            lived.numbers.latency_seconds = lived.numbers.latency_seconds.map(|seconds| seconds * 60.0);
        }
    }
    let looked = looked(&history);
    let slow = confirmed(&looked).into_iter().find(|found| found.target == Target::Latency).unwrap();
    assert!(slow.what.contains("with opus"), "{slow:?}");
    assert_eq!(looked.far_out.len(), 10);
    assert!(looked.far_out.iter().all(|far| far.target == Target::Latency && far.value > 10.0 * far.usual));
}

#[test]
fn a_number_that_is_not_known_is_no_event_that_did_not_happen() {
    let mut confirmed_in = 0;
    for seed in 0..20 {
        let mut rng = Rng::with_seed(500 + seed);
        let mut history = made(&mut rng, 600, |_, _| 0.12);
        // One client tells no waits; of the other's chats one in ten waits long, whatever else is the case.
        for lived in &mut history {
            let waits = if rng.u8(0..10) == 0 { 400.0 } else { 2.0 + rng.f64() };
            lived.numbers.latency_seconds = (lived.client == Client::Codex).then_some(waits);
        }
        let looked = looked(&history);
        confirmed_in += u32::from(confirmed(&looked).iter().any(|found| found.target == Target::Latency));
    }
    assert!(confirmed_in <= 3, "{confirmed_in} of 20");
}

#[test]
fn the_nile_changes_its_level_where_it_did() {
    let text = include_str!("../../../tests/data/opportunities/nile.csv");
    let values: Vec<f64> =
        text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(values.len(), 100);
    // 1899, the first year below the dam.
    assert_eq!(pelt(&values, 3.0 * variance(&values) * 100.0_f64.ln(), 5), [28]);
    assert_eq!(pelt(&[], 1.0, 5), [0; 0]);
    assert_eq!(pelt(&[1.0; 40], 0.0, 5), [0; 0]);
}

#[test]
fn what_cannot_be_told_in_time_is_refused_with_the_reason() {
    // Half of 37 points, in a tenth of all chats.
    let worth = of_group(0.45, 0.08, 0.1, 0.999);
    assert!(worth.refused.is_none() && worth.chats_needed.unwrap() < 2700, "{worth:?}");
    let worth = of_group(0.12, 0.10, 0.3, 0.9);
    assert_eq!((worth.value, worth.chats_needed.unwrap() > 2700), (0.0, true));
    let why = worth.refused.unwrap();
    assert!(why.starts_with("telling a fall by 1.0 points from 12.0 % takes "), "{why}");
    assert!(why.contains("within 2700 a fall by 5.7 points"), "{why}");
    assert!(of_group(0.02, 0.0, 0.02, 0.9).refused.unwrap().contains("not even a fall to nothing"));
}

/// The least squares over all ways to part the values, by trying them all.
fn least_squares(values: &[f64], penalty: f64, length: usize) -> f64 {
    let squares = |part: &[f64]| {
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        part.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let longer = (length..=values.len().saturating_sub(length))
        .map(|cut| squares(&values[..cut]) + penalty + least_squares(&values[cut..], penalty, length));
    longer.fold(squares(values), f64::min)
}

proptest! {
    #[test]
    fn cuts_are_the_best_there_are(values in prop::collection::vec(0.0..4.0_f64, 1..14), penalty in 0.1..3.0_f64) {
        let cuts = pelt(&values, penalty, 1);
        let ends = cuts.iter().copied().chain([values.len()]);
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let own: f64 = starts.zip(ends).map(|(from, to)| least_squares(&values[from..to], 1e9, values.len())).sum();
        let own = own + penalty * cuts.len() as f64;
        prop_assert!((own - least_squares(&values, penalty, 1)).abs() < 1e-9, "{cuts:?}");
    }

    #[test]
    fn no_history_makes_it_panic_or_say_nothing(
        numbers in prop::collection::vec((any::<f64>(), any::<f64>(), any::<bool>(), 0..400_i64), 80..160),
    ) {
        let history: Vec<_> = numbers.into_iter().map(|(a, b, crashed, day)| {
            let numbers = Numbers {
                calls: Some(a), context_used: Some(b), latency_seconds: Some(a.abs()), cost: Some(b), minutes: Some(a),
                ..Numbers::default()
            };
            Lived {
                at: Timestamp::from_ms(day * DAY_MS), client: Client::Gemini, version: None, model: None, hour: 3,
                numbers, stretches: vec![Stretch { minutes: a, numbers }], crashed,
            }
        }).collect();
        if let Report::Looked(looked) = find(&history) {
            prop_assert!(serde_json::to_string(&looked).is_ok());
            for found in looked.found {
                prop_assert!((0.0..=1.0).contains(&found.q) && (0.0..=1.0).contains(&found.earlier.p), "{found:?}");
            }
        }
    }
}
