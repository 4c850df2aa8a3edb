//! Debian's own Rust toolchain: it comes with the standard library's sources, so that SHIM can be built for
//! systems whose standard library nobody installed here. Nothing but packages is needed.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{packages, repository};

const CARGO: &str = "/usr/bin/cargo";
const PACKAGES: [&str; 3] = ["cargo-web", "rust-web-src", "rustc-web"];

/// The crates that people run, and what they are made of.
pub const CRATES: [&str; 6] =
    ["shim-core", "shim-store", "shim-api", "shim-engine", "shim-cli", "shim-desktop"];

/// Why something cannot be checked on this machine. It is a failure only where everything must be checked.
#[derive(Debug)]
pub struct NotHere(String);

impl std::error::Error for NotHere {}

impl std::fmt::Display for NotHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Installs the toolchain and `more`, and makes sure that `programs` are there.
pub fn install(more: &[&str], programs: &[&str]) -> Result<()> {
    let not_here = |why: String| NotHere(format!("{why}; this check is for Debian 12 or later"));
    if !cfg!(target_os = "linux") {
        return Err(not_here("this is not Linux".to_owned()).into());
    }
    packages::install(&[PACKAGES.as_slice(), more].concat())
        .map_err(|error| not_here(format!("{error:#}")))?;
    let mut wanted = [CARGO].iter().chain(programs);
    match wanted.find(|program| !Path::new(program).exists()) {
        Some(missing) => Err(not_here(format!("{missing} is missing")).into()),
        None => Ok(()),
    }
}

/// Turns `cargo` into Debian's, building for `target` in a target folder of its own.
pub fn cargo(mut cargo: Command, target: &str, folder: &str) -> Result<Command> {
    cargo.env("RUSTC", "/usr/bin/rustc");
    // Building the standard library is open to any toolchain that is told so.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    for name in ["RUSTUP_TOOLCHAIN", "RUSTDOC", "RUSTFLAGS", "LD_LIBRARY_PATH"] {
        cargo.env_remove(name);
    }
    let root = repository::root().context("the sources are not where they were")?;
    cargo.env("CARGO_TARGET_DIR", root.join(folder)).env("CARGO_BUILD_TARGET", target);
    cargo.arg("-Zbuild-std=std,panic_abort");
    Ok(cargo)
}

pub const fn program() -> &'static str {
    CARGO
}
