//! Signals of the live chats: taken with each reading, kept as history, shown with the risk that they tell of.

use shim_api::{ApiError, events::Event as Told, signals::ChatSignals};
use shim_core::{
    chats::{ChatId, ChatState, ProcessKey},
    digest::{Digest, Reader},
    risk::{Level, Risk, risk},
    signals::{Gauge, Moment, Signals, Tally, WINDOW, is_worth_keeping, signals},
    time::Timestamp,
};
use shim_store::{SignalCaps, StoreError, Urgency};

use crate::{
    processes,
    run::{Handle, Watch, now},
    views,
};

/// Bytes of a journal that are folded again to count a process's life: more would hold up the watch.
const RECOUNT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Some clients' starts are known by the machine's uptime only, and never twice the same.
const SAME_START_MS: u64 = 2000;

/// A live chat, as it is followed from reading to reading.
pub struct Followed {
    process: ProcessKey,
    since: Option<Timestamp>,
    gauge: Gauge,
    newest: Option<Signals>,
    kept: Option<Signals>,
    level: Level,
}

impl Watch {
    /// Takes the signals of each live chat from its newest reading, and keeps those worth keeping: all in one commit.
    pub fn follow(&mut self, living: &[(ChatId, ProcessKey)], at: Timestamp) {
        let mut rows = Vec::new();
        for (id, process) in living {
            self.know_life(id, process);
            let bytes = self.chats.get(id).map_or(0, |chat| chat.digest.offset);
            if let (Some(reading), Some(followed)) = (self.readings.get(id), self.followed.get_mut(id)) {
                followed.gauge.note(reading, bytes);
            }
            let Some(taken) = self.signals_of(id, at) else { continue };
            let level = risk(&taken, &self.settings_of(id, "risk.").zones).level;
            let Some(followed) = self.followed.get_mut(id) else { continue };
            if is_worth_keeping(followed.kept.as_ref(), &taken) {
                rows.push((id.clone(), taken.clone()));
                followed.kept = Some(taken.clone());
            }
            followed.newest = Some(taken);
            let before = std::mem::replace(&mut followed.level, level);
            if before != level {
                self.handle.tell(Told::ChatChanged { chat: id.clone() });
            }
            match level {
                Level::Danger if before < level => drop(self.act_on_danger(id, at)),
                Level::Warning if before < level => self.risk_rose(id, level),
                Level::Safe | Level::Warning | Level::Danger => {}
            }
        }
        rows.extend(self.leave_the_dead(living));
        self.keep(rows);
    }

    /// The last word on each chat whose process is gone: what went before a death tells most.
    fn leave_the_dead(&mut self, living: &[(ChatId, ProcessKey)]) -> Vec<(ChatId, Signals)> {
        let mut rows = Vec::new();
        self.followed.retain(|id, followed| {
            let lives = living.iter().any(|(living, _)| living == id);
            if !lives && followed.kept != followed.newest {
                rows.extend(followed.newest.take().map(|newest| (id.clone(), newest)));
            }
            lives
        });
        rows
    }

    fn keep(&self, rows: Vec<(ChatId, Signals)>) {
        if rows.is_empty() {
            return;
        }
        let kept = |result: Result<(), StoreError>| {
            if let Err(error) = result {
                tracing::warn!("signals could not be kept: {error}");
            }
        };
        let put = move |store: &shim_store::Batch<'_>| store.put_signals(&rows, SignalCaps::default());
        self.home.store.submit(Urgency::Gathered, put, kept);
    }

    /// Drops the history that is older than it is kept.
    pub fn prune_signals(&self, at: Timestamp) {
        let keep = i64::try_from(self.home.settings().signals_keep.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_ms(at.ms().saturating_sub(keep));
        let pruned = |result: Result<(), StoreError>| {
            if let Err(error) = result {
                tracing::warn!("old signals could not be dropped: {error}");
            }
        };
        self.home.store.submit(Urgency::Gathered, move |store| store.prune_signals(before), pruned);
    }

    /// What is foretold of a chat whose process has just come up, from its transcript alone: nothing was read of the
    /// process, and it is followed from its first reading on.
    pub fn foretold_at_its_start(&mut self, id: &ChatId, process: &ProcessKey) -> Option<Risk> {
        self.know_life(id, process);
        let risk = self.risk_of(id, now());
        self.followed.remove(id);
        risk
    }

    /// What the chat's records are counted from: its process's start.
    fn know_life(&mut self, id: &ChatId, process: &ProcessKey) {
        if self.followed.get(id).is_none_or(|followed| followed.process != *process) {
            self.begin_to_follow(id, process);
        }
        // A transcript that was written anew is counted anew.
        self.begin_life(id, self.followed.get(id).and_then(|followed| followed.since));
    }

    fn begin_to_follow(&mut self, id: &ChatId, process: &ProcessKey) {
        let registered =
            self.registry.values().find(|known| known.process == *process && known.chat() == *id);
        let since =
            registered.and_then(|known| known.started_at).or_else(|| processes::started_at(process.pid));
        let at = now();
        // An engine that was started again goes on where the last one stopped.
        let window = Timestamp::from_ms(at.ms() - i64::try_from(WINDOW.as_millis()).unwrap_or(0));
        let from = since.map_or(window, |since| window.max(since));
        let rows = self.home.store.read(|store| store.signals(id, from, at)).unwrap_or_default();
        let followed = Followed {
            process: process.clone(),
            since,
            gauge: Gauge::recalled(&rows),
            newest: None,
            kept: rows.into_iter().next_back(),
            level: Level::default(),
        };
        self.followed.insert(id.clone(), followed);
    }

    /// A chat of the demo, with the numbers that were recorded last.
    pub fn follow_as_recorded(&mut self, id: &ChatId, process: &ProcessKey) {
        let at = now();
        let rows = self.home.store.read(|store| store.signals(id, Timestamp::default(), at));
        let newest = rows.unwrap_or_default().pop();
        let followed = Followed {
            process: process.clone(),
            since: None,
            gauge: Gauge::default(),
            kept: newest.clone(),
            newest,
            level: Level::default(),
        };
        self.followed.insert(id.clone(), followed);
    }

    pub fn signals_of(&self, id: &ChatId, now: Timestamp) -> Option<Signals> {
        let (followed, chat) = (self.followed.get(id)?, self.chats.get(id)?);
        if self.is_demo() {
            return followed.newest.clone();
        }
        let moment = Moment {
            client: id.client(),
            now,
            since: followed.since,
            working: self.supervisor.state(id) == ChatState::Working,
            transcript_bytes: chat.digest.offset,
            gauge: &followed.gauge,
            host: &self.host,
        };
        Some(signals(&chat.digest, &moment))
    }

    /// `None` when no process stands behind the chat, or none was read yet.
    pub fn risk_of(&self, id: &ChatId, now: Timestamp) -> Option<Risk> {
        Some(self.learned_risk(id, risk(&self.signals_of(id, now)?, &self.settings_seen(id).zones), now))
    }

    /// The chat's records are counted from the start of the process that holds it.
    pub fn begin_life(&mut self, id: &ChatId, since: Option<Timestamp>) {
        let (Some(chat), Some(since)) = (self.chats.get(id), since) else { return };
        let tally = &chat.digest.tally;
        let is_known = tally.life().is_some_and(|known| known.ms().abs_diff(since.ms()) < SAME_START_MS);
        if is_known && tally.is_current() {
            return;
        }
        if tally.is_current() && chat.digest.last_at.is_none_or(|last| last < since) {
            return self.on_tally(id, |tally| tally.begin_life(since));
        }
        match self.recount(id, since) {
            Ok(Some(again)) => self.on_tally(id, |tally| *tally = again.clone()),
            Ok(None) => self.on_tally(id, |tally| *tally = Tally::of_life(since)),
            Err(error) => {
                tracing::warn!(chat = %id, "what the chat's process did so far is not counted: {error}");
                self.on_tally(id, |tally| tally.begin_life(since));
            }
        }
    }

    /// Tool calls since the chat's last checkpoint.
    pub fn calls_unsaved(&self, id: &ChatId) -> u64 {
        self.chats.get(id).map_or(0, |chat| chat.digest.tally.calls_since_checkpoint)
    }

    /// A checkpoint was taken: calls count from here.
    pub fn calls_are_safe(&mut self, id: &ChatId) {
        self.on_tally(id, Tally::checkpointed);
    }

    /// Both the reader's digest and the one shown of it.
    fn on_tally(&mut self, id: &ChatId, change: impl Fn(&mut Tally)) {
        let Some(chat) = self.chats.get_mut(id) else { return };
        change(&mut chat.digest.tally);
        chat.dirty = true;
        for path in &chat.transcripts {
            if let Some(reader) = self.files.get_mut(path).and_then(|tracked| tracked.reader.as_mut()) {
                change(&mut reader.digest.tally);
            }
        }
    }

    /// Folds the journal again: the process was there before the chat was known.
    fn recount(&mut self, id: &ChatId, since: Timestamp) -> Result<Option<Tally>, StoreError> {
        let Some(chat) = self.chats.get(id) else { return Ok(None) };
        let read = chat.transcripts.iter().rev().filter_map(|path| self.files.get(path));
        let place =
            read.filter_map(|tracked| Some((tracked.stream.clone(), tracked.reader.as_ref()?.digest.offset)));
        let Some((stream, until)) = place.into_iter().next() else { return Ok(None) };
        let prompts = chat.digest.tally.prompts;
        self.settle();
        let mut digest = Digest::default();
        digest.tally = Tally::of_life(since);
        digest.offset = until.saturating_sub(RECOUNT_BYTES_MAX);
        let from = digest.offset;
        let mut reader = Reader::resume(id.client(), digest);
        self.home.store.read(|store| {
            let points = store.checkpoints(id)?;
            // One that was taken last may stand at an earlier point.
            let here = points
                .iter()
                .map(|row| &row.checkpoint)
                .filter(|point| point.stream == stream.id && point.generation == stream.generation);
            let safe = here.map(|point| point.offset).max().unwrap_or(from).clamp(from, until);
            for (from, until) in [(from, safe), (safe, until)] {
                reader.digest.tally.checkpointed();
                store.read_journal(stream.id, stream.generation, from, until, |bytes| {
                    reader.feed(bytes);
                    true
                })?;
            }
            Ok(())
        })?;
        let mut tally = reader.digest.tally;
        tally.prompts = tally.prompts.max(prompts);
        Ok(Some(tally))
    }
}

/// A chat's signals and risk at this moment, and its history of the last minutes.
pub fn of_chat(handle: &Handle, chat: &ChatId, minutes: u64) -> Result<ChatSignals, ApiError> {
    let at = now();
    let span = i64::try_from(minutes).unwrap_or(i64::MAX).saturating_mul(60_000);
    let since = Timestamp::from_ms(at.ms().saturating_sub(span));
    let id = chat.clone();
    let (now, risk) = handle.call(move |watch| (watch.signals_of(&id, at), watch.risk_of(&id, at)))?;
    let history =
        handle.home.store.read(|store| store.signals(chat, since, at)).map_err(views::store_error)?;
    Ok(ChatSignals { chat: chat.clone(), now, risk, history })
}
