//! Which chat a request means: a crash's number, a chat's id, or the start of one. Where several answer, nothing
//! is chosen.

use std::time::Instant;

use shim_api::{
    ApiError,
    error::ErrorCode,
    restore::{Receipt, RestoreRequest, Step},
};
use shim_core::{
    chats::{ChatId, Client},
    clients::claude_desktop::{APP, chat_link},
    restore::{Refusal, RefusalReason},
};
use shim_store::Urgency;

use super::receipts::{empty_receipt, keep_receipt};
use crate::{
    run::{Handle, now},
    views,
};

pub enum Target {
    One(ChatId, Option<i64>),
    Many(Vec<ChatId>),
}

/// A crash's number, a chat's id, or the start of one, with or without the client's name.
pub fn find_target(handle: &Handle, target: &str) -> Result<Target, ApiError> {
    if let Ok(number) = target.parse::<i64>()
        && let Some(crash) =
            handle.home.store.read(|store| store.crash(number)).map_err(views::store_error)?
    {
        return Ok(Target::One(crash.chat, Some(number)));
    }
    let candidates = candidates(handle, target)?;
    match candidates.as_slice() {
        // Its chats lie on a server: any id may be one.
        [] if is_desktop_chat(target) => {
            Ok(Target::One(ChatId::new(Client::ClaudeDesktop, named(target)), None))
        }
        [] => Err(not_found(target)),
        [chat] => Ok(Target::One(chat.clone(), None)),
        _ => Ok(Target::Many(candidates)),
    }
}

/// Chats that `target` may mean; one when it is whole.
fn candidates(handle: &Handle, target: &str) -> Result<Vec<ChatId>, ApiError> {
    let target = target.to_owned();
    handle.call(move |watch| {
        let whole = |id: &&ChatId| id.as_str() == target || id.session_id() == target;
        if let Some(id) = watch.chats.keys().find(whole) {
            return vec![id.clone()];
        }
        let begins = |id: &&ChatId| id.as_str().starts_with(&target) || id.session_id().starts_with(&target);
        let mut found: Vec<_> =
            watch.chats.keys().filter(begins).filter(|_| !target.is_empty()).cloned().collect();
        found.sort();
        found
    })
}

fn is_desktop_chat(target: &str) -> bool {
    let is_of_the_app = ChatId::parse(target).is_some_and(|chat| chat.client() == Client::ClaudeDesktop);
    is_of_the_app && (named(target) == APP || chat_link(named(target)).is_some())
}

/// The client's own id in `<client>:<id>`, or the whole.
fn named(target: &str) -> &str {
    target.split_once(':').map_or(target, |(_, id)| id)
}

fn not_found(target: &str) -> ApiError {
    let message =
        format!("no chat or crash answers to “{target}”; `shim chats` and `shim crashes` list them");
    ApiError::new(ErrorCode::NotFound, message)
}

/// The one chat that `target` means.
pub fn find_chat(handle: &Handle, target: &str) -> Result<ChatId, ApiError> {
    match find_target(handle, target)? {
        Target::One(chat, _) => Ok(chat),
        Target::Many(candidates) => Err(ApiError::new(ErrorCode::Ambiguous, which_of(target, &candidates))),
    }
}

fn which_of(target: &str, candidates: &[ChatId]) -> String {
    let names: Vec<_> = candidates.iter().take(5).map(ChatId::as_str).collect();
    format!("“{target}” may mean {} chats: {}; give more of the id", candidates.len(), names.join(", "))
}

pub fn refuse_ambiguous(
    handle: &Handle,
    request: &RestoreRequest,
    candidates: &[ChatId],
    begun: Instant,
) -> Result<Receipt, ApiError> {
    let client = candidates.first().map_or(Client::ClaudeCode, ChatId::client);
    let chat = ChatId::new(client, named(&request.target));
    let (for_row, at) = (chat.clone(), now());
    let number = handle.home.store.write(Urgency::AtOnce, move |store| store.new_restore(&for_row, None, at));
    let message = which_of(&request.target, candidates);
    let receipt = Receipt {
        id: number.map_err(views::store_error)?,
        steps: vec![Step { step: "find".to_owned(), ok: false, detail: message.clone() }],
        refused: Some(Refusal { reason: RefusalReason::Ambiguous, message }),
        seconds: begun.elapsed().as_secs_f64(),
        ..empty_receipt(chat, request.dry_run)
    };
    keep_receipt(handle, &receipt)?;
    Ok(receipt)
}
