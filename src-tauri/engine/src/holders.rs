//! Who held which chat last, kept for the next engine: a lock that stayed behind says that its holder was killed, but
//! not who that was, nor whether its death was judged.

use std::path::Path;

use shim_core::{
    chats::{ChatId, ProcessKey},
    clients::Registration,
};
use shim_store::{StoreError, Urgency};

use crate::{
    clients::port,
    paths::{from_bytes, to_bytes},
    processes::{Liveness, probe},
    run::{Watch, now},
};

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

fn say(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!("who holds a chat could not be kept: {error}");
    }
}
