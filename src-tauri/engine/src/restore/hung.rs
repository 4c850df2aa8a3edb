//! Restoring a chat whose client hangs: first it is looked whether the restore would go through, then what hangs is
//! ended with all that it started, then the restore goes its way.

use shim_api::restore::{Receipt, Step};
use shim_core::{
    chats::{ChatId, ProcessKey},
    restore::{Job, Outcome, Refusal, RefusalReason, StepFailed},
};
use shim_store::faults;

use super::{Work, empty_receipt, look_up, note_unfinished, refused, where_cut};
use crate::{
    processes::{Liveness, probe},
    stopping,
};

impl Work<'_> {
    pub(super) fn end_hung_and_carry_out(&mut self, chat: &ChatId, ends: &[ProcessKey]) -> Outcome {
        self.ending = ends.iter().map(|process| process.pid).collect();
        let rehearsed = self.carry_out_job(Job { dry_run: true, ..self.job.clone() });
        if rehearsed.refused.is_some() {
            return rehearsed;
        }
        let (handle, number, crash, dry_run) =
            (self.handle, self.number, self.subject.crash, self.job.dry_run);
        let note = |text: &str| {
            self.still_hang(chat, ends)?;
            let step = Step { step: "ask_to_end".to_owned(), ok: false, detail: text.to_owned() };
            let note =
                Receipt { id: number, crash, steps: vec![step], ..empty_receipt(chat.clone(), dry_run) };
            let kept = note_unfinished(handle, &note);
            faults::boundary("restore.hung.noted");
            kept.map_err(|error| StepFailed(format!("it could not be recorded: {}", error.message)))
        };
        let stopped = stopping::end(handle, chat, ends, dry_run, note);
        faults::boundary("restore.hung.ended");
        if !stopped.ok {
            let message = "what hangs could not be ended; see the steps".to_owned();
            let refusal = Refusal { reason: RefusalReason::StillAlive, message };
            return Outcome { steps: stopped.steps, ..refused("ask_to_end", refusal) };
        }
        let mut outcome = if dry_run { rehearsed } else { self.carry_out_anew(chat) };
        outcome.steps.splice(0..0, stopped.steps);
        outcome
    }

    /// It was looked whether the restore would go through, which takes seconds: enough for one to move again.
    fn still_hang(&self, chat: &ChatId, ends: &[ProcessKey]) -> Result<(), StepFailed> {
        let (asked, keys) = (chat.clone(), ends.to_vec());
        let moved = self.handle.call(move |watch| {
            keys.into_iter().find(|process| {
                probe(process) == Liveness::Alive && !watch.supervisor.is_hung(&asked, process)
            })
        });
        match moved {
            Ok(None) => Ok(()),
            Ok(Some(process)) => Err(StepFailed(format!("process {} moves again", process.pid))),
            Err(error) => Err(StepFailed(error.message)),
        }
    }

    /// A client that is asked to end may write until it has.
    fn carry_out_anew(&mut self, chat: &ChatId) -> Outcome {
        self.ending = Vec::new();
        let settled = look_up(self.handle, chat, self.subject.crash).and_then(|subject| {
            let cut = where_cut(self.handle, chat, &subject, None)?;
            Ok((subject, cut))
        });
        match settled {
            Ok((subject, (in_turn, in_flight))) => {
                self.subject = subject;
                (self.job.in_turn, self.job.in_flight) = (in_turn, in_flight);
                self.carry_out()
            }
            Err(error) => self.unprovable(&error),
        }
    }
}
