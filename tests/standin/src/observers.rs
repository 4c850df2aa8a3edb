//! What looks at SHIM from outside: Debian's own Prometheus, unpacked and not installed, since its package starts a
//! server of the system; and Grafana's types of a dashboard, with the compiler that knows them, pinned, from npm. Both
//! lie below the build's target folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::install::{fetched, npm_install};

/// Names a folder that holds `prometheus` and `promtool`.
const PROMETHEUS_VARIABLE: &str = "SHIM_TEST_PROMETHEUS";
const PROMETHEUS: &str = "prometheus";
/// Apache-2.0, as Grafana's makers publish it; its server is none of it.
const SCHEMA: &str = "@grafana/schema@13.2.3";
const COMPILER: &str = "typescript@6.0.3";
/// Changes with either of the versions above.
const TYPES_FOLDER: &str = "grafana-13.2.3-6.0.3";

/// The folder that holds `prometheus` and `promtool`.
pub fn prometheus() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROMETHEUS_VARIABLE) {
        return Ok(PathBuf::from(named));
    }
    let folder = fetched(PROMETHEUS, |part| {
        // Its lists of packages may be old, or not there at all.
        if download(part).is_err() {
            run(Command::new("apt-get").args(["--quiet", "update"]))?;
            download(part)?;
        }
        let package = fs::read_dir(part)?.filter_map(Result::ok).map(|entry| entry.path());
        let package = package.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
        let package = package.context("apt-get downloaded no package")?;
        run(Command::new("dpkg").arg("-x").arg(&package).arg(part))?;
        Ok(fs::remove_file(package)?)
    });
    let advice = format!(
        "Debian's package prometheus could not be had; name a folder with prometheus and promtool by {PROMETHEUS_VARIABLE}"
    );
    Ok(folder.context(advice)?.join("usr/bin"))
}

fn download(folder: &Path) -> Result<()> {
    run(Command::new("apt-get").args(["--quiet", "download", PROMETHEUS]).current_dir(folder))
}

/// The folder that holds Grafana's types and the compiler in its `node_modules`.
pub fn grafana_types() -> Result<PathBuf> {
    fetched(TYPES_FOLDER, |part| npm_install(part, &[SCHEMA, COMPILER]))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
