//! A process that hangs, as the supervisor sees it: recorded once, resolved when it moves, one crash when it goes.

use super::Supervisor;
use crate::{
    chats::{ChatId, ChatState, Client, ProcessKey},
    checkpoints::Trigger,
    crashes::{CrashKind, Gone, InTurn, LastWords, Leave, RegistryStatus},
    digest::{Digest, Turn},
    hangs::Form,
    supervisor::{Effect, Event},
    time::Timestamp,
};

fn chat() -> ChatId {
    ChatId::new(Client::ClaudeCode, "c")
}

fn process(pid: u32) -> ProcessKey {
    ProcessKey { pid, start: "1".to_owned() }
}

fn open() -> Digest {
    let mut digest = Digest::default();
    digest.turn = Turn::Open { since: None };
    digest
}

fn tell(supervisor: &mut Supervisor, event: Event<'_>) -> Vec<Effect> {
    supervisor.handle(event, Timestamp::from_ms(90_000))
}

fn alive(supervisor: &mut Supervisor, pid: u32) -> Vec<Effect> {
    let event = Event::Alive { chat: &chat(), process: &process(pid), status: RegistryStatus::Busy };
    tell(supervisor, event)
}

fn hang(supervisor: &mut Supervisor, pid: u32) -> Vec<Effect> {
    let event = Event::Hung {
        chat: &chat(),
        process: &process(pid),
        form: Form::Silent,
        since: Timestamp::from_ms(30_000),
        evidence: Vec::new(),
        digest: &open(),
    };
    tell(supervisor, event)
}

fn move_on(supervisor: &mut Supervisor, pid: u32) -> Vec<Effect> {
    tell(supervisor, Event::Unhung { chat: &chat(), process: &process(pid) })
}

fn gone(supervisor: &mut Supervisor, pid: u32, leave: Leave, digest: &Digest) -> Vec<Effect> {
    let event = Event::Gone {
        chat: &chat(),
        process: &process(pid),
        gone: Gone::Exited(None),
        last_words: LastWords { status: RegistryStatus::Busy, updated_at: None, leave },
        happened_at: None,
        digest,
        host_updating: false,
    };
    tell(supervisor, event)
}

fn checkpoint() -> Effect {
    Effect::TakeCheckpoint { chat: chat(), trigger: Trigger::Crash }
}

fn ended(pid: u32) -> Effect {
    Effect::HungEnded { chat: chat(), process: process(pid) }
}

fn resolve() -> Effect {
    Effect::ResolveCrashes { chat: chat() }
}

fn changed() -> Effect {
    Effect::ChatChanged { chat: chat() }
}

#[test]
fn a_hang_is_recorded_once_and_resolved_when_the_process_moves() {
    let mut supervisor = Supervisor::default();
    assert_eq!(hang(&mut supervisor, 7), [], "nobody knows this process");
    alive(&mut supervisor, 7);
    let effects = hang(&mut supervisor, 7);
    let [Effect::RecordCrash(crash), rest @ ..] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(rest, [checkpoint(), changed()]);
    assert_eq!((crash.kind, crash.in_turn, crash.seen_live), (CrashKind::Hung, InTurn::Answer, true));
    assert_eq!(crash.happened_at, Timestamp::from_ms(30_000));
    assert_eq!(supervisor.state(&chat()), ChatState::Hung);
    assert_eq!(hang(&mut supervisor, 7), [], "the same hang");
    assert_eq!(alive(&mut supervisor, 7), [], "a registry that is read again is no movement");
    assert_eq!(move_on(&mut supervisor, 7), [resolve(), changed()]);
    assert_eq!(move_on(&mut supervisor, 7), []);
    assert_eq!(supervisor.state(&chat()), ChatState::Working);
    assert_eq!(hang(&mut supervisor, 7).len(), 3, "another hang of the same process");
}

#[test]
fn a_hung_process_that_is_killed_is_one_crash() {
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    hang(&mut supervisor, 7);
    let effects = gone(&mut supervisor, 7, Leave::LeftBehind, &open());
    assert_eq!(effects, [ended(7), checkpoint(), changed()]);
    assert_eq!(supervisor.state(&chat()), ChatState::Crashed);
    assert!(supervisor.was_judged(&chat(), &process(7)));
    assert_eq!(alive(&mut supervisor, 8)[1], resolve(), "and over when the chat lives again");
}

#[test]
fn a_hung_chat_that_its_user_closed_stays_closed() {
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    hang(&mut supervisor, 7);
    let mut digest = Digest::default();
    digest.turn = Turn::Interrupted;
    let effects = gone(&mut supervisor, 7, Leave::Orderly, &digest);
    assert_eq!(effects, [ended(7), resolve(), changed()]);
    assert_eq!(supervisor.state(&chat()), ChatState::Ended);
}

#[test]
fn a_hung_process_whose_chat_goes_on_elsewhere_is_over_when_it_goes() {
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    hang(&mut supervisor, 7);
    alive(&mut supervisor, 8);
    assert_eq!(supervisor.state(&chat()), ChatState::Hung, "one that hangs is told first");
    assert_eq!(gone(&mut supervisor, 7, Leave::LeftBehind, &open()), [ended(7), resolve(), changed()]);
    assert_eq!(supervisor.state(&chat()), ChatState::Working);
}

#[test]
fn a_death_after_a_hang_that_was_over_is_a_crash_of_its_own() {
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    hang(&mut supervisor, 7);
    move_on(&mut supervisor, 7);
    let effects = gone(&mut supervisor, 7, Leave::LeftBehind, &open());
    let [Effect::RecordCrash(crash), ..] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(crash.kind, CrashKind::Killed);
}

#[test]
fn a_hang_outlives_the_engine_that_found_it() {
    let mut supervisor = Supervisor::default();
    supervisor.recall_hang(chat(), process(7), Timestamp::from_ms(30_000));
    assert_eq!(supervisor.state(&chat()), ChatState::Crashed, "until its process is seen");
    let watch = Effect::Watch { chat: chat(), process: process(7) };
    assert_eq!(alive(&mut supervisor, 7), [watch, changed()], "it is not over");
    assert_eq!(supervisor.state(&chat()), ChatState::Hung);
    assert!(supervisor.is_hung(&chat(), &process(7)));
    assert_eq!(move_on(&mut supervisor, 7), [resolve(), changed()]);
}

#[test]
fn a_hung_process_that_took_another_chat_leaves_nothing_open() {
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    hang(&mut supervisor, 7);
    let event = Event::Left { chat: &chat(), process: &process(7) };
    assert_eq!(tell(&mut supervisor, event), [resolve(), changed()]);
}

fn asked(supervisor: &mut Supervisor) -> Vec<Effect> {
    tell(supervisor, Event::RestoreAsked { chat: &chat(), fork: false })
}

#[test]
fn what_hangs_is_ended_before_it_is_brought_back_and_what_does_not_hang_is_left_alone() {
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    assert!(matches!(asked(&mut supervisor).as_slice(), [Effect::RefuseRestore { .. }]));
    hang(&mut supervisor, 7);
    let begun = Effect::BeginRestore { chat: chat(), ends: vec![process(7)] };
    assert_eq!(asked(&mut supervisor), [begun]);
    // It takes its leave in order when asked, and is brought back all the same.
    assert_eq!(
        gone(&mut supervisor, 7, Leave::Orderly, &Digest::default()),
        [ended(7), checkpoint(), changed()]
    );
    assert_eq!(supervisor.state(&chat()), ChatState::Crashed);
}

#[test]
fn one_that_hangs_beside_one_that_works_is_not_ended() {
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    alive(&mut supervisor, 8);
    hang(&mut supervisor, 7);
    assert!(matches!(asked(&mut supervisor).as_slice(), [Effect::RefuseRestore { .. }]));
}

#[test]
fn what_its_user_ends_is_no_crash_hung_or_not() {
    for hangs in [false, true] {
        let mut supervisor = Supervisor::default();
        alive(&mut supervisor, 7);
        if hangs {
            hang(&mut supervisor, 7);
        }
        tell(&mut supervisor, Event::UserEnds { chat: &chat(), process: &process(7), ends: true });
        assert_eq!(gone(&mut supervisor, 7, Leave::LeftBehind, &open()), [resolve(), changed()]);
        assert_eq!(supervisor.state(&chat()), ChatState::Ended);
    }
    // One that would not end is watched as before.
    let mut supervisor = Supervisor::default();
    alive(&mut supervisor, 7);
    for ends in [true, false] {
        tell(&mut supervisor, Event::UserEnds { chat: &chat(), process: &process(7), ends });
    }
    assert!(matches!(
        gone(&mut supervisor, 7, Leave::LeftBehind, &open()).first(),
        Some(Effect::RecordCrash(_))
    ));
}
