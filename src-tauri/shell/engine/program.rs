//! The engine's program: where it is, and how it runs as a child that outlives a fault of the shell.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::Context;
use shim_api::home::ENGINE_LOG_FILE;

use crate::environment;

/// How much of its end is read to say why the engine ended.
const LAST_WORDS_BYTES: u64 = 4096;

pub struct Program(PathBuf);

impl Program {
    /// `SHIM_ENGINE`, else `shim` beside this program, else `shim` on the PATH.
    pub fn find() -> Self {
        if let Some(named) = std::env::var_os("SHIM_ENGINE") {
            return Self(named.into());
        }
        let name = format!("shim{}", std::env::consts::EXE_SUFFIX);
        let beside = std::env::current_exe().ok().map(|own| own.with_file_name(&name));
        Self(beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into()))
    }

    /// Starts the engine on a data folder, in a process group of its own, so that a Ctrl-C meant for the
    /// shell leaves it time to end in order.
    pub fn start(&self, home: &Path) -> anyhow::Result<Child> {
        let log_path = home.join(ENGINE_LOG_FILE);
        let log =
            create_log(&log_path).with_context(|| format!("{} cannot be written", log_path.display()))?;
        let mut command = environment::restored(Command::new(&self.0));
        command.arg("run").env("SHIM_HOME", home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        #[cfg(windows)]
        {
            /// No console window for a program without one.
            const CREATE_NO_WINDOW: u32 = 0x0800_0000;
            std::os::windows::process::CommandExt::creation_flags(&mut command, CREATE_NO_WINDOW);
        }
        let process = command.spawn().with_context(|| {
            format!("{} could not be started; install the program `shim` beside this one", self.0.display())
        })?;
        Ok(Child { process, log: log_path, ended: None })
    }
}

/// The engine that was started here.
pub struct Child {
    process: std::process::Child,
    log: PathBuf,
    ended: Option<std::io::Result<ExitStatus>>,
}

impl Child {
    /// Reaps the process when it has ended.
    pub fn runs(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().transpose();
        }
        self.ended.is_none()
    }

    /// Why it ended: the last line that a failing engine wrote, else how its process ended.
    pub fn last_words(&self) -> String {
        let how = match &self.ended {
            Some(Ok(status)) if status.code().is_some_and(|code| code != 0) => {
                let said = tail(&self.log).unwrap_or_default();
                let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
                last.map(|line| line.trim_start_matches("shim: ").to_owned()).unwrap_or(status.to_string())
            }
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => error.to_string(),
            None => "still running".to_owned(),
        };
        format!("it ended: {how}")
    }
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LAST_WORDS_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Makes a folder that only its owner may look into.
pub fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Appending, so that the engine can cut it short while it writes.
fn create_log(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let log = options.open(path)?;
    log.set_len(0)?;
    Ok(log)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(folder: &Path, text: &str) -> Program {
        let path = folder.join("engine.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Program(path)
    }

    fn ended(mut child: Child) -> String {
        while child.runs() {
            std::thread::yield_now();
        }
        child.last_words()
    }

    #[test]
    fn says_why_the_engine_ended() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("data");
        create_private(&home).unwrap();
        for (text, words) in [
            (
                "echo first >&2; echo 'shim: the database is newer' >&2; exit 1",
                "it ended: the database is newer",
            ),
            ("exit 3", "it ended: exit status: 3"),
            ("echo 'shim: watching' >&2; kill -9 $$", "it ended: signal: 9 (SIGKILL)"),
            ("echo \"$1 $SHIM_HOME\" >&2; exit 1", &format!("it ended: run {}", home.display())),
        ] {
            assert_eq!(ended(script(folder.path(), text).start(&home).unwrap()), words);
        }
        assert_eq!(home.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_missing_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Program("/no/such/shim".into()).start(folder.path()).err().unwrap();
        assert!(format!("{error:#}").starts_with("/no/such/shim could not be started"), "{error:#}");
    }
}
