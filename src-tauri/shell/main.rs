//! `shim-desktop`: reads the command line and starts the tray, or the window for it.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::Parser;
use shim_desktop::{Options, environment};

fn main() -> ExitCode {
    let options = Options::parse();
    environment::prepare(options.window.is_some());
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    match shim_desktop::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim-desktop: {error:#}");
            ExitCode::FAILURE
        }
    }
}
