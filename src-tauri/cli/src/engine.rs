//! The engine: in the foreground, or the one that a verb speaks to.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use shim_api::Engine;
use shim_engine::{Home, HomeError, ToldBy, autostart::By};
use tracing_subscriber::{EnvFilter, fmt};

/// Threads of the listener; all else has its own.
const LISTENER_THREADS: usize = 2;
/// How often an engine that waits for another's end looks.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(1);
/// How long threads that wait for somebody else may take to end.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// Runs the engine until it is asked to end: by a signal, or over the api. Where another runs, `wait` is for
/// its end: a service must neither fail nor be gone when the tray that started the other is closed.
pub fn run(home: &Path, wait: bool) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env("SHIM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut opened = if wait { open_in_turn(home)? } else { Home::open(home)? };
    if wait {
        opened.kept_by = By::Service;
    }
    let is_demo = opened.demo.is_some();
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let running = shim_engine::start(opened, false).await?;
        let does = if is_demo { "showing the demo" } else { "watching" };
        eprintln!("shim: {does}; data in {}, listening on 127.0.0.1:{}", home.display(), running.file.port);
        let told_by = tokio::select! {
            () = running.asked_to_stop() => ToldBy::Somebody,
            signal = ended_by_signal() => signal?,
        };
        running.farewell(told_by).await;
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_timeout(STOP_WAIT);
    ended
}

fn open_in_turn(home: &Path) -> Result<Home, HomeError> {
    let mut said = false;
    loop {
        match Home::open(home) {
            Err(locked @ HomeError::Locked { .. }) => {
                if !std::mem::replace(&mut said, true) {
                    eprintln!("shim: {locked}; waiting for its end");
                }
                std::thread::sleep(TAKE_OVER_EVERY);
            }
            opened => return opened,
        }
    }
}

/// Calls `verb` with the running engine, or with one that lives only for it.
pub fn with(home: &Path, verb: impl FnOnce(&Engine) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    if let Ok(engine) = Engine::connect(home) {
        return verb(&engine);
    }
    let mut opened = Home::open(home)?;
    opened.kept_by = By::Command;
    let runtime = runtime()?;
    let running = runtime.block_on(shim_engine::start(opened, true))?;
    let result = runtime.block_on(running.settled()).and_then(|()| verb(&Engine::at(running.file.clone())));
    runtime.block_on(running.stop());
    runtime.shutdown_timeout(STOP_WAIT);
    result
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(LISTENER_THREADS).enable_all().build().context("no threads are to be had")
}

#[cfg(unix)]
async fn ended_by_signal() -> anyhow::Result<ToldBy> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate, mut hang_up) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => ToldBy::Somebody,
        _ = terminate.recv() => ToldBy::Signal,
        _ = hang_up.recv() => ToldBy::Signal,
    })
}

/// A Ctrl-C, and the end of the console, of the session and of the machine.
#[cfg(windows)]
async fn ended_by_signal() -> anyhow::Result<ToldBy> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
    let (mut interrupt, mut end, mut close) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    let (mut log_off, mut shut_down) = (ctrl_logoff()?, ctrl_shutdown()?);
    Ok(tokio::select! {
        _ = interrupt.recv() => ToldBy::Somebody,
        _ = end.recv() => ToldBy::Somebody,
        _ = close.recv() => ToldBy::Signal,
        _ = log_off.recv() => ToldBy::System,
        _ = shut_down.recv() => ToldBy::System,
    })
}
