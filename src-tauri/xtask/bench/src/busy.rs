//! The engine beside twenty real chats at work with everything switched on: answers that stream, tools that run,
//! working trees that change under git, hooks, predictions and restores by policy.

use std::{
    fs::OpenOptions,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use shim_core::chats::ChatState;
use shim_standin::{
    Standin,
    client::{Codex, CodexStart, Headless, Home, Start},
};

use crate::{
    Bench,
    engine::{Engine, Place},
    figures::{Bound, Figure},
    idle::Idle,
};

/// Chats of each of two clients.
const EACH: usize = 10;
/// Answers of 40 words in 10 s, each followed by a tool of 2 s: more than the measurement takes.
const ROUNDS: usize = 40;
const COMMAND: &str = "date >> notes.txt; sleep 2";
/// Files in each repository.
const FILES: usize = 200;
/// Between two starts: each takes a core for a moment.
const START_EVERY: Duration = Duration::from_secs(1);
const WORKING_WAIT: Duration = Duration::from_secs(120);
const SETTLE: Duration = Duration::from_secs(10);
/// Ticks of `/proc/stat` in a second; Linux tells user space 100 on every platform.
const TICKS: f64 = 100.0;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let each = bench.count(EACH, 2);
    let model = Standin::start(0)?;
    let place = Place::new(&bench.shim)?;
    let home = Home::new(&place.home(), &model.url())?.with_codex(&model.url())?;
    let place = place.with_environment(home.environment());
    let settings = place.data().join(shim_api::home::SETTINGS_FILE);
    writeln!(OpenOptions::new().append(true).open(settings)?, "[policy]\nauto_restore = \"once\"")?;
    run(place.command(&[], &["install", "hooks", "--client", "claude-code"]))?;
    let engine = place.start(&[])?;
    let chats = (0..each).map(|number| start(&home, number)).collect::<Result<Vec<_>>>()?;
    working(&engine, 2 * each)?;
    thread::sleep(SETTLE);
    let (machine, begun) = (machine_seconds()?, Instant::now());
    let used = Idle::of(&engine, bench)?;
    let share = (machine_seconds()? - machine) / begun.elapsed().as_secs_f64() * 100.0;
    working(&engine, 2 * each)?;
    let mut checkpoints = 0;
    for chat in engine.api.chats(None, None)? {
        checkpoints += engine.api.checkpoints(&chat.id.to_string())?.len();
    }
    drop(chats);
    let what = format!(
        "{each} Claude Code with hooks and {each} Codex at work, each in a repository of {FILES} files; {} s, \
         {checkpoints} checkpoints so far",
        used.span.as_secs()
    );
    Ok(vec![
        Figure::value("engine with busy chats, CPU", "%", used.cpu)
            .within(Bound::AtMost(1.0), Bound::AtMost(0.5))
            .note(format!("of one core; {what}; the whole machine used {share:.0} %")),
        Figure::value("engine with busy chats, memory", "MB", used.memory)
            .within(Bound::AtMost(30.0), Bound::AtMost(20.0))
            .note(format!("resident; {:.1} of it shared with nobody, {:.1} at most", used.own, used.peak)),
        Figure::value("engine with busy chats, disk writes", "KB", used.written).note(what),
    ])
}

/// One chat of each client, at work.
fn start(home: &Home, number: usize) -> Result<[Headless; 2]> {
    let script = |tool: &str, key: &str| {
        let round = format!("@@slow 40 0.25\n@@tool {tool} {}\n", json!({ key: COMMAND }));
        format!("Work on it.\n{}@@text done", round.repeat(ROUNDS))
    };
    let cwd = home.project(&format!("claude{number}"))?;
    repository(home, &cwd)?;
    let claude = Headless::start(home, &Start::new(cwd, script("Bash", "command")))?;
    thread::sleep(START_EVERY);
    let cwd = home.codex_project(&format!("codex{number}"))?;
    repository(home, &cwd)?;
    let codex = Codex::launch(home, &CodexStart::new(cwd, script("exec_command", "cmd")))?;
    thread::sleep(START_EVERY);
    Ok([claude, codex])
}

fn repository(home: &Home, cwd: &Path) -> Result<()> {
    for number in 0..FILES {
        std::fs::write(cwd.join(format!("file{number}.txt")), format!("{number}\n").repeat(200))?;
    }
    let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"];
    for args in [&["init", "--quiet"][..], &["add", "-A"], &["commit", "--quiet", "-m", "first"]] {
        let mut git = home.command("git", cwd);
        git.args(identity).args(args);
        run(git)?;
    }
    Ok(())
}

fn run(mut command: std::process::Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn working(engine: &Engine, count: usize) -> Result<Duration> {
    engine.wait("every chat to be at work", WORKING_WAIT, Duration::from_millis(200), |api| {
        let chats = api.chats(None, None)?;
        Ok(chats.iter().filter(|chat| chat.state == ChatState::Working).count() == count)
    })
}

/// Seconds that all cores together were at work since the machine's start.
fn machine_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // The fourth and fifth are idle and waiting for a disk.
    let at_work = ticks.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4) && *at < 8);
    Ok(at_work.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}
