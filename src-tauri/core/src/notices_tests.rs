//! When a person is told: at most once a minute of the same, never in quiet hours, and nothing is lost without a word.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{
    Effect, Event, Moment, Notice, NoticeKind, Notices, QuietHours, Rules, TimeOfDay, WAITING_MAX, is_news,
};
use crate::time::Timestamp;

/// Seconds after noon, UTC.
fn at(seconds: i64) -> Moment {
    Moment { now: Timestamp::from_ms((12 * 3600 + seconds) * 1000), offset_seconds: 0 }
}

fn came(kind: NoticeKind, about: &str) -> Event<&'static str> {
    Event::Came(Notice { kind, about: about.to_owned(), number: 1, what: "" })
}

fn crashed(about: &str) -> Event<&'static str> {
    came(NoticeKind::Crashed, about)
}

fn quiet(from: &str, to: &str) -> Rules {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let quiet = QuietHours { from: time(from), to: time(to) };
    Rules { is_quiet_on: true, quiet, ..Rules::default() }
}

/// What is shown, in short.
fn said(effects: &[Effect<&'static str>]) -> Vec<String> {
    let kind = |kind: &NoticeKind| format!("{kind:?}").to_lowercase();
    let say = |effect: &Effect<_>| match effect {
        Effect::Show(notice) => format!("{} {}", kind(&notice.kind), notice.about),
        Effect::ShowMany { kind: of, number } => format!("{number} {}", kind(of)),
        Effect::SumUp(numbers) => {
            let one = |(of, number): (&NoticeKind, &usize)| format!("{number} {}", kind(of));
            format!("sum: {}", numbers.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    };
    effects.iter().map(say).collect()
}

/// What is shown of events at their seconds after noon, looked at each second until the last of `seconds`.
fn shown(seconds: i64, events: &[(i64, Event<&'static str>)]) -> Vec<(i64, String)> {
    let (mut notices, mut shown) = (Notices::default(), Vec::new());
    for second in 0..=seconds {
        let due = events.iter().filter(|(at, _)| *at == second).map(|(_, event)| event.clone());
        for event in due.chain([Event::Passed]) {
            shown.extend(said(&notices.handle(event, at(second))).into_iter().map(|said| (second, said)));
        }
    }
    shown
}

fn check(seconds: i64, events: &[(i64, Event<&'static str>)], expected: &[(i64, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(at, said)| (*at, (*said).to_owned())).collect();
    assert_eq!(shown(seconds, events), expected, "{events:?}");
}

#[test]
fn up_to_three_of_a_kind_are_told_singly_and_more_as_a_number() {
    check(9, &[(0, crashed("a"))], &[(2, "crashed a")]);
    let few = [(0, crashed("a")), (1, crashed("b")), (2, crashed("c"))];
    check(9, &few, &[(2, "crashed a"), (2, "crashed b"), (2, "crashed c")]);
    let many = [(0, crashed("a")), (0, crashed("b")), (1, crashed("c")), (1, crashed("d"))];
    check(9, &many, &[(2, "4 crashed")]);
    let other = [(0, crashed("a")), (0, came(NoticeKind::Limit, "a"))];
    check(9, &other, &[(2, "crashed a"), (2, "limit a")]);
}

#[test]
fn the_same_is_told_once_a_minute_and_the_last_word_is_not_lost() {
    let dying: Vec<_> = (0..12).map(|ten| (ten * 10, crashed("a"))).collect();
    check(200, &dying, &[(2, "crashed a"), (62, "crashed a"), (122, "crashed a")]);
    check(90, &[(0, crashed("a")), (50, crashed("b"))], &[(2, "crashed a"), (52, "crashed b")]);
}

#[test]
fn what_is_known_already_is_not_told() {
    let known = |kind, about: &str| Event::Known { kind, about: about.to_owned() };
    let restored = |about| came(NoticeKind::Restored, about);
    check(9, &[(0, restored("a")), (1, known(NoticeKind::Restored, "a"))], &[]);
    check(9, &[(0, known(NoticeKind::Restored, "a")), (0, restored("b"))], &[(2, "restored b")]);
    check(
        9,
        &[(0, crashed("a")), (0, crashed("b")), (1, restored("a"))],
        &[(2, "crashed b"), (3, "restored a")],
    );
}

#[test]
fn a_kind_that_is_switched_off_is_not_told() {
    let mut rules = Rules::default();
    rules.want(NoticeKind::Crashed, false);
    check(
        9,
        &[(0, Event::Rules(rules.clone())), (1, crashed("a")), (1, came(NoticeKind::Hung, "a"))],
        &[(3, "hung a")],
    );
    check(9, &[(0, crashed("a")), (1, Event::Rules(rules.clone()))], &[]);
    rules.want(NoticeKind::Crashed, true);
    check(9, &[(0, Event::Rules(rules)), (1, crashed("a"))], &[(3, "crashed a")]);
}

#[test]
fn quiet_hours_are_summed_up_when_they_end() {
    let events = [
        (0, crashed("a")),
        (3, Event::Rules(quiet("12:00", "12:05"))),
        (10, crashed("a")),
        (20, crashed("b")),
        (20, crashed("c")),
        (200, crashed("a")),
        (210, came(NoticeKind::Limit, "a")),
    ];
    check(400, &events, &[(2, "crashed a"), (300, "sum: 3 crashed, 1 limit")]);

    let mut off = quiet("12:00", "12:05");
    off.is_quiet_on = false;
    let taken_back = [(0, Event::Rules(quiet("12:00", "12:05"))), (9, crashed("a")), (20, Event::Rules(off))];
    check(400, &taken_back, &[(20, "sum: 1 crashed")]);

    let mut unwanted = quiet("12:00", "12:05");
    let late = [(0, Event::Rules(unwanted.clone())), (9, crashed("a"))];
    unwanted.want(NoticeKind::Crashed, false);
    check(400, &[late.as_slice(), &[(99, Event::Rules(unwanted))]].concat(), &[]);
}

#[test]
fn quiet_hours_go_by_the_users_clock_and_may_cross_midnight() {
    for (from, to, offset_hours, time, is_quiet) in [
        ("22:00", "08:00", 0, "21:59", false),
        ("22:00", "08:00", 0, "22:00", true),
        ("22:00", "08:00", 0, "00:00", true),
        ("22:00", "08:00", 0, "07:59", true),
        ("22:00", "08:00", 0, "08:00", false),
        ("22:00", "08:00", 2, "20:00", true),
        ("22:00", "08:00", 2, "06:00", false),
        ("22:00", "08:00", -5, "03:00", true),
        ("22:00", "08:00", -5, "02:59", false),
        ("12:00", "13:00", 0, "12:59", true),
        ("12:00", "13:00", 0, "13:00", false),
        ("09:00", "09:00", 0, "17:00", true),
    ] {
        let seconds = i64::from(TimeOfDay::parse(time).unwrap().0) * 60;
        let moment = Moment { now: Timestamp::from_ms(seconds * 1000), offset_seconds: offset_hours * 3600 };
        assert_eq!(quiet(from, to).are_quiet(moment), is_quiet, "{time} UTC+{offset_hours}, {from} to {to}");
    }
}

#[test]
fn more_than_can_wait_is_told_as_a_number() {
    let events: Vec<_> = (0..300).map(|chat| (0, crashed(&chat.to_string()))).collect();
    let told = shown(100, &events);
    assert_eq!(told.iter().map(|(_, said)| said.as_str()).collect::<Vec<_>>(), ["300 crashed"]);
}

#[test]
fn one_alone_that_could_not_wait_is_told_too() {
    let mut events: Vec<_> = (0..WAITING_MAX).map(|n| (0, crashed(&n.to_string()))).collect();
    events.push((0, came(NoticeKind::Limit, "a")));
    let told = shown(10, &events);
    assert!(told.iter().any(|(_, said)| said == "1 limit"), "{told:?}");
}

#[test]
fn one_alone_after_many_of_its_kind_waits_no_longer_than_any() {
    let mut notices = Notices::default();
    for n in 0..5 {
        notices.handle(crashed(&n.to_string()), at(0));
    }
    let due = notices.due(at(0)).unwrap();
    assert_eq!(said(&notices.handle(Event::Passed, Moment { now: due, ..at(0) })), ["5 crashed"]);
    notices.handle(crashed("late"), at(10));
    let due = notices.due(at(10)).unwrap();
    assert!(due.since(at(10).now) <= Duration::from_secs(5), "{due:?}");
    assert_eq!(said(&notices.handle(Event::Passed, Moment { now: due, ..at(10) })), ["crashed late"]);
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up() {
    let mut notices = Notices::default();
    notices.handle(crashed("a"), at(0));
    assert_eq!(said(&notices.handle(Event::Passed, at(2))), ["crashed a"]);
    notices.handle(crashed("a"), at(-3600));
    assert_eq!(said(&notices.handle(Event::Passed, at(-3598))), ["crashed a"]);
}

#[test]
fn a_crash_found_late_is_no_news() {
    let now = Timestamp::from_ms(1_000_000_000);
    let ago = |minutes: i64| Timestamp::from_ms(now.ms() - minutes * 60_000);
    for (seen_live, happened_at, news) in
        [(true, ago(60), true), (false, ago(10), true), (false, ago(11), false)]
    {
        assert_eq!(is_news(seen_live, happened_at, now), news, "{happened_at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Looked at when the machine asks for it, whatever comes: never two of the same within a minute, nothing in quiet
    /// hours, and each thing that came is told, or counted, or was switched off.
    #[test]
    fn whatever_comes_is_told_once_a_minute_and_not_in_quiet_hours(
        steps in proptest::collection::vec((0_i64..40, 0_usize..10, 0_u8..6, 0_u8..20), 1..200),
        from in 0_u16..1440, to in 0_u16..1440, offset_seconds in -50_000_i32..50_000,
    ) {
        let (mut notices, mut second) = (Notices::default(), 0);
        let mut rules = Rules { quiet: QuietHours { from: TimeOfDay(from), to: TimeOfDay(to) }, ..Rules::default() };
        let mut told: BTreeMap<String, Timestamp> = BTreeMap::new();
        for (wait, kind, about, what) in steps {
            let until = second + wait;
            while let Some(due) = notices.due(at(second)).filter(|due| *due < at(until).now) {
                second = (second + 1).max((due.ms() + 999) / 1000 - 12 * 3600);
                let moment = Moment { offset_seconds, ..at(second) };
                let effects = notices.handle(Event::Passed, moment);
                hold(&rules, moment, &effects, &mut told)?;
            }
            second = second.max(until);
            let event = if what == 0 {
                rules.is_quiet_on = !rules.is_quiet_on;
                Event::Rules(rules.clone())
            } else {
                came(NoticeKind::ALL[kind], &about.to_string())
            };
            let moment = Moment { offset_seconds, ..at(second) };
            let effects = notices.handle(event, moment);
            hold(&rules, moment, &effects, &mut told)?;
        }
        // In the end all that still waits is told.
        rules.is_quiet_on = false;
        notices.handle(Event::Rules(rules), Moment { offset_seconds, ..at(second) });
        for minute in 1..=4 {
            notices.handle(Event::Passed, Moment { offset_seconds, ..at(second + minute * 61) });
        }
        prop_assert!(notices.waiting.is_empty() && notices.kept_quiet.numbers.is_empty(), "{notices:?}");
        prop_assert_eq!(notices.due(at(second + 300)), None);
    }
}

fn hold(
    rules: &Rules,
    moment: Moment,
    effects: &[Effect<&'static str>],
    told: &mut BTreeMap<String, Timestamp>,
) -> Result<(), TestCaseError> {
    prop_assert!(effects.is_empty() || !rules.are_quiet(moment), "{effects:?} in quiet hours");
    for effect in effects {
        let name = match effect {
            Effect::Show(notice) => format!("{:?} {}", notice.kind, notice.about),
            Effect::ShowMany { kind, .. } => format!("many {kind:?}"),
            Effect::SumUp(_) => "sum".to_owned(),
        };
        if let Some(before) = told.insert(name.clone(), moment.now) {
            prop_assert!(moment.now.since(before) >= Duration::from_secs(60), "{name} twice within a minute");
        }
    }
    Ok(())
}
