//! `shim restore`: asks for it, prints the receipt.

use std::{collections::HashSet, process::ExitCode};

use shim_api::{
    Engine,
    restore::{Receipt, RestoreRequest},
};

use crate::print;

const FAILURES_IN_A_ROW_MAX: u32 = 3;

pub fn restore(engine: &Engine, request: &RestoreRequest, json: bool) -> anyhow::Result<ExitCode> {
    let receipt = engine.restore(request)?;
    if json {
        print::json(&receipt)?;
    } else {
        print_receipt(&receipt);
    }
    if receipt.ok {
        return Ok(ExitCode::SUCCESS);
    }
    let failed = receipt.steps.iter().find(|step| !step.ok).map(|step| step.detail.clone());
    let why = receipt.refused.map(|refusal| refusal.message).or(failed);
    eprintln!("shim: not restored: {}", why.unwrap_or_else(|| "see the steps above".to_owned()));
    Ok(ExitCode::FAILURE)
}

/// Restores every chat with an open crash, the most recent first. Stops when restores fail one after the
/// other: whatever ails them would ail the rest.
pub fn restore_all(
    engine: &Engine,
    request: impl Fn(String) -> RestoreRequest,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut seen = HashSet::new();
    let open: Vec<_> =
        engine.crashes()?.into_iter().filter(|c| !c.resolved && seen.insert(c.chat.clone())).collect();
    let (mut receipts, mut failures_in_a_row) = (Vec::new(), 0);
    for crash in &open {
        let receipt = engine.restore(&request(crash.id.to_string()))?;
        failures_in_a_row = if receipt.ok { 0 } else { failures_in_a_row + 1 };
        if !json {
            print_receipt(&receipt);
        }
        receipts.push(receipt);
        if failures_in_a_row == FAILURES_IN_A_ROW_MAX {
            break;
        }
    }
    let restored = receipts.iter().filter(|receipt| receipt.ok).count();
    if json {
        print::json(&receipts)?;
    } else if open.is_empty() {
        say!("No chat has an open crash.");
    }
    if restored == open.len() {
        return Ok(ExitCode::SUCCESS);
    }
    let left = open.len() - receipts.len();
    eprintln!("shim: {restored} of {} chats restored, {left} not tried; the receipts say why", open.len());
    Ok(ExitCode::FAILURE)
}

fn print_receipt(receipt: &Receipt) {
    let outcome = match (receipt.ok, receipt.dry_run, &receipt.refused) {
        (true, true, _) => "Rehearsed; nothing was changed.",
        (true, false, _) => "Restored.",
        (false, _, Some(_)) => "Refused.",
        (false, _, None) => "Failed.",
    };
    say!("Receipt {}: {outcome}", receipt.id);
    say!("  chat     {}", receipt.chat);
    if let Some(original) = &receipt.fork_of {
        say!("  fork of  {original}");
    }
    for (name, value) in
        [("folder", &receipt.cwd), ("model", &receipt.model), ("mode", &receipt.permission_mode)]
    {
        if let Some(value) = value {
            say!("  {name:<8} {value}");
        }
    }
    for step in &receipt.steps {
        say!("  {} {:<13} {}", if step.ok { "✓" } else { "✗" }, step.step, step.detail);
    }
    if let (Some(after), Some(lost)) = (receipt.turns_after, receipt.turns_lost) {
        say!("  turns    {} before, {after} after, {lost} lost", receipt.turns_before);
    }
    if let (Some(pid), Some(processes)) = (receipt.pid, receipt.processes) {
        say!("  process  {pid} ({processes} on this chat)");
    }
    say!(
        "  took     {:.2} s, of which {:.2} s waiting for the client",
        receipt.seconds,
        receipt.client_seconds
    );
}
