//! What SHIM remembers of each settings file it wrote: how it was before, how it was left, and a back-up
//! of every state it replaced. All in the data folder, readable by the user only.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shim_core::{
    chats::Client,
    install::{Part, Wanted},
    time::Timestamp,
};

use super::file::SettingsFile;
use crate::{
    paths::{self, make_private_folder, write_whole},
    run::now,
};

pub const BACKUPS_FOLDER: &str = "backups";
const RECORDS_FOLDER: &str = "installs";
/// Back-ups kept; the oldest go first.
const BACKUPS_MAX: usize = 50;

pub struct Record {
    pub file: PathBuf,
    pub client: Client,
    pub parts: Vec<Part>,
    pub at: Timestamp,
    /// The text without SHIM; `None` where SHIM made the file.
    pub before: Option<String>,
    /// SHA-256 of the text as SHIM left it.
    after: String,
}

/// A record as it lies on disk; the text from before lies beside it.
#[derive(Serialize, Deserialize)]
struct Stored {
    file: PathBuf,
    client: Client,
    parts: Vec<Part>,
    at: Timestamp,
    made_by_shim: bool,
    after: String,
}

impl Record {
    pub fn new(
        file: &Path,
        wanted: &Wanted<'_>,
        before: Option<String>,
        after: &str,
        parts: Vec<Part>,
    ) -> Self {
        let (client, after) = (wanted.client, sha256(after.as_bytes()));
        Self { file: file.to_owned(), client, parts, at: now(), before, after }
    }

    /// Whether a text is what SHIM left.
    pub fn is_of(&self, text: &str) -> bool {
        self.after == sha256(text.as_bytes())
    }

    pub fn read(home: &Path, file: &Path) -> Option<Self> {
        Self::read_at(&place(home, file)).filter(|record| record.file == file)
    }

    fn read_at(path: &Path) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let Stored { file, client, parts, at, made_by_shim, after } = stored;
        let before =
            if made_by_shim { None } else { Some(fs::read_to_string(path.with_extension("before")).ok()?) };
        Some(Self { file, client, parts, at, before, after })
    }

    pub fn all(home: &Path) -> Vec<Self> {
        let entries = fs::read_dir(home.join(RECORDS_FOLDER)).into_iter().flatten().filter_map(Result::ok);
        let paths = entries.map(|entry| entry.path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        paths.sort();
        paths.iter().filter_map(|path| Self::read_at(path)).collect()
    }

    /// Writes it down; one without parts is taken away.
    pub fn keep(&self, home: &Path) -> io::Result<()> {
        let path = place(home, &self.file);
        if self.parts.is_empty() {
            for gone in [path.with_extension("before"), path] {
                fs::remove_file(gone).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })?;
            }
            return Ok(());
        }
        make_private_folder(&home.join(RECORDS_FOLDER))?;
        if let Some(before) = &self.before {
            write_whole(&path.with_extension("before"), before.as_bytes())?;
        }
        let Self { file, client, parts, at, before, after } = self;
        let stored = Stored {
            file: file.clone(),
            client: *client,
            parts: parts.clone(),
            at: *at,
            made_by_shim: before.is_none(),
            after: after.clone(),
        };
        write_whole(&path, &serde_json::to_vec_pretty(&stored)?)
    }
}

fn place(home: &Path, file: &Path) -> PathBuf {
    let name: String = sha256(&paths::to_bytes(file)).chars().take(16).collect();
    home.join(RECORDS_FOLDER).join(format!("{name}.json"))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps a copy of the file as it is. `None` where there is no file.
pub fn back_up(home: &Path, client: Client, file: &SettingsFile) -> io::Result<Option<PathBuf>> {
    let Some(text) = &file.text else { return Ok(None) };
    let folder = home.join(BACKUPS_FOLDER);
    make_private_folder(&folder)?;
    let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let time = now().to_string().replace(':', "");
    let backup = folder.join(format!("{time}-{}-{}", client.name(), name.trim_start_matches('.')));
    write_whole(&backup, text.as_bytes())?;
    drop_oldest(&folder);
    Ok(Some(backup))
}

fn drop_oldest(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names.iter().take(names.len().saturating_sub(BACKUPS_MAX)) {
        let _ = fs::remove_file(folder.join(name));
    }
}
