//! The machine over all chats: who is alive, what a death was, whether a restore may begin. It decides;
//! the engine carries out the effects it returns, in order.

mod hung;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::{
    chats::{ChatId, ChatState, ProcessKey},
    checkpoints::Trigger,
    crashes::{
        CrashKind, Death, Evidence, Gone, InTurn, LastWords, MemoryAtDeath, RegistryStatus, ToolCall,
        Verdict, verdict,
    },
    digest::Digest,
    hangs::Form,
    restore::{Refusal, RefusalReason},
    time::Timestamp,
};

/// Deaths remembered, so that none is judged twice. Older ones are held in the store.
const JUDGED_MAX: usize = 10_000;

/// How many restores of one chat may begin within a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreWindow {
    pub count: usize,
    pub span: Duration,
}

impl Default for RestoreWindow {
    fn default() -> Self {
        Self { count: 3, span: Duration::from_secs(300) }
    }
}

#[derive(Debug)]
pub enum Event<'a> {
    /// A registry file names this process, and the process is there.
    Alive { chat: &'a ChatId, process: &'a ProcessKey, status: RegistryStatus },
    /// A registry file names this process, and whether it is there cannot be told from here.
    Unknowable { chat: &'a ChatId, process: &'a ProcessKey },
    /// The process lives on, with another chat: its user began a new one in its place.
    Left { chat: &'a ChatId, process: &'a ProcessKey },
    /// The process is gone. The digest is of the transcript as it stood after the death.
    Gone {
        chat: &'a ChatId,
        process: &'a ProcessKey,
        gone: Gone,
        last_words: LastWords,
        happened_at: Option<Timestamp>,
        digest: &'a Digest,
        /// The app that hosted the process was about to restart for an update.
        host_updating: bool,
    },
    /// The process lives and does nothing for the chat since that moment. The digest is of the transcript as
    /// it stands.
    Hung {
        chat: &'a ChatId,
        process: &'a ProcessKey,
        form: Form,
        since: Timestamp,
        evidence: Vec<Evidence>,
        digest: &'a Digest,
    },
    /// What is known of the memory of a process that goes; told right before `Gone`.
    MemoryAtDeath { chat: &'a ChatId, process: &'a ProcessKey, memory: MemoryAtDeath },
    /// A process that hung moves again.
    Unhung { chat: &'a ChatId, process: &'a ProcessKey },
    /// A process that was gone again before it was seen went on with the chat.
    WentOn { chat: &'a ChatId },
    /// The transcript grew by this many completed turns.
    TurnsCompleted { chat: &'a ChatId, turns: u64 },
    /// The user ends this process: its death is no crash. Or it would not end, and `ends` is false.
    UserEnds { chat: &'a ChatId, process: &'a ProcessKey, ends: bool },
    /// A restore is asked for. `fork` begins a chat of its own and needs nobody to be dead.
    RestoreAsked { chat: &'a ChatId, fork: bool },
    /// A restore that was allowed has ended. `started` says whether a process was started for it; that
    /// the chat lives again is told by `Alive`.
    RestoreEnded { chat: &'a ChatId, started: bool },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Be told when this process exits.
    Watch {
        chat: ChatId,
        process: ProcessKey,
    },
    RecordCrash(NewCrash),
    TakeCheckpoint {
        chat: ChatId,
        trigger: Trigger,
    },
    /// The chat goes on: its open crashes are history.
    ResolveCrashes {
        chat: ChatId,
    },
    /// A process that hung is gone and never moved: its open crash of kind `hung` stands for its death too.
    HungEnded {
        chat: ChatId,
        process: ProcessKey,
    },
    /// What is shown of the chat is stale.
    ChatChanged {
        chat: ChatId,
    },
    BeginRestore {
        chat: ChatId,
        /// Processes that do nothing any more: they are ended first.
        ends: Vec<ProcessKey>,
    },
    RefuseRestore {
        chat: ChatId,
        refusal: Refusal,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewCrash {
    pub chat: ChatId,
    pub process: ProcessKey,
    pub kind: CrashKind,
    pub in_turn: InTurn,
    pub in_flight: Vec<ToolCall>,
    pub evidence: Vec<Evidence>,
    pub happened_at: Timestamp,
    pub seen_live: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Presence {
    Alive(RegistryStatus),
    Unknowable,
}

/// A process that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hang {
    /// Unknown of one that an engine before this one found.
    pub form: Option<Form>,
    pub since: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct Seat {
    processes: BTreeMap<ProcessKey, Presence>,
    /// Processes that their user ends.
    let_go: BTreeSet<ProcessKey>,
    hung: BTreeMap<ProcessKey, Hang>,
    memory: Option<(ProcessKey, MemoryAtDeath)>,
    crashed: bool,
    under_way: bool,
    begun: VecDeque<Timestamp>,
}

#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    window: RestoreWindow,
    seats: BTreeMap<ChatId, Seat>,
    judged: BTreeSet<(ChatId, ProcessKey)>,
    judged_order: VecDeque<(ChatId, ProcessKey)>,
}

impl Supervisor {
    pub fn new(window: RestoreWindow) -> Self {
        Self { window, ..Self::default() }
    }

    pub fn set_window(&mut self, window: RestoreWindow) {
        self.window = window;
    }

    /// Remembers a crash that the store already holds. `lives_on` says that its process may live. What ails the
    /// chat's file is not over because a process is there.
    pub fn recall_crash(
        &mut self,
        chat: ChatId,
        process: ProcessKey,
        kind: CrashKind,
        resolved: bool,
        lives_on: bool,
    ) {
        self.seats.entry(chat.clone()).or_default().crashed |= !resolved && !kind.ails();
        if !lives_on {
            self.judge_once(chat, process);
        }
    }

    /// Remembers a restore that the store already holds.
    pub fn recall_restore(&mut self, chat: ChatId, begun: Timestamp) {
        self.seats.entry(chat).or_default().begun.push_back(begun);
    }

    pub fn handle(&mut self, event: Event<'_>, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Alive { chat, process, status } => self.alive(chat, process, status),
            Event::Unknowable { chat, process } => self.unknowable(chat, process),
            Event::Left { chat, process } => {
                if let Some(seat) = self.seats.get_mut(chat) {
                    seat.processes.remove(process);
                }
                let resolved = self.moves_again(chat, process);
                if resolved.is_empty() { changed(chat) } else { resolved }
            }
            Event::Hung { chat, process, form, since, evidence, digest } => {
                self.hangs(chat, process, hung::Found { form, since, evidence, digest })
            }
            Event::MemoryAtDeath { chat, process, memory } => {
                self.seats.entry(chat.clone()).or_default().memory = Some((process.clone(), memory));
                Vec::new()
            }
            Event::Unhung { chat, process } => self.moves_again(chat, process),
            Event::Gone { chat, process, gone, last_words, happened_at, digest, host_updating } => {
                let memory = self.seats.get_mut(chat).and_then(|seat| seat.memory.take());
                let memory = memory.filter(|(of, _)| of == process).map(|(_, memory)| memory);
                let death = Death { process, gone, last_words: &last_words, digest, memory, host_updating };
                self.gone(chat, &death, happened_at.unwrap_or(now))
            }
            Event::WentOn { chat } => self.went_on(chat),
            Event::TurnsCompleted { chat, turns: 0 } => changed(chat),
            Event::TurnsCompleted { chat, .. } => vec![
                Effect::TakeCheckpoint { chat: chat.clone(), trigger: Trigger::Turn },
                Effect::ChatChanged { chat: chat.clone() },
            ],
            Event::UserEnds { chat, process, ends } => {
                let seat = self.seats.entry(chat.clone()).or_default();
                if ends {
                    seat.let_go.insert(process.clone())
                } else {
                    seat.let_go.remove(process)
                };
                Vec::new()
            }
            Event::RestoreAsked { chat, fork } => vec![self.restore_asked(chat, fork, now)],
            Event::RestoreEnded { chat, started } => self.restore_ended(chat, started, now),
        }
    }

    pub fn state(&self, chat: &ChatId) -> ChatState {
        let Some(seat) = self.seats.get(chat) else { return ChatState::Ended };
        let mut state = if seat.crashed { ChatState::Crashed } else { ChatState::Ended };
        for (process, presence) in &seat.processes {
            state = match presence {
                Presence::Alive(_) if seat.hung.contains_key(process) => return ChatState::Hung,
                Presence::Alive(RegistryStatus::Busy) => return ChatState::Working,
                Presence::Alive(RegistryStatus::Waiting) => return ChatState::Waiting,
                Presence::Alive(RegistryStatus::Hung) => return ChatState::Hung,
                Presence::Alive(RegistryStatus::Idle | RegistryStatus::Other(_)) => ChatState::Idle,
                Presence::Unknowable if !state.is_live() => ChatState::Unknown,
                Presence::Unknowable => state,
            };
        }
        state
    }

    /// The processes that are known to stand behind the chat.
    pub fn live_processes(&self, chat: &ChatId) -> Vec<ProcessKey> {
        let Some(seat) = self.seats.get(chat) else { return Vec::new() };
        let alive = seat.processes.iter().filter(|(_, presence)| matches!(presence, Presence::Alive(_)));
        alive.map(|(process, _)| process.clone()).collect()
    }

    /// The processes that may stand behind the chat: the live ones, and those that cannot be told from here.
    pub fn possible_processes(&self, chat: &ChatId) -> Vec<ProcessKey> {
        self.seats.get(chat).map(|seat| seat.processes.keys().cloned().collect()).unwrap_or_default()
    }

    /// Every process that is known to stand behind a chat.
    pub fn living(&self) -> Vec<(ChatId, ProcessKey)> {
        let seats = self.seats.keys().map(|chat| (chat, self.live_processes(chat)));
        seats.flat_map(|(chat, live)| live.into_iter().map(|process| (chat.clone(), process))).collect()
    }

    /// Whether a restore of the chat is under way.
    pub fn is_under_way(&self, chat: &ChatId) -> bool {
        self.seats.get(chat).is_some_and(|seat| seat.under_way)
    }

    pub fn is_watched(&self, chat: &ChatId, process: &ProcessKey) -> bool {
        self.seats
            .get(chat)
            .is_some_and(|seat| matches!(seat.processes.get(process), Some(Presence::Alive(_))))
    }

    /// Whether this death was judged before: a crash's registry file stays behind for ever.
    pub fn was_judged(&self, chat: &ChatId, process: &ProcessKey) -> bool {
        self.judged.contains(&(chat.clone(), process.clone()))
    }

    fn alive(&mut self, chat: &ChatId, process: &ProcessKey, status: RegistryStatus) -> Vec<Effect> {
        if self.was_judged(chat, process) {
            return Vec::new();
        }
        let seat = self.seats.entry(chat.clone()).or_default();
        let before = seat.processes.insert(process.clone(), Presence::Alive(status.clone()));
        let mut effects = Vec::new();
        match before {
            Some(Presence::Alive(known)) if known == status => return effects,
            Some(Presence::Alive(_)) => {}
            Some(Presence::Unknowable) | None => {
                effects.push(Effect::Watch { chat: chat.clone(), process: process.clone() });
                if std::mem::take(&mut seat.crashed) && !seat.hung.contains_key(process) {
                    effects.push(Effect::ResolveCrashes { chat: chat.clone() });
                }
            }
        }
        effects.push(Effect::ChatChanged { chat: chat.clone() });
        effects
    }

    fn went_on(&mut self, chat: &ChatId) -> Vec<Effect> {
        let crashed = self.seats.get_mut(chat).is_some_and(|seat| std::mem::take(&mut seat.crashed));
        let resolved = crashed.then(|| Effect::ResolveCrashes { chat: chat.clone() });
        resolved.into_iter().chain(changed(chat)).collect()
    }

    fn unknowable(&mut self, chat: &ChatId, process: &ProcessKey) -> Vec<Effect> {
        if self.was_judged(chat, process) {
            return Vec::new();
        }
        let seat = self.seats.entry(chat.clone()).or_default();
        match seat.processes.insert(process.clone(), Presence::Unknowable) {
            Some(Presence::Unknowable) => Vec::new(),
            Some(Presence::Alive(_)) | None => changed(chat),
        }
    }

    fn gone(&mut self, chat: &ChatId, death: &Death<'_>, happened_at: Timestamp) -> Vec<Effect> {
        let process = death.process;
        let seat = self.seats.entry(chat.clone()).or_default();
        seat.processes.remove(process);
        let (hung, by_user) = (seat.hung.remove(process).is_some(), seat.let_go.remove(process));
        // One that was ended so that it can be restored is not one that its user closed.
        let restored_next = seat.under_way;
        if !self.judge_once(chat.clone(), process.clone()) {
            return Vec::new();
        }
        if by_user {
            self.seats.entry(chat.clone()).or_default().crashed = false;
            let resolved = Effect::ResolveCrashes { chat: chat.clone() };
            return [resolved].into_iter().chain(changed(chat)).collect();
        }
        let goes_on = !self.live_processes(chat).is_empty();
        let Verdict::Crash { kind, in_turn, in_flight, evidence } = verdict(death) else {
            let over = goes_on || !restored_next;
            return if hung { self.hung_and_went(chat, process, over) } else { changed(chat) };
        };
        if hung {
            return self.hung_and_went(chat, process, goes_on);
        }
        self.seats.entry(chat.clone()).or_default().crashed = !goes_on;
        let crash = NewCrash {
            chat: chat.clone(),
            process: process.clone(),
            kind,
            in_turn,
            in_flight,
            evidence,
            happened_at,
            seen_live: matches!(death.gone, Gone::Exited(_)),
        };
        let mut effects = vec![
            Effect::RecordCrash(crash),
            Effect::TakeCheckpoint { chat: chat.clone(), trigger: Trigger::Crash },
        ];
        if goes_on {
            effects.push(Effect::ResolveCrashes { chat: chat.clone() });
        }
        effects.push(Effect::ChatChanged { chat: chat.clone() });
        effects
    }

    fn restore_asked(&mut self, chat: &ChatId, fork: bool, now: Timestamp) -> Effect {
        let window = self.window;
        let seat = self.seats.entry(chat.clone()).or_default();
        // A clock that was set back leaves moments that are yet to come: they count from now on, not for ever.
        seat.begun.iter_mut().for_each(|begun| *begun = now.min(*begun));
        seat.begun.retain(|begun| now.since(*begun) < window.span);
        match refusal(seat, window, fork, now) {
            Some(refusal) => Effect::RefuseRestore { chat: chat.clone(), refusal },
            None => {
                seat.under_way = true;
                let ends = if fork { Vec::new() } else { seat.processes.keys().cloned().collect() };
                Effect::BeginRestore { chat: chat.clone(), ends }
            }
        }
    }

    fn restore_ended(&mut self, chat: &ChatId, started: bool, now: Timestamp) -> Vec<Effect> {
        let seat = self.seats.entry(chat.clone()).or_default();
        seat.under_way = false;
        if started {
            seat.begun.push_back(now);
        }
        changed(chat)
    }

    /// Marks a death as judged; false when it was before.
    fn judge_once(&mut self, chat: ChatId, process: ProcessKey) -> bool {
        let key = (chat, process);
        if !self.judged.insert(key.clone()) {
            return false;
        }
        self.judged_order.push_back(key);
        if self.judged_order.len() > JUDGED_MAX
            && let Some(oldest) = self.judged_order.pop_front()
        {
            self.judged.remove(&oldest);
        }
        true
    }
}

fn changed(chat: &ChatId) -> Vec<Effect> {
    vec![Effect::ChatChanged { chat: chat.clone() }]
}

fn refusal(seat: &Seat, window: RestoreWindow, fork: bool, now: Timestamp) -> Option<Refusal> {
    let refuse = |reason, message| Some(Refusal { reason, message });
    if seat.under_way {
        let message = "a restore of this chat is under way; wait for its receipt".to_owned();
        return refuse(RefusalReason::UnderWay, message);
    }
    // One that hangs is ended first.
    let hangs = |process, presence: &Presence| {
        let is_alive = matches!(presence, Presence::Alive(_));
        is_alive && seat.hung.contains_key(process) || *presence == Presence::Alive(RegistryStatus::Hung)
    };
    let in_the_way = seat.processes.iter().find(|(process, presence)| !hangs(process, presence));
    if !fork && let Some((process, presence)) = in_the_way {
        let pid = process.pid;
        return match presence {
            Presence::Alive(_) => refuse(
                RefusalReason::StillAlive,
                format!("process {pid} stands behind this chat: go on there, or end it first"),
            ),
            Presence::Unknowable => refuse(
                RefusalReason::LivenessUnknown,
                format!(
                    "process {pid} belongs to another machine or container, so it cannot be told from here \
                     whether it lives: end it there, then remove its registry file"
                ),
            ),
        };
    }
    if seat.begun.len() >= window.count {
        let oldest = seat.begun.iter().min().copied().unwrap_or(now);
        let wait = window.span.saturating_sub(now.since(oldest)).as_secs().max(1);
        let message = format!(
            "{} restores of this chat began within {} s: look at why it dies, or try again in {wait} s",
            seat.begun.len(),
            window.span.as_secs(),
        );
        return refuse(RefusalReason::WindowUsedUp, message);
    }
    None
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
