//! Restoring a chat that ails: the repaired copy is made and started; the chat itself stays as it is.

use shim_api::{
    ApiError,
    clinic::RepairRequest,
    restore::{Receipt, RestoreRequest, Step},
};
use shim_core::{
    chats::ChatId,
    clinic::{Change, Cure},
    crashes::CrashKind,
};
use shim_store::{CrashRow, Urgency};

use super::{chart, repair};
use crate::{
    restore::{self, empty_receipt, keep_receipt},
    run::{Handle, now},
    seat, views,
};

/// The open crash, where it is of a kind that only a repaired copy brings back.
pub fn ailment(handle: &Handle, crash: Option<i64>) -> Result<Option<CrashRow>, ApiError> {
    let Some(id) = crash else { return Ok(None) };
    let crash = handle.home.store.read(|store| store.crash(id)).map_err(views::store_error)?;
    let Some(crash) = crash.filter(|crash| !crash.resolved) else { return Ok(None) };
    match crash.kind {
        CrashKind::Poisoned | CrashKind::CompactionDeadlock => Ok(Some(crash)),
        CrashKind::Torn => {
            // What the client copes with by itself needs no copy.
            let findings = shim_core::clinic::examine(&chart(handle, &crash.chat)?.patient());
            Ok(findings.iter().any(|finding| finding.cure == Cure::Repair).then_some(crash))
        }
        CrashKind::Killed
        | CrashKind::Exited
        | CrashKind::Shutdown
        | CrashKind::ClientUpdate
        | CrashKind::Hung
        | CrashKind::OutOfMemory
        | CrashKind::IndexLost
        | CrashKind::Deleted => Ok(None),
    }
}

/// Makes the copy, starts it, and gives one receipt of both.
pub fn restore(
    handle: &Handle,
    crash: &CrashRow,
    request: &RestoreRequest,
    why_begun: Option<Step>,
) -> Result<Receipt, ApiError> {
    if request.dry_run {
        return repair_and_start(handle, crash, request, why_begun);
    }
    let why = why_begun.clone();
    let done = seat::taken(handle, &crash.chat, true, || {
        let receipt = repair_and_start(handle, crash, request, why);
        let started = receipt.as_ref().is_ok_and(|receipt| receipt.ok);
        (receipt, started)
    })?;
    match done {
        Ok(receipt) => receipt,
        Err(refusal) => {
            let refused = Step { step: "allowed".to_owned(), ok: false, detail: refusal.message.clone() };
            let steps = why_begun.into_iter().chain([refused]).collect();
            alone(handle, crash, request, steps, |receipt| receipt.refused = Some(refusal))
        }
    }
}

fn repair_and_start(
    handle: &Handle,
    crash: &CrashRow,
    request: &RestoreRequest,
    why_begun: Option<Step>,
) -> Result<Receipt, ApiError> {
    let asked = RepairRequest { target: crash.chat.to_string(), dry_run: request.dry_run, in_place: false };
    let repaired = repair(handle, &asked)?;
    let mended = |change: &Change| Step { step: "repair".to_owned(), ok: true, detail: change.did.clone() };
    let mut steps: Vec<Step> = why_begun.into_iter().chain(repaired.changes.iter().map(mended)).collect();
    steps.extend(repaired.steps);
    let Some(copy) = repaired.copy.filter(|_| repaired.ok && !request.dry_run) else {
        let refused = repaired.refused;
        return alone(handle, crash, request, steps, |receipt| {
            (receipt.ok, receipt.refused) = (repaired.ok, refused);
        });
    };
    let started = restore::restore(handle, &RestoreRequest { target: copy.to_string(), ..request.clone() })?;
    steps.extend(started.steps.iter().cloned());
    let receipt = Receipt { fork_of: Some(crash.chat.clone()), crash: Some(crash.id), steps, ..started };
    keep_receipt(handle, &receipt)?;
    if receipt.ok {
        resolve(handle, &crash.chat)?;
    }
    Ok(receipt)
}

fn resolve(handle: &Handle, chat: &ChatId) -> Result<(), ApiError> {
    let chat = chat.clone();
    handle.call(move |watch| watch.resolve_crashes(chat))
}

/// A receipt where nothing was started.
fn alone(
    handle: &Handle,
    crash: &CrashRow,
    request: &RestoreRequest,
    steps: Vec<Step>,
    outcome: impl FnOnce(&mut Receipt),
) -> Result<Receipt, ApiError> {
    let (chat, id) = (crash.chat.clone(), crash.id);
    let number =
        handle.home.store.write(Urgency::AtOnce, move |store| store.new_restore(&chat, Some(id), now()));
    let mut receipt = Receipt {
        id: number.map_err(views::store_error)?,
        crash: Some(id),
        steps,
        ..empty_receipt(crash.chat.clone(), request.dry_run)
    };
    outcome(&mut receipt);
    keep_receipt(handle, &receipt)?;
    Ok(receipt)
}
