//! Taking checkpoints: where the journal stands, what the chat's task is, where git stands.

use std::{path::Path, time::Instant};

use shim_api::{ApiError, checkpoints::Checkpoint, error::ErrorCode};
use shim_core::{chats::ChatId, checkpoints::Trigger, digest::Reader, time::Timestamp};
use shim_store::{NewCheckpoint, StoreError, Urgency};

use crate::{
    git,
    run::{Input, Watch, now},
    views,
};

impl Watch {
    /// Takes a checkpoint without waiting for the disk; it is told when it is durable.
    pub fn take_checkpoint(&mut self, chat: &ChatId, trigger: Trigger) {
        let since = Instant::now();
        if let Some(checkpoint) = self.checkpoint_here(chat, trigger, None) {
            self.submit(checkpoint, since);
            self.calls_are_safe(chat);
        }
    }

    /// Takes a checkpoint of a moment that has passed: when the transcript held so many bytes.
    pub fn take_checkpoint_of(&mut self, chat: &ChatId, trigger: Trigger, bytes: u64, at: Timestamp) {
        let since = Instant::now();
        self.settle();
        let Some(mut checkpoint) = self.checkpoint_here(chat, trigger, None) else { return };
        let mut reader = Reader::new(chat.client());
        let read = self.home.store.read(|store| {
            store.read_journal(checkpoint.stream, checkpoint.generation, 0, bytes, |piece| {
                reader.feed(piece);
                true
            })
        });
        if let Err(error) = read {
            return self.warn(error.to_string());
        }
        let digest = reader.at_rest();
        if digest.offset == 0 {
            return;
        }
        (checkpoint.turns, checkpoint.tokens, checkpoint.offset) =
            (digest.turns, digest.tokens, digest.offset);
        (checkpoint.todos, checkpoint.at) = (digest.todos, at);
        (checkpoint.head, checkpoint.branch) = (None, None);
        self.submit(checkpoint, since);
    }

    fn submit(&mut self, checkpoint: NewCheckpoint, since: Instant) {
        let (inputs, chat) = (self.handle.inputs.clone(), checkpoint.chat.clone());
        let recorded = move |result: Result<i64, StoreError>| match result {
            Ok(checkpoint) => {
                let took_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                let _ = inputs.send(Input::Recorded { checkpoint, chat, took_us });
            }
            Err(error) => tracing::warn!(%chat, "a checkpoint could not be kept: {error}"),
        };
        self.home.store.submit(Urgency::AtOnce, move |store| store.put_checkpoint(&checkpoint), recorded);
    }

    /// Takes a checkpoint for the user; it is durable when this returns.
    pub fn take_checkpoint_for_user(
        &mut self,
        chat: &ChatId,
        note: Option<String>,
    ) -> Result<Checkpoint, ApiError> {
        let since = Instant::now();
        for transcript in self.transcripts_of(chat) {
            self.catch_up_wholly(&transcript);
        }
        let checkpoint = self.checkpoint_here(chat, Trigger::User, note).ok_or_else(|| {
            ApiError::new(
                ErrorCode::NotFound,
                format!("{chat} has no transcript yet: there is nothing to keep"),
            )
        })?;
        let written = self.home.store.write(Urgency::AtOnce, move |store| {
            let id = store.put_checkpoint(&checkpoint)?;
            store.checkpoint(id)
        });
        let mut row = written.map_err(views::store_error)?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::Store,
                "the checkpoint was written and cannot be read back; run `shim doctor --verify`",
            )
        })?;
        self.calls_are_safe(chat);
        row.took_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.took.push((row.id, row.took_us));
        self.handle.tell(shim_api::events::Event::CheckpointTaken { chat: chat.clone(), checkpoint: row.id });
        Ok(views::checkpoint(row))
    }

    fn checkpoint_here(&self, id: &ChatId, trigger: Trigger, note: Option<String>) -> Option<NewCheckpoint> {
        let chat = self.chats.get(id)?;
        let tracked = chat.transcripts.iter().rev().find_map(|path| self.files.get(path))?;
        let head = chat.digest.cwd.as_deref().map(|cwd| git::head(Path::new(cwd))).unwrap_or_default();
        Some(NewCheckpoint {
            chat: id.clone(),
            at: now(),
            trigger,
            note,
            turns: chat.digest.turns,
            tokens: chat.digest.tokens,
            stream: tracked.stream_id(),
            generation: tracked.generation(),
            offset: chat.digest.offset,
            head: head.commit,
            branch: head.branch,
            todos: chat.digest.todos.clone(),
        })
    }
}
