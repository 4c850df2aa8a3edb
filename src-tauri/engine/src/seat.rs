//! What must not run beside a restore of the same chat: it takes the chat's seat, as a restore does, for as long as it
//! works.

use shim_api::ApiError;
use shim_core::{chats::ChatId, restore::Refusal, supervisor::Event};

use crate::run::Handle;

/// Does `work`, which says with what came of it whether a process was started; or gives why it may not be done now.
/// `fork` needs nobody to be dead.
pub fn taken<T>(
    handle: &Handle,
    chat: &ChatId,
    fork: bool,
    work: impl FnOnce() -> (T, bool),
) -> Result<Result<T, Refusal>, ApiError> {
    let asked = chat.clone();
    if let Err(refusal) = handle.call(move |watch| watch.may_restore(&asked, fork))? {
        return Ok(Err(refusal));
    }
    let (came, started) = work();
    let ended = chat.clone();
    handle.call(move |watch| watch.decide(Event::RestoreEnded { chat: &ended, started }))?;
    Ok(Ok(came))
}
