//! The end of the machine or the session, seen coming: deaths are held from then on, and what could not be judged any
//! more is left for the next engine. Where the system does not announce its end, what was seen speaks.

use serde::{Deserialize, Serialize};
use shim_core::{
    clients::Registration,
    crashes::{CrashKind, Gone, Leave},
    policy::{
        self,
        freeze::{Effect, Event, HELD_MAX, LAST_MOMENTS, Signs},
    },
    time::Timestamp,
};
use shim_store::{CrashRow, Urgency};

use crate::{
    processes::{self, Liveness, probe},
    run::{Watch, now},
};

/// A death that was not judged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDeath {
    registration: Registration,
    leave: Leave,
    at: Timestamp,
}

/// What the next engine is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Moment {
    /// It died while the system went down.
    Held(HeldDeath),
    /// It lived when the engine was told to end with the system.
    Lived(HeldDeath),
    /// A crash recorded in the last seconds before the engine was told to end.
    Recent { crash: i64 },
}

/// Why the engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// A user or another program.
    Somebody,
    /// A signal that a system gives at its end too.
    Signal,
    /// The system: the session or the machine ends.
    System,
}

impl Watch {
    /// The system says that it is about to go down, or that it is not after all.
    pub fn system_goes_down(&mut self, goes_down: bool) {
        let event = if goes_down { Event::Begun } else { Event::Cancelled };
        if let Some(effect) = self.freeze.handle(event, now()) {
            self.carry_out_freeze(effect);
        }
    }

    pub fn carry_out_freeze(&mut self, effect: Effect) {
        match effect {
            Effect::Hold => {
                tracing::info!("the system goes down: deaths are judged when it is back");
                self.decide_policy(policy::Event::Frozen(true));
            }
            Effect::Judge => {
                tracing::info!(held = self.held.len(), "the system goes on: what was held is judged");
                for held in std::mem::take(&mut self.held) {
                    self.process_gone(&held.registration, Gone::Exited(None), held.leave, held.at);
                }
                self.drop_moments(i64::MAX);
                self.decide_policy(policy::Event::Frozen(false));
            }
        }
    }

    /// Puts a death aside, durably: the engine itself may be ended any moment.
    pub fn hold(&mut self, registration: &Registration, _gone: Gone, leave: Leave, at: Timestamp) {
        let known = self.held.iter().any(|held| held.registration.process == registration.process);
        if known
            || self.held.len() >= HELD_MAX
            || self.supervisor.was_judged(&registration.chat(), &registration.process)
        {
            return;
        }
        let held = HeldDeath { registration: registration.clone(), leave, at };
        self.held.push(held.clone());
        tracing::info!(chat = %registration.chat(), pid = registration.process.pid, "a death is held");
        self.leave_moments(&[Moment::Held(held)]);
    }

    /// The engine ends. What it saw last is left to the next one, which knows whether the machine went down.
    pub fn farewell(&mut self, told_by: ToldBy) {
        let at = now();
        let recent = self.died.iter().filter(|(_, died)| at.since(*died) <= LAST_MOMENTS);
        let recent: Vec<_> = recent.map(|(crash, _)| *crash).collect();
        let lived: Vec<_> = self.registry.values().filter(|known| self.is_live(known)).cloned().collect();
        let signs = Signs {
            announced: self.freeze.is_on() || told_by == ToldBy::System || is_announced(),
            died: recent.len() + self.held.len(),
            lived: recent.len() + self.held.len() + lived.len(),
        };
        if told_by == ToldBy::Somebody && !signs.announced {
            return;
        }
        let mut moments: Vec<_> = recent.into_iter().map(|crash| Moment::Recent { crash }).collect();
        if signs.tell_of_the_end() {
            let moment = |registration| Moment::Lived(HeldDeath { registration, leave: Leave::Orderly, at });
            moments.extend(lived.into_iter().map(moment));
        }
        if !moments.is_empty() {
            tracing::info!(chats = moments.len(), "left for the next start");
            self.leave_moments(&moments);
        }
    }

    fn is_live(&self, known: &Registration) -> bool {
        self.supervisor.is_watched(&known.chat(), &known.process) && probe(&known.process) == Liveness::Alive
    }

    fn leave_moments(&mut self, moments: &[Moment]) {
        let boot = processes::boot_id();
        let texts: Vec<_> = moments.iter().filter_map(|moment| serde_json::to_string(moment).ok()).collect();
        let kept = self.home.store.write(Urgency::AtOnce, move |store| {
            texts.iter().try_for_each(|text| store.put_moment(&boot, text))
        });
        if let Err(error) = kept {
            self.warn(error.to_string());
        }
    }

    /// What an engine before this one left: of a life of the machine that is over, or of this one.
    pub fn judge_last_moments(&mut self) {
        let Ok(moments) = self.home.store.read(|store| store.moments()) else { return };
        let boot = processes::boot_id();
        let mut last = None;
        for (id, of_boot, text) in moments {
            last = Some(id);
            if let Ok(moment) = serde_json::from_str::<Moment>(&text) {
                self.judge_moment(moment, of_boot == boot);
            }
        }
        if let Some(last) = last {
            self.drop_moments(last);
        }
    }

    fn judge_moment(&mut self, moment: Moment, went_on: bool) {
        match moment {
            Moment::Held(held) => {
                let gone = if went_on { Gone::Exited(None) } else { Gone::WithTheSystem };
                self.process_gone(&held.registration, gone, held.leave, held.at);
            }
            Moment::Lived(held) if !went_on => {
                self.process_gone(&held.registration, Gone::WithTheSystem, held.leave, held.at);
            }
            Moment::Recent { crash } if !went_on => self.went_with_the_system(crash),
            // What lives on, or died since, is found by the registries.
            Moment::Lived(_) | Moment::Recent { .. } => {}
        }
    }

    /// A crash that was taken for one of its own.
    fn went_with_the_system(&mut self, crash: i64) {
        let row = self.home.store.read(|store| store.crash(crash)).ok().flatten();
        let is_one =
            |row: &CrashRow| !row.resolved && matches!(row.kind, CrashKind::Killed | CrashKind::Exited);
        let Some(row) = row.filter(is_one) else { return };
        let kind = CrashKind::Shutdown;
        let set = self.home.store.write(Urgency::AtOnce, move |store| store.set_crash_kind(crash, kind));
        match set {
            // What was to be done for one that died alone is not done for one of many.
            Ok(()) => self.decide_policy(policy::Event::Judged { chat: row.chat, crash, kind }),
            Err(error) => self.warn(error.to_string()),
        }
    }

    fn drop_moments(&mut self, up_to: i64) {
        if let Err(error) = self.home.store.write(Urgency::Gathered, move |store| store.drop_moments(up_to)) {
            self.warn(error.to_string());
        }
    }
}

/// Whether the system has put down that it is going to end: systemd does so for a shutdown that was asked for.
fn is_announced() -> bool {
    cfg!(target_os = "linux") && std::path::Path::new("/run/systemd/shutdown/scheduled").exists()
}

/// Listens for the system's own word, where it gives one.
#[cfg(target_os = "linux")]
pub fn listen(tasks: &crate::run::Tasks, handle: &crate::run::Handle) {
    let (stop, handle) = (tasks.stop.clone(), handle.clone());
    let listening = async move {
        tokio::select! {
            heard = logind::listen(&handle) => {
                if let Err(error) = heard {
                    tracing::debug!("logind does not say when the system goes down: {error}");
                }
            }
            () = stop.cancelled() => {}
        }
    };
    tasks.tracker.spawn_on(listening, &tasks.runtime);
}

/// Elsewhere the engine is told by a signal, or not at all.
#[cfg(not(target_os = "linux"))]
pub fn listen(_tasks: &crate::run::Tasks, _handle: &crate::run::Handle) {}

#[cfg(target_os = "linux")]
mod logind;
