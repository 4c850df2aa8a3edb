//! The environment that checks run in: a home folder of their own and none of this person's clients,
//! desktop or settings, so that no test can touch real chats. Toolchains and caches stay the real ones.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context as _, Result};

use crate::{process, repository, tools};

/// Variables that lead to a person's chats, clients or desktop.
const FOREIGN: [&str; 10] = [
    "ANTHROPIC_",
    "CLAUDE",
    "CODEX_",
    "DBUS_",
    "DISPLAY",
    "GEMINI_",
    "OPENCODE_",
    "SHIM_",
    "WAYLAND_DISPLAY",
    "XDG_",
];

/// A home folder that is deleted when the checks end.
pub struct Sandbox {
    home: PathBuf,
    kept: Vec<(&'static str, PathBuf)>,
}

impl Sandbox {
    pub fn new() -> Result<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        // Short, because the path of a Unix socket may have 107 bytes.
        let home = env::temp_dir().join(format!("shim-test-{}-{now}", std::process::id()));
        std::fs::create_dir(&home).with_context(|| format!("{} could not be made", home.display()))?;
        Ok(Self { home, kept: toolchains() })
    }

    /// A program that runs inside, from the repository's root.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.confine(Command::new(program))
    }

    pub fn cargo(&self) -> Command {
        self.confine(repository::cargo())
    }

    pub fn npm(&self, args: &[&str]) -> Result<Command> {
        let mut npm = self.confine(tools::npm());
        npm.args(args).current_dir(repository::root()?.join("ui"));
        Ok(npm)
    }

    /// Where tests write the TypeScript that Rust's types are in.
    pub fn bindings(&self) -> PathBuf {
        self.home.join("bindings")
    }

    fn confine(&self, mut command: Command) -> Command {
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_foreign) {
                command.env_remove(name);
            }
        }
        if let Ok(root) = repository::root() {
            // git refuses a repository that belongs to another user, as it may in a container.
            command.env("GIT_CONFIG_COUNT", "1");
            command.env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", &root);
            command.current_dir(root);
        }
        // What is kept of the output is looked for word by word.
        command.env("NO_COLOR", "1").env_remove("FORCE_COLOR");
        // In the tree they would be newer than the pages built from them, which would be built again.
        command.env("TS_RS_EXPORT_DIR", self.bindings());
        command.env("HOME", &self.home).env("USERPROFILE", &self.home);
        command.envs(self.kept.iter().map(|(name, path)| (name, path)));
        command
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A folder left in the temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// What the tests themselves are told stays.
fn is_foreign(name: &str) -> bool {
    !name.starts_with("SHIM_TEST_") && FOREIGN.iter().any(|foreign| name.starts_with(foreign))
}

/// Where cargo, rustup and npm keep what they downloaded; they look in the home folder unless told.
fn toolchains() -> Vec<(&'static str, PathBuf)> {
    let real = env::home_dir().unwrap_or_default();
    let cargo = ["CARGO_HOME", "RUSTUP_HOME"].into_iter().zip([".cargo", ".rustup"]);
    let mut kept: Vec<_> = cargo
        .map(|(name, folder)| (name, env::var_os(name).map_or_else(|| real.join(folder), PathBuf::from)))
        .collect();
    for (name, key) in [("npm_config_cache", "cache"), ("npm_config_userconfig", "userconfig")] {
        if let Ok(said) = process::output(tools::npm().args(["config", "get", key])) {
            kept.push((name, Path::new(said.trim()).to_owned()));
        }
    }
    // A toolchain without rustup has no such folder, and must not be given one.
    kept.retain(|(name, path)| *name != "RUSTUP_HOME" || path.exists());
    kept
}

#[cfg(test)]
mod tests {
    use super::is_foreign;

    #[test]
    fn what_leads_to_real_chats_is_kept_out() {
        for name in
            ["CLAUDE_CONFIG_DIR", "CLAUDECODE", "ANTHROPIC_API_KEY", "SHIM_HOME", "DISPLAY", "XDG_DATA_HOME"]
        {
            assert!(is_foreign(name), "{name}");
        }
        for name in ["PATH", "SHIM_TEST_CLAUDE", "CARGO_HOME", "LANG"] {
            assert!(!is_foreign(name), "{name}");
        }
    }
}
