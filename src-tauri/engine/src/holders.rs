//! Who held which chat last, kept for the next engine: a lock that stayed behind says that its holder was killed, but
//! not who that was, nor whether its death was judged.

use std::{path::Path, time::Duration};

use shim_core::{
    chats::{ChatId, ChatState, ProcessKey},
    clients::Registration,
    crashes::{Gone, Leave},
    time::Timestamp,
};
use shim_store::{StoreError, Urgency};

use crate::{
    clients::{Look, port},
    paths::{from_bytes, modified, to_bytes},
    processes::{Liveness, probe},
    run::{Watch, now},
};

/// A mark is made a moment before it is held, and an exit is told a moment after it was let go.
const LEFT_QUIET: Duration = Duration::from_secs(5);

impl Watch {
    pub fn keep_holder(&self, mark: &Path, holder: &Registration) {
        if !port(holder.client).locks_its_chats() {
            return;
        }
        let (mark, holder, at) = (to_bytes(mark), holder.clone(), now());
        let put = move |store: &shim_store::Batch<'_>| store.put_holder(&mark, &holder, at);
        self.home.store.submit(Urgency::Gathered, put, say);
    }

    /// It holds the chat no more, and why is known.
    pub fn drop_holder(&self, chat: &ChatId, process: &ProcessKey) {
        if !port(chat.client()).locks_its_chats() {
            return;
        }
        let (chat, process) = (chat.clone(), process.clone());
        let drop = move |store: &shim_store::Batch<'_>| store.drop_holder(&chat, &process);
        self.home.store.submit(Urgency::Gathered, drop, say);
    }

    /// Those that were gone when this engine began. One that lives is met again, or found to have left.
    pub fn judge_lost_holders(&mut self) {
        let holders = match self.home.store.read(|store| store.holders()) {
            Ok(holders) => holders,
            Err(error) => return self.warn(error.to_string()),
        };
        for (mark, holder) in holders {
            if probe(&holder.process) == Liveness::Alive {
                self.registry.insert(from_bytes(&mark), holder);
            } else {
                self.registered(&from_bytes(&mark), &holder);
                self.drop_holder(&holder.chat(), &holder.process);
            }
        }
    }
}

impl Watch {
    /// Marks of chats whose holder no engine ever saw: it was killed within moments, or while none ran.
    pub fn judge_left_marks(&mut self, look: &Look) {
        let (at, mut left) = (now(), Vec::new());
        for home in &self.homes {
            left.extend(
                home.port()
                    .left_marks(&home.folder, look)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(mark, session_id)| (home.client, mark, session_id)),
            );
        }
        for (client, mark, session_id) in left {
            let taken_at = modified(&mark);
            // No process has the number 0: it stands for the one that was never seen.
            let process = ProcessKey { pid: 0, start: format!("mark {}", taken_at.ms()) };
            let holder = Registration {
                started_at: Some(taken_at),
                updated_at: Some(taken_at),
                ..Registration::new(client, process, session_id)
            };
            if at.since(taken_at) >= LEFT_QUIET && self.is_left_unjudged(&holder, taken_at) {
                let gone = if self.is_from_before_boot(&holder) { Gone::BeforeBoot } else { Gone::Absent };
                self.process_gone(&holder, gone, Leave::LeftBehind, at);
            }
        }
    }

    fn is_left_unjudged(&self, holder: &Registration, taken_at: Timestamp) -> bool {
        let chat = holder.chat();
        self.chats.contains_key(&chat)
            && self.home.made.is_none_or(|made| taken_at >= made)
            && self.supervisor.state(&chat) == ChatState::Ended
            && self.supervisor.possible_processes(&chat).is_empty()
            && !self.supervisor.was_judged(&chat, &holder.process)
            && self.policy.closed_at(&chat).is_none_or(|closed| closed < taken_at)
            // Where that cannot be read, nothing is claimed.
            && !self.home.store.read(|store| store.crashed_since(&chat, taken_at)).unwrap_or(true)
    }
}

fn say(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!("who holds a chat could not be kept: {error}");
    }
}
