//! `cargo xtask torture`: builds SHIM and what crashes chats, and runs it with a home of its own.

use std::process::ExitCode;

use anyhow::Result;

use crate::{packages, process, repository, say, test::Sandbox, tools};

pub fn run(args: &[&str]) -> Result<ExitCode> {
    tools::check_node()?;
    packages::install(&packages::TESTS)?;
    let sandbox = Sandbox::new()?;
    say("building");
    process::run(sandbox.cargo().args(["build", "-p", "shim-torture", "-p", "shim-cli"]))?;
    let mut torture = sandbox.command(repository::built("shim-torture", false)?);
    let status = torture.arg("--shim").arg(repository::built("shim", false)?).args(args).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
