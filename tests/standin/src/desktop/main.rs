//! `claude-desktop`: a stand-in for Claude Desktop, which cannot be installed here. Its processes, folders, log
//! and index are as public reports describe them; it shows nothing and reaches nothing. Commands come, one a
//! line, in the file `control` of its data folder.
//!
//! `code {json}` (a session of the Code tab) · `delete ID` · `update-deferred` · `update-ready` ·
//! `restart-for-update` · `gpu-crash` · `renderer-gone` · `renderer-back` · `quit`

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Where the index of one account's sessions lies.
const ACCOUNT: &str =
    "claude-code-sessions/5d0c2b1a-0000-4000-8000-00000000000a/7e6f5d4c-0000-4000-8000-00000000000b";

static ASKED_TO_QUIT: AtomicBool = AtomicBool::new(false);

fn main() -> Result<()> {
    let kind = std::env::args().find_map(|argument| argument.strip_prefix("--type=").map(str::to_owned));
    if kind.is_some() {
        return as_helper();
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
    let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    App::start(config.join("Claude"))?.run()
}

/// A helper lives as long as the main process: until its input ends.
fn as_helper() -> Result<()> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

struct App {
    data: PathBuf,
    renderer: Option<Child>,
    gpu: Child,
    sessions: Vec<Child>,
    /// Bytes of the control file that were obeyed.
    obeyed: usize,
    _lock: fs::File,
}

impl App {
    fn start(data: PathBuf) -> Result<Self> {
        fs::create_dir_all(data.join("logs"))?;
        fs::create_dir_all(data.join(ACCOUNT))?;
        let links: Vec<_> = std::env::args().skip(1).filter(|word| word.starts_with("claude://")).collect();
        for link in &links {
            append(&data.join("links.txt"), link)?;
        }
        let lock = fs::File::create(data.join("SingletonLock"))?;
        if lock.try_lock().is_err() {
            // The one that runs shows the link.
            std::process::exit(0);
        }
        install_quit_handler()?;
        say(&data, "info", "Starting app")?;
        let obeyed = fs::read(data.join("control")).map_or(0, |bytes| bytes.len());
        let (renderer, gpu) = (Some(helper("renderer")?), helper("gpu-process")?);
        Ok(Self { data, renderer, gpu, sessions: Vec::new(), obeyed, _lock: lock })
    }

    fn run(mut self) -> Result<()> {
        while !ASKED_TO_QUIT.load(Ordering::Relaxed) {
            for command in self.commands() {
                self.obey(&command)?;
            }
            self.sessions.retain_mut(|session| matches!(session.try_wait(), Ok(None)));
            std::thread::sleep(LOOK_EVERY);
        }
        say(&self.data, "info", "App is quitting")?;
        self.end_everything();
        Ok(())
    }

    fn commands(&mut self) -> Vec<String> {
        let text = fs::read(self.data.join("control")).unwrap_or_default();
        let new = text.get(self.obeyed..).unwrap_or_default();
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let new = String::from_utf8_lossy(new.get(..end).unwrap_or_default()).into_owned();
        self.obeyed += end + 1;
        new.lines().map(str::to_owned).collect()
    }

    fn obey(&mut self, command: &str) -> Result<()> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "code" => self.begin_session(&serde_json::from_str(rest)?)?,
            "delete" => fs::remove_file(entry(&self.data, rest))?,
            "update-deferred" => say(&self.data, "info", "[updater] update deferred: sessions are active")?,
            "update-ready" => say(&self.data, "info", "Update 1.44.2 downloaded and ready to install")?,
            "restart-for-update" => self.restart()?,
            "gpu-crash" => {
                let _ = self.gpu.kill();
                let _ = self.gpu.wait();
                say(
                    &self.data,
                    "error",
                    "GPU process gone: { type: 'GPU', reason: 'crashed', exitCode: 101457950 }",
                )?;
            }
            "renderer-gone" => {
                if let Some(mut renderer) = self.renderer.take() {
                    renderer.kill()?;
                    renderer.wait()?;
                }
                say(&self.data, "error", "Render process gone: { reason: 'crashed', exitCode: 5 }")?;
            }
            "renderer-back" => self.renderer = Some(helper("renderer")?),
            "quit" => ASKED_TO_QUIT.store(true, Ordering::Relaxed),
            other => say(&self.data, "warn", &format!("no such command: {other}"))?,
        }
        Ok(())
    }

    /// A session of the Code tab: the bundled client, and an entry of the index.
    fn begin_session(&mut self, session: &Value) -> Result<()> {
        let text = |key: &str| session.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, cwd) = (text("session_id"), text("cwd"));
        let written = json!({
            "sessionId": format!("local_{id}"), "cliSessionId": id, "cwd": cwd, "originCwd": cwd,
            "title": text("title"), "isArchived": false, "createdAt": 1_795_222_544_000_u64,
        });
        fs::write(entry(&self.data, &id), serde_json::to_vec_pretty(&written)?)?;
        let bundled = self.data.join("claude-code/2.1.329/claude");
        let mut command = Command::new(bundled);
        command.args(["-p", &text("prompt"), "--output-format", "stream-json", "--verbose"]);
        command.args(["--session-id", &id, "--permission-mode", "bypassPermissions"]);
        command.current_dir(cwd).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.sessions.push(command.spawn()?);
        Ok(())
    }

    /// As its updater does it: over live work, and without a word to it.
    fn restart(&mut self) -> Result<()> {
        say(&self.data, "info", "[updater] restarting")?;
        self.end_everything();
        self._lock.unlock()?;
        let program = std::env::current_exe()?;
        Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::process::exit(0);
    }

    fn end_everything(&mut self) {
        let helpers = self.renderer.iter_mut().chain([&mut self.gpu]);
        for child in helpers.chain(&mut self.sessions) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn entry(data: &Path, id: &str) -> PathBuf {
    data.join(ACCOUNT).join(format!("local_{id}.json"))
}

fn helper(kind: &str) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(format!("--type={kind}")).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}

fn say(data: &Path, level: &str, words: &str) -> Result<()> {
    append(&data.join("logs/main.log"), &format!("2026-11-21 03:12:09 [{level}] {words}"))
}

fn append(path: &Path, line: &str) -> Result<()> {
    let mut file = fs::File::options().create(true).append(true).open(path)?;
    Ok(file.write_all(format!("{line}\n").as_bytes())?)
}

/// TERM is how a desktop asks the app to quit.
fn install_quit_handler() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(quit_at_signal()))?;
    Ok(())
}

#[cfg(unix)]
async fn quit_at_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut asked) = signal(SignalKind::terminate()) {
        asked.recv().await;
        ASKED_TO_QUIT.store(true, Ordering::Relaxed);
    }
}

#[cfg(not(unix))]
async fn quit_at_signal() {
    if tokio::signal::ctrl_c().await.is_ok() {
        ASKED_TO_QUIT.store(true, Ordering::Relaxed);
    }
}
