//! The slow look at everything, behind the file events: homes, registries, transcripts. Finds what an
//! event did not tell, and what happened while no engine ran.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use notify::{RecursiveMode, Watcher};
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    claude_code::Registration,
    crashes::{Gone, LastWords},
    supervisor::Event,
    time::Timestamp,
};
use shim_store::Urgency;

use crate::{
    claude_code::{self, Transcript},
    hooks::NOTES_FOLDER,
    paths,
    processes::{self, Liveness, probe},
    run::{Watch, now},
};

/// Homes of running clients are looked for with every so many sweeps: it reads all processes.
const DISCOVER_EVERY: u64 = 3;
/// Retention runs with every so many sweeps.
const RETAIN_EVERY: u64 = 360;
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
        self.reap();
        self.find_homes();
        self.watch_folders();
        let mut unreadable = Vec::new();
        let homes: Vec<_> = self.homes.iter().cloned().collect();
        let transcripts: Vec<_> =
            homes.iter().flat_map(|home| claude_code::transcripts(home, &mut unreadable)).collect();
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
        self.read_registries();
        self.look_after_the_living();
        self.record_what_waits();
        if self.sweeps.is_multiple_of(RETAIN_EVERY) {
            self.retain();
            self.tidy_up();
        }
        self.sweeps += 1;
        if !warned.is_subset(&self.warnings) {
            self.handle.tell(shim_api::events::Event::StatusChanged);
        }
    }

    fn find_homes(&mut self) {
        let look = self.sweeps.is_multiple_of(DISCOVER_EVERY);
        let stored = self.home.store.read(|store| store.homes(Client::ClaudeCode)).unwrap_or_default();
        let remembered = stored.iter().map(|bytes| paths::from_bytes(bytes)).collect();
        let homes = claude_code::homes(&self.home.settings, remembered, look);
        let missing: Vec<_> =
            self.home.settings.watch_homes.iter().filter(|home| !home.is_dir()).cloned().collect();
        for home in missing {
            self.warn(format!("{} of watch.homes in config.toml is no folder (yet)", home.display()));
        }
        let new: Vec<_> = homes.difference(&self.homes).map(|home| paths::to_bytes(home)).collect();
        self.homes.extend(homes);
        let new: Vec<_> = new.into_iter().filter(|home| !stored.contains(home)).collect();
        if !new.is_empty() {
            let kept = self.home.store.write(Urgency::Gathered, move |store| {
                new.iter().try_for_each(|home| store.put_home(Client::ClaudeCode, home))
            });
            if let Err(error) = kept {
                self.warn(error.to_string());
            }
        }
    }

    /// Asks for file events below every home. Where that fails the sweep still finds all, only later.
    fn watch_folders(&mut self) {
        if self.file_events.is_none() {
            self.file_events = self.new_file_events();
        }
        let mut wanted: Vec<_> = claude_code::awaited(&self.home.settings)
            .into_iter()
            .map(|folder| (folder, RecursiveMode::NonRecursive))
            .collect();
        wanted.push((self.home.path.join(NOTES_FOLDER), RecursiveMode::NonRecursive));
        for home in &self.homes {
            wanted.push((home.clone(), RecursiveMode::NonRecursive));
            wanted.push((claude_code::sessions_folder(home), RecursiveMode::NonRecursive));
            wanted.push((claude_code::projects_folder(home), RecursiveMode::Recursive));
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

    /// Reads all registries and judges each process that they name.
    pub fn read_registries(&mut self) {
        let mut found = HashMap::new();
        let homes: Vec<_> = self.homes.iter().cloned().collect();
        for home in &homes {
            match claude_code::registrations(home) {
                Ok(registrations) => found.extend(registrations),
                Err(error) => {
                    let folder = claude_code::sessions_folder(home);
                    self.warn(format!(
                        "{} cannot be read ({error}); deaths there are not noticed",
                        folder.display()
                    ));
                }
            }
        }
        for (path, registration) in &found {
            let before = self.registry.get(path);
            match before.cloned() {
                Some(before) if changed_its_chat(&before, registration) => {
                    self.decide(Event::Left { chat: &chat_of(&before), process: &before.process });
                }
                // A later process of the same pid wrote over what a dead one left.
                Some(before) if before.process != registration.process => {
                    let chat = chat_of(&before);
                    if self.supervisor.is_watched(&chat, &before.process) {
                        self.process_gone(&chat, &before, Gone::PidReused, true, now());
                    }
                }
                Some(_) | None => {}
            }
            self.registered(path, registration);
        }
        // A file that is gone says what its process said last, until the process is gone too.
        let waiting: Vec<_> = self.registry.iter().filter(|(path, _)| !found.contains_key(*path)).collect();
        let lost: Vec<_> = waiting
            .into_iter()
            .filter(|(_, registration)| probe(&registration.process) != Liveness::Alive)
            .map(|(path, registration)| (path.clone(), chat_of(registration), registration.process.clone()))
            .collect();
        self.registry.extend(found);
        for (path, chat, process) in lost {
            // The exit watch is about to say so, and knows more; a later sweep finds what it missed.
            if !self.supervisor.is_watched(&chat, &process) {
                // One that could not be judged from here is taken away by removing its file.
                self.decide(Event::Left { chat: &chat, process: &process });
                self.registry.remove(&path);
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

    fn registered(&mut self, path: &Path, registration: &Registration) {
        let (chat, process) = (chat_of(registration), &registration.process);
        if self.supervisor.was_judged(&chat, process) {
            return;
        }
        if registration.pid_domain.as_deref().is_some_and(|domain| !processes::is_our_pid_domain(domain)) {
            return self.decide(Event::Unknowable { chat: &chat, process });
        }
        match probe(process) {
            Liveness::Alive => {
                self.meet(&chat, registration, path);
                self.decide(Event::Alive { chat: &chat, process, status: registration.status.clone() });
            }
            Liveness::Dead(gone) if !self.supervisor.is_watched(&chat, process) => {
                let gone = if self.is_from_before_boot(registration) { Gone::BeforeBoot } else { gone };
                self.process_gone(&chat, registration, gone, true, now());
            }
            // The exit watch is about to say so, and knows more.
            Liveness::Dead(_) => {}
        }
    }

    /// Learns how a chat's process was started, once.
    fn meet(&mut self, id: &ChatId, registration: &Registration, registry_file: &Path) {
        if self.supervisor.is_watched(id, &registration.process) {
            return;
        }
        let started = processes::started(registration.process.pid);
        let client_home = registry_file.parent().and_then(Path::parent).map(Path::to_owned);
        let mut launch = crate::launch::describe(started.as_ref(), client_home, registration.cwd.clone());
        if self.are_of_a_restore(&launch.flags) {
            let before = self.home.store.read(|store| store.launch(id)).ok().flatten();
            launch.flags = before.map(|before| before.flags).unwrap_or_default();
        }
        let chat = self.chats.entry(id.clone()).or_default();
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
    }

    /// The settings of a restore are for that start alone; the flags before it are the user's.
    fn are_of_a_restore(&self, flags: &[String]) -> bool {
        let restores = self.home.path.join("restores");
        flags.iter().any(|flag| Path::new(flag).starts_with(&restores))
    }

    /// The flags to start a chat with again: as its process was given them, where that is remembered.
    pub fn flags_of(&self, chat: &ChatId, stored: &shim_store::Launch) -> Vec<String> {
        let started = self.chats.get(chat).and_then(|chat| chat.started.as_ref());
        let given = started.map(|started| crate::launch::kept_flags(&started.arguments));
        given.filter(|flags| !self.are_of_a_restore(flags)).unwrap_or_else(|| stored.flags.clone())
    }

    fn is_from_before_boot(&self, registration: &Registration) -> bool {
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
            .find(|(_, known)| known.process == *process)
            .map(|(path, known)| (path.clone(), known.clone()));
        let Some((path, last)) = entry else { return };
        // What it wrote last, where it is still there to be read.
        let left = claude_code::registration(&path).filter(|left| left.process == *process);
        let left_behind = left.is_some();
        let words = left.unwrap_or(last);
        self.process_gone(&chat_of(&words), &words, gone, left_behind, at);
        if !left_behind {
            self.registry.remove(&path);
        }
    }

    fn process_gone(
        &mut self,
        chat: &ChatId,
        registration: &Registration,
        gone: Gone,
        left_behind: bool,
        at: Timestamp,
    ) {
        let transcripts: Vec<_> = self.transcripts_of(chat);
        for transcript in &transcripts {
            self.catch_up_wholly(transcript);
        }
        let digest = self.digest_at_rest(chat);
        let happened_at = match gone {
            Gone::Exited(_) => Some(at),
            Gone::Absent | Gone::PidReused | Gone::BeforeBoot => {
                last_sign_of_life(registration, digest.last_at)
            }
        };
        let last_words = LastWords {
            status: registration.status.clone(),
            updated_at: registration.updated_at,
            left_behind,
        };
        self.decide(Event::Gone {
            chat,
            process: &registration.process,
            gone,
            last_words,
            happened_at,
            digest: &digest,
        });
    }

    /// Whether a path is where a home keeps transcripts, and not merely named like one.
    pub fn is_of_a_home(&self, path: &Path) -> bool {
        self.homes.iter().any(|home| {
            let below = path.strip_prefix(claude_code::projects_folder(home)).ok();
            below.is_some_and(|below| matches!(below.components().count(), 2 | 4))
        })
    }

    /// The chat's own transcripts that are known, or where a new one would be.
    pub fn transcripts_of(&self, chat: &ChatId) -> Vec<Transcript> {
        let known = self.chats.get(chat).map(|chat| chat.transcripts.clone()).unwrap_or_default();
        if !known.is_empty() {
            return known.iter().filter_map(|path| claude_code::transcript_at(path)).collect();
        }
        let mut unreadable = Vec::new();
        let all = self.homes.iter().flat_map(|home| claude_code::transcripts(home, &mut unreadable));
        all.filter(|transcript| transcript.chat == *chat && transcript.sub_agent.is_empty()).collect()
    }

    fn dropped_chats(&mut self) -> HashMap<ChatId, Timestamp> {
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

fn changed_its_chat(before: &Registration, after: &Registration) -> bool {
    before.process == after.process && before.session_id != after.session_id
}

pub fn chat_of(registration: &Registration) -> ChatId {
    ChatId::new(Client::ClaudeCode, &registration.session_id)
}

/// Paths that are not UTF-8 are shown with replacement marks.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
