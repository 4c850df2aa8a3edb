//! What SHIM does by itself: once, then it asks; never more often than the limits; never against its user.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{Auto, Came, Crashed, Effect, Event, Memory, Permission, Policy, Rules, Stand};
use crate::{
    chats::{ChatId, Client},
    crashes::CrashKind,
    restore::RefusalReason,
    time::Timestamp,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(1_000_000_000 + seconds * 1000)
}

fn chat(name: &str) -> ChatId {
    ChatId::new(Client::ClaudeCode, name)
}

fn once() -> Policy {
    Policy::new(Rules { auto: Auto::Once, ..Rules::default() })
}

fn crashed(name: &str, crash: i64, kind: CrashKind, seconds: i64) -> Event {
    Event::Crashed(Crashed {
        chat: chat(name),
        crash,
        kind,
        closed: false,
        seen: true,
        happened_at: at(seconds),
    })
}

fn ended(name: &str, came: Came) -> Event {
    Event::Ended { chat: chat(name), came, why: "it did not come up".to_owned() }
}

/// What is done about it, in short.
fn told(effects: Vec<Effect>) -> Vec<String> {
    let told = effects.into_iter().filter_map(|effect| match effect {
        Effect::Remember { .. } => None,
        Effect::Restore { chat, crash, .. } => Some(format!("restore {} {crash}", chat.session_id())),
        Effect::WouldRestore { chat, crash, .. } => {
            Some(format!("would restore {} {crash}", chat.session_id()))
        }
        Effect::Ask { chat, crash, .. } => Some(format!("ask {} {crash}", chat.session_id())),
    });
    told.collect()
}

/// Plays events and ticks each second up to the last one's time and `more` seconds beyond.
fn play(policy: &mut Policy, events: Vec<(i64, Event)>, more: i64) -> Vec<(i64, String)> {
    let until = events.last().map_or(0, |(at, _)| *at) + more;
    let (mut events, mut all) = (events.into_iter().peekable(), Vec::new());
    for second in 0..=until {
        while let Some((_, event)) = events.next_if(|(at, _)| *at == second) {
            all.extend(told(policy.handle(event, at(second))).into_iter().map(|what| (second, what)));
        }
        all.extend(told(policy.handle(Event::Tick, at(second))).into_iter().map(|what| (second, what)));
    }
    all
}

fn did(seconds: i64, what: &str) -> (i64, String) {
    (seconds, what.to_owned())
}

#[test]
fn the_first_crash_is_restored_and_a_second_one_soon_after_asks() {
    let mut policy = once();
    let events = vec![
        (0, crashed("a", 1, CrashKind::Killed, 0)),
        (4, Event::Alive { chat: chat("a") }),
        (5, ended("a", Came::Back)),
        (60, crashed("a", 2, CrashKind::Killed, 60)),
    ];
    assert_eq!(play(&mut policy, events, 300), [did(3, "restore a 1"), did(60, "ask a 2")]);
}

#[test]
fn what_is_asked_of_a_chat_doubles_and_is_forgiven_once_it_was_stable() {
    let mut policy = once();
    let (mut events, mut now, mut crash) = (Vec::new(), 0, 0);
    // 600, 600, 1200, 2400 s are asked of it; then it lives so long that all is forgiven.
    for lived in [0, 601, 601, 1201, 2399, 9000, 601] {
        (now, crash) = (now + lived, crash + 1);
        events.push((now, crashed("a", crash, CrashKind::Killed, now)));
        events.push((now + 4, ended("a", Came::Back)));
    }
    let restored: Vec<_> = play(&mut policy, events, 10).into_iter().map(|(_, what)| what).collect();
    let expected =
        ["restore a 1", "restore a 2", "ask a 3", "restore a 4", "ask a 5", "restore a 6", "restore a 7"];
    assert_eq!(restored, expected);
}

#[test]
fn each_kind_of_death_has_its_answer() {
    for (kind, expected) in [
        (CrashKind::Killed, Some("restore a 1")),
        (CrashKind::Exited, Some("restore a 1")),
        (CrashKind::Hung, Some("restore a 1")),
        (CrashKind::Shutdown, None),
        (CrashKind::IndexLost, None),
    ] {
        let done = play(&mut once(), vec![(0, crashed("a", 1, kind, 0))], 100);
        let done: Vec<_> = done.iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!(done, expected.into_iter().collect::<Vec<_>>(), "{kind:?}");
    }
    let mut asks = Policy::new(Rules { auto: Auto::Once, end_hung: false, ..Rules::default() });
    assert_eq!(play(&mut asks, vec![(0, crashed("a", 1, CrashKind::Hung, 0))], 100), [did(0, "ask a 1")]);
    let mut off = Policy::new(Rules::default());
    assert_eq!(play(&mut off, vec![(0, crashed("a", 1, CrashKind::Killed, 0))], 100), []);
}

/// What the engine saw die, before it knew that the machine went down.
#[test]
fn a_death_that_was_the_machines_after_all_is_not_restored_by_itself() {
    let judged = |crash, kind| Event::Judged { chat: chat("a"), crash, kind };
    let killed = || (0, crashed("a", 1, CrashKind::Killed, 0));
    let mut policy = once();
    assert_eq!(play(&mut policy, vec![killed(), (1, judged(1, CrashKind::Shutdown))], 100), []);
    assert_eq!(policy.chats[&chat("a")].stand, Stand::Nothing, "nor by the next engine");
    let another = vec![killed(), (1, judged(7, CrashKind::Shutdown))];
    assert_eq!(play(&mut once(), another, 100), [did(3, "restore a 1")]);
    let allowed_too = vec![killed(), (1, judged(1, CrashKind::OutOfMemory))];
    assert_eq!(play(&mut once(), allowed_too, 100), [did(3, "restore a 1")]);
    // Known only when it was begun, and nothing was started yet.
    let mut policy = once();
    assert_eq!(
        play(&mut policy, vec![killed(), (4, judged(1, CrashKind::Shutdown))], 100),
        [did(3, "restore a 1")]
    );
    assert_eq!(policy.chats[&chat("a")].stand, Stand::Nothing);
}

#[test]
fn a_chat_whose_file_ails_is_asked_about_and_a_pending_restore_does_not_vanish() {
    let ails = || Event::Ails { chat: chat("a"), kind: CrashKind::Torn };
    let events = vec![(0, crashed("a", 1, CrashKind::Killed, 0)), (1, ails())];
    let mut policy = once();
    assert_eq!(play(&mut policy, events, 100), [did(1, "ask a 1")]);
    assert_eq!(told(policy.handle(ails(), at(200))), [] as [&str; 0], "once");
    // It is no death: the next one is the first.
    let events = vec![(0, ails()), (60, crashed("a", 2, CrashKind::Killed, 60))];
    assert_eq!(play(&mut once(), events, 100), [did(63, "restore a 2")]);
}

#[test]
fn what_an_update_cut_comes_back_after_the_app_did() {
    let events = vec![
        (0, crashed("a", 1, CrashKind::ClientUpdate, 0)),
        (1, crashed("b", 2, CrashKind::ClientUpdate, 1)),
        (40, Event::HostCameBack),
    ];
    assert_eq!(play(&mut once(), events, 200), [did(40, "restore b 2"), did(100, "restore a 1")]);
}

#[test]
fn of_what_nobody_saw_go_it_is_asked() {
    let unseen = |kind| {
        let happened_at = at(0);
        Event::Crashed(Crashed { chat: chat("a"), crash: 1, kind, closed: false, seen: false, happened_at })
    };
    assert_eq!(play(&mut once(), vec![(0, unseen(CrashKind::Killed))], 1000), [did(0, "ask a 1")]);
    assert_eq!(play(&mut once(), vec![(0, unseen(CrashKind::Shutdown))], 1000), []);
}

#[test]
fn what_its_user_closed_stays_closed_until_he_comes_back_to_it() {
    let closed = |crash, seconds| {
        Event::Crashed(Crashed {
            chat: chat("a"),
            crash,
            kind: CrashKind::Exited,
            closed: true,
            seen: true,
            happened_at: at(seconds),
        })
    };
    assert_eq!(play(&mut once(), vec![(0, closed(1, 0))], 1000), []);
    let mut policy = once();
    let events = vec![
        (0, crashed("a", 1, CrashKind::Killed, 0)),
        (1, Event::UserStopped { chat: chat("a") }),
        (5, crashed("a", 2, CrashKind::Killed, 5)),
        (3000, Event::Alive { chat: chat("a") }),
        (6000, crashed("a", 3, CrashKind::Killed, 6000)),
    ];
    assert_eq!(play(&mut policy, events, 10), [did(6003, "restore a 3")]);
}

#[test]
fn a_chat_that_its_user_took_up_meanwhile_is_left_alone() {
    let events = vec![(0, crashed("a", 1, CrashKind::Killed, 0)), (2, Event::Alive { chat: chat("a") })];
    assert_eq!(play(&mut once(), events, 100), []);
}

#[test]
fn many_deaths_at_once_are_waited_out_and_then_one_a_minute() {
    let events = (0..4).map(|n| (0, crashed(&format!("c{n}"), n, CrashKind::Killed, 0))).collect();
    let done: Vec<_> = play(&mut once(), events, 300).into_iter().map(|(at, _)| at).collect();
    assert_eq!(done, [30, 90, 150, 210]);
}

#[test]
fn nothing_is_begun_while_the_system_goes_down() {
    let events = vec![
        (0, crashed("a", 1, CrashKind::Killed, 0)),
        (1, Event::Frozen(true)),
        (100, Event::Frozen(false)),
    ];
    assert_eq!(play(&mut once(), events, 10), [did(100, "restore a 1")]);
}

#[test]
fn what_was_turned_away_is_tried_later_and_later_and_what_failed_is_asked() {
    let mut policy = once();
    policy.handle(crashed("a", 1, CrashKind::Killed, 0), at(0));
    let mut begun = Vec::new();
    for second in 0..2000 {
        let done = told(policy.handle(Event::Tick, at(second)));
        if done.is_empty() {
            continue;
        }
        begun.push(second);
        let effects =
            policy.handle(ended("a", Came::TurnedAway(Some(RefusalReason::OrphansAlive))), at(second));
        assert_eq!(told(effects).is_empty(), begun.len() < 5, "at the fifth it asks");
    }
    assert_eq!(begun, [3, 63, 123, 243, 483]);
    for (came, expected) in [
        (Came::Failed, vec!["ask a 1"]),
        (Came::TurnedAway(Some(RefusalReason::DirectoryGone)), vec!["ask a 1"]),
        (Came::Back, vec![]),
    ] {
        let mut policy = once();
        play(&mut policy, vec![(0, crashed("a", 1, CrashKind::Killed, 0))], 5);
        assert_eq!(told(policy.handle(ended("a", came), at(9))), expected);
    }
}

#[test]
fn a_rehearsal_says_what_it_would_do_once() {
    let mut policy = Policy::new(Rules { auto: Auto::Once, dry_run: true, ..Rules::default() });
    assert_eq!(
        play(&mut policy, vec![(0, crashed("a", 1, CrashKind::Killed, 0))], 500),
        [did(3, "would restore a 1")]
    );
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up() {
    let mut policy = once();
    policy.handle(crashed("a", 1, CrashKind::Killed, 100_000), at(100_000));
    assert_eq!(told(policy.handle(Event::Tick, at(100_003))), ["restore a 1"]);
    policy.handle(ended("a", Came::Back), at(100_010));
    policy.handle(crashed("b", 2, CrashKind::Killed, 0), at(0));
    policy.handle(Event::Tick, at(1));
    assert_eq!(told(policy.handle(Event::Tick, at(62))), ["restore b 2"]);
}

#[test]
fn a_fleet_goes_on_by_itself_only_where_its_user_began_it_in_this_life_of_the_machine() {
    let policy = once();
    let may = |same_boot, dry_run| policy.may(super::Action::GoOnWithFleet { same_boot, dry_run });
    assert!(matches!(may(true, false), Permission::Yes(_)));
    assert!(matches!(may(false, false), Permission::Ask(_)));
    assert_eq!(may(true, true), Permission::No);
}

#[test]
fn a_memory_is_read_back_as_it_was_written() {
    let memory = Memory {
        stand: Stand::Due { crash: 7, kind: CrashKind::Hung, at: at(9), tries: 2 },
        crashed_at: Some(at(1)),
        begun_at: None,
        restores: 3,
        closed_at: Some(at(5)),
    };
    let text = serde_json::to_string(&memory).unwrap();
    assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
    assert!(text.contains("\"is\":\"due\""), "{text}");
}

#[derive(Clone, Debug)]
enum Move {
    Crash(u8, bool, u8),
    Alive(u8),
    Stop(u8),
    End(u8),
    Freeze(bool),
    Restart,
    Pass(u16),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0u8..4, prop::bool::weighted(0.1), 0u8..6).prop_map(|(c, closed, k)| Move::Crash(c, closed, k)),
        2 => (0u8..4).prop_map(Move::Alive),
        1 => (0u8..4).prop_map(Move::Stop),
        4 => (0u8..4).prop_map(Move::End),
        1 => any::<bool>().prop_map(Move::Freeze),
        1 => Just(Move::Restart),
        8 => (1u16..2000).prop_map(Move::Pass),
    ];
    prop::collection::vec(one, 1..200)
}

proptest! {
    /// Whatever happens, an engine's restarts included: one automatic restore a minute over all chats, never one of a
    /// chat that its user closed, never two for a crash that started something, never while the system goes down.
    #[test]
    fn it_keeps_to_its_limits_and_to_its_users_word(moves in moves()) {
        let (mut policy, mut now, mut crash) = (once(), 0_i64, 0_i64);
        let (mut kept, mut begun) = (BTreeMap::<ChatId, Memory>::new(), Vec::<i64>::new());
        let (mut closed, mut frozen, mut started) = (BTreeMap::<u8, bool>::new(), false, Vec::new());
        for step in moves {
            let mut events = Vec::new();
            match step {
                Move::Crash(c, by_user, k) => {
                    crash += 1;
                    if by_user { closed.insert(c, true); }
                    let kind = CrashKind::ALL[usize::from(k) % CrashKind::ALL.len()];
                    events.push(Event::Crashed(Crashed { chat: chat(&c.to_string()), crash, kind, closed: by_user, seen: true, happened_at: at(now) }));
                }
                Move::Alive(c) => { closed.insert(c, false); events.push(Event::Alive { chat: chat(&c.to_string()) }); }
                Move::Stop(c) => { closed.insert(c, true); events.push(Event::UserStopped { chat: chat(&c.to_string()) }); }
                Move::End(c) => events.push(ended(&c.to_string(), Came::Back)),
                Move::Freeze(on) => { frozen = on; events.push(Event::Frozen(on)); }
                Move::Restart => {
                    policy = once();
                    frozen = false;
                    kept.iter().for_each(|(chat, memory)| policy.recall(chat.clone(), memory.clone()));
                }
                Move::Pass(seconds) => now += i64::from(seconds),
            }
            events.push(Event::Tick);
            for event in events {
                for effect in policy.handle(event, at(now)) {
                    match effect {
                        Effect::Remember { chat, memory } => drop(kept.insert(chat, memory)),
                        Effect::Restore { chat, crash, .. } => {
                            prop_assert!(!frozen, "it was begun while the system went down");
                            prop_assert!(begun.last().is_none_or(|last| now - last >= 60), "two within a minute: {begun:?} {now}");
                            prop_assert!(!started.contains(&crash), "{crash} was restored twice");
                            let c = chat.session_id().parse::<u8>().unwrap();
                            prop_assert!(!closed.get(&c).copied().unwrap_or(false), "{chat} was closed by its user");
                            prop_assert!(matches!(kept[&chat].stand, Stand::Begun { .. }), "written down before it is done");
                            begun.push(now);
                            started.push(crash);
                        }
                        Effect::WouldRestore { .. } | Effect::Ask { .. } => {}
                    }
                }
            }
        }
    }
}

#[test]
fn many_chats_are_remembered_up_to_a_limit() {
    let mut policy = once();
    for n in 0..super::MEMORIES_MAX + 50 {
        policy.handle(Event::UserStopped { chat: chat(&n.to_string()) }, at(i64::try_from(n).unwrap()));
    }
    assert!(policy.chats.len() <= super::MEMORIES_MAX + 1);
    assert!(policy.next_due().is_none());
    assert!(Duration::from_secs(1) < policy.rules().apart);
}
