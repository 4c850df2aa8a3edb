//! `cargo xtask installers`: the packages of the system it runs on, by Tauri, with both programs in them.
//! Nothing is signed and nothing is published.

use std::{
    env, fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};

use crate::{packages, process, repository, say, tools};

/// What Tauri makes packages with, beside what the app is built with.
const PACKAGES: [&str; 2] = ["libayatana-appindicator3-dev", "librsvg2-dev"];
/// Where Tauri is told to find the engine's program: with the name of the system it is for.
const BESIDE: &str = "target/installers";

/// `bundles` names the kinds of packages; empty means all that the system has.
pub fn build(debug: bool, bundles: Option<&str>) -> Result<ExitCode> {
    packages::install(&[packages::APP.as_slice(), &PACKAGES].concat())?;
    tools::check_node()?;
    let root = repository::root()?;
    say("building the engine's program");
    let mut cargo = repository::cargo();
    process::run(cargo.args(["build", "-p", "shim-cli"]).args((!debug).then_some("--release")))?;
    let built = repository::built("shim", !debug)?;
    let beside = root.join(BESIDE).join(format!("shim-{}{}", host()?, env::consts::EXE_SUFFIX));
    fs::create_dir_all(root.join(BESIDE))
        .and_then(|()| fs::copy(&built, &beside))
        .with_context(|| format!("{} cannot be copied to {}", built.display(), beside.display()))?;

    say("building the packages");
    process::run(tools::npm().args(["ci", "--no-audit", "--no-fund"]).current_dir(root.join("ui")))?;
    // Tauri looks for the pages before it has the app built, which would build them.
    process::run(tools::npm().args(["run", "build"]).current_dir(root.join("ui")))?;
    let mut tauri = Command::new("node");
    tauri.arg(root.join("ui/node_modules/@tauri-apps/cli/tauri.js")).arg("build");
    tauri.args(["--config", "src-tauri/installers.json"]).args(debug.then_some("--debug"));
    if cfg!(target_os = "linux") {
        // Distributions call the loader behind Secure Boot `shim`: a package of that name would replace it.
        tauri.args(["--config", "src-tauri/installers-linux.json"]);
    }
    if let Some(bundles) = bundles {
        tauri.args(["--bundles", bundles]);
    }
    // Nothing else of the workspace is in a package.
    process::run(tauri.args(["--", "-p", "shim-desktop"]).current_dir(&root))?;
    let packages = built.parent().context("the program lies in no folder")?.join("bundle");
    ensure!(packages.is_dir(), "Tauri made no {}", packages.display());
    list(&packages)?;
    Ok(ExitCode::SUCCESS)
}

/// The system that this toolchain builds for, as in `x86_64-unknown-linux-gnu`.
fn host() -> Result<String> {
    let said = process::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    Ok(said.trim().to_owned())
}

/// Tauri keeps what it packs beside the packages: those are the files one folder down.
fn list(folder: &Path) -> Result<()> {
    for kind in fs::read_dir(folder)?.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        for package in fs::read_dir(kind.path())?.filter_map(Result::ok) {
            if package.path().is_file() {
                println!("{}", package.path().display());
            }
        }
    }
    Ok(())
}
