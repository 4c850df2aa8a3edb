//! `cargo xtask check-windows`: type-checks every crate for Windows on a Debian machine. Debian's own
//! toolchain brings the standard library's sources, so that nothing but its packages is needed.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::{packages, process, repository, say, tools};

const PACKAGES: [&str; 4] = ["cargo-web", "gcc-mingw-w64-x86-64-win32", "rust-web-src", "rustc-web"];
const CRATES: [&str; 6] = ["shim-core", "shim-store", "shim-api", "shim-engine", "shim-cli", "shim-desktop"];

pub fn check() -> Result<ExitCode> {
    ensure!(cfg!(target_os = "linux"), "on Windows itself, `cargo xtask test` says more; this is for Debian");
    tools::check_node()?;
    packages::install(&PACKAGES).context("rustc-web and its like are in Debian 12 and later")?;
    say("checking for Windows; the first time takes five minutes on two cores");
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo.arg("check").args(CRATES.iter().flat_map(|name| ["-p", name]));
    cargo.args(["--target", "x86_64-pc-windows-gnu", "-Zbuild-std=std,panic_abort"]);
    // Building the standard library is open to any toolchain that is told so.
    cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    cargo.env_remove("RUSTUP_TOOLCHAIN");
    let root = repository::root()?;
    cargo.env("CARGO_TARGET_DIR", root.join("target-windows")).current_dir(root);
    process::run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}
