//! Taking checkpoints: where the journal stands, what the chat's task is, where git stands.

pub mod earlier;

use std::{collections::HashMap, path::Path, time::Instant};

use shim_api::{ApiError, checkpoints::Checkpoint, error::ErrorCode, events::Event as Told};
use shim_core::{
    chats::ChatId,
    checkpoints::{
        Trigger,
        planner::{Due, Effect, Event, News, Planner, Risk},
    },
    digest::Reader,
    risk::Level,
    time::Timestamp,
};
use shim_store::{NewCheckpoint, StoreError, Urgency};

use crate::{
    git,
    journal::Tracked,
    run::{Input, Watch, now},
    snapshots::{Snapshots, list::Point},
    views,
};

/// What the watch holds for checkpoints.
#[derive(Default)]
pub struct Checkpoints {
    /// One machine for each chat in which something happened; those at rest are dropped.
    plans: HashMap<ChatId, Planner>,
    pub snapshots: Snapshots,
    /// An engine that lives for one command keeps a workspace only where the user asks.
    pub only_asked: bool,
}

/// A checkpoint that is on disk.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub id: i64,
    pub chat: ChatId,
    pub trigger: Trigger,
    pub point: Point,
    pub took_us: u64,
}

impl Watch {
    /// Wants a checkpoint for this reason: taken at once, or named in one that is.
    pub fn want_checkpoint(&mut self, chat: &ChatId, trigger: Trigger) {
        self.plan(chat, Event::Wanted(trigger));
    }

    /// A chat's risk rose to this. Once for each rise.
    pub fn risk_rose(&mut self, chat: &ChatId, level: Level) {
        match level {
            Level::Safe => {}
            Level::Warning => self.plan(chat, Event::RiskRose(Risk::Warning)),
            Level::Danger => self.plan(chat, Event::RiskRose(Risk::Danger)),
        }
    }

    /// A live chat's transcript grew.
    pub fn checkpoint_growth(&mut self, chat: &ChatId, news: &News) {
        if !self.supervisor.state(chat).is_live() {
            return;
        }
        let todos = self.chats.get(chat).map(|known| known.digest.todos.clone()).unwrap_or_default();
        self.plan(chat, Event::Grew { news, todos: &todos });
    }

    /// Takes what waited for its time.
    pub fn take_what_waits(&mut self) {
        let chats: Vec<_> = self.checkpoints.plans.keys().cloned().collect();
        for chat in chats {
            self.plan(&chat, Event::Tick);
        }
        let supervisor = &self.supervisor;
        self.checkpoints.plans.retain(|chat, plan| !plan.is_at_rest() || supervisor.state(chat).is_live());
    }

    fn plan(&mut self, chat: &ChatId, event: Event<'_>) {
        // A client may register a chat long before it writes anything of it.
        if self.supervisor.state(chat).is_live() && self.tracked_of(chat).is_none() {
            if let Event::Wanted(trigger) = event {
                self.checkpoints.plans.entry(chat.clone()).or_default().wait_with(trigger);
            }
            return;
        }
        for Effect::Take(due) in self.decide_checkpoint(chat, event) {
            let since = Instant::now();
            if let Some(checkpoint) = self.checkpoint_here(chat, due) {
                self.submit(checkpoint, since);
                self.calls_are_safe(chat);
            }
        }
    }

    pub fn decide_checkpoint(&mut self, chat: &ChatId, event: Event<'_>) -> Vec<Effect> {
        let settings = self.settings_of(chat, "checkpoints.");
        let plan = self.checkpoints.plans.entry(chat.clone()).or_default();
        plan.handle(event, &settings.checkpoints, now())
    }

    /// Takes a checkpoint of a moment that has passed: when the transcript held so many bytes.
    pub fn take_checkpoint_of(&mut self, chat: &ChatId, trigger: Trigger, bytes: u64, at: Timestamp) {
        let since = Instant::now();
        self.settle();
        let due = Due { trigger, also: Vec::new(), note: None };
        let Some(mut checkpoint) = self.checkpoint_here(chat, due) else { return };
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
        let (trigger, point) = (checkpoint.trigger, point_of(&checkpoint));
        let recorded = move |result: Result<i64, StoreError>| match result {
            Ok(id) => {
                let took_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                let _ = inputs.send(Input::Recorded(Recorded { id, chat, trigger, point, took_us }));
            }
            Err(error) => tracing::warn!(%chat, "a checkpoint could not be kept: {error}"),
        };
        let max = self.home.settings().checkpoints.kept_max;
        self.home.store.submit(
            Urgency::AtOnce,
            move |store| {
                let id = store.put_checkpoint(&checkpoint)?;
                store.thin_checkpoints(&checkpoint.chat, max, checkpoint.at)?;
                Ok(id)
            },
            recorded,
        );
    }

    /// A checkpoint is on disk.
    pub fn checkpoint_recorded(&mut self, recorded: Recorded) {
        let Recorded { id, chat, trigger, point, took_us } = recorded;
        self.took.push((id, took_us));
        self.experiment_checkpoint(&chat, took_us);
        self.keep_workspace(&chat, id, trigger, point);
        self.tell_of_checkpoint(chat, id, trigger, took_us);
    }

    pub fn tell_of_checkpoint(&self, chat: ChatId, checkpoint: i64, trigger: Trigger, took_us: u64) {
        let client_version = self.version_of(&chat);
        let seconds = took_us as f64 / 1e6;
        self.handle.tell(Told::CheckpointTaken { chat, checkpoint, trigger, seconds, client_version });
    }

    /// Takes a checkpoint for the user; it is durable when this returns. Its workspace is kept a moment later.
    pub fn take_checkpoint_for_user(
        &mut self,
        chat: &ChatId,
        note: Option<String>,
    ) -> Result<Checkpoint, ApiError> {
        let (taken, point) = self.take_user_checkpoint(chat, note)?;
        self.keep_workspace(chat, taken.id, Trigger::User, point);
        Ok(taken)
    }

    /// The same without its workspace.
    pub fn take_user_checkpoint(
        &mut self,
        chat: &ChatId,
        note: Option<String>,
    ) -> Result<(Checkpoint, Point), ApiError> {
        let since = Instant::now();
        for transcript in self.transcripts_of(chat) {
            self.catch_up_wholly(&transcript);
        }
        let planned = self.decide_checkpoint(chat, Event::Wanted(Trigger::User));
        let also = planned.into_iter().flat_map(|Effect::Take(due)| due.also).collect();
        self.take_checkpoint_at_once(chat, Due { trigger: Trigger::User, also, note }, since)
    }

    /// Takes one that is durable when this returns, without its workspace.
    pub fn take_checkpoint_at_once(
        &mut self,
        chat: &ChatId,
        due: Due,
        since: Instant,
    ) -> Result<(Checkpoint, Point), ApiError> {
        let checkpoint = self.checkpoint_here(chat, due).ok_or_else(|| {
            ApiError::new(
                ErrorCode::NotFound,
                format!("{chat} has no transcript yet: there is nothing to keep"),
            )
        })?;
        let (point, max) = (point_of(&checkpoint), self.home.settings().checkpoints.kept_max);
        let written = self.home.store.write(Urgency::AtOnce, move |store| {
            let id = store.put_checkpoint(&checkpoint)?;
            store.thin_checkpoints(&checkpoint.chat, max, checkpoint.at)?;
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
        self.tell_of_checkpoint(chat.clone(), row.id, row.checkpoint.trigger, row.took_us);
        Ok((views::checkpoint(row, &self.home.settings()), point))
    }

    fn tracked_of(&self, id: &ChatId) -> Option<&Tracked> {
        self.chats.get(id)?.transcripts.iter().rev().find_map(|path| self.files.get(path))
    }

    fn checkpoint_here(&self, id: &ChatId, due: Due) -> Option<NewCheckpoint> {
        let (chat, tracked) = (self.chats.get(id)?, self.tracked_of(id)?);
        let head = chat.digest.cwd.as_deref().map(|cwd| git::head(Path::new(cwd))).unwrap_or_default();
        Some(NewCheckpoint {
            chat: id.clone(),
            at: now(),
            trigger: due.trigger,
            also: due.also,
            note: due.note,
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

pub fn point_of(checkpoint: &NewCheckpoint) -> Point {
    let NewCheckpoint { stream, generation, offset, .. } = *checkpoint;
    Point { stream, generation, offset }
}
