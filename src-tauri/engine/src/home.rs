//! The data folder of one engine: its lock, settings and database.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use shim_api::home::{DATABASE_FILE, ENGINE_FILE, LOCK_FILE, SETTINGS_FILE, read_engine_file};
use shim_core::{
    settings::{self, Settings, Value},
    time::Timestamp,
};
use shim_store::{Store, StoreError};

use crate::{
    autostart::By,
    demo::{self, Demo},
    hooks::{CONTEXTS_FOLDER, NOTES_FOLDER},
    paths::make_private_folder,
    snapshots,
};

/// How long an engine that is gone may still seem to hold the data folder.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("the data folder {path} cannot be used: {why}; make it writable, or name another with SHIM_HOME or --home", path = path.display())]
    Folder { path: PathBuf, why: std::io::Error },
    #[error("another engine{pid} runs on {path}: use it (`shim status`), or end it first", pid = running_as(*pid), path = path.display())]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error("{path} is not right; mend it or remove it:\n{wrong}", path = path.display())]
    Settings { path: PathBuf, wrong: String },
    #[error("SHIM cannot tell where its own program lies ({0}): start it by its full path")]
    Program(std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn running_as(pid: Option<u32>) -> String {
    pid.map_or(String::new(), |pid| format!(" (process {pid})"))
}

/// An opened data folder. Held by at most one engine at a time.
pub struct Home {
    pub path: PathBuf,
    /// What is set now.
    settings: RwLock<Arc<Settings>>,
    /// What stood in the file when the engine started.
    pub set_at_start: BTreeMap<&'static str, Value>,
    pub store: Store,
    /// SHIM's own program, by the name it had at the start: an update may put another file there while it runs.
    pub program: PathBuf,
    /// Who keeps this engine running: what would end it is not asked of the system in its own name.
    pub kept_by: By,
    /// A recorded week is shown, and nothing of this machine.
    pub demo: Option<Demo>,
    /// When the data folder was made, where the file system says so.
    pub made: Option<Timestamp>,
    /// Held, not read: the lock ends with the engine, however that ends.
    _lock: File,
}

impl Home {
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let folder = |why| HomeError::Folder { path: path.to_owned(), why };
        make_private_folder(path).map_err(folder)?;
        let file = read_settings(path)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(folder)?;
        if let Err(error) = taken(&lock) {
            return Err(match error {
                TryLockError::WouldBlock => HomeError::Locked {
                    path: path.to_owned(),
                    pid: read_engine_file(path).map(|file| file.pid),
                },
                TryLockError::Error(why) => folder(why),
            });
        }
        let store = Store::open(&path.join(DATABASE_FILE), file.settings.journal_commit)?;
        for inner in ["restores", "workers", NOTES_FOLDER, CONTEXTS_FOLDER, snapshots::FOLDER] {
            make_private_folder(&path.join(inner)).map_err(folder)?;
        }
        let program = std::env::current_exe().map_err(HomeError::Program)?;
        Ok(Self {
            path: path.to_owned(),
            settings: RwLock::new(Arc::new(file.settings)),
            set_at_start: file.set,
            store,
            program,
            kept_by: By::Engine,
            demo: demo::read(path),
            made: made(path),
            _lock: lock,
        })
    }

    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

/// Takes the lock, which Windows lets go of a while after the death of who held it
/// (<https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex>).
fn taken(lock: &File) -> Result<(), TryLockError> {
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WAIT => thread::sleep(LOCK_EVERY),
            told => return told,
        }
    }
}

fn made(path: &Path) -> Option<Timestamp> {
    let made = std::fs::metadata(path).ok()?.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_ms(i64::try_from(made.as_millis()).ok()?))
}

impl Drop for Home {
    fn drop(&mut self) {
        // Without it a client would knock at a port that may be another program's by then.
        let _ = std::fs::remove_file(self.path.join(ENGINE_FILE));
    }
}

pub fn read_settings(home: &Path) -> Result<settings::File, HomeError> {
    let path = home.join(SETTINGS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(why) if why.kind() == std::io::ErrorKind::InvalidData => {
            return Err(HomeError::Settings { path, wrong: "  it is not UTF-8 text".to_owned() });
        }
        Err(why) => return Err(HomeError::Folder { path, why }),
    };
    let mut file = settings::parse(&text).map_err(|wrong| {
        let lines: Vec<_> = wrong.iter().map(|wrong| format!("  {wrong}")).collect();
        HomeError::Settings { path, wrong: lines.join("\n") }
    })?;
    file.settings = with_home(file.settings);
    Ok(file)
}

/// `~/` stands for the user's home in every path of the settings.
fn with_home(mut settings: Settings) -> Settings {
    let Some(user) = std::env::home_dir() else { return settings };
    let expanded = |path: &Path| match path.strip_prefix("~") {
        Ok(rest) => user.join(rest),
        Err(_) => path.to_owned(),
    };
    let homes = settings.clients.iter_mut().flat_map(|client| &mut client.homes);
    for path in homes.chain(&mut settings.watch_within) {
        *path = expanded(path);
    }
    for client in &mut settings.clients {
        client.command = expanded(Path::new(&client.command)).to_string_lossy().into_owned();
    }
    settings
}
