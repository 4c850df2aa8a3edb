//! The planner: which reason wins, what waits, and that no sequence of events makes a storm.

use std::time::Duration;

use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_oneof, proptest};
use serde_json::json;

use super::{Due, Effect, Event, News, Planner, Risk};
use crate::{
    checkpoints::{
        Todo, Trigger,
        pace::{Pace, Priority},
    },
    crashes::ToolCall,
    observations::{Call, ToolResult},
    time::Timestamp,
};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn due(trigger: Trigger, also: &[Trigger]) -> Vec<Effect> {
    vec![Effect::Take(Due { trigger, also: also.to_vec(), note: None })]
}

fn bash(id: &str, command: &str) -> Call {
    Call {
        id: id.to_owned(),
        call: ToolCall { tool: "Bash".to_owned(), input: json!({"command": command}) },
        todo: None,
        touches: Vec::new(),
    }
}

fn calls(count: usize) -> News {
    let mut news = News::default();
    (0..count).for_each(|n| news.call(&bash(&n.to_string(), "ls")));
    news
}

fn wanted(planner: &mut Planner, trigger: Trigger, ms: i64) -> Vec<Effect> {
    planner.handle(Event::Wanted(trigger), &Pace::default(), at(ms))
}

fn tick(planner: &mut Planner, ms: i64) -> Vec<Effect> {
    planner.handle(Event::Tick, &Pace::default(), at(ms))
}

#[test]
fn a_reason_that_comes_too_soon_waits_and_is_taken_when_its_gap_has_passed() {
    let mut planner = Planner::default();
    assert_eq!(wanted(&mut planner, Trigger::Turn, 0), due(Trigger::Turn, &[]));
    assert_eq!(wanted(&mut planner, Trigger::Turn, 500), []);
    assert_eq!(wanted(&mut planner, Trigger::SessionEnd, 900), []);
    assert!(!planner.is_at_rest());
    assert_eq!(tick(&mut planner, 1999), []);
    assert_eq!(tick(&mut planner, 2000), due(Trigger::Turn, &[Trigger::SessionEnd]));
    assert_eq!(tick(&mut planner, 9000), []);
    assert!(planner.is_at_rest());
}

#[test]
fn the_weightier_reason_wins_and_names_those_it_takes_along() {
    let mut planner = Planner::default();
    wanted(&mut planner, Trigger::Turn, 0);
    wanted(&mut planner, Trigger::Turn, 10);
    wanted(&mut planner, Trigger::SessionStart, 20);
    assert_eq!(
        wanted(&mut planner, Trigger::Compaction, 30),
        due(Trigger::Compaction, &[Trigger::Turn, Trigger::SessionStart]),
        "a lighter one before it holds up nothing weightier"
    );
    assert_eq!(wanted(&mut planner, Trigger::SessionStart, 10_000), [], "a weightier one holds up a lighter");
}

#[test]
fn the_user_and_a_crash_are_never_held_up() {
    let mut planner = Planner::default();
    for ms in [0, 0, 1, 1, 1] {
        assert_eq!(wanted(&mut planner, Trigger::User, ms), due(Trigger::User, &[]));
        assert_eq!(wanted(&mut planner, Trigger::Crash, ms), due(Trigger::Crash, &[]));
    }
}

#[test]
fn tool_calls_are_counted_from_the_last_checkpoint() {
    let (mut planner, pace) = (Planner::default(), Pace::default());
    let mut grew = |news: &News, ms| planner.handle(Event::Grew { news, todos: &[] }, &pace, at(ms));
    assert_eq!(grew(&calls(7), 0), []);
    assert_eq!(grew(&calls(1), 1), due(Trigger::ToolCalls, &[]));
    assert_eq!(grew(&calls(7), 60_000), []);
    assert_eq!(grew(&calls(200), 60_001), due(Trigger::ToolCalls, &[]), "calls that are not kept count too");
    assert_eq!(planner.calls(), 0);
}

#[test]
fn time_makes_one_due_only_where_something_changed() {
    let (mut planner, pace) = (Planner::default(), Pace::default());
    assert_eq!(tick(&mut planner, 100_000_000), []);
    let news = News::default();
    planner.handle(Event::Grew { news: &news, todos: &[] }, &pace, at(100_000_000));
    assert_eq!(tick(&mut planner, 100_599_999), []);
    assert_eq!(tick(&mut planner, 100_600_000), due(Trigger::Interval, &[]));
    assert_eq!(tick(&mut planner, 200_000_000), [], "nothing changed since");
    let never = Pace { interval: Duration::ZERO, ..pace };
    planner.handle(Event::Grew { news: &news, todos: &[] }, &never, at(200_000_000));
    assert_eq!(planner.handle(Event::Tick, &never, at(900_000_000)), []);
}

#[test]
fn a_risky_call_is_taken_when_it_begins_and_a_commit_when_it_ended_well() {
    let (mut planner, pace) = (Planner::default(), Pace::default());
    let mut handle = |news: &News, ms| planner.handle(Event::Grew { news, todos: &[] }, &pace, at(ms));
    let mut risky = News::default();
    risky.call(&bash("1", "cd x &&\n rm -rf build"));
    let note = Some("cd x && rm -rf build".to_owned());
    assert_eq!(handle(&risky, 0), [Effect::Take(Due { trigger: Trigger::Risky, also: vec![], note })]);
    let mut commit = News::default();
    commit.call(&bash("2", "git commit -m one"));
    commit.call(&bash("3", "git commit -m two"));
    assert_eq!(handle(&commit, 10_000), []);
    let ended = |id: &str, failed| News {
        results: vec![ToolResult { call_id: id.to_owned(), failed }],
        ..News::default()
    };
    assert_eq!(handle(&ended("2", true), 20_000), []);
    let note = Some("git commit -m two".to_owned());
    assert_eq!(
        handle(&ended("3", false), 30_000),
        [Effect::Take(Due { trigger: Trigger::Milestone, also: vec![], note })]
    );
    assert_eq!(handle(&ended("3", false), 40_000), [], "a result that is told twice is one commit");
}

#[test]
fn a_line_of_the_list_that_is_done_is_a_milestone() {
    let (mut planner, pace) = (Planner::default(), Pace::default());
    let list = |done: usize| {
        let each = |n: usize| Todo {
            text: format!("step {n}"),
            status: if n < done { "completed".to_owned() } else { "pending".to_owned() },
        };
        (0..3).map(each).collect::<Vec<_>>()
    };
    let news = News::default();
    let mut grew = |done, ms| planner.handle(Event::Grew { news: &news, todos: &list(done) }, &pace, at(ms));
    assert_eq!(grew(1, 0), [], "what was done before is no news");
    let note = Some("step 1".to_owned());
    assert_eq!(grew(2, 1), [Effect::Take(Due { trigger: Trigger::Milestone, also: vec![], note })]);
    assert_eq!(grew(2, 5000), []);
    assert_eq!(grew(0, 6000), [], "a new list");
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up_for_long() {
    let mut planner = Planner::default();
    wanted(&mut planner, Trigger::Turn, 1_000_000_000);
    assert_eq!(wanted(&mut planner, Trigger::Turn, 5000), []);
    assert_eq!(tick(&mut planner, 7000), due(Trigger::Turn, &[]));
}

#[derive(Clone, Debug)]
enum Step {
    Wanted(usize),
    Risk(bool),
    Calls(usize),
    Command(&'static str),
    Tick,
}

fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => (0..Trigger::ALL.len()).prop_map(Step::Wanted),
        1 => any::<bool>().prop_map(Step::Risk),
        1 => (0_usize..40).prop_map(Step::Calls),
        1 => prop_oneof![Just("rm -rf x"), Just("git commit -m x"), Just("ls")].prop_map(Step::Command),
        1 => Just(Step::Tick),
    ]
    .boxed()
}

fn play(planner: &mut Planner, step: &Step, pace: &Pace, now: Timestamp) -> Vec<Effect> {
    let mut news = News::default();
    let event = match step {
        Step::Wanted(pick) => Event::Wanted(Trigger::ALL[*pick]),
        Step::Risk(danger) => Event::RiskRose(if *danger { Risk::Danger } else { Risk::Warning }),
        Step::Calls(count) => {
            news = calls(*count);
            Event::Grew { news: &news, todos: &[] }
        }
        Step::Command(command) => {
            news.call(&bash("c", command));
            news.result(&ToolResult { call_id: "c".to_owned(), failed: false });
            Event::Grew { news: &news, todos: &[] }
        }
        Step::Tick => Event::Tick,
    };
    planner.handle(event, pace, now)
}

proptest! {
    /// Between two of one weight lies its gap, whatever comes; the clock may also jump back.
    #[test]
    fn no_sequence_of_events_makes_a_storm(
        steps in prop::collection::vec((step(), -20_000_i64..3000), 0..300),
    ) {
        let (mut planner, pace) = (Planner::default(), Pace::default());
        // Time as it truly passes beside what the clock says.
        let (mut passed, mut clock) = (0_i64, 1_000_000_i64);
        let mut taken: Vec<(Priority, i64)> = Vec::new();
        for (step, ms) in &steps {
            passed += (*ms).max(0);
            clock += *ms;
            for Effect::Take(due) in play(&mut planner, step, &pace, at(clock)) {
                taken.push((due.trigger.priority(), passed));
            }
        }
        for (n, (priority, now)) in taken.iter().enumerate() {
            if let Some((_, before)) = taken.iter().take(n).rfind(|(other, _)| other >= priority) {
                let gap = i64::try_from(pace.gap(*priority).as_millis()).unwrap();
                assert!(now - before >= gap, "{priority:?} after {} ms: {taken:?}", now - before);
            }
        }
        let gaps = [Priority::High, Priority::Middle, Priority::Low].map(|p| pace.gap(p).as_millis() as i64);
        let most: i64 = gaps.iter().map(|gap| passed / gap + 1).sum();
        let routine = taken.iter().filter(|(priority, _)| *priority != Priority::Always).count() as i64;
        assert!(routine <= most, "{routine} of at most {most} in {passed} ms");
    }

    /// Each wish of the user and each crash is answered at once, and nothing that was wanted is forgotten.
    #[test]
    fn nothing_that_was_wanted_is_lost(
        steps in prop::collection::vec((step(), 0_i64..3000), 0..200),
    ) {
        let (mut planner, pace) = (Planner::default(), Pace::default());
        let (mut now, mut open) = (0, Vec::new());
        let close = |effects: Vec<Effect>, open: &mut Vec<Trigger>| {
            for Effect::Take(due) in effects {
                assert!(due.also.iter().all(|also| also.weight() <= due.trigger.weight()), "{due:?}");
                open.retain(|trigger| *trigger != due.trigger && !due.also.contains(trigger));
            }
        };
        for (step, ms) in &steps {
            now += ms;
            if let Step::Wanted(pick) = step {
                open.push(Trigger::ALL[*pick]);
            }
            let effects = play(&mut planner, step, &pace, at(now));
            close(effects, &mut open);
            assert!(open.iter().all(|trigger| trigger.priority() != Priority::Always), "{open:?}");
        }
        close(planner.handle(Event::Tick, &pace, at(now + 60_000)), &mut open);
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn a_risky_call_that_waits_has_its_own_at_once_and_no_second_when_the_transcript_tells_of_it() {
    let (mut planner, pace) = (Planner::default(), Pace::default());
    let seen = |planner: &mut Planner, command: &str, ms: i64| {
        let mut news = News::default();
        news.call(&bash("1", command));
        planner.handle(Event::Grew { news: &news, todos: &[] }, &pace, at(ms))
    };
    let of = |also: &[Trigger]| {
        let note = Some("rm -rf a".to_owned());
        vec![Effect::Take(Due { trigger: Trigger::Risky, also: also.to_vec(), note })]
    };
    assert_eq!(planner.handle(Event::Ahead("rm  -rf a"), &pace, at(0)), of(&[]));
    assert_eq!(planner.handle(Event::Ahead("rm  -rf a"), &pace, at(1)), of(&[]), "no gap holds");
    assert_eq!(seen(&mut planner, "rm -rf a", 5000), []);
    assert_eq!(seen(&mut planner, "rm -rf a", 5001), []);
    assert_eq!(tick(&mut planner, 9000), []);
    assert_eq!(seen(&mut planner, "rm -rf a", 9000), of(&[]), "one of which no hook told");
    assert_eq!(wanted(&mut planner, Trigger::Turn, 9001), []);
    assert_eq!(planner.handle(Event::Ahead("rm -rf a"), &pace, at(9002)), of(&[Trigger::Turn]));
}
