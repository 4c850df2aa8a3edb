//! The stand-in and a home of its own for the real clients that are played against it.

use std::time::Duration;

use shim_standin::{Standin, client::Home};

/// Longest wait for the client to do something; machines that run tests are slow at times.
pub const WAIT: Duration = Duration::from_secs(90);

pub struct Stage {
    pub home: Home,
    pub standin: Standin,
    pub folder: tempfile::TempDir,
}

impl Stage {
    /// A stage whose home is furnished for further clients, by what is given the stand-in's address.
    pub fn furnished(more: impl FnOnce(Home, &str) -> Home) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let standin = Standin::start(0).unwrap();
        let home = more(Home::new(&folder.path().join("home"), &standin.url()).unwrap(), &standin.url());
        Self { home, standin, folder }
    }
}
