//! The supervisor's answers, effect by effect.

use std::time::Duration;

use super::{Effect, Event, JUDGED_MAX, NewCrash, RestoreWindow, Supervisor};
use crate::{
    chats::{ChatId, ChatState, Client, ProcessKey},
    checkpoints::Trigger,
    crashes::{CrashKind, Gone, InTurn, LastWords, Leave, RegistryStatus},
    digest::{Digest, Turn},
    restore::RefusalReason,
    time::Timestamp,
};

const BUSY: RegistryStatus = RegistryStatus::Busy;
const IDLE: RegistryStatus = RegistryStatus::Idle;

fn chat() -> ChatId {
    ChatId::new(Client::ClaudeCode, "c")
}

fn process(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: "1".to_owned() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_ms(second * 1_000)
}

/// A supervisor over one chat, told in short.
#[derive(Default)]
struct Desk {
    supervisor: Supervisor,
    second: i64,
}

impl Desk {
    fn tell(&mut self, event: Event<'_>) -> Vec<Effect> {
        self.supervisor.handle(event, at(self.second))
    }

    fn alive(&mut self, pid: u32, status: RegistryStatus) -> Vec<Effect> {
        self.tell(Event::Alive { chat: &chat(), process: &process(pid), status })
    }

    fn unknowable(&mut self, pid: u32) -> Vec<Effect> {
        self.tell(Event::Unknowable { chat: &chat(), process: &process(pid) })
    }

    /// Gone, with its registry file left behind or not, in the middle of a turn.
    fn gone(&mut self, pid: u32, left_behind: bool) -> Vec<Effect> {
        let mut digest = Digest::default();
        digest.turn = if left_behind { Turn::Open { since: None } } else { Turn::Done };
        let leave = if left_behind { Leave::LeftBehind } else { Leave::Orderly };
        let last_words = LastWords { status: BUSY, updated_at: None, leave };
        let gone = Gone::Exited(None);
        self.tell(Event::Gone {
            chat: &chat(),
            process: &process(pid),
            gone,
            last_words,
            happened_at: None,
            digest: &digest,
            host_updating: false,
        })
    }

    fn asked(&mut self, fork: bool) -> Option<RefusalReason> {
        let mut effects = self.tell(Event::RestoreAsked { chat: &chat(), fork });
        assert_eq!(effects.len(), 1);
        match effects.remove(0) {
            Effect::BeginRestore { chat: of, .. } if of == chat() => None,
            Effect::RefuseRestore { chat: of, refusal } if of == chat() => {
                assert!(!refusal.message.is_empty());
                Some(refusal.reason)
            }
            other => panic!("{other:?}"),
        }
    }

    fn ended(&mut self, started: bool) -> Vec<Effect> {
        self.tell(Event::RestoreEnded { chat: &chat(), started })
    }

    fn state(&self) -> ChatState {
        self.supervisor.state(&chat())
    }
}

fn changed() -> Effect {
    Effect::ChatChanged { chat: chat() }
}

fn resolve() -> Effect {
    Effect::ResolveCrashes { chat: chat() }
}

fn watch(pid: u32) -> Effect {
    Effect::Watch { chat: chat(), process: process(pid) }
}

fn checkpoint(trigger: Trigger) -> Effect {
    Effect::TakeCheckpoint { chat: chat(), trigger }
}

fn kinds(effects: &[Effect]) -> Vec<&'static str> {
    let kind = |effect: &Effect| match effect {
        Effect::Watch { .. } => "watch",
        Effect::RecordCrash(_) => "record",
        Effect::TakeCheckpoint { .. } => "checkpoint",
        Effect::ResolveCrashes { .. } => "resolve",
        Effect::HungEnded { .. } => "hung ended",
        Effect::ChatChanged { .. } => "changed",
        Effect::BeginRestore { .. } => "begin",
        Effect::RefuseRestore { .. } => "refuse",
    };
    effects.iter().map(kind).collect()
}

#[test]
fn a_process_is_watched_once_and_its_status_is_followed() {
    let mut desk = Desk::default();
    assert_eq!(desk.state(), ChatState::Ended);
    assert_eq!(desk.alive(7, BUSY), [watch(7), changed()]);
    assert_eq!(desk.alive(7, BUSY), []);
    assert_eq!(desk.alive(7, IDLE), [changed()]);
    assert!(desk.supervisor.is_watched(&chat(), &process(7)));
    assert_eq!(desk.supervisor.live_processes(&chat()), [process(7)]);
    assert_eq!(desk.gone(7, false), [changed()]);
    assert!(!desk.supervisor.is_watched(&chat(), &process(7)));
    assert_eq!(desk.supervisor.live_processes(&chat()), []);
}

#[test]
fn the_state_is_that_of_the_liveliest_process() {
    let other = || RegistryStatus::Other("dreaming".to_owned());
    let waiting = RegistryStatus::Waiting;
    for (statuses, unknowable, crashed, state) in [
        (vec![], false, false, ChatState::Ended),
        (vec![], false, true, ChatState::Crashed),
        (vec![], true, false, ChatState::Unknown),
        (vec![], true, true, ChatState::Unknown),
        (vec![IDLE], false, false, ChatState::Idle),
        (vec![other()], false, false, ChatState::Idle),
        (vec![IDLE], true, true, ChatState::Idle),
        (vec![waiting.clone()], true, false, ChatState::Waiting),
        (vec![IDLE, BUSY], false, false, ChatState::Working),
        (vec![IDLE, waiting], false, true, ChatState::Waiting),
    ] {
        let mut desk = Desk::default();
        if crashed {
            desk.alive(1, BUSY);
            desk.gone(1, true);
        }
        if unknowable {
            desk.unknowable(2);
        }
        for (pid, status) in (10..).zip(&statuses) {
            desk.alive(pid, status.clone());
        }
        assert_eq!(desk.state(), state, "{statuses:?} {unknowable} {crashed}");
    }
}

#[test]
fn a_crash_is_recorded_checkpointed_and_shown() {
    let mut desk = Desk { second: 5, ..Desk::default() };
    desk.alive(7, BUSY);
    let effects = desk.gone(7, true);
    let Some(Effect::RecordCrash(recorded)) = effects.first() else { panic!("{effects:?}") };
    let expected = NewCrash {
        chat: chat(),
        process: process(7),
        kind: CrashKind::Killed,
        in_turn: InTurn::Answer,
        in_flight: vec![],
        evidence: recorded.evidence.clone(),
        happened_at: at(5),
        seen_live: true,
    };
    assert_eq!(effects, [Effect::RecordCrash(expected), checkpoint(Trigger::Crash), changed()]);
    assert_eq!(desk.state(), ChatState::Crashed);
}

#[test]
fn a_crash_that_happened_earlier_keeps_its_time() {
    let mut supervisor = Supervisor::default();
    let digest = Digest::default();
    let last_words = LastWords { status: BUSY, updated_at: None, leave: Leave::LeftBehind };
    let event = Event::Gone {
        chat: &chat(),
        process: &process(7),
        gone: Gone::Absent,
        last_words,
        happened_at: Some(at(3)),
        digest: &digest,
        host_updating: false,
    };
    let effects = supervisor.handle(event, at(60));
    let Some(Effect::RecordCrash(crash)) = effects.first() else { panic!("{effects:?}") };
    assert_eq!((crash.happened_at, crash.seen_live), (at(3), false));
}

#[test]
fn a_death_is_judged_once() {
    let mut desk = Desk::default();
    desk.alive(7, BUSY);
    assert_eq!(kinds(&desk.gone(7, true)), ["record", "checkpoint", "changed"]);
    assert_eq!(desk.gone(7, true), []);
    assert_eq!(desk.alive(7, BUSY), [], "a registry file left behind is no life");
    assert_eq!(desk.unknowable(7), [], "nor is it a doubt");
    assert_eq!(desk.state(), ChatState::Crashed);
    assert_eq!(kinds(&desk.gone(8, true)), ["record", "checkpoint", "changed"], "another process");
}

#[test]
fn a_death_that_the_store_holds_is_not_judged_again() {
    for (resolved, state) in [(false, ChatState::Crashed), (true, ChatState::Ended)] {
        let mut desk = Desk::default();
        desk.supervisor.recall_crash(chat(), process(7), CrashKind::Killed, resolved, false);
        assert_eq!(desk.gone(7, true), []);
        assert!(desk.supervisor.was_judged(&chat(), &process(7)));
        assert_eq!(desk.state(), state);
    }
}

#[test]
fn what_ails_a_chats_file_is_not_over_because_its_process_lives_on() {
    for kind in CrashKind::ALL {
        let mut desk = Desk::default();
        desk.supervisor.recall_crash(chat(), process(0), kind, false, false);
        let resolves = kinds(&desk.alive(7, IDLE)).contains(&"resolve");
        assert_eq!(resolves, !kind.ails(), "{kind:?}");
    }
}

#[test]
fn only_so_many_deaths_are_remembered() {
    let mut desk = Desk::default();
    let first = process(0);
    for pid in 0..=u32::try_from(JUDGED_MAX).unwrap() {
        desk.supervisor.recall_crash(chat(), process(pid), CrashKind::Killed, true, false);
    }
    assert!(!desk.supervisor.was_judged(&chat(), &first));
    assert!(desk.supervisor.was_judged(&chat(), &process(1)));
}

#[test]
fn a_user_who_goes_on_alone_resolves_the_crash() {
    let mut desk = Desk::default();
    desk.alive(7, BUSY);
    desk.gone(7, true);
    assert_eq!(desk.alive(8, IDLE), [watch(8), resolve(), changed()]);
    assert_eq!(desk.state(), ChatState::Idle);
    assert_eq!(desk.gone(8, false), [changed()]);
    assert_eq!(desk.state(), ChatState::Ended);
}

#[test]
fn a_crash_beside_a_live_process_is_recorded_and_over() {
    let mut desk = Desk::default();
    desk.alive(7, BUSY);
    desk.alive(8, BUSY);
    assert_eq!(kinds(&desk.gone(7, true)), ["record", "checkpoint", "resolve", "changed"]);
    assert_eq!(desk.state(), ChatState::Working);
}

#[test]
fn a_process_that_becomes_knowable_again_is_watched_again() {
    let mut desk = Desk::default();
    assert_eq!(desk.unknowable(7), [changed()]);
    assert_eq!(desk.unknowable(7), []);
    assert_eq!(desk.state(), ChatState::Unknown);
    assert_eq!(desk.alive(7, IDLE), [watch(7), changed()]);
    assert_eq!(desk.unknowable(7), [changed()]);
    assert!(!desk.supervisor.is_watched(&chat(), &process(7)));
}

#[test]
fn a_process_that_left_for_another_chat_stands_behind_this_one_no_more() {
    for (unknowable, state) in [(false, ChatState::Working), (true, ChatState::Unknown)] {
        let mut desk = Desk::default();
        let effects = if unknowable { desk.unknowable(7) } else { desk.alive(7, BUSY) };
        assert_eq!(effects.last(), Some(&changed()));
        assert_eq!((desk.state(), desk.supervisor.possible_processes(&chat())), (state, vec![process(7)]));
        assert_eq!(desk.tell(Event::Left { chat: &chat(), process: &process(7) }), [changed()]);
        assert_eq!((desk.state(), desk.supervisor.possible_processes(&chat())), (ChatState::Ended, vec![]));
        assert_eq!(desk.asked(false), None);
    }
}

#[test]
fn a_completed_turn_is_checkpointed() {
    let mut desk = Desk::default();
    for (turns, effects) in [
        (0, vec![changed()]),
        (1, vec![checkpoint(Trigger::Turn), changed()]),
        (5, vec![checkpoint(Trigger::Turn), changed()]),
    ] {
        assert_eq!(desk.tell(Event::TurnsCompleted { chat: &chat(), turns }), effects);
    }
}

#[test]
fn a_restore_is_refused_while_something_stands_in_its_way() {
    let reason = |prepare: fn(&mut Desk), fork| {
        let mut desk = Desk::default();
        prepare(&mut desk);
        desk.asked(fork)
    };
    let nothing: fn(&mut Desk) = |_| {};
    let alive: fn(&mut Desk) = |desk| drop(desk.alive(7, IDLE));
    let unknowable: fn(&mut Desk) = |desk| drop(desk.unknowable(7));
    let under_way: fn(&mut Desk) = |desk| assert_eq!(desk.asked(false), None);
    for (name, prepare, fork, expected) in [
        ("nothing", nothing, false, None),
        ("alive", alive, false, Some(RefusalReason::StillAlive)),
        ("alive, but a fork", alive, true, None),
        ("unknowable", unknowable, false, Some(RefusalReason::LivenessUnknown)),
        ("unknowable, but a fork", unknowable, true, None),
        ("under way", under_way, false, Some(RefusalReason::UnderWay)),
        ("under way, and a fork", under_way, true, Some(RefusalReason::UnderWay)),
    ] {
        assert_eq!(reason(prepare, fork), expected, "{name}");
    }
}

/// When each restore was asked for, in seconds, and whether it may begin. Each that may starts a process.
#[track_caller]
fn window(asked: &[(i64, bool)]) {
    let mut desk = Desk::default();
    for (second, may) in asked {
        desk.second = *second;
        let refusal = desk.asked(false);
        assert_eq!(refusal, (!may).then_some(RefusalReason::WindowUsedUp), "at {second} s of {asked:?}");
        if *may {
            desk.ended(true);
        }
    }
}

#[test]
fn three_restores_may_begin_within_a_window() {
    window(&[
        (0, true),
        (1, true),
        (2, true),
        (3, false),
        (299, false),
        (300, true),
        (300, false),
        (301, true),
    ]);
    window(&[(0, true), (200, true), (400, true), (401, true), (402, false), (500, true)]);
}

#[test]
fn a_clock_set_back_neither_opens_the_window_nor_locks_it() {
    let day = 86_400;
    window(&[
        (day, true),
        (day, true),
        (day, true),
        (0, false),
        (299, false),
        (300, true),
        (300, true),
        (300, true),
        (300, false),
    ]);
    window(&[(100, true), (50, true), (60, true), (61, false), (349, false), (351, true)]);
}

#[test]
fn a_restore_that_started_nothing_does_not_count() {
    let mut desk = Desk::default();
    for _ in 0..10 {
        assert_eq!(desk.asked(false), None);
        assert_eq!(desk.ended(false), [changed()]);
    }
}

#[test]
fn restores_that_the_store_holds_count() {
    let mut desk = Desk { second: 100, ..Desk::default() };
    for second in [10, 20, 30] {
        desk.supervisor.recall_restore(chat(), at(second));
    }
    assert_eq!(desk.asked(false), Some(RefusalReason::WindowUsedUp));
    desk.second = 310;
    assert_eq!(desk.asked(false), None);
}

#[test]
fn the_window_is_as_wide_as_it_is_set() {
    let window = RestoreWindow { count: 1, span: Duration::from_secs(10) };
    let mut desk = Desk { supervisor: Supervisor::new(window), second: 0 };
    assert_eq!(desk.asked(false), None);
    desk.ended(true);
    assert_eq!(desk.asked(false), Some(RefusalReason::WindowUsedUp));
    desk.second = 10;
    assert_eq!(desk.asked(false), None);
}

/// A rehearsal and a fork end well too, and the chat is still dead.
#[test]
fn the_end_of_a_restore_alone_resolves_no_crash() {
    let mut desk = Desk::default();
    desk.alive(7, BUSY);
    desk.gone(7, true);
    for started in [false, true] {
        assert_eq!(desk.asked(false), None);
        assert_eq!(desk.ended(started), [changed()]);
        assert_eq!(desk.state(), ChatState::Crashed);
    }
}

#[test]
fn a_restored_chat_that_dies_before_its_receipt_stays_crashed() {
    let mut desk = Desk::default();
    desk.alive(7, BUSY);
    desk.gone(7, true);
    desk.asked(false);
    assert_eq!(desk.alive(8, IDLE), [watch(8), resolve(), changed()]);
    assert_eq!(kinds(&desk.gone(8, true)), ["record", "checkpoint", "changed"]);
    assert_eq!(desk.ended(true), [changed()]);
    assert_eq!(desk.state(), ChatState::Crashed);
}

#[test]
fn a_chat_that_went_on_and_ended_unseen_is_crashed_no_more() {
    let mut desk = Desk::default();
    desk.alive(7, BUSY);
    desk.gone(7, true);
    assert_eq!(desk.state(), ChatState::Crashed);
    assert_eq!(desk.tell(Event::WentOn { chat: &chat() }), [resolve(), changed()]);
    assert_eq!(desk.state(), ChatState::Ended);
    assert_eq!(desk.tell(Event::WentOn { chat: &chat() }), [changed()]);
}
