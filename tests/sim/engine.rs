//! SHIM as its engine runs it, on the fake world: the real machines decide, their effects are carried out
//! in order, and what the store refuses waits and is tried again. A restart forgets all but the store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    clients::{Registration, claude_code::read_registration},
    crashes::{ExitStatus, Gone, LastWords, Leave},
    digest::{Digest, Reader},
    journal::{Known, Plan, Seen, plan},
    supervisor::{Effect, Event, NewCrash, RestoreWindow, Supervisor},
};

use crate::{
    promises::Promises,
    restores::Run,
    store::{Checkpoint, Full, Store},
    world::{File, OUR_DOMAIN, World},
};

/// Bytes before the end of what is journaled that must be unchanged for an append to be one.
const TAIL_BYTES: usize = 256;

/// A commit that the store refused.
pub enum Waiting {
    Crash(NewCrash),
    Resolve(String),
    Checkpoint(Checkpoint),
    Receipt(usize, shim_core::restore::Outcome),
}

pub struct Engine {
    pub supervisor: Supervisor,
    /// What is durable, folded.
    pub readers: BTreeMap<String, Reader>,
    /// Registry files as last read.
    registry: BTreeMap<u32, Registration>,
    watched: BTreeSet<ProcessKey>,
    /// Crashes that this engine was told to record.
    told: BTreeSet<(ChatId, ProcessKey)>,
    waiting: VecDeque<Waiting>,
    pub runs: Vec<Run>,
}

/// All that an engine reaches for.
pub struct Hands<'a> {
    pub world: &'a mut World,
    pub store: &'a mut Store,
    pub promises: &'a mut Promises,
}

fn new_reader() -> Reader {
    Reader::new(Client::ClaudeCode)
}

pub fn id(chat: &str) -> ChatId {
    ChatId::new(Client::ClaudeCode, chat)
}

impl Engine {
    /// Takes up where the store stopped.
    pub fn start(hands: &mut Hands<'_>) -> Self {
        let mut engine = Self {
            supervisor: Supervisor::new(RestoreWindow::default()),
            readers: BTreeMap::new(),
            registry: BTreeMap::new(),
            watched: BTreeSet::new(),
            told: BTreeSet::new(),
            waiting: VecDeque::new(),
            runs: Vec::new(),
        };
        for row in &hands.store.crashes {
            let (chat, process) = (row.crash.chat.clone(), row.crash.process.clone());
            engine.supervisor.recall_crash(chat, process, row.crash.kind, row.resolved, false);
        }
        for row in hands.store.restores.iter().filter(|row| row.started) {
            engine.supervisor.recall_restore(id(&row.chat), row.at);
        }
        for chat in hands.store.journals.keys() {
            let mut reader = new_reader();
            reader.feed(hands.store.journaled(chat));
            engine.readers.insert(chat.clone(), reader);
        }
        let open = hands.store.restores.iter().enumerate().filter(|(_, row)| row.steps.is_empty());
        let outcomes = open.map(|(number, _)| Waiting::Receipt(number, Run::cut_short()));
        engine.waiting.extend(outcomes);
        engine.flush(hands);
        engine
    }

    pub fn decide(&mut self, hands: &mut Hands<'_>, event: Event<'_>) {
        let effects = self.supervisor.handle(event, hands.world.now());
        if let [Effect::RecordCrash(crash), .., Effect::ResolveCrashes { .. }, _] = effects.as_slice() {
            hands.promises.goes_on_beside(&crash.process);
        }
        for effect in effects {
            self.carry_out(hands, effect);
        }
    }

    fn carry_out(&mut self, hands: &mut Hands<'_>, effect: Effect) {
        match effect {
            Effect::Watch { process, .. } => {
                assert!(hands.world.is_alive(&process), "a dead process is watched: {process:?}");
                self.watched.insert(process);
            }
            Effect::RecordCrash(crash) => {
                let cut = format!("{} {} {:?}", crash.chat, crash.process.pid, crash.in_turn);
                hands.world.note("crash seen", cut);
                let death = (crash.chat.clone(), crash.process.clone());
                assert!(self.told.insert(death), "told twice of {crash:?}");
                self.write(hands, Waiting::Crash(crash));
            }
            Effect::ResolveCrashes { chat } => {
                self.write(hands, Waiting::Resolve(chat.session_id().to_owned()))
            }
            Effect::TakeCheckpoint { chat, .. } => self.take_checkpoint(hands, chat.session_id()),
            Effect::ChatChanged { .. } => {}
            Effect::HungEnded { .. } => panic!("nothing hangs here: {effect:?}"),
            Effect::BeginRestore { .. } | Effect::RefuseRestore { .. } => panic!("nobody asked: {effect:?}"),
        }
    }

    fn take_checkpoint(&mut self, hands: &mut Hands<'_>, chat: &str) {
        let (Some(reader), Some(journal)) = (self.readers.get(chat), hands.store.journals.get(chat)) else {
            return;
        };
        let Some(generation) = journal.generations.len().checked_sub(1) else { return };
        let offset = usize::try_from(reader.digest.offset).unwrap();
        self.write(hands, Waiting::Checkpoint(Checkpoint { chat: chat.to_owned(), generation, offset }));
    }

    /// Commits, behind all that waits already.
    pub fn write(&mut self, hands: &mut Hands<'_>, what: Waiting) {
        self.waiting.push_back(what);
        self.flush(hands);
    }

    pub fn flush(&mut self, hands: &mut Hands<'_>) {
        while let Some(first) = self.waiting.front() {
            let written = match first {
                Waiting::Crash(crash) => hands.store.record_crash(crash),
                Waiting::Resolve(chat) => hands.store.resolve_crashes(chat),
                Waiting::Checkpoint(checkpoint) => hands.store.take_checkpoint(checkpoint.clone()),
                Waiting::Receipt(number, outcome) => hands.store.put_receipt(*number, outcome),
            };
            if written.is_err() {
                return;
            }
            self.waiting.pop_front();
        }
    }

    /// Reads all registry files and judges each process that they name.
    pub fn sweep(&mut self, hands: &mut Hands<'_>) {
        self.flush(hands);
        let files = hands.world.registry.values();
        let found: BTreeMap<u32, Registration> = files
            .filter_map(|file| read_registration(file.as_bytes()))
            .map(|read| (read.process.pid, read))
            .collect();
        for (pid, before) in self.registry.clone() {
            let now = found.get(&pid);
            let named = now.is_some_and(|now| now.process == before.process);
            let elsewhere = named && now.is_some_and(|now| now.session_id != before.session_id);
            let withdrawn = !named && before.pid_domain.as_deref() != Some(OUR_DOMAIN);
            if elsewhere || withdrawn {
                let chat = id(&before.session_id);
                self.decide(hands, Event::Left { chat: &chat, process: &before.process });
            }
            // One that is still watched speaks for itself when it exits.
            if now.is_some() || !self.watched.contains(&before.process) {
                self.registry.remove(&pid);
            }
        }
        for (pid, registration) in found {
            self.registered(hands, &registration);
            self.registry.insert(pid, registration);
        }
    }

    fn registered(&mut self, hands: &mut Hands<'_>, registration: &Registration) {
        let (chat, process) = (id(&registration.session_id), &registration.process);
        if self.supervisor.was_judged(&chat, process) {
            return;
        }
        if registration.pid_domain.as_deref() != Some(OUR_DOMAIN) {
            return self.decide(hands, Event::Unknowable { chat: &chat, process });
        }
        if hands.world.is_alive(process) {
            let status = registration.status.clone();
            self.decide(hands, Event::Alive { chat: &chat, process, status });
        } else if !self.watched.contains(process) {
            let updated = registration.updated_at.map_or(i64::MAX, |at| at.ms() + 2_000);
            let gone =
                if updated < hands.world.boot_ms() { Gone::BeforeBoot } else { hands.world.gone(process) };
            // Older news first: who is thought alive decides whether the chat goes on.
            while !hands.world.exits.is_empty() {
                self.take_exit(hands);
            }
            hands.promises.evidence_seen(hands.world, process);
            self.process_gone(hands, registration, gone, true);
        }
    }

    /// Takes the news of one exit that it waited for.
    pub fn take_exit(&mut self, hands: &mut Hands<'_>) {
        let Some(process) = hands.world.exits.pop_front() else { return };
        if !self.watched.remove(&process) {
            return;
        }
        let on_disk =
            hands.world.registry.get(&process.pid).and_then(|file| read_registration(file.as_bytes()));
        let left = on_disk.filter(|left| left.process == process);
        let last = self.registry.get(&process.pid).filter(|last| last.process == process).cloned();
        let Some(words) = left.clone().or(last) else { return };
        if left.is_none() {
            self.registry.remove(&process.pid);
        }
        hands.promises.exit_seen(hands.world, &process, &words);
        let exit = if hands.world.dice.one_in(2) { Some(ExitStatus::Signal(9)) } else { None };
        self.process_gone(hands, &words, Gone::Exited(exit), left.is_some());
        self.stale_news(hands, &words, left.is_some());
    }

    /// What another thread had seen before the process was judged, and tells only afterwards.
    fn stale_news(&mut self, hands: &mut Hands<'_>, words: &Registration, left_behind: bool) {
        let (chat, process) = (id(&words.session_id), &words.process);
        match hands.world.dice.below(8) {
            0 => self.process_gone(hands, words, Gone::Absent, left_behind),
            1 => self.decide(hands, Event::Alive { chat: &chat, process, status: words.status.clone() }),
            2 => self.decide(hands, Event::Unknowable { chat: &chat, process }),
            _ => {}
        }
    }

    fn process_gone(&mut self, hands: &mut Hands<'_>, words: &Registration, gone: Gone, left_behind: bool) {
        self.catch_up(hands, &words.session_id);
        let digest = self.digest_now(hands, &words.session_id);
        let leave = if left_behind { Leave::LeftBehind } else { Leave::Orderly };
        let last_words = LastWords { status: words.status.clone(), updated_at: words.updated_at, leave };
        let chat = id(&words.session_id);
        let process = &words.process;
        self.decide(
            hands,
            Event::Gone {
                chat: &chat,
                process,
                gone,
                last_words,
                happened_at: None,
                digest: &digest,
                host_updating: false,
            },
        );
    }

    /// What the file tells as it is, the part included that a full disk kept out of the journal.
    pub fn digest_now(&self, hands: &Hands<'_>, chat: &str) -> Digest {
        let Some(file) = hands.world.files.get(chat) else {
            return self.readers.get(chat).map(Reader::at_rest).unwrap_or_default();
        };
        let mut reader = self.readers.get(chat).cloned().unwrap_or_else(new_reader);
        match file.bytes.strip_prefix(hands.store.journaled(chat)) {
            Some(rest) => drop(reader.feed(rest)),
            None => {
                reader = new_reader();
                reader.feed(&file.bytes);
            }
        }
        reader.at_rest()
    }

    /// Brings a chat's journal up to date. What a full disk refuses is taken up again the next time.
    pub fn catch_up(&mut self, hands: &mut Hands<'_>, chat: &str) {
        let Some(file) = hands.world.files.get(chat) else { return };
        let known = hands.store.journals.get(chat).map(|journal| &journal.known);
        if known.is_some_and(|known| plan(known, seen(file)) == Plan::Nothing) {
            return;
        }
        let file = file.clone();
        match self.keep(hands, chat, &file) {
            Ok(0) => {}
            Ok(turns) => self.decide(hands, Event::TurnsCompleted { chat: &id(chat), turns }),
            Err(Full) => hands.world.note("commit refused", chat),
        }
    }

    fn keep(&mut self, hands: &mut Hands<'_>, chat: &str, file: &File) -> Result<u64, Full> {
        let known = hands.store.journals.get(chat).map(|journal| journal.known.clone()).unwrap_or_default();
        let length = file.bytes.len();
        let had = hands.store.journaled(chat);
        let tail = |from: usize| {
            file.bytes[from.saturating_sub(TAIL_BYTES)..from] == had[from.saturating_sub(TAIL_BYTES)..from]
        };
        let from = match plan(&known, seen(file)) {
            Plan::Nothing => return Ok(0),
            Plan::Append { from } if tail(usize::try_from(from).unwrap()) => usize::try_from(from).unwrap(),
            Plan::Append { .. } | Plan::Compare if file.bytes.starts_with(had) => had.len(),
            Plan::Append { .. } | Plan::Compare | Plan::NewGeneration => {
                hands.store.begin_generation(chat)?;
                self.readers.insert(chat.to_owned(), new_reader());
                0
            }
        };
        let known = Known { bytes: length as u64, file_number: file.number, modified_ns: file.modified_ns };
        if from == length {
            hands.store.set_known(chat, known)?;
            return Ok(0);
        }
        let generation = hands.store.append(chat, from, &file.bytes[from..], known)?;
        hands.promises.acknowledged(chat, generation, from, &file.bytes[from..]);
        Ok(self.readers.entry(chat.to_owned()).or_insert_with(new_reader).feed(&file.bytes[from..]))
    }
}

fn seen(file: &File) -> Seen {
    Seen { bytes: file.bytes.len() as u64, file_number: file.number, modified_ns: file.modified_ns }
}
