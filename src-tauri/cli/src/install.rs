//! `shim install`, `shim uninstall`: tells clients and the system of SHIM, and takes that back. Says what it did
//! to which file.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Subcommand;
use shim_api::install::{InstallRequest, Installed, Outcome, What as Asked};
use shim_core::chats::Client;
use shim_engine::{autostart::By, install::carry_out};

use crate::{autostart, print};

#[derive(Subcommand)]
pub enum What {
    /// The hooks by which Claude Code, Codex and Gemini CLI tell SHIM what they do.
    Hooks(Options),
    /// SHIM's MCP server, by which a chat asks SHIM itself.
    Mcp(Options),
    /// The engine, started at login and kept running by the system.
    Service(autostart::Options),
}

#[derive(clap::Args)]
pub struct Options {
    /// Only this client: claude-code, codex, gemini, opencode, claude-desktop.
    #[arg(long, value_parser = client)]
    client: Option<Client>,
    /// Show the diff; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

fn client(name: &str) -> anyhow::Result<Client> {
    let names = Client::ALL.map(Client::name).join(", ");
    Client::from_name(name).ok_or_else(|| anyhow::anyhow!("one of {names}"))
}

pub fn run(home: &Path, what: &What, undo: bool) -> anyhow::Result<ExitCode> {
    let (what, options) = match what {
        What::Hooks(options) => (Asked::Hooks, options),
        What::Mcp(options) => (Asked::Mcp, options),
        What::Service(options) if undo => return autostart::uninstall(home, options),
        What::Service(options) => return autostart::install(home, options),
    };
    let request = InstallRequest { what, undo, client: options.client, dry_run: options.dry_run };
    let done = carry_out(home, &program()?, By::Command, &request)?;
    if options.json {
        print::json(&done)?;
    } else {
        done.iter().for_each(|done| show(done, undo));
    }
    let failed = |done: &Installed| match done.outcome {
        Outcome::Refused => true,
        Outcome::Skipped => options.client.is_some() && !undo,
        Outcome::Written | Outcome::WouldWrite | Outcome::Unchanged => false,
    };
    Ok(if done.iter().any(failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// SHIM's own program: what is called from then on.
pub fn program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("SHIM cannot tell where its own program lies")
}

fn show(done: &Installed, undo: bool) {
    let (client, part) = (done.client.map_or("the system", Client::title), done.what.name());
    let file = done.file.as_deref().unwrap_or_default();
    let why = done.why.as_deref().unwrap_or_default();
    if let Some(diff) = &done.diff {
        say!("{}", diff.trim_end());
    }
    match done.outcome {
        Outcome::Written if undo => say!("{client}: {part} taken out of {file}"),
        Outcome::Written => say!("{client}: {part} written into {file}"),
        Outcome::WouldWrite => say!("{client}: nothing was changed; this would be {part} in {file}"),
        Outcome::Unchanged => say!("{client}: {file} is left as it is: {why}"),
        Outcome::Skipped => say!("{client}: skipped: {why}"),
        Outcome::Refused => eprintln!("shim: {client}: {file} is left as it is: {why}"),
    }
    if let Some(backup) = &done.backup {
        say!("  as it was: {backup}");
    }
    done.advice.iter().for_each(|advice| say!("  {advice}"));
}
