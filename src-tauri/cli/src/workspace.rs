//! Verbs about the working tree that a checkpoint kept: shown, put into a new worktree, put back in its place.

use std::path::{Path, PathBuf};

use anyhow::Context;
use shim_api::{
    Engine,
    workspace::{Change, Changes, Destination, Kept, PutBack, WorkspaceRequest},
};
use shim_core::checkpoints::snapshots::{SnapshotState, WhyLeftOut};

use crate::print;

/// What is asked for.
#[derive(clap::Args)]
pub struct Args {
    /// A checkpoint's number, as `shim checkpoints` lists them.
    checkpoint: i64,
    /// Make a new worktree of the repository in this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["in_place", "yes"])]
    worktree: Option<PathBuf>,
    /// Put the files back where they were. The present state is kept first; without --yes it is only shown.
    #[arg(long)]
    in_place: bool,
    /// Do it.
    #[arg(long, requires = "in_place")]
    yes: bool,
    /// Show what would be done; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

pub fn workspace(engine: &Engine, args: &Args) -> anyhow::Result<()> {
    let into = match (&args.worktree, args.in_place) {
        (Some(folder), _) => Destination::Worktree(absolute(folder)?),
        (None, true) => Destination::InPlace,
        (None, false) => return show(&engine.workspace(args.checkpoint)?, args.json),
    };
    let consents = args.yes || !args.in_place;
    let request = WorkspaceRequest { checkpoint: args.checkpoint, into, dry_run: args.dry_run || !consents };
    let done = engine.put_workspace_back(&request)?;
    if args.json {
        return print::json(&done);
    }
    match &request.into {
        Destination::Worktree(_) => say_worktree(&done),
        Destination::InPlace => say_in_place(&done, args.dry_run),
    }
    Ok(())
}

fn absolute(folder: &Path) -> anyhow::Result<String> {
    let whole = std::path::absolute(folder).with_context(|| format!("{} is no path", folder.display()))?;
    let text = whole.to_str().with_context(|| format!("{} is not UTF-8: name another", whole.display()))?;
    Ok(text.to_owned())
}

fn say_worktree(done: &PutBack) {
    let short: String = done.commit.chars().take(12).collect();
    if done.dry_run {
        say!("Would make a worktree of {short} in {}.", done.folder);
    } else {
        say!("{} holds the working tree of checkpoint {} (commit {short}).", done.folder, done.checkpoint);
        say!("`git worktree remove --force {}` takes it away again.", done.folder);
    }
}

fn say_in_place(done: &PutBack, asked_to_rehearse: bool) {
    changes(&done.changes, done.dry_run);
    for path in &done.left_alone {
        say!("  left alone  {path}");
    }
    match done.undo {
        Some(undo) => {
            say!("{} is as checkpoint {} kept it.", done.folder, done.checkpoint);
            say!("`shim workspace {undo} --in-place --yes` brings back what was there before.");
        }
        None if done.changes.total == 0 => say!("{} is as it was kept.", done.folder),
        None if asked_to_rehearse => say!("Nothing was changed."),
        None => say!(
            "Nothing was changed: add --yes to do it. What is there is kept first, so that it can be undone."
        ),
    }
}

fn changes(changes: &Changes, would: bool) {
    for file in &changes.files {
        let word = match (file.change, would) {
            (Change::Appears, true) => "would appear",
            (Change::Appears, false) => "appeared",
            (Change::Changes, true) => "would change",
            (Change::Changes, false) => "changed",
            (Change::Removed, true) => "would go",
            (Change::Removed, false) => "gone",
        };
        say!("  {word:<12}  {}", file.path);
    }
    let more = changes.total.saturating_sub(changes.files.len() as u64);
    if more > 0 {
        say!("  and {more} more");
    }
}

fn show(kept: &Kept, json: bool) -> anyhow::Result<()> {
    if json {
        return print::json(kept);
    }
    say!("Checkpoint {} of {}, {}.", kept.checkpoint, kept.chat, kept.trigger.words());
    say!("{} at {}", kept.folder, print::time(kept.at));
    match kept.state {
        SnapshotState::Kept => {
            say!("kept as commit {} ({})", kept.commit.as_deref().unwrap_or_default(), kept.reference);
            say!(
                "{} files, {} bytes were not as in git's index; took {:.0} ms",
                kept.files,
                kept.bytes,
                kept.took_ms
            );
            if kept.head.is_some() && !kept.changes.files.is_empty() {
                say!("Since the last commit there:");
                changes(&kept.changes, false);
            }
        }
        SnapshotState::Listed => {
            say!("{}", kept.error.as_deref().unwrap_or("no git repository holds the folder"));
            say!("{} files that the chat's tools wrote are listed with their hashes:", kept.files);
            for file in &kept.listed {
                let hash: String = file.sha256.as_deref().unwrap_or("-").chars().take(12).collect();
                let bytes = file.bytes.map_or_else(|| "not there".to_owned(), |bytes| bytes.to_string());
                say!("  {hash:<12}  {bytes:>10}  {}", file.path);
            }
            if kept.changes.total > 0 {
                say!("Since then:");
                changes(&kept.changes, false);
            }
        }
        SnapshotState::Begun => say!("being kept"),
        SnapshotState::Failed | SnapshotState::Expired => {
            say!("{}: {}", kept.state.name(), kept.error.as_deref().unwrap_or("it made room for newer ones"));
        }
    }
    for out in &kept.left_out {
        let why = match out.why {
            WhyLeftOut::TooLarge => "larger than checkpoints.file_mib",
            WhyLeftOut::Submodule => "a submodule: only its commit is kept",
            WhyLeftOut::Repository => "a repository of its own",
            WhyLeftOut::Unreadable => "unreadable",
            WhyLeftOut::NoFile => "no ordinary file",
        };
        say!("left out: {} ({why})", out.path);
    }
    Ok(())
}
