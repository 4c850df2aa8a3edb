//! What a receipt says of a usage limit that lasts. It stops no restore that somebody asked for.

use shim_api::ApiError;
use shim_core::{
    chats::ChatId,
    restore::{Outcome, Step},
};

use crate::run::Handle;

pub fn told(handle: &Handle, chat: &ChatId, mut outcome: Outcome) -> Result<Outcome, ApiError> {
    let asked = chat.clone();
    if let Some(limit) = handle.call(move |watch| watch.limit_of(&asked))? {
        let end =
            limit.resets_at.map_or_else(|| "for an unknown time".to_owned(), |at| format!("until {at}"));
        let detail =
            format!("a usage limit lasts {end}: what the chat asks may be refused ({})", limit.message);
        outcome.steps.insert(0, Step { step: "limit".to_owned(), ok: true, detail });
    }
    Ok(outcome)
}
