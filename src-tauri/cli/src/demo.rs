//! `shim demo`: makes the demo's folder, and shows it in the window or with an engine in the foreground.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Context;
use shim_api::{Engine, home::data_folder};

use crate::{engine, install::program};

/// The demo's folder below the data folder, where none is named.
const FOLDER: &str = "demo";

pub fn run(given: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let home = match given {
        Some(folder) => data_folder(Some(folder))?,
        None => data_folder(None)?.join(FOLDER),
    };
    let shown =
        Engine::connect(&home).and_then(|engine| engine.status()).is_ok_and(|status| status.engine.demo);
    if !shown {
        shim_engine::demo::make(&home)?;
    }
    let folder = home.display();
    say!("The demo lies in {folder}: a recorded week, and nothing of this machine. To look from a terminal:");
    for verb in ["status", "chats", "crashes", "search millisecond"] {
        say!("  shim --home \"{folder}\" {verb}");
    }
    match window() {
        Some(program) => open(&program, &home),
        None if shown => Ok(ExitCode::SUCCESS),
        None => engine::run(&home, false),
    }
}

/// Opens the window and waits until it is quit.
fn open(program: &Path, home: &Path) -> anyhow::Result<ExitCode> {
    say!(
        "The window shows it until it is quit. (A SHIM that is in the tray already would show itself: quit it first.)"
    );
    let status = Command::new(program).arg("--home").arg(home).arg("--show").status();
    let status = status.with_context(|| format!("{} could not be started", program.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The desktop app beside this program, where there is a display for it.
fn window() -> Option<PathBuf> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        return None;
    }
    let name = format!("shim-desktop{}", std::env::consts::EXE_SUFFIX);
    let beside = program().ok()?.with_file_name(name);
    beside.is_file().then_some(beside)
}
