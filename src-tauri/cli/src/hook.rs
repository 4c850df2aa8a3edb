//! `shim hook`: what clients call. Needs no engine, and never fails the client.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Subcommand;

#[derive(Subcommand)]
pub enum HookEvent {
    /// Hands the resume context of one restore to the chat that starts, once: a later resume in the same
    /// window is another matter.
    Context { file: PathBuf },
}

pub fn run(event: &HookEvent) -> ExitCode {
    match event {
        HookEvent::Context { file } => {
            // Without the text the chat still starts; it is only told less.
            if let Ok(text) = std::fs::read(file) {
                let _ = std::io::stdout().write_all(&text);
                let _ = std::fs::remove_file(file);
            }
        }
    }
    ExitCode::SUCCESS
}
