//! `cargo xtask bench`: builds the benchmarks and SHIM's programs as they are released, and runs them.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{packages, process, repository, say, tools};

/// Measurements of decisions alone, for which no program of SHIM's is built.
const PURE: [&str; 1] = ["experiments"];

pub fn run(args: &[&str]) -> Result<ExitCode> {
    if args.iter().any(|arg| PURE.contains(arg))
        && args.iter().all(|arg| PURE.contains(arg) || *arg == "--quick")
    {
        return pure(args);
    }
    tools::check_node()?;
    packages::install(&[packages::APP.as_slice(), packages::TESTS.as_slice()].concat())?;
    say("building as released; the first time takes minutes");
    let programs = ["shim-bench", "shim-cli", "shim-desktop"];
    let mut cargo = repository::cargo();
    process::run(cargo.args(["build", "--release"]).args(programs.iter().flat_map(|name| ["-p", name])))?;
    let mut bench = Command::new(repository::built("shim-bench", true)?);
    bench.arg("--shim").arg(repository::built("shim", true)?);
    bench.arg("--desktop").arg(repository::built("shim-desktop", true)?);
    process::run(bench.args(args))?;
    Ok(ExitCode::SUCCESS)
}

fn pure(args: &[&str]) -> Result<ExitCode> {
    let mut cargo = repository::cargo();
    process::run(cargo.args(["build", "--release", "-p", "shim-bench"]))?;
    process::run(Command::new(repository::built("shim-bench", true)?).args(args))?;
    Ok(ExitCode::SUCCESS)
}
