//! Node, npm and the toolchain's own tools: present and new enough, or a message that says what to do.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process, repository, say};

/// Vite 8 asks for it.
const NODE_MIN: (u32, u32) = (20, 19);

pub fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// The pages are built with Node and npm.
pub fn check_node() -> Result<()> {
    let advice = format!(
        "install Node {}.{} or newer (https://nodejs.org), then run this again",
        NODE_MIN.0, NODE_MIN.1
    );
    let said = process::output(Command::new("node").arg("--version"))
        .with_context(|| format!("Node is missing, and the pages are built with it: {advice}"))?;
    let version = version(&said).with_context(|| format!("`node --version` said {said:?}: {advice}"))?;
    ensure!(version >= NODE_MIN, "Node {} is too old: {advice}", said.trim());
    process::output(npm().arg("--version"))
        .with_context(|| format!("npm is missing, and comes with Node: {advice}"))?;
    Ok(())
}

/// Major and minor of `v20.20.2`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// rustfmt and clippy, which a minimal toolchain lacks.
pub fn install_components() -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if process::output(repository::cargo().args([subcommand, "--version"])).is_ok() {
            continue;
        }
        if !process::found("rustup") {
            bail!(
                "`cargo {subcommand}` is missing and there is no rustup to add it: install {component} for this toolchain"
            );
        }
        say(&format!("adding {component} to the toolchain"));
        process::run(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn node_says_its_version() {
        for (said, read) in
            [("v20.20.2\n", Some((20, 20))), ("v8.0.0", Some((8, 0))), ("20", None), ("", None)]
        {
            assert_eq!(version(said), read, "{said}");
        }
    }
}
