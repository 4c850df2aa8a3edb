//! Makes a commit of a working tree as it lies, untracked files included, beside everything the user has: by an
//! index of SHIM's own, under a private reference. The user's index, HEAD, branches and stash are only read.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use shim_core::checkpoints::snapshots::{LeftOut, SnapshotPace, WhyLeftOut};
use shim_store::faults;

use super::git::{Git, GitError};
use crate::paths;

/// Files that may differ from the index at once: more is no work of a chat.
const FILES_MAX: usize = 50_000;
/// Files named as left out.
const LEFT_OUT_MAX: usize = 100;
/// Tries to take a tree that changes meanwhile.
const TRIES: usize = 3;

pub struct Wanted<'a> {
    /// Any folder within the work tree.
    pub folder: &'a Path,
    pub reference: &'a str,
    pub message: &'a str,
    /// A file of SHIM's own that may be written: the index of this snapshot.
    pub index: &'a Path,
    pub pace: &'a SnapshotPace,
    /// The tree and the head of the last one: where both are the same no new one is made.
    pub last: Option<(&'a str, Option<&'a str>)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// None: all is as in the last one.
    pub commit: Option<String>,
    pub tree: String,
    pub head: Option<String>,
    pub files: u64,
    pub bytes: u64,
    pub left_out: Vec<LeftOut>,
}

pub fn take(
    top: &Path,
    git_folder: &Path,
    wanted: &Wanted<'_>,
    stop: &AtomicBool,
) -> Result<Taken, GitError> {
    let pace = wanted.pace;
    let git = Git::new(top, pace.time_max, stop).with_index(wanted.index).without_filters()?;
    let result = into_index(&git, top, git_folder, wanted).and_then(|taken| {
        faults::boundary("snapshot.indexed");
        commit(&git, taken, wanted)
    });
    clear(wanted.index);
    result
}

/// The tree as it lies, kept by nothing.
pub fn look(
    top: &Path,
    git_folder: &Path,
    wanted: &Wanted<'_>,
    stop: &AtomicBool,
) -> Result<Taken, GitError> {
    let git = Git::new(top, wanted.pace.time_max, stop).with_index(wanted.index).without_filters()?;
    let result = into_index(&git, top, git_folder, wanted);
    clear(wanted.index);
    result
}

/// Takes SHIM's own files of one snapshot away.
pub fn clear(index: &Path) {
    // The last is git's own, should it have been killed while it wrote.
    for left in [index.to_owned(), names_beside(index), index.with_extension("index.lock")] {
        // What is not there need not go; what stays is removed in a week.
        let _ = fs::remove_file(left);
    }
}

fn names_beside(index: &Path) -> PathBuf {
    index.with_extension("names")
}

/// Brings the index to what lies in the tree.
fn into_index(git: &Git<'_>, top: &Path, git_folder: &Path, wanted: &Wanted<'_>) -> Result<Taken, GitError> {
    let mut last = None;
    for _ in 0..TRIES {
        seed(git_folder, wanted.index)?;
        let mut taken = Taken::default();
        match add(git, top, wanted, &mut taken).and_then(|()| git.text(&["write-tree"])) {
            Ok(tree) => return Ok(Taken { tree, ..taken }),
            // A file came or went between being seen and being read.
            Err(error @ GitError::Failed { .. }) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or(GitError::Stopped))
}

/// A copy of the user's index, of the same age: what git knows of unchanged files saves reading them again.
fn seed(git_folder: &Path, index: &Path) -> Result<(), GitError> {
    let io = |why| GitError::Io { what: "index".to_owned(), why };
    let theirs = git_folder.join("index");
    let age = match fs::metadata(&theirs) {
        Ok(meta) => meta.modified().map_err(io)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let _ = fs::remove_file(index);
            return Ok(());
        }
        Err(error) => return Err(io(error)),
    };
    fs::copy(&theirs, index).map_err(io)?;
    let file = fs::File::options().write(true).open(index).map_err(io)?;
    // A file that was changed within the tick in which the index was written is told by the index's own age.
    file.set_modified(age).map_err(io)
}

fn add(git: &Git<'_>, top: &Path, wanted: &Wanted<'_>, taken: &mut Taken) -> Result<(), GitError> {
    let listed = git.run(&["ls-files", "-z", "-m", "-d", "-o", "--exclude-standard"], None)?;
    let names: BTreeSet<&[u8]> = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    if names.len() > FILES_MAX {
        return Err(GitError::Refused(format!(
            "{} files differ from the index, more than are kept",
            names.len()
        )));
    }
    let mut folders = HashMap::new();
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for name in names {
        match lies_at(top, name, wanted.pace.file_bytes_max, &mut folders) {
            Look::File { bytes } => {
                (taken.files, taken.bytes) = (taken.files + 1, taken.bytes + bytes);
                put(&mut here, name);
            }
            Look::Gone => {
                taken.files += 1;
                put(&mut gone, name);
            }
            Look::LeftOut { why, bytes } => {
                if taken.left_out.len() < LEFT_OUT_MAX {
                    let path = String::from_utf8_lossy(name).into_owned();
                    taken.left_out.push(LeftOut { path, why, bytes });
                }
            }
        }
    }
    if taken.bytes > wanted.pace.bytes_max {
        return Err(GitError::Refused(format!(
            "{} bytes differ from the index, more than checkpoints.snapshot_mib allows: ignore what is made by \
             programs, or commit",
            taken.bytes
        )));
    }
    update_index(git, wanted.index, "--force-remove", &gone)?;
    update_index(git, wanted.index, "--replace", &here)
}

fn put(names: &mut Vec<u8>, name: &[u8]) {
    names.extend_from_slice(name);
    names.push(0);
}

fn update_index(git: &Git<'_>, index: &Path, how: &str, names: &[u8]) -> Result<(), GitError> {
    if names.is_empty() {
        return Ok(());
    }
    let file = names_beside(index);
    paths::write_whole(&file, names).map_err(|why| GitError::Io { what: "update-index".to_owned(), why })?;
    git.run(&["update-index", "-z", "--add", "--remove", how, "--stdin"], Some(&file)).map(drop)
}

enum Look {
    File { bytes: u64 },
    Gone,
    LeftOut { why: WhyLeftOut, bytes: u64 },
}

/// What lies at a name that differs from the index. A name that ends in a slash is a repository of its own.
fn lies_at(top: &Path, name: &[u8], bytes_max: u64, folders: &mut HashMap<PathBuf, bool>) -> Look {
    let left_out = |why, bytes| Look::LeftOut { why, bytes };
    if name.ends_with(b"/") {
        return left_out(WhyLeftOut::Repository, 0);
    }
    let path = top.join(paths::from_bytes(name));
    // What lies behind a link is not of this tree: the folder that was there is gone.
    if !is_real_folder(top, path.parent().unwrap_or(top), folders) {
        return Look::Gone;
    }
    let Ok(meta) = fs::symlink_metadata(&path) else { return Look::Gone };
    let kind = meta.file_type();
    if kind.is_symlink() {
        Look::File { bytes: meta.len() }
    } else if kind.is_dir() {
        // A submodule, or files in the place of a file: those have names of their own.
        if path.join(".git").exists() { left_out(WhyLeftOut::Submodule, 0) } else { Look::Gone }
    } else if !kind.is_file() {
        left_out(WhyLeftOut::NoFile, 0)
    } else if meta.len() > bytes_max {
        left_out(WhyLeftOut::TooLarge, meta.len())
    } else if paths::open_regular(&path).is_err() {
        left_out(WhyLeftOut::Unreadable, meta.len())
    } else {
        Look::File { bytes: meta.len() }
    }
}

/// Whether every folder from the top to here is one, and no link to one.
pub fn is_real_folder(top: &Path, folder: &Path, known: &mut HashMap<PathBuf, bool>) -> bool {
    if folder == top {
        return true;
    }
    if let Some(known) = known.get(folder) {
        return *known;
    }
    let Some(parent) = folder.parent() else { return false };
    let real = is_real_folder(top, parent, known)
        && fs::symlink_metadata(folder).is_ok_and(|meta| meta.file_type().is_dir());
    known.insert(folder.to_owned(), real);
    real
}

fn commit(git: &Git<'_>, mut taken: Taken, wanted: &Wanted<'_>) -> Result<Taken, GitError> {
    taken.head = match crate::git::head(wanted.folder).commit {
        Some(head) => Some(head),
        // A repository whose references are kept in another form, or one without a commit.
        None => git.text(&["rev-parse", "-q", "--verify", "HEAD^{commit}"]).ok(),
    };
    if wanted.last == Some((taken.tree.as_str(), taken.head.as_deref())) {
        return Ok(taken);
    }
    let mut args = vec!["commit-tree", taken.tree.as_str(), "-m", wanted.message];
    args.extend(taken.head.as_deref().into_iter().flat_map(|head| ["-p", head]));
    let commit = git.text(&args)?;
    faults::boundary("snapshot.committed");
    // All zeros: it must not be there yet.
    let none = "0".repeat(commit.len());
    git.run(&["update-ref", "--no-deref", wanted.reference, &commit, &none], None)?;
    faults::boundary("snapshot.referred");
    taken.commit = Some(commit);
    Ok(taken)
}

/// Lets a reference go. The commit is collected by the user's own git in its time.
pub fn let_go(folder: &Path, reference: &str, stop: &AtomicBool) -> Result<(), GitError> {
    /// Longest that it may take.
    const TIME_MAX: std::time::Duration = std::time::Duration::from_secs(5);
    if !reference.starts_with(shim_core::checkpoints::snapshots::REFERENCES) || find_none(folder) {
        return Ok(());
    }
    Git::new(folder, TIME_MAX, stop).run(&["update-ref", "--no-deref", "-d", reference], None).map(drop)
}

fn find_none(folder: &Path) -> bool {
    super::git::find(folder).is_none()
}

#[cfg(test)]
#[cfg(unix)]
#[path = "take_tests.rs"]
mod tests;
