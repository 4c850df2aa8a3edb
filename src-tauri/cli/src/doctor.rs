//! `shim status`, `shim doctor`.

use std::process::ExitCode;

use shim_api::{Engine, doctor::Level};

use crate::print;

pub fn status(engine: &Engine, json: bool) -> anyhow::Result<()> {
    let status = engine.status()?;
    if json {
        return print::json(&status);
    }
    let own = &status.own;
    if status.engine.demo {
        say!("demo     a recorded week is shown, and nothing of this machine");
    }
    if status.engine.embedded {
        say!("engine   none is running; this was looked up for this command alone");
    } else {
        say!(
            "engine   {} (process {}), on 127.0.0.1:{}",
            status.engine.version,
            status.engine.pid,
            status.engine.port
        );
    }
    say!("data     {} ({})", status.engine.home, print::bytes(own.database_bytes));
    if let Some(until) = status.engine.paused_until {
        say!("paused   until {}", print::time(until));
    }
    for client in &status.clients {
        say!(
            "client   {}: {}",
            client.client.name(),
            client.command.as_deref().unwrap_or("program not found")
        );
        client.homes.iter().for_each(|home| say!("         watched: {home}"));
    }
    let counts = status.chats.iter().filter(|count| count.count > 0);
    let counts: Vec<_> = counts.map(|count| format!("{} {}", count.count, count.state.name())).collect();
    say!("chats    {}", if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") });
    say!("crashes  {} open", status.open_crashes);
    let written = own.written_bytes.map_or_else(|| "unknown".to_owned(), print::bytes);
    say!(
        "own use  {} memory, {:.1} s processor, {written} written for {} watched",
        print::bytes(own.memory_bytes),
        own.cpu_seconds,
        print::bytes(own.watched_bytes)
    );
    status.warnings.iter().for_each(|warning| say!("warning  {warning}"));
    Ok(())
}

pub fn doctor(engine: &Engine, verify: bool, json: bool) -> anyhow::Result<ExitCode> {
    let findings = engine.doctor(verify)?;
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    if json {
        print::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.level {
                Level::Ok => "ok  ",
                Level::Note => "note",
                Level::Problem => "!!  ",
            };
            say!("{mark}  {}: {}", finding.what, finding.found);
            if let Some(advice) = &finding.advice {
                say!("      {advice}");
            }
        }
    }
    Ok(if worst == Level::Problem { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
