//! `shim restore`: asks for it, prints the receipt.

use std::{process::ExitCode, time::Duration};

use shim_api::{
    Engine,
    fleet::{ItemState, Options, State},
    restore::{Receipt, RestoreRequest},
};
use shim_core::time::Timestamp;

use crate::print;

/// How often the engine is asked how far it has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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

/// Has the engine restore every chat with an open crash, and waits until it has.
pub fn restore_all(engine: &Engine, options: Options, json: bool) -> anyhow::Result<ExitCode> {
    let begun = engine.begin_fleet(options)?;
    if begun.fleet.is_none() {
        anyhow::bail!("the engine began nothing; look at its log");
    }
    let (mut receipts, mut said) = (Vec::new(), None);
    let fleet = loop {
        let made = engine.fleet_receipts()?;
        if !json {
            made.receipts.iter().skip(receipts.len()).for_each(print_receipt);
            tell_of_a_wait(&made.fleet.state, &mut said);
        }
        receipts = made.receipts;
        if made.fleet.is_over() {
            break made.fleet;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    if json {
        print::json(&receipts)?;
    } else if fleet.items.is_empty() {
        say!("No chat has an open crash.");
    }
    let count = |is: fn(&ItemState) -> bool| fleet.items.iter().filter(|item| is(&item.state)).count();
    let restored = count(|state| matches!(state, ItemState::Restored { .. }));
    let left = count(|state| matches!(state, ItemState::Waiting));
    if restored == fleet.items.len() {
        return Ok(ExitCode::SUCCESS);
    }
    let of = fleet.items.len();
    match &fleet.state {
        State::Stopped { why } => {
            eprintln!("shim: {restored} of {of} chats restored, {left} not tried: {why}")
        }
        _ => eprintln!("shim: {restored} of {of} chats restored, {left} not tried; the receipts say why"),
    }
    Ok(ExitCode::FAILURE)
}

/// Once for each wait.
fn tell_of_a_wait(state: &State, said: &mut Option<Timestamp>) {
    if let State::WaitingForMemory { needed, since } = state
        && *said != Some(*since)
    {
        *said = Some(*since);
        eprintln!("shim: waiting for memory: {} MiB must be free", needed / (1024 * 1024));
    }
}

pub fn cancel_all(engine: &Engine) -> anyhow::Result<()> {
    let view = engine.cancel_fleet()?;
    let left =
        view.fleet.iter().flat_map(|fleet| &fleet.items).filter(|item| item.state == ItemState::Waiting);
    say!("Cancelled; {} chats were not tried. What was begun comes to its end.", left.count());
    Ok(())
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
