//! The machine over one process that may hang: both forms and the stopped one, each thing that is no hang, and
//! that no verdict comes without enough readings.

use std::time::Duration;

use proptest::prelude::*;

use super::{Closer, Doing, Effect, Form, Hanging, Look, Network, Thresholds, Tools};
use crate::{readings::Reading, time::Timestamp};

/// Seconds between two readings.
const EVERY: u64 = 5;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A process over time, as it is read. What is not said otherwise hangs silently from the beginning.
struct Desk {
    hanging: Hanging,
    thresholds: Thresholds,
    /// Seconds between two readings.
    every: u64,
    /// Seconds by the machine's time awake, and those it slept besides.
    awake: u64,
    slept: u64,
    cpu: f64,
    waited: f64,
    now: Shown,
}

#[derive(Clone, Copy)]
struct Shown {
    /// Share of a core used until the next reading.
    share: f64,
    /// Share of the time in which it was ready to run and had no core.
    waits: f64,
    stopped: bool,
    suspended: bool,
    doing: Doing,
    progress: u64,
    limited: bool,
    tools: Tools,
    /// When it took its last byte, in time awake; `None` where that is not told.
    heard: Option<u64>,
    network: Option<Network>,
}

impl Desk {
    fn new() -> Self {
        let now = Shown {
            share: 0.01,
            waits: 0.0,
            stopped: false,
            suspended: false,
            doing: Doing::Working,
            progress: 1,
            limited: false,
            tools: Tools::None,
            heard: Some(0),
            network: None,
        };
        let mut desk = Self {
            hanging: Hanging::default(),
            thresholds: Thresholds::default(),
            every: EVERY,
            awake: 0,
            slept: 0,
            cpu: 0.0,
            waited: 0.0,
            now,
        };
        assert_eq!(desk.look(), []);
        desk
    }

    fn with(change: impl FnOnce(&mut Shown)) -> Self {
        let mut desk = Self::new();
        change(&mut desk.now);
        desk
    }

    fn look(&mut self) -> Vec<Effect> {
        let now = self.now;
        let awake_seconds = self.awake as f64;
        let heard = now.heard.map_or(Network::Unknown, |at| Network::QuietFor(secs(self.awake - at)));
        let closer =
            Closer { tools: now.tools, network: now.network.unwrap_or(heard), suspended: now.suspended };
        let wanted = self.hanging.wants_a_closer_look(awake_seconds, &self.thresholds);
        let look = Look {
            reading: Reading {
                at: Timestamp::from_ms(i64::try_from((self.awake + self.slept) * 1000).unwrap()),
                cpu_seconds: self.cpu,
                stopped: now.stopped,
                ..Reading::default()
            },
            waited_seconds: self.waited,
            awake_seconds,
            doing: now.doing,
            progress: now.progress,
            limited: now.limited,
            closer: wanted.then_some(closer),
        };
        self.hanging.handle(look, &self.thresholds)
    }

    /// Reads on for so long; gives what followed, each with the second.
    fn go_on(&mut self, seconds: u64) -> Vec<(u64, Effect)> {
        let mut effects = Vec::new();
        for _ in 0..seconds / self.every {
            self.awake += self.every;
            self.cpu += self.now.share * self.every as f64;
            self.waited += self.now.waits * self.every as f64;
            let at = self.awake;
            effects.extend(self.look().into_iter().map(|effect| (at, effect)));
        }
        effects
    }

    /// The verdicts within so long: when, and in which form.
    fn verdicts(&mut self, seconds: u64) -> Vec<(u64, Form)> {
        let verdict = |(at, effect)| match effect {
            Effect::Hung { form, .. } => Some((at, form)),
            Effect::SuspicionChanged | Effect::Unhung => None,
        };
        self.go_on(seconds).into_iter().filter_map(verdict).collect()
    }
}

const DAY: u64 = 24 * 3600;

#[track_caller]
fn never(change: impl FnOnce(&mut Shown)) {
    assert_eq!(Desk::with(change).verdicts(DAY), []);
}

#[test]
fn each_form_is_told_once_after_its_time() {
    for (share, stopped, expected) in [
        (0.01, false, (900, Form::Silent)),
        (0.99, false, (300, Form::Spin)),
        (0.0, true, (60, Form::Stopped)),
    ] {
        let mut desk = Desk::with(|now| (now.share, now.stopped) = (share, stopped));
        assert_eq!(desk.verdicts(DAY), [expected]);
    }
}

#[test]
fn each_form_is_told_with_readings_as_far_apart_as_they_may_be() {
    let settings = crate::settings::parse("signals.sample_seconds = 60").unwrap().settings;
    // A reading is never on the dot, and two may be a while late.
    for (every, gap) in [(61, false), (75, false), (180, false), (181, true)] {
        for (share, stopped, form) in
            [(0.01, false, Form::Silent), (0.99, false, Form::Spin), (0.0, true, Form::Stopped)]
        {
            let mut desk = Desk::with(|now| (now.share, now.stopped) = (share, stopped));
            (desk.thresholds, desk.every) = (settings.hang, every);
            let told: Vec<_> = desk.verdicts(DAY).into_iter().map(|(_, form)| form).collect();
            assert_eq!(told, if gap { vec![] } else { vec![form] }, "{every} {form:?}");
        }
    }
}

#[test]
fn on_a_busy_machine_a_spin_is_told_from_a_process_that_gets_no_core() {
    for (share, waits, expected) in
        [(0.45, 0.5, (300, Form::Spin)), (0.45, 0.1, (900, Form::Silent)), (0.05, 0.95, (900, Form::Silent))]
    {
        let mut desk = Desk::with(|now| (now.share, now.waits) = (share, waits));
        assert_eq!(desk.verdicts(DAY), [expected]);
    }
}

#[test]
fn a_verdict_says_what_was_seen() {
    for (share, stopped, sources) in [
        (0.01, false, vec!["process", "process", "transcript", "process", "network"]),
        (0.99, false, vec!["process", "process", "transcript", "process", "network"]),
        (0.0, true, vec!["process", "process", "transcript"]),
    ] {
        let effects = Desk::with(|now| (now.share, now.stopped) = (share, stopped)).go_on(DAY);
        let [(_, Effect::SuspicionChanged), (_, Effect::Hung { since, evidence, .. })] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(*since, Timestamp::from_ms(0));
        assert_eq!(evidence.iter().map(|e| e.source.as_str()).collect::<Vec<_>>(), sources);
    }
}

#[test]
fn a_suspicion_is_shown_before_the_verdict_and_goes_when_it_moves() {
    let mut desk = Desk::new();
    assert_eq!(desk.go_on(445), []);
    assert_eq!(desk.hanging.suspicion(), None);
    assert_eq!(desk.go_on(10), [(450, Effect::SuspicionChanged)]);
    assert_eq!(desk.hanging.suspicion(), Some((Form::Silent, Timestamp::from_ms(0))));
    desk.now.progress += 1;
    assert_eq!(desk.go_on(5), [(460, Effect::SuspicionChanged)]);
    assert_eq!(desk.hanging.suspicion(), None);
}

#[test]
fn what_waits_for_its_user_or_is_idle_never_hangs() {
    never(|now| now.doing = Doing::Waiting);
    never(|now| now.doing = Doing::Idle);
    never(|now| (now.doing, now.share) = (Doing::Idle, 1.0));
    never(|now| (now.doing, now.stopped) = (Doing::Idle, true));
    never(|now| (now.doing, now.stopped) = (Doing::Waiting, true));
}

#[test]
fn what_waits_for_a_usage_limit_never_hangs() {
    never(|now| now.limited = true);
    never(|now| (now.limited, now.share) = (true, 1.0));
}

#[test]
fn nothing_hangs_while_a_tool_works_or_it_is_not_known() {
    for tools in [Tools::Working, Tools::Unknown] {
        never(|now| now.tools = tools);
        never(|now| (now.tools, now.share) = (tools, 1.0));
    }
}

#[test]
fn what_may_have_asked_its_user_is_never_silent_and_may_spin() {
    never(|now| now.tools = Tools::MaybeAsked);
    let mut desk = Desk::with(|now| (now.tools, now.share) = (Tools::MaybeAsked, 1.0));
    assert_eq!(desk.verdicts(DAY), [(300, Form::Spin)]);
}

#[test]
fn closer_looks_are_few() {
    let mut desk = Desk::new();
    let mut wanted = 0;
    for _ in 0..3600 / EVERY {
        let next = (desk.awake + EVERY) as f64;
        wanted += u32::from(desk.hanging.wants_a_closer_look(next, &desk.thresholds));
        desk.go_on(EVERY);
    }
    assert!((100..=110).contains(&wanted), "one in 30 s from half the time on: {wanted}");
}

#[test]
fn a_tool_that_ended_gives_the_client_its_whole_time() {
    let mut desk = Desk::with(|now| now.tools = Tools::Working);
    desk.go_on(3600);
    desk.now.tools = Tools::None;
    let verdicts = desk.verdicts(DAY);
    assert!(matches!(verdicts[..], [(at, Form::Silent)] if at >= 3600 + 450), "{verdicts:?}");
}

#[test]
fn what_its_user_stopped_in_its_terminal_never_hangs() {
    never(|now| (now.stopped, now.suspended) = (true, true));
}

/// A byte a minute, for a day.
#[test]
fn an_answer_that_streams_slowly_never_hangs() {
    for share in [0.001, 0.3, 1.0] {
        let mut desk = Desk::with(|now| now.share = share);
        for _ in 0..DAY / 60 {
            assert_eq!(desk.verdicts(60), [], "{share}");
            desk.now.heard = Some(desk.awake);
        }
    }
}

#[test]
fn a_stream_that_falls_silent_hangs_from_its_last_byte_on() {
    let mut desk = Desk::new();
    for _ in 0..120 {
        assert_eq!(desk.verdicts(60), []);
        desk.now.heard = Some(desk.awake);
    }
    assert_eq!(desk.verdicts(DAY), [(7200 + 900, Form::Silent)]);
}

#[test]
fn what_writes_now_and_then_never_hangs() {
    let mut desk = Desk::new();
    for _ in 0..100 {
        assert_eq!(desk.verdicts(895), []);
        desk.now.progress += 1;
        desk.go_on(5);
    }
}

#[test]
fn where_the_network_says_nothing_patience_is_longer() {
    for (share, network, at) in [
        (0.0, Network::NoConnection, 1800),
        (0.0, Network::Unknown, 3600),
        (0.0, Network::Unread, 900),
        (1.0, Network::Unread, 300),
        (1.0, Network::NoConnection, 300),
        (1.0, Network::Unknown, 1200),
    ] {
        let mut desk = Desk::with(|now| (now.share, now.network) = (share, Some(network)));
        assert_eq!(desk.verdicts(DAY).iter().map(|(at, _)| *at).collect::<Vec<_>>(), [at]);
    }
}

#[test]
fn sleep_is_no_time_and_after_it_everybody_gets_a_while() {
    let mut desk = Desk::new();
    assert_eq!(desk.verdicts(890), []);
    desk.slept += 8 * 3600;
    assert_eq!(desk.verdicts(120), [], "just after sleep");
    assert_eq!(desk.verdicts(895), [], "it begins anew");
    assert_eq!(desk.verdicts(20).len(), 1);
}

#[test]
fn a_clock_that_is_set_forward_or_back_makes_no_hang() {
    let mut desk = Desk::new();
    desk.slept = 1000;
    desk.verdicts(100);
    desk.slept = 0;
    assert_eq!(desk.verdicts(800), []);
}

#[test]
fn what_was_not_watched_is_not_held_against_it() {
    let mut desk = Desk::new();
    desk.verdicts(890);
    // SHIM itself was stopped.
    desk.awake += 4000;
    desk.cpu += 10.0;
    assert_eq!(desk.verdicts(5), []);
    assert_eq!(desk.verdicts(440), []);
}

#[test]
fn each_form_is_over_when_it_moves() {
    let unhung = |desk: &mut Desk| desk.go_on(10).into_iter().map(|(_, effect)| effect).collect::<Vec<_>>();
    let hung = |share, stopped| {
        let mut desk = Desk::with(|now| (now.share, now.stopped) = (share, stopped));
        assert_eq!(desk.verdicts(1000).len(), 1);
        desk
    };
    for (share, stopped) in [(0.0, false), (1.0, false), (0.0, true)] {
        let mut desk = hung(share, stopped);
        assert_eq!(unhung(&mut desk), [], "not by itself");
        desk.now.progress += 1;
        assert_eq!(unhung(&mut desk), [Effect::Unhung]);
        let mut desk = hung(share, stopped);
        desk.now.doing = Doing::Waiting;
        assert_eq!(unhung(&mut desk), [Effect::Unhung]);
    }
    for share in [0.0, 1.0] {
        let mut desk = hung(share, false);
        desk.awake += EVERY;
        desk.now.heard = Some(desk.awake);
        let verdicts: Vec<_> = desk.go_on(30).into_iter().map(|(_, effect)| effect).collect();
        assert_eq!(verdicts, [Effect::Unhung], "a byte came");
    }
    let mut desk = hung(0.0, true);
    desk.now.stopped = false;
    assert_eq!(unhung(&mut desk), [Effect::Unhung]);
    let mut desk = hung(1.0, false);
    desk.now.share = 0.0;
    assert_eq!(desk.go_on(DAY), [], "a spin that rests has still got nowhere");
}

#[test]
fn a_hang_that_is_over_can_come_again() {
    let mut desk = Desk::with(|now| now.stopped = true);
    for _ in 0..3 {
        assert_eq!(desk.verdicts(120).len(), 1);
        desk.now.stopped = false;
        desk.go_on(10);
        desk.now.stopped = true;
    }
}

#[test]
fn a_hang_that_an_engine_before_found_ends_when_it_moves() {
    let mut desk = Desk::new();
    desk.hanging = Hanging::recalled();
    assert_eq!(desk.go_on(DAY), []);
    desk.now.progress += 1;
    assert_eq!(desk.go_on(10).len(), 1);
}

#[derive(Clone, Debug)]
enum Turn {
    Share(u8),
    Stop(bool),
    Suspend(bool),
    Do(u8),
    Write,
    Limit(bool),
    Tool(bool),
    Hear,
    Sleep(u16),
    Read(u8),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        (0..130_u8).prop_map(Turn::Share),
        any::<bool>().prop_map(Turn::Stop),
        any::<bool>().prop_map(Turn::Suspend),
        (0..3_u8).prop_map(Turn::Do),
        Just(Turn::Write),
        any::<bool>().prop_map(Turn::Limit),
        any::<bool>().prop_map(Turn::Tool),
        Just(Turn::Hear),
        (10..5000_u16).prop_map(Turn::Sleep),
        (1..250_u8).prop_map(Turn::Read),
    ]
}

proptest! {
    /// Whatever happens, before each verdict lies its whole time in which nothing spoke for the process.
    #[test]
    fn no_verdict_comes_before_its_time(turns in prop::collection::vec(turn(), 1..200), readings in 1..20_u32) {
        let mut desk = Desk::new();
        desk.thresholds.readings = readings;
        let (mut excused_at, mut looks) = (0, 0_u32);
        for turn in turns {
            match turn {
                Turn::Share(percent) => desk.now.share = f64::from(percent) / 100.0,
                Turn::Stop(stopped) => desk.now.stopped = stopped,
                Turn::Suspend(suspended) => desk.now.suspended = suspended,
                Turn::Do(0) => desk.now.doing = Doing::Idle,
                Turn::Do(1) => desk.now.doing = Doing::Waiting,
                Turn::Do(_) => desk.now.doing = Doing::Working,
                Turn::Write => desk.now.progress += 1,
                Turn::Limit(limited) => desk.now.limited = limited,
                Turn::Tool(works) => desk.now.tools = if works { Tools::Working } else { Tools::None },
                Turn::Hear => desk.now.heard = Some(desk.awake),
                Turn::Sleep(seconds) => desk.slept += u64::from(seconds),
                Turn::Read(times) => {
                    let progress = desk.hanging.last.map(|last| last.progress);
                    let slept = desk.hanging.last.map(|last| last.reading.at.ms());
                    for n in 0..times {
                        let now = desk.now;
                        let asleep = n == 0
                            && slept.is_some_and(|ms| {
                                i64::try_from((desk.awake + desk.slept) * 1000).unwrap() - ms > 4000
                            });
                        let wrote = n == 0 && progress != Some(now.progress);
                        let excused = wrote || asleep || now.limited || now.doing != Doing::Working;
                        let effects = desk.go_on(EVERY);
                        if excused {
                            (excused_at, looks) = (desk.awake, 0);
                        }
                        looks += u32::from(!excused);
                        for (at, effect) in effects {
                            let Effect::Hung { form, .. } = effect else { continue };
                            prop_assert!(!excused);
                            prop_assert!(looks >= readings);
                            prop_assert!(form == Form::Stopped || now.tools == Tools::None);
                            prop_assert!(form != Form::Stopped || now.stopped && !now.suspended);
                            let quiet = at - excused_at.max(if form == Form::Stopped { 0 } else { now.heard.unwrap() });
                            let limit = desk.thresholds.of(form).as_secs();
                            prop_assert!(quiet + EVERY >= limit, "{form:?} after {quiet} s");
                        }
                    }
                }
            }
        }
    }
}
