//! The stages in their order. Cargo's stages name the same packages, features and profile, so that nothing
//! is compiled twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::sandbox::Sandbox;
use crate::{macos, packages, process, repository, tools, windows};

/// No stage takes longer on two cores, clean; one that does hangs.
pub const LIMIT: Duration = Duration::from_secs(40 * 60);

const BINDINGS: &str = "ui/src/bindings";
/// The test program that drives the real clients.
const REAL_CLIENTS: &str = "it";
/// Its tests run at once: most of the time they wait for clients and clocks.
const REAL_CLIENTS_AT_ONCE: &str = "4";
/// More failures than this are no mishaps.
const TRIED_AGAIN_MAX: usize = 5;
/// The package whose tests need a desktop.
const DESKTOP: &str = "shim-desktop";

pub struct Stage {
    pub name: &'static str,
    pub about: &'static str,
    /// Stages without which this one says nothing.
    pub needs: &'static [&'static str],
    /// Returns the runners' closing lines.
    pub run: fn(&Sandbox) -> Result<Vec<String>>,
}

pub const STAGES: [Stage; 15] = [
    Stage { name: "setup", about: "packages, toolchain components, Node", needs: &[], run: setup },
    Stage { name: "format", about: "rustfmt", needs: &["setup"], run: format },
    Stage { name: "tidy", about: "the rules of the house", needs: &["setup"], run: tidy },
    Stage { name: "pages", about: "the pages: types, lint, tests, build", needs: &["setup"], run: pages },
    Stage { name: "lint", about: "clippy, warnings denied", needs: &["setup"], run: lint },
    Stage { name: "docs", about: "rustdoc, warnings denied", needs: &["setup"], run: docs },
    Stage { name: "build", about: "every program and test", needs: &["setup"], run: build },
    Stage {
        name: "bindings",
        about: "the generated TypeScript is what Rust says",
        needs: &["build"],
        run: bindings,
    },
    Stage { name: "client", about: "the real client, pinned, from npm", needs: &["build"], run: client },
    Stage { name: "rust", about: "every Rust test but the desktop's", needs: &["client"], run: rust },
    Stage { name: "torture", about: "a hundred crashes of real chats", needs: &["client"], run: torture },
    Stage {
        name: "desktop",
        about: "tray, notification and window, end to end",
        needs: &["client"],
        run: desktop,
    },
    Stage { name: "statsig", about: "the feature that is off by default", needs: &["setup"], run: statsig },
    // Last: they compile all anew, for other systems.
    Stage {
        name: "windows",
        about: "all for Windows, tests under Wine",
        needs: &["setup"],
        run: windows::check,
    },
    Stage { name: "macos", about: "all for macOS, types only", needs: &["setup"], run: macos::check },
];

fn setup(_: &Sandbox) -> Result<Vec<String>> {
    packages::install(&[packages::APP.as_slice(), packages::TESTS.as_slice()].concat())?;
    tools::install_components()?;
    tools::check_node()?;
    Ok(Vec::new())
}

fn format(sandbox: &Sandbox) -> Result<Vec<String>> {
    cargo(sandbox, &["fmt", "--all", "--check"])
}

fn tidy(sandbox: &Sandbox) -> Result<Vec<String>> {
    cargo(sandbox, &["test", "-p", "xtask", "--test", "tidy"])
}

fn pages(sandbox: &Sandbox) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for args in [
        ["ci", "--no-audit", "--no-fund"].as_slice(),
        &["run", "check"],
        &["run", "lint"],
        &["test"],
        &["run", "build"],
    ] {
        lines.extend(process::run_within(&mut sandbox.npm(args)?, LIMIT, is_closing)?);
    }
    Ok(lines)
}

fn lint(sandbox: &Sandbox) -> Result<Vec<String>> {
    cargo(sandbox, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn docs(sandbox: &Sandbox) -> Result<Vec<String>> {
    let mut cargo = sandbox.cargo();
    cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    process::run_within(&mut cargo, LIMIT, is_closing)
}

/// Builds the programs too: tests start `shim` and `shim-desktop` as a person would.
fn build(sandbox: &Sandbox) -> Result<Vec<String>> {
    cargo(sandbox, &["build", "--workspace", "--all-targets"])
}

fn bindings(sandbox: &Sandbox) -> Result<Vec<String>> {
    let lines = cargo(sandbox, &["test", "--workspace", "--lib", "export_bindings"])?;
    let (fresh, kept) = (texts(&sandbox.bindings())?, texts(&repository::root()?.join(BINDINGS))?);
    let names: BTreeSet<_> = fresh.keys().chain(kept.keys()).collect();
    let stale: Vec<_> = names.into_iter().filter(|name| fresh.get(*name) != kept.get(*name)).collect();
    ensure!(!fresh.is_empty(), "no test wrote a binding");
    ensure!(
        stale.is_empty(),
        "stale in {BINDINGS}: {stale:?}; run `cargo test --workspace --lib export_bindings` and commit what it writes"
    );
    Ok(lines)
}

/// The files of a folder and what stands in them.
fn texts(folder: &Path) -> Result<BTreeMap<OsString, String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let text = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name(), fs::read_to_string(entry.path())?))
    };
    entries.map(text).collect()
}

/// The tests fetch it as well, but then a registry out of reach looks like failed tests.
fn client(sandbox: &Sandbox) -> Result<Vec<String>> {
    build(sandbox)?;
    let mut bench = sandbox.command(repository::built("shim-bench", false)?);
    process::run_within(bench.arg("client"), LIMIT, is_closing)
}

fn rust(sandbox: &Sandbox) -> Result<Vec<String>> {
    let mut args = vec!["test", "--workspace", "--no-fail-fast", "--lib", "--bins"];
    let tests = tests(|package| package != DESKTOP)?;
    args.extend(tests.iter().filter(|name| *name != REAL_CLIENTS).flat_map(|name| ["--test", name]));
    let mut lines = cargo(sandbox, &args)?;
    lines.extend(cargo(sandbox, &["test", "--workspace", "--doc"])?);
    lines.extend(real_clients(sandbox)?);
    Ok(lines)
}

/// Real clients in real terminals miss a key or a signal now and then. What failed is tried once more, alone, and
/// that is said.
fn real_clients(sandbox: &Sandbox) -> Result<Vec<String>> {
    let args = ["test", "--workspace", "--test", REAL_CLIENTS];
    let kept = |line: &str| is_closing(line) || failed_test(line).is_some();
    let mut first = sandbox.cargo();
    first.args(args).env("RUST_TEST_THREADS", REAL_CLIENTS_AT_ONCE);
    let (mut lines, ended) = process::run_kept(&mut first, LIMIT, kept)?;
    let failed: Vec<_> = lines.iter().filter_map(|line| failed_test(line)).map(str::to_owned).collect();
    match ended {
        Ok(()) => {}
        Err(_) if (1..=TRIED_AGAIN_MAX).contains(&failed.len()) => {
            println!("once more, alone: {}", failed.join(", "));
            let names = failed.iter().map(String::as_str);
            let again: Vec<_> =
                args.into_iter().chain(["--", "--exact", "--test-threads=1"]).chain(names).collect();
            lines.extend(cargo(sandbox, &again)?);
            lines.push(format!("passed at the second try only: {}", failed.join(", ")));
        }
        Err(error) => return Err(error),
    }
    lines.retain(|line| failed_test(line).is_none());
    Ok(lines)
}

/// The name in `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    line.trim().strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

fn torture(sandbox: &Sandbox) -> Result<Vec<String>> {
    let mut torture = sandbox.command(repository::built("shim-torture", false)?);
    torture.arg("--shim").arg(repository::built("shim", false)?);
    torture.args(["--crashes", "100", "--seed", "1", "--at-once", "3"]);
    process::run_within(&mut torture, LIMIT, |line| !line.starts_with('['))
}

fn desktop(sandbox: &Sandbox) -> Result<Vec<String>> {
    let tests = tests(|package| package == DESKTOP)?;
    ensure!(!tests.is_empty(), "{DESKTOP} has no end-to-end test");
    let mut args = vec!["test", "--workspace"];
    args.extend(tests.iter().flat_map(|name| ["--test", name]));
    cargo(sandbox, &args)
}

/// In a real engine with the SDK linked.
fn statsig(sandbox: &Sandbox) -> Result<Vec<String>> {
    cargo(sandbox, &["test", "-p", "shim-cli", "--features", "statsig", "--test", "experiments", "statsig"])
}

fn cargo(sandbox: &Sandbox, args: &[&str]) -> Result<Vec<String>> {
    process::run_within(sandbox.cargo().args(args), LIMIT, is_closing)
}

/// The line with which a test runner sums up.
pub fn is_closing(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("test result: ") && !line.contains(" 0 passed; 0 failed; 0 ignored")
        || line.starts_with("Tests  ")
        || line.starts_with("Test Files  ")
}

/// The names of test binaries, by package.
fn tests(of: fn(&str) -> bool) -> Result<Vec<String>> {
    let metadata = repository::metadata()?;
    let packages =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata names no packages")?;
    let targets = packages
        .iter()
        .filter(|package| text(package, "name").is_some_and(of))
        .flat_map(|package| list(package, "targets"))
        .filter(|target| list(target, "kind").any(|kind| kind == "test"));
    Ok(targets.filter_map(|target| text(target, "name")).map(str::to_owned).collect())
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
