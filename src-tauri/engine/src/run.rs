//! The watch: one thread that owns all state, takes what happened one by one, asks the machines what it
//! means, and has the effects carried out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    path::PathBuf,
    process::Child,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use shim_api::{ApiError, error::ErrorCode, events::Event};
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    clients::Registration,
    crashes::{CrashKind, Gone},
    digest::Digest,
    policy::{Policy, freeze::Freeze},
    readings::{HostReading, Reading},
    supervisor::{NewCrash, Supervisor},
    time::Timestamp,
};
use shim_store::{Launch, Packer, StoreError};
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    checkpoints::{Checkpoints, Recorded},
    clients::{Change, ClientHome, Transcript},
    desktop::Desktops,
    experiments::Experiments,
    fleet,
    hangs::Hangs,
    home::Home,
    hooks::HeardChats,
    journal::{Kept, Tracked},
    metrics::Metrics,
    policy::Head,
    prediction::Foresight,
    processes::{Exit, Started, exited},
    settings::SettingsFile,
    shutdown::HeldDeath,
    signals::Followed,
    timeline::Timelines,
};

/// Time that file events are gathered before a file is read: clients write in bursts of small appends.
const SETTLE: Duration = Duration::from_millis(8);
/// Changed digests are stored this often; what is newer is folded again from the journal.
const PERSIST_EVERY: Duration = Duration::from_secs(30);
/// File events gathered at most; beyond that a sweep finds what changed.
const CHANGED_MAX: usize = 4096;

/// A look at all processes costs milliseconds; a chat that nobody is known to hold may grow a hundred times a second.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Different warnings that are logged.
const WARNINGS_SAID_MAX: usize = 1000;

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What can happen. The queue is not bounded by itself; each kind is: calls by the listener's limit,
/// exits by the processes watched, kept pieces by `OUTSTANDING_MAX`, wakes by one per settling.
pub enum Input {
    /// Look at what `Changed` gathered.
    Wake,
    /// Seen to have exited, at this moment.
    Exited {
        chat: ChatId,
        process: ProcessKey,
        exit: Exit,
        at: Timestamp,
    },
    Kept(Kept),
    Recorded(Recorded),
    Call(Box<dyn FnOnce(&mut Watch) + Send>),
    Stop,
}

/// Paths that file events named.
#[derive(Default)]
pub struct Changed {
    pub paths: HashSet<PathBuf>,
    pub overflowed: bool,
}

/// What the watch knows of one chat.
#[derive(Default)]
pub struct Chat {
    pub digest: Digest,
    pub name: Option<String>,
    pub last_activity: Timestamp,
    /// Bytes of the chat's own transcript that are durable.
    pub durable: u64,
    pub lag_ms: Option<u64>,
    pub launch: Launch,
    /// How its process was started, with its environment: in memory only, since that holds keys.
    pub started: Option<Started>,
    /// Its process and those it was started by, where an app may host it.
    pub lineage: Vec<u32>,
    /// Who is at the head of the session its process runs in.
    pub head: Head,
    /// Memory that its process took with what it started, when it was last read before its death.
    pub took_bytes: Option<u64>,
    pub dirty: bool,
    /// Its own transcripts. More than one existing file makes a restore ambiguous.
    pub transcripts: BTreeSet<PathBuf>,
}

pub struct Watch {
    pub home: Arc<Home>,
    pub foresight: Foresight,
    pub supervisor: Supervisor,
    pub chats: HashMap<ChatId, Chat>,
    pub files: HashMap<PathBuf, Tracked>,
    pub packer: Packer,
    pub settings_file: SettingsFile,
    pub experiments: Experiments,
    /// Registry files by path, as last read.
    pub registry: HashMap<PathBuf, Registration>,
    pub homes: BTreeSet<ClientHome>,
    pub open_crashes: BTreeMap<ChatId, i64>,
    /// Crashes that a full disk kept from being recorded; tried again with each sweep.
    pub unrecorded: Vec<NewCrash>,
    /// What became of changes under which an engine before this one ended.
    pub cut_short: Vec<String>,
    /// What is wrong now.
    pub warnings: BTreeSet<String>,
    /// What was logged: once each, however often it is found.
    said: HashSet<String>,
    pub paused_until: Option<Timestamp>,
    pub watched_bytes: u64,
    pub outstanding: usize,
    /// Files with more to read than one slice.
    pub backlog: BTreeSet<Transcript>,
    pub took: Vec<(i64, u64)>,
    pub checkpoints: Checkpoints,
    /// What clients' hooks told.
    pub heard: HeardChats,
    pub boot: Timestamp,
    /// Clients' databases, opened read-only, with the number of the file that was opened.
    pub databases: HashMap<PathBuf, (u64, shim_store::Opencode)>,
    pub file_events: Option<notify::RecommendedWatcher>,
    pub watched_folders: HashSet<PathBuf>,
    pub sweeps: u64,
    pub desktops: Desktops,
    pub ailing: crate::clinic::Ailing,
    pub policy: Policy,
    /// The chats that are being brought back together.
    pub job: fleet::Job,
    pub freeze: Freeze,
    /// Deaths that are not judged while the system goes down.
    pub held: Vec<HeldDeath>,
    /// Crashes of this engine's life, with their moments.
    pub died: VecDeque<(i64, Timestamp)>,
    /// Lives for one command: does nothing by itself.
    pub embedded: bool,
    /// What the system told last of each live chat's processes, and of the machine.
    pub readings: HashMap<ChatId, Reading>,
    pub host: HostReading,
    /// Live chats, from reading to reading.
    pub followed: HashMap<ChatId, Followed>,
    /// What may hang, run out of memory or wait too long.
    pub hangs: Hangs,
    /// Clients whose processes could not be told at the last look.
    pub untold: BTreeSet<Client>,
    /// When a client's processes were last looked for because an unattended chat grew.
    looked: HashMap<Client, Instant>,
    pub(crate) handle: Handle,
    tasks: Tasks,
    children: Vec<Child>,
}

/// Tokio tasks that the watch owns.
#[derive(Clone)]
pub struct Tasks {
    pub runtime: tokio::runtime::Handle,
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
}

/// Events kept for a listener that is slow; one that falls further behind is told to fetch anew.
const EVENTS_KEPT: usize = 1024;

/// Speaks to the watch from other threads.
#[derive(Clone)]
pub struct Handle {
    pub inputs: Sender<Input>,
    pub changes: Changes,
    pub home: Arc<Home>,
    pub events: broadcast::Sender<Event>,
    pub timelines: Arc<Timelines>,
    pub metrics: Arc<Metrics>,
}

impl Handle {
    /// To a watch that takes from the other end of `inputs`.
    pub fn new(home: Arc<Home>, inputs: Sender<Input>, metrics: Metrics) -> Self {
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let (changes, timelines) = (Changes::new(inputs.clone()), Arc::default());
        Self { inputs, changes, home, events, timelines, metrics: Arc::new(metrics) }
    }

    /// Runs `call` on the watch's thread and waits for what it returns.
    pub fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Watch) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (answer, answered) = channel();
        let input = Input::Call(Box::new(move |watch| drop(answer.send(call(watch)))));
        let ended =
            || ApiError::new(ErrorCode::EngineDown, "the engine is ending; start it again with `shim run`");
        self.inputs.send(input).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())
    }

    /// Tells what was decided or done. The metrics hear all of it, here and now: none is lost to a slow listener.
    pub fn tell(&self, event: Event) {
        self.metrics.hear(&event);
        tracing::debug!(event = event.name(), chat = event.chat().map(tracing::field::display));
        if !event.makes_stale() {
            return;
        }
        // Nobody listening is not an error.
        let _ = self.events.send(event);
    }
}

/// Gathers what file events name. Holds nothing of the data folder: the watcher's own thread may outlive it.
#[derive(Clone)]
pub struct Changes {
    gathered: Arc<Mutex<Changed>>,
    inputs: Sender<Input>,
}

impl Changes {
    pub fn new(inputs: Sender<Input>) -> Self {
        Self { gathered: Arc::default(), inputs }
    }

    /// Notes a changed path; the watch is woken once for many.
    pub fn note(&self, path: PathBuf) {
        let Ok(mut changed) = self.gathered.lock() else { return };
        let first = changed.paths.is_empty() && !changed.overflowed;
        if changed.paths.len() < CHANGED_MAX {
            changed.paths.insert(path);
        } else {
            changed.overflowed = true;
        }
        if first {
            let _ = self.inputs.send(Input::Wake);
        }
    }

    fn take(&self) -> Changed {
        self.gathered.lock().map(|mut changed| std::mem::take(&mut *changed)).unwrap_or_default()
    }
}

impl Watch {
    /// Takes up where the store stopped. Nothing is read from clients yet.
    pub fn open(home: Arc<Home>, handle: Handle, tasks: Tasks, embedded: bool) -> Result<Self, StoreError> {
        let mut watch = Self {
            foresight: Foresight::open(&home.store)?,
            supervisor: Supervisor::new(home.settings().restore_window),
            settings_file: SettingsFile::of(&home.path),
            experiments: Experiments::open(&home),
            home,
            chats: HashMap::new(),
            files: HashMap::new(),
            packer: Packer::default(),
            registry: HashMap::new(),
            homes: BTreeSet::new(),
            open_crashes: BTreeMap::new(),
            unrecorded: Vec::new(),
            warnings: BTreeSet::new(),
            said: HashSet::new(),
            paused_until: None,
            watched_bytes: 0,
            cut_short: Vec::new(),
            outstanding: 0,
            backlog: BTreeSet::new(),
            took: Vec::new(),
            checkpoints: Checkpoints::default(),
            heard: HeardChats::default(),
            boot: crate::processes::boot_time(),
            databases: HashMap::new(),
            file_events: None,
            watched_folders: HashSet::new(),
            sweeps: 0,
            desktops: Desktops::default(),
            ailing: crate::clinic::Ailing::default(),
            policy: crate::policy::open(&handle)?,
            job: fleet::Job::default(),
            freeze: Freeze::default(),
            held: Vec::new(),
            died: VecDeque::new(),
            embedded,
            readings: HashMap::new(),
            host: HostReading::default(),
            followed: HashMap::new(),
            hangs: Hangs::default(),
            untold: BTreeSet::new(),
            looked: HashMap::new(),
            handle,
            tasks,
            children: Vec::new(),
        };
        watch.recall()?;
        let (auto, set) = (watch.home.settings().experiments_auto, watch.home.set_at_start.clone());
        watch.experiments_hear_settings(auto, &set);
        watch.recall_demo();
        Ok(watch)
    }

    fn recall(&mut self) -> Result<(), StoreError> {
        let since = Timestamp::from_ms(now().ms().saturating_sub(
            i64::try_from(self.home.settings().restore_window.span.as_millis()).unwrap_or(i64::MAX),
        ));
        let (chats, crashes, restores, streams) = self.home.store.read(|store| {
            Ok((store.chats()?, store.crashes()?, store.restores_started(since)?, store.streams()?))
        })?;
        for row in chats {
            let chat = self.chats.entry(row.id).or_default();
            (chat.digest, chat.name, chat.last_activity) = (row.digest, row.name, row.last_activity);
        }
        for stream in streams.iter().filter(|stream| stream.sub_agent.is_empty() && stream.known.bytes > 0) {
            // An engine that was killed may not have stored what it had folded.
            let folded = match self.chats.get(&stream.chat) {
                Some(chat) if chat.digest.offset >= stream.known.bytes => None,
                _ => Some(self.reader_of(stream)?.digest),
            };
            let chat = self.chats.entry(stream.chat.clone()).or_default();
            if let Some(digest) = folded {
                chat.last_activity = digest.last_at.unwrap_or_else(now).max(chat.last_activity);
                (chat.digest, chat.dirty) = (digest, true);
            }
            chat.durable = stream.known.bytes;
            chat.transcripts.insert(crate::paths::from_bytes(&stream.path));
        }
        for crash in crashes {
            if !crash.resolved {
                self.open_crashes.entry(crash.chat.clone()).or_insert(crash.id);
                self.recall_ailment(&crash.chat, crash.kind);
            }
            let lives_on = crash.kind == CrashKind::Hung && !crash.ended;
            if lives_on && !crash.resolved && crash.chat.client() != Client::ClaudeDesktop {
                self.supervisor.recall_hang(crash.chat, crash.process, crash.happened_at);
            } else {
                self.supervisor.recall_crash(crash.chat, crash.process, crash.kind, crash.resolved, lives_on);
            }
        }
        for restore in restores {
            self.supervisor.recall_restore(restore.chat, restore.at);
        }
        Ok(())
    }

    /// Runs until told to stop.
    pub fn run(mut self, inputs: &Receiver<Input>) {
        let (mut next_sweep, mut next_persist) = (Instant::now(), Instant::now() + PERSIST_EVERY);
        let mut next_sample = Instant::now();
        loop {
            let wait = if self.backlog.is_empty() {
                let next = next_sweep.min(next_persist).min(next_sample);
                next.saturating_duration_since(Instant::now()).min(self.time_to_act())
            } else {
                Duration::ZERO
            };
            match inputs.recv_timeout(wait) {
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => self.work_on_backlog(),
            }
            self.act();
            if Instant::now() >= next_sweep {
                self.sweep();
                next_sweep = Instant::now() + self.home.settings().watch_sweep;
            }
            if Instant::now() >= next_sample {
                if !self.is_demo() {
                    self.sample();
                    self.look_for_hangs();
                }
                next_sample = Instant::now() + self.home.settings().hang.apart;
            }
            self.predict_when_due();
            self.seek_opportunities_when_due();
            if Instant::now() >= next_persist {
                self.persist();
                next_persist = Instant::now() + PERSIST_EVERY;
            }
        }
        self.foresight.stop();
        // What was handed over is durable now, and known to be.
        self.settle();
        while let Ok(input) = inputs.try_recv() {
            if let Input::Kept(_) | Input::Recorded(_) = input {
                self.take(input);
            }
        }
        self.persist();
        self.put_experiments_away();
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Wake => self.look_at_changes(),
            Input::Exited { chat, process, exit, at } => {
                self.process_exited(&chat, &process, Gone::Exited(exit), at)
            }
            Input::Kept(kept) => self.piece_kept(kept),
            Input::Recorded(recorded) => self.checkpoint_recorded(recorded),
            Input::Call(call) => call(self),
            Input::Stop => {}
        }
    }

    /// Whether enough time has passed to look at all processes again for a chat whose process is not known.
    fn may_look(&mut self, client: Client) -> bool {
        let now = Instant::now();
        let due = self.looked.get(&client).is_none_or(|last| now.duration_since(*last) >= LOOK_PAUSE);
        if due {
            self.looked.insert(client, now);
        }
        due
    }

    fn look_at_changes(&mut self) {
        std::thread::sleep(SETTLE);
        let changed = self.handle.changes.take();
        if self.is_paused() {
            return;
        }
        if changed.overflowed {
            self.sweep();
        }
        let (mut others, mut folder_came) = (BTreeSet::new(), false);
        let (mut app_spoke, mut hooks_told) = (false, false);
        for path in changed.paths {
            if self.is_desktop_log(&path) {
                app_spoke = true;
                continue;
            }
            if self.is_a_hooks_note(&path) {
                hooks_told = true;
                continue;
            }
            let home = self.home_holding(&path).cloned();
            match home.as_ref().map(|home| home.port().change(&home.folder, &path)) {
                Some(Change::Transcript(transcript)) => {
                    self.catch_up(&transcript);
                    if self.is_unattended(&transcript.chat) && self.may_look(transcript.chat.client()) {
                        others.insert(transcript.chat.client());
                    }
                }
                Some(Change::Rows) => {
                    let unattended = home.as_ref().is_some_and(|home| self.read_database(home));
                    let due = home.filter(|home| unattended && self.may_look(home.client));
                    others.extend(due.map(|home| home.client));
                }
                Some(Change::Processes) => others.extend(home.map(|home| home.client)),
                Some(Change::Nothing) | None => {
                    folder_came |= !self.watched_folders.contains(&path) && path.is_dir()
                }
            }
        }
        if hooks_told {
            self.hear_hooks();
        }
        for client in others {
            self.read_registries_of(client);
        }
        if app_spoke {
            self.hear_desktops();
        }
        if folder_came {
            self.sweep();
        }
    }

    /// Watches for the exit of a process, as a task of its own.
    pub fn watch_exit(&mut self, chat: ChatId, process: ProcessKey) {
        let (inputs, stop) = (self.handle.inputs.clone(), self.tasks.stop.clone());
        let watching = async move {
            tokio::select! {
                exit = exited(&process) => drop(inputs.send(Input::Exited { chat, process, exit, at: now() })),
                () = stop.cancelled() => {}
            }
        };
        self.tasks.tracker.spawn_on(watching, &self.tasks.runtime);
    }

    /// Runs what takes long on a thread that the engine waits for when it ends.
    pub fn on_a_thread(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.tasks.tracker.spawn_blocking_on(work, &self.tasks.runtime));
    }

    /// Keeps a child that was started for the user, so that it is reaped when it ends.
    pub fn adopt(&mut self, child: Child) {
        self.children.push(child);
    }

    pub fn reap(&mut self) {
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    pub fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| now() < until)
    }

    pub fn pause(&mut self, until: Option<Timestamp>) {
        self.paused_until = until;
        self.handle.tell(Event::StatusChanged);
        if until.is_none() {
            self.sweep();
        }
    }

    /// Says what a person should know, until a sweep finds that it is so no longer.
    pub fn warn(&mut self, warning: String) {
        if self.said.len() < WARNINGS_SAID_MAX && self.said.insert(warning.clone()) {
            tracing::warn!("{warning}");
        }
        if self.warnings.insert(warning) {
            self.handle.tell(Event::StatusChanged);
        }
    }

    pub fn persist(&mut self) {
        let dirty = self
            .chats
            .iter_mut()
            .filter_map(|(id, chat)| std::mem::take(&mut chat.dirty).then(|| chat.row(id)));
        let rows: Vec<_> = dirty.collect();
        let known: Vec<_> = self.files.values_mut().filter_map(Tracked::take_changed_known).collect();
        let took = std::mem::take(&mut self.took);
        if rows.is_empty() && known.is_empty() && took.is_empty() {
            return;
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
        let written = self.home.store.write(shim_store::Urgency::AtOnce, move |store| {
            rows.iter().try_for_each(|row| store.put_chat(row))?;
            known.iter().try_for_each(|(stream, known)| store.set_known(*stream, known))?;
            took.iter().try_for_each(|(id, us)| store.set_checkpoint_took(*id, *us))
        });
        if let Err(error) = written {
            self.warn(error.to_string());
            for id in ids {
                self.chats.entry(id).or_default().dirty = true;
            }
        }
    }
}

impl Watch {
    /// The client's version that wrote the chat last.
    pub fn version_of(&self, chat: &ChatId) -> Option<String> {
        self.chats.get(chat)?.digest.version.clone()
    }
}

impl Chat {
    /// As it is stored. A digest is only stored up to what is durable.
    pub fn row(&self, id: &ChatId) -> shim_store::ChatRow {
        shim_store::ChatRow {
            id: id.clone(),
            digest: self.digest.clone(),
            last_activity: self.last_activity,
            name: self.name.clone(),
        }
    }
}
