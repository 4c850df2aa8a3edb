//! Figures against other programs on the same numbers, and what is told with too little behind it.

use proptest::prelude::*;

use super::{Forecast, NotEnough, Outcome, Said, Share, by_chance, outcome, score, score_alarms, windows};
use crate::{prediction::model::HORIZON, time::Timestamp};

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_ms(minute * 60_000)
}

fn forecast(process: u32, probability: f64, crashed: bool) -> Forecast {
    let outcome = if crashed { Outcome::Crashed } else { Outcome::Survived };
    Forecast { process, at: minute(0), probability, outcome }
}

/// Two hundred windows by a rule that another program can follow.
fn made() -> Vec<Forecast> {
    let one = |n: u32| {
        let p = f64::from(n * 37 % 100) / 100.0;
        forecast(n, p, f64::from((n * n * 7 + n) % 11) < p * 6.0)
    };
    (0..200).map(one).collect()
}

#[track_caller]
fn near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-12 * (1.0 + wanted.abs()), "{found} is not {wanted}");
}

#[test]
fn figures_are_those_of_scikit_learn() {
    let found = score(&made()).unwrap();
    assert_eq!((found.windows, found.crashes), (200, 55));
    // scikit-learn 1.9.1: brier_score_loss, average_precision_score.
    near(found.brier, 0.28135);
    near(found.average_precision, 0.46252194892850307);
    near(found.base_rate, 0.275);
    near(found.brier_skill, 1.0 - 0.28135 / (0.275 * 0.725));
    near(found.accuracy_of_never, 0.725);
    assert!(found.crash_prediction_accuracy < found.accuracy_of_never, "{found:?}");
}

#[test]
fn intervals_are_those_of_statsmodels() {
    // statsmodels 0.15.0: proportion_confint(method="wilson").
    for (count, of, low, high) in [
        (0, 10, 0.0, 0.27753279986288926),
        (3, 20, 0.052368745896216595, 0.36041886474075696),
        (20, 20, 0.8388748419471804, 1.0),
        (7, 100, 0.03431926106727266, 0.13749514739073504),
    ] {
        let share = Share::new(count, of);
        assert!((share.low - low).abs() < 1e-9 && (share.high - high).abs() < 1e-9, "{share:?}");
    }
    assert_eq!((Share::new(0, 0).low, Share::new(0, 0).high), (0.0, 1.0));
}

#[test]
fn chance_is_that_of_scipy() {
    // scipy 1.17.1: ttest_1samp(alternative="greater").
    assert!((by_chance(&[0.3, -0.1, 0.5, 0.9, 0.05, -0.2]) - 0.10551968707166835).abs() < 1e-9);
    for nothing in [&[][..], &[1.0], &[0.0, 0.0], &[f64::NAN, 1.0, 2.0]] {
        assert_eq!(by_chance(nothing), 1.0);
    }
}

#[test]
fn with_too_little_behind_it_there_is_no_figure() {
    let few: Vec<_> = (0..99).map(|n| forecast(n, 0.1, n < 10)).collect();
    assert_eq!(
        score(&few),
        Err(NotEnough { windows: 99, windows_needed: 100, crashes: 10, crashes_needed: 5 })
    );
    assert!(score(&[]).is_err());
    let no_crash: Vec<_> = (0..500).map(|n| forecast(n, 0.1, n < 4)).collect();
    assert_eq!(score(&no_crash).unwrap_err().crashes, 4);
    let only_crashes: Vec<_> = (0..500).map(|n| forecast(n, 0.1, true)).collect();
    assert!(score(&only_crashes).is_err());
    let alarms = score_alarms(&[], &[], 0);
    assert_eq!(
        (alarms.false_alarms_a_day, alarms.foretold, alarms.lead_seconds, alarms.acted, alarms.held_out),
        (None, None, None, None, None)
    );
}

#[test]
fn always_saying_the_base_rate_has_no_skill_and_saying_what_happens_has_all() {
    let happened = |n: u32| n.is_multiple_of(10);
    let flat: Vec<_> = (0..200).map(|n| forecast(n, 0.1, happened(n))).collect();
    let found = score(&flat).unwrap();
    near(found.brier_skill, 0.0);
    near(found.average_precision, 0.1);
    let knowing: Vec<_> =
        (0..200).map(|n| forecast(n, if happened(n) { 1.0 } else { 0.0 }, happened(n))).collect();
    let found = score(&knowing).unwrap();
    near(found.brier_skill, 1.0);
    near(found.average_precision, 1.0);
    near(found.crash_prediction_accuracy, 1.0);
}

#[test]
fn each_stretch_of_a_horizon_counts_once() {
    let at = |process, at| Forecast { process, at: minute(at), probability: 0.2, outcome: Outcome::Survived };
    let censored = Forecast { outcome: Outcome::Censored, ..at(1, 60) };
    let minutes = [(1, 3), (1, 0), (1, 59), (1, 61), (1, 120), (1, 121), (2, 5), (2, 6)];
    let mut all: Vec<_> = minutes.map(|(process, minute)| at(process, minute)).to_vec();
    all.push(censored);
    let kept: Vec<_> = windows(all).iter().map(|f| (f.process, f.at.ms() / 60_000)).collect();
    assert_eq!(kept, [(1, 0), (1, 61), (1, 121), (2, 5)]);
}

#[test]
fn what_came_of_a_prediction_is_told_only_where_it_can_be() {
    let at = minute(100);
    for (crashed, watched, wanted) in [
        (Some(110), true, Outcome::Crashed),
        // It was found later.
        (Some(160), false, Outcome::Crashed),
        (Some(161), true, Outcome::Survived),
        (None, true, Outcome::Survived),
        (None, false, Outcome::Censored),
        (Some(300), false, Outcome::Censored),
        // It was dead already.
        (Some(99), true, Outcome::Censored),
    ] {
        assert_eq!(outcome(at, crashed.map(minute), watched), wanted, "{crashed:?} {watched}");
    }
}

#[test]
fn alarms_are_told_by_their_crashes() {
    let said = |process, at, acted, outcome| Said { process, at: minute(at), acted, outcome: Some(outcome) };
    let mut alarms = vec![
        said(0, 10, true, Outcome::Crashed),
        // The second in one stretch does not shorten the lead.
        said(0, 20, true, Outcome::Crashed),
        said(1, 10, true, Outcome::Crashed),
        Said { outcome: None, ..said(9, 5, true, Outcome::Crashed) },
    ];
    alarms.extend((0..30).map(|n| said(100 + n, 50, n >= 20, Outcome::Survived)));
    let crashes: Vec<_> =
        [(0, 22), (1, 14), (2, 40), (3, 40), (4, 40), (5, 40)].map(|(p, at)| (p, minute(at))).to_vec();
    let found = score_alarms(&alarms, &crashes, 3 * 24 * 60);
    assert_eq!((found.alarms, found.false_alarms), (34, 30));
    assert_eq!(found.false_alarms_a_day, Some(10.0));
    let foretold = found.foretold.unwrap();
    assert_eq!((foretold.count, foretold.of), (2, 6));
    assert_eq!(found.lead_seconds, Some((12.0 + 4.0) / 2.0 * 60.0));
    assert_eq!(found.held_out.map(|share| (share.count, share.of)), Some((0, 20)));
    assert_eq!(found.acted, None);
}

proptest! {
    #[test]
    fn figures_are_numbers_and_bins_hold_every_window(
        made in prop::collection::vec((0..50_u32, 0..6000_i64, -0.5..1.5_f64, 0..3_usize), 0..400),
    ) {
        let forecasts = made.into_iter().map(|(process, at, probability, outcome)| Forecast {
            process, at: minute(at), probability: probability.clamp(0.0, 1.0), outcome: Outcome::ALL[outcome],
        });
        let windows = windows(forecasts.collect());
        for pair in windows.windows(2) {
            prop_assert!(pair[0].process != pair[1].process || pair[1].at.since(pair[0].at) >= HORIZON);
        }
        if let Ok(found) = score(&windows) {
            prop_assert_eq!(found.calibration.iter().map(|bin| bin.windows).sum::<u64>(), found.windows);
            prop_assert_eq!(found.calibration.iter().map(|bin| bin.observed.count).sum::<u64>(), found.crashes);
            for bin in &found.calibration {
                let (share, mean) = (bin.observed, bin.predicted);
                prop_assert!(0.0 <= share.low && share.low <= share.share && share.share <= share.high);
                prop_assert!(share.high <= 1.0 && mean >= bin.from - 1e-9 && mean <= bin.to + 1e-9);
            }
            for share in [found.brier, found.average_precision, found.crash_prediction_accuracy] {
                prop_assert!((0.0..=1.0).contains(&share), "{}", share);
            }
            prop_assert!(found.brier_skill.is_finite() && found.brier_skill <= 1.0);
        }
    }

    #[test]
    fn chance_is_a_probability(values in prop::collection::vec(any::<f64>(), 0..30)) {
        prop_assert!((0.0..=1.0).contains(&by_chance(&values)));
    }

    #[test]
    fn a_crash_within_the_horizon_and_nothing_else_is_one(
        at in 0..100_i64, crash in 0..300_i64, watched in any::<bool>(),
    ) {
        let found = outcome(minute(at), Some(minute(crash)), watched);
        let inside = crash > at && minute(crash).since(minute(at)) <= HORIZON;
        prop_assert_eq!(found == Outcome::Crashed, inside);
        prop_assert!(found != Outcome::Survived || watched);
    }
}
