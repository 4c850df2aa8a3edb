//! Claude Desktop under watch: what its log says, whether it hangs, what its updates cut, which of its entries
//! were lost. The app's own files are only read here; `relink` alone writes to them, when it was asked to.

pub mod relink;
pub mod restart;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use shim_api::notices::Said;
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    checkpoints::Trigger,
    clients::{
        Registration,
        claude_desktop::{APP, Role, read_log_line},
    },
    crashes::{CrashKind, Evidence, InTurn},
    desktop::{Desktop, Effect, Event, Seen},
    policy,
    supervisor::NewCrash,
    time::Timestamp,
};
use shim_store::Urgency;

use crate::{
    clients::{
        ClientHome, Look,
        claude_desktop::{INDEX, index_entry, index_folders, log_files, processes_of},
    },
    paths,
    processes::{self, start_mark},
    run::{Watch, now},
};

/// Bytes of the log read in one look; an app that says more in ten seconds is read on in the next.
const LOG_BYTES_MAX: u64 = 64 * 1024;

/// Every data folder of the app, and what is known of the app that uses it.
#[derive(Default)]
pub struct Desktops(BTreeMap<PathBuf, App>);

#[derive(Default)]
struct App {
    machine: Desktop,
    main: Option<ProcessKey>,
    running: bool,
    /// The main process is the one of the look before.
    stayed: bool,
    /// It ran at the look before and is gone.
    just_quit: bool,
    logs: BTreeMap<PathBuf, LogEnd>,
    /// The entries of its index that were there, with the chats they list.
    entries: BTreeMap<PathBuf, ChatId>,
    lost: BTreeSet<PathBuf>,
    recalled: bool,
    /// The entries are as an engine before this one knew them.
    just_recalled: bool,
}

/// How far a log was read.
struct LogEnd {
    file_number: u64,
    offset: u64,
}

pub fn app_chat() -> ChatId {
    ChatId::new(Client::ClaudeDesktop, APP)
}

impl Watch {
    /// Looks at the app's processes, log and index.
    pub fn look_after_desktops(&mut self, look: &Look) {
        for home in self.desktop_homes() {
            self.hear(&home.folder);
            self.look_at_app(&home.folder, look);
            self.look_at_index(&home);
        }
    }

    /// Reads what the app's log says, as soon as it says it.
    pub fn hear_desktops(&mut self) {
        for home in self.desktop_homes() {
            self.hear(&home.folder);
        }
    }

    pub fn is_desktop_log(&self, path: &Path) -> bool {
        path.file_name() == Some("main.log".as_ref())
            && self.desktop_homes().iter().any(|home| log_files(&home.folder).iter().any(|log| log == path))
    }

    pub fn is_desktop_hung(&self, process: &ProcessKey) -> bool {
        self.desktops.0.values().any(|app| app.main.as_ref() == Some(process) && app.machine.is_hung())
    }

    /// Who started a process, where an app may be among them.
    pub fn lineage_of(&self, registration: &Registration) -> Vec<u32> {
        let hostable = registration.client == Client::ClaudeCode && !self.desktops.0.is_empty();
        if hostable { processes::lineage(registration.process.pid) } else { Vec::new() }
    }

    /// Whether the chat is one of an app that was about to restart for an update at `at`.
    pub fn is_host_updating(&mut self, chat: &ChatId, at: Timestamp) -> bool {
        let Some(lineage) = self.chats.get(chat).map(|chat| chat.lineage.clone()) else { return false };
        if lineage.is_empty() {
            return false;
        }
        self.hear_desktops();
        let hosts = self.desktops.0.values().filter(|app| hosts(app, &lineage));
        hosts.into_iter().any(|app| app.machine.is_updating(at))
    }

    fn desktop_homes(&self) -> Vec<ClientHome> {
        self.homes.iter().filter(|home| home.client == Client::ClaudeDesktop).cloned().collect()
    }

    fn hear(&mut self, home: &Path) {
        let app = self.desktops.0.entry(home.to_owned()).or_default();
        let mut words = Vec::new();
        for log in log_files(home) {
            // It is optional: versions write none, and elsewhere.
            if let Ok(text) = news_of(&log, &mut app.logs) {
                words.extend(text.lines().filter_map(read_log_line));
            }
        }
        for word in words {
            self.decide_desktop(home, Event::Said(word));
        }
    }

    fn look_at_app(&mut self, home: &Path, look: &Look) {
        let Ok(found) = processes_of(home, look) else { return };
        let main = found.iter().find(|(role, _)| *role == Role::Main);
        let main = main
            .and_then(|(_, running)| Some(ProcessKey { pid: running.pid, start: start_mark(running.pid)? }));
        let renderers = found.iter().filter(|(role, _)| *role == Role::Renderer).count();
        let app = self.desktops.0.entry(home.to_owned()).or_default();
        app.stayed = main.is_some() && app.main == main;
        app.just_quit = main.is_none() && app.running;
        app.running = main.is_some();
        if main.is_some() {
            app.main.clone_from(&main);
        }
        let has_log = !app.logs.is_empty();
        self.decide_desktop(home, Event::Looked(main.map(|main| Seen { main, renderers, has_log })));
    }

    fn decide_desktop(&mut self, home: &Path, event: Event) {
        let app = self.desktops.0.entry(home.to_owned()).or_default();
        for effect in app.machine.handle(event, now()) {
            self.carry_out_desktop(home, effect);
        }
    }

    fn carry_out_desktop(&mut self, home: &Path, effect: Effect) {
        match effect {
            Effect::CheckpointHosted => {
                for chat in self.hosted_by(home) {
                    for transcript in self.transcripts_of(&chat) {
                        self.catch_up_wholly(&transcript);
                    }
                    self.want_checkpoint(&chat, Trigger::ClientUpdate);
                }
            }
            Effect::TellUpdateReady => {
                let chats = self.hosted_by(home).len();
                self.notice(None, Said::UpdateReady { client: Client::ClaudeDesktop, chats });
            }
            Effect::TellCameBack => {
                self.decide_policy(policy::Event::HostCameBack);
                let open: Vec<_> = self.open_crashes.keys().cloned().collect();
                let cut = open.iter().filter(|chat| self.is_open(chat, CrashKind::ClientUpdate));
                self.notice(None, Said::UpdateDone { client: Client::ClaudeDesktop, chats: cut.count() });
            }
            Effect::RecordHung { process, evidence } => {
                let crash = NewCrash {
                    chat: app_chat(),
                    process,
                    kind: CrashKind::Hung,
                    in_turn: InTurn::None,
                    in_flight: Vec::new(),
                    evidence,
                    happened_at: now(),
                    seen_live: true,
                };
                self.record_crash(crash);
                self.read_registries_of(Client::ClaudeDesktop);
            }
            Effect::ResolveHung => {
                self.resolve_crashes(app_chat());
                self.read_registries_of(Client::ClaudeDesktop);
            }
        }
    }

    /// The live chats whose processes the app started.
    pub fn hosted_by(&self, home: &Path) -> Vec<ChatId> {
        let Some(app) = self.desktops.0.get(home) else { return Vec::new() };
        let living = self.supervisor.living().into_iter().map(|(chat, _)| chat);
        let hosted =
            living.filter(|chat| self.chats.get(chat).is_some_and(|known| hosts(app, &known.lineage)));
        hosted.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Entries that went while the app ran on were taken away by its user; so was a single one of which it cannot be
    /// told when it went. Entries that went with a restart of the app, or while it was closed, were lost.
    fn look_at_index(&mut self, home: &ClientHome) {
        self.recall_entries(&home.folder);
        let there: BTreeMap<_, _> = home
            .port()
            .transcripts(&home.folder, &mut Vec::new())
            .into_iter()
            .map(|transcript| (transcript.path, transcript.chat))
            .collect();
        self.name_listed(&there);
        let Some(app) = self.desktops.0.get_mut(&home.folder) else { return };
        let gone: Vec<_> = app
            .entries
            .iter()
            .filter(|(path, _)| !path.exists() && !app.lost.contains(*path))
            .map(|(path, chat)| (path.clone(), chat.clone()))
            .collect();
        let untold = app.just_quit || std::mem::take(&mut app.just_recalled);
        let by_user = app.stayed || untold && gone.len() == 1;
        app.lost.retain(|path| !there.contains_key(path));
        app.entries.extend(there.clone());
        for (path, chat) in gone {
            if by_user {
                self.forget_entry(&home.folder, &path);
            } else {
                self.entry_lost(&home.folder, path, chat);
            }
        }
        for chat in there.into_values() {
            if self.is_open(&chat, CrashKind::IndexLost) {
                self.resolve_crashes(chat);
            }
        }
    }

    /// Entries that an engine before this one saw.
    fn recall_entries(&mut self, home: &Path) {
        let app = self.desktops.0.entry(home.to_owned()).or_default();
        if std::mem::replace(&mut app.recalled, true) {
            return;
        }
        app.just_recalled = true;
        let folders = index_folders(home);
        let streams = self.home.store.read(|store| store.streams()).unwrap_or_default();
        let ours = streams.into_iter().filter(|stream| stream.sub_agent == INDEX && stream.known.bytes > 0);
        let ours = ours.map(|stream| (paths::from_bytes(&stream.path), stream.chat));
        app.entries.extend(ours.filter(|(path, _)| folders.iter().any(|folder| path.starts_with(folder))));
    }

    /// The app's own title of a chat, where the chat has none.
    fn name_listed(&mut self, there: &BTreeMap<PathBuf, ChatId>) {
        for (path, chat) in there {
            let Some(known) = self.chats.get_mut(chat).filter(|known| known.name.is_none()) else { continue };
            if let Some(title) = index_entry(path).and_then(|entry| entry.title) {
                known.name = Some(title);
                known.dirty = true;
            }
        }
    }

    fn forget_entry(&mut self, home: &Path, path: &Path) {
        if let Some(app) = self.desktops.0.get_mut(home) {
            app.entries.remove(path);
        }
        self.files.remove(path);
        let bytes = paths::to_bytes(path);
        let forgotten = self.home.store.write(Urgency::Gathered, move |store| {
            // What it said stays in the journal; an empty generation says that it is meant to be gone.
            store.stream_at(&bytes)?.map_or(Ok(0), |stream| store.begin_generation(stream.id))
        });
        if let Err(error) = forgotten {
            self.warn(error.to_string());
        }
    }

    fn entry_lost(&mut self, home: &Path, path: PathBuf, chat: ChatId) {
        let kept = self.chats.get(&chat).is_some_and(|known| known.durable > 0);
        let says = format!("{} is gone, and the app was not running on when it went", path.display());
        if let Some(app) = self.desktops.0.get_mut(home) {
            app.lost.insert(path);
        }
        if !kept || !home.is_dir() || self.is_open(&chat, CrashKind::IndexLost) {
            return;
        }
        let one = |source: &str, says: String| Evidence { source: source.to_owned(), says };
        let at = now();
        self.record_crash(NewCrash {
            chat,
            process: ProcessKey { pid: 0, start: format!("index {}", at.ms()) },
            kind: CrashKind::IndexLost,
            in_turn: InTurn::None,
            in_flight: Vec::new(),
            evidence: vec![
                one("index", says),
                one("transcript", "the chat itself is whole in the journal".to_owned()),
            ],
            happened_at: at,
            seen_live: true,
        });
    }

    fn is_open(&self, chat: &ChatId, kind: CrashKind) -> bool {
        let Some(id) = self.open_crashes.get(chat).copied() else { return false };
        let crash = self.home.store.read(|store| store.crash(id)).ok().flatten();
        crash.is_some_and(|crash| crash.kind == kind)
    }
}

fn hosts(app: &App, lineage: &[u32]) -> bool {
    app.main.as_ref().is_some_and(|main| lineage.contains(&main.pid))
}

/// What was appended to a log since it was read last. A log that is seen for the first time is read from its
/// end on: what it said before is history.
fn news_of(log: &Path, ends: &mut BTreeMap<PathBuf, LogEnd>) -> io::Result<String> {
    let mut file = paths::open_regular(log)?;
    let meta = file.metadata()?;
    let seen = paths::seen(&meta);
    let known = ends.get(log).map(|end| (end.file_number, end.offset));
    let from = match known {
        Some((number, offset)) if number == seen.file_number && offset <= seen.bytes => offset,
        // Rotated: all of the new one is news.
        Some(_) => 0,
        None => seen.bytes,
    };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    // A line that is not whole yet is read with the next look, unless it fills all that is read.
    let whole = match memchr::memrchr(b'\n', &bytes) {
        Some(at) => at + 1,
        None if bytes.len() as u64 == LOG_BYTES_MAX => bytes.len(),
        None => 0,
    };
    bytes.truncate(whole);
    let end = LogEnd { file_number: seen.file_number, offset: from + whole as u64 };
    ends.insert(log.to_owned(), end);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
