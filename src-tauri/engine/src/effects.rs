//! Carries out what the machine over all chats decided, in order.

use shim_api::events::Event as Told;
use shim_core::{
    chats::{ChatId, ChatState, ProcessKey},
    checkpoints::Trigger,
    policy,
    restore::{Refusal, context_without_restore},
    supervisor::{Effect, Event, NewCrash},
};
use shim_store::{Urgency, faults};

use crate::{
    clinic, experiments, fingerprints, hooks,
    run::{Watch, now},
    views,
};

/// Crashes that may wait for a full disk.
const UNRECORDED_MAX: usize = 1000;

impl Watch {
    /// Asks the machine, and carries out what it decides.
    pub fn decide(&mut self, event: Event<'_>) {
        let over = match &event {
            Event::Gone { chat, process, .. } | Event::Left { chat, process } => {
                Some(((*chat).clone(), (*process).clone(), self.calls_unsaved(chat)))
            }
            _ => None,
        };
        let effects = self.supervisor.handle(event, now());
        let end = over.as_ref().and_then(|_| experiments::end(&effects));
        for effect in effects {
            self.carry_out(effect);
        }
        if let Some((chat, process, unsaved_calls)) = over {
            self.drop_holder(&chat, &process);
            self.experiment_ended(&chat, end, unsaved_calls);
        }
    }

    /// Whether a restore may begin; if so, it is marked as under way. Gives the processes that hang and are to be
    /// ended first.
    pub fn may_restore(&mut self, chat: &ChatId, fork: bool) -> Result<Vec<ProcessKey>, Refusal> {
        for effect in self.supervisor.handle(Event::RestoreAsked { chat, fork }, now()) {
            match effect {
                Effect::RefuseRestore { refusal, .. } => return Err(refusal),
                Effect::BeginRestore { ends, .. } => return Ok(ends),
                _ => {}
            }
        }
        Ok(Vec::new())
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Watch { chat, process } => {
                // What is found when the engine starts was taken up long before.
                if self.sweeps > 0 {
                    self.experiment_came(&chat, &process);
                    self.want_checkpoint(&chat, Trigger::SessionStart);
                }
                self.decide_policy(policy::Event::Alive { chat: chat.clone() });
                self.fleet_hears_of(&chat);
                self.watch_exit(chat, process);
            }
            Effect::RecordCrash(crash) => self.record_crash(crash),
            Effect::TakeCheckpoint { chat, trigger } => {
                if trigger == Trigger::Turn {
                    hooks::drop_context(&self.home.path, &chat);
                }
                faults::boundary("checkpoint.before");
                self.want_checkpoint(&chat, trigger);
                faults::boundary("checkpoint.after");
            }
            Effect::ResolveCrashes { chat } => {
                faults::boundary("resolve.before");
                self.resolve_crashes(chat);
                faults::boundary("resolve.after");
            }
            Effect::HungEnded { chat, process } => self.hung_ended(chat, process),
            Effect::ChatChanged { chat } => self.handle.tell(Told::ChatChanged { chat }),
            // Said by `may_restore`, whose caller goes on with it.
            Effect::BeginRestore { .. } | Effect::RefuseRestore { .. } => {}
        }
    }

    pub fn record_crash(&mut self, crash: NewCrash) {
        faults::boundary("crash.before");
        let (detected_at, recorded, noted) = (now(), crash.clone(), self.noted(&crash));
        let client_version = noted.client_version.clone();
        let written = self.home.store.write(Urgency::AtOnce, move |store| {
            let Some(id) = store.record_crash(&recorded, detected_at)? else { return Ok(None) };
            fingerprints::note(store, id, &recorded, noted)?;
            store.crash(id)
        });
        faults::boundary("crash.recorded");
        match written {
            Ok(Some(row)) => {
                tracing::info!(chat = %row.chat, kind = row.kind.name(), pid = row.process.pid, "crash recorded");
                self.leave_context(&row);
                self.suspect(&row.chat);
                self.open_crashes.insert(row.chat.clone(), row.id);
                let crash =
                    views::crash(row.clone(), self.chats.get(&crash.chat), None, &self.home.settings());
                self.handle.tell(Told::CrashRecorded { crash: Box::new(crash), client_version });
                self.policy_hears(&row);
                faults::boundary("crash.after");
            }
            Ok(None) => {}
            Err(error) => {
                self.warn(error.to_string());
                if self.unrecorded.len() < UNRECORDED_MAX {
                    self.unrecorded.push(crash);
                }
            }
        }
    }

    /// Should the user take the chat up without SHIM, its hook tells what was cut.
    pub fn leave_context(&self, crash: &shim_store::CrashRow) {
        let Some(text) = context_without_restore(crash.in_turn, &crash.in_flight) else { return };
        if let Err(error) = hooks::leave_context(&self.home.path, &crash.chat, &text) {
            tracing::warn!(chat = %crash.chat, "what was cut could not be left for the chat's hook: {error}");
        }
    }

    /// Tries again what a full disk prevented.
    pub fn record_what_waits(&mut self) {
        for crash in std::mem::take(&mut self.unrecorded) {
            let (chat, kind) = (crash.chat.clone(), crash.kind);
            self.record_crash(crash);
            self.want_checkpoint(&chat, Trigger::Crash);
            if self.supervisor.state(&chat) != ChatState::Crashed && !clinic::ails(kind) {
                // It went on before its crash could be recorded.
                self.resolve_crashes(chat);
            }
        }
    }

    fn hung_ended(&mut self, chat: ChatId, process: ProcessKey) {
        let at = now();
        let ended =
            self.home.store.write(Urgency::AtOnce, move |store| store.hung_ended(&chat, &process, at));
        if let Err(error) = ended {
            self.warn(error.to_string());
        }
    }

    pub fn resolve_crashes(&mut self, chat: ChatId) {
        self.ailment_resolved(&chat);
        self.open_crashes.remove(&chat);
        self.decide_policy(policy::Event::Resolved { chat: chat.clone() });
        let resolving = chat.clone();
        let resolved = self.home.store.write(Urgency::AtOnce, move |store| store.resolve_crashes(&resolving));
        match resolved {
            Ok(()) => self.handle.tell(Told::CrashesResolved { chat }),
            Err(error) => self.warn(error.to_string()),
        }
        self.handle.tell(Told::StatusChanged);
    }
}
