//! What SHIM promises, checked against the truth of the world after every step, and once more at the end.

use std::collections::{BTreeMap, BTreeSet};

use shim_core::{
    chats::{ChatState, Client, ProcessKey},
    clients::{Registration, claude_code::read_registration},
    crashes::CrashKind,
    digest::Reader,
};

use crate::{
    engine::{Engine, id},
    store::Store,
    world::{Death, OUR_DOMAIN, World},
};

/// Restores of one chat that may begin within [`WINDOW_MS`].
const RESTORES_MAX: usize = 3;
const WINDOW_MS: u64 = 300_000;

struct Acknowledged {
    chat: String,
    generation: usize,
    offset: usize,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub struct Promises {
    acknowledged: Vec<Acknowledged>,
    /// Deaths that SHIM has seen enough of to be bound to record them.
    bound: BTreeSet<ProcessKey>,
    /// Deaths of which it saw too little to be held to a verdict.
    blurred: BTreeSet<ProcessKey>,
    /// Deaths that were judged when the chat's file was no longer what it was when they happened.
    late: BTreeSet<ProcessKey>,
    /// Deaths beside a process that was last seen alive.
    beside: BTreeSet<ProcessKey>,
    /// When restores that started something began, in real time, since the clock was last set forward.
    begun: BTreeMap<String, Vec<u64>>,
    set_forward_ms: u64,
}

impl Promises {
    /// The journal says that it holds these bytes.
    pub fn acknowledged(&mut self, chat: &str, generation: usize, offset: usize, bytes: &[u8]) {
        self.acknowledged.push(Acknowledged {
            chat: chat.to_owned(),
            generation,
            offset,
            bytes: bytes.to_vec(),
        });
    }

    /// A registry file was found that its dead process left behind.
    pub fn evidence_seen(&mut self, world: &World, process: &ProcessKey) {
        let death = death_of(world, process).expect("what is not alive has died");
        if self.bound.contains(process) {
            return;
        }
        if has_changed_since(world, death) {
            self.late.insert(process.clone());
        }
        self.bound.insert(process.clone());
    }

    /// The exit of a watched process was told, when its registry had last been read as `last`.
    pub fn exit_seen(&mut self, world: &World, process: &ProcessKey, last: &Registration) {
        let death = death_of(world, process).expect("a watched process dies on the record");
        let final_words = death.registry.as_deref().and_then(|file| read_registration(file.as_bytes()));
        let late = has_changed_since(world, death);
        if late {
            self.late.insert(process.clone());
        }
        let told_all = final_words.as_ref() == Some(last) && !late && !death.blurred;
        if death.left_behind || told_all {
            self.bound.insert(process.clone());
        }
        if !told_all {
            self.blurred.insert(process.clone());
        }
    }

    /// As far as SHIM can know, another process goes on with the chat.
    pub fn goes_on_beside(&mut self, process: &ProcessKey) {
        self.beside.insert(process.clone());
    }

    /// The engine died with what it had not recorded yet. What is left of the evidence, the next one sees.
    pub fn engine_died(&mut self, world: &World, store: &Store) {
        self.bound.retain(|process| {
            let death = death_of(world, process).expect("bound by a death");
            store.recorded(&death.chat, process).is_some()
        });
    }

    /// By the clock, all that was before is long ago.
    pub fn clock_set_forward(&mut self, passed_ms: u64) {
        self.begun.clear();
        self.set_forward_ms = passed_ms;
    }

    pub fn restore_started(&mut self, chat: &str, begun_ms: u64) {
        if begun_ms < self.set_forward_ms {
            return;
        }
        let begun = self.begun.entry(chat.to_owned()).or_default();
        begun.push(begun_ms);
        for window in begun.windows(RESTORES_MAX + 1) {
            assert!(window[RESTORES_MAX] - window[0] >= WINDOW_MS, "{chat}: too many restores: {window:?}");
        }
    }

    /// Answers of a transcript that are no longer in the chat's file.
    pub fn answers_lost(&self, world: &World, chat: &str, transcript: &[u8]) -> usize {
        let text = String::from_utf8_lossy(transcript);
        let file = world.files.get(chat).map(|file| String::from_utf8_lossy(&file.bytes)).unwrap_or_default();
        let answers =
            text.split_inclusive('\n').filter(|line| line.contains("end_turn") && line.ends_with('\n'));
        answers.filter(|line| !file.contains(line.trim_end())).count()
    }

    /// SHIM is about to start a client on this chat.
    pub fn starting(&self, world: &World, chat: &str) {
        let live = world.clients_on(chat);
        assert!(live.is_empty(), "SHIM starts {chat} while {live:?} live on it");
        let orphans = world.orphans_of(chat);
        assert!(orphans.is_empty(), "SHIM starts {chat} beside its orphans {orphans:?}");
    }

    /// What holds after every step.
    pub fn hold(&self, world: &World, store: &Store) {
        for chat in world.chats() {
            let by_shim =
                world.clients_on(&chat).into_iter().filter(|pid| world.client(*pid).unwrap().by_shim);
            assert!(by_shim.count() <= 1, "two processes that SHIM started live on {chat}");
        }
        for (call, runs) in &world.runs {
            assert!(*runs <= 1, "`{call}` was run {runs} times");
        }
        let mut recorded = BTreeSet::new();
        for row in &store.crashes {
            let crash = &row.crash;
            assert!(recorded.insert((&crash.chat, &crash.process)), "recorded twice: {crash:?}");
            let death = death_of(world, &crash.process).unwrap_or_else(|| panic!("{crash:?} is alive"));
            self.is_true(death, crash);
        }
    }

    fn is_true(&self, death: &Death, crash: &shim_core::supervisor::NewCrash) {
        let told = format!("{} {:?}", crash.chat, crash.process);
        if death.blurred || self.blurred.contains(&death.process) {
            return;
        }
        assert!(!death.clean, "a clean end was recorded as a crash: {told}");
        assert_eq!(crash.kind == CrashKind::Exited, !death.left_behind, "{told}");
        if let Some((in_turn, call)) = death.cut.as_ref().filter(|_| !self.late.contains(&death.process)) {
            let in_flight: Vec<_> = crash
                .in_flight
                .iter()
                .filter_map(|call| call.input["command"].as_str())
                .map(str::to_owned)
                .collect();
            let expected: Vec<_> = call.iter().cloned().collect();
            assert_eq!((crash.in_turn, in_flight), (*in_turn, expected), "{told}");
        }
    }

    /// Nothing that was acknowledged is taken back.
    pub fn journal_holds(&self, store: &Store) {
        for kept in &self.acknowledged {
            let generation =
                store.journals.get(&kept.chat).and_then(|journal| journal.generations.get(kept.generation));
            let bytes = generation.and_then(|bytes| bytes.get(kept.offset..kept.offset + kept.bytes.len()));
            assert_eq!(bytes, Some(kept.bytes.as_slice()), "{} lost bytes at {}", kept.chat, kept.offset);
        }
    }

    /// What holds once everything has come to rest with an engine that runs and a disk with room.
    pub fn are_kept(&self, world: &World, store: &Store, engine: &Engine) {
        self.hold(world, store);
        self.journal_holds(store);
        for death in &world.deaths {
            let owed = self.bound.contains(&death.process) && !death.clean;
            let recorded = store.recorded(&death.chat, &death.process).is_some();
            assert!(recorded || !owed, "a crash was never recorded: {} {:?}", death.chat, death.process);
            if !self.beside.contains(&death.process) {
                is_open_until_the_chat_goes_on(world, store, death);
            }
        }
        for (number, restore) in store.restores.iter().enumerate() {
            assert!(!restore.steps.is_empty(), "restore {number} of {} has no receipt", restore.chat);
        }
        for chat in world.chats() {
            let journaled = store.journaled(&chat);
            if let Some(file) = world.files.get(&chat).filter(|file| !file.bytes.is_empty()) {
                assert!(journaled == file.bytes, "the journal of {chat} is not its file");
            }
            let mut reader = Reader::new(Client::ClaudeCode);
            reader.feed(journaled);
            if let Some(known) = engine.readers.get(&chat) {
                assert_eq!(known.digest, reader.digest, "{chat}");
            }
            state_is_true(world, store, engine, &chat);
        }
    }
}

fn death_of<'a>(world: &'a World, process: &ProcessKey) -> Option<&'a Death> {
    world.deaths.iter().find(|death| death.process == *process)
}

fn has_changed_since(world: &World, death: &Death) -> bool {
    let bytes = world.files.get(&death.chat).map_or(0, |file| file.bytes.len());
    bytes != death.file_bytes || world.times_tampered(&death.chat) != death.tampered
}

/// A chat that died and that nobody went on with has a crash that is still open.
fn is_open_until_the_chat_goes_on(world: &World, store: &Store, death: &Death) {
    let gone_on = world.appeared_ms.get(&death.chat).is_some_and(|at| *at >= death.at_ms);
    if gone_on || death.crowded || store.recorded(&death.chat, &death.process).is_none() {
        return;
    }
    let open = store.crashes.iter().any(|row| row.crash.chat.session_id() == death.chat && !row.resolved);
    assert!(open, "nobody went on with {} after {:?}", death.chat, death.process);
}

fn state_is_true(world: &World, store: &Store, engine: &Engine, chat: &str) {
    let state = engine.supervisor.state(&id(chat));
    let files = world.registry.values().filter_map(|file| read_registration(file.as_bytes()));
    let on_chat: Vec<_> = files.filter(|file| file.session_id == chat).collect();
    let ours = |file: &&Registration| file.pid_domain.as_deref() == Some(OUR_DOMAIN);
    let live = on_chat.iter().filter(ours).any(|file| world.is_alive(&file.process));
    let open = store.crashes.iter().any(|row| row.crash.chat.session_id() == chat && !row.resolved);
    let expected = match (live, on_chat.iter().all(|file| ours(&file)), open) {
        (true, ..) => {
            assert!(state.is_live(), "{chat} lives and is shown as {state:?}");
            assert!(!open, "{chat} lives and its crash is still open");
            return;
        }
        (false, false, _) => ChatState::Unknown,
        (false, true, true) => ChatState::Crashed,
        (false, true, false) => ChatState::Ended,
    };
    assert_eq!(state, expected, "{chat}");
}
