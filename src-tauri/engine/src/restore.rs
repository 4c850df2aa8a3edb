//! Carries out a restore: each effect of the machine, on a thread of its own, with what came of it told
//! back. The watch goes on meanwhile.

mod boundaries;
mod hung;
mod limit;
mod receipts;
mod rows;
mod start;
mod subject;
mod target;
mod transcript;

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant},
};

use shim_api::{
    ApiError,
    error::ErrorCode,
    events::Event as Told,
    restore::{Receipt, RestoreRequest, Step},
};
use shim_core::{
    chats::{ChatId, Client},
    crashes::{InTurn, ToolCall},
    restore::{
        Effect, Event, Findings, Fork, Job, Orphan, Outcome, Refusal, RefusalReason, Restore, StepFailed,
        Then,
    },
    supervisor,
    time::Timestamp,
};
use shim_store::{CheckpointRow, Urgency, faults};

use self::{
    receipts::unfinished,
    subject::{Subject, look_up, where_cut},
    target::{Target, find_target, refuse_ambiguous},
};
pub use self::{
    receipts::{close_unfinished, empty_receipt, keep_receipt, note_unfinished},
    target::find_chat,
};
use crate::{
    clients::{self, Look, port},
    clinic, desktop,
    processes::{self, Liveness},
    run::{Handle, now},
    terminal, views,
};

/// Restores in work at once that were asked for one by one, over the api. Those of a fleet are bound by `fleet.at_once`,
/// those that the policy begins by `policy.apart_seconds` between two of them.
pub const RESTORES_MAX: usize = 4;
/// How often the client's registry is looked at while it starts, beside file events.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a worker that holds its chat no more may take to be gone.
const ENDING_WAIT: Duration = Duration::from_secs(2);
/// The same where all processes must be looked at.
const SLOW_LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a launcher may take to end after its client.
const STRANGERS_WAIT: Duration = Duration::from_secs(3);
/// Output of a worker that is read back when it fails to start, in bytes.
const OUTPUT_BYTES_MAX: u64 = 2000;

struct Work<'a> {
    handle: &'a Handle,
    job: Job,
    subject: Subject,
    checkpoint: Option<CheckpointRow>,
    number: i64,
    program: Option<PathBuf>,
    terminal: Option<Vec<String>>,
    /// The file that goes on, or the fork's.
    file: Option<PathBuf>,
    worker: Option<Child>,
    started: bool,
    /// Tool children were left running.
    orphans_found: bool,
    /// What the chat is told.
    context: String,
    /// The client answered and ended by itself.
    went_on: bool,
    /// The process that the client showed the chat under.
    appeared: Option<u32>,
    child_said: Option<PathBuf>,
    begun: Instant,
    begun_at: Timestamp,
    client_wait: Duration,
    /// Processes that hang and are ended before the start.
    ending: Vec<u32>,
    /// Why it was begun without being asked for.
    why_begun: Option<Step>,
}

/// Restores a chat and gives the receipt. Refusals and failures are receipts too; an error is only for a
/// request that names nothing, or a store that cannot be written.
pub fn restore(handle: &Handle, request: &RestoreRequest) -> Result<Receipt, ApiError> {
    restore_because(handle, request, None)
}

/// The same, with the step that says why it was begun where nobody asked for it.
pub fn restore_because(
    handle: &Handle,
    request: &RestoreRequest,
    why_begun: Option<Step>,
) -> Result<Receipt, ApiError> {
    let begun = Instant::now();
    let (chat, crash) = match find_target(handle, &request.target)? {
        Target::One(chat, crash) => (chat, crash),
        Target::Many(candidates) => return refuse_ambiguous(handle, request, &candidates, begun),
    };
    if chat.client() == Client::ClaudeDesktop {
        return desktop::restart::restart(handle, &chat, crash, request.dry_run);
    }
    let subject = look_up(handle, &chat, crash)?;
    if let Some(crash) = desktop::relink::lost(handle, subject.crash)? {
        return desktop::relink::relink(handle, &crash, request.dry_run, why_begun);
    }
    if request.checkpoint.is_none()
        && let Some(crash) = clinic::ailment(handle, subject.crash)?
    {
        return clinic::restore(handle, &crash, request, why_begun);
    }
    Work::begin(handle, request, &chat, subject, why_begun, begun)?.run(&chat)
}

fn job(
    handle: &Handle,
    request: &RestoreRequest,
    chat: &ChatId,
    (in_turn, in_flight): (InTurn, Vec<ToolCall>),
) -> Job {
    let client = chat.client();
    let fork = request
        .checkpoint
        .map(|checkpoint| Fork { chat: ChatId::new(client, &port(client).new_session_id()), checkpoint });
    Job {
        chat: chat.clone(),
        fork,
        then: request.then,
        headless: request.headless,
        dry_run: request.dry_run,
        start_timeout: handle.home.settings().restore_start_timeout,
        orphans: handle.home.settings().restore_orphans,
        in_turn,
        in_flight,
    }
}

fn no_processes() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the system does not say which processes run")
}

impl<'a> Work<'a> {
    /// Gives the restore its number, under which it can be found should the engine die.
    fn begin(
        handle: &'a Handle,
        request: &RestoreRequest,
        chat: &ChatId,
        subject: Subject,
        why_begun: Option<Step>,
        begun: Instant,
    ) -> Result<Self, ApiError> {
        let store = &handle.home.store;
        let checkpoint = match request.checkpoint {
            Some(id) => store.read(|store| store.checkpoint(id)).map_err(views::store_error)?,
            None => None,
        };
        let (for_row, crash, at) = (chat.clone(), subject.crash, now());
        let note = why_begun.as_ref().filter(|_| !request.dry_run).map(|why| Receipt {
            crash,
            steps: vec![why.clone()],
            ..empty_receipt(chat.clone(), false)
        });
        faults::boundary("restore.before");
        let number = store.write(Urgency::AtOnce, move |store| {
            let number = store.new_restore(&for_row, crash, at)?;
            if let Some(note) = note {
                store.put_receipt(number, &unfinished(&Receipt { id: number, ..note }))?;
            }
            Ok(number)
        });
        faults::boundary("restore.numbered");
        let number = number.map_err(views::store_error)?;
        let cut = where_cut(handle, chat, &subject, checkpoint.as_ref())?;
        Ok(Self {
            handle,
            job: job(handle, request, chat, cut),
            subject,
            checkpoint,
            number,
            program: None,
            terminal: None,
            file: None,
            worker: None,
            started: false,
            orphans_found: false,
            context: String::new(),
            went_on: false,
            appeared: None,
            child_said: None,
            begun,
            begun_at: at,
            client_wait: Duration::ZERO,
            ending: Vec::new(),
            why_begun,
        })
    }

    fn run(mut self, chat: &ChatId) -> Result<Receipt, ApiError> {
        let fork = self.job.fork.is_some();
        let asked = chat.clone();
        let dry_run = self.job.dry_run;
        let allowed = self.handle.call(move |watch| match watch.may_restore(&asked, fork) {
            // A rehearsal holds nothing up.
            Ok(ends) if dry_run => {
                watch.decide(supervisor::Event::RestoreEnded { chat: &asked, started: false });
                Ok(ends)
            }
            other => other,
        })?;
        faults::boundary("restore.allowed");
        let outcome = match allowed {
            Ok(_) if self.subject.transcripts.len() > 1 && !fork => self.several_transcripts(),
            Ok(ends) => {
                if !dry_run {
                    self.handle.tell(Told::RestoreStarted { chat: chat.clone() });
                }
                if ends.is_empty() { self.carry_out() } else { self.end_hung_and_carry_out(chat, &ends) }
            }
            Err(refusal) => refused("allowed", refusal),
        };
        let mut outcome = limit::told(self.handle, chat, outcome)?;
        outcome.steps.splice(0..0, self.why_begun.take());
        let (ended, started) = (chat.clone(), outcome.started);
        let receipt = self.receipt(outcome);
        let under_way_elsewhere =
            receipt.refused.as_ref().is_some_and(|r| r.reason == RefusalReason::UnderWay);
        let came_back = receipt.refused.is_none().then_some(receipt.ok);
        if !dry_run && !under_way_elsewhere {
            // Before the receipt: where that cannot be kept, the chat must not stay under way.
            self.handle.call(move |watch| {
                watch.decide(supervisor::Event::RestoreEnded { chat: &ended, started });
                watch.experiment_restored(&ended, came_back);
            })?;
            faults::boundary("restore.ended");
        }
        faults::boundary("restore.receipt.before");
        keep_receipt(self.handle, &receipt)?;
        faults::boundary("restore.receipt.after");
        Ok(receipt)
    }

    fn several_transcripts(&self) -> Outcome {
        let paths: Vec<_> = self.subject.transcripts.iter().map(|path| path.display().to_string()).collect();
        let message = format!(
            "this chat has {} transcripts: {}; set aside those that are not meant, then restore again",
            paths.len(),
            paths.join(", ")
        );
        refused("journal", Refusal { reason: RefusalReason::Ambiguous, message })
    }

    fn carry_out(&mut self) -> Outcome {
        self.carry_out_job(self.job.clone())
    }

    fn carry_out_job(&mut self, job: Job) -> Outcome {
        let mut machine = Restore::new(job);
        let mut event = Event::Begin;
        loop {
            let effect = machine.handle(event);
            let (before, after) = boundaries::around(&effect);
            before.into_iter().for_each(faults::boundary);
            event = match effect {
                Effect::LookAround => match self.look_around() {
                    Ok(findings) => Event::Found(findings),
                    Err(error) => return self.unprovable(&error),
                },
                Effect::EndOrphans(orphans) => match self.note_orphans(&orphans) {
                    Ok(()) => Event::OrphansEnded { left: processes::end(&orphans) },
                    Err(error) => return self.unprovable(&error),
                },
                Effect::PrepareTranscript => {
                    Event::TranscriptReady(self.prepare_transcript().map_err(|e| StepFailed(e.to_string())))
                }
                Effect::WriteContext(text) => {
                    self.context = text;
                    Event::ContextWritten(self.write_context())
                }
                Effect::StartClient => Event::Started(self.start()),
                Effect::AwaitClient { at_most } => self.await_client(at_most),
                Effect::CountProcesses => match self.count() {
                    Ok(processes) if self.has_just_ended(&processes) => self.note_went_on(),
                    Ok(processes) => Event::Counted { processes },
                    Err(error) => return self.unprovable(&error),
                },
                Effect::Compare => Event::Compared(self.compare()),
                Effect::Finish(outcome) => return self.wind_up(outcome),
            };
            after.into_iter().for_each(faults::boundary);
        }
    }

    /// Where nothing can be proved, nothing more is done.
    fn unprovable(&mut self, error: &ApiError) -> Outcome {
        let message = format!("it could not be proved that no process holds this chat: {error}; try again");
        let outcome = refused("prove_dead", Refusal { reason: RefusalReason::LivenessUnknown, message });
        let started = self.started;
        self.wind_up(Outcome { started, ..outcome })
    }

    /// What is about to be ended is on record before it is.
    fn note_orphans(&self, orphans: &[Orphan]) -> Result<(), ApiError> {
        let names: Vec<_> = orphans.iter().map(|o| format!("{} ({})", o.process.pid, o.command)).collect();
        let detail = format!("about to end {}", names.join(", "));
        let begun = Step { step: "end_orphans".to_owned(), ok: false, detail };
        let note = Receipt {
            id: self.number,
            crash: self.subject.crash,
            steps: self.why_begun.iter().cloned().chain([begun]).collect(),
            ..empty_receipt(self.job.chat.clone(), false)
        };
        note_unfinished(self.handle, &note)?;
        faults::boundary("restore.end_orphans.noted");
        Ok(())
    }

    /// The id of the chat that goes on.
    fn goes_on(&self) -> &ChatId {
        self.job.fork.as_ref().map_or(&self.job.chat, |fork| &fork.chat)
    }

    fn look_around(&mut self) -> Result<Findings, ApiError> {
        self.program = clients::program(
            &self.handle.home.settings(),
            self.job.chat.client(),
            self.subject.launch.program.as_deref().map(Path::new),
        );
        self.terminal = if self.job.headless { None } else { terminal::find(&self.handle.home.settings()) };
        let cwd = self.subject.cwd.clone();
        let orphans = if self.job.fork.is_some() { Vec::new() } else { self.orphans()? };
        self.orphans_found = !orphans.is_empty();
        Ok(Findings {
            live: self.live_here()?,
            orphans,
            cwd_exists: cwd.as_deref().is_some_and(|cwd| Path::new(cwd).is_dir()),
            cwd,
            client: self.program.as_deref().map(|program| program.display().to_string()),
            terminal: self.terminal.as_ref().map(|words| words.join(" ")),
            transcript: self.compare_with_journal(),
            unsure: if self.job.fork.is_some() { Vec::new() } else { self.strangers_here()? },
            adds_to: self.adds_to(),
            cannot: self
                .port()
                .cannot(&self.start_asked(), self.job.fork.is_some())
                .or_else(|| self.unreadable_rows()),
        })
    }

    /// Processes on the chat but those that are to be ended. A launcher names the chat, and takes a moment to end after
    /// its client.
    fn live_here(&self) -> Result<Vec<u32>, ApiError> {
        let until = Instant::now() + STRANGERS_WAIT;
        loop {
            let mut live = self.count()?;
            live.retain(|pid| !self.ending.contains(pid));
            let chat = self.goes_on().clone();
            let known = self.handle.call(move |watch| watch.supervisor.possible_processes(&chat))?;
            let stays = known.iter().any(|process| live.contains(&process.pid));
            if live.is_empty() || stays || Instant::now() >= until {
                return Ok(live);
            }
            std::thread::sleep(SLOW_LOOK_EVERY);
        }
    }

    fn orphans(&self) -> Result<Vec<Orphan>, ApiError> {
        let chat = self.job.chat.clone();
        let clients = self.handle.call(move |watch| {
            let living = watch.supervisor.living().into_iter().filter(|(other, _)| *other != chat);
            living.map(|(_, process)| process.pid).collect::<Vec<_>>()
        })?;
        // The client itself carries its chat's id only in what it starts.
        let dead: Vec<_> = self.subject.dead.into_iter().collect();
        let (launch, cwd) = (&self.subject.launch, self.subject.cwd.as_deref());
        let between = (self.subject.digest.last_at, self.subject.died_at);
        clients::tool_children(&self.job.chat, launch, cwd, &dead, &clients, between).ok_or_else(no_processes)
    }

    /// The client's file that the start would add a note to.
    fn adds_to(&self) -> Option<String> {
        let transcript = self.subject.transcripts.first()?;
        Some(self.port().added(&self.start_asked(), transcript)?.path.display().to_string())
    }

    /// Processes of the client in the chat's directory that may hold it. Those of the dead one take a moment to end.
    fn strangers_here(&self) -> Result<Vec<u32>, ApiError> {
        if self.port().keeps_registry() || self.port().locks_its_chats() {
            return Ok(Vec::new());
        }
        let (client, until) = (self.job.chat.client(), Instant::now() + STRANGERS_WAIT);
        loop {
            let all = self.handle.call(move |watch| watch.strangers(client, &Look::default()))?;
            let cwd = self.subject.cwd.as_deref().map(Path::new);
            let here = all.into_iter().filter(|(_, theirs)| theirs.is_none() || theirs.as_deref() == cwd);
            let here: Vec<_> = here.map(|(pid, _)| pid).collect();
            if here.is_empty() || Instant::now() >= until {
                return Ok(here);
            }
            std::thread::sleep(SLOW_LOOK_EVERY);
        }
    }

    /// Waits until the client's registry shows the chat under a new process.
    fn await_client(&mut self, at_most: Duration) -> Event {
        let since = Instant::now();
        let event = loop {
            let chat = self.goes_on().clone();
            let live = self.handle.call(move |watch| {
                watch.read_registries_of(chat.client());
                watch.supervisor.live_processes(&chat)
            });
            match live {
                Ok(live) => {
                    if let Some(process) = live.into_iter().next() {
                        self.appeared = Some(process.pid);
                        break Event::Appeared(process);
                    }
                }
                Err(error) => break Event::NotAppeared(error.message),
            }
            if let Some(Ok(Some(status))) = self.worker.as_mut().map(Child::try_wait) {
                if status.success() && self.job.then == Then::Continue {
                    break self.note_went_on();
                }
                break Event::NotAppeared(format!(
                    "the client ended at once ({status}): {}",
                    self.last_words()
                ));
            }
            if since.elapsed() >= at_most {
                break Event::NotAppeared(format!(
                    "the client did not show the chat within {} s; its data is untouched: look at its window, or try again",
                    at_most.as_secs()
                ));
            }
            let slow = !self.port().keeps_registry();
            std::thread::sleep(if slow { SLOW_LOOK_EVERY } else { LOOK_EVERY });
        };
        self.client_wait = since.elapsed();
        event
    }

    /// Whether a worker that was asked to go on has answered and ended between two looks. Its launcher may
    /// still be about to.
    fn has_just_ended(&mut self, counted: &[u32]) -> bool {
        let asked = self.job.then == Then::Continue && !self.went_on;
        let (Some(worker), Some(appeared)) = (self.worker.as_mut().filter(|_| asked), self.appeared) else {
            return false;
        };
        if counted.contains(&appeared) || counted.iter().any(|pid| *pid != worker.id()) {
            return false;
        }
        let until = Instant::now() + ENDING_WAIT;
        loop {
            match worker.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if Instant::now() < until => std::thread::sleep(LOOK_EVERY),
                Ok(None) | Err(_) => return false,
            }
        }
    }

    fn note_went_on(&mut self) -> Event {
        self.went_on = true;
        let chat = self.goes_on().clone();
        let noted = self.handle.call(move |watch| watch.decide(supervisor::Event::WentOn { chat: &chat }));
        match noted {
            Ok(()) => Event::CameAndWent,
            Err(error) => Event::NotAppeared(error.message),
        }
    }

    fn last_words(&self) -> String {
        let mut text = String::new();
        if let Some(mut file) = self.child_said.as_ref().and_then(|path| File::open(path).ok()) {
            let length = file.metadata().map_or(0, |meta| meta.len());
            let from = std::io::SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES_MAX));
            let _ = std::io::Seek::seek(&mut file, from).and_then(|_| file.read_to_string(&mut text));
        }
        if text.trim().is_empty() { "it said nothing".to_owned() } else { text.trim().to_owned() }
    }

    /// Processes on the chat: those its registry names, and any client whose command line does.
    fn count(&self) -> Result<Vec<u32>, ApiError> {
        let chat = self.goes_on().clone();
        let look = move |watch: &mut crate::run::Watch| {
            watch.read_registries_of(chat.client());
            let live = watch.supervisor.live_processes(&chat);
            let mut possible = watch.supervisor.possible_processes(&chat);
            // One that died a moment ago is no process; one that cannot be judged from here may be.
            possible
                .retain(|process| !live.contains(process) || processes::probe(process) == Liveness::Alive);
            possible
        };
        let registered = self.handle.call(look)?;
        let mut pids: Vec<u32> = registered.into_iter().map(|process| process.pid).collect();
        let session_id = self.goes_on().session_id();
        let running = processes::running_programs(&[self.port().program_name()]).ok_or_else(no_processes)?;
        let named: Vec<_> = running.iter().filter(|running| running.names(session_id)).collect();
        let clients: Vec<u32> = named.iter().map(|running| running.pid).chain(pids.iter().copied()).collect();
        // A launcher waits for the client it started.
        let launchers: Vec<u32> =
            running.iter().filter(|r| pids.contains(&r.pid)).filter_map(|r| r.parent).collect();
        for running in named {
            // What a client is about to start looks like the client itself until it has become another program.
            let is_a_fork = running.parent.is_some_and(|parent| clients.contains(&parent));
            if !is_a_fork && !launchers.contains(&running.pid) && !pids.contains(&running.pid) {
                pids.push(running.pid);
            }
        }
        Ok(pids)
    }

    /// Leaves nothing half-way: a worker that did not come up is ended, the files for the start removed.
    fn wind_up(&mut self, outcome: Outcome) -> Outcome {
        if let Some(mut worker) = self.worker.take() {
            if outcome.process.is_none() {
                // One that has ended is reaped, and its pid may be another's.
                if matches!(worker.try_wait(), Ok(None)) {
                    processes::end(&processes::tree(worker.id()));
                }
                let _ = worker.wait();
            } else if let Err(error) = self.handle.call(move |watch| watch.adopt(worker)) {
                tracing::warn!("a worker could not be adopted: {error}");
            }
        }
        if outcome.process.is_none() {
            let leftovers = [self.context_path(), self.settings_path(), self.launch_path()];
            leftovers.iter().for_each(|path| drop(fs::remove_file(path)));
        }
        outcome
    }

    fn receipt(&self, outcome: Outcome) -> Receipt {
        let comparison = outcome.comparison.unwrap_or_default();
        let compared = outcome.processes.is_some();
        let turns_before = match (&self.job.fork, &self.checkpoint) {
            (Some(_), Some(row)) => row.checkpoint.turns,
            _ => self.subject.digest.turns,
        };
        Receipt {
            id: self.number,
            fork_of: self.job.fork.as_ref().map(|_| self.job.chat.clone()),
            crash: self.subject.crash,
            ok: outcome.ok,
            refused: outcome.refused,
            turns_before,
            turns_after: compared.then_some(comparison.turns_after),
            turns_lost: compared.then_some(comparison.turns_lost),
            last_message_sha256_before: comparison
                .sha256_before
                .or_else(|| self.subject.digest.last_message.as_ref().map(|last| last.sha256.clone())),
            last_message_sha256_after: comparison.sha256_after,
            processes: outcome.processes,
            pid: outcome.process.map(|process| process.pid),
            cwd: self.subject.cwd.clone(),
            model: self.subject.digest.model.clone(),
            permission_mode: self
                .subject
                .digest
                .permission_mode
                .clone()
                .or_else(|| self.port().permission_mode(&self.subject.flags)),
            seconds: self.begun.elapsed().as_secs_f64(),
            client_seconds: self.client_wait.as_secs_f64(),
            steps: outcome.steps,
            ..empty_receipt(self.goes_on().clone(), self.job.dry_run)
        }
    }
}

pub fn refused(step: &str, refusal: Refusal) -> Outcome {
    Outcome {
        ok: false,
        started: false,
        process: None,
        processes: None,
        comparison: None,
        steps: vec![Step { step: step.to_owned(), ok: false, detail: refusal.message.clone() }],
        refused: Some(refusal),
    }
}
