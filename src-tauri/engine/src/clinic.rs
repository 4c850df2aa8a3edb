//! Carries out the clinic: reads a chat's file and what the journal kept of it, writes a repaired copy beside it,
//! or in its place when asked to and no client has it. Decisions are `shim_core::clinic`'s.

mod deleted;
mod restore;
mod watch;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use shim_api::{
    ApiError,
    clinic::{Examined, RepairReport, RepairRequest},
    error::ErrorCode,
    events::Event,
    restore::Step,
};
use shim_core::{
    chats::ChatId,
    clinic::{self as core, Patient, Repaired, TRANSCRIPT_BYTES_MAX},
    restore::{Refusal, RefusalReason},
};
use shim_store::{Stream, Urgency, faults};

pub use deleted::{doctor, undelete};
pub use restore::{ailment, restore};
pub use watch::{Ailing, ails, damage};

use crate::{
    changes::{self, Change},
    clients::{Look, Transcript, port},
    paths::{self, from_bytes, to_bytes},
    processes,
    renaming::renamed,
    restore::find_chat,
    run::{Handle, now},
    seat, views,
};

/// Earlier generations of a file that are looked into for what it lost.
const GENERATIONS_MAX: usize = 4;
/// Copies of files that were repaired in place; the oldest goes.
const BACKUPS_MAX: usize = 50;
/// How their names begin.
const BACKUP: &str = "transcript-";

/// A chat's file as it is, and as it was.
pub struct Chart {
    pub chat: ChatId,
    pub path: PathBuf,
    /// Empty when it is gone.
    pub file: Vec<u8>,
    pub there: bool,
    pub too_large: bool,
    kept: Vec<Vec<u8>>,
}

impl Chart {
    pub fn patient(&self) -> Patient<'_> {
        Patient { client: self.chat.client(), file: &self.file, kept: &self.kept }
    }

    fn repaired(&self) -> Result<Repaired, core::Refused> {
        if self.too_large {
            return Err(core::Refused::TooLarge);
        }
        core::repair(&self.patient(), &mut || uuid::Uuid::new_v4().to_string())
    }
}

/// Brings the journal up to date and reads what is needed of the chat.
pub fn chart(handle: &Handle, chat: &ChatId) -> Result<Chart, ApiError> {
    let asked = chat.clone();
    let transcripts = handle.call(move |watch| {
        let transcripts = watch.transcripts_of(&asked);
        transcripts.iter().for_each(|transcript| watch.catch_up_wholly(transcript));
        watch.settle();
        transcripts.into_iter().map(|transcript| transcript.path).collect::<Vec<_>>()
    })?;
    let there: Vec<_> = transcripts.into_iter().filter(|path| port(chat.client()).is_there(path)).collect();
    if there.len() > 1 {
        let message = format!("{chat} has {} transcripts: set aside those that are not meant", there.len());
        return Err(ApiError::new(ErrorCode::Ambiguous, message));
    }
    let store = &handle.home.store;
    let stream = store.read(|store| match there.first() {
        Some(path) => store.stream_at(&to_bytes(path)),
        None => store.main_stream(chat),
    });
    let stream = stream.map_err(views::store_error)?;
    let path = there.into_iter().next().or_else(|| stream.as_ref().map(|stream| from_bytes(&stream.path)));
    let Some(path) = path else {
        return Err(ApiError::new(
            ErrorCode::NotFound,
            format!("nothing of {chat} was kept: it has no transcript yet"),
        ));
    };
    let is_lines = core::is_of_lines(chat.client());
    let (file, there, too_large) = if is_lines { read_file(&path)? } else { (Vec::new(), true, false) };
    let kept = match &stream {
        Some(stream) if is_lines && !too_large => generations(handle, stream)?,
        _ => Vec::new(),
    };
    Ok(Chart { chat: chat.clone(), path, file, there, too_large, kept })
}

fn read_file(path: &Path) -> Result<(Vec<u8>, bool, bool), ApiError> {
    let unreadable = |error: std::io::Error| {
        ApiError::new(ErrorCode::Internal, format!("{} cannot be read: {error}", path.display()))
    };
    let file = match paths::open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), false, false)),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(TRANSCRIPT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let too_large = bytes.len() > TRANSCRIPT_BYTES_MAX;
    Ok((bytes, true, too_large))
}

/// What the file was before, the newest first.
fn generations(handle: &Handle, stream: &Stream) -> Result<Vec<Vec<u8>>, ApiError> {
    let store = &handle.home.store;
    let all = store.read(|store| store.generations(stream.id)).map_err(views::store_error)?;
    let earlier = all.iter().rev().filter(|kept| kept.generation != stream.generation);
    let fits = earlier.filter(|kept| kept.bytes <= TRANSCRIPT_BYTES_MAX as u64);
    let mut found = Vec::new();
    for kept in fits.take(GENERATIONS_MAX) {
        let mut bytes = Vec::new();
        let read = store.read(|store| {
            store.read_journal(stream.id, kept.generation, 0, kept.bytes, |piece| {
                bytes.extend_from_slice(piece);
                true
            })
        });
        match read {
            Ok(_) => found.push(bytes),
            Err(error) => tracing::warn!("an earlier state of a chat could not be read: {error}"),
        }
    }
    Ok(found)
}

pub fn examine(handle: &Handle, target: &str) -> Result<Examined, ApiError> {
    let chart = chart(handle, &find_chat(handle, target)?)?;
    let unexamined = core::unexamined(chart.chat.client(), chart.too_large);
    let findings = core::examine(&chart.patient());
    let (repair, refused) = match chart.repaired() {
        Ok(repaired) => (repaired.changes, None),
        Err(core::Refused::Healthy) => (Vec::new(), None),
        Err(refused) => (Vec::new(), Some(refused.to_string())),
    };
    let file = chart.path.display().to_string();
    Ok(Examined { chat: chart.chat, file, there: chart.there, unexamined, findings, repair, refused })
}

pub fn repair(handle: &Handle, request: &RepairRequest) -> Result<RepairReport, ApiError> {
    let report = repair_one(handle, request)?;
    // What was refused before anything was written is no repair.
    if !report.dry_run && !report.steps.is_empty() {
        handle.tell(Event::ChatRepaired { chat: report.chat.clone(), ok: report.ok });
    }
    Ok(report)
}

fn repair_one(handle: &Handle, request: &RepairRequest) -> Result<RepairReport, ApiError> {
    let chat = find_chat(handle, &request.target)?;
    let chart = chart(handle, &chat)?;
    let mut report = empty_report(&chart, request.dry_run);
    let repaired = match chart.repaired() {
        Ok(repaired) => repaired,
        Err(refused) => {
            report.refused = Some(refusal(&refused.to_string()));
            return Ok(report);
        }
    };
    report.changes.clone_from(&repaired.changes);
    report.ok = if !request.in_place {
        write_copy(handle, &chart, &repaired, &mut report)
    } else if request.dry_run {
        write_in_place(handle, &chart, &repaired, &mut report)
    } else {
        let written = seat::taken(handle, &chat, false, || {
            (write_in_place(handle, &chart, &repaired, &mut report), false)
        })?;
        written.unwrap_or_else(|refusal| {
            let message = refusal.message.clone();
            report.refused = Some(refusal);
            step(&mut report, "prove_dead", false, message)
        })
    };
    Ok(report)
}

fn empty_report(chart: &Chart, dry_run: bool) -> RepairReport {
    RepairReport {
        ok: false,
        dry_run,
        chat: chart.chat.clone(),
        copy: None,
        refused: None,
        findings: core::examine(&chart.patient()),
        changes: Vec::new(),
        steps: Vec::new(),
    }
}

fn refusal(message: &str) -> Refusal {
    Refusal { reason: RefusalReason::Unsupported, message: message.to_owned() }
}

fn step(report: &mut RepairReport, step: &str, ok: bool, detail: String) -> bool {
    report.steps.push(Step { step: step.to_owned(), ok, detail });
    ok
}

/// A copy under an id of its own, beside the original, that the client lists and opens.
fn write_copy(handle: &Handle, chart: &Chart, repaired: &Repaired, report: &mut RepairReport) -> bool {
    let port = port(chart.chat.client());
    let (old, new) = (chart.chat.session_id(), port.new_session_id());
    let path = port.fork_path(&chart.path, old, &new);
    let copy = ChatId::new(chart.chat.client(), &new);
    if report.dry_run {
        return step(report, "copy", true, format!("would write {} beside the original", path.display()));
    }
    let written = if port.is_there(&path) {
        Err(std::io::Error::other("it is there already; nothing was written over it"))
    } else {
        renamed(&repaired.bytes, port.id_fields(), old, &new).and_then(|bytes| {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            paths::write_whole(&path, &bytes)
        })
    };
    if let Err(error) = written {
        return step(report, "copy", false, format!("{} cannot be written: {error}", path.display()));
    }
    report.copy = Some(copy.clone());
    step(report, "copy", true, format!("wrote {}; the original stays as it is", path.display()));
    match take_up(handle, chart, &copy, path) {
        Ok(()) => step(report, "journal", true, format!("{copy} is journaled")),
        Err(error) => step(report, "journal", false, error.message),
    }
}

/// The copy is known at once, and starts as its original did.
fn take_up(handle: &Handle, chart: &Chart, copy: &ChatId, path: PathBuf) -> Result<(), ApiError> {
    let launch = handle.home.store.read(|store| store.launch(&chart.chat)).map_err(views::store_error)?;
    if let Some(launch) = launch {
        let of = copy.clone();
        let kept = handle.home.store.write(Urgency::AtOnce, move |store| store.put_launch(&of, &launch));
        kept.map_err(views::store_error)?;
    }
    let transcript = Transcript { path, chat: copy.clone(), sub_agent: String::new() };
    handle.call(move |watch| {
        watch.catch_up_wholly(&transcript);
        watch.settle();
    })
}

/// The chat's own file, while it is proved that no client has it, after a copy was put aside.
fn write_in_place(handle: &Handle, chart: &Chart, repaired: &Repaired, report: &mut RepairReport) -> bool {
    match holders(handle, &chart.chat) {
        Ok(holders) if holders.is_empty() => {
            step(report, "prove_dead", true, "no process of the client may hold this chat".to_owned());
        }
        Ok(holders) => {
            let message = format!(
                "{holders:?} of {} may hold this chat: close it, then repair again",
                chart.chat.client().title()
            );
            report.refused = Some(Refusal { reason: RefusalReason::StillAlive, message: message.clone() });
            return step(report, "prove_dead", false, message);
        }
        Err(error) => return step(report, "prove_dead", false, error.message),
    }
    if report.dry_run {
        return step(
            report,
            "in_place",
            true,
            format!("would copy {0} aside and write it anew", chart.path.display()),
        );
    }
    let aside = match back_up(handle, &chart.path, &chart.file) {
        Ok(aside) => aside,
        Err(error) => {
            return step(report, "backup", false, format!("the file cannot be copied aside: {error}"));
        }
    };
    step(report, "backup", true, format!("{} is copied to {}", chart.path.display(), aside.display()));
    let unchanged = fs::read(&chart.path).is_ok_and(|bytes| bytes == chart.file);
    if !unchanged && chart.there {
        return step(
            report,
            "in_place",
            false,
            "the file changed meanwhile: look at the chat, then repair again".to_owned(),
        );
    }
    let change = Change::File {
        chat: chart.chat.clone(),
        path: to_bytes(&chart.path),
        beside: to_bytes(&paths::beside(&chart.path)),
        backup: Some(to_bytes(&aside)),
    };
    let noted = changes::note(&handle.home.path, &change);
    faults::boundary("repair.noted");
    let written = noted.and_then(|noted| {
        paths::write_whole(&chart.path, &repaired.bytes)?;
        faults::boundary("repair.replaced");
        Ok(noted)
    });
    let _noted = match written {
        Ok(noted) => noted,
        Err(error) => {
            let why = format!("{} cannot be written: {error}", chart.path.display());
            return step(report, "in_place", false, why);
        }
    };
    step(report, "in_place", true, format!("wrote {}", chart.path.display()));
    settle_repaired(handle, &chart.chat).is_ok()
}

/// The file was written anew: what ailed the chat is over.
fn settle_repaired(handle: &Handle, chat: &ChatId) -> Result<(), ApiError> {
    let chat = chat.clone();
    handle.call(move |watch| {
        for transcript in watch.transcripts_of(&chat) {
            watch.catch_up_wholly(&transcript);
        }
        watch.settle();
        watch.resolve_crashes(chat);
    })
}

/// What became of a file that an engine was about to write when it was ended, in words.
pub fn finish(handle: &Handle, chat: &ChatId, path: &Path, backup: Option<&Path>) -> String {
    let file = format!("the file of {chat}, {}, was being", path.display());
    let Some(backup) = backup else {
        if !port(chat.client()).is_there(path) {
            return format!(
                "{file} put back when SHIM was ended: it was not; `shim undelete {chat}` does it"
            );
        }
        return match deleted::settle(handle, chat) {
            Ok(()) => format!("{file} put back when SHIM was ended: it was, as a whole"),
            Err(error) => format!("{file} put back when SHIM was ended: it was; {}", error.message),
        };
    };
    let same = matches!((fs::read(path), fs::read(backup)), (Ok(now), Ok(before)) if now == before);
    if same {
        return format!("{file} repaired when SHIM was ended: it is as it was; `shim repair {chat}` does it");
    }
    let aside = format!("as it was it lies at {}", backup.display());
    match settle_repaired(handle, chat) {
        Ok(()) => format!("{file} repaired when SHIM was ended: it was, as a whole; {aside}"),
        Err(error) => format!("{file} repaired when SHIM was ended: it was; {aside}; {}", error.message),
    }
}

/// Processes that hold the chat, or may.
fn holders(handle: &Handle, chat: &ChatId) -> Result<Vec<u32>, ApiError> {
    let asked = chat.clone();
    let mut pids = handle.call(move |watch| {
        let client = asked.client();
        watch.read_registries_of(client);
        let held = watch.supervisor.possible_processes(&asked).into_iter().map(|process| process.pid);
        let mut pids: Vec<u32> = held.collect();
        if !port(client).keeps_registry() && !port(client).locks_its_chats() {
            pids.extend(watch.strangers(client, &Look::default()).into_iter().map(|(pid, _)| pid));
        }
        pids
    })?;
    let running = processes::running_programs(&[port(chat.client()).program_name()]).ok_or_else(|| {
        ApiError::new(
            ErrorCode::Internal,
            "the system does not say which processes run, so nothing was changed",
        )
    })?;
    pids.extend(running.iter().filter(|running| running.names(chat.session_id())).map(|running| running.pid));
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

fn back_up(handle: &Handle, path: &Path, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let backups = handle.home.path.join("backups");
    paths::make_private_folder(&backups)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = backups.join(format!("{BACKUP}{}-{name}", now().ms()));
    paths::write_whole(&aside, bytes)?;
    let entries = fs::read_dir(&backups)?.filter_map(Result::ok).map(|entry| entry.path());
    let is_ours =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(BACKUP));
    let mut ours: Vec<_> = entries.filter(is_ours).collect();
    ours.sort();
    let too_many = ours.len().saturating_sub(BACKUPS_MAX);
    ours.iter().take(too_many).try_for_each(fs::remove_file)?;
    Ok(aside)
}
