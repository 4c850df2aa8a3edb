//! Receipts as they are kept: what every restore leaves, also the one whose engine died under way.

use shim_api::{
    ApiError,
    error::ErrorCode,
    events::Event as Told,
    restore::{Receipt, Step},
};
use shim_core::chats::ChatId;
use shim_store::{StoreError, Urgency};

use crate::{
    home::Home,
    run::{Handle, now},
    views,
};

pub fn empty_receipt(chat: ChatId, dry_run: bool) -> Receipt {
    Receipt {
        id: 0,
        chat,
        fork_of: None,
        crash: None,
        at: now(),
        ok: false,
        dry_run,
        refused: None,
        turns_before: 0,
        turns_after: None,
        turns_lost: None,
        last_message_sha256_before: None,
        last_message_sha256_after: None,
        processes: None,
        pid: None,
        cwd: None,
        model: None,
        permission_mode: None,
        seconds: 0.0,
        client_seconds: 0.0,
        steps: Vec::new(),
    }
}

pub fn keep_receipt(handle: &Handle, receipt: &Receipt) -> Result<(), ApiError> {
    let kept = store_receipt(handle, receipt);
    let asked = receipt.fork_of.clone().unwrap_or_else(|| receipt.chat.clone());
    let client_version = handle.call(move |watch| watch.version_of(&asked)).ok().flatten();
    handle.tell(Told::RestoreFinished { receipt: Box::new(receipt.clone()), client_version });
    kept
}

/// A restore whose engine died under way gets its receipt from the next one.
pub fn close_unfinished(home: &Home) -> Result<(), StoreError> {
    let unfinished = home.store.read(|store| store.unfinished_restores())?;
    for row in unfinished {
        let detail = if row.started {
            "the engine ended after the client was started: look whether the chat runs, then restore again"
        } else {
            "the engine ended before anything was started: restore again"
        };
        let noted: Option<Receipt> = serde_json::from_str(&row.receipt).ok();
        let mut steps = noted.map(|note| note.steps).unwrap_or_default();
        steps.push(Step { step: "engine".to_owned(), ok: false, detail: detail.to_owned() });
        let receipt =
            Receipt { id: row.id, crash: row.crash, at: row.at, steps, ..empty_receipt(row.chat, false) };
        let text = serde_json::to_string(&receipt).unwrap_or_default();
        home.store.write(Urgency::AtOnce, move |store| store.put_receipt(row.id, &text))?;
    }
    Ok(())
}

/// What is about to be done is on record before it is. Should the engine die, the next one sees by the mark that
/// this is not the last word.
pub fn note_unfinished(handle: &Handle, note: &Receipt) -> Result<(), ApiError> {
    put_receipt(handle, note.id, unfinished(note))
}

/// A receipt with that mark.
pub fn unfinished(note: &Receipt) -> String {
    let mut text = serde_json::to_value(note).unwrap_or_default();
    if let Some(fields) = text.as_object_mut() {
        fields.insert("unfinished".to_owned(), serde_json::Value::Bool(true));
    }
    text.to_string()
}

fn store_receipt(handle: &Handle, receipt: &Receipt) -> Result<(), ApiError> {
    let text =
        serde_json::to_string(receipt).map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))?;
    put_receipt(handle, receipt.id, text)
}

fn put_receipt(handle: &Handle, number: i64, text: String) -> Result<(), ApiError> {
    handle
        .home
        .store
        .write(Urgency::AtOnce, move |store| store.put_receipt(number, &text))
        .map_err(views::store_error)
}
