//! `shim install service`, `shim uninstall service`, `shim service`: the engine's `autostart`, for people.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use serde::Serialize;
use shim_api::Engine;
use shim_engine::autostart::{self, By, Done, Outcome};

use crate::{install::program, print};

#[derive(clap::Args)]
pub struct Options {
    /// Show the definition and the commands; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
pub enum Action {
    /// Start the engine through the system.
    Start,
    /// End the engine that the system keeps running. It starts again at the next login; on Windows not before `shim service start`.
    Stop,
    /// Whether the service is installed and runs.
    Status {
        #[arg(long)]
        json: bool,
    },
}

pub fn install(home: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    show(&autostart::install(home, &program()?, By::Command, options.dry_run)?, options.json)
}

pub fn uninstall(home: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    show(&autostart::uninstall(home, &program()?, By::Command, options.dry_run)?, options.json)
}

pub fn act(home: &Path, action: &Action) -> anyhow::Result<ExitCode> {
    let program = program()?;
    match action {
        Action::Start => autostart::start(home, &program)?,
        Action::Stop => autostart::stop(home, &program)?,
        Action::Status { json } => return status(home, &program, *json),
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    service: autostart::Status,
    /// The engine that answers, whoever started it.
    engine: Option<u32>,
}

fn status(home: &Path, program: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let service = autostart::status(home, program)?;
    let status = Status { service, engine: Engine::connect(home).ok().map(|engine| engine.file.pid) };
    if json {
        print::json(&status)?;
        return Ok(ExitCode::SUCCESS);
    }
    let engine = status.engine.map_or("no engine answers".to_owned(), |pid| format!("engine {pid} answers"));
    match &status.service {
        autostart::Status { foreign: true, file, .. } => say!("{file} is not SHIM's; {engine}"),
        autostart::Status { installed: false, .. } => say!("not installed; {engine}"),
        autostart::Status { active, up_to_date, file, .. } => {
            let active = if *active { "runs" } else { "does not run" };
            let of_old =
                if *up_to_date { "" } else { " (of another version or data folder: install it again)" };
            say!("installed in {file}{of_old}; the service {active}; {engine}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(done: &Done, json: bool) -> anyhow::Result<ExitCode> {
    let refused = done.outcome == Outcome::Refused;
    let code = if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if json {
        print::json(done)?;
        return Ok(code);
    }
    let file = &done.file;
    match done.outcome {
        Outcome::Installed => say!("installed: {file}"),
        Outcome::WouldInstall => say!("nothing was changed; this would be written to {file}:"),
        Outcome::Unchanged => say!("installed already: {file}"),
        Outcome::Uninstalled => say!("uninstalled: {file} is removed"),
        Outcome::WouldUninstall => say!("nothing was changed; {file} would be removed"),
        Outcome::Absent => say!("not installed: there is no {file}"),
        Outcome::Refused => eprintln!("shim: {file} is there already."),
    }
    if let (Outcome::WouldInstall, Some(definition)) = (done.outcome, &done.definition) {
        say!("\n{}", definition.trim_end());
    }
    if !done.commands.is_empty() {
        let would = matches!(done.outcome, Outcome::WouldInstall | Outcome::WouldUninstall);
        say!("\n{}:", if would { "and these commands run" } else { "these commands ran" });
        done.commands.iter().for_each(|command| say!("  {command}"));
    }
    if let Some(advice) = &done.advice {
        say!("\n{advice}");
    }
    Ok(code)
}
