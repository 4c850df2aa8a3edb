//! Which notifications stand on the desktop and what their buttons mean, kept in a file for a SHIM that is started later.
//! A number means something only on the bus and to the server that gave it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use shim_core::time::Timestamp;

use super::{Button, pressed};

/// In the data folder.
const FILE: &str = "notifications.json";
/// Notifications that are remembered; the oldest make room.
const SHOWN_MAX: usize = 64;
/// A click on an older one does nothing.
const KEEP: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// A file that is larger is not SHIM's.
const BYTES_MAX: u64 = 256 * 1024;

/// The server of notifications, in this session of its user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub bus: String,
    pub owner: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    id: u32,
    at: Timestamp,
    buttons: Vec<Button>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    server: Server,
    shown: Vec<Shown>,
}

#[derive(Debug)]
pub struct Desk {
    file: PathBuf,
    content: Content,
}

impl Desk {
    /// What an earlier SHIM left. What cannot be read is forgotten.
    pub fn open(home: &Path) -> Self {
        let file = home.join(FILE);
        let is_ours = fs::metadata(&file).is_ok_and(|data| data.len() <= BYTES_MAX);
        let read = || serde_json::from_slice(&fs::read(&file).ok()?).ok();
        let content = is_ours.then(read).flatten().unwrap_or_default();
        Self { file, content }
    }

    pub fn shown(&mut self, server: Server, id: u32, buttons: Vec<Button>, now: Timestamp) {
        self.settle(&server, now);
        let shown = &mut self.content.shown;
        shown.retain(|shown| shown.id != id);
        if shown.len() >= SHOWN_MAX {
            shown.remove(0);
        }
        shown.push(Shown { id, at: now, buttons });
        self.keep();
    }

    /// The button that was pressed, once: it is forgotten on disk before it is given.
    pub fn pressed(&mut self, server: &Server, id: u32, key: &str, now: Timestamp) -> Option<Button> {
        self.settle(server, now);
        let at = self.content.shown.iter().position(|shown| shown.id == id)?;
        let button = pressed(&self.content.shown.get(at)?.buttons, key)?.clone();
        self.content.shown.remove(at);
        self.keep().then_some(button)
    }

    /// It is no longer on the desktop.
    pub fn closed(&mut self, server: &Server, id: u32, now: Timestamp) {
        self.settle(server, now);
        let before = self.content.shown.len();
        self.content.shown.retain(|shown| shown.id != id);
        if self.content.shown.len() != before {
            self.keep();
        }
    }

    /// Another server, or the same one in another session, gives the same numbers to other notifications.
    fn settle(&mut self, server: &Server, now: Timestamp) {
        if self.content.server != *server {
            self.content = Content { server: server.clone(), shown: Vec::new() };
        }
        self.content.shown.retain(|shown| now.since(shown.at) < KEEP);
    }

    fn keep(&self) -> bool {
        let kept = serde_json::to_vec(&self.content).map_err(io::Error::from);
        let kept = kept.and_then(|bytes| write_private(&self.file, &bytes));
        if let Err(error) = &kept {
            tracing::warn!("{} cannot be written: {error}", self.file.display());
        }
        kept.is_ok()
    }
}

/// Whole or not at all, and only for its user.
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = file.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(&beside)?, bytes)?;
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Route;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn server(owner: &str) -> Server {
        Server { bus: "a1".to_owned(), owner: owner.to_owned() }
    }

    fn at(days: i64) -> Timestamp {
        Timestamp::from_ms(days * DAY)
    }

    fn buttons(crash: i64) -> Vec<Button> {
        vec![Button::Restore { crash }, Button::Show(Route::crash(crash))]
    }

    #[test]
    fn a_later_shim_knows_what_a_click_means_and_does_it_once() {
        let home = tempfile::tempdir().unwrap();
        Desk::open(home.path()).shown(server(":1.5"), 3, buttons(7), at(0));
        let mut later = Desk::open(home.path());
        assert_eq!(later.pressed(&server(":1.5"), 3, "no-such", at(1)), None);
        assert_eq!(later.pressed(&server(":1.5"), 4, "restore", at(1)), None);
        assert_eq!(later.pressed(&server(":1.5"), 3, "restore", at(1)), Some(Button::Restore { crash: 7 }));
        assert_eq!(later.pressed(&server(":1.5"), 3, "restore", at(1)), None);
        assert_eq!(
            Desk::open(home.path()).pressed(&server(":1.5"), 3, "show", at(1)),
            None,
            "nor one after it"
        );
    }

    #[test]
    fn what_is_closed_too_old_or_from_another_server_means_nothing() {
        let home = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(home.path());
        for id in 1..=3 {
            desk.shown(server(":1.5"), id, buttons(7), at(0));
        }
        desk.closed(&server(":1.5"), 1, at(0));
        assert_eq!(desk.pressed(&server(":1.5"), 1, "restore", at(0)), None);
        assert_eq!(desk.pressed(&server(":1.5"), 2, "restore", at(3)), None);
        desk.shown(server(":1.5"), 3, buttons(7), at(4));
        assert_eq!(desk.pressed(&server(":1.9"), 3, "restore", at(4)), None);
        let other_bus = Server { bus: "b2".to_owned(), ..server(":1.9") };
        desk.shown(server(":1.9"), 3, buttons(7), at(4));
        assert_eq!(desk.pressed(&other_bus, 3, "restore", at(4)), None);
    }

    #[test]
    fn only_so_many_are_kept_and_only_their_user_reads_them() {
        let home = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(home.path());
        for id in 0..=64 {
            desk.shown(server(":1.5"), id, buttons(7), at(0));
        }
        let mut desk = Desk::open(home.path());
        assert_eq!(desk.content.shown.len(), SHOWN_MAX);
        assert_eq!(desk.pressed(&server(":1.5"), 0, "restore", at(0)), None, "the oldest made room");
        #[cfg(unix)]
        {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&desk.file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        for wrong in ["", "{", "[1]", "{\"server\":{},\"shown\":[]}"] {
            fs::write(&desk.file, wrong).unwrap();
            assert_eq!(Desk::open(home.path()).content, Content::default(), "{wrong}");
        }
    }
}
