//! What an engine that died between two effects left half done, finished by the next one: once, behind its first sweep.
//! A restore it left is closed by `restore::close_unfinished`.

use shim_core::checkpoints::Trigger;

use crate::run::Watch;

impl Watch {
    /// A crash is on record before its checkpoint is taken and its chat's hook is left a word.
    pub fn finish_half_done(&mut self) {
        // What this sweep itself recorded has its checkpoint on the way.
        self.settle();
        let open: Vec<_> = self.open_crashes.values().copied().collect();
        for id in open {
            let half_done = self.home.store.read(|store| {
                let Some(crash) = store.crash(id)? else { return Ok(None) };
                let points = store.checkpoints(&crash.chat)?;
                let is_its_own = |point: &shim_store::CheckpointRow| {
                    point.checkpoint.trigger == Trigger::Crash && point.checkpoint.at >= crash.detected_at
                };
                Ok((!points.iter().any(is_its_own)).then_some(crash))
            });
            match half_done {
                Ok(Some(crash)) => {
                    tracing::info!(chat = %crash.chat, crash = id, "an earlier engine ended before this crash had its checkpoint");
                    self.leave_context(&crash);
                    self.want_checkpoint(&crash.chat, Trigger::Crash);
                }
                Ok(None) => {}
                Err(error) => self.warn(error.to_string()),
            }
        }
    }
}
