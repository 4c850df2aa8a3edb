//! Carries out the ending of a chat's processes, and the user's own wish for it. Each process is looked at again
//! before each signal; whatever is ended is on record before it is.

use std::time::{Duration, Instant};

use shim_api::{
    ApiError,
    error::ErrorCode,
    restore::Step,
    stopping::{StopRequest, Stopped as Receipt},
};
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    policy,
    restore::{Orphan, StepFailed},
    stopping::{Effect, Event, Job, Stop, Stopped},
    supervisor,
};
use shim_store::Urgency;

use crate::{
    processes::{self, Liveness, probe},
    restore::find_chat,
    run::{Handle, Watch, now},
    views,
};

/// A restore that is under way sees its user's stop before it starts a client, or is over when that shows.
const RESTORE_WAIT: Duration = Duration::from_secs(120);
/// How long the watch may take to know of a death.
const CONFIRM_WAIT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends these processes of a chat, and what they started. `note` puts on record what is about to be ended.
pub fn end(
    handle: &Handle,
    chat: &ChatId,
    processes: &[ProcessKey],
    dry_run: bool,
    mut note: impl FnMut(&str) -> Result<(), StepFailed>,
) -> Stopped {
    let mut machine = Stop::new(Job { grace: handle.home.settings.stop_grace, dry_run });
    let mut event = Event::Begin;
    loop {
        event = match machine.handle(event) {
            Effect::LookAround => look_around(handle, chat, processes),
            Effect::Note(text) => Event::Noted(note(&text)),
            Effect::Ask { clients, grace } => Event::Asked { left: processes::ask(&clients, grace) },
            Effect::Force { clients, below } => {
                let mut left = processes::kill(&clients);
                left.extend(processes::end(&below));
                Event::Forced { left }
            }
            Effect::Confirm => Event::Confirmed { live: confirm(handle, chat, processes) },
            Effect::Finish(stopped) => return stopped,
        }
    }
}

fn look_around(handle: &Handle, chat: &ChatId, processes: &[ProcessKey]) -> Event {
    let alive: Vec<_> = processes.iter().filter(|process| probe(process) == Liveness::Alive).collect();
    let above = processes::lineage(std::process::id());
    if alive.iter().any(|process| above.contains(&process.pid)) {
        return Event::RunsBelow;
    }
    let asked = chat.clone();
    let others = handle.call(move |watch| {
        let living = watch.supervisor.living().into_iter().filter(|(other, _)| *other != asked);
        living.map(|(_, process)| process.pid).collect::<Vec<_>>()
    });
    let others = match others {
        Ok(others) => others,
        Err(error) => return Event::Unlooked(error.message),
    };
    let (mut clients, mut below) = (Vec::new(), Vec::<Orphan>::new());
    for process in alive {
        for member in processes::tree_without(process.pid, &others) {
            if member.process == *process {
                clients.push(member);
            } else if !below.contains(&member) {
                below.push(member);
            }
        }
    }
    Event::Found { clients, below }
}

/// Waits until the watch has judged each death, and gives what stands behind the chat even so.
fn confirm(handle: &Handle, chat: &ChatId, processes: &[ProcessKey]) -> Vec<u32> {
    let until = Instant::now() + CONFIRM_WAIT;
    loop {
        let (asked, ended) = (chat.clone(), processes.to_vec());
        let live = handle.call(move |watch| {
            for process in &ended {
                if let Liveness::Dead(gone) = probe(process) {
                    watch.process_exited(&asked, process, gone, now());
                }
            }
            let live = watch.supervisor.live_processes(&asked);
            live.into_iter()
                .filter(|process| probe(process) == Liveness::Alive)
                .map(|p| p.pid)
                .collect::<Vec<_>>()
        });
        let live = live.unwrap_or_else(|_| processes.iter().map(|process| process.pid).collect());
        if live.is_empty() || Instant::now() >= until {
            return live;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Ends a chat on its user's word. It stays ended: nothing restores it but its user.
pub fn stop(handle: &Handle, request: &StopRequest) -> Result<Receipt, ApiError> {
    let chat = find_chat(handle, &request.target)?;
    if chat.client() == Client::ClaudeDesktop {
        let message = "the app is quit from its own menu; `shim stop` ends chats of the command line";
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let dry_run = request.dry_run;
    if !dry_run {
        halt_restore(handle, &chat)?;
    }
    let asked = chat.clone();
    let processes = handle.call(move |watch| {
        watch.read_registries_of(asked.client());
        watch.supervisor.live_processes(&asked)
    })?;
    let mut receipt = Receipt {
        id: 0,
        chat: chat.clone(),
        at: now(),
        ok: true,
        dry_run,
        pids: Vec::new(),
        steps: Vec::new(),
    };
    if processes.is_empty() {
        // It shall stay as it is, a crash of it included.
        receipt.steps.push(step("ask_to_end", true, "no process stands behind this chat"));
    }
    if !dry_run {
        let (for_row, at, text) = (chat.clone(), receipt.at, to_json(&receipt)?);
        let id = handle.home.store.write(Urgency::AtOnce, move |store| store.new_stop(&for_row, at, &text));
        receipt.id = id.map_err(views::store_error)?;
        let (ended, keys) = (chat.clone(), processes.clone());
        handle.call(move |watch| {
            watch.decide_policy(policy::Event::UserStopped { chat: ended.clone() });
            for process in &keys {
                watch.decide(supervisor::Event::UserEnds { chat: &ended, process, ends: true });
            }
            if keys.is_empty() {
                watch.resolve_crashes(ended.clone());
                watch.decide(supervisor::Event::WentOn { chat: &ended });
            }
        })?;
    }
    if !processes.is_empty() {
        let noted = |text: &str| {
            let note = Receipt { ok: false, steps: vec![step("ask_to_end", false, text)], ..receipt.clone() };
            keep(handle, &note)
                .map_err(|error| StepFailed(format!("it could not be recorded: {}", error.message)))
        };
        let stopped = end(handle, &chat, &processes, dry_run, noted);
        (receipt.ok, receipt.pids, receipt.steps) = (stopped.ok, stopped.pids, stopped.steps);
        if !dry_run && !receipt.ok {
            handle.call(move |watch| watch.stop_failed(&chat, &processes))?;
        }
    }
    if !dry_run {
        keep(handle, &receipt)?;
    }
    Ok(receipt)
}

/// Waits for the end of a restore that is under way, which starts nothing any more if it did not yet.
fn halt_restore(handle: &Handle, chat: &ChatId) -> Result<(), ApiError> {
    let until = Instant::now() + RESTORE_WAIT;
    let mut told = false;
    loop {
        let (asked, tell) = (chat.clone(), !told);
        let under_way = handle.call(move |watch| {
            let under_way = watch.supervisor.is_under_way(&asked);
            if under_way && tell {
                watch.decide_policy(policy::Event::UserStopped { chat: asked });
            }
            under_way
        })?;
        if !under_way {
            return Ok(());
        }
        if Instant::now() >= until {
            let message = "a restore of this chat is under way and does not end; look at it, then try again";
            return Err(ApiError::new(ErrorCode::Refused, message));
        }
        told = true;
        std::thread::sleep(LOOK_EVERY);
    }
}

impl Watch {
    /// What would not end is watched as before.
    fn stop_failed(&mut self, chat: &ChatId, processes: &[ProcessKey]) {
        for process in processes {
            self.decide(supervisor::Event::UserEnds { chat, process, ends: false });
        }
        if !self.supervisor.live_processes(chat).is_empty() {
            self.decide_policy(policy::Event::Alive { chat: chat.clone() });
        }
    }
}

fn step(step: &str, ok: bool, detail: &str) -> Step {
    Step { step: step.to_owned(), ok, detail: detail.to_owned() }
}

fn keep(handle: &Handle, receipt: &Receipt) -> Result<(), ApiError> {
    let (id, text) = (receipt.id, to_json(receipt)?);
    handle
        .home
        .store
        .write(Urgency::AtOnce, move |store| store.put_stop(id, &text))
        .map_err(views::store_error)
}

fn to_json(receipt: &Receipt) -> Result<String, ApiError> {
    serde_json::to_string(receipt).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}
