//! Carries out what the policy decided: automatic restores on threads of their own, and what the user is told.
//! An engine that lives for one command does nothing by itself.

use std::time::Duration;

use shim_api::{
    ApiError,
    events::{Decision, Event as Told},
    notices::Said,
    restore::{Receipt, RestoreRequest, Step},
};
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::CrashKind,
    policy::{Came, Crashed, Effect, Event, Memory, freeze},
    restore::{RefusalReason, Then},
};
use shim_store::{CrashRow, Urgency, faults};

use crate::{
    clients::port,
    clinic,
    processes::{self, Liveness, probe},
    restore,
    run::{Handle, Watch, now},
};

/// The watch acts by itself at most so often.
const ACT_PAUSE: Duration = Duration::from_millis(200);

/// Who is at the head of the session that a chat's process runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Head {
    #[default]
    Unknown,
    /// Nobody that is left, or nobody to be seen: such a session has no window that could be closed.
    Nobody,
    /// The process itself: nobody is left to tell whether its window was closed.
    Itself,
    /// A shell, most times.
    Other(ProcessKey),
}

impl Head {
    pub fn of(pid: u32) -> Self {
        let Some(head) = processes::session_head(pid) else { return Self::Unknown };
        if head == pid {
            return Self::Itself;
        }
        match processes::start_mark(head) {
            Some(start) => Self::Other(ProcessKey { pid: head, start }),
            None => Self::Nobody,
        }
    }
}

impl Watch {
    /// Asks the policy, and carries out what it decides.
    pub fn decide_policy(&mut self, event: Event) {
        let effects = self.policy.handle(event, now());
        let acts = effects.iter().any(|effect| matches!(effect, Effect::Restore { .. }));
        let mut kept = true;
        for effect in effects {
            match effect {
                Effect::Remember { chat, memory } => kept &= self.remember(chat, memory, acts),
                // What could not be written down is not done.
                Effect::Restore { chat, .. } if !kept => {
                    self.policy_ended(&chat, Came::TurnedAway(None), String::new())
                }
                Effect::Restore { chat, crash, kind, why } => {
                    self.tell_decision(&chat, Decision::Restore);
                    self.restore_by_itself(chat, crash, kind, why);
                }
                Effect::WouldRestore { chat, why, .. } => {
                    self.tell_decision(&chat, Decision::WouldRestore);
                    self.notice(Some(&chat), Said::WouldRestore { why });
                }
                Effect::Ask { chat, why, .. } => {
                    self.tell_decision(&chat, Decision::Ask);
                    self.notice(Some(&chat), Said::AsksBeforeRestore { why });
                }
            }
        }
    }

    fn tell_decision(&self, chat: &ChatId, decision: Decision) {
        self.handle.tell(Told::PolicyDecided { chat: chat.clone(), decision });
    }

    /// What is acted upon is on disk first; all else follows with what is written next.
    fn remember(&mut self, chat: ChatId, memory: Memory, at_once: bool) -> bool {
        let (store, at) = (&self.home.store, now());
        if !at_once {
            let said = |result: Result<(), shim_store::StoreError>| {
                if let Err(error) = result {
                    tracing::warn!("what the policy remembers could not be kept: {error}");
                }
            };
            store.submit(Urgency::Gathered, move |store| store.put_memory(&chat, &memory, at), said);
            return true;
        }
        let written = store.write(Urgency::AtOnce, move |store| store.put_memory(&chat, &memory, at));
        match written {
            Ok(()) => true,
            Err(error) => {
                self.warn(error.to_string());
                false
            }
        }
    }

    /// A crash was recorded.
    pub fn policy_hears(&mut self, row: &CrashRow) {
        if row.kind.ails() {
            // Nobody died.
            return self.decide_policy(Event::Ails { chat: row.chat.clone(), kind: row.kind });
        }
        self.died.push_back((row.id, row.happened_at));
        if self.died.len() > freeze::HELD_MAX {
            self.died.pop_front();
        }
        let took = self.readings.get(&row.chat).map(|reading| reading.tree_rss_bytes);
        if let Some(known) = self.chats.get_mut(&row.chat) {
            known.took_bytes = took.or(known.took_bytes);
        }
        if row.chat.client() == Client::ClaudeDesktop {
            return;
        }
        let crashed = Crashed {
            chat: row.chat.clone(),
            crash: row.id,
            kind: row.kind,
            closed: self.was_closed(row),
            seen: self.was_seen(row),
            happened_at: row.happened_at,
        };
        self.decide_policy(Event::Crashed(crashed));
        if let Some(kind) = self.open_ailment(&row.chat) {
            self.decide_policy(Event::Ails { chat: row.chat.clone(), kind });
        }
    }

    /// Whether it was seen how the process went: with its window, or alone. This engine knows the window only of one that
    /// it saw alive.
    fn was_seen(&self, row: &CrashRow) -> bool {
        let head_known = self.chats.get(&row.chat).is_some_and(|known| known.head != Head::Unknown);
        matches!(row.kind, CrashKind::Hung | CrashKind::ClientUpdate) || head_known
    }

    /// Whether the window of a chat's process was closed under it.
    fn was_closed(&self, row: &CrashRow) -> bool {
        let (chat, kind) = (&row.chat, row.kind);
        let Some(known) = self.chats.get(chat).filter(|_| kind != CrashKind::Hung) else { return false };
        match &known.head {
            Head::Unknown | Head::Nobody => false,
            Head::Itself => kind == CrashKind::Exited || !port(chat.client()).keeps_registry(),
            Head::Other(head) => probe(head) != Liveness::Alive,
        }
    }

    /// How long the watch may sleep without missing something that is due.
    pub fn time_to_act(&self) -> Duration {
        let of_policy =
            self.policy.next_due().filter(|_| !self.embedded).map(|due| due.since(now()).max(ACT_PAUSE));
        let of_fleet = self.fleet_goes_on().then_some(ACT_PAUSE);
        of_policy.into_iter().chain(of_fleet).min().unwrap_or(Duration::MAX)
    }

    /// What is due now. Called often, and cheap when nothing is.
    pub fn act(&mut self) {
        if let Some(effect) = self.freeze.handle(freeze::Event::Tick, now()) {
            self.carry_out_freeze(effect);
        }
        self.look_after_fleet();
        let may_act = !self.embedded && !self.is_paused() && self.sweeps > 0;
        if may_act && self.policy.next_due().is_some_and(|due| due <= now()) {
            self.decide_policy(Event::Tick);
        }
    }

    fn restore_by_itself(&mut self, chat: ChatId, crash: i64, kind: CrashKind, why: String) {
        let row = self.home.store.read(|store| store.crash(crash)).ok().flatten();
        let Some(row) = row.filter(|row| !row.resolved) else {
            return self.policy_ended(&chat, Came::Back, "it goes on already".to_owned());
        };
        if row.kind != kind {
            return self.decide_policy(Event::Judged { chat, crash, kind: row.kind });
        }
        if self.was_closed(&row) {
            self.policy_ended(&chat, Came::Back, String::new());
            return self.decide_policy(Event::UserStopped { chat });
        }
        if let Some(limit) = self.limit_of(&chat) {
            let came = Came::TurnedAway(Some(RefusalReason::Limit));
            return self.policy_ended(
                &chat,
                came,
                format!("it waits for its usage limit: {}", limit.message),
            );
        }
        tracing::info!(%chat, crash, "restored by itself: {why}");
        let headless = self.is_headless(&chat);
        let then = self.policy.rules().then;
        let request = request_of(crash, headless, then, false);
        let why = Step { step: "policy".to_owned(), ok: true, detail: format!("begun by itself: {why}") };
        let handle = self.handle.clone();
        faults::boundary("policy.begun");
        self.on_a_thread(move || {
            if let Some(says) = clinic::damage(&handle, &chat) {
                let why =
                    format!("its file is damaged ({says}), and only a repaired copy of it would come back");
                let came = Came::TurnedAway(Some(RefusalReason::Unsupported));
                let _ = handle.call(move |watch| watch.policy_ended(&chat, came, why));
                return;
            }
            let answer = restore::restore_because(&handle, &request, Some(why));
            faults::boundary("policy.ended");
            let _ = handle.call(move |watch| watch.restored_by_itself(&chat, answer));
        });
    }

    fn restored_by_itself(&mut self, chat: &ChatId, answer: Result<Receipt, ApiError>) {
        let (came, why) = came_of(&answer);
        self.policy_ended(chat, came, why);
    }

    fn policy_ended(&mut self, chat: &ChatId, came: Came, why: String) {
        self.decide_policy(Event::Ended { chat: chat.clone(), came, why });
    }

    /// Automatic restores that were under way when the engine before this one ended. None is begun a second time that
    /// may have started something.
    pub fn settle_begun(&mut self) {
        for (chat, crash) in self.policy.begun() {
            let alive = !self.supervisor.possible_processes(&chat).is_empty();
            let came = match (alive, self.was_started(&chat, crash)) {
                (true, _) => Came::Back,
                (false, true) => Came::Failed,
                (false, false) => Came::TurnedAway(None),
            };
            self.policy_ended(&chat, came, "the engine ended while it was being restored".to_owned());
        }
    }

    /// Whether the last restore of a crash had started a process.
    pub fn was_started(&self, chat: &ChatId, crash: i64) -> bool {
        let restores = self.home.store.read(|store| store.restores(chat)).unwrap_or_default();
        restores.iter().rev().find(|row| row.crash == Some(crash)).is_some_and(|row| row.started)
    }

    /// Whether nobody sat before the chat: it was started without a terminal.
    pub fn is_headless(&self, chat: &ChatId) -> bool {
        let Some(known) = self.chats.get(chat) else { return false };
        match &known.started {
            Some(started) => crate::launch::is_headless(chat.client(), &started.arguments),
            None => known.launch.headless,
        }
    }
}

pub fn request_of(crash: i64, headless: bool, then: Then, dry_run: bool) -> RestoreRequest {
    RestoreRequest { target: crash.to_string(), checkpoint: None, headless, then, dry_run }
}

/// What a restore came to, and why where the chat is not back.
pub fn came_of(answer: &Result<Receipt, ApiError>) -> (Came, String) {
    let receipt = match answer {
        Ok(receipt) => receipt,
        Err(error) => return (Came::TurnedAway(None), error.message.clone()),
    };
    let failed = receipt.steps.iter().find(|step| !step.ok).map(|step| step.detail.clone());
    let why = receipt.refused.as_ref().map(|refusal| refusal.message.clone()).or(failed).unwrap_or_default();
    let started = receipt.steps.iter().any(|step| step.step == "start" && step.ok);
    let came = match (&receipt.refused, receipt.ok, started) {
        (_, true, _) => Came::Back,
        (Some(refusal), false, false) => Came::TurnedAway(Some(refusal.reason)),
        (None, false, false) => Came::TurnedAway(None),
        (_, false, true) => Came::Failed,
    };
    (came, why)
}

/// The policy over what was remembered, as an engine starts.
pub fn open(handle: &Handle) -> Result<shim_core::policy::Policy, shim_store::StoreError> {
    let mut policy = shim_core::policy::Policy::new(handle.home.settings().policy.clone());
    for (chat, memory) in handle.home.store.read(|store| store.memories())? {
        policy.recall(chat, memory);
    }
    Ok(policy)
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn the_head_of_a_session_is_told_and_so_is_that_there_is_none_left() {
        let own = Head::of(std::process::id());
        assert_ne!(own, Head::Unknown);
        assert_eq!(Head::of(u32::MAX >> 1), Head::Unknown, "no such process");
        // The shell leads a session of its own, and goes before what it started.
        let mut leader = Command::new("setsid");
        leader.args(["--wait", "sh", "-c", "sleep 60 >&- 2>&- & echo $!; read line"]);
        let mut leader = leader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(leader.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let orphan: u32 = line.trim().parse().unwrap();
        let Head::Other(head) = Head::of(orphan) else { panic!("{:?}", Head::of(orphan)) };
        assert_eq!(Head::of(head.pid), Head::Itself);
        drop(leader.stdin.take());
        leader.wait().unwrap();
        let left = Head::of(orphan);
        let _ = Command::new("kill").arg(orphan.to_string()).status();
        assert_eq!(left, Head::Nobody);
    }
}
