//! One chat of a real client: played to the moment at which it is crashed, and what is true of it afterwards, found
//! without SHIM's help.

use std::{fs, io::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use shim_core::chats::{ChatId, Client};
use shim_standin::client::{
    Codex, CodexStart, Headless, MemoryGroup, Signal, Start, Terminals, is_alive, send, wait,
};

use crate::{
    rig::{Rig, WAIT},
    schedule::{Moment, Plan},
};

/// One that gets no more memory asks for some within this time.
const STARVES_WITHIN: Duration = Duration::from_secs(10);
/// Slow once: a client that asks again is answered at once.
const SLOW_ANSWER: &str = "@@slow 2000 0.05 1";

pub struct Victim {
    pub session: String,
    client: Client,
    cwd: PathBuf,
    /// What the whole turn of the chat said.
    said: String,
    /// What the tool writes, once each time it is run.
    mark: String,
    called: bool,
    /// The process that is to be crashed.
    pub pid: u32,
    /// Held so that it is reaped; dropped, it is killed.
    headless: Option<Headless>,
}

impl Victim {
    /// Plays one whole turn, and a second one to the moment.
    pub fn begin(rig: &Rig, plan: &Plan) -> Result<Self> {
        let name = format!("chat-{}", plan.number);
        let (said, mark) = (format!("REMEMBERED-{}", plan.number), format!("ran-{}", plan.number));
        let first = format!("Remember.\n@@text {said}");
        let (cwd, session) = match plan.client {
            Client::Codex => {
                let cwd = rig.home.codex_project(&name)?;
                let session = Codex::play(&rig.home, &CodexStart::new(&cwd, first), WAIT)?;
                (cwd, session)
            }
            _ => {
                let cwd = rig.home.project(&name)?;
                let start = Start::new(&cwd, first);
                let mut chat = Headless::start(&rig.home, &start)?;
                let status = chat.wait_for_exit(WAIT)?;
                anyhow::ensure!(status.success(), "{status}: {}", chat.complaints());
                (cwd, start.session_id)
            }
        };
        let mut victim =
            Self { session, client: plan.client, cwd, said, mark, called: false, pid: 0, headless: None };
        victim.play_to(rig, plan.blow.moment)?;
        Ok(victim)
    }

    pub fn id(&self) -> ChatId {
        ChatId::new(self.client, &self.session)
    }

    fn play_to(&mut self, rig: &Rig, moment: Moment) -> Result<()> {
        match moment {
            Moment::BetweenTurns => {
                self.open_in_terminal(rig)?;
            }
            Moment::Answer => {
                self.go_on(rig, SLOW_ANSWER)?;
                rig.standin.wait_for_words(WAIT, &self.session, 3)?;
            }
            Moment::Tool => {
                let command =
                    format!("echo {} >> ran.txt; echo begin > b.txt; sleep 600; echo end > e.txt", self.mark);
                let call = match self.client {
                    Client::Codex => format!(
                        "@@tool exec_command {}",
                        serde_json::json!({"cmd": command, "yield_time_ms": 600_000})
                    ),
                    _ => format!("@@tool Bash {}", serde_json::json!({"command": command})),
                };
                self.called = true;
                self.go_on(rig, &format!("@@text here it goes\n{call}\n@@text it went"))?;
                wait(WAIT, "the tool to begin and be written down", || {
                    let file = self.file(rig).and_then(|file| fs::read(file).ok()).unwrap_or_default();
                    let file = String::from_utf8_lossy(&file).into_owned();
                    let written =
                        file.contains("\"type\":\"tool_use\"") || file.contains("\"type\":\"function_call\"");
                    (written && self.cwd.join("b.txt").exists()).then_some(())
                })?;
            }
        }
        Ok(())
    }

    fn go_on(&mut self, rig: &Rig, prompt: &str) -> Result<()> {
        if self.client == Client::Codex {
            let start = CodexStart::new(&self.cwd, prompt).resuming(&self.session);
            let codex = Codex::start(&rig.home, &start, WAIT)?;
            (self.pid, self.headless) = (codex.pid, Some(codex.launcher));
        } else {
            let mut start = Start::new(&self.cwd, prompt);
            start.session_id.clone_from(&self.session);
            start.resume = true;
            let chat = Headless::start(&rig.home, &start)?;
            (self.pid, self.headless) = (chat.pid(), Some(chat));
        }
        Ok(())
    }

    fn open_in_terminal(&mut self, rig: &Rig) -> Result<()> {
        let terminals = Terminals::new(&rig.home);
        if self.client == Client::Codex {
            let codex = rig.home.codex().to_string_lossy().into_owned();
            let words = [codex, "--no-daemon".to_owned(), "resume".to_owned(), self.session.clone()];
            terminals.run(&self.session, &self.cwd, &[], &words)?;
        } else {
            let mut start = Start::new(&self.cwd, "");
            start.session_id.clone_from(&self.session);
            start.resume = true;
            terminals.start(&start)?;
            rig.home.wait_for_status(WAIT, &self.session, "idle")?;
        }
        self.pid = wait(WAIT, "the chat to be open", || self.processes(rig).first().copied())?;
        Ok(())
    }

    /// Live clients on the chat.
    pub fn processes(&self, rig: &Rig) -> Vec<u32> {
        processes_on(rig, self.client, &self.session)
    }

    pub fn kill(&mut self) -> Result<()> {
        send(self.pid, Signal::KILL);
        if let Some(mut headless) = self.headless.take() {
            headless.wait_for_exit(WAIT)?;
        }
        wait(WAIT, "the client to be gone", || (!is_alive(self.pid)).then_some(()))
    }

    pub fn stop(&self) {
        send(self.pid, Signal::STOP);
    }

    /// Gives it no more memory: what it asks for next, the system kills it for. One that asks for none, or where
    /// none may be withheld, is killed; says whether it starved.
    pub fn starve(&mut self) -> Result<bool> {
        let group = MemoryGroup::make();
        if let Some(group) = &group {
            group.starve(self.pid)?;
        }
        let dies = || (!is_alive(self.pid)).then_some(());
        let starved = group.is_some() && wait(STARVES_WITHIN, "it to starve", dies).is_ok();
        self.kill()?;
        Ok(starved)
    }

    pub fn file(&self, rig: &Rig) -> Option<PathBuf> {
        match self.client {
            Client::Codex => rig.home.rollout(&self.session),
            _ => rig.home.transcript(&self.session),
        }
    }

    /// Damages the last line of the client's file, as a power loss does: cut short, or its end overwritten with NUL.
    pub fn tear(&self, rig: &Rig, seed: u64) -> Result<()> {
        let (path, mut dice) = (self.file(rig).context("the client wrote no file")?, Rng::with_seed(seed));
        let bytes = fs::read(&path)?;
        let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let cut = (line + 1 + dice.usize(..(body.len() - line).saturating_sub(1).max(1))) as u64;
        let file = fs::File::options().write(true).open(&path)?;
        file.set_len(cut)?;
        if dice.bool() {
            let mut file = fs::File::options().append(true).open(&path)?;
            file.write_all(&vec![0; usize::try_from(bytes.len() as u64 - cut)?])?;
        }
        Ok(())
    }

    /// How often the tool ran more than once.
    pub fn replays(&self) -> u64 {
        let ran = fs::read_to_string(self.cwd.join("ran.txt")).unwrap_or_default();
        let times = ran.lines().filter(|line| *line == self.mark).count() as u64;
        times.saturating_sub(u64::from(self.called))
    }

    /// Turns that the client's own file holds no more.
    pub fn lost(&self, rig: &Rig) -> u64 {
        let file = self.file(rig).and_then(|file| fs::read(file).ok()).unwrap_or_default();
        u64::from(!String::from_utf8_lossy(&file).contains(&self.said))
    }

    /// Ends what is left, so that the next has room.
    pub fn end(&mut self, rig: &Rig) -> Result<()> {
        for pid in self.processes(rig) {
            send(pid, Signal::KILL);
        }
        drop(self.headless.take());
        if wait(WAIT, "the client to be gone", || self.processes(rig).is_empty().then_some(())).is_err() {
            bail!("a client of {} would not end", self.session);
        }
        Ok(())
    }
}

pub fn processes_on(rig: &Rig, client: Client, session: &str) -> Vec<u32> {
    match client {
        Client::Codex => rig.home.codex_on(session),
        _ => rig.home.clients_on(session),
    }
}
