//! The seed's zones, row by row.

use super::{Level, Limits, Sign, Source, Zones, risk};
use crate::signals::Signals;

/// Context share, messages, minutes, calls since a checkpoint, failure rate; of twenty calls.
fn signals((context, messages, minutes, calls, failures): (f64, u64, f64, u64, f64)) -> Signals {
    Signals {
        context_used: Some(context),
        messages,
        age_seconds: Some(minutes * 60.0),
        calls_since_checkpoint: calls,
        tool_calls: 20,
        failure_rate: Some(failures),
        ..Signals::default()
    }
}

#[test]
fn levels_are_those_of_the_seeds_zones() {
    use Level::{Danger, Safe, Warning};
    for (row, level, reasons) in [
        ((0.0, 0, 0.0, 0, 0.0), Safe, 0),
        ((0.59, 34, 59.9, 9, 0.14), Safe, 0),
        // One or two warnings are none.
        ((0.60, 34, 59.0, 9, 0.14), Safe, 1),
        ((0.60, 35, 59.0, 9, 0.14), Safe, 2),
        // Three are.
        ((0.60, 35, 60.0, 9, 0.14), Warning, 3),
        ((0.0, 0, 60.0, 10, 0.15), Warning, 3),
        ((0.74, 49, 89.9, 14, 0.19), Warning, 5),
        // One danger is a warning.
        ((0.75, 0, 0.0, 0, 0.0), Warning, 1),
        ((0.0, 50, 0.0, 0, 0.0), Warning, 1),
        ((0.0, 0, 90.0, 0, 0.0), Warning, 1),
        ((0.0, 0, 0.0, 15, 0.0), Warning, 1),
        ((0.0, 0, 0.0, 0, 0.20), Warning, 1),
        ((0.75, 35, 60.0, 10, 0.15), Warning, 5),
        // Two are danger.
        ((0.75, 50, 0.0, 0, 0.0), Danger, 2),
        ((0.0, 0, 90.0, 0, 0.20), Danger, 2),
        ((1.0, 500, 900.0, 150, 1.0), Danger, 5),
    ] {
        let risk = risk(&signals(row), &Zones::default());
        assert_eq!((risk.level, risk.reasons.len()), (level, reasons), "{row:?}: {risk:?}");
        assert!(risk.reasons.is_sorted_by_key(|reason| std::cmp::Reverse(reason.level)), "{risk:?}");
    }
}

#[test]
fn what_is_not_known_lies_in_no_zone() {
    let unknown = Signals { context_used: None, age_seconds: None, failure_rate: None, ..Signals::default() };
    let risk = risk(&unknown, &Zones::default());
    assert_eq!((risk.level, risk.reasons.len()), (Level::Safe, 0));
}

#[test]
fn one_failure_of_few_calls_is_no_zone() {
    let mut of = signals((0.0, 0, 0.0, 0, 1.0));
    of.tool_calls = 9;
    assert!(risk(&of, &Zones::default()).reasons.is_empty());
    of.tool_calls = 10;
    assert_eq!(risk(&of, &Zones::default()).reasons[0].sign, Sign::Failures);
}

#[test]
fn reasons_say_how_much_it_is_and_what_the_limit_was() {
    let risk = risk(&signals((0.761, 36, 95.4, 11, 0.16)), &Zones::default());
    let said: Vec<_> = risk.reasons.iter().map(|reason| (reason.level, reason.text.as_str())).collect();
    assert_eq!(
        said,
        [
            (Level::Danger, "76 % of the context is used (limit 75 %)"),
            (Level::Danger, "it has run for 95 minutes (limit 90)"),
            (Level::Warning, "36 messages since it was started (limit 35)"),
            (Level::Warning, "11 tool calls since the last checkpoint (limit 10)"),
            (Level::Warning, "16 % of the last tool calls failed (limit 15 %)"),
        ]
    );
}

#[test]
fn limits_that_the_user_set_are_the_ones_that_count() {
    let strict = Limits { context_percent: 5, messages: 1, minutes: 1, calls: 1, failures_percent: 1 };
    let zones =
        Zones { warning: strict, danger: Limits { messages: 2, calls: 2, ..Zones::default().danger } };
    assert_eq!(risk(&signals((0.0, 2, 0.0, 2, 0.0)), &zones).level, Level::Danger);
}

#[test]
fn a_probability_of_the_zones_is_marked_as_such_until_one_is_learned() {
    let levels = [(0.0, 0, 0.0, 0, 0.0), (0.75, 0, 0.0, 0, 0.0), (0.75, 50, 0.0, 0, 0.0)];
    let risks = levels.map(|row| risk(&signals(row), &Zones::default()));
    assert!(risks.iter().all(|risk| risk.source == Source::Zones));
    assert!(risks.is_sorted_by_key(|risk| risk.probability), "{risks:?}");
    let learned = risks[0].clone().learned(0.31);
    assert_eq!((learned.level, learned.probability, learned.source), (Level::Safe, 0.31, Source::Model));
}
