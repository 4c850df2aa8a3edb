//! Paths as bytes for the store, and what a file system says of a file.

use std::{
    fs::{File, Metadata},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use shim_core::{journal::Seen, time::Timestamp};

#[cfg(unix)]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
pub fn from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
pub fn from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// The one path of what `path` leads to. On Windows in the form that other programs understand, without
/// `\\?\`, where there is one.
pub fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    dunce::canonicalize(path)
}

/// Opens a file for reading. A pipe, a device or a link in its place is an error, and never waited for.
pub fn open_regular(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is no ordinary file")) }
}

/// When the file was last written; the beginning of time where that is not to be had.
pub fn modified(path: &Path) -> Timestamp {
    let ns = std::fs::metadata(path).map_or(0, |meta| seen(&meta).modified_ns);
    Timestamp::from_ms(i64::try_from(ns / 1_000_000).unwrap_or(0))
}

pub fn seen(meta: &Metadata) -> Seen {
    let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let modified_ns = modified.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
    Seen { bytes: meta.len(), file_number: file_number(meta), modified_ns }
}

#[cfg(unix)]
fn file_number(meta: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    meta.ino()
}

/// Where the file system's number is not to be had, the time of creation tells a replaced file.
#[cfg(not(unix))]
fn file_number(meta: &Metadata) -> u64 {
    let created = meta.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    created.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// Writes a file so that it is there whole or not at all, readable only by the user.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let beside = beside(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    take_the_place(&beside, path)
}

/// Until when a file that somebody reads at this moment, or whose reader has just died, is tried to be replaced.
#[cfg(windows)]
const REPLACED_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Windows refuses to put a file in the place of one that is open.
#[cfg(windows)]
fn take_the_place(of: &Path, path: &Path) -> std::io::Result<()> {
    let began = std::time::Instant::now();
    loop {
        match std::fs::rename(of, path) {
            Err(error)
                if error.kind() == std::io::ErrorKind::PermissionDenied
                    && began.elapsed() < REPLACED_WITHIN =>
            {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            renamed => return renamed,
        }
    }
}

#[cfg(not(windows))]
fn take_the_place(of: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::rename(of, path)
}

/// Where the bytes of a file are written before it takes its place.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".shim-new");
    path.with_file_name(name)
}

/// A folder that only the user may enter.
pub fn make_private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}
