//! Where the sources and the built programs lie, as cargo sees it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().with_context(|| {
        format!("{} is gone: was the repository moved since this was built?", here.display())
    })
}

/// The cargo that started this, so that nested calls use the same toolchain.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if let Ok(root) = root() {
        cargo.current_dir(root);
    }
    cargo
}

/// What `cargo metadata` says of the workspace's own packages.
pub fn metadata() -> Result<Value> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cargo metadata could not be started")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

/// A program that `cargo build` made.
pub fn built(name: &str, release: bool) -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata
        .get("target_directory")
        .and_then(Value::as_str)
        .context("cargo metadata names no target directory")?;
    let profile = if release { "release" } else { "debug" };
    Ok(Path::new(target).join(profile).join(name).with_extension(env::consts::EXE_EXTENSION))
}
