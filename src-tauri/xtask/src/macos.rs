//! The stage `macos`: on Debian, type-checks every crate for macOS. Nothing is linked or run: that needs
//! Apple's own tools, so that what stands in for its compiler makes empty objects.

use anyhow::Result;

use crate::{
    debian, process, repository,
    test::{LIMIT, Sandbox, is_closing},
};

const TARGET: &str = "aarch64-apple-darwin";

/// Returns nothing: no test is run.
pub fn check(sandbox: &Sandbox) -> Result<Vec<String>> {
    debian::install(&[], &["/usr/bin/cc"])?;
    let tools = repository::root()?.join("src-tauri/xtask/foreign");
    let mut cargo = debian::cargo(sandbox.command(debian::program()), TARGET, "target-macos")?;
    cargo.env("CC_aarch64_apple_darwin", tools.join("cc.sh"));
    cargo.env("AR_aarch64_apple_darwin", tools.join("ar.sh")).env("RANLIB_aarch64_apple_darwin", "true");
    // Build scripts would ask Apple's tools where the system's headers lie.
    cargo.env("SDKROOT", &tools);
    cargo.arg("check").args(debian::CRATES.iter().flat_map(|name| ["-p", name]));
    process::run_within(&mut cargo, LIMIT, is_closing)
}
