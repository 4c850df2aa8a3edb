//! The tray and the window of SHIM. Presentation only: what is true and what is done is the engine's,
//! reached through `shim-api`.

mod autostart;
mod clock;
mod commands;
mod desktop;
mod engine;
pub mod environment;
mod export;
mod notifications;
mod options;
mod restore;
#[cfg(test)]
mod samples;
mod tasks;
mod tray;
#[cfg(feature = "updater")]
mod updates;
mod window;
mod words;

use std::{
    sync::{Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use engine::{Link, Listener};
use notifications::Outbox;
pub use options::Options;
use shim_api::{events::Event, home::data_folder};
use tasks::Tasks;
use tauri::{AppHandle, Manager, RunEvent, generate_context};
use tray::Bell;

/// Runs the tray until its user quits, or for a tray its window. A second start hands its arguments to the first and
/// ends here.
pub fn run(options: Options) -> anyhow::Result<()> {
    let home = data_folder(options.home.clone())?;
    if let Some(route) = options.window {
        return window::run(home, route);
    }
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _folder| {
            window::open(app, options::asked_route(&arguments));
        }))
        .setup(move |app| {
            start(app.handle(), Link::new(home)?, options)?;
            Ok(())
        })
        .build(context())
        .context("the desktop could not be reached")?;
    app.run(|app, event| match event {
        // Only Quit ends the tray.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        RunEvent::Exit => app.state::<Threads>().join(),
        _ => {}
    });
    Ok(())
}

/// Both processes', with the pages.
fn context() -> tauri::Context {
    generate_context!()
}

fn start(app: &AppHandle, link: Link, options: Options) -> anyhow::Result<()> {
    let (bell, rung) = tray::bell();
    let (outbox, heard) = notifications::outbox();
    app.manage(link.clone());
    app.manage(notifications::Desktop::new(link.home()));
    app.manage(outbox.clone());
    app.manage(Tasks::default());
    app.manage(restore::UnderWay::default());
    app.manage(notifications::Offered::default());
    app.manage(desktop::Set::default());
    app.manage(window::Window::default());
    app.manage(bell.clone());
    #[cfg(feature = "updater")]
    updates::start(app)?;
    desktop::look(app);
    let threads = vec![
        tray::start(app, link.clone(), rung)?,
        notifications::start(app, heard)?,
        engine::keep(link, Desk { app: app.clone(), bell, outbox })?,
    ];
    app.manage(Threads(Mutex::new(threads)));
    app.state::<notifications::Desktop>().listen(app);
    #[cfg(unix)]
    quit_on_signal(app);
    if let Some(route) = options.show {
        window::open(app, route);
    } else if desktop::is_first_run(app.state::<Link>().home()) {
        window::open(app, window::Route::default());
    } else {
        #[cfg(target_os = "linux")]
        tray::open_window_if_unseen(app);
    }
    Ok(())
}

/// The threads that live as long as the tray.
struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Threads {
    /// Waits for them to end. One that listens to somebody else's engine hears of the end only with that
    /// engine's next event; it is left to end with the process.
    fn join(&self) {
        const JOIN_WAIT: Duration = Duration::from_millis(500);
        let deadline = Instant::now() + JOIN_WAIT;
        let threads = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while !threads.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        for thread in threads.into_iter().filter(JoinHandle::is_finished) {
            if thread.join().is_err() {
                tracing::error!("a thread of the tray had panicked");
            }
        }
    }
}

/// Passes on what the engine says: to the tray, the notifications, and where it is down the window.
struct Desk {
    app: AppHandle,
    bell: Bell,
    outbox: Outbox,
}

impl Listener for Desk {
    fn engine_is(&self, up: bool) {
        self.bell.ring();
        if up {
            notifications::offer(&self.app);
        } else {
            window::engine_is_down(&self.app, self.app.state::<Link>().why_down());
        }
    }

    fn event(&self, event: Event) {
        self.bell.ring();
        match event {
            Event::CrashRecorded { crash, .. } => self.outbox.crash(&crash, desktop::words(&self.app)),
            Event::Notice { chat, title, what, .. } => {
                self.outbox.said(chat.as_ref(), &title, &what, desktop::words(&self.app));
            }
            Event::RestoreFinished { receipt, .. } => restore::heard(&self.app, receipt),
            Event::FleetChanged => restore::fleet_changed(&self.app),
            Event::SettingsChanged | Event::Missed => desktop::look(&self.app),
            Event::ChatChanged { .. }
            | Event::JournalKept { .. }
            | Event::CrashesResolved { .. }
            | Event::HangOver { .. }
            | Event::PolicyDecided { .. }
            | Event::CheckpointTaken { .. }
            | Event::WorkspaceKept { .. }
            | Event::ChatStopped { .. }
            | Event::ChatRepaired { .. }
            | Event::JournalDropped { .. }
            | Event::BoundBroken { .. }
            | Event::PredictionsSettled { .. }
            | Event::ModelTrained { .. }
            | Event::RestoreStarted { .. }
            | Event::ExperimentsChanged
            | Event::StatusChanged => {}
        }
    }
}

/// Ends the tray, and the engine if it was started here.
fn quit(app: &AppHandle) {
    let handle = app.clone();
    app.state::<Tasks>().run("quit", move || {
        handle.state::<Link>().close();
        window::close(&handle);
        handle.state::<Bell>().ring();
        handle.exit(0);
    });
}

/// A terminal's Ctrl-C and the end of the session quit in order.
#[cfg(unix)]
fn quit_on_signal(app: &AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let (Ok(mut interrupt), Ok(mut end)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return tracing::warn!("signals cannot be heard");
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = end.recv() => {}
        }
        quit(&app);
    });
}
