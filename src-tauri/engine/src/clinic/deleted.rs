//! Files that clients delete by themselves after a time: announced before, noticed after, put back byte for byte.
//! Never by itself: whether its user wanted a file gone cannot be told.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::SystemTime,
};

use shim_api::{
    ApiError,
    clinic::{RepairReport, UndeleteRequest},
    doctor::{Finding, Level},
    notices::{Deletion, Said},
};
use shim_core::{
    chats::{ChatId, ChatState, Client},
    clinic::{
        is_of_lines,
        retention::{Gone, deleted_at, judge, kept_for},
    },
    crashes::CrashKind,
    time::Timestamp,
};
use shim_store::{Stream, faults};

use super::{
    chart, empty_report, refusal, step,
    watch::{new_crash, one},
};
use crate::{
    changes::{self, Change},
    clients::ClientHome,
    paths::{self, from_bytes, to_bytes},
    restore::find_chat,
    run::{Handle, Watch, now},
    views,
};

/// A client's own settings are read up to this size, in bytes.
const SETTINGS_BYTES_MAX: u64 = 1024 * 1024;
/// Files found gone at one look; the next finds more. A client may delete a thousand at once.
const GONE_MAX: usize = 32;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The day that was announced last, in SHIM's data folder.
const ANNOUNCED_FILE: &str = "announced-deletions";

/// What is known of the daily notice.
#[derive(Default)]
pub struct Announced {
    /// Days since 1970.
    day: Option<i64>,
}

/// Chats that a client will soon delete.
pub struct Due {
    pub client: Client,
    pub chats: Vec<ChatId>,
    /// The first of them.
    pub from: Timestamp,
}

fn kept_by(home: &ClientHome) -> Option<std::time::Duration> {
    use std::io::Read;
    let mut text = String::new();
    let file = paths::open_regular(&home.folder.join("settings.json")).ok();
    let read = file.and_then(|file| file.take(SETTINGS_BYTES_MAX).read_to_string(&mut text).ok());
    kept_for(home.client, read.map(|_| text.as_str()))
}

impl Watch {
    /// Looks for files that are gone. The sweep has just listed what is there.
    pub fn look_for_deleted(&mut self) {
        let homes: Vec<_> = self.homes.iter().filter(|home| is_of_lines(home.client)).cloned().collect();
        let kept: BTreeMap<_, _> = homes.into_iter().map(|home| (home.clone(), kept_by(&home))).collect();
        let (mut gone, mut back) = (Vec::new(), Vec::new());
        for (id, chat) in self.chats.iter().filter(|(id, chat)| is_of_lines(id.client()) && chat.durable > 0)
        {
            let there = chat.transcripts.iter().any(|path| !is_gone(path));
            let known = self.ailing.gone.contains_key(id);
            match (there, known) {
                (true, true) => back.push(id.clone()),
                (false, false) if !chat.transcripts.is_empty() => {
                    let home = chat.transcripts.iter().next().and_then(|path| self.home_holding(path));
                    if let Some(home) = home.filter(|home| home.folder.is_dir()) {
                        gone.push((id.clone(), kept.get(home).copied().flatten()));
                    }
                }
                _ => {}
            }
        }
        for id in back {
            self.ailing.gone.remove(&id);
            if self.open_ailment(&id) == Some(CrashKind::Deleted) {
                self.ailment_over(&id);
            }
        }
        for (id, kept_for) in gone.into_iter().take(GONE_MAX) {
            self.file_gone(&id, kept_for);
        }
    }

    fn file_gone(&mut self, id: &ChatId, kept_for: Option<std::time::Duration>) {
        let Ok(Some(mut stream)) = self.home.store.read(|store| store.main_stream(id)) else { return };
        // What was seen of it last may not be written down yet.
        if let Some(tracked) = self.files.get(&from_bytes(&stream.path)) {
            stream.known.clone_from(&tracked.stream.known);
        }
        let why = if stream.known.modified_ns == 0 {
            Gone::ByUserMaybe
        } else {
            judge(modified(&stream), kept_for, now())
        };
        self.ailing.gone.insert(id.clone(), why);
        let alive = self.supervisor.state(id).is_live();
        if why != Gone::ByRetention || alive || self.open_ailment(id) == Some(CrashKind::Deleted) {
            return;
        }
        let path = from_bytes(&stream.path);
        let days = kept_for.unwrap_or_default().as_secs() / (24 * 60 * 60);
        let title = id.client().title();
        let evidence = vec![
            one("file", format!("{} is gone; it was last written {}", path.display(), modified(&stream))),
            one("settings", format!("{title} deletes chats that were not written to for {days} days")),
            one("journal", format!("SHIM holds all {} bytes of it", stream.known.bytes)),
        ];
        let name = format!("deleted {}", stream.known.modified_ns);
        self.ailment_found(new_crash(id, CrashKind::Deleted, name, evidence, now()));
    }

    /// Files that clients will delete within the time that is announced.
    pub fn due(&self) -> Vec<Due> {
        let ahead = i64::try_from(self.home.settings().clinic_announce_days).unwrap_or(0) * DAY_MS;
        let until = Timestamp::from_ms(now().ms().saturating_add(ahead));
        let mut due: BTreeMap<Client, Due> = BTreeMap::new();
        if ahead == 0 {
            return Vec::new();
        }
        let homes: BTreeMap<_, _> = self.homes.iter().map(|home| (home.clone(), kept_by(home))).collect();
        for (id, chat) in &self.chats {
            let Some(path) = chat.transcripts.iter().next().filter(|path| !is_gone(path)) else { continue };
            let kept_for = self.home_holding(path).and_then(|home| homes.get(home).copied().flatten());
            let Some(kept_for) = kept_for.filter(|_| is_of_lines(id.client())) else { continue };
            let at = deleted_at(paths::modified(path), kept_for);
            if at <= until && !self.supervisor.state(id).is_live() {
                let entry = due.entry(id.client());
                let due = entry.or_insert_with(|| Due { client: id.client(), chats: Vec::new(), from: at });
                due.from = due.from.min(at);
                due.chats.push(id.clone());
            }
        }
        due.into_values().collect()
    }

    /// One notice a day, of all clients and chats.
    pub fn announce_deletions(&mut self) {
        let today = now().ms() / DAY_MS;
        let file = self.home.path.join(ANNOUNCED_FILE);
        let said = self.ailing.announced.day.or_else(|| fs::read_to_string(&file).ok()?.trim().parse().ok());
        self.ailing.announced.day = said;
        if said == Some(today) {
            return;
        }
        let due = self.due();
        if due.is_empty() {
            return;
        }
        self.ailing.announced.day = Some(today);
        if let Err(error) = paths::write_whole(&file, today.to_string().as_bytes()) {
            self.warn(format!("{} cannot be written: {error}", file.display()));
        }
        let one = |due: &Due| Deletion { client: due.client, chats: due.chats.len(), from: due.from };
        self.notice(None, Said::Deletions { due: due.iter().map(one).collect() });
    }
}

fn sentence(due: &Due) -> String {
    let (count, client) = (due.chats.len(), due.client.title());
    let (chats, copy) = if count == 1 { ("chat", "its copy") } else { ("chats", "its copies") };
    let date = due.from.to_string();
    let date = date.split('T').next().unwrap_or_default();
    format!("{count} {chats} will be deleted by {client} from {date} on; SHIM keeps {copy}")
}

/// Whether nothing is there; what cannot be looked at is not gone.
fn is_gone(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn modified(stream: &Stream) -> Timestamp {
    Timestamp::from_ms(i64::try_from(stream.known.modified_ns / 1_000_000).unwrap_or(0))
}

/// What the doctor says of deletions.
pub fn doctor(handle: &Handle) -> Result<Vec<Finding>, ApiError> {
    let (due, gone) = handle.call(|watch| (watch.due(), watch.ailing.gone.clone()))?;
    let note = |what: &str, found: String, advice: String| Finding {
        level: Level::Note,
        what: what.to_owned(),
        found,
        advice: Some(advice),
        fix: None,
    };
    let mut findings: Vec<_> = due
        .iter()
        .map(|due| {
            let names: Vec<_> = due.chats.iter().take(5).map(ChatId::as_str).collect();
            let advice =
                format!("go on with one to keep it, or `shim undelete` it afterwards: {}", names.join(", "));
            note("retention", sentence(due), advice)
        })
        .collect();
    for (why, says) in [
        (Gone::ByRetention, "were deleted by their client, since their time was up"),
        (Gone::ByUserMaybe, "have no file any more, maybe by your own wish"),
    ] {
        let ours: Vec<_> =
            gone.iter().filter(|(_, known)| **known == why).map(|(id, _)| id.as_str()).collect();
        if !ours.is_empty() {
            let advice = format!(
                "`shim undelete CHAT` puts one back: {}",
                ours.iter().take(5).copied().collect::<Vec<_>>().join(", ")
            );
            findings.push(note("deleted", format!("{} chats {says}; SHIM has them", ours.len()), advice));
        }
    }
    Ok(findings)
}

/// Puts back every file of the chat that is gone, its sub-agents' too.
pub fn undelete(handle: &Handle, request: &UndeleteRequest) -> Result<RepairReport, ApiError> {
    let chat = find_chat(handle, &request.target)?;
    let chart = chart(handle, &chat)?;
    let mut report = empty_report(&chart, request.dry_run);
    report.findings.clear();
    let streams = handle.home.store.read(|store| store.streams()).map_err(views::store_error)?;
    let ours = streams.into_iter().filter(|stream| stream.chat == chat && stream.known.bytes > 0);
    let missing: Vec<_> = ours.filter(|stream| is_gone(&from_bytes(&stream.path))).collect();
    if !is_of_lines(chat.client()) || chart.there || missing.iter().all(|stream| !stream.sub_agent.is_empty())
    {
        let message =
            format!("{} is there, or SHIM holds nothing of it: nothing was put back", chart.path.display());
        report.refused = Some(refusal(&message));
        return Ok(report);
    }
    report.ok = true;
    for stream in missing {
        let path = from_bytes(&stream.path);
        if request.dry_run {
            step(
                &mut report,
                "put_back",
                true,
                format!("would write {} bytes to {}", stream.known.bytes, path.display()),
            );
            continue;
        }
        let (ok, detail) = match put_back(handle, &stream, &path) {
            Ok(()) => {
                (true, format!("wrote {} bytes to {}, as they were", stream.known.bytes, path.display()))
            }
            Err(error) => (false, format!("{} cannot be put back: {error:#}", path.display())),
        };
        report.ok &= step(&mut report, "put_back", ok, detail);
    }
    if report.ok && !request.dry_run {
        settle(handle, &chat)?;
    }
    Ok(report)
}

pub fn settle(handle: &Handle, chat: &ChatId) -> Result<(), ApiError> {
    let chat = chat.clone();
    handle.call(move |watch| {
        for transcript in watch.transcripts_of(&chat) {
            watch.catch_up_wholly(&transcript);
        }
        watch.look_for_deleted();
        if watch.supervisor.state(&chat) == ChatState::Ended {
            watch.ailment_over(&chat);
        }
    })
}

/// Byte for byte, whole or not at all. Its time begins anew: with the old one its client would delete it again when it
/// starts next.
fn put_back(handle: &Handle, stream: &Stream, path: &PathBuf) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    paths::make_private_folder(folder)?;
    let beside = folder.join(format!(".{}.shim-new", uuid::Uuid::new_v4()));
    let change = Change::File {
        chat: stream.chat.clone(),
        path: to_bytes(path),
        beside: to_bytes(&beside),
        backup: None,
    };
    let _noted = changes::note(&handle.home.path, &change)?;
    let mut file = (beside.clone(), private_file(&beside)?);
    let (mut failed, until) = (None, stream.known.bytes);
    let reached = handle.home.store.read(|store| {
        store.read_journal(stream.id, stream.generation, 0, until, |bytes| {
            failed = file.1.write_all(bytes).err();
            failed.is_none()
        })
    });
    let whole = match (reached, failed) {
        (Ok(reached), None) if reached == until => file.1.sync_all().map_err(anyhow::Error::from),
        (Ok(reached), None) => Err(anyhow::anyhow!("the journal ends at byte {reached} of {until}")),
        (Err(error), _) => Err(error.into()),
        (_, Some(error)) => Err(error.into()),
    };
    let whole = whole.and_then(|()| Ok(file.1.set_modified(SystemTime::now())?));
    // Never over what came back meanwhile.
    let placed = whole.and_then(|()| {
        faults::boundary("undelete.noted");
        anyhow::ensure!(is_gone(path), "it is there again; nothing was written over it");
        Ok(fs::rename(&file.0, path)?)
    });
    faults::boundary("undelete.replaced");
    if placed.is_err() {
        let _ = fs::remove_file(&file.0);
    }
    placed
}

fn private_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
