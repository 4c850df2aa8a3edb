//! Processes that hang: recorded once for each time, open until it moves again, and the same crash when it
//! ends without having moved.

use super::{Effect, Hang, NewCrash, Presence, Supervisor, changed};
use crate::{
    chats::{ChatId, ProcessKey},
    checkpoints::Trigger,
    crashes::{CrashKind, Evidence, RegistryStatus},
    digest::Digest,
    hangs::Form,
    time::Timestamp,
};

/// What the detector found.
pub(super) struct Found<'a> {
    pub form: Form,
    pub since: Timestamp,
    pub evidence: Vec<Evidence>,
    pub digest: &'a Digest,
}

impl Supervisor {
    /// Remembers a hang that the store holds open, of a process that may live.
    pub fn recall_hang(&mut self, chat: ChatId, process: ProcessKey, since: Timestamp) {
        let seat = self.seats.entry(chat).or_default();
        seat.crashed = true;
        seat.hung.insert(process, Hang { form: None, since });
    }

    /// The processes of a chat that hang, each with what is known of it.
    pub fn hung(&self, chat: &ChatId) -> Vec<(ProcessKey, Hang)> {
        let Some(seat) = self.seats.get(chat) else { return Vec::new() };
        seat.hung.iter().map(|(process, hang)| (process.clone(), *hang)).collect()
    }

    pub fn is_hung(&self, chat: &ChatId, process: &ProcessKey) -> bool {
        self.seats.get(chat).is_some_and(|seat| seat.hung.contains_key(process))
    }

    /// What a live process's client says that it does.
    pub fn status(&self, chat: &ChatId, process: &ProcessKey) -> Option<&RegistryStatus> {
        match self.seats.get(chat)?.processes.get(process)? {
            Presence::Alive(status) => Some(status),
            Presence::Unknowable => None,
        }
    }

    pub(super) fn hangs(&mut self, chat: &ChatId, process: &ProcessKey, found: Found<'_>) -> Vec<Effect> {
        if !self.is_watched(chat, process) || self.is_hung(chat, process) {
            return Vec::new();
        }
        let Found { form, since, evidence, digest } = found;
        let seat = self.seats.entry(chat.clone()).or_default();
        seat.hung.insert(process.clone(), Hang { form: Some(form), since });
        let (in_turn, in_flight) = digest.where_open();
        let crash = NewCrash {
            chat: chat.clone(),
            process: process.clone(),
            kind: CrashKind::Hung,
            in_turn,
            in_flight,
            evidence,
            happened_at: since,
            seen_live: true,
        };
        let mut effects = vec![
            Effect::RecordCrash(crash),
            Effect::TakeCheckpoint { chat: chat.clone(), trigger: Trigger::Crash },
        ];
        effects.extend(changed(chat));
        effects
    }

    pub(super) fn moves_again(&mut self, chat: &ChatId, process: &ProcessKey) -> Vec<Effect> {
        let Some(seat) = self.seats.get_mut(chat) else { return Vec::new() };
        if seat.hung.remove(process).is_none() {
            return Vec::new();
        }
        let resolved = seat.hung.is_empty().then(|| Effect::ResolveCrashes { chat: chat.clone() });
        resolved.into_iter().chain(changed(chat)).collect()
    }

    /// A process that hung is gone. It is over where its user closed it, or where another holds the chat.
    pub(super) fn hung_and_went(&mut self, chat: &ChatId, process: &ProcessKey, over: bool) -> Vec<Effect> {
        self.seats.entry(chat.clone()).or_default().crashed = !over;
        let ended = Effect::HungEnded { chat: chat.clone(), process: process.clone() };
        let then = if over {
            Effect::ResolveCrashes { chat: chat.clone() }
        } else {
            Effect::TakeCheckpoint { chat: chat.clone(), trigger: Trigger::Crash }
        };
        [ended, then].into_iter().chain(changed(chat)).collect()
    }
}

#[cfg(test)]
#[path = "hung_tests.rs"]
mod tests;
