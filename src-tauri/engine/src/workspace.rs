//! What a checkpoint kept of the working tree: shown, put into a new worktree, or put back in its place after the
//! present state was kept too. Files that no snapshot holds are never overwritten or removed.

mod change;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{atomic::AtomicBool, mpsc::channel},
    time::Duration,
};

use shim_api::{
    ApiError,
    error::ErrorCode,
    workspace::{Change, Changes, Destination, FileChange, Kept, PutBack, WorkspaceRequest},
};
use shim_core::{chats::ChatId, checkpoints::snapshots::SnapshotState};
use shim_store::{CheckpointRow, SnapshotRow, faults};

use crate::{
    changes, paths,
    run::{Handle, Watch},
    snapshots::{
        self,
        git::{self, Git, GitError},
        list, take,
    },
    sweep::shown,
    views,
};
use change::{Differs, between};

/// Longest that putting files somewhere may take; the user's own filters run here.
const PUT_TIME_MAX: Duration = Duration::from_secs(10 * 60);
/// Longest that looking may take.
const LOOK_TIME_MAX: Duration = Duration::from_secs(30);
/// Files named in an answer.
const NAMED_MAX: usize = 1000;
/// Longer than keeping a workspace may take, for the queue before it.
const QUEUE_WAIT: Duration = Duration::from_secs(30);

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Refused, message)
}

fn git_error(error: &GitError) -> ApiError {
    refused(error.to_string())
}

fn find(handle: &Handle, checkpoint: i64) -> Result<(CheckpointRow, SnapshotRow), ApiError> {
    let (row, snapshot) = handle
        .home
        .store
        .read(|store| {
            let row = store.checkpoint(checkpoint)?;
            let of = row.as_ref().and_then(|row| row.snapshot.as_ref()).map(|snapshot| snapshot.id);
            let snapshot = of.map(|id| store.snapshot(id)).transpose()?.flatten();
            Ok((row, snapshot))
        })
        .map_err(views::store_error)?;
    let gone = |what: String| ApiError::new(ErrorCode::NotFound, what);
    let row = row.ok_or_else(|| {
        gone(format!("there is no checkpoint {checkpoint}; `shim checkpoints CHAT` lists a chat's"))
    })?;
    let snapshot = snapshot.ok_or_else(|| {
        gone(format!("nothing of the working tree was kept with checkpoint {checkpoint}; `shim checkpoints {}` shows with which it was", row.checkpoint.chat))
    })?;
    Ok((row, snapshot))
}

/// What was kept with a checkpoint.
pub fn look(handle: &Handle, checkpoint: i64) -> Result<Kept, ApiError> {
    let (row, snapshot) = find(handle, checkpoint)?;
    let folder = paths::from_bytes(&snapshot.folder);
    let changes = match snapshot.outcome.state {
        SnapshotState::Kept => since_head(&folder, &snapshot).unwrap_or_default(),
        SnapshotState::Listed => since_listed(handle, &folder, &snapshot),
        SnapshotState::Begun | SnapshotState::Failed | SnapshotState::Expired => Changes::default(),
    };
    let outcome = snapshot.outcome;
    Ok(Kept {
        checkpoint,
        chat: row.checkpoint.chat,
        trigger: row.checkpoint.trigger,
        at: snapshot.at,
        folder: shown(&folder),
        state: outcome.state,
        reference: snapshot.reference,
        commit: outcome.commit,
        head: outcome.head,
        files: outcome.files,
        bytes: outcome.bytes,
        left_out: outcome.left_out,
        listed: outcome.listed,
        error: outcome.error,
        took_ms: outcome.took_us as f64 / 1000.0,
        changes,
    })
}

fn since_head(folder: &Path, snapshot: &SnapshotRow) -> Option<Changes> {
    let (commit, head) = (snapshot.outcome.commit.as_deref()?, snapshot.outcome.head.as_deref()?);
    let never = AtomicBool::new(false);
    let differs = between(&Git::new(folder, LOOK_TIME_MAX, &never), head, commit).ok()?;
    Some(named(&differs))
}

/// Which of the listed files are no longer as they were.
fn since_listed(handle: &Handle, folder: &Path, snapshot: &SnapshotRow) -> Changes {
    let pace = &handle.home.settings().checkpoints.snapshot;
    let mut room = pace.bytes_max;
    let mut changes = Changes::default();
    for file in &snapshot.outcome.listed {
        let present = list::look(folder, &file.path, pace.file_bytes_max, &mut room);
        let change = match (file.bytes, present.bytes) {
            (None, Some(_)) => Change::Appears,
            (Some(_), None) => Change::Removed,
            _ if present == *file => continue,
            _ => Change::Changes,
        };
        changes.files.push(FileChange { path: file.path.clone(), change });
    }
    changes.total = changes.files.len() as u64;
    changes
}

fn named(differs: &[Differs]) -> Changes {
    let each = differs
        .iter()
        .take(NAMED_MAX)
        .map(|one| FileChange { path: String::from_utf8_lossy(&one.name).into_owned(), change: one.change });
    Changes { files: each.collect(), total: differs.len() as u64 }
}

/// Puts a kept working tree somewhere.
pub fn put_back(handle: &Handle, request: &WorkspaceRequest) -> Result<PutBack, ApiError> {
    let (row, snapshot) = find(handle, request.checkpoint)?;
    let folder = paths::from_bytes(&snapshot.folder);
    let commit = whole_commit(&folder, &snapshot)?;
    match &request.into {
        Destination::Worktree(into) => worktree(request, &folder, &commit, Path::new(into)),
        Destination::InPlace => in_place(handle, request, &row.checkpoint.chat, &snapshot, commit),
    }
}

/// The commit, if all of it is still in the repository.
fn whole_commit(folder: &Path, snapshot: &SnapshotRow) -> Result<String, ApiError> {
    let outcome = &snapshot.outcome;
    let commit = match (outcome.state, &outcome.commit) {
        (SnapshotState::Kept, Some(commit)) => commit.clone(),
        (SnapshotState::Listed, _) => {
            let why = outcome.error.as_deref().unwrap_or("no git repository holds the folder");
            return Err(refused(format!(
                "only a list of files with their hashes was kept, since {why}; there are no files to put back"
            )));
        }
        (SnapshotState::Begun, _) => return Err(refused("it is being kept; try again in a moment")),
        (SnapshotState::Expired, _) => {
            return Err(refused("it made room for newer ones; `shim checkpoints` shows which are kept"));
        }
        (SnapshotState::Failed | SnapshotState::Kept, _) => {
            return Err(refused(format!(
                "it could not be kept: {}",
                outcome.error.as_deref().unwrap_or("why is not known")
            )));
        }
    };
    let never = AtomicBool::new(false);
    let git = Git::new(folder, LOOK_TIME_MAX, &never);
    git.text(&["cat-file", "-e", &format!("{commit}^{{tree}}")]).map_err(|error| {
        refused(format!("{} no longer holds commit {commit} ({error})", folder.display()))
    })?;
    Ok(commit)
}

/// A worktree of the user's repository: `git worktree list` shows it and `git worktree remove` takes it away.
fn worktree(request: &WorkspaceRequest, top: &Path, commit: &str, into: &Path) -> Result<PutBack, ApiError> {
    if !into.is_absolute() {
        return Err(ApiError::new(ErrorCode::BadRequest, format!("{} is no absolute path", into.display())));
    }
    let is_free = match std::fs::read_dir(into) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(refused(format!("{} is there and not an empty folder: name another", into.display())));
    }
    if !request.dry_run {
        let never = AtomicBool::new(false);
        let git = Git::new(top, PUT_TIME_MAX, &never);
        let args = [
            "worktree".as_ref(),
            "add".as_ref(),
            "--detach".as_ref(),
            "--".as_ref(),
            into.as_os_str(),
            commit.as_ref(),
        ];
        git.run(&args, None).map_err(|error| git_error(&error))?;
    }
    Ok(PutBack {
        checkpoint: request.checkpoint,
        commit: commit.to_owned(),
        folder: shown(into),
        dry_run: request.dry_run,
        changes: Changes::default(),
        left_alone: Vec::new(),
        undo: None,
    })
}

fn in_place(
    handle: &Handle,
    request: &WorkspaceRequest,
    chat: &ChatId,
    snapshot: &SnapshotRow,
    commit: String,
) -> Result<PutBack, ApiError> {
    let top = paths::from_bytes(&snapshot.folder);
    let working = top.clone();
    handle.call(move |watch| watch.nobody_works_in(&working))??;
    let (undo, present) = if request.dry_run {
        (None, Tree::looked_at(handle, &top, snapshot.id)?)
    } else {
        let (undo, present) = keep_present(handle, request.checkpoint, chat, &top)?;
        (Some(undo), present)
    };
    let never = AtomicBool::new(false);
    let git = Git::new(&top, PUT_TIME_MAX, &never).without_filters().map_err(|error| git_error(&error))?;
    let differs = between(&git, &present.tree, &commit).map_err(|error| git_error(&error))?;
    let out = snapshot.outcome.left_out.iter().chain(&present.left_out).map(|file| file.path.clone());
    let mut out: BTreeSet<String> = out.collect();
    let (differs, mut left): (Vec<_>, Vec<_>) = differs.into_iter().partition(|one| is_kept(one, &out));
    let names = handle.home.path.join(snapshots::FOLDER).join(format!("held-{}.names", snapshot.id));
    let (differs, lost) = change::held(&git, &top, &names, differs).map_err(|error| git_error(&error))?;
    out.extend(lost.iter().map(|one| String::from_utf8_lossy(&one.name).into_owned()));
    left.extend(lost);
    change::refuse_what_would_be_lost(&top, &differs).map_err(|lost| refused(lost.to_string()))?;
    if !request.dry_run {
        let undo = undo.unwrap_or_default();
        let (checkpoint, commit, present) = (request.checkpoint, commit.clone(), present.tree);
        let tree = changes::Tree { checkpoint, undo, top: paths::to_bytes(&top), present, commit, out };
        let _noted = changes::note(&handle.home.path, &changes::Change::Tree(tree.clone()))
            .map_err(|error| refused(format!("it could not be noted ({error}); nothing was changed")))?;
        faults::boundary("workspace.noted");
        apply(handle, &tree, &differs, &never).map_err(|error| {
            refused(format!("not all could be put back ({error}); `shim workspace {undo} --in-place --yes` brings the state before"))
        })?;
    }
    Ok(PutBack {
        checkpoint: request.checkpoint,
        commit,
        folder: shown(&top),
        dry_run: request.dry_run,
        changes: named(&differs),
        left_alone: left
            .iter()
            .take(NAMED_MAX)
            .map(|one| String::from_utf8_lossy(&one.name).into_owned())
            .collect(),
        undo,
    })
}

fn is_kept(one: &Differs, out: &BTreeSet<String>) -> bool {
    !one.is_repository && !out.contains(&*String::from_utf8_lossy(&one.name))
}

fn apply(
    handle: &Handle,
    tree: &changes::Tree,
    differs: &[Differs],
    stop: &AtomicBool,
) -> Result<(), GitError> {
    let top = paths::from_bytes(&tree.top);
    let index = handle.home.path.join(snapshots::FOLDER).join(format!("put-{}.index", tree.undo));
    let git = Git::new(&top, PUT_TIME_MAX, stop).with_index(&index);
    let done = change::apply(&git, &top, &tree.commit, &index, differs);
    take::clear(&index);
    faults::boundary("workspace.put");
    done
}

/// Puts back what an engine that died did not come to, where each file is still as it was before or as it is to be.
pub fn finish(handle: &Handle, tree: &changes::Tree, stop: &AtomicBool) -> String {
    let top = paths::from_bytes(&tree.top);
    let begun = format!(
        "the files of checkpoint {} were being put back into {} when SHIM was ended",
        tree.checkpoint,
        top.display()
    );
    let undo = format!("`shim workspace {} --in-place --yes` brings the state before", tree.undo);
    match put_the_rest_back(handle, tree, &top, stop) {
        Ok(()) => format!("{begun}; the rest was put back since; {undo}"),
        Err(error) => format!(
            "{begun}, and were left as they were then ({}): {undo}, `shim workspace {} --in-place --yes` the one \
             that was wanted",
            error.message, tree.checkpoint
        ),
    }
}

fn put_the_rest_back(
    handle: &Handle,
    tree: &changes::Tree,
    top: &Path,
    stop: &AtomicBool,
) -> Result<(), ApiError> {
    let working = top.to_owned();
    handle.call(move |watch| {
        if watch.sweeps == 0 {
            watch.sweep();
        }
        watch.nobody_works_in(&working)
    })??;
    let present = Tree::looked_at(handle, top, tree.undo)?.tree;
    let git = Git::new(top, PUT_TIME_MAX, stop);
    let names = |from: &str, to: &str| {
        let differs = between(&git, from, to).map_err(|error| git_error(&error))?;
        Ok::<_, ApiError>(differs.into_iter().map(|one| one.name).collect::<BTreeSet<_>>())
    };
    let (touched, undone) = (names(&tree.present, &present)?, names(&present, &tree.commit)?);
    let all = between(&git, &tree.present, &tree.commit).map_err(|error| git_error(&error))?;
    let rest: Vec<_> =
        all.into_iter().filter(|one| is_kept(one, &tree.out) && undone.contains(&one.name)).collect();
    if let Some(other) = rest.iter().find(|one| touched.contains(&one.name)) {
        return Err(refused(format!("{} was changed since", String::from_utf8_lossy(&other.name))));
    }
    change::refuse_what_would_be_lost(top, &rest).map_err(|lost| refused(lost.to_string()))?;
    apply(handle, tree, &rest, stop).map_err(|error| git_error(&error))
}

/// A working tree as it lies.
struct Tree {
    tree: String,
    left_out: Vec<shim_core::checkpoints::snapshots::LeftOut>,
}

impl Tree {
    /// Looked at without keeping it by a reference.
    fn looked_at(handle: &Handle, top: &Path, number: i64) -> Result<Self, ApiError> {
        let index = handle.home.path.join(snapshots::FOLDER).join(format!("look-{number}.index"));
        let git_folder = git::find(top).map(|(_, git_folder)| git_folder).unwrap_or_default();
        let never = AtomicBool::new(false);
        let pace = &handle.home.settings().checkpoints.snapshot;
        let wanted =
            take::Wanted { folder: top, reference: "", message: "", index: &index, pace, last: None };
        let taken = take::look(top, &git_folder, &wanted, &never).map_err(|error| git_error(&error))?;
        Ok(Self { tree: taken.tree, left_out: taken.left_out })
    }
}

/// Takes a checkpoint of the present and waits until its working tree is kept: nothing is changed before.
fn keep_present(
    handle: &Handle,
    checkpoint: i64,
    chat: &ChatId,
    top: &Path,
) -> Result<(i64, Tree), ApiError> {
    let (answer, answered) = channel();
    let (chat, note) = (chat.clone(), format!("before the files of checkpoint {checkpoint} were put back"));
    let folder = top.to_owned();
    let undo = handle.call(move |watch| {
        let (taken, point) = watch.take_user_checkpoint(&chat, Some(note))?;
        watch.keep_folder_now(&chat, folder, taken.id, point, answer);
        Ok::<_, ApiError>(taken.id)
    })??;
    let wait = handle.home.settings().checkpoints.snapshot.time_max + QUEUE_WAIT;
    let row = answered
        .recv_timeout(wait)
        .map_err(|_| refused("the present state was not kept in time; nothing was changed"))?;
    let row = row.map_err(views::store_error)?;
    let why = row.outcome.error.clone().unwrap_or_else(|| "no repository holds it".to_owned());
    let tree = row.outcome.tree.ok_or_else(|| {
        refused(format!(
            "the present state cannot be kept, so that it could not be undone ({why}); nothing was changed"
        ))
    })?;
    Ok((undo, Tree { tree, left_out: row.outcome.left_out }))
}

impl Watch {
    /// Files are not changed under a chat that works with them.
    fn nobody_works_in(&self, top: &Path) -> Result<(), ApiError> {
        let there = self.chats.keys().filter(|chat| !self.supervisor.possible_processes(chat).is_empty());
        let mut there =
            there.filter(|chat| self.folder_of(chat).is_some_and(|folder| folder.starts_with(top)));
        match there.next() {
            None => Ok(()),
            Some(chat) => {
                let pids: Vec<_> = self
                    .supervisor
                    .possible_processes(chat)
                    .iter()
                    .map(|process| process.pid.to_string())
                    .collect();
                Err(refused(format!(
                    "{chat} (process {}) works in {}: close it first, or take a worktree with --worktree",
                    pids.join(", "),
                    top.display()
                )))
            }
        }
    }
}

/// Folders that were found to be real, by path.
pub(crate) type Folders = HashMap<PathBuf, bool>;
