//! The engine with 200 past and 20 live chats in which nothing happens, a quarter of each kind Claude Code's, Codex's,
//! Gemini CLI's and opencode's. The live ones are real clients in terminals; when it must be quick one of each is, and
//! the others have a process that does nothing and bears the client's marks.

mod furnish;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use shim_core::chats::Client;
use shim_standin::{
    Standin,
    client::{Gemini, GeminiStart, Home, Start, Terminals},
};

use crate::{
    Bench, chats,
    engine::{Engine, Place},
    figures::{Bound, Figure},
    idle::Idle,
};

/// Chats of each client that nobody has open.
const PAST: usize = 50;
/// Chats of each client that a process holds.
const LIVE: usize = 5;
const CLIENTS: usize = 4;
const PROMPT: &str = "hello there";
/// Between the starts of one client of each kind and the next: each takes some 250 MB, and a core while it starts.
const START_EVERY: Duration = Duration::from_secs(5);
/// Real clients start together, on a machine that may be busy.
const KNOWN_WAIT: Duration = Duration::from_secs(240);
/// Until what clients and the engine do after a start is done.
const SETTLE: Duration = Duration::from_secs(15);

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let model = Standin::start(0)?;
    let place = Place::new(&bench.shim)?;
    let url = model.url();
    let home = Home::new(&place.home(), &url)?.with_codex(&url)?.with_gemini(&url)?.with_opencode(&url)?;
    let place = place.with_environment(home.environment());
    let real = bench.count(LIVE, 1);
    let stand_ins = furnish::past_and_stand_ins(&home, LIVE - real)?;
    let claudes = (0..LIVE - real).map(|seed| chats::Chat::start(&place, seed as u64, "idle"));
    let claudes = claudes.collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    let engine = place.start(&[])?;
    wait_for(&engine, "every chat on disk to be journaled", |counts| {
        counts.values().map(|(journaled, _)| journaled).sum::<usize>() >= CLIENTS * (PAST + LIVE - real)
    })?;
    let journaled = begun.elapsed();
    let terminals = Terminals::new(&home);
    open_real(&home, &terminals, real)?;
    let is_live = |counts: &Counts| counts.values().filter(|(_, live)| *live == LIVE).count() == CLIENTS;
    wait_for(&engine, "every live chat to be seen", is_live)?;
    thread::sleep(SETTLE);
    let idle = Idle::of(&engine, bench)?;
    wait_for(&engine, "every live chat to be seen still", is_live)?;
    drop((claudes, stand_ins));
    figures(&idle, journaled, real)
}

fn figures(idle: &Idle, journaled: Duration, real: usize) -> Result<Vec<Figure>> {
    let machine = fs::read_dir("/proc")?.flatten();
    let is_pid = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let processes = machine.filter(|entry| entry.file_name().to_str().is_some_and(is_pid)).count();
    let (real, stand_ins) = (CLIENTS * real, CLIENTS * (LIVE - real));
    let what = format!(
        "{} past and {} live chats of four clients, {real} of them real clients and {stand_ins} stand-in processes; \
         {} s, {processes} processes on the machine",
        CLIENTS * PAST,
        CLIENTS * LIVE,
        idle.span.as_secs()
    );
    let name = |of: &str| format!("mixed chats ({real} real, {stand_ins} stand-ins), {of}");
    Ok(vec![
        Figure::value(&name("CPU"), "%", idle.cpu)
            .within(Bound::AtMost(0.5), Bound::AtMost(0.1))
            .note(what.clone()),
        Figure::value(&name("memory"), "MB", idle.memory)
            .within(Bound::AtMost(30.0), Bound::AtMost(20.0))
            .note(format!("resident; {:.1} of it shared with nobody, {:.1} at most", idle.own, idle.peak)),
        Figure::value(&name("disk writes"), "KB", idle.written).note(what),
        Figure::value(&name("start to all journaled"), "s", journaled.as_secs_f64())
            .note("from the engine's start to all chats on disk, before real clients are opened"),
    ])
}

/// Journaled and live chats of each client.
type Counts = BTreeMap<Client, (usize, usize)>;

fn wait_for(engine: &Engine, what: &str, done: impl Fn(&Counts) -> bool) -> Result<()> {
    let last = RefCell::new(Counts::new());
    let waited = engine.wait(what, KNOWN_WAIT, Duration::from_millis(100), |api| {
        let mut counts = Counts::new();
        for chat in api.chats(None, None)? {
            let count = counts.entry(chat.client).or_default();
            *count =
                (count.0 + usize::from(chat.journal.bytes > 0), count.1 + usize::from(chat.pid.is_some()));
        }
        let is_done = done(&counts);
        last.replace(counts);
        Ok(is_done)
    });
    waited.with_context(|| format!("journaled and live were {:?}", last.borrow()))?;
    Ok(())
}

/// Opens chats of each real client in terminals and asks each something.
fn open_real(home: &Home, terminals: &Terminals<'_>, real: usize) -> Result<()> {
    for number in 0..real {
        if number > 0 {
            thread::sleep(START_EVERY);
        }
        terminals.start(&Start::new(home.project(&format!("claude{number}"))?, PROMPT))?;
        let cwd = home.project(&format!("gemini{number}"))?;
        Gemini::open(terminals, &home.gemini(), &GeminiStart::new(cwd, PROMPT))?;
        let cwd = home.codex_project(&format!("codex{number}"))?;
        let codex = home.codex().to_string_lossy().into_owned();
        let words = [codex, "--no-daemon".to_owned(), PROMPT.to_owned()];
        terminals.run(&format!("codex{number}"), &cwd, &[], &words)?;
        let cwd = home.project(&format!("opencode{number}"))?;
        let opencode = home.opencode().to_string_lossy().into_owned();
        let words = [opencode, "--prompt".to_owned(), PROMPT.to_owned()];
        terminals.run(&format!("opencode{number}"), &cwd, &[], &words)?;
    }
    Ok(())
}
