//! A client's settings file: read whole, and replaced at once, with its mode and behind its links. What
//! changed meanwhile is never written over.

use std::{
    fs::{self, Metadata, OpenOptions},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use shim_core::chats::Client;

/// The largest file that is edited, in bytes: `~/.claude.json` grows with every project.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;

pub enum NotWritten {
    /// Somebody wrote it since it was read.
    Changed,
    Refused(String),
}

impl NotWritten {
    pub fn io(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| {
            Self::Refused(format!("{what} cannot be written ({error}): make room or make it writable"))
        }
    }
}

pub struct SettingsFile {
    /// The file itself, behind all links.
    pub path: PathBuf,
    /// `None` where there is no file.
    pub text: Option<String>,
    meta: Option<Metadata>,
}

impl SettingsFile {
    pub fn open(named: &Path) -> Result<Self, NotWritten> {
        let refused = |why: String| Err(NotWritten::Refused(why));
        let path = match named.canonicalize() {
            Ok(path) => path,
            Err(_) if named.is_symlink() => {
                return refused(
                    "it is a link to a file that is not there: remove the link or make the file".to_owned(),
                );
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { path: real(named), text: None, meta: None });
            }
            Err(error) => return refused(format!("it cannot be read ({error}): make it readable")),
        };
        let meta = fs::metadata(&path).map_err(unreadable)?;
        if !meta.is_file() {
            return refused("it is no ordinary file".to_owned());
        }
        if meta.len() > FILE_BYTES_MAX {
            return refused(format!("it is larger than {} MiB: edit it by hand", FILE_BYTES_MAX >> 20));
        }
        let mut bytes = Vec::new();
        let opened = crate::paths::open_regular(&path).map_err(unreadable)?;
        opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, text: Some(text), meta: Some(meta) }),
            Err(error) => {
                let sound = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                let line = sound.iter().filter(|byte| **byte == b'\n').count() + 1;
                refused(format!("line {line} is not UTF-8 text: mend it first"))
            }
        }
    }

    /// A file that its owner made read-only stays as it is, even where the system would allow it.
    pub fn may_be_written(&self) -> Result<(), NotWritten> {
        let is_read_only = |meta: &Metadata| meta.permissions().readonly();
        if self.meta.as_ref().is_some_and(is_read_only) {
            return Err(NotWritten::Refused("it is read-only: make it writable first".to_owned()));
        }
        let folder = self.path.parent().and_then(|folder| Some((folder, fs::metadata(folder).ok()?)));
        match folder {
            Some((folder, meta)) if is_read_only(&meta) && cfg!(unix) => Err(NotWritten::Refused(format!(
                "its folder {} is read-only: make it writable first",
                folder.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Puts a text in the file's place, or takes the file away.
    pub fn put(&self, text: Option<&str>) -> Result<(), NotWritten> {
        let Some(text) = text else {
            self.is_as_read()?;
            return fs::remove_file(&self.path).map_err(NotWritten::io("it"));
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if self.meta.is_none() {
            fs::create_dir_all(folder).map_err(NotWritten::io("its folder"))?;
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = folder.join(format!(".{name}.shim-{}", std::process::id()));
        let written = self.write_beside(&beside, text).map_err(NotWritten::io("its folder"));
        let put = written
            .and_then(|()| self.is_as_read())
            .and_then(|()| fs::rename(&beside, &self.path).map_err(NotWritten::io("it")));
        if put.is_err() {
            let _ = fs::remove_file(&beside);
        }
        #[cfg(unix)]
        let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
        put
    }

    fn write_beside(&self, beside: &Path, text: &str) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(beside)?;
        if let Some(meta) = &self.meta {
            keep_owner(beside, meta)?;
            file.set_permissions(meta.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    fn is_as_read(&self) -> Result<(), NotWritten> {
        let now = match fs::read(&self.path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(error)),
        };
        if now.as_deref() == self.text.as_deref().map(str::as_bytes) {
            Ok(())
        } else {
            Err(NotWritten::Changed)
        }
    }
}

/// Where a file that is not there yet will be: behind the links that lead to it.
fn real(named: &Path) -> PathBuf {
    let there =
        named.ancestors().skip(1).find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    let below = there.and_then(|(ancestor, real)| Some(real.join(named.strip_prefix(ancestor).ok()?)));
    below.unwrap_or_else(|| named.to_owned())
}

fn unreadable(error: std::io::Error) -> NotWritten {
    NotWritten::Refused(format!("it cannot be read ({error}): make it readable"))
}

/// With `sudo` a file would else become another user's.
#[cfg(unix)]
fn keep_owner(beside: &Path, meta: &Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let ours = fs::metadata(beside)?;
    if (ours.uid(), ours.gid()) == (meta.uid(), meta.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(beside, Some(meta.uid()), Some(meta.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_beside: &Path, _meta: &Metadata) -> std::io::Result<()> {
    Ok(())
}

/// The folder that Claude Code makes beside `~/.claude.json` while it writes it.
pub struct ClientsLock(PathBuf);

/// How long another holder is waited for, and how old a lock of a dead one may be.
const LOCK_WAIT: Duration = Duration::from_secs(3);
const LOCK_STALE: Duration = Duration::from_secs(10);
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(20);

impl ClientsLock {
    /// `None` where the client has no such lock, or does not give it up: the file is compared anyway.
    pub fn take(client: Client, file: &Path) -> Option<Self> {
        if client != Client::ClaudeCode || !file.ends_with(".claude.json") {
            return None;
        }
        let lock = file.with_file_name(".claude.json.lock");
        let since = Instant::now();
        while since.elapsed() < LOCK_WAIT {
            match fs::create_dir(&lock) {
                Ok(()) => return Some(Self(lock)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && !is_stale(&lock) => {
                    std::thread::sleep(LOCK_LOOK_EVERY);
                }
                Err(_) => return None,
            }
        }
        None
    }
}

fn is_stale(lock: &Path) -> bool {
    let modified = fs::metadata(lock).and_then(|meta| meta.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LOCK_STALE))
}

impl Drop for ClientsLock {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
