//! `shim install`, `shim uninstall`: what of SHIM is made known to others, and how that is taken back.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;

use crate::autostart;

#[derive(Subcommand)]
pub enum What {
    /// The engine, started at login and kept running by the system.
    Service(autostart::Options),
}

pub fn run(home: &Path, what: &What, undo: bool) -> anyhow::Result<ExitCode> {
    match what {
        What::Service(options) if undo => autostart::uninstall(home, options),
        What::Service(options) => autostart::install(home, options),
    }
}
