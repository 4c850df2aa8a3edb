//! Where a test may let the engine die: around each effect of a restore.

use shim_core::restore::Effect;

/// Before it and after it.
pub fn around(effect: &Effect) -> (Option<&'static str>, Option<&'static str>) {
    match effect {
        Effect::LookAround => (None, Some("restore.look_around.after")),
        Effect::EndOrphans(_) => (Some("restore.end_orphans.before"), Some("restore.end_orphans.after")),
        Effect::PrepareTranscript => (Some("restore.transcript.before"), Some("restore.transcript.after")),
        Effect::WriteContext(_) => (Some("restore.context.before"), Some("restore.context.after")),
        Effect::StartClient => (Some("restore.start.before"), Some("restore.start.after")),
        Effect::AwaitClient { .. } => (None, Some("restore.await.after")),
        Effect::CountProcesses => (None, Some("restore.count.after")),
        Effect::Compare => (Some("restore.compare.before"), Some("restore.compare.after")),
        Effect::Finish(_) => (None, None),
    }
}
