//! The command line, also as a second start hands it to the first.

use std::path::PathBuf;

use clap::Parser;

use crate::window::Route;

/// Keeps AI chats alive: the tray and the window.
#[derive(Clone, Debug, Parser, PartialEq, Eq)]
#[command(name = "shim-desktop", version)]
pub struct Options {
    /// Folder for SHIM's data; else SHIM_HOME, else the platform's own.
    #[arg(long, value_name = "FOLDER")]
    pub home: Option<PathBuf>,
    /// Open the window at start, at a page such as /crashes/12.
    #[arg(long, value_name = "ROUTE", num_args = 0..=1, default_missing_value = "/")]
    pub show: Option<Route>,
    /// The window alone, at this page, as the tray starts it.
    #[arg(long, value_name = "ROUTE", hide = true, conflicts_with = "show")]
    pub window: Option<Route>,
}

/// The page a second start asks for. Its arguments come from outside, so what is not understood opens
/// the first page.
pub fn asked_route(arguments: &[String]) -> Route {
    Options::try_parse_from(arguments).ok().and_then(|options| options.show).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_opens_the_page_it_names() {
        let rows: [(&[&str], &str); 5] = [
            (&["shim-desktop"], "/"),
            (&["shim-desktop", "--show"], "/"),
            (&["shim-desktop", "--show", "/crashes/12"], "/crashes/12"),
            (&["shim-desktop", "--show", "javascript:alert(1)"], "/"),
            (&["shim-desktop", "--no-such"], "/"),
        ];
        for (arguments, route) in rows {
            let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            assert_eq!(asked_route(&arguments).as_str(), route, "{arguments:?}");
        }
    }
}
