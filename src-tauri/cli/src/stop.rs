//! `shim stop`: shows what would be ended, asks, ends it.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::ExitCode,
};

use shim_api::{
    Engine,
    stopping::{StopRequest, Stopped},
};

use crate::print;

pub fn stop(engine: &Engine, target: &str, yes: bool, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let ask = |dry_run| engine.stop_chat(&StopRequest { target: target.to_owned(), dry_run });
    if !yes && !dry_run {
        let rehearsed = ask(true)?;
        if !rehearsed.ok || !agreed(&rehearsed)? {
            eprintln!("shim: nothing was ended");
            return Ok(ExitCode::FAILURE);
        }
    }
    let stopped = ask(dry_run)?;
    if json {
        print::json(&stopped)?;
    } else {
        print_steps(&stopped);
    }
    if stopped.ok {
        return Ok(ExitCode::SUCCESS);
    }
    let why = stopped.steps.iter().find(|step| !step.ok).map(|step| step.detail.clone());
    eprintln!("shim: not ended: {}", why.unwrap_or_else(|| "see the steps above".to_owned()));
    Ok(ExitCode::FAILURE)
}

fn agreed(rehearsed: &Stopped) -> anyhow::Result<bool> {
    if rehearsed.pids.is_empty() {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("nobody is here to be asked: give --yes to end {}", rehearsed.chat);
    }
    print_steps(rehearsed);
    eprint!("End it? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn print_steps(stopped: &Stopped) {
    let title = match (stopped.ok, stopped.dry_run) {
        (true, true) => "Rehearsed; nothing was changed.",
        (true, false) => "Ended.",
        (false, _) => "Not ended.",
    };
    say!("{title}");
    say!("  chat     {}", stopped.chat);
    for step in &stopped.steps {
        say!("  {} {:<13} {}", if step.ok { "✓" } else { "✗" }, step.step, step.detail);
    }
}
