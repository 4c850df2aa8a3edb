//! Noticing what ails chats while they are watched: refusals turn after turn, files that look damaged, contexts that
//! fill up. A file is examined whole only when it gives cause, and off the watch's thread.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use shim_api::events::Event as Told;
use shim_core::{
    chats::{ChatId, ProcessKey},
    checkpoints::Trigger,
    clinic::{Cure, Finding, Form, examine, is_of_lines},
    crashes::{CrashKind, Evidence, InTurn},
    supervisor::NewCrash,
    time::Timestamp,
};

use super::{chart, deleted::Announced};
use crate::{
    run::{Handle, Watch, now},
    views,
};

/// A file that was written to a shorter time ago may yet become whole.
const QUIET: Duration = Duration::from_secs(3);
/// Chats that wait to be examined.
const SUSPECTS_MAX: usize = 1000;
/// The part of the share that is warned at below which a chat may be warned of again: half the context, at 75 %.
const WARNED_AGAIN_BELOW: f64 = 2.0 / 3.0;
/// A chat that ended longer ago is not warned of.
const WARNED_WITHIN: Duration = Duration::from_secs(300);
/// Findings told in the evidence of a crash.
const TOLD_MAX: usize = 8;

/// What damage of a chat's file its client does not cope with, in words; `None` too where it cannot be examined.
pub fn damage(handle: &Handle, chat: &ChatId) -> Option<String> {
    if !is_of_lines(chat.client()) {
        return None;
    }
    let findings = examine(&chart(handle, chat).ok()?.patient());
    let harms = |finding: &Finding| finding.kind == CrashKind::Torn && finding.cure == Cure::Repair;
    findings.into_iter().find(harms).map(|finding| finding.says)
}

/// What the watch knows of ailing chats.
#[derive(Default)]
pub struct Ailing {
    /// Chats with an open crash of a kind that ails, not ends, them.
    open: BTreeMap<ChatId, CrashKind>,
    suspects: BTreeSet<ChatId>,
    /// One is being examined: with its journal it may take hundreds of megabytes.
    examining: bool,
    /// Chats whose full context was told.
    warned: HashSet<ChatId>,
    /// Chats whose file is gone, with why.
    pub(super) gone: BTreeMap<ChatId, shim_core::clinic::retention::Gone>,
    pub(super) announced: Announced,
}

pub fn ails(kind: CrashKind) -> bool {
    kind.ails()
}

impl Watch {
    /// A crash that the store already holds.
    pub fn recall_ailment(&mut self, chat: &ChatId, kind: CrashKind) {
        if ails(kind) {
            self.ailing.open.insert(chat.clone(), kind);
        }
    }

    pub fn open_ailment(&self, chat: &ChatId) -> Option<CrashKind> {
        self.ailing.open.get(chat).copied()
    }

    pub(super) fn ailment_found(&mut self, crash: NewCrash) {
        let chat = crash.chat.clone();
        self.ailing.open.insert(chat.clone(), crash.kind);
        self.record_crash(crash);
        self.want_checkpoint(&chat, Trigger::Crash);
        self.handle.tell(Told::ChatChanged { chat });
    }

    pub(super) fn ailment_over(&mut self, chat: &ChatId) {
        if self.ailing.open.remove(chat).is_some() {
            self.resolve_crashes(chat.clone());
        }
    }

    /// Its crashes are history.
    pub fn ailment_resolved(&mut self, chat: &ChatId) {
        self.ailing.open.remove(chat);
    }

    /// A chat's transcript grew by so many completed turns.
    pub fn look_at_digest(&mut self, id: &ChatId, turns: u64) {
        let Some(chat) = self.chats.get(id) else { return };
        let refusals = chat.digest.refusals.clone();
        let since_shim = self.is_since_shim(chat.digest.last_at);
        match (refusals, self.open_ailment(id)) {
            (Some(refusals), open) if refusals.is_ailment() && since_shim => {
                let kind = refusals.class.kind();
                if open == Some(kind) {
                    return;
                }
                let at = refusals.since.unwrap_or_else(now);
                let says = format!(
                    "{} answers in a row were refusals, the last “{}”",
                    refusals.count, refusals.said
                );
                let evidence = vec![one("transcript", says)];
                let name = format!("{} {} {}", kind.name(), at.ms(), refusals.count);
                self.ailment_found(new_crash(id, kind, name, evidence, now()));
            }
            (None, Some(CrashKind::Poisoned | CrashKind::CompactionDeadlock)) => self.ailment_over(id),
            // It goes on as it is.
            (_, Some(CrashKind::Torn)) if turns > 0 => self.ailment_over(id),
            _ => {}
        }
        self.look_at_context(id);
    }

    fn look_at_context(&mut self, id: &ChatId) {
        let share = self.home.settings().clinic_context_warning;
        let Some(chat) = self.chats.get(id).filter(|_| share > 0.0) else { return };
        let Some(used) = chat.digest.context_used(id.client()) else { return };
        if used < share * WARNED_AGAIN_BELOW {
            self.ailing.warned.remove(id);
        }
        // One without a terminal is gone with its answer.
        let at = now();
        let fresh = chat.digest.last_at.is_some_and(|last| at.since(last) < WARNED_WITHIN);
        let live = self.supervisor.state(id).is_live();
        if used < share || !live && !fresh || !self.ailing.warned.insert(id.clone()) {
            return;
        }
        let title = views::title(id, chat, &self.home.settings());
        self.want_checkpoint(id, Trigger::Compaction);
        self.handle.tell(Told::Notice {
            title: format!("“{title}” has used {:.0} % of its context", used * 100.0),
            body: "A checkpoint was taken. Its client will soon put a summary in the place of what was said; finish what \
                   needs the whole, or begin a new chat."
                .to_owned(),
        });
    }

    /// What happened before SHIM was here is its user's own affair.
    fn is_since_shim(&self, at: Option<Timestamp>) -> bool {
        self.home.made.is_none_or(|made| at.is_some_and(|at| at >= made))
    }

    /// A chat whose file may be damaged.
    pub fn suspect(&mut self, chat: &ChatId) {
        if is_of_lines(chat.client()) && self.ailing.suspects.len() < SUSPECTS_MAX {
            self.ailing.suspects.insert(chat.clone());
        }
    }

    /// Examines files that gave cause, once they are at rest, one after the other.
    pub fn look_after_suspects(&mut self) {
        let at = now();
        while !self.ailing.examining {
            let is_ready = |chat: &&ChatId| {
                let quiet = self.chats.get(*chat).is_some_and(|known| {
                    known.transcripts.iter().all(|path| at.since(crate::paths::modified(path)) >= QUIET)
                });
                quiet && !self.supervisor.state(chat).is_live()
            };
            let Some(chat) = self.ailing.suspects.iter().find(is_ready).cloned() else { return };
            self.ailing.suspects.remove(&chat);
            let last_at = self.chats.get(&chat).and_then(|known| known.digest.last_at);
            if self.is_since_shim(last_at) {
                self.examine_apart(chat);
            }
        }
    }

    fn examine_apart(&mut self, chat: ChatId) {
        let handle = self.handle.clone();
        self.ailing.examining = true;
        self.on_a_thread(move || {
            let examined = chart(&handle, &chat).map(|chart| (examine(&chart.patient()), chart.file.len()));
            let noted = handle.call(move |watch| {
                watch.ailing.examining = false;
                match examined {
                    Ok((findings, bytes)) => watch.examined(&chat, &findings, bytes),
                    Err(error) => tracing::warn!(%chat, "the chat could not be examined: {error}"),
                }
                watch.look_after_suspects();
            });
            // The engine is ending: the next one looks again.
            drop(noted);
        });
    }

    fn examined(&mut self, chat: &ChatId, findings: &[Finding], bytes: usize) {
        let torn: Vec<_> = findings.iter().filter(|finding| finding.kind == CrashKind::Torn).collect();
        let harms = |finding: &Finding| {
            // A last record that was cut is the mark of a death, and told with it.
            finding.cure == Cure::Repair
                || matches!(finding.form, Form::CutTail | Form::Nuls) && !self.open_crashes.contains_key(chat)
        };
        if self.open_ailment(chat).is_some() || !torn.iter().copied().any(harms) {
            return;
        }
        let told = torn.iter().take(TOLD_MAX).map(|finding| one("transcript", finding.says.clone()));
        let evidence = told.collect();
        let name = format!("torn {bytes} {}", torn.len());
        self.ailment_found(new_crash(chat, CrashKind::Torn, name, evidence, now()));
    }
}

pub(super) fn one(source: &str, says: String) -> Evidence {
    Evidence { source: source.to_owned(), says }
}

/// A crash that no process died of. `name` tells it from others of the chat.
pub(super) fn new_crash(
    chat: &ChatId,
    kind: CrashKind,
    name: String,
    evidence: Vec<Evidence>,
    happened_at: Timestamp,
) -> NewCrash {
    NewCrash {
        chat: chat.clone(),
        process: ProcessKey { pid: 0, start: name },
        kind,
        in_turn: InTurn::None,
        in_flight: Vec::new(),
        evidence,
        happened_at,
        seen_live: true,
    }
}
