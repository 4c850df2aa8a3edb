//! `cargo xtask run`: from a fresh machine to SHIM in the tray; with no display, to its engine in the
//! foreground.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{packages, process, repository, say, tools};

pub fn run(release: bool) -> Result<ExitCode> {
    if has_display() { tray(release) } else { engine(release) }
}

/// On Linux a desktop says how it is reached; elsewhere there always is one.
fn has_display() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

fn tray(release: bool) -> Result<ExitCode> {
    tools::check_node()?;
    packages::install(&packages::APP)?;
    build(&["shim-cli", "shim-desktop"], release)?;
    say("starting SHIM; look for it in the tray");
    replace_by(Command::new(repository::built("shim-desktop", release)?))
}

fn engine(release: bool) -> Result<ExitCode> {
    say("no display here (neither DISPLAY nor WAYLAND_DISPLAY is set): only the engine and the command line");
    build(&["shim-cli"], release)?;
    let shim = repository::built("shim", release)?;
    let name = shim.display();
    say("the engine runs in the foreground until Ctrl-C; in another terminal:");
    for (verb, does) in [
        ("status", "what is watched"),
        ("chats", "every chat and its state"),
        ("crashes", "what died, when, and the evidence"),
        ("restore CHAT", "brings a chat back"),
    ] {
        eprintln!("  {name} {verb:<14}{does}");
    }
    eprintln!(
        "For the tray and the window, run this where there is a desktop, or under `xvfb-run -a dbus-run-session`."
    );
    let mut command = Command::new(&shim);
    command.arg("run");
    replace_by(command)
}

fn build(packages: &[&str], release: bool) -> Result<()> {
    say(&format!("building {}; the first time takes minutes", packages.join(" and ")));
    let mut cargo = repository::cargo();
    cargo.arg("build").args(packages.iter().flat_map(|name| ["-p", name]));
    cargo.args(release.then_some("--release"));
    process::run(&mut cargo).context("the build failed; the compiler's message stands above")
}

/// Becomes that program, so that Ctrl-C and its exit code are its own.
#[cfg(unix)]
fn replace_by(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(error).with_context(|| format!("{} could not be started", command.get_program().display()))
}

#[cfg(not(unix))]
fn replace_by(mut command: Command) -> Result<ExitCode> {
    process::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
