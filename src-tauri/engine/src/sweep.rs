//! The slow look at everything, behind the file events: homes, registries, transcripts. Finds what an
//! event did not tell, and what happened while no engine ran.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecursiveMode, Watcher};
use shim_core::{
    chats::{ChatId, ChatState, Client, ProcessKey},
    checkpoints::Trigger,
    clients::Registration,
    crashes::{Gone, LastWords, Leave, RegistryStatus, ToolCall},
    digest::{Digest, Turn},
    supervisor::Event,
    time::Timestamp,
};
use shim_store::Urgency;

use crate::{
    clients::{self, ClientHome, Look, Transcript, port},
    hooks::NOTES_FOLDER,
    paths,
    policy::Head,
    processes::{self, Liveness, probe},
    run::{Watch, now},
};

/// Homes of running clients are looked for with every so many sweeps: it reads all processes.
const DISCOVER_EVERY: u64 = 3;
/// Files that are gone, or soon will be, are looked for with every so many sweeps.
const GONE_EVERY: u64 = 6;
/// Retention runs with every so many sweeps.
const RETAIN_EVERY: u64 = 360;
/// A chat with an open turn and without a process is judged when nothing was written for this long: its
/// process may not have been found yet.
const UNATTENDED_QUIET: Duration = Duration::from_secs(20);
/// What was cut longer ago than this is history, not a crash to come back from.
const UNATTENDED_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A registry written this long before the machine started is of the time before.
const BOOT_SLACK_MS: i64 = 2000;

impl Watch {
    pub fn sweep(&mut self) {
        if self.paused_until.is_some_and(|until| now() >= until) {
            self.paused_until = None;
            self.handle.tell(shim_api::events::Event::StatusChanged);
        }
        if self.is_paused() {
            return;
        }
        let warned = std::mem::take(&mut self.warnings);
        if self.is_demo() {
            return self.look_at_settings();
        }
        self.reap();
        self.handle.timelines.let_go();
        self.look_at_settings();
        // One look at the processes for all of this sweep.
        let look = Look::default();
        self.find_homes(&look);
        self.watch_folders();
        let mut unreadable = Vec::new();
        let homes: Vec<_> = self.homes.iter().cloned().collect();
        let transcripts: Vec<_> =
            homes.iter().flat_map(|home| home.port().transcripts(&home.folder, &mut unreadable)).collect();
        for warning in unreadable {
            self.warn(warning);
        }
        let dropped = self.dropped_chats();
        let kept: Vec<_> =
            transcripts.iter().filter(|transcript| !is_dropped(&dropped, transcript)).collect();
        self.introduce(&kept);
        for transcript in kept {
            self.catch_up(transcript);
        }
        self.hear_hooks();
        let cut = if self.sweeps == 0 { self.take_up_stops() } else { Vec::new() };
        if self.sweeps == 0 {
            self.judge_last_moments();
            self.judge_lost_holders();
        }
        self.read_registries_with(&look);
        self.look_after_the_living();
        self.look_after_desktops(&look);
        self.look_after_the_unattended(&look);
        self.judge_left_marks(&look);
        self.look_after_suspects();
        if self.sweeps.is_multiple_of(GONE_EVERY) {
            self.look_for_deleted();
            self.announce_deletions();
        }
        self.record_what_waits();
        self.take_what_waits();
        self.experiments_tick();
        if self.sweeps.is_multiple_of(RETAIN_EVERY) {
            self.retain();
            self.tidy_up();
        }
        self.settle_stops(cut);
        if self.sweeps == 0 {
            self.finish_half_done();
        }
        if self.sweeps == 0 && !self.embedded {
            self.settle_begun();
            self.take_up_fleet();
        }
        self.sweeps += 1;
        if !warned.is_subset(&self.warnings) {
            self.handle.tell(shim_api::events::Event::StatusChanged);
        }
    }

    fn find_homes(&mut self, look: &Look) {
        let stored: Vec<_> = Client::ALL.into_iter().flat_map(|client| self.stored_homes(client)).collect();
        let look = Some(look).filter(|_| self.sweeps.is_multiple_of(DISCOVER_EVERY));
        let settings = self.home.settings();
        let homes = clients::homes(&settings, stored.clone(), look);
        let set = settings.clients.iter().flat_map(|client| &client.homes);
        let missing: Vec<_> = set.filter(|home| !home.is_dir()).cloned().collect();
        for home in missing {
            self.warn(format!("{}, a home in config.toml, is no folder (yet)", home.display()));
        }
        let new: Vec<_> = homes.difference(&self.homes).cloned().collect();
        self.homes.extend(homes);
        let new: Vec<_> = new.into_iter().filter(|home| !stored.contains(home)).collect();
        if !new.is_empty() {
            let kept = self.home.store.write(Urgency::Gathered, move |store| {
                new.iter().try_for_each(|home| store.put_home(home.client, &paths::to_bytes(&home.folder)))
            });
            if let Err(error) = kept {
                self.warn(error.to_string());
            }
        }
    }

    fn stored_homes(&self, client: Client) -> Vec<ClientHome> {
        let stored = self.home.store.read(|store| store.homes(client)).unwrap_or_default();
        stored.iter().map(|bytes| ClientHome { client, folder: paths::from_bytes(bytes) }).collect()
    }

    /// Asks for file events below every home. Where that fails the sweep still finds all, only later.
    fn watch_folders(&mut self) {
        if self.file_events.is_none() {
            self.file_events = self.new_file_events();
        }
        let mut wanted: Vec<_> = clients::awaited(&self.home.settings())
            .into_iter()
            .map(|folder| (folder, RecursiveMode::NonRecursive))
            .collect();
        wanted.push((self.home.path.join(NOTES_FOLDER), RecursiveMode::NonRecursive));
        for home in &self.homes {
            wanted.push((home.folder.clone(), RecursiveMode::NonRecursive));
            wanted.extend(home.port().folders(&home.folder));
        }
        self.watched_folders.retain(|folder| folder.is_dir());
        let mut failures = Vec::new();
        for (folder, mode) in wanted {
            let Some(events) = &mut self.file_events else { return };
            if self.watched_folders.contains(&folder) || !folder.is_dir() {
                continue;
            }
            match events.watch(&folder, mode) {
                Ok(()) => drop(self.watched_folders.insert(folder)),
                Err(error) => {
                    failures.push(format!("{} gives no file events ({error}); it is swept", folder.display()))
                }
            }
        }
        for failure in failures {
            self.warn(failure);
        }
    }

    fn new_file_events(&mut self) -> Option<notify::RecommendedWatcher> {
        let changes = self.handle.changes.clone();
        let each = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if !event.kind.is_access() {
                event.paths.into_iter().for_each(|path| changes.note(path));
            }
        };
        let config = notify::Config::default().with_follow_symlinks(false);
        match notify::RecommendedWatcher::new(each, config) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                self.warn(format!("no file events are to be had ({error}); everything is swept"));
                None
            }
        }
    }

    /// Finds which processes hold which chats, of all clients.
    pub fn read_registries(&mut self) {
        self.read_registries_with(&Look::default());
    }

    fn read_registries_with(&mut self, look: &Look) {
        for client in Client::ALL {
            self.read_registries_of_with(client, look);
        }
    }

    /// Finds which processes hold which chats of one client.
    pub fn read_registries_of(&mut self, client: Client) {
        self.read_registries_of_with(client, &Look::default());
    }

    /// Judges each process that is named.
    fn read_registries_of_with(&mut self, client: Client, look: &Look) {
        let (mut found, mut untold) = (HashMap::new(), false);
        let homes: Vec<_> = self.homes.iter().filter(|home| home.client == client).cloned().collect();
        for home in &homes {
            match home.port().registrations(&home.folder, look) {
                Ok(registrations) => found.extend(registrations),
                Err(error) => {
                    untold = true;
                    let folder = home.folder.display();
                    self.warn(format!(
                        "which processes hold the chats of {folder} cannot be told ({error}); deaths there are not noticed"
                    ));
                    // What could not be looked at is not gone.
                    found.extend(self.known_of(client));
                }
            }
        }
        if untold {
            self.untold.insert(client);
        } else {
            self.untold.remove(&client);
        }
        if !port(client).keeps_registry() {
            found.values_mut().for_each(|registration| self.fill_in_status(registration));
        }
        for (path, registration) in &found {
            let before = self.registry.get(path);
            match before.cloned() {
                Some(before) if changed_its_chat(&before, registration) => {
                    self.decide(Event::Left { chat: &before.chat(), process: &before.process });
                }
                // A later process of the same pid wrote over what a dead one left.
                Some(before) if before.process != registration.process => {
                    let chat = before.chat();
                    if probe(&before.process) == Liveness::Alive {
                        self.decide(Event::Left { chat: &chat, process: &before.process });
                    } else if self.supervisor.is_watched(&chat, &before.process) {
                        self.process_gone(&before, Gone::PidReused, Leave::LeftBehind, now());
                    }
                }
                Some(_) | None => {}
            }
            self.registered(path, registration);
        }
        // A file that is gone says what its process said last, until the process is gone too. Where no file
        // is kept, a process that lives and was not found has left the chat.
        let is_gone = |registration: &Registration| probe(&registration.process) != Liveness::Alive;
        let lost: Vec<_> = self
            .known_of(client)
            .into_iter()
            .filter(|(path, known)| {
                let tells = || !port(client).keeps_registry() && !is_ending(&known.process);
                !found.contains_key(path) && (is_gone(known) || tells())
            })
            .map(|(path, known)| (path, known.chat(), is_gone(&known), known.process))
            .collect();
        self.registry.extend(found);
        for (path, chat, is_gone, process) in lost {
            // The exit watch is about to say so, and knows more; a later sweep finds what it missed.
            if !is_gone || !self.supervisor.is_watched(&chat, &process) {
                // One that could not be judged from here is taken away by removing its file.
                self.decide(Event::Left { chat: &chat, process: &process });
                self.registry.remove(&path);
            }
        }
    }

    fn known_of(&self, client: Client) -> Vec<(PathBuf, Registration)> {
        let known = self.registry.iter().filter(|(_, known)| known.client == client);
        known.map(|(path, known)| (path.clone(), known.clone())).collect()
    }

    /// The status of a chat whose client keeps none: as its transcript tells.
    fn fill_in_status(&self, registration: &mut Registration) {
        if registration.client == Client::ClaudeDesktop {
            if self.is_desktop_hung(&registration.process) {
                registration.status = RegistryStatus::Hung;
            }
            return;
        }
        let Some(chat) = self.chats.get(&registration.chat()) else { return };
        let status = status_by(&chat.digest, registration.started_at);
        let waits = self.waits_by_hooks(&registration.chat(), chat.digest.last_at);
        // A tool that runs outweighs words that look like a whole answer.
        registration.status = match registration.status {
            _ if waits => RegistryStatus::Waiting,
            RegistryStatus::Busy => RegistryStatus::Busy,
            _ => status,
        };
        registration.updated_at = chat.digest.last_at.or(registration.updated_at);
    }

    /// A transcript grew that also tells the chat's status.
    pub fn status_grew(&mut self, id: &ChatId) {
        let Some(chat) = self.chats.get(id) else { return };
        let at = chat.digest.last_at;
        let (waits, mut now_is) = (self.waits_by_hooks(id, at), Vec::new());
        for registration in self.registry.values_mut().filter(|known| known.chat() == *id) {
            let status = status_by(&chat.digest, registration.started_at);
            registration.status = if waits { RegistryStatus::Waiting } else { status };
            registration.updated_at = at.or(registration.updated_at);
            now_is.push((registration.process.clone(), registration.status.clone()));
        }
        for (process, status) in now_is {
            if self.supervisor.is_watched(id, &process) {
                self.decide(Event::Alive { chat: id, process: &process, status });
            }
        }
    }

    /// Processes of a client, in homes that are watched, of which it is not known which chat they hold.
    pub fn strangers(&self, client: Client, look: &Look) -> Vec<(u32, Option<PathBuf>)> {
        let port = port(client);
        let Ok(running) = look.programs(port) else { return Vec::new() };
        let mut known: HashSet<u32> = self
            .supervisor
            .living()
            .into_iter()
            .filter(|(chat, _)| chat.client() == client)
            .map(|(_, process)| process.pid)
            .collect();
        // A launcher waits for the client it started; a client's own helpers are started by it.
        loop {
            let launched = |pid: u32| running.iter().any(|r| known.contains(&r.pid) && r.parent == Some(pid));
            let kin: Vec<_> = running
                .iter()
                .filter(|r| !known.contains(&r.pid))
                .filter(|r| launched(r.pid) || r.parent.is_some_and(|parent| known.contains(&parent)))
                .map(|r| r.pid)
                .collect();
            if kin.is_empty() {
                break;
            }
            known.extend(kin);
        }
        let is_here = |started: &processes::Started| {
            let home = clients::home_of(port, &started.environment)
                .map(|home| paths::canonical(&home).unwrap_or(home));
            home.is_none_or(|home| {
                self.homes.iter().any(|known| known.client == client && known.folder == home)
            })
        };
        let strangers = running.iter().filter(|r| !known.contains(&r.pid) && is_here(&r.started));
        strangers.map(|r| (r.pid, r.started.cwd.clone())).collect()
    }

    /// Whether the process that writes a chat is not known yet.
    pub fn is_unattended(&self, id: &ChatId) -> bool {
        !port(id.client()).keeps_registry() && self.supervisor.possible_processes(id).is_empty()
    }

    /// Chats that were cut while nobody watched, of clients that keep no registry: their turn is open and
    /// no process holds them.
    fn look_after_the_unattended(&mut self, look: &Look) {
        let at = now();
        let cut = self.chats.iter().filter(|(id, chat)| {
            let quiet = chat.digest.last_at.map(|last| at.since(last));
            matches!(chat.digest.turn, Turn::Open { .. })
                && quiet.is_some_and(|quiet| (UNATTENDED_QUIET..UNATTENDED_MAX).contains(&quiet))
                // A process that was met since saw the cut turn, and ended without going on with it.
                && chat.digest.last_at.is_some_and(|last| chat.last_activity <= last)
                // What was cut before SHIM was here is its user's own affair.
                && self.home.made.is_none_or(|made| chat.digest.last_at.is_some_and(|last| last >= made))
                && self.is_unattended(id)
                && self.supervisor.state(id) == ChatState::Ended
        });
        let mut cut: Vec<_> = cut.map(|(id, chat)| (id.clone(), chat.digest.last_at.unwrap_or(at))).collect();
        let clients: BTreeSet<_> = cut.iter().map(|(id, _)| id.client()).collect();
        let is_unsure =
            |client: &Client| self.untold.contains(client) || !self.strangers(*client, look).is_empty();
        let unsure: Vec<_> = clients.into_iter().filter(is_unsure).collect();
        cut.retain(|(id, _)| !unsure.contains(&id.client()));
        for (id, last_at) in cut {
            // No process has the number 0: it stands for the one that was never seen.
            let process = ProcessKey { pid: 0, start: last_at.ms().to_string() };
            let registration = Registration {
                status: RegistryStatus::Busy,
                updated_at: Some(last_at),
                ..Registration::new(id.client(), process, id.session_id())
            };
            if !self.supervisor.was_judged(&id, &registration.process) {
                let before_boot = self.is_from_before_boot(&registration);
                let gone = if before_boot { Gone::BeforeBoot } else { Gone::Absent };
                self.process_gone(&registration, gone, Leave::Unsaid, at);
            }
        }
    }

    /// An exit that no event told, as after a pause.
    fn look_after_the_living(&mut self) {
        for (chat, process) in self.supervisor.living() {
            if let Liveness::Dead(gone) = probe(&process) {
                self.process_exited(&chat, &process, gone, now());
            }
        }
    }

    pub fn registered(&mut self, path: &Path, registration: &Registration) {
        let (chat, process) = (registration.chat(), &registration.process);
        if self.supervisor.was_judged(&chat, process) {
            return;
        }
        if registration.pid_domain.as_deref().is_some_and(|domain| !processes::is_our_pid_domain(domain)) {
            return self.decide(Event::Unknowable { chat: &chat, process });
        }
        match probe(process) {
            Liveness::Alive if self.meet(&chat, registration, path) => {
                self.decide(Event::Alive { chat: &chat, process, status: registration.status.clone() });
            }
            Liveness::Dead(gone) if !self.supervisor.is_watched(&chat, process) => {
                let gone = if self.is_from_before_boot(registration) { Gone::BeforeBoot } else { gone };
                let (words, leave) = port(registration.client).last_words(path, registration);
                self.process_gone(&words, gone, leave, now());
            }
            // The exit watch is about to say so, and knows more.
            Liveness::Alive | Liveness::Dead(_) => {}
        }
    }

    /// Learns how a chat's process was started, once. What has become another program meanwhile is not met: the client
    /// was about to start it, and died.
    fn meet(&mut self, id: &ChatId, registration: &Registration, registry_file: &Path) -> bool {
        if self.supervisor.is_watched(id, &registration.process) {
            return true;
        }
        let started = processes::started(registration.process.pid);
        if !port(id.client()).still_holds(registry_file, registration.process.pid) {
            return false;
        }
        self.keep_holder(registry_file, registration);
        let client_home = self.home_holding(registry_file).map(|home| home.folder.clone());
        let cwd = registration.cwd.clone();
        let mut launch = crate::launch::describe(port(id.client()), started.as_ref(), client_home, cwd);
        if self.are_of_a_restore(&launch.flags) {
            let before = self.home.store.read(|store| store.launch(id)).ok().flatten();
            launch.flags = before.map(|before| before.flags).unwrap_or_default();
        }
        let lineage = self.lineage_of(registration);
        self.begin_life(id, registration.started_at);
        let head = Head::of(registration.process.pid);
        let chat = self.chats.entry(id.clone()).or_default();
        chat.lineage = lineage;
        chat.head = head;
        chat.name = registration.name.clone().or(chat.name.take());
        chat.last_activity = chat.last_activity.max(registration.started_at.unwrap_or_else(now));
        chat.launch = launch;
        chat.started = started;
        chat.dirty = true;
        let (id, launch) = (id.clone(), chat.launch.clone());
        let kept = move |result: Result<(), shim_store::StoreError>| {
            if let Err(error) = result {
                tracing::warn!("how a chat was started could not be kept: {error}");
            }
        };
        self.home.store.submit(Urgency::Gathered, move |store| store.put_launch(&id, &launch), kept);
        true
    }

    /// The settings of a restore are for that start alone; the flags before it are the user's.
    fn are_of_a_restore(&self, flags: &[String]) -> bool {
        let restores = self.home.path.join("restores");
        flags.iter().any(|flag| Path::new(flag).starts_with(&restores))
    }

    /// The flags to start a chat with again: as its process was given them, where that is remembered.
    pub fn flags_of(&self, chat: &ChatId, stored: &shim_store::Launch) -> Vec<String> {
        let started = self.chats.get(chat).and_then(|known| known.started.as_ref());
        let given =
            started.map(|started| crate::launch::kept_flags(port(chat.client()).flags(), &started.arguments));
        given.filter(|flags| !self.are_of_a_restore(flags)).unwrap_or_else(|| stored.flags.clone())
    }

    pub fn is_from_before_boot(&self, registration: &Registration) -> bool {
        let last = registration.updated_at.or(registration.started_at);
        last.is_some_and(|at| at.ms() + BOOT_SLACK_MS < self.boot.ms())
    }

    /// A watched process is gone: its exit was seen, or it was found gone.
    pub fn process_exited(&mut self, chat: &ChatId, process: &ProcessKey, gone: Gone, at: Timestamp) {
        if self.is_paused() || !self.supervisor.is_watched(chat, process) {
            return;
        }
        if probe(process) == Liveness::Alive {
            // Whatever ended was the watch, not the process.
            return self.watch_exit(chat.clone(), process.clone());
        }
        let entry = self
            .registry
            .iter()
            .find(|(_, known)| known.process == *process && known.chat() == *chat)
            .map(|(path, known)| (path.clone(), known.clone()));
        let Some((path, last)) = entry else { return };
        // What it wrote last, where it is still there to be read.
        let (words, leave) = port(last.client).last_words(&path, &last);
        self.process_gone(&words, gone, leave, at);
        if leave != Leave::LeftBehind {
            self.registry.remove(&path);
        }
    }

    pub fn process_gone(&mut self, registration: &Registration, gone: Gone, leave: Leave, at: Timestamp) {
        if self.freeze.is_on() {
            return self.hold(registration, gone, leave, at);
        }
        let chat = &registration.chat();
        let leave = self.leave_by_hooks(chat, &registration.process, leave);
        let transcripts: Vec<_> = self.transcripts_of(chat);
        for transcript in &transcripts {
            self.catch_up_wholly(transcript);
        }
        let mut digest = self.digest_at_rest(chat);
        let keeps_registry = port(registration.client).keeps_registry();
        let unfinished = self.unfinished_calls(chat, Some(&registration.process));
        if !unfinished.is_empty() {
            digest.reopen(unfinished);
        }
        let happened_at = match gone {
            Gone::Exited(_) | Gone::WithTheSystem => Some(at),
            Gone::Absent | Gone::PidReused | Gone::BeforeBoot => {
                last_sign_of_life(registration, digest.last_at)
            }
        };
        let last_words = LastWords {
            status: if keeps_registry {
                registration.status.clone()
            } else {
                status_by(&digest, registration.started_at)
            },
            updated_at: if keeps_registry { registration.updated_at } else { digest.last_at },
            leave,
        };
        let memory = self.memory_at_death(chat, &registration.process);
        self.decide(Event::MemoryAtDeath { chat, process: &registration.process, memory });
        let host_updating = self.is_host_updating(chat, at);
        self.decide(Event::Gone {
            chat,
            process: &registration.process,
            gone,
            last_words,
            happened_at,
            digest: &digest,
            host_updating,
        });
        if self.supervisor.state(chat) == ChatState::Ended {
            self.want_checkpoint(chat, Trigger::SessionEnd);
        }
    }

    /// Calls that a dead process of the chat left running and that its transcript does not have.
    pub fn unfinished_calls(&self, chat: &ChatId, dead: Option<&ProcessKey>) -> Vec<ToolCall> {
        let port = port(chat.client());
        let Some(known) = self.chats.get(chat).filter(|_| !port.tool_marks_name_the_chat()) else {
            return Vec::new();
        };
        let living = self.supervisor.living().into_iter().filter(|(_, process)| Some(process) != dead);
        let others: Vec<_> = living.map(|(_, process)| process.pid).collect();
        let dead: Vec<_> = dead.iter().map(|process| process.pid).collect();
        let stored = || self.home.store.read(|store| store.launch(chat)).ok().flatten();
        let met = Some(&known.launch).filter(|launch| !launch.environment.is_empty()).cloned();
        let launch = met.or_else(stored).unwrap_or_default();
        let cwd = launch.cwd.as_deref().or(known.digest.cwd.as_deref());
        let left = clients::tool_children(chat, &launch, cwd, &dead, &others, (known.digest.last_at, None));
        let mut calls: Vec<_> =
            left.unwrap_or_default().iter().filter_map(|orphan| port.unfinished_call(orphan)).collect();
        // A shell and the one it became two of show the same call.
        calls.dedup();
        calls
    }

    /// The home that a path lies in; where one lies in another, the inner one.
    pub fn home_holding(&self, path: &Path) -> Option<&ClientHome> {
        let holding = self.homes.iter().filter(|home| path.starts_with(&home.folder));
        holding.max_by_key(|home| home.folder.components().count())
    }

    /// The chat's own transcripts that are known, or where a new one would be.
    pub fn transcripts_of(&self, chat: &ChatId) -> Vec<Transcript> {
        let known = self.chats.get(chat).map(|chat| chat.transcripts.clone()).unwrap_or_default();
        if !known.is_empty() {
            let own = |path| Transcript { path, chat: chat.clone(), sub_agent: String::new() };
            return known.into_iter().map(own).collect();
        }
        let mut unreadable = Vec::new();
        let homes = self.homes.iter().filter(|home| home.client == chat.client());
        let all = homes.flat_map(|home| home.port().transcripts(&home.folder, &mut unreadable));
        all.filter(|transcript| transcript.chat == *chat && transcript.sub_agent.is_empty()).collect()
    }

    pub fn dropped_chats(&mut self) -> HashMap<ChatId, Timestamp> {
        let dropped = self.home.store.read(|store| store.dropped()).unwrap_or_default();
        dropped.into_iter().map(|dropped| (dropped.chat, dropped.at)).collect()
    }
}

/// A chat that retention dropped is not journaled again unless it goes on.
fn is_dropped(dropped: &HashMap<ChatId, Timestamp>, transcript: &Transcript) -> bool {
    let Some(at) = dropped.get(&transcript.chat) else { return false };
    let Ok(meta) = std::fs::metadata(&transcript.path) else { return true };
    paths::seen(&meta).modified_ns < i128::from(at.ms()) * 1_000_000
}

/// Records that came long after the registry's last word are of a later process.
const LATER_PROCESS_MS: i64 = 60_000;

fn last_sign_of_life(registration: &Registration, last_record: Option<Timestamp>) -> Option<Timestamp> {
    let words = registration.updated_at.or(registration.started_at);
    let last_record =
        last_record.filter(|at| words.is_none_or(|words| at.ms() - words.ms() < LATER_PROCESS_MS));
    let candidates: HashSet<_> =
        [registration.updated_at, registration.started_at, last_record].into_iter().flatten().collect();
    candidates.into_iter().max()
}

/// Whether a process has begun to end: the system still lists it, and no longer says how it was started. With much
/// memory to give back that takes seconds.
fn is_ending(process: &ProcessKey) -> bool {
    processes::started(process.pid).is_none_or(|started| started.arguments.is_empty())
}

fn changed_its_chat(before: &Registration, after: &Registration) -> bool {
    before.process == after.process && before.session_id != after.session_id
}

/// A turn that was opened before the process started is not its own: the chat was cut then, and brought back since.
fn status_by(digest: &Digest, started_at: Option<Timestamp>) -> RegistryStatus {
    match digest.turn {
        Turn::Open { since } if since.zip(started_at).is_some_and(|(since, started)| since < started) => {
            RegistryStatus::Idle
        }
        Turn::Open { .. } => RegistryStatus::Busy,
        Turn::None | Turn::Done | Turn::Interrupted | Turn::Failed => RegistryStatus::Idle,
    }
}

/// Paths that are not UTF-8 are shown with replacement marks.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
