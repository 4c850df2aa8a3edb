//! Keeps the workspaces of checkpoints, on a thread of its own, so that neither the watch nor a chat ever waits for
//! it. What is kept is in a repository of the user's, under references of SHIM's alone.

pub mod git;
pub mod list;
pub mod take;

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use shim_api::events::Event;
use shim_core::{
    chats::ChatId,
    checkpoints::{
        Trigger,
        pace::Priority,
        snapshots::{Last, SnapshotState},
    },
};
use shim_store::{NewSnapshot, Outcome, SnapshotRow, StoreError, Urgency, faults};

use crate::{
    changes::{self, Change, Noted},
    home::Home,
    paths,
    run::{Handle, Watch, now},
};

use list::Point;

/// Chats whose workspace waits to be kept. One more is left out, and said.
const WAITING_MAX: usize = 64;
/// Chats of which it is remembered when their workspace was kept last.
const REMEMBERED_MAX: usize = 2000;
/// How long the engine's end may take for what the user asked for.
const LAST_WORK: Duration = Duration::from_secs(5);
/// Beside what the user asks for, at most one part of so many of the time goes into keeping workspaces.
const SHARE: u32 = 100;
/// Longest pause after a long piece of work.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// SHIM's own indexes, below the data folder.
pub const FOLDER: &str = "snapshots";

/// One workspace to keep.
pub struct Job {
    pub chat: ChatId,
    pub folder: PathBuf,
    /// Checkpoints that are to name it.
    pub checkpoints: Vec<i64>,
    pub point: Point,
    /// The user asked for it, or it is of a crash: done also where the engine ends.
    pub asked: bool,
    /// Who waits for it.
    pub answer: Option<Sender<Result<SnapshotRow, StoreError>>>,
}

enum Work {
    Keep(Job),
    Tidy,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// What the user asked for is being done.
    at_work: bool,
    /// It is time to look what has become too old.
    tidy: bool,
    /// Until when what nobody asked for waits.
    pause_until: Option<Instant>,
    ending: bool,
}

/// What the thread and the watch share.
#[derive(Clone, Default)]
pub struct Snapshots {
    queue: Arc<(Mutex<Queue>, Condvar)>,
    last: Arc<Mutex<HashMap<ChatId, Last>>>,
    /// Set when whatever runs is to be broken off.
    stop: Arc<AtomicBool>,
}

impl Snapshots {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn last(&self, chat: &ChatId) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(chat).copied()
    }

    fn remember(&self, chat: &ChatId, last: Last) {
        let mut known = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX
            && !known.contains_key(chat)
            && let Some(oldest) = known.iter().min_by_key(|(_, last)| last.at).map(|(chat, _)| chat.clone())
        {
            known.remove(&oldest);
        }
        known.insert(chat.clone(), last);
    }

    /// Puts it in the queue. One that waits for the same chat serves both: nothing was taken of it yet.
    pub fn ask(&self, mut job: Job) {
        let mut queue = self.lock();
        let same = |waiting: &Job| {
            waiting.chat == job.chat && waiting.folder == job.folder && waiting.answer.is_none()
        };
        if job.answer.is_some()
            && let Some(waiting) = queue.jobs.iter().position(same).and_then(|at| queue.jobs.remove(at))
        {
            job.checkpoints.extend(waiting.checkpoints);
            queue.jobs.push_front(job);
        } else if job.answer.is_none()
            && let Some(waiting) = queue.jobs.iter_mut().find(|waiting| same(waiting))
        {
            waiting.checkpoints.append(&mut job.checkpoints);
            (waiting.asked, waiting.point) = (waiting.asked || job.asked, job.point);
            queue.jobs.make_contiguous().sort_by_key(|job| !job.asked);
        } else if queue.jobs.len() < WAITING_MAX {
            if job.asked { queue.jobs.push_front(job) } else { queue.jobs.push_back(job) }
        } else {
            tracing::warn!(chat = %job.chat, "too many workspaces wait to be kept; this one is left out");
        }
        self.queue.1.notify_one();
    }

    /// Has what is too old let go of, on its thread.
    pub fn tidy(&self) {
        self.lock().tidy = true;
        self.queue.1.notify_one();
    }

    fn next(&self) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            if queue.ending {
                queue.jobs.retain(|job| job.asked);
            }
            let pause = queue.pause_until.map(|until| until.saturating_duration_since(Instant::now()));
            let pause = pause.filter(|pause| !pause.is_zero());
            // What was asked for stands in front.
            let next = queue.jobs.pop_front_if(|job| job.asked || pause.is_none());
            queue.at_work = next.as_ref().is_some_and(|job| job.asked);
            if let Some(job) = next {
                return Some(Work::Keep(job));
            }
            if queue.ending {
                return None;
            }
            if std::mem::take(&mut queue.tidy) {
                return Some(Work::Tidy);
            }
            queue = match pause.filter(|_| !queue.jobs.is_empty()) {
                Some(pause) => {
                    let waited = self.queue.1.wait_timeout(queue, pause);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.queue.1.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    pub fn start(&self, handle: Handle, left: Vec<(Noted, Change)>) -> std::io::Result<JoinHandle<()>> {
        let own = self.clone();
        std::thread::Builder::new().name("snapshots".to_owned()).spawn(move || {
            clean_up(&handle.home, &own.stop);
            changes::finish(&handle, left, &own.stop);
            while let Some(work) = own.next() {
                match work {
                    Work::Keep(job) => own.work(&handle, job),
                    Work::Tidy => make_room(&handle.home, None, &own.stop),
                }
            }
        })
    }

    /// Ends the thread: what the user asked for is done within a few seconds, the rest is broken off.
    pub fn end(&self, thread: JoinHandle<()>) {
        self.lock().ending = true;
        self.queue.1.notify_one();
        let until = Instant::now() + LAST_WORK;
        let is_awaited = || {
            let queue = self.lock();
            queue.at_work || queue.jobs.iter().any(|job| job.asked)
        };
        while !thread.is_finished() && Instant::now() < until && is_awaited() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
        if thread.join().is_err() {
            tracing::error!("the thread that keeps workspaces ended by a fault");
        }
    }

    fn work(&self, handle: &Handle, job: Job) {
        let (at, since) = (now(), Instant::now());
        let kept = keep(&handle.home, &job, &self.stop);
        let took = since.elapsed();
        let pause = took.saturating_mul(SHARE).min(PAUSE_MAX);
        self.lock().pause_until = Some(Instant::now() + pause);
        let outcome = kept.as_ref().map(|row| &row.outcome);
        self.remember(
            &job.chat,
            Last { at, failed: outcome.map_or(true, |outcome| outcome.error.is_some()) },
        );
        match outcome {
            Ok(Outcome { error: Some(why), .. }) => {
                tracing::info!(chat = %job.chat, "a workspace could not be kept as a commit: {why}")
            }
            Ok(outcome) => {
                tracing::debug!(chat = %job.chat, took_us = outcome.took_us, "a workspace was kept")
            }
            Err(error) => tracing::warn!(chat = %job.chat, "a workspace could not be kept: {error}"),
        }
        let ok = outcome.is_ok_and(|outcome| outcome.error.is_none());
        handle.tell(Event::WorkspaceKept {
            chat: job.chat.clone(),
            checkpoints: job.checkpoints,
            ok,
            seconds: took.as_secs_f64(),
        });
        if let Some(answer) = job.answer {
            // Whoever asked may have given up.
            let _ = answer.send(kept);
        }
        make_room(&handle.home, Some(&job.chat), &self.stop);
    }
}

/// Keeps one workspace: as a commit where a repository holds it, else as a list.
fn keep(home: &Home, job: &Job, stop: &AtomicBool) -> Result<SnapshotRow, StoreError> {
    let since = Instant::now();
    let (top, no_place) = place(&job.folder);
    let folder = top.as_ref().map_or(job.folder.as_path(), |(top, _)| top);
    let new = NewSnapshot {
        chat: job.chat.clone(),
        at: now(),
        folder: paths::to_bytes(folder),
        in_repository: top.is_some(),
    };
    let begun = home.store.write(Urgency::AtOnce, move |store| store.begin_snapshot(&new))?;
    faults::boundary("snapshot.begun");
    let mut error = no_place;
    if let Some((top, git_folder)) = &top {
        match in_repository(home, job, &begun, top, git_folder, stop) {
            Ok(InRepository::Kept(taken)) => return end(home, job, begun, of_commit(taken, since)),
            Ok(InRepository::SameAs(row)) => {
                let (id, same, checkpoints) = (begun.id, row.id, job.checkpoints.clone());
                home.store.write(Urgency::AtOnce, move |store| {
                    store.drop_snapshot(id)?;
                    store.name_snapshot(&checkpoints, same)
                })?;
                return Ok(*row);
            }
            Err(why) => error = Some(why.to_string()),
        }
        let_go(home, &begun, stop);
    }
    let outcome = match list::list(
        &home.store,
        &job.chat,
        &job.folder,
        job.point,
        &home.settings().checkpoints.snapshot,
        stop,
    ) {
        Ok(listed) => of_list(listed, error, since),
        Err(why) => failed(error.unwrap_or_default() + &why.to_string(), since),
    };
    end(home, job, begun, outcome)
}

/// The repository that holds a folder, or why none is used.
fn place(folder: &Path) -> (Option<(PathBuf, PathBuf)>, Option<String>) {
    let Some((top, git_folder)) = git::find(folder) else { return (None, None) };
    let is_home = std::env::home_dir().is_some_and(|home| paths::canonical(&home).unwrap_or(home) == top);
    if is_home || top.parent().is_none() {
        let why = format!("{} holds far more than a chat's work and is not kept as a whole", top.display());
        return (None, Some(why));
    }
    (Some((top, git_folder)), None)
}

enum InRepository {
    Kept(take::Taken),
    SameAs(Box<SnapshotRow>),
}

fn in_repository(
    home: &Home,
    job: &Job,
    begun: &SnapshotRow,
    top: &Path,
    git_folder: &Path,
    stop: &AtomicBool,
) -> Result<InRepository, git::GitError> {
    let last = home.store.read(|store| store.last_kept_snapshot(&job.chat)).ok().flatten();
    let last = last.filter(|last| last.folder == begun.folder);
    // Its user may have removed the reference, and git the commit.
    let last = last.filter(|last| {
        let git = git::Git::new(top, home.settings().checkpoints.snapshot.time_max, stop);
        let named = git.text(&["rev-parse", "--verify", "--quiet", &last.reference]);
        named.ok().is_some_and(|named| Some(&named) == last.outcome.commit.as_ref())
    });
    let same =
        last.as_ref().and_then(|last| Some((last.outcome.tree.as_deref()?, last.outcome.head.as_deref())));
    let message = format!("SHIM: the workspace of {} at {}", job.chat, begun.at);
    let index = index_of(home, begun.id);
    let wanted = take::Wanted {
        folder: &job.folder,
        reference: &begun.reference,
        message: &message,
        index: &index,
        pace: &home.settings().checkpoints.snapshot,
        last: same,
    };
    let taken = take::take(top, git_folder, &wanted, stop)?;
    Ok(match last {
        Some(last) if taken.commit.is_none() => InRepository::SameAs(Box::new(last)),
        Some(_) | None => InRepository::Kept(taken),
    })
}

fn index_of(home: &Home, snapshot: i64) -> PathBuf {
    home.path.join(FOLDER).join(format!("{snapshot}.index"))
}

fn end(home: &Home, job: &Job, begun: SnapshotRow, outcome: Outcome) -> Result<SnapshotRow, StoreError> {
    let (id, checkpoints, written) = (begun.id, job.checkpoints.clone(), outcome.clone());
    home.store.write(Urgency::AtOnce, move |store| {
        store.end_snapshot(id, &written)?;
        store.name_snapshot(&checkpoints, id)
    })?;
    faults::boundary("snapshot.noted");
    Ok(SnapshotRow { outcome, ..begun })
}

fn took_us(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn of_commit(taken: take::Taken, since: Instant) -> Outcome {
    Outcome {
        state: SnapshotState::Kept,
        commit: taken.commit,
        tree: Some(taken.tree),
        head: taken.head,
        files: taken.files,
        bytes: taken.bytes,
        left_out: taken.left_out,
        listed: Vec::new(),
        error: None,
        took_us: took_us(since),
    }
}

fn of_list(
    listed: Vec<shim_core::checkpoints::snapshots::Listed>,
    error: Option<String>,
    since: Instant,
) -> Outcome {
    let (files, bytes) = (listed.len() as u64, listed.iter().filter_map(|file| file.bytes).sum());
    Outcome { state: SnapshotState::Listed, files, bytes, listed, ..failed_or(error, since) }
}

fn failed(why: String, since: Instant) -> Outcome {
    failed_or(Some(why), since)
}

fn failed_or(error: Option<String>, since: Instant) -> Outcome {
    Outcome {
        state: SnapshotState::Failed,
        commit: None,
        tree: None,
        head: None,
        files: 0,
        bytes: 0,
        left_out: Vec::new(),
        listed: Vec::new(),
        error,
        took_us: took_us(since),
    }
}

fn let_go(home: &Home, row: &SnapshotRow, stop: &AtomicBool) -> bool {
    if row.reference.is_empty() {
        return true;
    }
    let gone = take::let_go(&paths::from_bytes(&row.folder), &row.reference, stop);
    if let Err(error) = &gone {
        tracing::info!(home = %home.path.display(), "{} could not be removed: {error}", row.reference);
    }
    gone.is_ok()
}

/// Lets go of what is too old or of chats that are gone, and of what is too much of this chat.
fn make_room(home: &Home, chat: Option<&ChatId>, stop: &AtomicBool) {
    let pace = &home.settings().checkpoints.snapshot;
    let keep_ms = i64::try_from(pace.keep.as_millis()).unwrap_or(i64::MAX);
    let before = shim_core::time::Timestamp::from_ms(now().ms().saturating_sub(keep_ms));
    let superfluous = home.store.read(|store| {
        let mut rows = store.aged_snapshots(before)?;
        rows.extend(store.orphaned_snapshots()?);
        if let Some(chat) = chat {
            rows.extend(store.superfluous_snapshots(chat, pace.kept_max)?);
        }
        Ok(rows)
    });
    for row in superfluous.unwrap_or_default() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // What cannot be let go of now is tried again; where no repository is any more, there is nothing to let go of.
        if !let_go(home, &row, stop) && paths::from_bytes(&row.folder).is_dir() {
            continue;
        }
        let expired = home.store.write(Urgency::Gathered, move |store| store.expire_snapshot(row.id));
        if let Err(error) = expired {
            tracing::warn!("a snapshot that made room could not be noted: {error}");
        }
    }
}

/// What an engine began and did not come to an end with is undone.
fn clean_up(home: &Home, stop: &AtomicBool) {
    let unfinished = home.store.read(|store| store.unfinished_snapshots()).unwrap_or_default();
    for row in unfinished {
        let_go(home, &row, stop);
        take::clear(&index_of(home, row.id));
        let outcome = failed("the engine ended meanwhile".to_owned(), Instant::now());
        let ended = home.store.write(Urgency::AtOnce, move |store| store.end_snapshot(row.id, &outcome));
        if let Err(error) = ended {
            tracing::warn!("a snapshot that was broken off could not be noted: {error}");
        }
    }
}

impl Watch {
    /// Has a checkpoint's workspace kept where that is due. Never waits.
    pub fn keep_workspace(&self, chat: &ChatId, checkpoint: i64, trigger: Trigger, point: Point) {
        let asked = trigger.priority() == Priority::Always;
        if self.checkpoints.only_asked && trigger != Trigger::User {
            return;
        }
        let snapshots = &self.checkpoints.snapshots;
        let live = self.supervisor.state(chat).is_live();
        let pace = &self.home.settings().checkpoints.snapshot;
        if !pace.is_due(trigger, live, snapshots.last(chat), now()) {
            return;
        }
        if let Some(folder) = self.folder_of(chat) {
            let (chat, checkpoints) = (chat.clone(), vec![checkpoint]);
            snapshots.ask(Job { chat, folder, checkpoints, point, asked, answer: None });
        }
    }

    /// Keeps a folder with a checkpoint that was just taken, and lets the caller wait for it.
    pub fn keep_folder_now(
        &self,
        chat: &ChatId,
        folder: PathBuf,
        checkpoint: i64,
        point: Point,
        answer: Sender<Result<SnapshotRow, StoreError>>,
    ) {
        let (chat, checkpoints) = (chat.clone(), vec![checkpoint]);
        let answer = Some(answer);
        self.checkpoints.snapshots.ask(Job { chat, folder, checkpoints, point, asked: true, answer });
    }

    /// The folder a chat works in, where it is still there.
    pub fn folder_of(&self, chat: &ChatId) -> Option<PathBuf> {
        let known = self.chats.get(chat)?;
        let named = known.digest.cwd.as_deref().or(known.launch.cwd.as_deref())?;
        paths::canonical(Path::new(named)).ok().filter(|folder| folder.is_dir())
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "snapshots/age_tests.rs"]
mod tests;
