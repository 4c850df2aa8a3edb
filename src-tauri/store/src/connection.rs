//! Opening the database: its pragmas, each with its reason, and its versions.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, ffi::ErrorCode};
use rusqlite_migration::{M, Migrations};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path} was written by a newer SHIM (version {found}, this one knows {known}): update SHIM; nothing was changed", path = path.display())]
    Newer { path: PathBuf, found: i64, known: usize },
    #[error("{path} is damaged ({why}): move it aside and start again; SHIM rebuilds its journal from the clients' own files, and `sqlite3 {path} .recover` may save older chats", path = path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{path} cannot be opened: {why}; check that the folder is there and may be written, or name another with SHIM_HOME", path = path.display())]
    Unusable { path: PathBuf, why: String },
    #[error(
        "the disk that holds SHIM's data is full: free some space; what clients write stays in their own files until then"
    )]
    Full,
    #[error("too much is waiting to be written; it is tried again")]
    Busy,
    #[error("the journal holds damaged bytes: {0}")]
    Checksum(String),
    #[error("the store's writer has ended")]
    Closed,
    #[error("the database refused: {0}")]
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Sql(error),
        }
    }
}

/// Up to this size every page is looked at when the database is opened: about 100 ms. Of a larger one
/// only the schema; each chunk has a checksum of its own, and `shim doctor --verify` proves them all.
const CHECKED_BYTES_MAX: u64 = 64 * 1024 * 1024;

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("migrations/2026-11-21-first.sql")),
    M::up(include_str!("migrations/2026-11-21-hangs.sql")),
    M::up(include_str!("migrations/2026-11-21-signals.sql")),
    M::up(include_str!("migrations/2026-11-21-predictions.sql")),
    M::up(include_str!("migrations/2026-11-21-fingerprints.sql")),
    M::up(include_str!("migrations/2026-11-21-checkpoints.sql")),
    M::up(include_str!("migrations/2026-11-21-policy.sql")),
    M::up(include_str!("migrations/2026-11-21-holders.sql")),
    M::up(include_str!("migrations/2026-11-30-experiments.sql")),
    M::up(include_str!("migrations/2026-12-01-experiment-states.sql")),
];

/// The version that this program writes.
pub const DATABASE_VERSION: usize = MIGRATIONS.len();

pub fn open(path: &Path) -> Result<Connection, StoreError> {
    refuse_strangers(path)?;
    let failed = |error: rusqlite::Error| failed(path, &error);
    let mut connection = Connection::open(path).map_err(failed)?;
    only_for_the_user(path);
    // A commit writes whole pages, and most commits change a few small rows. Must come before any table.
    connection.pragma_update(None, "page_size", 1024).map_err(failed)?;
    // Space of dropped chats can be given back without rewriting the file. Must come before any table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    // Readers never wait for the writer.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    // A crash or checkpoint is acknowledged only when it survives a power loss.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    // Pages that many commits touch are copied into the file once per 16 MiB of log, not each time.
    connection.pragma_update(None, "wal_autocheckpoint", 16_384).map_err(failed)?;
    // After a burst the log shrinks to this again.
    connection.pragma_update(None, "journal_size_limit", 32 * 1024 * 1024).map_err(failed)?;
    // 2 MiB of pages: indexing only appends, and the engine must stay small.
    connection.pragma_update(None, "cache_size", -2048).map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    Migrations::from_slice(MIGRATIONS).to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => failed(err),
        other => StoreError::Damaged { path: path.to_owned(), why: other.to_string() },
    })?;
    Ok(connection)
}

pub fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|error| failed(path, &error))?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -1024)?;
    Ok(connection)
}

/// Looks at an existing file read-only first, so that one that is not ours to change is not changed.
fn refuse_strangers(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    let failed = |error: rusqlite::Error| failed(path, &error);
    // The power went while the file was made: what was begun must be rolled back before anything can be read.
    let half_made = beside(path, "-journal").exists();
    let access = if half_made { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let connection = Connection::open_with_flags(path, access).map_err(failed)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = DATABASE_VERSION;
    if usize::try_from(found).map_or(true, |found| found > known) {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let check = if size <= CHECKED_BYTES_MAX {
        "PRAGMA quick_check(1)"
    } else {
        "SELECT 'ok' FROM sqlite_schema LIMIT 1"
    };
    let verdict: Option<String> =
        connection.query_row(check, [], |row| row.get(0)).optional().map_err(failed)?;
    match verdict.as_deref() {
        None | Some("ok") => Ok(()),
        Some(why) => Err(StoreError::Damaged { path: path.to_owned(), why: why.to_owned() }),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(path: &Path, error: &rusqlite::Error) -> StoreError {
    let (path, why) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, why },
        Some(ErrorCode::DiskFull) => StoreError::Full,
        _ => StoreError::Unusable { path, why },
    }
}

/// Transcripts hold secrets.
fn only_for_the_user(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The folder is 0700 already; where a file system knows no modes there is nothing to set.
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
    }
    #[cfg(not(unix))]
    let _ = path;
}
