//! The window as the tray has it: a process that is started when the window is asked for and ends when it is closed,
//! with all that a web view takes.

use std::{
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use tauri::{AppHandle, Manager};

use super::{
    Route,
    talk::{self, FromWindow, ToWindow},
};
use crate::{engine::Link, environment, notifications::Outbox, tasks::Tasks};

/// How long Quit waits for the window to end by itself.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// The one window.
#[derive(Default)]
pub struct Window(Mutex<Option<Running>>);

struct Running {
    process: Child,
    words: ChildStdin,
    was_shown: bool,
    /// Asked for and not shown yet.
    asked: Option<Route>,
}

/// Shows the window at `route`, starting it if there is none.
pub fn open(app: &AppHandle, route: Route) {
    let window = app.state::<Window>();
    let mut running = window.running();
    let Some(open) = running.as_mut() else { return start(app, &mut running, route) };
    open.asked = Some(route.clone());
    // One that is ending takes no word any more; its end starts the next.
    let _ = talk::say(&mut open.words, &ToWindow::Show(route));
}

/// Tells an open window why no engine answers.
pub fn engine_is_down(app: &AppHandle, why: String) {
    if let Some(open) = app.state::<Window>().running().as_mut() {
        let _ = talk::say(&mut open.words, &ToWindow::EngineDown(why));
    }
}

/// Ends the window. The link is closed before, so that no other follows.
pub fn close(app: &AppHandle) {
    let window = app.state::<Window>();
    let Some(Running { mut process, words, .. }) = window.running().take() else { return };
    // It takes the end of its words for the tray's.
    drop(words);
    let deadline = Instant::now() + CLOSE_WAIT;
    while matches!(process.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            // It may have ended in between.
            let _ = process.kill();
            let _ = process.wait();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Window {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(app: &AppHandle, running: &mut Option<Running>, route: Route) {
    match spawn(app.state::<Link>().home(), &route) {
        Ok((process, words, said)) => {
            let open = running.insert(Running { process, words, was_shown: false, asked: Some(route) });
            if app.state::<Link>().engine().is_err() {
                let why = app.state::<Link>().why_down();
                let _ = talk::say(&mut open.words, &ToWindow::EngineDown(why));
            }
            let handle = app.clone();
            let heard = app.state::<Tasks>().run("window", move || {
                talk::hear(said, |what| hear(&handle, what));
                ended(&handle);
            });
            if !heard && let Some(mut open) = running.take() {
                let _ = open.process.kill();
                let _ = open.process.wait();
            }
        }
        Err(error) => tracing::error!("the window could not be opened: {error:#}"),
    }
}

fn spawn(home: &Path, route: &Route) -> anyhow::Result<(Child, ChildStdin, std::process::ChildStdout)> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = environment::restored(Command::new(own));
    command.arg("--home").arg(home).arg("--window").arg(route.as_str());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let words = process.stdin.take().context("it hears nothing")?;
    let said = process.stdout.take().context("it says nothing")?;
    Ok((process, words, said))
}

fn hear(app: &AppHandle, what: FromWindow) {
    match what {
        FromWindow::Shown => {
            if let Some(open) = app.state::<Window>().running().as_mut() {
                (open.was_shown, open.asked) = (true, None);
            }
        }
        FromWindow::Restored(receipt) => app.state::<Outbox>().known(&receipt),
    }
}

/// Reaps it. Where it was asked for once more while it closed, it is started again.
fn ended(app: &AppHandle) {
    let window = app.state::<Window>();
    let mut running = window.running();
    let Some(Running { mut process, words, was_shown, asked }) = running.take() else { return };
    drop(words);
    let how = process.wait();
    match asked {
        Some(route) if was_shown && !app.state::<Link>().is_closing() => start(app, &mut running, route),
        Some(_) if !was_shown => {
            let how = how.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::error!("the window could not be opened; is a display reachable? ({how})");
        }
        Some(_) | None => {}
    }
}
