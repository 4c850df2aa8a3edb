//! The one window. It is a process of its own: the tray stays small and goes on when a web view breaks, and what a web
//! view takes goes with it when it is closed.

mod place;
mod program;
mod talk;
mod view;

use std::str::FromStr;

use anyhow::bail;
pub use program::{Window, close, engine_is_down, open};
use serde::{Deserialize, Serialize};
pub use view::{Tray, run};

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
}
