//! `config.toml` while the engine runs: shown, changed from the pages and the command line, and taken over when its
//! user edited it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use shim_api::{
    ApiError,
    error::ErrorCode,
    events::Event,
    home::SETTINGS_FILE,
    settings::{Setting, SettingsChange, SettingsView},
};
use shim_core::{
    journal::Seen,
    settings::{self, Value, Wrong, keys},
};

use crate::{
    home::read_settings,
    paths,
    run::{Handle, Watch},
};

/// The text before the last change from here.
const BEFORE: &str = "config.toml.before";

/// What the watch knows of the file.
#[derive(Default)]
pub struct SettingsFile {
    /// As it was when it was read last.
    seen: Option<Seen>,
    /// Why it was not taken over.
    wrong: Option<String>,
}

impl SettingsFile {
    pub fn of(home: &Path) -> Self {
        Self { seen: seen(home), wrong: None }
    }
}

fn seen(home: &Path) -> Option<Seen> {
    fs::metadata(home.join(SETTINGS_FILE)).ok().map(|meta| paths::seen(&meta))
}

impl Watch {
    /// Takes over what its user wrote into the file since it was read.
    pub fn look_at_settings(&mut self) {
        let seen = seen(&self.home.path);
        if seen != self.settings_file.seen {
            self.settings_file.seen = seen;
            let read = read_settings(&self.home.path);
            self.settings_file.wrong =
                read.as_ref().err().map(|error| format!("{error}\nWhat was set before holds on."));
            if let Ok(file) = read {
                self.experiments_hear_settings(file.settings.experiments_auto, &file.set);
                self.take_over(file.settings);
            }
        }
        if let Some(wrong) = self.settings_file.wrong.clone() {
            self.warn(wrong);
        }
    }

    fn take_over(&mut self, settings: settings::Settings) {
        if *self.home.settings() == settings {
            return;
        }
        self.supervisor.set_window(settings.restore_window);
        self.policy.set_rules(settings.policy.clone());
        self.home.set(settings);
        tracing::info!("the settings were changed");
        self.handle.tell(Event::SettingsChanged);
    }

    fn change_settings(&mut self, change: &SettingsChange) -> Result<(), ApiError> {
        let path = file(&self.home.path);
        let before = read(&path)?;
        let text = change.text.as_ref().unwrap_or(&before);
        let after = settings::edit(text, &change.changes).map_err(|wrong| not_right(&wrong))?;
        if after != before {
            let backups = self.home.path.join("backups");
            paths::make_private_folder(&backups)
                .and_then(|()| paths::write_whole(&backups.join(BEFORE), before.as_bytes()))
                .and_then(|()| paths::write_whole(&path, after.as_bytes()))
                .map_err(|error| failed(&path, "written", &error))?;
        }
        self.look_at_settings();
        Ok(())
    }
}

/// Where the file lies: its user may have put a link in its place.
fn file(home: &Path) -> PathBuf {
    let path = home.join(SETTINGS_FILE);
    fs::canonicalize(&path).unwrap_or(path)
}

fn read(path: &Path) -> Result<String, ApiError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(failed(path, "read", &error)),
    }
}

fn failed(path: &Path, what: &str, error: &io::Error) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("{} cannot be {what}: {error}", path.display()))
}

fn not_right(wrong: &[Wrong]) -> ApiError {
    let lines: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    let message = format!("nothing was changed: {}", lines.join("; "));
    ApiError { details: serde_json::json!(wrong), ..ApiError::new(ErrorCode::BadRequest, message) }
}

pub fn view(handle: &Handle) -> Result<SettingsView, ApiError> {
    let path = file(&handle.home.path);
    let text = read(&path)?;
    let (set, wrong) = match settings::parse(&text) {
        Ok(file) => (file.set, Vec::new()),
        Err(wrong) => (BTreeMap::new(), wrong),
    };
    let at_start = &handle.home.set_at_start;
    let waits = |key: &settings::Key, value: Option<&Value>| {
        let in_force = |value: Option<&Value>| value.cloned().unwrap_or_else(|| key.default());
        key.is_read_once() && in_force(value) != in_force(at_start.get(key.name))
    };
    let keys = keys().map(|key| {
        let value = set.get(key.name);
        Setting {
            name: key.name.to_owned(),
            about: key.about.to_owned(),
            takes: key.takes(),
            default: key.default(),
            value: value.cloned(),
            waits_for_start: waits(key, value),
        }
    });
    Ok(SettingsView { path: path.display().to_string(), text, keys: keys.collect(), wrong })
}

/// What is changed holds when this returns, but for what is read once.
pub fn change(handle: &Handle, change: SettingsChange) -> Result<SettingsView, ApiError> {
    handle.call(move |watch| watch.change_settings(&change))??;
    view(handle)
}
