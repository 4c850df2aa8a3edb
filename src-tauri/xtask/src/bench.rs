//! `cargo xtask bench`: builds the benchmarks and `shim` as they are released, and runs them.

use std::process::ExitCode;

use anyhow::Result;

use crate::{process, repository, say};

pub fn run(args: &[&str]) -> Result<ExitCode> {
    say("building as released; the first time takes minutes");
    process::run(repository::cargo().args(["build", "--release", "-p", "shim-cli", "-p", "shim-bench"]))?;
    process::run(
        std::process::Command::new(repository::built("shim-bench", true)?)
            .arg("--shim")
            .arg(repository::built("shim", true)?)
            .args(args),
    )?;
    Ok(ExitCode::SUCCESS)
}
