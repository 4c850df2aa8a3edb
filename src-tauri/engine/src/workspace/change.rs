//! Brings a working tree from one kept state to another: what differs, what would be lost, and the change itself.
//! The user's index is neither read nor written.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use shim_api::workspace::Change;
use shim_store::faults;

use super::Folders;
use crate::{
    paths,
    snapshots::{
        git::{Git, GitError},
        take::is_real_folder,
    },
};

/// Entries of a folder that stands in a file's place that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// A name in which two trees differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    pub name: Vec<u8>,
    pub change: Change,
    /// A repository of its own: only its commit is in the tree.
    pub is_repository: bool,
    /// What the first tree holds: its mode and its blob.
    from: (String, String),
}

/// What changes on the way from one tree or commit to another.
pub fn between(git: &Git<'_>, from: &str, to: &str) -> Result<Vec<Differs>, GitError> {
    /// The mode of a repository within a repository.
    const REPOSITORY: &str = "160000";
    let from = format!("{from}^{{tree}}");
    let to = format!("{to}^{{tree}}");
    let printed = git.run(&["diff-tree", "-r", "-z", "--no-renames", "--raw", &from, &to], None)?;
    let mut fields = printed.split(|byte| *byte == 0);
    let mut differs = Vec::new();
    // `:<mode> <mode> <id> <id> <letter>`, then the name.
    while let (Some(about), Some(name)) = (fields.next().filter(|about| !about.is_empty()), fields.next()) {
        let about = String::from_utf8_lossy(about);
        let change = match about.chars().last() {
            Some('A') => Change::Appears,
            Some('D') => Change::Removed,
            Some(_) | None => Change::Changes,
        };
        let mut words = about.trim_start_matches(':').split(' ').map(str::to_owned);
        let (mode, other) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is_repository = mode == REPOSITORY || other == REPOSITORY;
        let from = (mode, words.next().unwrap_or_default());
        differs.push(Differs { name: name.to_vec(), change, is_repository, from });
    }
    Ok(differs)
}

/// An ignored file, or one that was left out, where the change would take it away.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path} stands where a file is to be put back, and no snapshot holds it: move it away first; nothing was changed",
    path = .0.display()
)]
pub struct WouldBeLost(pub PathBuf);

/// Sets apart what would be lost: files that are not on disk as the present tree has them. git does not look at those
/// that its user told it to skip, and what lies outside a sparse checkout is in the tree alone.
pub fn held(
    git: &Git<'_>,
    top: &Path,
    names: &Path,
    differs: Vec<Differs>,
) -> Result<(Vec<Differs>, Vec<Differs>), GitError> {
    let is_file = |one: &Differs| one.change != Change::Appears && one.from.0.starts_with("100");
    let (files, others): (Vec<_>, Vec<_>) = differs.into_iter().partition(is_file);
    // A name with these is read otherwise by what hashes.
    let is_plain = |one: &Differs| !one.name.contains(&b'\n') && !one.name.starts_with(b"\"");
    let is_there =
        |one: &Differs| fs::symlink_metadata(path_of(top, one)).is_ok_and(|meta| meta.file_type().is_file());
    let (there, mut lost): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|one| is_plain(one) && is_there(one));
    let io = |why| GitError::Io { what: "hash-object".to_owned(), why };
    let lines: Vec<u8> = there.iter().flat_map(|one| one.name.iter().copied().chain([b'\n'])).collect();
    fs::write(names, lines).map_err(io)?;
    let hashed = git.run(&["hash-object", "--stdin-paths"], Some(names));
    let _ = fs::remove_file(names);
    let hashed = String::from_utf8_lossy(&hashed?).into_owned();
    let mut held = others;
    let mut ids = hashed.lines();
    for one in there {
        if ids.next() == Some(one.from.1.as_str()) { held.push(one) } else { lost.push(one) }
    }
    Ok((held, lost))
}

fn path_of(top: &Path, one: &Differs) -> PathBuf {
    top.join(paths::from_bytes(&one.name))
}

/// Refuses a change that would take away what no snapshot holds.
pub fn refuse_what_would_be_lost(top: &Path, differs: &[Differs]) -> Result<(), WouldBeLost> {
    let removed: BTreeSet<PathBuf> =
        differs.iter().filter(|one| one.change == Change::Removed).map(|one| path_of(top, one)).collect();
    for path in differs.iter().filter(|one| one.change == Change::Appears).map(|one| path_of(top, one)) {
        let mut before = path.ancestors().take_while(|above| *above != top);
        if let Some(lost) = before.find_map(|above| lost_at(above, above == path, &removed)) {
            return Err(WouldBeLost(lost));
        }
    }
    Ok(())
}

/// What lies here that must give way, and is not among what is removed.
fn lost_at(path: &Path, is_file: bool, removed: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.file_type().is_dir() {
        return (!removed.contains(path)).then(|| path.to_owned());
    }
    // A folder in which the file is to lie may stay; one in its place must be empty by then.
    if is_file { first_kept(path, removed, &mut ENTRIES_MAX.clone()) } else { None }
}

fn first_kept(folder: &Path, removed: &BTreeSet<PathBuf>, left: &mut usize) -> Option<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Some(folder.to_owned()) };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        *left = left.saturating_sub(1);
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_dir());
        let kept = match is_folder {
            _ if *left == 0 => Some(path),
            true => first_kept(&path, removed, left),
            false => (!removed.contains(&path)).then_some(path),
        };
        if kept.is_some() {
            return kept;
        }
    }
    None
}

/// Removes what is to go, then writes what is to be there.
pub fn apply(
    git: &Git<'_>,
    top: &Path,
    commit: &str,
    index: &Path,
    differs: &[Differs],
) -> Result<(), GitError> {
    let io = |why| GitError::Io { what: "workspace".to_owned(), why };
    let mut folders = Folders::new();
    for one in differs.iter().filter(|one| one.change == Change::Removed) {
        let path = path_of(top, one);
        // Never through a link that leads out of the tree.
        if is_real_folder(top, path.parent().unwrap_or(top), &mut folders) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
                Ok(()) | Err(_) => remove_empty(top, &path),
            }
        }
    }
    faults::boundary("workspace.removed");
    let mut names = Vec::new();
    for one in differs.iter().filter(|one| one.change != Change::Removed) {
        names.extend_from_slice(&one.name);
        names.push(0);
        clear_folder(&path_of(top, one));
    }
    if names.is_empty() {
        return Ok(());
    }
    let file = index.with_extension("names");
    paths::write_whole(&file, &names).map_err(io)?;
    let done = git
        .run(&["read-tree", &format!("{commit}^{{tree}}")], None)
        .and_then(|_| git.run(&["checkout-index", "-q", "-f", "-z", "--stdin"], Some(&file)));
    let _ = fs::remove_file(&file);
    done.map(drop)
}

/// Folders that hold nothing any more, up to the top.
fn remove_empty(top: &Path, path: &Path) {
    let above = path.ancestors().skip(1).take_while(|folder| *folder != top);
    for folder in above {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

/// A folder of empty folders in a file's place; one that holds anything stays, and git then says so.
fn clear_folder(path: &Path) {
    if !fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_dir()) {
        return;
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.for_each(|entry| clear_folder(&entry.path()));
    // It stays where something is in it.
    let _ = fs::remove_dir(path);
}

#[cfg(test)]
#[cfg(unix)]
#[path = "change_tests.rs"]
mod tests;
