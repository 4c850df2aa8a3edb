//! The checkpoint before a risky call, where its client's hook tells of the call and has it wait. Without hooks the
//! transcript tells of it, when the call may have begun.

use std::{
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};

use shim_api::{
    ApiError,
    checkpoints::{RISKY_WAIT_MS, RiskyRequest},
};
use shim_core::{
    chats::ChatId,
    checkpoints::{
        Trigger,
        planner::{Effect, Event, brief},
    },
};
use shim_store::{SnapshotRow, StoreError};

use crate::{
    run::{Handle, Watch},
    snapshots::list::Point,
};

/// Takes the checkpoint and waits until its workspace is kept, or as long as a call may be held up.
pub fn before(handle: &Handle, request: &RiskyRequest) -> Result<(), ApiError> {
    let (answer, kept) = channel();
    let RiskyRequest { chat, command } = request.clone();
    handle.call(move |watch| watch.before_risky(&chat, &command, answer))??;
    // What is not kept in time is kept while the call runs.
    let _ = kept.recv_timeout(Duration::from_millis(RISKY_WAIT_MS));
    Ok(())
}

impl Watch {
    fn before_risky(
        &mut self,
        chat: &ChatId,
        command: &str,
        answer: Sender<Result<SnapshotRow, StoreError>>,
    ) -> Result<(), ApiError> {
        if self.embedded || self.is_paused() {
            return Ok(());
        }
        let since = Instant::now();
        for transcript in self.transcripts_of(chat) {
            self.catch_up_wholly(&transcript);
        }
        let (id, point) = match self.taken_already(chat, command) {
            Some(taken) => taken,
            None => {
                let Some(Effect::Take(due)) =
                    self.decide_checkpoint(chat, Event::Ahead(command)).into_iter().next()
                else {
                    return Ok(());
                };
                let (taken, point) = self.take_checkpoint_at_once(chat, due, since)?;
                (taken.id, point)
            }
        };
        let folder = self.folder_of(chat).filter(|_| self.home.settings().checkpoints.snapshot.on);
        if let Some(folder) = folder {
            self.keep_folder_now(chat, folder, id, point, answer);
        }
        Ok(())
    }

    /// The checkpoint of this very call, where the transcript told of it before its hook did.
    fn taken_already(&mut self, chat: &ChatId, command: &str) -> Option<(i64, Point)> {
        self.settle();
        let offset = self.chats.get(chat)?.digest.offset;
        let last = self.home.store.read(|store| store.checkpoints(chat)).ok()?.pop()?;
        let checkpoint = &last.checkpoint;
        let is_it = checkpoint.trigger == Trigger::Risky
            && checkpoint.offset == offset
            && checkpoint.note.as_deref() == Some(brief(command).as_str());
        is_it.then(|| (last.id, crate::checkpoints::point_of(checkpoint)))
    }
}
