//! The one window. It is created when asked for and destroyed when closed, which frees the web view.

use std::str::FromStr;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Emitter, Manager, Url, WebviewUrl, WebviewWindowBuilder};

use crate::tasks::Tasks;

const LABEL: &str = "dashboard";
/// Longest route taken; chat ids are far shorter.
const ROUTE_BYTES_MAX: usize = 200;

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
    WebviewWindowBuilder::new(app, LABEL, page)
        .title("SHIM")
        .inner_size(1080.0, 720.0)
        .min_inner_size(560.0, 400.0)
        .data_directory(app.state::<crate::engine::Link>().home().join("webview"))
        .on_navigation(is_own_page)
        .build()
        .context("the window could not be opened; is a display reachable?")?;
    Ok(())
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
