//! One experiment from its start to each of its ends.

use super::*;
use crate::chats::Client;

fn chat(n: usize) -> ChatId {
    ChatId::new(Client::ClaudeCode, &format!("chat-{n}"))
}

fn plan(arms: &[u64]) -> Plan {
    Plan {
        knob: "checkpoints.calls".to_owned(),
        arms: arms.iter().copied().map(Value::Whole).collect(),
        metric: Metric::Crash,
        why: "a try".to_owned(),
        from: From::User,
    }
}

/// An experiment that began, and how many chats came.
struct Lab {
    experiment: Experiment,
    came: usize,
    random: fastrand::Rng,
    decided: Vec<Decided>,
}

impl Lab {
    fn new(id: u64, arms: &[u64]) -> Self {
        let mut experiment = Experiment::new(id, plan(arms));
        let before = BTreeMap::from([(Metric::Crash, Tally { n: 200.0, sum: 24.0 })]);
        let decided = experiment.handle(Event::Start { before }, Timestamp::from_ms(0));
        Self { experiment, came: 0, random: fastrand::Rng::with_seed(id), decided }
    }

    /// Chats come, use the knob and end, until the experiment ends or so many came.
    fn run(&mut self, chats: usize, rate: impl Fn(usize) -> f64) {
        self.live(chats, State::is_open, rate);
    }

    fn live(&mut self, chats: usize, goes_on: fn(&State) -> bool, rate: impl Fn(usize) -> f64) {
        for _ in 0..chats {
            if !goes_on(&self.experiment.state) {
                return;
            }
            self.came += 1;
            let (chat, now) = (chat(self.came), Timestamp::from_ms(1000 * self.came as i64));
            let mut tell = |event| self.decided.extend(self.experiment.handle(event, now));
            tell(Event::Came { chat: chat.clone(), risk: None, held: Held::default() });
            let arm = self.experiment.arm(&chat);
            let mut tell = |event| self.decided.extend(self.experiment.handle(event, now));
            tell(Event::Used { chat: chat.clone(), arm });
            let crashed = self.random.f64() < rate(arm);
            let measure = Measure::Ended { crashed, held: Held::default(), unsaved_calls: 1 };
            tell(Event::Measured { chat, measure });
        }
    }

    fn whats(&self) -> Vec<What> {
        self.decided.iter().map(|decided| decided.what).collect()
    }
}

#[test]
fn a_better_value_is_ramped_shipped_and_confirmed() {
    let mut lab = Lab::new(1, &[8, 4]);
    lab.run(4000, |arm| if arm == 0 { 0.30 } else { 0.05 });
    let expected = [
        What::Began,
        What::Ramped { share: 2500 },
        What::Ramped { share: 5000 },
        What::Shipped { arm: 1 },
        What::Confirmed { arm: 1 },
    ];
    assert_eq!(lab.whats(), expected, "{:?}", lab.decided);
    assert_eq!(lab.experiment.value(&chat(99_999)), Some(&Value::Whole(4)));
    let [old, new] = &lab.experiment.counts[..] else { panic!() };
    assert!(old.outcomes >= 20 && new.outcomes >= 20 && old.assigned >= old.exposed);
    assert!(!lab.experiment.trials[0].course.is_empty() && lab.experiment.trials[0].course.len() <= 200);
}

#[test]
fn what_was_confirmed_is_watched_and_taken_back_when_it_turns_bad() {
    let confirmed: fn(&State) -> bool = |state| matches!(state, State::Confirmed { .. });
    // Before it a tenth crashed or fewer, or more than the limit allows: then that is the limit.
    for (id, before, bad) in [(21, 0.09, 0.40), (22, 0.30, 0.70)] {
        let mut lab = Lab::new(id, &[8, 4]);
        lab.run(9000, |arm| if arm == 0 { before } else { 0.01 });
        assert!(confirmed(&lab.experiment.state), "{:?}", lab.decided);
        lab.live(3000, confirmed, |_| 0.06);
        assert!(confirmed(&lab.experiment.state), "{:?}", lab.decided.last());
        let (good, counts) = (lab.came, lab.experiment.counts.clone());
        lab.live(500, confirmed, |_| bad);
        let last = lab.decided.last().unwrap();
        assert_eq!(
            (last.what, &last.bounds[..]),
            (What::RolledBack { violation: true }, &["crash_rate".to_owned()][..])
        );
        assert!(last.why.contains("since it was confirmed"), "{}", last.why);
        assert!(lab.came - good < 200, "after {} chats", lab.came - good);
        assert_eq!((lab.experiment.value(&chat(99_999)), &lab.experiment.counts), (None, &counts));
    }
}

#[test]
fn a_chat_that_met_another_value_says_nothing_of_what_was_confirmed() {
    let confirmed: fn(&State) -> bool = |state| matches!(state, State::Confirmed { .. });
    let mut lab = Lab::new(23, &[8, 4]);
    lab.run(9000, |arm| if arm == 0 { 0.30 } else { 0.01 });
    assert!(confirmed(&lab.experiment.state));
    for n in 0..200 {
        let (chat, now) = (chat(50_000 + n), Timestamp::from_ms(1));
        let crashed = Measure::Ended { crashed: true, held: Held::default(), unsaved_calls: 1 };
        // Half never used the knob, half used it with the old value.
        lab.experiment.handle(Event::Came { chat: chat.clone(), risk: None, held: Held::default() }, now);
        if n % 2 == 0 {
            lab.experiment.handle(Event::Used { chat: chat.clone(), arm: 0 }, now);
        }
        assert_eq!(lab.experiment.handle(Event::Measured { chat, measure: crashed }, now), []);
    }
    assert_eq!(lab.experiment.double_exposed, 0);
}

#[test]
fn a_worse_value_is_rolled_back_and_the_old_one_holds_for_all() {
    let mut lab = Lab::new(2, &[8, 16]);
    lab.run(4000, |arm| if arm == 0 { 0.05 } else { 0.60 });
    let last = lab.decided.last().unwrap();
    assert!(matches!(last.what, What::RolledBack { .. }), "{last:?}");
    assert!(lab.came < 120, "after {} chats", lab.came);
    for n in 0..lab.came {
        assert_eq!(lab.experiment.value(&chat(n)), None);
    }
}

#[test]
fn what_tells_nothing_ends_at_its_cap() {
    let mut capped = 0;
    for id in 10..30 {
        let mut lab = Lab::new(id, &[8, 9]);
        lab.run(CAP as usize + 10, |_| 0.12);
        let is_capped = matches!(lab.experiment.state, State::Inconclusive { .. });
        assert!(!is_capped || lab.experiment.outcomes() == CAP, "{}", lab.experiment.outcomes());
        assert!(!matches!(lab.experiment.state, State::Running { .. }));
        capped += usize::from(is_capped);
        assert!(!lab.whats().contains(&What::Confirmed { arm: 1 }));
    }
    assert!(capped >= 1, "none of 20 came to its cap");
}

#[test]
fn on_probation_a_tenth_keeps_the_old_value() {
    let mut lab = Lab::new(3, &[8, 4]);
    lab.run(4000, |arm| if arm == 0 { 0.14 } else { 0.08 });
    let mut lab = match lab.experiment.state {
        State::Probation { .. } => lab,
        _ => {
            let mut again = Lab::new(4, &[8, 4]);
            again.experiment.state =
                State::Probation { since: Timestamp::default(), arm: 1, why: String::new() };
            again
        }
    };
    let split = lab.experiment.split().unwrap();
    assert_eq!((split.buckets(0), split.buckets(1)), (1000, 9000));
    lab.run(3, |_| 0.0);
}

#[test]
fn of_many_values_the_bad_are_dropped_and_the_good_one_shipped() {
    let mut lab = Lab::new(5, &[8, 4, 16, 6]);
    lab.run(6000, |arm| [0.25, 0.25, 0.70, 0.04][arm]);
    let whats = lab.whats();
    assert!(whats.contains(&What::Dropped { arm: 2 }), "{whats:?}");
    // No chat keeps a value that is out.
    assert!((0..lab.came).all(|n| lab.experiment.arm(&chat(n)) != 2), "{whats:?}");
    assert!(whats.contains(&What::Shipped { arm: 3 }), "{whats:?}");
}

#[test]
fn a_chat_keeps_its_arm_while_the_share_grows() {
    let mut lab = Lab::new(6, &[8, 4]);
    for n in 0..500 {
        lab.experiment.handle(
            Event::Came { chat: chat(n), risk: None, held: Held::default() },
            Timestamp::from_ms(n as i64),
        );
    }
    let before: Vec<_> = (0..500).map(|n| lab.experiment.arm(&chat(n))).collect();
    lab.experiment.state = State::Running { since: Timestamp::default(), share: 5000 };
    let split = lab.experiment.split().unwrap();
    let salt = lab.experiment.salt();
    for (n, arm) in before.iter().enumerate() {
        assert_eq!(lab.experiment.arm(&chat(n)), *arm);
        // And one who came again would not lose it.
        assert!(*arm == 0 || split.arm(bucket(&salt, chat(n).as_str())) == *arm);
    }
    assert!(before.iter().sum::<usize>() > 20);
}

#[test]
fn only_what_used_the_knob_counts_and_only_once() {
    let mut lab = Lab::new(7, &[8, 4]);
    let (chat, now) = (chat(1), Timestamp::from_ms(5));
    let ended = Measure::Ended { crashed: true, held: Held::default(), unsaved_calls: 0 };
    lab.experiment.handle(Event::Came { chat: chat.clone(), risk: Some(120), held: Held::default() }, now);
    lab.experiment.handle(Event::Measured { chat: chat.clone(), measure: ended }, now);
    assert_eq!(lab.experiment.outcomes(), 0);
    let arm = lab.experiment.arm(&chat);
    lab.experiment.handle(Event::Used { chat: chat.clone(), arm }, now);
    for _ in 0..3 {
        lab.experiment.handle(Event::Measured { chat: chat.clone(), measure: ended }, now);
    }
    assert_eq!(lab.experiment.outcomes(), 1);
    lab.experiment.handle(Event::Override { chat: chat.clone(), arm: 1 - arm }, now);
    assert_eq!((lab.experiment.double_exposed, lab.experiment.arm(&chat)), (1, 1 - arm));
}

#[test]
fn a_chat_that_met_two_values_counts_for_neither() {
    let mut lab = Lab::new(7, &[8, 4]);
    let (chat, now) = (chat(1), Timestamp::from_ms(5));
    lab.experiment.handle(Event::Came { chat: chat.clone(), risk: None, held: Held::default() }, now);
    let arm = lab.experiment.arm(&chat);
    lab.experiment.handle(Event::Used { chat: chat.clone(), arm: 1 - arm }, now);
    lab.experiment.handle(Event::Used { chat, arm }, now);
    let exposed: u64 = lab.experiment.counts.iter().map(|counts| counts.exposed).sum();
    assert_eq!((lab.experiment.double_exposed, exposed, lab.experiment.ratio.n), (1, 0, 0));
}

#[test]
fn arms_that_lose_chats_are_found_out() {
    let mut lab = Lab::new(8, &[8, 4]);
    lab.experiment.state = State::Running { since: Timestamp::default(), share: 5000 };
    for n in 0..3000 {
        let (chat, now) = (chat(n), Timestamp::from_ms(n as i64));
        lab.experiment.handle(Event::Came { chat: chat.clone(), risk: None, held: Held::default() }, now);
        let arm = lab.experiment.arm(&chat);
        // Every second chat of the new value never gets to use it.
        if arm == 0 || n % 2 == 0 {
            lab.decided.extend(lab.experiment.handle(Event::Used { chat, arm }, now));
        }
    }
    let State::RolledBack { why, .. } = &lab.experiment.state else { panic!("{:?}", lab.experiment.state) };
    assert!(why.contains("as they were assigned"), "{why}");
}

#[test]
fn its_users_word_wins_at_any_time() {
    let mut lab = Lab::new(9, &[8, 4]);
    lab.run(10, |_| 0.0);
    lab.experiment.handle(Event::Pin { arm: 1 }, Timestamp::from_ms(9));
    assert_eq!(lab.experiment.value(&chat(77)), Some(&Value::Whole(4)));
    assert!(matches!(lab.experiment.state, State::Stopped { holds: 1, .. }));
    lab.experiment.handle(Event::Stop { why: "its user took it back".to_owned() }, Timestamp::from_ms(10));
    assert_eq!(lab.experiment.value(&chat(77)), None);
}

#[test]
fn what_runs_away_in_a_few_chats_is_not_shipped_for_being_less_in_most() {
    let mut experiment = Experiment::new(31, Plan { metric: Metric::TokensPerTurn, ..plan(&[8, 4]) });
    experiment.handle(Event::Start { before: BTreeMap::new() }, Timestamp::from_ms(0));
    let mut random = fastrand::Rng::with_seed(31);
    let mut decided = Vec::new();
    for n in 0..600 {
        let (chat, now) = (chat(n), Timestamp::from_ms(1000 * n as i64));
        experiment.handle(Event::Came { chat: chat.clone(), risk: None, held: Held::default() }, now);
        let arm = experiment.arm(&chat);
        decided.extend(experiment.handle(Event::Used { chat: chat.clone(), arm }, now));
        let usual = 1000 + random.u64(0..1000);
        let tokens = match arm {
            0 => usual,
            _ if random.u8(0..10) == 0 => 20 * usual,
            _ => usual * 8 / 10,
        };
        let measure = Measure::Ended { crashed: false, held: Held { turns: 1, tokens }, unsaved_calls: 1 };
        decided.extend(experiment.handle(Event::Measured { chat, measure }, now));
    }
    let shipped = |decided: &Decided| matches!(decided.what, What::Shipped { .. } | What::Confirmed { .. });
    assert!(!decided.iter().any(shipped) && !experiment.state.is_open(), "{decided:?}");
}
