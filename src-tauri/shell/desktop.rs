//! What the desktop is set to. It is read from the file that the engine keeps, so that it holds before one
//! answers; the engine says when it changed.

use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::{Mutex, PoisonError},
};

use shim_api::home::{DEMO_FILE, SETTINGS_FILE};
use shim_core::settings::{Settings, desktop::Desktop, parse};
use tauri::{AppHandle, Manager};

use crate::{
    autostart,
    engine::Link,
    notifications::{self, Note, Outbox},
    tasks::Tasks,
    tray::Bell,
    words::{self, Words},
};

/// No settings file is longer.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// What is set, as it was read last.
#[derive(Default)]
pub struct Set(Mutex<Option<Desktop>>);

impl Set {
    pub fn now(&self) -> Desktop {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_default()
    }

    /// What was set before, `None` at first.
    pub fn renew(&self, set: Desktop) -> Option<Desktop> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(set)
    }
}

/// The words of the language that is set.
pub fn words(app: &AppHandle) -> &'static dyn Words {
    words::of(app.state::<Set>().now().language)
}

/// Reads the settings and carries out what changed of them, in a thread of its own.
pub fn look(app: &AppHandle) {
    let handle = app.clone();
    app.state::<Tasks>().run_in_turn("settings", move || {
        let Some(Settings { desktop: set, notices, .. }) = read(handle.state::<Link>().home()) else {
            return;
        };
        let before = handle.state::<Set>().renew(set);
        handle.state::<Outbox>().rules(notices);
        if before.is_none_or(|before| before.language != set.language) {
            handle.state::<Bell>().ring();
        }
        // A demo changes nothing of this machine.
        if before.is_none_or(|before| before.autostart != set.autostart)
            && !handle.state::<Link>().home().join(DEMO_FILE).exists()
            && let Err(error) = autostart::apply(set.autostart, handle.state::<Link>().home())
        {
            tracing::error!("{error:#}");
            let text = words(&handle).not_started_at_login(&format!("{error:#}"));
            notifications::show(&handle, Note::new(text, Vec::new()));
        }
    });
}

/// Whether the first window is still to come, with its welcome.
pub fn is_first_run(home: &Path) -> bool {
    read(home).is_some_and(|set| !set.desktop.welcomed) && !home.join(DEMO_FILE).exists()
}

/// `None` while something is wrong in the file: what was set before holds on, as in the engine.
pub fn read(home: &Path) -> Option<Settings> {
    let mut text = String::new();
    match File::open(home.join(SETTINGS_FILE)) {
        Ok(file) => drop(file.take(SETTINGS_BYTES_MAX).read_to_string(&mut text).ok()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(_) => return None,
    }
    Some(parse(&text).ok()?.settings)
}

#[cfg(test)]
mod tests {
    use shim_core::settings::desktop::Theme;

    use super::*;

    #[test]
    fn what_stands_in_the_file_is_set_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Some(Settings::default()));
        let write = |text: &str| std::fs::write(folder.path().join(SETTINGS_FILE), text).unwrap();
        write("[desktop]\ntheme = \"dark\"\nautostart = true\n");
        let dark = Desktop { theme: Theme::Dark, autostart: true, ..Desktop::default() };
        assert_eq!(read(folder.path()), Some(Settings { desktop: dark, ..Settings::default() }));
        write("[desktop]\ntheme = \"pink\"\n");
        assert_eq!(read(folder.path()), None);
    }
}
