//! Carries out the ending of a chat's processes, and the user's own wish for it. Each process is looked at again
//! before each signal; whatever is ended is on record before it is. A stop under which the engine died is finished or
//! undone by the next one.

use std::time::{Duration, Instant};

use shim_api::{
    ApiError,
    error::ErrorCode,
    events::Event as Told,
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
use shim_store::{Urgency, faults};

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
/// The field of a receipt that is not the last word.
const UNFINISHED: &str = "unfinished";

/// Ends these processes of a chat, and what they started. `note` puts on record what is about to be ended.
pub fn end(
    handle: &Handle,
    chat: &ChatId,
    processes: &[ProcessKey],
    dry_run: bool,
    mut note: impl FnMut(&str) -> Result<(), StepFailed>,
) -> Stopped {
    let mut machine = Stop::new(Job { grace: handle.home.settings().stop_grace, dry_run });
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
        let (for_row, at, text) = (chat.clone(), receipt.at, unfinished(&receipt, &processes));
        let id = handle.home.store.write(Urgency::AtOnce, move |store| store.new_stop(&for_row, at, &text));
        receipt.id = id.map_err(views::store_error)?;
        faults::boundary("stop.noted");
        let (ended, keys) = (chat.clone(), processes.clone());
        handle.call(move |watch| {
            watch.decide_policy(policy::Event::UserStopped { chat: ended.clone() });
            watch.fleet_hears_of(&ended);
            for process in &keys {
                watch.decide(supervisor::Event::UserEnds { chat: &ended, process, ends: true });
            }
            if keys.is_empty() {
                watch.resolve_crashes(ended.clone());
                watch.decide(supervisor::Event::WentOn { chat: &ended });
            }
        })?;
        faults::boundary("stop.remembered");
    }
    if !processes.is_empty() {
        let noted = |text: &str| {
            let note = Receipt { ok: false, steps: vec![step("ask_to_end", false, text)], ..receipt.clone() };
            let kept = put(handle, note.id, unfinished(&note, &processes));
            faults::boundary("stop.asked");
            kept.map_err(|error| StepFailed(format!("it could not be recorded: {}", error.message)))
        };
        let stopped = end(handle, &chat, &processes, dry_run, noted);
        (receipt.ok, receipt.pids, receipt.steps) = (stopped.ok, stopped.pids, stopped.steps);
        faults::boundary("stop.ended");
        if !dry_run && !receipt.ok {
            handle.call(move |watch| watch.stop_failed(&chat, &processes))?;
        }
    }
    if !dry_run {
        put(handle, receipt.id, to_json(&receipt)?)?;
        handle.tell(Told::ChatStopped { chat: receipt.chat.clone(), ok: receipt.ok });
        faults::boundary("stop.recorded");
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

/// A stop that an engine before this one did not come to an end with.
pub struct Cut {
    id: i64,
    receipt: Receipt,
    processes: Vec<ProcessKey>,
}

fn read_cut(id: i64, text: &str) -> Option<Cut> {
    let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
    let processes = serde_json::from_value(value.as_object_mut()?.remove(UNFINISHED)?).ok()?;
    Some(Cut { id, receipt: serde_json::from_value(value).ok()?, processes })
}

impl Watch {
    /// Before any death is judged: what died under a stop was ended by its user.
    pub fn take_up_stops(&mut self) -> Vec<Cut> {
        let rows = match self.home.store.read(|store| store.unfinished_stops()) {
            Ok(rows) => rows,
            Err(error) => {
                self.warn(error.to_string());
                return Vec::new();
            }
        };
        let cut: Vec<_> = rows.iter().filter_map(|(id, text)| read_cut(*id, text)).collect();
        for Cut { receipt, processes, .. } in &cut {
            let chat = &receipt.chat;
            self.decide_policy(policy::Event::UserStopped { chat: chat.clone() });
            for process in processes {
                self.decide(supervisor::Event::UserEnds { chat, process, ends: true });
            }
        }
        cut
    }

    /// Behind the first sweep: finished where the chat's processes are gone, else undone, and its receipt says so.
    pub fn settle_stops(&mut self, cut: Vec<Cut>) {
        for Cut { id, mut receipt, processes } in cut {
            let chat = receipt.chat.clone();
            receipt.ok = processes.iter().all(|process| probe(process) != Liveness::Alive);
            let detail = if receipt.ok {
                self.resolve_crashes(chat.clone());
                self.decide(supervisor::Event::WentOn { chat: &chat });
                "the engine ended meanwhile; what it was to end is gone"
            } else {
                self.stop_failed(&chat, &processes);
                "the engine ended before the chat had: it goes on; stop it again"
            };
            self.cut_short(format!("{chat} was being stopped: {detail}"));
            receipt.pids = processes.iter().map(|process| process.pid).collect();
            receipt.steps.push(step("engine", receipt.ok, detail));
            let text = to_json(&receipt).unwrap_or_default();
            let kept = self.home.store.write(Urgency::AtOnce, move |store| store.put_stop(id, &text));
            if let Err(error) = kept {
                self.warn(error.to_string());
            }
        }
    }

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

/// A receipt that is not the last word, with the processes it is about.
fn unfinished(receipt: &Receipt, processes: &[ProcessKey]) -> String {
    let mut text = serde_json::to_value(receipt).unwrap_or_default();
    if let Some(fields) = text.as_object_mut() {
        fields.insert(UNFINISHED.to_owned(), serde_json::to_value(processes).unwrap_or_default());
    }
    text.to_string()
}

fn put(handle: &Handle, id: i64, text: String) -> Result<(), ApiError> {
    handle
        .home
        .store
        .write(Urgency::AtOnce, move |store| store.put_stop(id, &text))
        .map_err(views::store_error)
}

fn to_json(receipt: &Receipt) -> Result<String, ApiError> {
    serde_json::to_string(receipt).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}
