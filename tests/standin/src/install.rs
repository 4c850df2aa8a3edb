//! The one version of Claude Code that tests run, and where it lies: below the build's target folder, by npm.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// Always named: with an older Node, npm gives an older client without a word.
pub const CLAUDE_CODE_VERSION: &str = "2.1.329";
const PACKAGE: &str = "@anthropic-ai/claude-code";
/// Names a client that is there already, so that nothing is fetched.
pub const PROGRAM_VARIABLE: &str = "SHIM_TEST_CLAUDE";

/// The client that tests run: the one `SHIM_TEST_CLAUDE` names, else the one below the target folder, fetched
/// from npm when it is not there.
pub fn program() -> Result<PathBuf> {
    match std::env::var_os(PROGRAM_VARIABLE) {
        Some(named) if Path::new(&named).is_file() => Ok(PathBuf::from(named)),
        Some(named) => bail!("{PROGRAM_VARIABLE} names {}, which is not a file", Path::new(&named).display()),
        None => install(&target_folder()?),
    }
}

/// Installs the client below `target` unless it is there, and gives its program.
pub fn install(target: &Path) -> Result<PathBuf> {
    let clients = target.join("clients");
    let folder = clients.join(format!("claude-code-{CLAUDE_CODE_VERSION}"));
    if let Some(program) = installed(&folder) {
        return Ok(program);
    }
    fs::create_dir_all(&clients).with_context(|| format!("cannot make {}", clients.display()))?;
    // Several test programs may want the client at once: one fetches it, the others wait.
    let lock = File::create(clients.join("install.lock"))?;
    lock.lock()?;
    if let Some(program) = installed(&folder) {
        return Ok(program);
    }
    eprintln!("fetching {PACKAGE} {CLAUDE_CODE_VERSION} from npm into {}", folder.display());
    let part = folder.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir_all(&part)?;
    npm_install(&part)?;
    fs::rename(&part, &folder)?;
    installed(&folder)
        .with_context(|| format!("npm put no program for this platform into {}", folder.display()))
}

fn npm_install(folder: &Path) -> Result<()> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    // The platform's package holds the program itself, so no install script has to run.
    let status = Command::new(npm)
        .args(["i", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(folder)
        .arg(format!("{PACKAGE}@{CLAUDE_CODE_VERSION}"))
        .status()
        .context("npm cannot be started: install Node 20 or later")?;
    if !status.success() {
        bail!(
            "npm could not install {PACKAGE}@{CLAUDE_CODE_VERSION} ({status}); is its registry within reach?"
        );
    }
    Ok(())
}

fn installed(folder: &Path) -> Option<PathBuf> {
    let (system, name) = match std::env::consts::OS {
        "macos" => ("darwin", "claude"),
        "windows" => ("win32", "claude.exe"),
        other => (other, "claude"),
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let program = folder.join("node_modules").join(format!("{PACKAGE}-{system}-{machine}")).join(name);
    program.is_file().then_some(program)
}

/// The target folder this program was built into: cargo marks it.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_owned).with_context(
        || {
            format!(
                "{} lies in no cargo target folder: set {PROGRAM_VARIABLE} to the client's program",
                program.display()
            )
        },
    )
}
