//! Bringing many chats back: the most recent first, as many at once as memory has room for, stopping when
//! restores fail one after the other. A machine without IO that can be put away and taken up again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    chats::{ChatId, Client},
    restore::{RefusalReason, Then},
    time::Timestamp,
};

/// Chats in one fleet; more are left for the next.
pub const ITEMS_MAX: usize = 200;
/// Failures one after the other: whatever ails them would ail the rest.
pub const FAILURES_IN_A_ROW_MAX: u32 = 3;
/// A client that was started takes so long until its memory shows in the system's own count.
const GROWS_FOR: Duration = Duration::from_secs(10);

/// Offered from so many chats on.
pub const OFFERED_FROM: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Restores at once.
    pub at_once: usize,
    /// Memory that must stay free, in bytes.
    pub reserve: u64,
    /// How long memory may be short before it is given up.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 2, reserve: 512 * MIB, wait: Duration::from_secs(600) }
    }
}

const MIB: u64 = 1024 * 1024;

/// Memory that a client takes with what it starts, in bytes, where no process of the chat was measured. Resumed in a
/// terminal with a short chat on Linux, Claude Code 2.1.329 took 210 MiB (166 without a terminal) and Codex 0.169.0
/// took 170: twice that, for chats that are long. The others are guesses.
pub fn needs_of(client: Client) -> u64 {
    match client {
        Client::ClaudeCode => 420 * MIB,
        Client::Codex => 340 * MIB,
        Client::Gemini => 450 * MIB,
        Client::Opencode => 500 * MIB,
        Client::ClaudeDesktop => 1024 * MIB,
    }
}

/// How the chats are brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Options {
    #[serde(default)]
    pub headless: bool,
    #[serde(default)]
    pub then: Then,
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Fleet {
    pub id: i64,
    #[ts(type = "string")]
    pub begun_at: Timestamp,
    pub options: Options,
    pub state: State,
    /// The most recent chat first.
    pub items: Vec<Item>,
    pub failures_in_a_row: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum State {
    Running,
    WaitingForMemory {
        /// In bytes. What is free differs with each look, and is no part of the state.
        needed: u64,
        #[ts(type = "string")]
        since: Timestamp,
    },
    /// Every chat was tried.
    Done,
    Cancelled,
    /// It was given up.
    Stopped {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Item {
    pub chat: ChatId,
    pub crash: i64,
    /// Memory that it is expected to take, in bytes.
    pub needs: u64,
    pub state: ItemState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum ItemState {
    Waiting,
    Running,
    Restored {
        /// Number of the receipt; null where it was back before its receipt was.
        receipt: Option<i64>,
        #[ts(type = "string")]
        at: Timestamp,
    },
    Failed {
        receipt: Option<i64>,
        why: String,
    },
    /// Somebody else took the chat up.
    Skipped {
        receipt: Option<i64>,
        why: String,
    },
}

/// What became of one restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub chat: ChatId,
    pub receipt: Option<i64>,
    pub ok: bool,
    pub refused: Option<RefusalReason>,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many bytes of memory could be had now.
    Look {
        available: u64,
    },
    Ended(Ended),
    /// The engine ended while this chat was being restored. `started`: a process had been started. `alive`: one
    /// stands behind the chat now.
    Cut {
        chat: ChatId,
        started: bool,
        alive: bool,
    },
    /// The chat is alive or was restored, and not by this fleet.
    Gone {
        chat: ChatId,
    },
    Cancel,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Durable before what follows.
    Remember,
    Start {
        chat: ChatId,
        crash: i64,
    },
    /// Nothing is left to do.
    Finished,
}

impl Fleet {
    pub fn new(id: i64, begun_at: Timestamp, options: Options, mut items: Vec<Item>) -> Self {
        items.truncate(ITEMS_MAX);
        Self { id, begun_at, options, state: State::Running, items, failures_in_a_row: 0 }
    }

    pub fn is_over(&self) -> bool {
        let ended = !matches!(self.state, State::Running | State::WaitingForMemory { .. });
        ended && self.running() == 0
    }

    /// Whether more chats may be begun.
    pub fn goes_on(&self) -> bool {
        matches!(self.state, State::Running | State::WaitingForMemory { .. })
    }

    pub fn handle(&mut self, event: Event, limits: Limits, now: Timestamp) -> Vec<Effect> {
        let before = self.clone();
        let mut starts = Vec::new();
        match event {
            Event::Look { available } => starts = self.look(available, limits, now),
            Event::Ended(ended) => self.ended(ended, now),
            Event::Cut { chat, started, alive } => self.cut(&chat, started, alive, now),
            Event::Gone { chat } => {
                let why = "it is alive again".to_owned();
                self.set_if(&chat, &ItemState::Waiting, ItemState::Skipped { receipt: None, why });
            }
            Event::Cancel if self.goes_on() => self.state = State::Cancelled,
            Event::Cancel => {}
        }
        if self.goes_on() && !self.items.iter().any(|item| is_open(&item.state)) {
            self.state = State::Done;
        }
        let mut effects = Vec::new();
        if *self != before {
            effects.push(Effect::Remember);
        }
        effects.extend(starts);
        if self.is_over() && !before.is_over() {
            effects.push(Effect::Finished);
        }
        effects
    }

    fn look(&mut self, available: u64, limits: Limits, now: Timestamp) -> Vec<Effect> {
        let mut starts = Vec::new();
        while self.goes_on() && self.running() < limits.at_once {
            let Some(next) = self.items.iter().position(|item| item.state == ItemState::Waiting) else {
                break;
            };
            let growing: u64 =
                self.items.iter().filter(|item| is_growing(&item.state, now)).map(|item| item.needs).sum();
            let Some(item) = self.items.get_mut(next) else { break };
            let needed = if self.options.dry_run { 0 } else { limits.reserve + growing + item.needs };
            if available < needed {
                self.short_of_memory(available, needed, limits, now);
                break;
            }
            item.state = ItemState::Running;
            starts.push(Effect::Start { chat: item.chat.clone(), crash: item.crash });
            self.state = State::Running;
        }
        starts
    }

    fn short_of_memory(&mut self, available: u64, needed: u64, limits: Limits, now: Timestamp) {
        let since = match self.state {
            State::WaitingForMemory { since, .. } => since.min(now),
            State::Running | State::Done | State::Cancelled | State::Stopped { .. } => now,
        };
        // What runs may end and give memory back.
        self.state = if now.since(since) >= limits.wait && self.running() == 0 {
            let (has, asks) = (available / MIB, needed / MIB);
            State::Stopped {
                why: format!(
                    "{has} MiB of memory are free and the next chat asks for {asks}, what must stay free included: close \
                     something, then restore the rest"
                ),
            }
        } else {
            State::WaitingForMemory { needed, since }
        };
    }

    fn ended(&mut self, ended: Ended, now: Timestamp) {
        let Ended { chat, receipt, ok, refused, why } = ended;
        let state = match (ok, refused) {
            (true, _) => ItemState::Restored { receipt, at: now },
            (false, Some(RefusalReason::StillAlive | RefusalReason::UnderWay)) => {
                ItemState::Skipped { receipt, why }
            }
            (false, _) => ItemState::Failed { receipt, why },
        };
        let failed = matches!(state, ItemState::Failed { .. });
        if self.set_if(&chat, &ItemState::Running, state) {
            self.count(failed, ok);
        }
    }

    fn cut(&mut self, chat: &ChatId, started: bool, alive: bool, now: Timestamp) {
        let state = match (alive, started) {
            (true, _) => ItemState::Restored { receipt: None, at: now },
            // Whether it came up and ended again cannot be told: it is not begun a second time.
            (false, true) => {
                let why = "the engine ended after the client was started, and the chat is not there: look at it, then \
                           restore it by itself";
                ItemState::Failed { receipt: None, why: why.to_owned() }
            }
            (false, false) => ItemState::Waiting,
        };
        let failed = matches!(state, ItemState::Failed { .. });
        if self.set_if(chat, &ItemState::Running, state) {
            self.count(failed, alive);
        }
    }

    fn count(&mut self, failed: bool, ok: bool) {
        self.failures_in_a_row = match (failed, ok) {
            (true, _) => self.failures_in_a_row + 1,
            (false, true) => 0,
            (false, false) => self.failures_in_a_row,
        };
        if self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX && self.goes_on() {
            let why = format!(
                "{} restores failed one after the other; their receipts say why",
                self.failures_in_a_row
            );
            self.state = State::Stopped { why };
        }
    }

    fn set_if(&mut self, chat: &ChatId, from: &ItemState, to: ItemState) -> bool {
        let found = self.items.iter_mut().find(|item| item.chat == *chat && item.state == *from);
        found.map(|item| item.state = to).is_some()
    }

    fn running(&self) -> usize {
        self.items.iter().filter(|item| item.state == ItemState::Running).count()
    }
}

fn is_open(state: &ItemState) -> bool {
    matches!(state, ItemState::Waiting | ItemState::Running)
}

fn is_growing(state: &ItemState, now: Timestamp) -> bool {
    match state {
        ItemState::Running => true,
        ItemState::Restored { at, .. } => now.since(*at) < GROWS_FOR,
        ItemState::Waiting | ItemState::Failed { .. } | ItemState::Skipped { .. } => false,
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
