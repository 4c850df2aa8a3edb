//! Learning from made histories: what is in them is found, and what is not in them is not.

use std::time::Duration;

use fastrand::Rng;

use super::{
    CRASHES_NEEDED, Example, History, ROWS_MAX, Rival, Trained, Verdict, fitted, is_outdone, lives, split,
    train,
};
use crate::{
    chats::Client,
    prediction::{
        features::{Numbers, WIDTH, names},
        hazard::{Link, probability},
        model::cold_start,
    },
    signals::Signals,
    time::Timestamp,
};

/// Normal, near enough: mean 0, variance 1.
fn normal(dice: &mut Rng) -> f64 {
    (0..12).map(|_| dice.f64()).sum::<f64>() - 6.0
}

fn place(name: &str) -> usize {
    names().position(|known| known == name).unwrap()
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_ms(minute * 60_000)
}

/// What is true in a made world: the log of the hazard per minute, as coefficients by name.
type Truth<'a> = &'a [(&'a str, f64)];

/// Processes one after the other, each for up to two hours, their numbers drifting around their own level.
fn history(seed: u64, processes: u32, truth: Truth<'_>) -> Vec<Example> {
    let (mut dice, mut history) = (Rng::with_seed(seed), History::default());
    let mut coefficients = vec![0.0; WIDTH];
    for (name, value) in truth {
        coefficients[place(name)] = *value;
    }
    for process in 0..processes {
        let start = i64::from(process) * 50;
        // What a chat is changes slowly; what is read of it wavers.
        let own: Vec<_> = (0..WIDTH).map(|_| normal(&mut dice)).collect();
        let (mut moments, mut crashed) = (Vec::new(), None);
        for at in 0..120 {
            let mut numbers = [0.0_f32; WIDTH];
            for (number, own) in numbers.iter_mut().zip(&own) {
                *number = (0.97 * own + 0.25 * normal(&mut dice)).clamp(-4.0, 4.0) as f32;
            }
            numbers[0] = 1.0;
            numbers[1] = if own[1] > 0.5 { 1.0 } else { 0.0 };
            numbers[2] = if own[1] > 1.2 { 1.0 } else { 0.0 };
            let numbers = Numbers(numbers);
            moments.push((minute(start + at), numbers));
            if dice.f64() < probability(Link::Cloglog, numbers.times(&coefficients)) {
                crashed = Some(minute(start + at).plus(Duration::from_secs(30)));
                break;
            }
        }
        history.add(process, moments, crashed);
    }
    history.examples()
}

fn trained(examples: &[Example]) -> Trained {
    train(Client::ClaudeCode, examples, minute(1_000_000), &|| true)
}

/// A short life and no reason for it: as many crashes as in a long history, in fewer rows.
const NOISE: Truth<'static> = &[("constant", -2.8)];

const KNOWN: Truth<'static> =
    &[("constant", -6.0), ("rss_slope", 1.1), ("age_minutes", 0.7), ("latency", -0.5), ("context_used", 0.6)];

#[test]
fn a_known_hazard_is_found_and_beats_its_rivals_on_later_history() {
    let examples = history(7, 400, KNOWN);
    let Trained { model, verdict } = trained(&examples);
    assert_eq!(verdict, Verdict::Taken);
    let model = model.unwrap();
    let values = model.values().unwrap();
    for (name, truth) in KNOWN {
        let found = values[place(name)];
        assert!((found - truth).abs() < 0.35, "{name} is {truth}, found {found}");
    }
    for (name, found) in names().zip(&values) {
        let told = KNOWN.iter().any(|(known, _)| *known == name) || name.starts_with("zone");
        assert!(told || found.abs() < 0.4, "{name} has nothing to do with it, found {found}");
    }
    let held_out = model.held_out.unwrap();
    assert!(held_out.brier_skill > 0.05, "{held_out:?}");
    assert!(held_out.average_precision > 1.5 * held_out.base_rate, "{held_out:?}");
}

#[test]
fn what_is_noise_is_not_taken_into_use() {
    let mut taken = Vec::new();
    for seed in 0..100 {
        let examples = history(seed, 45, NOISE);
        let Trained { verdict, .. } = trained(&examples);
        assert!(!matches!(verdict, Verdict::NotEnough { .. } | Verdict::Failed { .. }), "{verdict:?}");
        if verdict == Verdict::Taken {
            taken.push(seed);
        }
    }
    assert!(taken.len() <= 5, "taken into use: {taken:?}");
}

#[test]
fn where_the_zones_are_right_they_stay() {
    let zones: Vec<_> = names().zip(cold_start()).collect();
    let mut zones: Vec<_> = zones.into_iter().filter(|(_, value)| *value != 0.0).collect();
    zones[0].1 = -6.0;
    let taken = (0..10).filter(|seed| trained(&history(*seed, 60, &zones)).verdict == Verdict::Taken).count();
    assert!(taken <= 2, "{taken} of 10 were taken for better than the truth");
}

#[test]
fn little_history_teaches_nothing_and_says_so() {
    let examples = history(3, 4, &[("constant", -4.0)]);
    let crashes = examples.iter().filter(|example| example.crashed).count() as u64;
    assert!(crashes < CRASHES_NEEDED);
    let wanted = Trained { model: None, verdict: Verdict::NotEnough { crashes, needed: CRASHES_NEEDED } };
    assert_eq!(trained(&examples), wanted);
    assert_eq!(trained(&[]).verdict, Verdict::NotEnough { crashes: 0, needed: CRASHES_NEEDED });
}

#[test]
fn without_history_a_fit_is_the_cold_start_and_a_little_moves_it_little() {
    let cold = cold_start();
    assert_eq!(fitted(&[], 32.0, &|| true).unwrap().coefficients, cold);
    let few = history(5, 3, KNOWN);
    let found = fitted(&few, 512.0, &|| true).unwrap().coefficients;
    for ((name, found), cold) in names().zip(found).zip(cold).skip(1) {
        assert!((found - cold).abs() < 0.2, "{name}: {found} from {cold}");
    }
}

#[test]
fn a_model_that_the_zones_outdo_is_found_out() {
    let truth: Truth<'_> = &[("constant", -5.0), ("zone_warning", 1.5), ("zone_danger", 1.0)];
    let later = history(11, 40, truth);
    let mut model = trained(&history(12, 60, truth)).model.unwrap();
    model.trained_at = minute(-1);
    assert!(!is_outdone(&model, &later));
    // It swears by what has nothing to do with it.
    for coefficient in model.coefficients.iter_mut().filter(|c| c.name == "latency" || c.name == "cpu") {
        coefficient.value = 2.5;
    }
    assert!(is_outdone(&model, &later));
    model.trained_at = minute(10_000_000);
    assert!(!is_outdone(&model, &later), "nothing came after it");
    model.coefficients.pop();
    assert!(is_outdone(&model, &later), "it knows other numbers");
}

#[test]
fn a_training_that_is_stopped_gives_no_model() {
    let examples = history(1, 60, &[("constant", -4.2)]);
    let stopped = train(Client::Codex, &examples, minute(0), &|| false);
    assert!(stopped.model.is_none() && matches!(stopped.verdict, Verdict::Failed { .. }), "{stopped:?}");
}

#[test]
fn later_history_is_later() {
    let examples = history(2, 60, &[("constant", -4.2)]);
    let (earlier, later) = split(&examples);
    assert!(earlier.last().unwrap().at <= later[0].at);
    let count = |part: &[Example]| part.iter().filter(|example| example.crashed).count();
    assert!(count(earlier) > 2 * count(later) && count(later) >= 6, "{} {}", count(earlier), count(later));
}

#[test]
fn rows_are_the_minutes_up_to_the_crash() {
    let numbers = Numbers([0.0; WIDTH]);
    let seconds = |s: i64| Timestamp::from_ms(s * 1000);
    let rows = |moments: &[i64], crashed: Option<i64>| -> Vec<(i64, f32, bool)> {
        let mut history = History::default();
        history.add(0, moments.iter().map(|at| (seconds(*at), numbers)), crashed.map(seconds));
        history.examples().iter().map(|e| (e.at.ms() / 1000, e.minutes, e.crashed)).collect()
    };
    let calm = [(0, 1.0, false), (60, 1.0, false)];
    assert_eq!(rows(&[0, 15, 30, 60, 75, 120], None), calm);
    assert_eq!(rows(&[0, 60, 120], Some(150)), [calm[0], calm[1], (120, 0.5, true)]);
    // Readings went on after it hung.
    assert_eq!(rows(&[0, 60, 120, 180, 240], Some(150)), [calm[0], calm[1], (120, 0.5, true)]);
    // A gap stands for no more than a look, and a crash long after the last look teaches nothing.
    assert_eq!(rows(&[0, 36_000], Some(72_000)), [(0, 2.5, false)]);
    assert_eq!(rows(&[], Some(5)), []);
}

#[test]
fn a_younger_process_is_another_life() {
    let row = |at: i64, age: Option<f64>| Signals { at: minute(at), age_seconds: age, ..Signals::default() };
    let ages = |rows: Vec<Signals>| lives(rows).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(ages(vec![]), [0; 0]);
    let known = vec![row(0, Some(60.0)), row(1, Some(121.0)), row(3, Some(5.0)), row(500, Some(29_825.0))];
    assert_eq!(ages(known), [2, 2]);
    let unknown = vec![row(0, None), row(5, None), row(30, None), row(31, Some(1.0))];
    assert_eq!(ages(unknown), [2, 2]);
}

#[test]
fn a_long_history_is_thinned_and_stands_for_as_much() {
    let mut history = History::default();
    let moments = 900;
    for process in 0..100 {
        let at = |n: i64| minute(i64::from(process) * 1000 + n);
        let crashed = (process % 10 == 0).then(|| at(moments).plus(Duration::from_secs(20)));
        history.add(process, (0..=moments).map(|n| (at(n), Numbers([0.0; WIDTH]))), crashed);
    }
    let examples = history.examples();
    assert!(examples.len() <= ROWS_MAX, "{}", examples.len());
    assert_eq!(examples.iter().filter(|example| example.crashed).count(), 10);
    let stands_for: f32 = examples.iter().filter(|e| !e.crashed).map(|e| e.weight).sum();
    assert!((stands_for - 90_000.0).abs() < 100.0, "{stands_for}");
}

#[test]
fn what_it_is_not_better_than_is_said() {
    let Verdict::NotBetter { than, gain, by_chance } = trained(&history(0, 45, NOISE)).verdict else {
        panic!("seed 0 is one of those not taken")
    };
    assert_eq!(than, Rival::BaseRate);
    assert!(gain.is_finite() && (0.0..=1.0).contains(&by_chance));
}
