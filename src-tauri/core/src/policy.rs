//! What SHIM does by itself after a death: restores a chat once, then asks. The user's word always wins, and
//! every automatic action passes `permission`. A machine without IO; the engine carries out what it returns.

pub mod freeze;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    chats::ChatId,
    crashes::CrashKind,
    restore::{RefusalReason, Then},
    time::Timestamp,
};

/// Chats remembered; beyond that the ones that were touched longest ago are forgotten.
pub const MEMORIES_MAX: usize = 1000;
/// Attempts to start one restore. Only those count that were turned away before anything was started.
const TRIES_MAX: u32 = 5;
/// So many deaths within [`MASS_SPAN`] look like the machine going down, or like its memory being used up.
const MASS: usize = 3;
const MASS_SPAN: Duration = Duration::from_secs(5);
/// How long such deaths are waited out before anything is started.
const MASS_WAIT: Duration = Duration::from_secs(30);
/// How long an app may take to come up again after the update it ended its chats for.
const HOST_WAIT: Duration = Duration::from_secs(600);
/// The longest time that a chat must have lived to be restored by itself once more.
const EARN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether chats are restored without being asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auto {
    #[default]
    Off,
    /// Once; a second crash soon after asks.
    Once,
}

/// What the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub auto: Auto,
    /// Whether a client that hangs may be ended for it.
    pub end_hung: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    pub then: Then,
    /// From a death to its automatic restore.
    pub delay: Duration,
    /// Between two automatic restores, of whatever chats.
    pub apart: Duration,
    /// A crash sooner than this after the one before is not restored by itself. Doubled with each automatic
    /// restore, back to this once the chat has lived twice as long as was asked of it.
    pub stable: Duration,
    /// Before a restore that was turned away is tried again; doubled each time.
    pub retry: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            auto: Auto::Off,
            end_hung: true,
            dry_run: false,
            then: Then::Idle,
            delay: Duration::from_secs(3),
            apart: Duration::from_secs(60),
            stable: Duration::from_secs(600),
            retry: Duration::from_secs(30),
        }
    }
}

/// What is remembered of one chat, over restarts of the engine too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub stand: Stand,
    /// The last crash of the chat.
    pub crashed_at: Option<Timestamp>,
    /// When an automatic restore of it was last begun.
    pub begun_at: Option<Timestamp>,
    /// Automatic restores since the chat last was stable.
    pub restores: u32,
    /// The user ended the chat, or closed its window.
    pub closed_at: Option<Timestamp>,
}

/// Where an automatic restore of a chat stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Stand {
    #[default]
    Nothing,
    /// To be begun at `at`.
    Due { crash: i64, kind: CrashKind, at: Timestamp, tries: u32 },
    /// Begun. Written down before it is.
    Begun { crash: i64, kind: CrashKind, tries: u32 },
    /// The user was asked.
    Asked { crash: i64 },
}

/// A crash that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crashed {
    pub chat: ChatId,
    pub crash: i64,
    pub kind: CrashKind,
    /// The user's own hand was seen in it: the window was closed.
    pub closed: bool,
    /// It was seen how it went. Of what went unseen, the window may have been closed.
    pub seen: bool,
    pub happened_at: Timestamp,
}

/// What a restore that this machine asked for came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    Back,
    /// Nothing was started.
    TurnedAway(Option<RefusalReason>),
    /// A process was started, and the chat is not back.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Crashed(Crashed),
    /// A process stands behind the chat again, whoever started it.
    Alive {
        chat: ChatId,
    },
    /// A crash that was recorded turned out to be of another kind.
    Judged {
        chat: ChatId,
        crash: i64,
        kind: CrashKind,
    },
    /// The chat's file is ailing: only a repaired copy of it would come back.
    Ails {
        chat: ChatId,
        kind: CrashKind,
    },
    /// The chat's crash is history: what hung moves again, or it went on.
    Resolved {
        chat: ChatId,
    },
    /// A restore asked for here has ended, or was cut by the end of the engine.
    Ended {
        chat: ChatId,
        came: Came,
        why: String,
    },
    /// The user ended the chat.
    UserStopped {
        chat: ChatId,
    },
    /// The app that hosts chats is there again after its update.
    HostCameBack,
    /// The system has begun to go down, or goes on after all.
    Frozen(bool),
    Tick,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Durable before what follows.
    Remember { chat: ChatId, memory: Memory },
    Restore {
        chat: ChatId,
        crash: i64,
        /// What it was taken for when this was decided.
        kind: CrashKind,
        why: String,
    },
    /// In a dry run.
    WouldRestore { chat: ChatId, crash: i64, why: String },
    /// Nothing is done by itself: the user is asked.
    Ask { chat: ChatId, crash: i64, why: String },
}

/// An automatic action that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Restoring a chat after this kind of crash; a hung one is ended first.
    Restore { kind: CrashKind, closed: bool, memory: &'a Memory, crashed_at: Timestamp },
    /// Going on with a restore of many that the user began and an engine's end cut short.
    GoOnWithFleet { same_boot: bool, dry_run: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    Yes(String),
    /// Not now: the reason passes by itself.
    Later,
    /// Not without the user's word, for this reason.
    Ask(String),
    /// Not at all: nothing is to be said.
    No,
}

/// The one place where it is decided whether SHIM may act without being asked.
pub fn permission(rules: &Rules, frozen: bool, action: Action<'_>) -> Permission {
    if frozen {
        return Permission::Later;
    }
    match action {
        Action::GoOnWithFleet { dry_run: true, .. } => Permission::No,
        Action::GoOnWithFleet { same_boot: true, .. } => {
            Permission::Yes("the user began it, and it was cut short".to_owned())
        }
        Action::GoOnWithFleet { same_boot: false, .. } => {
            Permission::Ask("the machine was started anew since it was begun".to_owned())
        }
        Action::Restore { .. } if rules.auto == Auto::Off => Permission::No,
        Action::Restore { memory, .. } if memory.closed_at.is_some() => Permission::No,
        Action::Restore { closed: true, .. } => Permission::No,
        Action::Restore { kind, memory, crashed_at, .. } => may_restore(rules, kind, memory, crashed_at),
    }
}

fn may_restore(rules: &Rules, kind: CrashKind, memory: &Memory, crashed_at: Timestamp) -> Permission {
    match kind {
        CrashKind::Hung if !rules.end_hung => {
            return Permission::Ask("policy.hung says to ask before a client that hangs is ended".to_owned());
        }
        CrashKind::Killed
        | CrashKind::Exited
        | CrashKind::OutOfMemory
        | CrashKind::ClientUpdate
        | CrashKind::Hung => {}
        // Many at once are offered as one; and what changes a client's own files is its user's affair.
        CrashKind::Shutdown
        | CrashKind::IndexLost
        | CrashKind::Torn
        | CrashKind::Poisoned
        | CrashKind::CompactionDeadlock
        | CrashKind::Deleted => return Permission::No,
    }
    let Some(before) = memory.crashed_at else {
        return Permission::Yes(format!("the chat was {} and had not crashed lately", kind_words(kind)));
    };
    let (asked, lived) = (earn(rules, memory), crashed_at.since(before));
    if lived < asked {
        return Permission::Ask(format!(
            "it crashed again {} s after the crash before; {} s are asked of it",
            lived.as_secs(),
            asked.as_secs()
        ));
    }
    Permission::Yes(format!(
        "the chat was {}; the crash before was {} s ago",
        kind_words(kind),
        lived.as_secs()
    ))
}

/// How long a chat must have gone without a crash.
fn earn(rules: &Rules, memory: &Memory) -> Duration {
    let doubled = memory.restores.saturating_sub(1).min(16);
    rules.stable.saturating_mul(1 << doubled).min(EARN_MAX)
}

fn kind_words(kind: CrashKind) -> &'static str {
    match kind {
        CrashKind::Killed => "killed",
        CrashKind::Exited => "ended in mid-turn",
        CrashKind::Shutdown => "cut by the end of the machine",
        CrashKind::ClientUpdate => "cut by its app's update",
        CrashKind::Hung => "hung",
        CrashKind::OutOfMemory => "out of memory",
        CrashKind::IndexLost => "lost from its client's list",
        CrashKind::Torn => "damaged on disk",
        CrashKind::Poisoned => "refused by its model",
        CrashKind::CompactionDeadlock => "too long for its model",
        CrashKind::Deleted => "deleted by its client",
    }
}

/// The policy over all chats.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Rules,
    chats: BTreeMap<ChatId, Memory>,
    frozen: bool,
    /// The last automatic restore of any chat.
    begun_at: Option<Timestamp>,
    /// Of all chats, the last ones.
    deaths: VecDeque<Timestamp>,
}

impl Policy {
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// What is due is held against them when its time comes.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes up what an engine before this one remembered. What it had begun and not ended is told by `Ended`.
    pub fn recall(&mut self, chat: ChatId, memory: Memory) {
        self.begun_at = self.begun_at.max(memory.begun_at);
        self.chats.insert(chat, memory);
    }

    /// Restores that were begun and of which no end is known.
    pub fn begun(&self) -> Vec<(ChatId, i64)> {
        let begun = self.chats.iter().filter_map(|(chat, memory)| match memory.stand {
            Stand::Begun { crash, .. } => Some((chat.clone(), crash)),
            Stand::Nothing | Stand::Due { .. } | Stand::Asked { .. } => None,
        });
        begun.collect()
    }

    /// Whether the user ended the chat, or closed its window, and has not come back to it.
    pub fn is_closed(&self, chat: &ChatId) -> bool {
        self.closed_at(chat).is_some()
    }

    /// When they did.
    pub fn closed_at(&self, chat: &ChatId) -> Option<Timestamp> {
        self.chats.get(chat)?.closed_at
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    pub fn may(&self, action: Action<'_>) -> Permission {
        permission(&self.rules, self.frozen, action)
    }

    /// When something may be due.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.frozen {
            return None;
        }
        self.chats.values().filter_map(|memory| self.due_at(memory)).min()
    }

    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Crashed(crash) => self.crashed(crash, now),
            Event::Judged { chat, crash, kind } => self.judged(chat, crash, kind, now),
            Event::Ails { chat, kind } => self.ails(chat, kind),
            Event::Alive { chat } => self.alive(chat, true),
            Event::Resolved { chat } => self.alive(chat, false),
            Event::Ended { chat, came, why } => self.ended(chat, &came, why, now),
            Event::UserStopped { chat } => {
                let memory = self.chats.entry(chat.clone()).or_default();
                memory.closed_at = Some(now);
                memory.stand = Stand::Nothing;
                self.remember(chat)
            }
            Event::HostCameBack => self.host_came_back(now),
            Event::Frozen(frozen) => {
                self.frozen = frozen;
                Vec::new()
            }
            Event::Tick => self.tick(now),
        }
    }

    fn crashed(&mut self, crash: Crashed, now: Timestamp) -> Vec<Effect> {
        let Crashed { chat, crash, kind, closed, seen, happened_at } = crash;
        self.deaths.push_back(happened_at.min(now));
        if self.deaths.len() > MASS {
            self.deaths.pop_front();
        }
        let rules = self.rules.clone();
        let memory = self.chats.entry(chat.clone()).or_default();
        // A chat that has lived long enough owes nothing any more.
        let calm = earn(&rules, memory).saturating_mul(2);
        if memory.crashed_at.is_none_or(|before| happened_at.since(before) >= calm) {
            memory.restores = 0;
        }
        let action = Action::Restore { kind, closed, memory, crashed_at: happened_at };
        let permission = match permission(&rules, false, action) {
            // What its user closed stays closed.
            Permission::Yes(_) | Permission::Later if !seen => {
                Permission::Ask("nobody saw it go, and its window may have been closed".to_owned())
            }
            permission => permission,
        };
        memory.crashed_at = Some(happened_at);
        if closed {
            memory.closed_at = Some(now);
        }
        memory.stand = match &permission {
            Permission::Yes(_) | Permission::Later => {
                let wait = if kind == CrashKind::ClientUpdate { HOST_WAIT } else { rules.delay };
                Stand::Due { crash, kind, at: now.plus(wait), tries: 0 }
            }
            Permission::Ask(_) => Stand::Asked { crash },
            Permission::No => Stand::Nothing,
        };
        let mut effects = self.remember(chat.clone());
        if let Permission::Ask(why) = permission {
            effects.push(Effect::Ask { chat, crash, why });
        }
        effects
    }

    /// What was to be done for a crash is asked again of its new kind; what only its user may do is left to them.
    fn judged(&mut self, chat: ChatId, crash: i64, kind: CrashKind, now: Timestamp) -> Vec<Effect> {
        let rules = self.rules.clone();
        let Some(memory) = self.chats.get_mut(&chat) else { return Vec::new() };
        let (of, at, tries) = match memory.stand {
            Stand::Due { crash, at, tries, .. } => (crash, at, tries),
            Stand::Begun { crash, tries, .. } => (crash, now.plus(rules.delay), tries),
            Stand::Asked { crash } => (crash, now, TRIES_MAX),
            Stand::Nothing => return Vec::new(),
        };
        if of != crash {
            return Vec::new();
        }
        let since = Memory { crashed_at: None, ..memory.clone() };
        let action = Action::Restore { kind, closed: false, memory: &since, crashed_at: now };
        let is_allowed = matches!(permission(&rules, false, action), Permission::Yes(_) | Permission::Later);
        memory.stand = match (is_allowed, &memory.stand) {
            (true, Stand::Asked { .. }) => return Vec::new(),
            (true, _) => Stand::Due { crash, kind, at, tries },
            (false, _) => Stand::Nothing,
        };
        self.remember(chat)
    }

    /// Its file is its user's affair: what was due is asked.
    fn ails(&mut self, chat: ChatId, kind: CrashKind) -> Vec<Effect> {
        let Some(memory) = self.chats.get_mut(&chat) else { return Vec::new() };
        let Stand::Due { crash, .. } = memory.stand else { return Vec::new() };
        memory.stand = Stand::Asked { crash };
        let mut effects = self.remember(chat.clone());
        let why = format!("the chat is {}, and only a repaired copy of it would come back", kind_words(kind));
        effects.push(Effect::Ask { chat, crash, why });
        effects
    }

    fn alive(&mut self, chat: ChatId, anew: bool) -> Vec<Effect> {
        let Some(memory) = self.chats.get_mut(&chat) else { return Vec::new() };
        let before = memory.clone();
        if anew {
            memory.closed_at = None;
        }
        if !matches!(memory.stand, Stand::Begun { .. }) {
            memory.stand = Stand::Nothing;
        }
        if *memory == before { Vec::new() } else { self.remember(chat) }
    }

    fn ended(&mut self, chat: ChatId, came: &Came, why: String, now: Timestamp) -> Vec<Effect> {
        let Some(memory) = self.chats.get_mut(&chat) else { return Vec::new() };
        let Stand::Begun { crash, kind, tries, .. } = memory.stand.clone() else { return Vec::new() };
        let again = match came {
            Came::TurnedAway(reason) => tries < TRIES_MAX && reason.is_none_or(passes),
            Came::Back | Came::Failed => false,
        };
        if !matches!(came, Came::TurnedAway(_)) {
            memory.restores = memory.restores.saturating_add(1);
        }
        memory.stand = match came {
            Came::Back => Stand::Nothing,
            Came::TurnedAway(_) if again => {
                let wait = self.rules.retry.saturating_mul(1 << tries.saturating_sub(1).min(16));
                Stand::Due { crash, kind, at: now.plus(wait), tries }
            }
            Came::TurnedAway(_) | Came::Failed => Stand::Asked { crash },
        };
        let asks = memory.stand == Stand::Asked { crash };
        let mut effects = self.remember(chat.clone());
        if asks {
            effects.push(Effect::Ask { chat, crash, why });
        }
        effects
    }

    /// What the update cut is brought back as soon as may be.
    fn host_came_back(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut moved = Vec::new();
        for (chat, memory) in &mut self.chats {
            if let Stand::Due { kind: CrashKind::ClientUpdate, at, .. } = &mut memory.stand
                && *at > now
            {
                *at = now;
                moved.push(chat.clone());
            }
        }
        moved.into_iter().flat_map(|chat| self.remember(chat)).collect()
    }

    /// At most one restore begins with each tick.
    fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.frozen {
            return Vec::new();
        }
        self.clock_was_set_back(now);
        let due = self.chats.iter().filter_map(|(chat, memory)| Some((self.due_at(memory)?, chat)));
        // The chat that died last is the one its user was at.
        let due = due
            .filter(|(at, _)| *at <= now)
            .max_by_key(|(_, chat)| self.chats.get(*chat).map(|m| m.crashed_at));
        let Some((_, chat)) = due else { return Vec::new() };
        let chat = chat.clone();
        let (rules, frozen) = (self.rules.clone(), self.frozen);
        let Some(memory) = self.chats.get_mut(&chat) else { return Vec::new() };
        let Stand::Due { crash, kind, tries, .. } = memory.stand.clone() else { return Vec::new() };
        // What was allowed at the death may not be any more; what was asked of the chat then was.
        let since = Memory { crashed_at: None, ..memory.clone() };
        let action = Action::Restore { kind, closed: false, memory: &since, crashed_at: now };
        match permission(&rules, frozen, action) {
            Permission::Yes(why) if rules.dry_run => {
                memory.stand = Stand::Nothing;
                let mut effects = self.remember(chat.clone());
                effects.push(Effect::WouldRestore { chat, crash, why });
                effects
            }
            Permission::Yes(why) => {
                memory.stand = Stand::Begun { crash, kind, tries: tries + 1 };
                (memory.begun_at, self.begun_at) = (Some(now), Some(now));
                let mut effects = self.remember(chat.clone());
                effects.push(Effect::Restore { chat, crash, kind, why });
                effects
            }
            Permission::Later => Vec::new(),
            Permission::Ask(_) | Permission::No => {
                memory.stand = Stand::Nothing;
                self.remember(chat)
            }
        }
    }

    /// Moments that are yet to come count from now on, not for ever.
    fn clock_was_set_back(&mut self, now: Timestamp) {
        self.begun_at = self.begun_at.map(|begun| begun.min(now));
        self.deaths.iter_mut().for_each(|death| *death = now.min(*death));
        let latest = now.plus(HOST_WAIT);
        for memory in self.chats.values_mut() {
            if let Stand::Due { at, .. } = &mut memory.stand {
                *at = latest.min(*at);
            }
        }
    }

    /// The moment from which this one may begin, by all limits.
    fn due_at(&self, memory: &Memory) -> Option<Timestamp> {
        let Stand::Due { at, .. } = memory.stand else { return None };
        let apart = self.begun_at.map(|begun| begun.plus(self.rules.apart));
        Some(at.max(apart.unwrap_or_default()).max(self.mass_over().unwrap_or_default()))
    }

    /// Until when a number of deaths at once is waited out.
    fn mass_over(&self) -> Option<Timestamp> {
        let (first, last) = (self.deaths.front()?, self.deaths.back()?);
        (self.deaths.len() >= MASS && last.since(*first) <= MASS_SPAN).then(|| last.plus(MASS_WAIT))
    }

    fn remember(&mut self, chat: ChatId) -> Vec<Effect> {
        if self.chats.len() > MEMORIES_MAX {
            let quiet = |memory: &Memory| memory.stand == Stand::Nothing;
            let oldest = self.chats.iter().filter(|(id, memory)| **id != chat && quiet(memory));
            let oldest = oldest.min_by_key(|(_, memory)| memory.crashed_at.max(memory.closed_at));
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.chats.remove(&oldest);
            }
        }
        let memory = self.chats.get(&chat).cloned().unwrap_or_default();
        vec![Effect::Remember { chat, memory }]
    }
}

/// Whether what turned a restore away may be over by itself.
fn passes(reason: RefusalReason) -> bool {
    match reason {
        RefusalReason::LivenessUnknown
        | RefusalReason::UnderWay
        | RefusalReason::WindowUsedUp
        | RefusalReason::OrphansAlive => true,
        RefusalReason::StillAlive
        | RefusalReason::Ambiguous
        | RefusalReason::DirectoryGone
        | RefusalReason::ClientMissing
        | RefusalReason::TerminalMissing
        | RefusalReason::NothingToRestore
        | RefusalReason::CheckpointGone
        | RefusalReason::Unsupported
        | RefusalReason::Limit => false,
    }
}

#[cfg(test)]
#[path = "policy/policy_tests.rs"]
mod tests;
