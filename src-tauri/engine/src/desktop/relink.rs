//! Putting a lost entry of Claude Desktop's index back, as the journal has it. Only while the app is closed,
//! which is proved, and after the folder was copied aside.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use shim_api::{
    ApiError,
    restore::{Receipt, Step},
};
use shim_core::{
    clients::claude_desktop::read_index_entry,
    crashes::CrashKind,
    restore::{Refusal, RefusalReason},
};
use shim_store::{CrashRow, Stream, Urgency};

use crate::{
    clients::claude_desktop::{INDEX, index_entry, pids_of},
    paths,
    restore::{empty_receipt, keep_receipt},
    run::{Handle, now},
    views,
};

/// Copies of the index kept; the oldest goes.
const BACKUPS_MAX: usize = 20;
/// An entry that is larger is none.
const ENTRY_BYTES_MAX: usize = 1024 * 1024;

/// The crash, where it is that the app no longer lists the chat.
pub fn lost(handle: &Handle, crash: Option<i64>) -> Result<Option<CrashRow>, ApiError> {
    let Some(id) = crash else { return Ok(None) };
    let crash = handle.home.store.read(|store| store.crash(id)).map_err(views::store_error)?;
    Ok(crash.filter(|crash| crash.kind == CrashKind::IndexLost && !crash.resolved))
}

/// Relinks the chat and gives the receipt.
pub fn relink(
    handle: &Handle,
    crash: &CrashRow,
    dry_run: bool,
    why_begun: Option<Step>,
) -> Result<Receipt, ApiError> {
    let (begun, chat, id) = (Instant::now(), crash.chat.clone(), crash.id);
    let number =
        handle.home.store.write(Urgency::AtOnce, move |store| store.new_restore(&chat, Some(id), now()));
    let mut receipt = Receipt {
        id: number.map_err(views::store_error)?,
        crash: Some(id),
        steps: why_begun.into_iter().collect(),
        ..empty_receipt(crash.chat.clone(), dry_run)
    };
    let done = carry_out(handle, crash, dry_run, &mut receipt.steps);
    match done {
        Ok(()) => receipt.ok = true,
        Err(refusal) => receipt.refused = refusal,
    }
    receipt.seconds = begun.elapsed().as_secs_f64();
    if receipt.ok && !dry_run {
        let chat = crash.chat.clone();
        handle.call(move |watch| watch.resolve_crashes(chat))?;
    }
    keep_receipt(handle, &receipt)?;
    Ok(receipt)
}

/// The steps in their order; an error is the refusal, or that a step failed.
fn carry_out(
    handle: &Handle,
    crash: &CrashRow,
    dry_run: bool,
    steps: &mut Vec<Step>,
) -> Result<(), Option<Refusal>> {
    let mut step = |name: &str, ok: bool, detail: String| {
        steps.push(Step { step: name.to_owned(), ok, detail });
    };
    let Some((home, entry)) = lost_entry(handle, crash) else {
        step("journal", false, "the journal holds no entry of the app's index for this chat".to_owned());
        return Err(None);
    };
    let path = paths::from_bytes(&entry.path);
    let bytes = last_version(handle, &entry);
    let whole = read_index_entry(&bytes).is_some();
    step("journal", whole, format!("the entry as it was last: {} bytes", bytes.len()));
    if !whole {
        return Err(None);
    }
    if let Some(message) = open_app(&home) {
        step("prove_closed", false, message.clone());
        return Err(Some(Refusal { reason: RefusalReason::StillAlive, message }));
    }
    step("prove_closed", true, "no process of Claude Desktop runs".to_owned());
    let folder = path.parent().unwrap_or(&home).to_owned();
    if dry_run {
        step("backup", true, format!("would copy {} aside", folder.display()));
        step("relink", true, format!("would write {}", path.display()));
        return Ok(());
    }
    match back_up(handle, &folder) {
        Ok(copy) => step("backup", true, format!("{} is copied to {}", folder.display(), copy.display())),
        Err(error) => {
            step("backup", false, format!("{} cannot be copied aside: {error}", folder.display()));
            return Err(None);
        }
    }
    let written = if path.exists() {
        Err(std::io::Error::other("it is there already; nothing was written over it"))
    } else {
        fs::create_dir_all(&folder).and_then(|()| paths::write_whole(&path, &bytes))
    };
    match written {
        Ok(()) if index_entry(&path).is_some() => {
            step("relink", true, format!("wrote {}; the app lists the chat when it starts", path.display()));
            Ok(())
        }
        Ok(()) => {
            step("relink", false, format!("{} cannot be read back as an entry", path.display()));
            Err(None)
        }
        Err(error) => {
            step("relink", false, format!("{} cannot be written: {error}", path.display()));
            Err(None)
        }
    }
}

/// The newest entry of the chat that is not on disk, and the data folder that it belongs to.
fn lost_entry(handle: &Handle, crash: &CrashRow) -> Option<(PathBuf, Stream)> {
    let streams = handle.home.store.read(|store| store.streams()).ok()?;
    let ours = streams.into_iter().filter(|stream| stream.chat == crash.chat && stream.sub_agent == INDEX);
    let lost = ours
        .filter(|stream| stream.known.bytes > 0 && !paths::from_bytes(&stream.path).exists())
        .max_by_key(|stream| stream.known.modified_ns)?;
    let path = paths::from_bytes(&lost.path);
    let home = handle.call(move |watch| watch.home_holding(&path).map(|home| home.folder.clone())).ok()??;
    Some((home, lost))
}

fn last_version(handle: &Handle, entry: &Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = handle.home.store.read(|store| {
        store.read_journal(entry.id, entry.generation, 0, entry.known.bytes, |piece| {
            bytes.extend_from_slice(piece);
            bytes.len() <= ENTRY_BYTES_MAX
        })
    });
    if read.is_err() { Vec::new() } else { bytes }
}

/// Why it is not proved that the app is closed, and what to do; `None` when it is.
fn open_app(home: &Path) -> Option<String> {
    match pids_of(home) {
        Ok(pids) if pids.is_empty() => None,
        Ok(pids) => Some(format!(
            "Claude Desktop runs (processes {pids:?}), and would write its own index over ours: quit it, in the \
             tray too, then restore again"
        )),
        Err(error) => Some(format!("it cannot be told whether Claude Desktop runs: {error}; try again")),
    }
}

/// Copies the folder's files to SHIM's own, for whoever wants them back.
fn back_up(handle: &Handle, folder: &Path) -> std::io::Result<PathBuf> {
    let backups = handle.home.path.join("backups");
    let copy = backups.join(format!("desktop-index-{}", now().ms()));
    paths::make_private_folder(&copy)?;
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), copy.join(entry.file_name()))?;
        }
    }
    keep_newest(&backups)?;
    Ok(copy)
}

fn keep_newest(backups: &Path) -> std::io::Result<()> {
    let entries = fs::read_dir(backups)?.filter_map(Result::ok);
    let mut ours: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("desktop-index-"))
        .map(|entry| entry.path())
        .collect();
    ours.sort();
    let too_many = ours.len().saturating_sub(BACKUPS_MAX);
    ours.iter().take(too_many).try_for_each(fs::remove_dir_all)
}
