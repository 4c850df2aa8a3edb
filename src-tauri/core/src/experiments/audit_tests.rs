//! What was written down gives the state again, whatever happened, and wherever it is cut.

use proptest::prelude::*;

use super::*;
use crate::{
    chats::{ChatId, Client},
    experiments::{
        improvement::Idea,
        machine::{From, What},
        outcomes::{Checkpoints, Held, Measure, Metric},
    },
    settings::Value,
};

fn chat() -> impl Strategy<Value = ChatId> {
    (0_u8..40).prop_map(|n| ChatId::new(Client::Gemini, &n.to_string()))
}

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        (1_u64..9, 0_u64..300_000).prop_map(|(count, micros)| {
            Measure::Checkpoints(Checkpoints { count, slow: count / 2, micros })
        }),
        any::<bool>().prop_map(|ok| Measure::Restored { ok }),
        (any::<bool>(), 0_u64..9999, 0_u64..9, 0_u64..30).prop_map(
            |(crashed, tokens, turns, unsaved_calls)| {
                Measure::Ended { crashed, held: Held { turns, tokens }, unsaved_calls }
            }
        ),
    ]
}

fn idea() -> impl Strategy<Value = Idea> {
    let knob =
        prop_oneof![Just("checkpoints.calls"), Just("risk.warning.messages"), Just("risk.warning.calls")];
    let values = prop::collection::vec((2_u64..20).prop_map(Value::Whole), 1..3);
    (knob, values, any::<bool>(), 0.0..1.0).prop_map(|(knob, values, user, worth)| Idea {
        knob: knob.to_owned(),
        values,
        metric: Metric::Crash,
        why: "any".to_owned(),
        from: if user { From::User } else { From::Opportunity },
        worth,
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => any::<bool>().prop_map(|automatic| Event::Settings { automatic, set: Default::default() }),
        1 => (2_u64..20).prop_map(|calls| Event::Settings {
            automatic: true,
            set: [("checkpoints.calls".to_owned(), Value::Whole(calls))].into(),
        }),
        4 => idea().prop_map(|idea| Event::Idea { idea }),
        9 => (chat(), prop::option::of(0_u16..1000)).prop_map(|(chat, risk)| Event::Came { chat, risk, held: Held::default() }),
        9 => (1_u64..6, chat(), 0_usize..2).prop_map(|(experiment, chat, arm)| Event::Used { experiment, chat, arm }),
        9 => (chat(), measure()).prop_map(|(chat, measure)| Event::Measured { chat, measure }),
        2 => Just(Event::Tick),
        2 => (1_u64..6).prop_map(|experiment| Event::Start { experiment }),
        1 => (1_u64..6).prop_map(|experiment| Event::Stop { experiment }),
        1 => (1_u64..6, 0_usize..3).prop_map(|(experiment, arm)| Event::Pin { experiment, arm }),
        1 => (1_u64..6, chat(), 0_usize..3)
            .prop_map(|(experiment, chat, arm)| Event::Override { experiment, chat, arm }),
        1 => (1_u64..6).prop_map(|experiment| Event::Undo { experiment }),
    ]
}

fn again<T: Serialize + for<'de> Deserialize<'de>>(it: &T) -> T {
    serde_json::from_str(&serde_json::to_string(it).unwrap()).unwrap()
}

fn played(mut from: Audited, log: Vec<Entry>) -> Result<Audited, Differs> {
    replay(&mut from, log).map(|()| from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_log_that_is_played_again_gives_the_same_state(
        events in prop::collection::vec((event(), 0_i64..40_000_000), 1..160),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut live, mut log, mut now, mut kept) = (Audited::default(), Vec::new(), 0, Audited::default());
        let cut = cut.index(events.len());
        for (place, (event, later)) in events.into_iter().enumerate() {
            now += later;
            let before = live.clone();
            match live.handle(event, Timestamp::from_ms(now)) {
                Some(entry) => log.push(again(&entry)),
                // What is not written down changes nothing.
                None => prop_assert_eq!(&before, &live),
            }
            if place == cut {
                kept = again(&live);
            }
        }
        prop_assert_eq!(&played(Audited::default(), log.clone()).unwrap(), &live);
        // From a state that was kept at any moment, with the whole log or what followed it.
        prop_assert_eq!(&played(kept, log).unwrap(), &live);
    }
}

#[test]
fn a_log_with_a_gap_or_another_decision_is_told() {
    let mut live = Audited::default();
    let at = Timestamp::from_ms(1);
    let idea = Idea {
        knob: "checkpoints.calls".to_owned(),
        values: vec![Value::Whole(4)],
        metric: Metric::Crash,
        why: String::new(),
        from: From::User,
        worth: 0.0,
    };
    let mut log: Vec<_> =
        [Event::Idea { idea }, Event::Start { experiment: 1 }, Event::Stop { experiment: 1 }]
            .into_iter()
            .map(|event| live.handle(event, at).unwrap())
            .collect();
    let without = [log[0].clone(), log[2].clone()];
    assert_eq!(played(Audited::default(), without.into()), Err(Differs::Gap { after: 1, found: 3 }));
    let mut from = Audited::default();
    let differs = take_up(&mut from, [log[0].clone(), log[2].clone()]);
    assert_eq!(differs, [Differs::Gap { after: 1, found: 3 }]);
    let stopped = from.improvement.experiment(1).is_some_and(|one| one.state.name() == "stopped");
    assert!(from.number == 3 && stopped, "what is there is taken in: {from:?}");
    log[1].decided.clear();
    let told = played(Audited::default(), log.clone()).unwrap_err();
    assert!(matches!(told, Differs::Decided { number: 2, .. }), "{told}");
    let mut from = Audited::default();
    assert_eq!(take_up(&mut from, log).len(), 1);
    assert_eq!(from, live, "and what follows it too");
}

/// 0 to 99, the same on every machine.
fn drawn(n: u64) -> u64 {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 100
}

/// Where this breaks, what was written down before would be decided otherwise by now: raise `RULES`.
#[test]
fn the_rules_decide_as_those_of_their_number() {
    let (mut live, mut decided) = (Audited::default(), Vec::new());
    let mut tell = |event: Event, at: u64| {
        let entry = live.handle(event, Timestamp::from_ms(at.cast_signed()));
        for effect in entry.map(|entry| entry.decided).unwrap_or_default() {
            decided.push((at, effect.experiment, effect.decided.what));
        }
        live.clone()
    };
    let idea = |knob: &str, value| Idea {
        knob: knob.to_owned(),
        values: vec![Value::Whole(value)],
        metric: Metric::Crash,
        why: String::new(),
        from: From::User,
        worth: 0.0,
    };
    tell(Event::Idea { idea: idea("checkpoints.calls", 4) }, 0);
    tell(Event::Idea { idea: idea("checkpoints.minutes", 5) }, 0);
    (1..=2).for_each(|experiment| drop(tell(Event::Start { experiment }, 0)));
    for n in 1..=900 {
        let chat = ChatId::new(Client::Codex, &n.to_string());
        let came = tell(Event::Came { chat: chat.clone(), risk: None, held: Held::default() }, n);
        let arms = came.improvement.unnoted(&chat, "");
        for (experiment, arm) in arms.clone() {
            tell(Event::Used { experiment, chat: chat.clone(), arm }, n);
        }
        // The first one helps, the second one harms.
        let has = |experiment| arms.contains(&(experiment, 1));
        let rate = 14 - if has(1) { 8 } else { 0 } + if has(2) { 20 } else { 0 };
        let measure = Measure::Ended {
            crashed: drawn(n) < rate,
            held: Held::default(),
            unsaved_calls: drawn(n + 7) / 9,
        };
        tell(Event::Measured { chat, measure }, n);
    }
    let expected = [
        (0, 1, What::Began),
        (0, 2, What::Began),
        (18, 2, What::Ramped { share: 2500 }),
        (43, 2, What::Ramped { share: 5000 }),
        (49, 1, What::Ramped { share: 2500 }),
        (49, 2, What::RolledBack { violation: false }),
        (62, 1, What::Ramped { share: 5000 }),
        (199, 1, What::Shipped { arm: 1 }),
        (432, 1, What::Confirmed { arm: 1 }),
    ];
    assert_eq!((RULES, &decided[..]), (1, &expected[..]));
}
