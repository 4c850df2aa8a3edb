//! An engine under measurement, with a home and a data folder of its own, and what the system says it uses.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

const START_WAIT: Duration = Duration::from_secs(30);
const STOP_WAIT: Duration = Duration::from_secs(15);

/// Folders of their own for one measurement, deleted after it.
pub struct Place {
    folder: tempfile::TempDir,
    shim: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Place {
    pub fn new(shim: &Path) -> Result<Self> {
        // On a disk, where the system's other temporary folder may be kept in memory, and outside of this program's own
        // repository: chats within it would be held to work on it.
        let temporary = if cfg!(unix) { PathBuf::from("/var/tmp") } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("shim-bench-").tempdir_in(temporary)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let environment =
            vec![("PATH".into(), path), ("HOME".into(), folder.path().join("home").into_os_string())];
        let place = Self { folder, shim: shim.to_owned(), environment };
        fs::create_dir_all(place.data())?;
        fs::create_dir_all(place.claude().join("sessions"))?;
        fs::create_dir_all(place.claude().join("projects"))?;
        // Nothing outside this folder is looked at, whatever else runs on the machine.
        let settings =
            format!("[watch]\nwithin = [{:?}]\n\n[desktop]\nwelcomed = true\n", place.folder.path());
        fs::write(place.data().join(shim_api::home::SETTINGS_FILE), settings)?;
        Ok(place)
    }

    /// The environment for everything that runs here; the home stays this place's own.
    pub fn with_environment(mut self, environment: &[(OsString, OsString)]) -> Self {
        self.environment = environment.to_vec();
        self
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn claude(&self) -> PathBuf {
        self.home().join(".claude")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("shim")
    }

    /// `shim` with these arguments, perhaps behind another program such as `taskset`.
    pub fn command(&self, before: &[&str], args: &[&str]) -> Command {
        let mut words = before.iter().map(OsStr::new).chain([self.shim.as_os_str()]);
        let mut command = self.program(words.next().unwrap_or_default());
        command.args(words).args(args);
        command
    }

    /// Any program, in this place's environment.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.env("SHIM_HOME", self.data()).current_dir(self.folder.path());
        command
    }

    /// Starts the engine and waits until it answers.
    pub fn start(&self, before: &[&str]) -> Result<Engine> {
        let log = self.folder.path().join("engine.log");
        let mut command = self.command(before, &["run"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?);
        let mut child =
            command.spawn().with_context(|| format!("{} could not be started", self.shim.display()))?;
        let start = Instant::now();
        while start.elapsed() < START_WAIT {
            if let Ok(api) = shim_api::Engine::connect(&self.data()) {
                return Ok(Engine { child, api });
            }
            if let Some(status) = child.try_wait()? {
                bail!("the engine ended ({status}): {}", fs::read_to_string(&log)?.trim());
            }
            thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
        bail!("the engine did not answer within {} s", START_WAIT.as_secs())
    }
}

pub struct Engine {
    child: Child,
    pub api: shim_api::Engine,
}

impl Engine {
    /// Seconds of processor time so far. By the scheduler's clock: the ticks of `/proc/PID/stat` tell twice too much or
    /// too little of a program that wakes for a moment now and then.
    #[cfg(target_os = "linux")]
    pub fn cpu_seconds(&self) -> Result<f64> {
        let process = nix::unistd::Pid::from_raw(self.child.id().try_into()?);
        let spent = nix::time::clock_getcpuclockid(process)?.now()?;
        Ok(Duration::from(spent).as_secs_f64())
    }

    #[cfg(not(target_os = "linux"))]
    pub fn cpu_seconds(&self) -> Result<f64> {
        bail!("processor time is only read on Linux")
    }

    /// Megabytes that `/proc/PID/status` states under this key, such as `VmRSS` or `VmHWM`.
    pub fn memory_mb(&self, key: &str) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kib: f64 =
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).context("no such key")?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// Bytes that the system was given to write to disk.
    pub fn written_bytes(&self) -> Result<u64> {
        let io = self.proc("io")?;
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        line.and_then(|bytes| bytes.parse().ok()).context("the system does not tell what it wrote")
    }

    /// Lets the engine end, which copies its log into the database, and gives all that it wrote.
    pub fn written_in_all(self) -> Result<u64> {
        self.api.stop()?;
        let start = Instant::now();
        // Its counts can be read until it is waited for, which dropping it does.
        while !self.proc("stat")?.contains(") Z ") {
            if start.elapsed() > STOP_WAIT {
                bail!("the engine did not end within {} s", STOP_WAIT.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.written_bytes()
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))
    }

    /// Asks `done` every few milliseconds until it says yes; gives the time that took.
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        every: Duration,
        mut done: impl FnMut(&shim_api::Engine) -> Result<bool>,
    ) -> Result<Duration> {
        let start = Instant::now();
        while !done(&self.api)? {
            if start.elapsed() > limit {
                bail!("waited {} s for {what}", limit.as_secs());
            }
            thread::sleep(every);
        }
        Ok(start.elapsed())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // What cannot be asked to stop is killed below.
        let _ = self.api.stop();
        let start = Instant::now();
        while start.elapsed() < STOP_WAIT && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
