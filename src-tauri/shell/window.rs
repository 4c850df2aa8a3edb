//! The one window. It is created when asked for and destroyed when closed, which frees the web view.

#[cfg(target_os = "linux")]
mod freed;
mod place;

use std::str::FromStr;

use anyhow::{Context, bail};
pub use place::Last;
use serde::{Deserialize, Serialize};
use shim_core::settings::desktop::Theme;
use tauri::{
    AppHandle, Emitter, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent,
    window::Color,
};

use crate::{desktop::Set, engine::Link, tasks::Tasks};

const LABEL: &str = "dashboard";
/// Longest route taken; chat ids are far shorter.
const ROUTE_BYTES_MAX: usize = 200;
/// What a page stands on, as the pages' tokens have it: shown until the first page is painted.
const LIGHT: Color = Color(0xf5, 0xf6, 0xf8, 0xff);
const DARK: Color = Color(0x14, 0x17, 0x1b, 0xff);

/// A page of the dashboard, such as `/crashes/12`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Route(String);

impl Route {
    pub fn crash(number: i64) -> Self {
        Self(format!("/crashes/{number}"))
    }

    pub fn crashes() -> Self {
        Self("/crashes".to_owned())
    }

    /// The chat's page; the list of chats when its id cannot stand in a route.
    pub fn chat(id: &str) -> Self {
        format!("/chats/{id}").parse().unwrap_or_else(|_| Self("/chats".to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Route {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl From<Route> for String {
    fn from(route: Route) -> Self {
        route.0
    }
}

impl TryFrom<String> for Route {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl FromStr for Route {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-".contains(c);
        if text.starts_with('/') && text.len() <= ROUTE_BYTES_MAX && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            bail!("{text:?} is not a page; pages look like /chats or /crashes/12")
        }
    }
}

/// Shows the window at `route`, creating it if there is none. Creating waits for the main loop, so it
/// has a thread of its own.
pub fn open(app: &AppHandle, route: Route) {
    let handle = app.clone();
    app.state::<Tasks>().run_in_turn("window", move || {
        if let Err(error) = show(&handle, &route) {
            tracing::error!("{error:#}");
        }
    });
}

fn show(app: &AppHandle, route: &Route) -> anyhow::Result<()> {
    if let Some(window) = app.get_webview_window(LABEL) {
        window.emit("navigate", route.as_str()).context("the open window could not be told its page")?;
        window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus())?;
        return Ok(());
    }
    let page = WebviewUrl::App(format!("index.html#{}", route.as_str()).into());
    let home = app.state::<Link>().home().to_owned();
    let theme = native(app.state::<Set>().now().theme);
    let window = WebviewWindowBuilder::new(app, LABEL, page)
        .title("SHIM")
        .inner_size(1080.0, 720.0)
        .min_inner_size(560.0, 400.0)
        .theme(theme)
        .background_color(if theme == Some(tauri::Theme::Dark) { DARK } else { LIGHT })
        .data_directory(home.join("webview"))
        .on_navigation(is_own_page)
        .visible(false)
        .build()
        .context("the window could not be opened; is a display reachable?")?;
    if theme.is_some() {
        // On Linux a new window takes the desktop's theme, whatever it is built with.
        app.set_theme(theme);
    }
    paint(&window, theme.or_else(|| window.theme().ok()));
    if let Err(error) = place::put(&window, &home) {
        tracing::warn!("the window could not be put where it stood: {error}");
    }
    #[cfg(target_os = "linux")]
    freed::when_closed(&window);
    let watched = window.clone();
    window.on_window_event(move |event| happened(&watched, event));
    window.show().and_then(|()| window.set_focus())?;
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

/// Gives the open window, and those that come, the theme that is set.
pub fn set_theme(app: &AppHandle, theme: Theme) {
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
    fn a_route_is_a_plain_path() {
        for (text, taken) in [
            ("/", true),
            ("/crashes/12", true),
            ("/chats/claude-code:2222-33", true),
            ("crashes", false),
            ("/a b", false),
            ("/a#b", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Route>().is_ok(), taken, "{text:?}");
        }
        assert!(format!("/{}", "a".repeat(ROUTE_BYTES_MAX)).parse::<Route>().is_err());
    }

    #[test]
    fn the_ground_under_the_pages_is_the_pages_own() {
        let tokens = include_str!("../../ui/src/tokens.css");
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
