//! The stage `windows`: on Debian, compiles every crate for Windows, and runs under Wine the tests of those
//! that need no web view. Wine's files lie in the target folder; a person's own are never used.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    debian, process, repository,
    test::{LIMIT, Sandbox, is_closing},
};

const TARGET: &str = "x86_64-pc-windows-gnu";
const FOLDER: &str = "target-windows";
const COMPILER: &str = "/usr/bin/x86_64-w64-mingw32-gcc";
const WINE: &str = "/usr/lib/wine/wine64";
const WINE_SERVER: &str = "/usr/lib/wine/wineserver64";
const PACKAGES: [&str; 2] = ["gcc-mingw-w64-x86-64-win32", "wine64"];

/// Wine has no WebView2, so that the desktop app is compiled and not run.
const DESKTOP: &str = "shim-desktop";
/// Tests that cannot run under Wine: there is no git in it.
/// Wine's `schtasks` waits for an answer that nobody gives.
const SKIPPED: [&str; 2] =
    ["git::tests::agrees_with_git_in_every_layout", "the_task_scheduler_takes_the_task"];

/// Returns the runners' closing lines.
pub fn check(sandbox: &Sandbox) -> Result<Vec<String>> {
    debian::install(&PACKAGES, &[COMPILER, WINE, WINE_SERVER])?;
    let mut wine = Wine::new(sandbox)?;
    let mut tests = cargo(sandbox)?;
    tests.args(["test", "--tests", "--no-fail-fast"]);
    tests.args(debian::CRATES.iter().filter(|name| **name != DESKTOP).flat_map(|name| ["-p", name]));
    tests.arg("--").args(SKIPPED.iter().flat_map(|name| ["--skip", name]));
    wine.confine(&mut tests);
    let ran = process::run_within(&mut tests, LIMIT, is_closing);
    wine.end();
    let mut check = cargo(sandbox)?;
    let checked = process::run_within(check.args(["check", "-p", DESKTOP]), LIMIT, is_closing);
    let lines = ran?;
    checked?;
    Ok(lines)
}

fn cargo(sandbox: &Sandbox) -> Result<Command> {
    debian::cargo(sandbox.command(debian::program()), TARGET, FOLDER)
}

/// A Windows of our own.
struct Wine<'a> {
    sandbox: &'a Sandbox,
    root: PathBuf,
    prefix: PathBuf,
    /// A program that waits for input which never comes. While it runs, so do Wine's own services: started
    /// by a test, they would hold its output open.
    held: Option<Child>,
}

impl<'a> Wine<'a> {
    fn new(sandbox: &'a Sandbox) -> Result<Self> {
        let root = repository::root()?;
        let prefix = root.join(FOLDER).join("wine");
        fs::create_dir_all(&prefix).with_context(|| format!("{} cannot be made", prefix.display()))?;
        let mut wine = Self { sandbox, root, prefix, held: None };
        let mut boot = wine.command(WINE);
        boot.args(["wineboot", "--init"]);
        process::run(boot.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))?;
        wine.add_randomness()?;
        let mut hold = wine.command(WINE);
        hold.arg("cmd.exe").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        wine.held = Some(hold.spawn().context("wine could not be started")?);
        Ok(wine)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.sandbox.command(program);
        self.confine(&mut command);
        command
    }

    fn confine(&self, command: &mut Command) {
        command.env("WINEPREFIX", &self.prefix).env("WINEARCH", "win64").env("WINEDEBUG", "-all");
        // No downloads of .NET and a browser, and no entries in a desktop's menus.
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe=");
        command.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", WINE);
        // Found by asking cargo, which is not there to be asked under Wine.
        command.env("INSTA_WORKSPACE_ROOT", &self.root).env("INSTA_UPDATE", "no");
    }

    fn add_randomness(&self) -> Result<()> {
        let source = self.root.join("src-tauri/xtask/foreign/prng.c");
        let library = self.prefix.join("drive_c/windows/system32/bcryptprimitives.dll");
        if is_newer(&library, &source) {
            return Ok(());
        }
        let mut compiler = self.sandbox.command(COMPILER);
        compiler.arg("-shared").arg("-o").arg(&library).arg(&source).arg("-ladvapi32");
        process::run(&mut compiler)
    }

    /// Ends all that runs in this Windows, and nothing else.
    fn end(&mut self) {
        let _ = process::run(self.command(WINE_SERVER).arg("--kill"));
        if let Some(mut held) = self.held.take() {
            let _ = held.kill();
            let _ = held.wait();
        }
    }
}

fn is_newer(made: &Path, source: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    changed(made).is_some_and(|made| changed(source).is_some_and(|source| source < made))
}
