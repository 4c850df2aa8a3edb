//! What SHIM is about to do to a user's files, noted in the data folder before it is done. What an engine that died
//! left half done the next one finishes, or leaves as it is and says what to do; never over what was changed since.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use serde::{Deserialize, Serialize};
use shim_api::notices::Said;
use shim_core::chats::ChatId;

use crate::{
    clinic, paths,
    run::{Handle, Watch, now},
    workspace,
};

/// Notes, below the data folder.
pub const FOLDER: &str = "changes";
/// Notes taken up by one engine; each is of one command of the user's.
const NOTES_MAX: usize = 100;
/// Sentences about them that the doctor repeats.
const SAID_MAX: usize = 100;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// A kept tree that is put back in its place.
    Tree(Tree),
    /// A chat's file that is written.
    File {
        chat: ChatId,
        path: Vec<u8>,
        /// Where its bytes are written first.
        beside: Vec<u8>,
        /// The file as it was; none where it was not there.
        backup: Option<Vec<u8>>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tree {
    pub checkpoint: i64,
    /// The checkpoint of the state before.
    pub undo: i64,
    pub top: Vec<u8>,
    /// The state before and the one that is wanted.
    pub present: String,
    pub commit: String,
    /// Names that neither holds.
    pub out: BTreeSet<String>,
}

/// A change that is under way; noted until this is dropped.
pub struct Noted(PathBuf);

impl Drop for Noted {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!("{} could not be taken away: {error}", self.0.display());
        }
    }
}

/// Puts it on record before it is begun.
pub fn note(home: &Path, change: &Change) -> io::Result<Noted> {
    let folder = home.join(FOLDER);
    paths::make_private_folder(&folder)?;
    let file = folder.join(format!("{:015}-{}.json", now().ms().max(0), uuid::Uuid::new_v4().simple()));
    paths::write_whole(&file, &serde_json::to_vec(change)?)?;
    Ok(Noted(file))
}

/// What an engine before this one began and did not come to an end with.
pub fn left(home: &Path) -> Vec<(Noted, Change)> {
    let entries = fs::read_dir(home.join(FOLDER)).into_iter().flatten().filter_map(Result::ok);
    let whole = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let (mut files, unbegun): (Vec<_>, Vec<_>) = entries.map(|entry| entry.path()).partition(whole);
    files.sort();
    drop(unbegun.into_iter().map(Noted).collect::<Vec<_>>());
    let read = |file: PathBuf| {
        let change = serde_json::from_slice(&fs::read(&file).ok()?).ok();
        let noted = Noted(file);
        // One that is not whole was never begun.
        Some((noted, change?))
    };
    files.into_iter().take(NOTES_MAX).filter_map(read).collect()
}

/// Finishes it, or says how far it came.
pub fn finish(handle: &Handle, left: Vec<(Noted, Change)>, stop: &AtomicBool) {
    for (noted, change) in left {
        let said = match change {
            Change::Tree(tree) => workspace::finish(handle, &tree, stop),
            Change::File { chat, path, beside, backup } => {
                // It is there only if the engine died before the file was put in its place.
                let _ = fs::remove_file(paths::from_bytes(&beside));
                let backup = backup.map(|backup| paths::from_bytes(&backup));
                clinic::finish(handle, &chat, &paths::from_bytes(&path), backup.as_deref())
            }
        };
        drop(noted);
        let _ = handle.call(move |watch| watch.cut_short(said));
    }
}

impl Watch {
    /// Says what became of something under which an engine before this one ended.
    pub fn cut_short(&mut self, said: String) {
        self.notice(None, Said::CutShort { what: said.clone() });
        if self.cut_short.len() < SAID_MAX {
            self.cut_short.push(said);
        }
    }
}
