//! A home with past chats of four clients, in the forms that real ones left, and processes that look to SHIM like
//! clients: a program of that name, the files or arguments that tell a chat, and nothing that it does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use shim_standin::client::{Home, Opencode, OpencodeStart};

use super::{PAST, PROMPT};
use crate::chats::slug;

const PLAY_WAIT: Duration = Duration::from_secs(120);
/// Directories that past chats were in.
const PROJECTS: usize = 5;
const OPENCODE_COPIES: &str = include_str!("../../../../../tests/data/opencode/copies.sql");

/// A whole chat of a real client, and what in it is to be another's.
struct Sample {
    text: &'static str,
    id: &'static str,
    cwd: &'static str,
}

const CLAUDE: Sample = Sample {
    text: include_str!("../../../../../tests/data/claude/clean.jsonl"),
    id: "11111111-1111-4111-8111-111111111111",
    cwd: "/home/u/work/claude1",
};
const CODEX: Sample = Sample {
    text: include_str!("../../../../../tests/data/codex/rollout-ok.jsonl"),
    id: "01a1fb98-8d3e-7052-b525-8035d0e49d72",
    cwd: "/home/u/work/cx1",
};
const GEMINI: Sample = Sample {
    text: include_str!("../../../../../tests/data/gemini/clean.jsonl"),
    id: "359dfd7e-a060-4206-944e-5adbe9e51ca6",
    cwd: "/home/u/work/gm1",
};

impl Sample {
    fn write(&self, path: &Path, id: &str, cwd: &Path) -> Result<()> {
        fs::create_dir_all(path.parent().context("a chat lies in a folder")?)?;
        let text = self.text.replace(self.id, id).replace(self.cwd, &cwd.to_string_lossy());
        fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// A process with the marks of a client. Dropped, it is ended.
pub struct StandIn(Child);

impl StandIn {
    fn start(home: &Home, client: &str, cwd: &Path, words: &[&str]) -> Result<Self> {
        let program = home.folder().join("stand-ins").join(client);
        if !program.exists() {
            fs::create_dir_all(home.folder().join("stand-ins"))?;
            fs::hard_link(std::env::current_exe()?, &program)?;
        }
        let mut command = home.command(&program, cwd);
        command.env("GEMINI_CLI_NO_RELAUNCH", "true").arg("fake-client").args(words).stdin(Stdio::piped());
        let child = command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;
        Ok(Self(child))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // One that cannot be ended ends by itself when this program does: its input closes.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes what nobody has open, and starts so many stand-ins of each client but Claude Code.
pub fn past_and_stand_ins(home: &Home, count: usize) -> Result<Vec<StandIn>> {
    shut_off(home)?;
    let mut stand_ins = opencode(home, count)?;
    for number in 0..PAST {
        let (id, cwd) = (uuid::Uuid::new_v4().to_string(), project(home, number)?);
        let folder = home.config().join("projects").join(slug(&cwd));
        CLAUDE.write(&folder.join(format!("{id}.jsonl")), &id, &cwd)?;
    }
    for number in 0..PAST + count {
        let (id, cwd) = (uuid::Uuid::new_v4().to_string(), project(home, number)?);
        let rollout = codex_rollout(home, number, &id);
        CODEX.write(&rollout, &id, &cwd)?;
        if number >= PAST {
            let lock = home.codex_lock(&id);
            fs::create_dir_all(lock.parent().context("a lock lies in a folder")?)?;
            fs::write(&lock, "")?;
            let held = [lock.to_str().context("no UTF-8")?, rollout.to_str().context("no UTF-8")?];
            stand_ins.push(StandIn::start(home, "codex", &cwd, &held)?);
        }
    }
    for number in 0..PAST + count {
        let (id, cwd) = (uuid::Uuid::new_v4().to_string(), project(home, number)?);
        GEMINI.write(&gemini_file(home, number, &id, &cwd)?, &id, &cwd)?;
        if number >= PAST {
            stand_ins.push(StandIn::start(home, "gemini", &cwd, &["--resume", &id])?);
        }
    }
    Ok(stand_ins)
}

/// Makes the projects a repository of their own: clients would look over the one that this program lies in.
fn shut_off(home: &Home) -> Result<()> {
    let output = home.command("git", home.folder()).args(["init", "--quiet"]).output();
    let output = output.context("git cannot be started: install it")?;
    ensure!(output.status.success(), "git init: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn project(home: &Home, number: usize) -> Result<PathBuf> {
    home.project(&format!("p{}", number % PROJECTS))
}

fn codex_rollout(home: &Home, number: usize, id: &str) -> PathBuf {
    let day = home.codex_home().join("sessions/2026/11").join(format!("{:02}", 1 + number % 20));
    day.join(format!("rollout-2026-11-{:02}T00-54-{:02}-{id}.jsonl", 1 + number % 20, number % 60))
}

fn gemini_file(home: &Home, number: usize, id: &str, cwd: &Path) -> Result<PathBuf> {
    let folder = home.gemini_home().join("tmp").join(format!("p{}", number % PROJECTS));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(".project_root"), cwd.to_string_lossy().as_bytes())?;
    let short = id.get(..8).unwrap_or(id);
    Ok(folder.join("chats").join(format!("session-2026-11-21T00-{:02}-{short}.jsonl", number % 60)))
}

/// One chat that the real client played, and copies of it in the client's own database.
fn opencode(home: &Home, count: usize) -> Result<Vec<StandIn>> {
    let cwd = project(home, 0)?;
    let start = OpencodeStart::new(&cwd, PROMPT);
    let first = Opencode::play(home, &start, PLAY_WAIT).context("opencode could not play a chat")?;
    let copies = PAST - 1 + count;
    let sql = OPENCODE_COPIES.replace("{copies}", &copies.to_string()).replace("{first}", &first);
    for statement in sql.split("\n\n").skip(1) {
        let output =
            home.command(home.opencode(), &cwd).args(["db", statement]).stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "opencode db: {}", String::from_utf8_lossy(&output.stderr));
    }
    let live = (PAST..PAST + count).map(|number| {
        let session = first.replace("ses_", &format!("ses_{number:04}"));
        StandIn::start(home, "opencode", &cwd, &["-s", &session])
    });
    live.collect()
}
