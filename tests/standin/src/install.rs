//! The one version of each client that tests run, and where it lies: below the build's target folder, by npm.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// A client as npm gives it. The version is always named: with an older Node, npm gives an older client
/// without a word.
#[derive(Debug)]
pub struct Package {
    /// As SHIM names the client.
    pub name: &'static str,
    pub package: &'static str,
    pub version: &'static str,
    /// Names a program that is there already, so that nothing is fetched.
    pub variable: &'static str,
}

pub const CLAUDE_CODE: Package = Package {
    name: "claude-code",
    package: "@anthropic-ai/claude-code",
    version: "2.1.329",
    variable: "SHIM_TEST_CLAUDE",
};
pub const CODEX: Package =
    Package { name: "codex", package: "@openai/codex", version: "0.169.0", variable: "SHIM_TEST_CODEX" };
pub const GEMINI: Package = Package {
    name: "gemini",
    package: "@google/gemini-cli",
    version: "0.61.0",
    variable: "SHIM_TEST_GEMINI",
};
pub const OPENCODE: Package =
    Package { name: "opencode", package: "opencode-ai", version: "1.18.33", variable: "SHIM_TEST_OPENCODE" };
pub const ALL: [&Package; 4] = [&CLAUDE_CODE, &CODEX, &GEMINI, &OPENCODE];

/// The client that tests run: the one its variable names, else the one below the target folder, fetched from
/// npm when it is not there.
pub fn program(package: &Package) -> Result<PathBuf> {
    match std::env::var_os(package.variable) {
        Some(named) if Path::new(&named).is_file() => Ok(PathBuf::from(named)),
        Some(named) => {
            bail!("{} names {}, which is not a file", package.variable, Path::new(&named).display())
        }
        None => install(package, &target_folder()?),
    }
}

/// Installs the client below `target` unless it is there, and gives its program.
pub fn install(package: &Package, target: &Path) -> Result<PathBuf> {
    let clients = target.join("clients");
    let folder = clients.join(format!("{}-{}", package.name, package.version));
    if let Some(program) = installed(package, &folder) {
        return Ok(program);
    }
    fs::create_dir_all(&clients).with_context(|| format!("cannot make {}", clients.display()))?;
    // Several test programs may want the client at once: one fetches it, the others wait.
    let lock = File::create(clients.join("install.lock"))?;
    lock.lock()?;
    if let Some(program) = installed(package, &folder) {
        return Ok(program);
    }
    eprintln!("fetching {} {} from npm into {}", package.package, package.version, folder.display());
    let part = clients.join(format!("{}-{}.part", package.name, package.version));
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir_all(&part)?;
    // The platform's package holds the program itself, so no install script has to run.
    npm_install(&part, &[&format!("{}@{}", package.package, package.version)])?;
    fs::rename(&part, &folder)?;
    installed(package, &folder)
        .with_context(|| format!("npm put no program for this platform into {}", folder.display()))
}

/// Installs packages, each named with its version, without running a script of theirs.
pub(crate) fn npm_install(folder: &Path, packages: &[&str]) -> Result<()> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let status = Command::new(npm)
        .args(["i", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(folder)
        .args(packages)
        .status()
        .context("npm cannot be started: install Node 20 or later")?;
    if !status.success() {
        bail!("npm could not install {} ({status}); is its registry within reach?", packages.join(", "));
    }
    Ok(())
}

fn installed(package: &Package, folder: &Path) -> Option<PathBuf> {
    let modules = folder.join("node_modules");
    let program = match package.name {
        // Their launchers need an install script; the platform's package holds the program itself.
        "claude-code" => {
            modules.join(format!("{}-{}", package.package, platform("win32"))).join(executable("claude"))
        }
        "opencode" => {
            let own = modules.join(format!("opencode-{}", platform("windows")));
            own.join("bin").join(executable("opencode"))
        }
        name => modules.join(".bin").join(name),
    };
    program.is_file().then_some(program)
}

/// The system and machine as npm packages name them; they differ in what they call Windows.
fn platform(windows: &str) -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => windows,
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}-{machine}")
}

fn executable(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// The target folder this program was built into: cargo marks it.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_owned).with_context(
        || format!("{} lies in no cargo target folder: name the clients by SHIM_TEST_…", program.display()),
    )
}

/// A folder of this name below the build's target folder, filled once: one test fetches, the others wait.
pub fn fetched(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let clients = target_folder()?.join("clients");
    let folder = clients.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&clients).with_context(|| format!("cannot make {}", clients.display()))?;
    let lock = File::create(clients.join(format!("{name}.lock")))?;
    lock.lock()?;
    if !folder.is_dir() {
        let part = folder.with_extension("part");
        if part.exists() {
            fs::remove_dir_all(&part)?;
        }
        fs::create_dir_all(&part)?;
        eprintln!("fetching {name} into {}", folder.display());
        fill(&part)?;
        fs::rename(&part, &folder)?;
    }
    Ok(folder)
}
