//! The window's own process: shows the pages, answers what they ask, and ends when it is closed or the tray is gone.

use std::{
    io::Stdout,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::Context;
use shim_api::{events::Event, restore::Receipt};
use shim_core::settings::desktop::Theme;
use tauri::{
    App, AppHandle, Emitter, Manager, RunEvent, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    WindowEvent, generate_handler, window::Color,
};

use super::{
    Route,
    place::{self, Last},
    talk::{self, FromWindow, ToWindow},
};
use crate::{
    commands, context,
    desktop::{Set, read},
    engine::{self, Link, Listener},
};

const LABEL: &str = "dashboard";
/// What a page stands on, as the pages' tokens have it: shown until the first page is painted.
const LIGHT: Color = Color(0xf5, 0xf6, 0xf8, 0xff);
const DARK: Color = Color(0x14, 0x17, 0x1b, 0xff);

/// Where the tray hears.
pub struct Tray(Mutex<Stdout>);

impl Tray {
    /// A page asked for it and shows it.
    pub fn restored(&self, receipt: &Receipt) {
        self.say(&FromWindow::Restored(Box::new(receipt.clone())));
    }

    fn say(&self, what: &FromWindow) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = talk::say(&mut *out, what) {
            tracing::warn!("the tray hears nothing: {error}");
        }
    }
}

/// Runs until the window is closed.
pub fn run(home: PathBuf, route: Route) -> anyhow::Result<()> {
    let app = tauri::Builder::default()
        .invoke_handler(generate_handler![
            commands::status,
            commands::chats,
            commands::chat,
            commands::timeline,
            commands::crash_chart,
            commands::signals_chart,
            commands::experiments,
            commands::opportunities,
            commands::experiment_chart,
            commands::about_experiment,
            commands::audit,
            commands::offers,
            commands::install,
            commands::crashes,
            commands::signals,
            commands::prediction,
            commands::fingerprints,
            commands::checkpoints,
            commands::take_checkpoint,
            commands::export_chat,
            commands::restore,
            commands::fleet,
            commands::begin_fleet,
            commands::cancel_fleet,
            commands::doctor,
            commands::settings,
            commands::change_settings,
            commands::search,
            commands::pause,
            commands::resume,
        ])
        .setup(move |app| Ok(start(app, Link::new(home)?, &route)?))
        .build(context())
        .context("the desktop could not be reached")?;
    app.run(|app, event| {
        if let RunEvent::Exit = event {
            app.state::<Link>().close();
        }
    });
    Ok(())
}

fn start(app: &mut App, link: Link, route: &Route) -> anyhow::Result<()> {
    app.manage(link.clone());
    app.manage(Last::default());
    app.manage(Tray(Mutex::new(std::io::stdout())));
    let set = Set::default();
    if let Some(read) = read(link.home()) {
        set.renew(read.desktop);
    }
    app.manage(set);
    // Before the page asks. This thread and the next end with the process: one waits for the next event of an engine,
    // the other for the tray.
    engine::follow(link.clone(), Pages { app: app.handle().clone() })?;
    let window = build(app.handle(), &link, route)?;
    let handle = app.handle().clone();
    std::thread::Builder::new()
        .name("tray".to_owned())
        .spawn(move || listen(&handle))
        .context("no thread for the tray")?;
    window.show().and_then(|()| window.set_focus())?;
    app.state::<Tray>().say(&FromWindow::Shown);
    Ok(())
}

fn build(app: &AppHandle, link: &Link, route: &Route) -> anyhow::Result<WebviewWindow> {
    let page = WebviewUrl::App(format!("index.html#{}", route.as_str()).into());
    let theme = native(app.state::<Set>().now().theme);
    let window = WebviewWindowBuilder::new(app, LABEL, page)
        .title("SHIM")
        .inner_size(1080.0, 720.0)
        .min_inner_size(560.0, 400.0)
        .theme(theme)
        .background_color(if theme == Some(tauri::Theme::Dark) { DARK } else { LIGHT })
        .data_directory(link.home().join("webview"))
        .on_navigation(is_own_page)
        .visible(false)
        .build()
        .context("the window could not be opened; is a display reachable?")?;
    if theme.is_some() {
        // On Linux a new window takes the desktop's theme, whatever it is built with.
        app.set_theme(theme);
    }
    paint(&window, theme.or_else(|| window.theme().ok()));
    if let Err(error) = place::put(&window, link.home()) {
        tracing::warn!("the window could not be put where it stood: {error}");
    }
    let watched = window.clone();
    window.on_window_event(move |event| happened(&watched, event));
    Ok(window)
}

/// Does what the tray says, until it is gone.
fn listen(app: &AppHandle) {
    talk::hear(std::io::stdin(), |what| match what {
        ToWindow::Show(route) => match show(app, &route) {
            Ok(()) => app.state::<Tray>().say(&FromWindow::Shown),
            Err(error) => tracing::error!("{error:#}"),
        },
        ToWindow::EngineDown(why) => {
            if app.state::<Link>().hear_why_down(why) {
                Pages { app: app.clone() }.engine_is(false);
            }
        }
    });
    app.state::<Last>().keep(app.state::<Link>().home());
    app.exit(0);
}

fn show(app: &AppHandle, route: &Route) -> anyhow::Result<()> {
    let window = app.get_webview_window(LABEL).context("the window is closing")?;
    window.emit("navigate", route.as_str()).context("the open window could not be told its page")?;
    window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus())?;
    Ok(())
}

fn happened(window: &WebviewWindow, event: &WindowEvent) {
    let app = window.app_handle();
    match event {
        WindowEvent::Moved(_) | WindowEvent::Resized(_) => app.state::<Last>().note(window),
        WindowEvent::CloseRequested { .. } => {
            app.state::<Last>().note(window);
            app.state::<Last>().keep(app.state::<Link>().home());
        }
        WindowEvent::ThemeChanged(theme) => {
            // The desktop's change is not the user's who chose a theme for SHIM.
            let chosen = native(app.state::<Set>().now().theme);
            if chosen.is_some_and(|chosen| chosen != *theme) {
                app.set_theme(chosen);
            }
            paint(window, Some(chosen.unwrap_or(*theme)));
        }
        _ => {}
    }
}

/// Passes on to the pages what the engine says.
struct Pages {
    app: AppHandle,
}

impl Pages {
    fn tell(&self, name: &str, payload: impl serde::Serialize + Clone) {
        if let Err(error) = self.app.emit(name, payload) {
            tracing::warn!("the pages did not hear {name}: {error}");
        }
    }
}

impl Listener for Pages {
    fn engine_is(&self, up: bool) {
        self.tell("engine", serde_json::json!({ "up": up }));
    }

    fn event(&self, event: Event) {
        self.tell("shim", &event);
        if let Event::SettingsChanged | Event::Missed = event
            && let Some(read) = read(self.app.state::<Link>().home())
        {
            let before = self.app.state::<Set>().renew(read.desktop);
            if before.is_none_or(|before| before.theme != read.desktop.theme) {
                set_theme(&self.app, read.desktop.theme);
            }
        }
    }
}

fn set_theme(app: &AppHandle, theme: Theme) {
    let chosen = native(theme);
    app.set_theme(chosen);
    let Some(window) = app.get_webview_window(LABEL) else { return };
    #[cfg(target_os = "linux")]
    if let (None, Ok(tauri::Theme::Dark)) = (chosen, window.theme()) {
        // No theme of its own is a light one there, until the desktop's changes.
        app.set_theme(Some(tauri::Theme::Dark));
    }
    paint(&window, chosen.or_else(|| window.theme().ok()));
}

/// `None` is the system's.
fn native(theme: Theme) -> Option<tauri::Theme> {
    match theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

/// The ground under the pages, so that nothing flashes where they are not painted yet.
fn paint(window: &WebviewWindow, theme: Option<tauri::Theme>) {
    let ground = if theme == Some(tauri::Theme::Dark) { DARK } else { LIGHT };
    if let Err(error) = window.set_background_color(Some(ground)) {
        tracing::warn!("the window's ground could not be painted: {error}");
    }
}

/// The window shows SHIM's own pages and nothing else.
fn is_own_page(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => true,
        "http" | "https" => {
            url.host_str() == Some("tauri.localhost")
                || (tauri::is_dev() && url.host_str() == Some("127.0.0.1"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ground_under_the_pages_is_the_pages_own() {
        let tokens = include_str!("../../../ui/src/tokens.css");
        let [light, dark] =
            [LIGHT, DARK].map(|Color(red, green, blue, _)| format!("#{red:02x}{green:02x}{blue:02x}"));
        let written = format!("--surface-page: light-dark({light}, {dark});");
        assert!(tokens.contains(&written), "{written}");
    }

    #[test]
    fn only_own_pages_are_shown() {
        for (url, shown) in [
            ("tauri://localhost/index.html", true),
            ("https://tauri.localhost/", true),
            ("https://example.org/", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_own_page(&url.parse().unwrap()), shown, "{url}");
        }
    }
}
