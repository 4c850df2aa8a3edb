//! What was found on this machine, what is missing, what to do.

use shim_api::{
    ApiError,
    doctor::{Finding, Level},
};
use shim_core::chats::Client;
use shim_store::Verified;

use crate::{
    clients::{ClientHome, ports, program},
    run::Handle,
    terminal, views,
};

/// Notes of dropped chats shown.
const DROPPED_SHOWN_MAX: usize = 10;

pub fn examine(handle: &Handle, verify: bool) -> Result<Vec<Finding>, ApiError> {
    let (homes, warnings, cut_short, chats) = handle.call(|watch| {
        (watch.homes.clone(), watch.warnings.clone(), watch.cut_short.clone(), watch.chats.len())
    })?;
    if handle.home.demo.is_some() {
        return examine_demo(handle, chats, verify);
    }
    let settings = &handle.home.settings();
    let mut findings = vec![
        finding(
            Level::Ok,
            "data folder",
            format!("{} ({} bytes)", handle.home.path.display(), handle.home.store.bytes_on_disk()),
        ),
        match terminal::find(settings) {
            Some(words) => finding(Level::Ok, "terminal", words.join(" ")),
            None => advice(
                Level::Note,
                "terminal",
                "no terminal was found",
                "name one in config.toml as terminal.command, or restore with --headless",
            ),
        },
    ];
    for port in ports() {
        let client = port.client();
        let watched: Vec<_> = homes.iter().filter(|home| home.client == client).collect();
        findings.push(match program(settings, client, None) {
            Some(program) => finding(Level::Ok, client.name(), program.display().to_string()),
            // Chats that nobody could bring back.
            None if !watched.is_empty() => program_missing(Level::Problem, client),
            None => program_missing(Level::Note, client),
        });
        let shown = |home: &&ClientHome| {
            finding(Level::Ok, "home", format!("{} ({})", home.folder.display(), client.title()))
        };
        findings.extend(watched.iter().map(shown));
    }
    if homes.is_empty() {
        let found = "no folder of any client was found".to_owned();
        findings.push(advice(
            Level::Note,
            "homes",
            found,
            "start a chat, or name its folder in config.toml (`shim settings` lists the keys)",
        ));
    }
    findings.push(finding(Level::Ok, "chats", format!("{chats} are kept")));
    findings.extend(warnings.into_iter().map(|warning| finding(Level::Problem, "warning", warning)));
    findings.extend(cut_short.into_iter().map(|said| finding(Level::Note, "cut short", said)));
    findings.extend(crate::clinic::doctor(handle)?);
    findings.extend(crate::install::examine(&handle.home.path, &handle.home.program));
    let dropped = handle.home.store.read(|store| store.dropped()).map_err(views::store_error)?;
    findings.extend(dropped.into_iter().take(DROPPED_SHOWN_MAX).map(|dropped| {
        let found = format!(
            "“{}” ({}, {} bytes) on {}: {}",
            dropped.title, dropped.chat, dropped.bytes, dropped.at, dropped.why
        );
        finding(Level::Note, "dropped", found)
    }));
    findings.extend(checksums(handle, verify)?);
    Ok(findings)
}

/// Of a demo only its own folder is looked at.
fn examine_demo(handle: &Handle, chats: usize, verify: bool) -> Result<Vec<Finding>, ApiError> {
    let mut findings = vec![
        advice(
            Level::Note,
            "demo",
            "this is the demo: a recorded week is shown, and nothing of this machine",
            "without `--home`, `shim doctor` tells of this machine",
        ),
        finding(Level::Ok, "data folder", handle.home.path.display().to_string()),
        finding(Level::Ok, "chats", format!("{chats} are kept")),
    ];
    findings.extend(checksums(handle, verify)?);
    Ok(findings)
}

fn checksums(handle: &Handle, verify: bool) -> Result<Vec<Finding>, ApiError> {
    if !verify {
        return Ok(Vec::new());
    }
    let verified = handle.home.store.read(|store| store.verify()).map_err(views::store_error)?;
    Ok(verdict(&verified))
}

fn program_missing(level: Level, client: Client) -> Finding {
    let what = format!("install it, or name it in config.toml as clients.{}.command", client.name());
    let found = format!("the program of {} was not found", client.title());
    advice(level, client.name(), found, &what)
}

fn verdict(verified: &Verified) -> Vec<Finding> {
    let found =
        format!("{} chunks, {} bytes: {} damaged", verified.chunks, verified.bytes, verified.damaged.len());
    let level = if verified.damaged.is_empty() { Level::Ok } else { Level::Problem };
    let mut findings = vec![finding(level, "checksums", found)];
    findings.extend(verified.damaged.iter().map(|damage| {
        advice(
            Level::Problem,
            "damaged",
            format!(
                "{}, generation {}, byte {}: {}",
                damage.chat, damage.generation, damage.offset, damage.why
            ),
            "the client's own file may still hold these bytes: copy it, and check the disk",
        )
    }));
    findings
}

fn finding(level: Level, what: &str, found: impl Into<String>) -> Finding {
    Finding { level, what: what.to_owned(), found: found.into(), advice: None, fix: None }
}

fn advice(level: Level, what: &str, found: impl Into<String>, advice: &str) -> Finding {
    Finding { advice: Some(advice.to_owned()), ..finding(level, what, found) }
}
