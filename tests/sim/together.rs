//! The supervisor, the policy and the freeze in one small world: deaths, hangs, shutdowns, restores by SHIM and by the
//! user, stops and engines that end, in any order. Nothing is read or written here; what is stored is kept in maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::{CrashKind, Gone, LastWords, Leave, RegistryStatus},
    digest::{Digest, Turn},
    hangs::Form,
    policy::{self, Auto, Came, Crashed, Memory, Policy, Rules, freeze},
    restore::RefusalReason,
    supervisor::{Effect, Event, NewCrash, RestoreWindow, Supervisor},
    time::Timestamp,
};

use crate::dice::Dice;

const STEPS: usize = 600;
const RUNS: u64 = 200;
const CHATS: usize = 4;

/// A restore under way.
struct Restore {
    chat: ChatId,
    ends: Vec<ProcessKey>,
    by_itself: bool,
}

struct Together {
    dice: Dice,
    now: Timestamp,
    supervisor: Supervisor,
    policy: Policy,
    freeze: freeze::Freeze,
    /// What lives, and whether it hangs.
    alive: BTreeMap<ChatId, (ProcessKey, bool)>,
    /// Deaths that are held while the system goes down.
    held: Vec<(ChatId, ProcessKey)>,
    under_way: Vec<Restore>,
    /// Chats that their user ended and did not take up again.
    stopped: BTreeSet<ChatId>,
    crashes: Vec<(NewCrash, bool)>,
    memories: BTreeMap<ChatId, Memory>,
    started: BTreeMap<ChatId, Vec<Timestamp>>,
    last_by_itself: Option<Timestamp>,
    pids: u32,
    happened: BTreeMap<&'static str, usize>,
}

fn rules() -> Rules {
    Rules { auto: Auto::Once, stable: Duration::from_secs(10), ..Rules::default() }
}

fn open_turn() -> Digest {
    let mut digest = Digest::default();
    digest.turn = Turn::Open { since: None };
    digest
}

impl Together {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            now: Timestamp::from_ms(1_000_000_000),
            supervisor: Supervisor::new(RestoreWindow::default()),
            policy: Policy::new(rules()),
            freeze: freeze::Freeze::default(),
            alive: BTreeMap::new(),
            held: Vec::new(),
            under_way: Vec::new(),
            stopped: BTreeSet::new(),
            crashes: Vec::new(),
            memories: BTreeMap::new(),
            started: BTreeMap::new(),
            last_by_itself: None,
            pids: 1,
            happened: BTreeMap::new(),
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.happened.entry(what).or_insert(0) += 1;
    }

    fn decide(&mut self, event: Event<'_>) {
        for effect in self.supervisor.handle(event, self.now) {
            match effect {
                Effect::RecordCrash(crash) => self.record(crash),
                Effect::ResolveCrashes { chat } => {
                    self.crashes
                        .iter_mut()
                        .filter(|(crash, _)| crash.chat == chat)
                        .for_each(|row| row.1 = true);
                    self.decide_policy(policy::Event::Resolved { chat });
                }
                Effect::Watch { chat, .. } => {
                    self.stopped.remove(&chat);
                    self.decide_policy(policy::Event::Alive { chat });
                }
                Effect::HungEnded { .. } | Effect::TakeCheckpoint { .. } | Effect::ChatChanged { .. } => {}
                Effect::BeginRestore { .. } | Effect::RefuseRestore { .. } => {
                    panic!("nobody asked: {effect:?}")
                }
            }
        }
    }

    fn record(&mut self, crash: NewCrash) {
        self.note(if crash.kind == CrashKind::Hung { "a hang is recorded" } else { "a crash is recorded" });
        // One process may hang more than once, and dies once.
        let twice = self
            .crashes
            .iter()
            .any(|(known, _)| known.process == crash.process && known.kind != CrashKind::Hung);
        assert!(!twice, "recorded twice: {crash:?}");
        let (chat, kind, happened_at) = (crash.chat.clone(), crash.kind, crash.happened_at);
        self.crashes.push((crash, false));
        let crash = i64::try_from(self.crashes.len()).unwrap();
        let crashed = Crashed { chat, crash, kind, closed: false, seen: true, happened_at };
        self.decide_policy(policy::Event::Crashed(crashed));
    }

    fn decide_policy(&mut self, event: policy::Event) {
        for effect in self.policy.handle(event, self.now) {
            match effect {
                policy::Effect::Remember { chat, memory } => drop(self.memories.insert(chat, memory)),
                policy::Effect::Restore { chat, .. } => self.restore_by_itself(chat),
                policy::Effect::Ask { .. } => self.note("the user is asked"),
                policy::Effect::WouldRestore { .. } => panic!("this is no rehearsal"),
            }
        }
    }

    fn restore_by_itself(&mut self, chat: ChatId) {
        self.note("a restore begins by itself");
        assert!(!self.freeze.is_on(), "{chat} is restored while the system goes down");
        assert!(!self.stopped.contains(&chat), "{chat} was ended by its user");
        let apart = self.last_by_itself.map(|last| self.now.since(last));
        assert!(apart.is_none_or(|apart| apart >= rules().apart), "{apart:?} after the one before");
        self.last_by_itself = Some(self.now);
        self.ask(chat, true);
    }

    fn ask(&mut self, chat: ChatId, by_itself: bool) {
        let effects = self.supervisor.handle(Event::RestoreAsked { chat: &chat, fork: false }, self.now);
        for effect in effects {
            match effect {
                Effect::BeginRestore { ends, .. } => {
                    assert!(
                        self.under_way.iter().all(|other| other.chat != chat),
                        "{chat} is restored twice"
                    );
                    let ours =
                        self.alive.get(&chat).is_none_or(|(lives, hangs)| *hangs && ends.contains(lives));
                    assert!(ours, "{chat} is alive and well: {:?}", self.alive.get(&chat));
                    let chat = chat.clone();
                    self.under_way.push(Restore { chat, ends, by_itself });
                }
                Effect::RefuseRestore { refusal, .. } if by_itself => {
                    self.note("a restore is refused");
                    let came = Came::TurnedAway(Some(refusal.reason));
                    self.ended(chat.clone(), came);
                }
                _ => self.note("a restore is refused"),
            }
        }
    }

    fn ended(&mut self, chat: ChatId, came: Came) {
        self.decide_policy(policy::Event::Ended { chat, came, why: String::new() });
    }

    /// A restore comes to its end, as the dice fall.
    fn come_back(&mut self) {
        let Some(at) = (!self.under_way.is_empty()).then(|| self.dice.below(self.under_way.len())) else {
            return;
        };
        let Restore { chat, ends, by_itself } = self.under_way.remove(at);
        let hangs = self.alive.get(&chat).is_some_and(|(lives, hangs)| *hangs && ends.contains(lives));
        if hangs {
            self.dies(&chat);
        }
        // As the restore itself proves before it starts anything.
        let came = match self.dice.below(4) {
            _ if self.alive.contains_key(&chat) => Came::TurnedAway(Some(RefusalReason::StillAlive)),
            0 => Came::TurnedAway(Some(RefusalReason::LivenessUnknown)),
            1 => Came::Failed,
            _ => Came::Back,
        };
        let started = !matches!(came, Came::TurnedAway(_));
        if started {
            let (now, window) = (self.now, RestoreWindow::default());
            let starts = self.started.entry(chat.clone()).or_default();
            starts.retain(|start| now.since(*start) < window.span);
            starts.push(now);
            assert!(starts.len() <= window.count, "{chat} was started {} times", starts.len());
        }
        if came == Came::Back {
            self.note("a chat is back");
            self.begin(&chat);
        }
        self.decide(Event::RestoreEnded { chat: &chat, started });
        if by_itself {
            self.ended(chat, came);
        }
    }

    /// A process takes the chat up.
    fn begin(&mut self, chat: &ChatId) {
        self.pids += 1;
        let process = ProcessKey { pid: self.pids, start: "1".to_owned() };
        let before = self.alive.insert(chat.clone(), (process.clone(), false));
        assert_eq!(before, None, "two processes on {chat}");
        self.decide(Event::Alive { chat, process: &process, status: RegistryStatus::Busy });
    }

    fn dies(&mut self, chat: &ChatId) {
        let Some((process, _)) = self.alive.remove(chat) else { return };
        if self.freeze.is_on() {
            self.held.push((chat.clone(), process));
        } else {
            self.gone(chat, &process);
        }
    }

    fn gone(&mut self, chat: &ChatId, process: &ProcessKey) {
        let last_words =
            LastWords { status: RegistryStatus::Busy, updated_at: None, leave: Leave::LeftBehind };
        self.decide(Event::Gone {
            chat,
            process,
            gone: Gone::Exited(None),
            last_words,
            happened_at: Some(self.now),
            digest: &open_turn(),
            host_updating: false,
        });
    }

    /// The user ends the chat.
    fn stop(&mut self, chat: &ChatId) {
        let Some((process, _)) = self.alive.get(chat).cloned() else { return };
        self.note("a user stops");
        self.decide_policy(policy::Event::UserStopped { chat: chat.clone() });
        self.decide(Event::UserEnds { chat, process: &process, ends: true });
        self.stopped.insert(chat.clone());
        self.dies(chat);
    }

    fn hang_or_move(&mut self, chat: &ChatId) {
        let now = self.now;
        let Some((process, hangs)) = self.alive.get_mut(chat) else { return };
        *hangs = !*hangs;
        let (process, hangs) = (process.clone(), *hangs);
        let (since, evidence, digest) = (now, Vec::new(), &open_turn());
        if hangs {
            self.decide(Event::Hung { chat, process: &process, form: Form::Silent, since, evidence, digest });
        } else {
            self.decide(Event::Unhung { chat, process: &process });
        }
    }

    fn freeze(&mut self, event: freeze::Event) {
        match self.freeze.handle(event, self.now) {
            Some(freeze::Effect::Hold) => {
                self.note("the system begins to go down");
                self.decide_policy(policy::Event::Frozen(true));
            }
            Some(freeze::Effect::Judge) => {
                self.decide_policy(policy::Event::Frozen(false));
                for (chat, process) in std::mem::take(&mut self.held) {
                    self.gone(&chat, &process);
                }
            }
            None => {}
        }
    }

    /// The engine ends, and the next one takes up what was stored.
    fn engine_ends(&mut self) {
        if self.freeze.is_on() {
            return;
        }
        self.note("an engine ends");
        (self.supervisor, self.policy) = (Supervisor::new(RestoreWindow::default()), Policy::new(rules()));
        for (chat, memory) in &self.memories {
            self.policy.recall(chat.clone(), memory.clone());
        }
        for (crash, resolved) in &self.crashes {
            let lives_on = crash.kind == CrashKind::Hung
                && self.alive.get(&crash.chat).is_some_and(|(process, _)| *process == crash.process);
            let (chat, process) = (crash.chat.clone(), crash.process.clone());
            if lives_on && !resolved {
                self.supervisor.recall_hang(chat, process, crash.happened_at);
            } else {
                self.supervisor.recall_crash(chat, process, crash.kind, *resolved, lives_on);
            }
        }
        for (chat, starts) in &self.started {
            starts.iter().for_each(|start| self.supervisor.recall_restore(chat.clone(), *start));
        }
        // Restores die with it, before they started anything.
        self.under_way.clear();
        for (chat, (process, _)) in self.alive.clone() {
            self.decide(Event::Alive { chat: &chat, process: &process, status: RegistryStatus::Busy });
        }
        for (chat, _) in self.policy.begun() {
            let alive = self.alive.contains_key(&chat);
            self.ended(chat, if alive { Came::Back } else { Came::TurnedAway(None) });
        }
    }

    fn step(&mut self) {
        self.now = self.now.plus(Duration::from_secs(self.dice.below(40) as u64));
        self.freeze(freeze::Event::Tick);
        self.decide_policy(policy::Event::Tick);
        let chat = ChatId::new(Client::ClaudeCode, &format!("c{}", self.dice.below(CHATS)));
        match self.dice.below(20) {
            0..=3 => self.dies(&chat),
            4 => self.stop(&chat),
            5 | 6 => self.hang_or_move(&chat),
            7 => self.freeze(freeze::Event::Begun),
            8 | 9 => self.freeze(freeze::Event::Cancelled),
            10 => self.engine_ends(),
            11 => self.ask(chat, false),
            12 | 13 if !self.alive.contains_key(&chat) => self.begin(&chat),
            _ => self.come_back(),
        }
    }
}

#[test]
fn nothing_comes_back_by_itself_against_its_users_word_or_in_a_shutdown() {
    let mut happened = BTreeMap::new();
    for seed in 1..=RUNS {
        println!("seed {seed}");
        let mut world = Together::new(seed);
        (0..STEPS).for_each(|_| world.step());
        for (what, times) in world.happened {
            *happened.entry(what).or_insert(0) += times;
        }
    }
    println!("{happened:#?}");
    // A simulation in which something never happens proves nothing about it.
    assert_eq!(happened.len(), 9, "{happened:#?}");
}
