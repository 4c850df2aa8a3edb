//! The loop: what is tried when, what rests, and that its user's word wins.

use super::*;
use crate::{
    chats::Client,
    experiments::audit::{Audited, Entry, replay},
    experiments::outcomes::Checkpoints,
};

const DAY_MS: i64 = 86_400_000;

fn chat(n: usize) -> ChatId {
    ChatId::new(Client::Codex, &format!("{n}"))
}

fn idea(knob: &str, value: u64, from: From, worth: f64) -> Idea {
    let metric = Metric::Crash;
    Idea {
        knob: knob.to_owned(),
        values: vec![Value::Whole(value)],
        metric,
        why: "hope".to_owned(),
        from,
        worth,
    }
}

fn settings(automatic: bool, set: &[(&str, u64)]) -> Event {
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), Value::Whole(*value))).collect();
    Event::Settings { automatic, set }
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_ms(day * DAY_MS)
}

fn running(improvement: &Improvement) -> Vec<&str> {
    let open = improvement.experiments().filter(|experiment| experiment.state.is_open());
    open.map(|experiment| experiment.plan.knob.as_str()).collect()
}

#[test]
fn nothing_is_tried_unless_it_may_be() {
    let mut loop_ = Improvement::default();
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::Opportunity, 1.0) }, at(0));
    assert_eq!(running(&loop_), Vec::<&str>::new());
    loop_.handle(settings(true, &[]), at(0));
    assert_eq!(running(&loop_), ["checkpoints.calls"]);
}

#[test]
fn the_user_comes_first_then_what_promises_most_and_a_knob_has_one_at_a_time() {
    let mut loop_ = Improvement::default();
    for idea in [
        idea("checkpoints.calls", 4, From::Opportunity, 0.5),
        idea("checkpoints.minutes", 5, From::Opportunity, 0.9),
        idea("risk.warning.calls", 5, From::User, 0.0),
        idea("risk.warning.calls", 7, From::Opportunity, 5.0),
        idea("risk.warning.minutes", 50, From::Opportunity, 0.7),
    ] {
        loop_.handle(Event::Idea { idea }, at(0));
    }
    loop_.handle(settings(true, &[]), at(0));
    assert_eq!(running(&loop_), ["checkpoints.minutes", "risk.warning.calls", "risk.warning.minutes"]);
    let effects = loop_.handle(Event::Stop { experiment: 3 }, at(1));
    // The knob rests; the next idea of another begins.
    assert_eq!(running(&loop_), ["checkpoints.calls", "checkpoints.minutes", "risk.warning.minutes"]);
    assert_eq!(effects.len(), 2);
    loop_.handle(Event::Stop { experiment: 1 }, at(2));
    assert_eq!(running(&loop_).len(), 2);
    loop_.handle(Event::Tick, at(3));
    assert_eq!(running(&loop_).len(), 2);
    loop_.handle(Event::Tick, at(4));
    assert!(running(&loop_).contains(&"risk.warning.calls"), "rested since day 1");
}

#[test]
fn a_users_own_value_ends_the_experiment_and_holds() {
    let mut loop_ = Improvement::default();
    loop_.handle(settings(true, &[]), at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Came { chat: chat(1), risk: None, held: Held::default() }, at(0));
    let effects = loop_.handle(settings(true, &[("checkpoints.calls", 6)]), at(1));
    let State::Stopped { why, holds: 0, .. } = &loop_.experiment(1).unwrap().state else { panic!() };
    assert_eq!(why, "its user set `checkpoints.calls` in config.toml");
    assert_eq!(effects.len(), 1);
    assert_eq!(loop_.value("checkpoints.calls"), Value::Whole(6));
    assert_eq!(loop_.changes_for(&chat(1)), BTreeMap::new());
    let again = Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) };
    loop_.handle(again, at(9));
    assert_eq!(
        loop_.check(&Event::Start { experiment: 2 }),
        Err(Unheard::Set("checkpoints.calls".to_owned()))
    );
}

#[test]
fn what_cannot_be_tried_is_refused_with_the_reason() {
    let loop_ = Improvement::default();
    let why = |idea: Idea| loop_.check(&Event::Idea { idea }).unwrap_err().to_string();
    assert!(why(idea("moon.phase", 1, From::User, 0.0)).starts_with("there is no knob `moon.phase`"));
    assert!(why(idea("checkpoints.calls", 63, From::User, 0.0)).starts_with("that is too far from 8"));
    assert!(why(idea("signals.sample_seconds", 6, From::User, 0.0)).contains("whole engine"));
    let mut twice = idea("checkpoints.calls", 4, From::User, 0.0);
    twice.values.push(Value::Whole(4));
    assert!(why(twice).contains("all different"));
    let mut useless = idea("checkpoints.calls", 4, From::User, 0.0);
    useless.metric = Metric::TokensPerTurn;
    assert!(why(useless).contains("can do nothing for tokens_per_turn"));
    assert_eq!(loop_.check(&Event::Stop { experiment: 3 }), Err(Unheard::NoExperiment(3)));
}

#[test]
fn a_pinned_value_holds_until_it_is_taken_back() {
    let mut loop_ = Improvement::default();
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Start { experiment: 1 }, at(0));
    loop_.handle(Event::Pin { experiment: 1, arm: 1 }, at(0));
    assert_eq!(loop_.value("checkpoints.calls"), Value::Whole(4));
    let held = BTreeMap::from([("checkpoints.calls", &Value::Whole(4))]);
    assert_eq!(loop_.changes_for(&chat(5)), held);
    // Nothing is tried on it, by nobody and after no rest, until it is taken back.
    loop_.handle(settings(true, &[]), at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 2, From::Opportunity, 0.0) }, at(5));
    loop_.handle(Event::Tick, at(50));
    assert_eq!(running(&loop_), Vec::<&str>::new());
    let refused = loop_.check(&Event::Start { experiment: 2 }).unwrap_err().to_string();
    assert_eq!(refused, "`checkpoints.calls` is pinned by its user: undo experiment 1 first");
    loop_.handle(Event::Undo { experiment: 1 }, at(50));
    assert_eq!(loop_.value("checkpoints.calls"), Value::Whole(8));
    assert!(loop_.check(&Event::Undo { experiment: 1 }).is_err());
}

#[test]
fn the_old_value_is_pinned_over_whatever_is_tried() {
    let mut loop_ = Improvement::default();
    for (id, value) in [(1, 4), (2, 5)] {
        loop_.handle(Event::Idea { idea: idea("checkpoints.calls", value, From::User, 0.0) }, at(0));
        loop_.handle(Event::Start { experiment: id }, at(0));
        if id == 1 {
            loop_.handle(Event::Stop { experiment: 1 }, at(0));
        }
    }
    (0..40).for_each(|n| {
        drop(loop_.handle(Event::Came { chat: chat(n), risk: None, held: Held::default() }, at(1)))
    });
    assert!((0..40).any(|n| !loop_.changes_for(&chat(n)).is_empty()));
    // Of the first experiment, while the second is open.
    let effects = loop_.handle(Event::Pin { experiment: 1, arm: 0 }, at(1));
    assert_eq!(effects.last().unwrap().decided.what, What::Stopped { holds: 0 });
    assert_eq!(running(&loop_), Vec::<&str>::new());
    assert!((0..40).all(|n| loop_.changes_for(&chat(n)).values().all(|value| **value == Value::Whole(8))));
    loop_.handle(Event::Undo { experiment: 1 }, at(2));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 6, From::User, 0.0) }, at(2));
    assert_eq!(loop_.check(&Event::Start { experiment: 3 }), Ok(()));
}

#[test]
fn a_chat_keeps_the_value_that_its_user_gave_it_through_all_that_is_tried_later() {
    let mut loop_ = Improvement::default();
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Start { experiment: 1 }, at(0));
    (0..50).for_each(|n| drop(loop_.handle(Event::Override { experiment: 1, chat: chat(n), arm: 0 }, at(0))));
    loop_.handle(Event::Stop { experiment: 1 }, at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 5, From::User, 0.0) }, at(0));
    loop_.handle(Event::Start { experiment: 2 }, at(0));
    (0..90).for_each(|n| {
        drop(loop_.handle(Event::Came { chat: chat(n), risk: None, held: Held::default() }, at(1)))
    });
    let value = |loop_: &Improvement, n| {
        loop_.changes_for(&chat(n)).get("checkpoints.calls").map(|value| (*value).clone())
    };
    assert!((0..50).all(|n| value(&loop_, n) == Some(Value::Whole(8)) && !loop_.experiment(2).unwrap().has(&chat(n))));
    assert!((50..90).all(|n| loop_.experiment(2).unwrap().has(&chat(n))));
    // Until that is taken back as well.
    loop_.handle(Event::Undo { experiment: 1 }, at(2));
    loop_.handle(Event::Came { chat: chat(3), risk: None, held: Held::default() }, at(2));
    assert!(loop_.experiment(2).unwrap().has(&chat(3)));
}

#[test]
fn checkpoints_of_those_that_keep_the_old_value_are_known_to_what_comes_next() {
    let mut loop_ = Improvement::default();
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Start { experiment: 1 }, at(0));
    let mut old = 0;
    for n in 0..60 {
        loop_.handle(Event::Came { chat: chat(n), risk: None, held: Held::default() }, at(1));
        old += u32::from(loop_.experiment(1).unwrap().arm(&chat(n)) == 0);
        for measure in [
            Measure::Checkpoints(Checkpoints { count: 1, slow: 1, micros: 150_000 }),
            Measure::Ended { crashed: false, held: Held::default(), unsaved_calls: 0 },
        ] {
            loop_.handle(Event::Measured { chat: chat(n), measure }, at(1));
        }
    }
    assert!(old > 20);
    assert_eq!(loop_.before[&Metric::SlowCheckpoints], Tally { n: f64::from(old), sum: f64::from(old) });
    // Brought back, a chat ends again, and is none more.
    let again = Measure::Ended { crashed: true, held: Held::default(), unsaved_calls: 0 };
    loop_.handle(Event::Measured { chat: chat(0), measure: again }, at(2));
    assert_eq!(loop_.before[&Metric::Crash], Tally { n: f64::from(old), sum: 0.0 });
}

#[test]
fn what_is_compared_with_a_value_that_is_taken_back_ends() {
    let mut loop_ = Improvement::default();
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Pin { experiment: 1, arm: 1 }, at(0));
    loop_.handle(Event::Undo { experiment: 1 }, at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.experiments.get_mut(&2).unwrap().state = State::Confirmed { at: at(0), arm: 1, why: String::new() };
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 6, From::User, 0.0) }, at(0));
    loop_.handle(Event::Start { experiment: 3 }, at(0));
    assert_eq!(loop_.experiment(3).unwrap().plan.arms[0], Value::Whole(4));
    let decided = loop_.handle(Event::Undo { experiment: 2 }, at(1));
    let ended: Vec<_> = decided.iter().map(|effect| (effect.experiment, effect.decided.what)).collect();
    assert_eq!(ended, [(2, What::Stopped { holds: 0 }), (3, What::Stopped { holds: 0 })]);
}

#[test]
fn a_chat_that_was_given_a_value_counts_for_no_experiment_on_the_knob() {
    let mut loop_ = Improvement::default();
    for calls in [4, 6] {
        loop_.handle(Event::Idea { idea: idea("checkpoints.calls", calls, From::User, 0.0) }, at(0));
    }
    loop_.handle(Event::Start { experiment: 1 }, at(0));
    loop_.handle(Event::Came { chat: chat(1), risk: None, held: Held::default() }, at(0));
    assert_eq!(loop_.unnoted(&chat(1), "checkpoints.").len(), 1);
    loop_.handle(Event::Override { experiment: 2, chat: chat(1), arm: 1 }, at(0));
    assert_eq!(loop_.unnoted(&chat(1), "checkpoints."), [], "it has a value that is on trial nowhere");
    let measure = Measure::Ended { crashed: true, held: Held::default(), unsaved_calls: 0 };
    loop_.handle(Event::Measured { chat: chat(1), measure }, at(1));
    assert_eq!(loop_.experiment(1).unwrap().outcomes(), 0);
}

#[test]
fn what_is_never_measured_ends_after_ninety_days() {
    let mut loop_ = Improvement::default();
    loop_.handle(settings(true, &[]), at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Tick, at(89));
    assert_eq!(running(&loop_), ["checkpoints.calls"]);
    let effects = loop_.handle(Event::Tick, at(90));
    assert_eq!(effects[0].decided.what, What::Inconclusive);
    assert!(effects[0].decided.why.starts_with("90 days and 0 outcomes tell neither"));
}

#[test]
fn one_chat_may_have_a_value_of_its_own() {
    let mut loop_ = Improvement::default();
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Start { experiment: 1 }, at(0));
    loop_.handle(Event::Override { experiment: 1, chat: chat(3), arm: 1 }, at(0));
    assert_eq!(loop_.changes_for(&chat(3)), BTreeMap::from([("checkpoints.calls", &Value::Whole(4))]));
    assert_eq!(loop_.unnoted(&chat(3), "checkpoints."), []);
    let context = Context { targeting_key: Some(chat(3).as_str().to_owned()), ..Context::default() };
    let resolved = loop_.resolve("checkpoints.calls", &Value::Whole(8), &context);
    let expected = Resolution {
        value: Value::Whole(4),
        variant: Some("arm 1".to_owned()),
        reason: Reason::TargetingMatch,
        error: None,
    };
    assert_eq!(resolved, expected);
}

#[test]
fn a_provider_answers_as_openfeature_has_it() {
    let mut loop_ = Improvement::default();
    loop_.handle(settings(true, &[]), at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Came { chat: chat(1), risk: None, held: Held::default() }, at(0));
    let context = |key: Option<&str>| Context { targeting_key: key.map(String::from), ..Context::default() };
    let one = chat(1);
    let default = Value::Whole(8);
    for (flag, default, key, reason, error) in [
        ("checkpoints.calls", &default, Some(one.as_str()), Reason::Split, None),
        ("checkpoints.calls", &default, Some("codex:other"), Reason::Default, None),
        ("checkpoints.calls", &default, None, Reason::Error, Some(ErrorCode::TargetingKeyMissing)),
        ("moon.phase", &default, Some(one.as_str()), Reason::Error, Some(ErrorCode::FlagNotFound)),
        (
            "checkpoints.calls",
            &Value::Switch(true),
            Some(one.as_str()),
            Reason::Error,
            Some(ErrorCode::TypeMismatch),
        ),
    ] {
        let resolved = loop_.resolve(flag, default, &context(key));
        assert_eq!((resolved.reason, resolved.error), (reason, error), "{flag} {key:?}");
    }
}

/// Chats come up, use what holds and end, so often with a crash, one a minute.
fn live(
    log: &mut Audited,
    entries: &mut Vec<Entry>,
    chats: std::ops::Range<usize>,
    rate: impl Fn(bool) -> f64,
) {
    let mut random = fastrand::Rng::with_seed(chats.start as u64);
    for n in chats {
        let (one, now) = (chat(n), Timestamp::from_ms(n as i64 * 60_000));
        let mut hear = |log: &mut Audited, event| entries.extend(log.handle(event, now));
        hear(log, Event::Came { chat: one.clone(), risk: None, held: Held::default() });
        for (experiment, arm) in log.improvement.unnoted(&one, "checkpoints.") {
            hear(log, Event::Used { experiment, chat: one.clone(), arm });
        }
        let crashed = random.f64() < rate(log.improvement.changes_for(&one).is_empty());
        let measure = Measure::Ended { crashed, held: Held::default(), unsaved_calls: 1 };
        hear(log, Event::Measured { chat: one, measure });
    }
}

#[test]
fn what_was_confirmed_is_taken_back_when_it_turns_bad_and_the_log_plays_it_again() {
    let (mut log, mut entries) = (Audited::default(), Vec::new());
    entries.extend(log.handle(settings(true, &[]), at(0)));
    entries.extend(log.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0)));
    let state = |log: &Audited| log.improvement.experiment(1).unwrap().state.name();
    live(&mut log, &mut entries, 0..3000, |is_old| if is_old { 0.30 } else { 0.02 });
    assert_eq!((state(&log), log.improvement.value("checkpoints.calls")), ("confirmed", Value::Whole(4)));
    // While its user's own value holds, nothing is said of it.
    entries.extend(log.handle(settings(true, &[("checkpoints.calls", 9)]), at(3)));
    let number = log.number;
    live(&mut log, &mut entries, 3000..3100, |_| 1.0);
    assert_eq!(state(&log), "confirmed");
    assert!(log.improvement.unnoted(&chat(3099), "checkpoints.").is_empty() && log.number > number);
    entries.extend(log.handle(settings(true, &[]), at(4)));
    live(&mut log, &mut entries, 6000..6200, |_| 0.80);
    assert_eq!((state(&log), log.improvement.value("checkpoints.calls")), ("rolled back", Value::Whole(8)));
    let totals = log.improvement.totals();
    assert_eq!((totals.confirmed, totals.rolled_back, totals.violations), (1, 1, 1));
    let rest = log.improvement.rests()["checkpoints.calls"].until;
    assert!(rest > Timestamp::from_ms(6000 * 60_000).plus(std::time::Duration::from_secs(29 * 86_400)));

    let mut again = Audited::default();
    replay(&mut again, entries).unwrap();
    assert_eq!(again, log);
}

/// Says the same of every knob.
struct Says(u64);

impl Provider for Says {
    fn name(&self) -> &'static str {
        "says"
    }

    fn resolve(&self, _: &str, _: &Value, context: &Context) -> Resolution {
        assert_eq!(context.targeting_key.as_deref(), Some(chat(1).as_str()));
        Resolution { value: Value::Whole(self.0), variant: None, reason: Reason::Split, error: None }
    }
}

#[test]
fn another_provider_is_heard_where_nothing_is_set_tried_or_out_of_reach() {
    let mut loop_ = Improvement::default();
    let says = |loop_: &Improvement, value: u64| {
        let told = loop_.changes_by(&Says(value), &chat(1));
        told.into_iter().filter(|(key, _)| *key == "checkpoints.calls").collect::<Vec<_>>()
    };
    assert_eq!(says(&loop_, 4), [("checkpoints.calls", Value::Whole(4))]);
    // As it is, and farther than one step.
    assert_eq!([says(&loop_, 8), says(&loop_, 60)], [[], []]);
    loop_.handle(settings(true, &[("checkpoints.calls", 6)]), at(0));
    assert_eq!(says(&loop_, 4), []);
    loop_.handle(settings(true, &[]), at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 5, From::User, 0.0) }, at(0));
    assert_eq!(running(&loop_), ["checkpoints.calls"]);
    assert_eq!(says(&loop_, 4), []);
}

#[test]
fn an_idea_that_was_overtaken_is_forgotten() {
    let mut loop_ = Improvement::default();
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::User, 0.0) }, at(0));
    loop_.handle(Event::Idea { idea: idea("checkpoints.calls", 4, From::Opportunity, 0.0) }, at(0));
    loop_.handle(Event::Start { experiment: 1 }, at(0));
    loop_.handle(Event::Pin { experiment: 1, arm: 1 }, at(0));
    assert_eq!(loop_.experiments().count(), 1);
}
