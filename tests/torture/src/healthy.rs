//! Chats to which nothing happens, busy and idle, beside those that are crashed: each crash recorded of them is false.

use std::{thread, time::Duration};

use anyhow::Result;
use shim_standin::client::{Headless, Start, Terminals, wait};

use crate::{
    rig::{Rig, WAIT},
    tally::Tally,
};

/// An answer of hours, a word every two seconds.
const BUSY: &str = "@@slow 100000 2";
/// Tool calls that each work for five minutes, one after the other for hours.
const CALLS: usize = 60;
const CALL: &str = "@@tool Bash {\"command\": \"echo begin; sleep 300; echo end\", \"timeout\": 600000}\n";
const LOOK_EVERY: Duration = Duration::from_secs(5);
const HEALTHY: usize = 4;

/// Two that wait for their users, one that answers, one whose tool works.
pub struct Healthy {
    rig: Rig,
    _busy: Vec<Headless>,
}

impl Healthy {
    pub fn start(rig: Rig) -> Result<Self> {
        let terminals = Terminals::new(&rig.home);
        let idle = Start::new(rig.home.project("idle")?, "hello there");
        terminals.start(&idle)?;
        rig.home.wait_for_status(WAIT, &idle.session_id, "idle")?;
        let cwd = rig.home.codex_project("idle-codex")?;
        let words = [
            rig.home.codex().to_string_lossy().into_owned(),
            "--no-daemon".to_owned(),
            "hello there".to_owned(),
        ];
        terminals.run("idle-codex", &cwd, &[], &words)?;
        let mut busy = Vec::new();
        for (name, prompt) in [("busy", BUSY.to_owned()), ("tool", CALL.repeat(CALLS))] {
            let start = Start::new(rig.home.project(name)?, prompt);
            busy.push(Headless::start(&rig.home, &start)?);
        }
        wait(WAIT, "the healthy chats to live", || {
            let live =
                rig.api().ok()?.chats(None, None).ok()?.iter().filter(|chat| chat.state.is_live()).count();
            (live >= HEALTHY).then_some(())
        })?;
        Ok(Self { rig, _busy: busy })
    }

    /// Watches over them until `done` says so, and gives what was recorded of them.
    pub fn watch(&self, mut done: impl FnMut() -> bool) -> Result<Tally> {
        let since = std::time::Instant::now();
        while !done() {
            thread::sleep(LOOK_EVERY);
        }
        let api = self.rig.api()?;
        let crashes = api.crashes()?;
        let live = api.chats(None, None)?.iter().filter(|chat| chat.state.is_live()).count();
        let mut tally = Tally {
            false_crashes: crashes.len() as u64,
            healthy_minutes: since.elapsed().as_secs_f64() / 60.0,
            given_up: HEALTHY.saturating_sub(live) as u64,
            ..Tally::default()
        };
        for crash in crashes {
            tally.complaints.push(format!(
                "healthy {}: {} {:?}",
                crash.chat,
                crash.kind.name(),
                crash.evidence
            ));
        }
        if live < HEALTHY {
            tally.complaints.push(format!("only {live} of {HEALTHY} healthy chats live still"));
        }
        Ok(tally)
    }
}
