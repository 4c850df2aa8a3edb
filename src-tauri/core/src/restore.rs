//! Restoring a chat: whether it may start, and the steps in their order, as a machine without IO.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    chats::{ChatId, ProcessKey},
    clients::shorten,
    crashes::{InTurn, ToolCall},
};

/// What the restored chat does first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Then {
    /// Wait for the user.
    #[default]
    Idle,
    /// Let the client go on with the turn that was cut.
    Continue,
}

/// Why a restore was not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Refusal {
    pub reason: RefusalReason,
    /// What is in the way, and what to do.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum RefusalReason {
    /// A process stands behind the chat.
    StillAlive,
    /// Whether a process stands behind the chat cannot be told.
    LivenessUnknown,
    /// More than one chat answers to what was asked for, or the chat has more than one transcript.
    Ambiguous,
    /// A restore of this chat is under way.
    UnderWay,
    /// Its directory is gone.
    DirectoryGone,
    /// The client's program was not found.
    ClientMissing,
    /// No terminal program was found.
    TerminalMissing,
    /// Too many restores of this chat in a short time.
    WindowUsedUp,
    /// Neither the client's file nor the journal holds a complete record.
    NothingToRestore,
    /// Tool children of the dead process still run, and the settings say not to end them.
    OrphansAlive,
    /// The checkpoint does not belong to the chat, or its bytes were dropped.
    CheckpointGone,
    /// The client has no way to do what was asked for.
    Unsupported,
    /// A usage limit lasts, and nobody asked for it: only a restore that SHIM begins by itself is refused for that.
    Limit,
}

/// One step and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Step {
    pub step: String,
    pub ok: bool,
    pub detail: String,
}

/// Characters shown of a command that was left running without a record of its call.
const UNRECORDED_CHARS_MAX: usize = 300;

/// What is to be restored, settled before anything is touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub chat: ChatId,
    /// A copy under an id of its own, up to a checkpoint.
    pub fork: Option<Fork>,
    pub then: Then,
    pub headless: bool,
    pub dry_run: bool,
    /// How long the client may take to show the chat in its registry.
    pub start_timeout: Duration,
    pub orphans: OrphanPolicy,
    pub in_turn: InTurn,
    pub in_flight: Vec<ToolCall>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fork {
    pub chat: ChatId,
    pub checkpoint: i64,
}

/// What happens to tool children that outlived their client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// They are ended before the chat is started again.
    #[default]
    End,
    /// The restore is refused while they run.
    Refuse,
}

/// A process that a dead client's tool call left running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    pub process: ProcessKey,
    pub command: String,
}

/// What a look around found, before anything is changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Live processes on the chat, by registry and by command line.
    pub live: Vec<u32>,
    pub orphans: Vec<Orphan>,
    pub cwd: Option<String>,
    pub cwd_exists: bool,
    /// The program to start; `None` when none was found.
    pub client: Option<String>,
    /// The terminal to start it in; `None` when none was found. Not asked for when headless.
    pub terminal: Option<String>,
    pub transcript: Transcript,
    /// Why this client cannot do what was asked for, and what to do.
    pub cannot: Option<String>,
    /// The client's file that the start adds a note to.
    pub adds_to: Option<String>,
    /// Processes of the client that may hold the chat: it cannot be told.
    pub unsure: Vec<u32>,
}

/// How the client's file compares with the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transcript {
    /// The journal holds every byte of it.
    Same,
    /// It is gone; the journal holds it.
    Missing,
    /// It is not what the journal holds. The client's file is the one that goes on.
    Differs { at: u64 },
    /// Neither holds a record.
    Nothing,
    /// The checkpoint's bytes are not there.
    CheckpointGone,
}

/// Why a step could not be done, said to a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StepFailed(pub String);

/// What an effect came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Begin,
    Found(Findings),
    /// Those that would not end.
    OrphansEnded {
        left: Vec<Orphan>,
    },
    TranscriptReady(Result<String, StepFailed>),
    ContextWritten(Result<String, StepFailed>),
    /// The program was started, or could not be.
    Started(Result<String, StepFailed>),
    /// The client shows the chat under this process.
    Appeared(ProcessKey),
    /// It does not, for this reason.
    NotAppeared(String),
    /// It took the chat up, answered, and ended by itself before it was seen or counted.
    CameAndWent,
    Counted {
        processes: Vec<u32>,
    },
    Compared(Comparison),
}

/// The client's file after the start against the journal before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub turns_after: u64,
    pub turns_lost: u64,
    pub sha256_before: Option<String>,
    pub sha256_after: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look around; change nothing.
    LookAround,
    EndOrphans(Vec<Orphan>),
    /// Put the client's file back from the journal, or write the fork's.
    PrepareTranscript,
    /// Leave this text for the client's SessionStart hook.
    WriteContext(String),
    StartClient,
    AwaitClient {
        at_most: Duration,
    },
    /// Asked twice: right before the start, when there must be none, and after it, when there must be one.
    CountProcesses,
    Compare,
    Finish(Outcome),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub ok: bool,
    pub refused: Option<Refusal>,
    /// A process was started for it.
    pub started: bool,
    pub process: Option<ProcessKey>,
    pub processes: Option<u32>,
    pub comparison: Option<Comparison>,
    pub steps: Vec<Step>,
}

/// The steps of one restore, in the one order that keeps the contract: prove dead, then change, then
/// start, then check.
#[derive(Clone, Debug)]
pub struct Restore {
    job: Job,
    transcript: Transcript,
    started: bool,
    process: Option<ProcessKey>,
    processes: Option<u32>,
    steps: Vec<Step>,
}

impl Restore {
    pub fn new(job: Job) -> Self {
        Self {
            job,
            transcript: Transcript::Nothing,
            started: false,
            process: None,
            processes: None,
            steps: Vec::new(),
        }
    }

    /// Takes what the last effect came to and says what is next.
    pub fn handle(&mut self, event: Event) -> Effect {
        match event {
            Event::Begin => Effect::LookAround,
            Event::Found(findings) => self.found(findings),
            Event::OrphansEnded { left } if left.is_empty() => {
                self.step("end_orphans", true, "every tool child left behind has ended");
                self.prepare()
            }
            Event::OrphansEnded { left } => {
                let message =
                    format!("these would not end: {}; end them, then restore again", name_orphans(&left));
                self.refuse("end_orphans", RefusalReason::OrphansAlive, message)
            }
            Event::TranscriptReady(result) => {
                self.went("transcript", result, |this| Effect::WriteContext(context(&this.job)))
            }
            Event::ContextWritten(result) => self.went("context", result, |_| Effect::CountProcesses),
            Event::Started(result) => {
                self.started = result.is_ok();
                let at_most = self.job.start_timeout;
                self.went("start", result, |_| Effect::AwaitClient { at_most })
            }
            Event::Appeared(process) => {
                self.step(
                    "registered",
                    true,
                    format!("the client shows the chat under process {}", process.pid),
                );
                self.process = Some(process);
                Effect::CountProcesses
            }
            Event::NotAppeared(why) => {
                self.step("registered", false, why);
                self.finish(false, None)
            }
            Event::CameAndWent => {
                self.process = None;
                self.step("registered", true, "the client took the chat up, answered, and ended by itself");
                Effect::CountProcesses
            }
            Event::Counted { processes } if !self.started => self.still_dead(&processes),
            Event::Counted { processes } => {
                self.processes = u32::try_from(processes.len()).ok();
                let ours = self.process.as_ref().map(|process| process.pid);
                let only_ours = match ours {
                    Some(pid) => processes == [pid],
                    None => processes.is_empty(),
                };
                self.step(
                    "count",
                    only_ours,
                    format!("{} on this chat: {processes:?}", count_of(processes.len())),
                );
                Effect::Compare
            }
            Event::Compared(comparison) => self.compared(comparison),
        }
    }

    fn found(&mut self, findings: Findings) -> Effect {
        if let Some((step, reason, message)) = self.in_the_way(&findings) {
            return self.refuse(step, reason, message);
        }
        self.step(
            "prove_dead",
            true,
            if self.job.fork.is_some() {
                "a fork has an id of its own: no process can stand behind it"
            } else {
                "no live process stands behind this chat"
            },
        );
        self.transcript = findings.transcript.clone();
        let compared = match (&self.transcript, &self.job.fork) {
            (_, Some(fork)) => format!("checkpoint {} is whole in the journal", fork.checkpoint),
            (Transcript::Differs { at }, None) => {
                format!(
                    "the client's file is not what was journaled, from byte {at} on; both are kept, the file goes on"
                )
            }
            (Transcript::Missing, None) => "the client's file is gone; the journal holds it".to_owned(),
            _ => "the journal holds every byte of the client's file".to_owned(),
        };
        self.step("journal", true, compared);
        self.name_unrecorded(&findings.orphans);
        if findings.orphans.is_empty() {
            self.step("orphans", true, "no tool child was left running");
        } else {
            self.step("orphans", true, format!("left running: {}", name_orphans(&findings.orphans)));
        }
        if self.job.dry_run {
            return self.would(&findings);
        }
        if findings.orphans.is_empty() { self.prepare() } else { Effect::EndOrphans(findings.orphans) }
    }

    /// A client starts a tool a moment before it records the call. What was left running by a turn without a
    /// recorded call was in flight all the same.
    fn name_unrecorded(&mut self, orphans: &[Orphan]) {
        if self.job.in_turn == InTurn::Answer && !orphans.is_empty() {
            let call = |orphan: &Orphan| ToolCall {
                tool: "a command whose call was not recorded:".to_owned(),
                input: serde_json::Value::String(shorten(&orphan.command, UNRECORDED_CHARS_MAX)),
            };
            self.job.in_turn = InTurn::Tool;
            self.job.in_flight = orphans.iter().map(call).collect();
        }
    }

    /// The first thing that forbids the restore.
    fn in_the_way(&self, findings: &Findings) -> Option<(&'static str, RefusalReason, String)> {
        let cwd = findings.cwd.as_deref().unwrap_or("(unknown)");
        if let (false, None) = (findings.live.is_empty(), &self.job.fork) {
            let message = format!("{:?} still runs this chat: go on there, or end it first", findings.live);
            return Some(("prove_dead", RefusalReason::StillAlive, message));
        }
        if let (false, None) = (findings.unsure.is_empty(), &self.job.fork) {
            let message = format!(
                "{:?} of {} runs in the same directory, and whether it holds this chat cannot be told: close it, then \
                 restore again",
                findings.unsure,
                self.job.chat.client().title()
            );
            return Some(("prove_dead", RefusalReason::LivenessUnknown, message));
        }
        match findings.transcript {
            Transcript::Nothing => {
                let message =
                    "neither the client's file nor its journal holds a complete record; `shim checkpoints` lists earlier points of the chat to fork from, if there are any"
                        .to_owned();
                return Some(("journal", RefusalReason::NothingToRestore, message));
            }
            Transcript::CheckpointGone => {
                let message =
                    "this checkpoint's bytes are not in the journal: pick another with `shim checkpoints`"
                        .to_owned();
                return Some(("journal", RefusalReason::CheckpointGone, message));
            }
            Transcript::Same | Transcript::Missing | Transcript::Differs { .. } => {}
        }
        if !findings.cwd_exists {
            let message = format!(
                "its directory {cwd} is gone: put it back (or an empty one in its place), then restore again"
            );
            return Some(("directory", RefusalReason::DirectoryGone, message));
        }
        if let Some(cannot) = &findings.cannot {
            return Some(("client", RefusalReason::Unsupported, cannot.clone()));
        }
        if findings.client.is_none() {
            let client = self.job.chat.client();
            let message = format!(
                "the program of {} was not found: install it, or name it in config.toml as clients.{}.command",
                client.title(),
                client.name()
            );
            return Some(("client", RefusalReason::ClientMissing, message));
        }
        if findings.terminal.is_none() && !self.job.headless {
            let message = "no terminal program was found: name one in config.toml as terminal.command, or restore \
                           with --headless";
            return Some(("terminal", RefusalReason::TerminalMissing, message.to_owned()));
        }
        if self.job.orphans == OrphanPolicy::Refuse && !findings.orphans.is_empty() {
            let message = format!(
                "tool children of the dead process still run: {}; end them first",
                name_orphans(&findings.orphans)
            );
            return Some(("orphans", RefusalReason::OrphansAlive, message));
        }
        None
    }

    fn would(&mut self, findings: &Findings) -> Effect {
        if !findings.orphans.is_empty() {
            self.step("end_orphans", true, format!("would end {}", name_orphans(&findings.orphans)));
        }
        if self.job.fork.is_some() {
            self.step("transcript", true, "would write the fork's transcript; the original stays as it is");
        } else if self.transcript == Transcript::Missing {
            self.step("transcript", true, "would put the client's file back from the journal");
        }
        if let Some(file) = &findings.adds_to {
            self.step("context", true, format!("would add a note of what was in flight to {file}"));
        }
        let client = findings.client.as_deref().unwrap_or_default();
        let place = findings.terminal.as_deref().filter(|_| !self.job.headless);
        let place = place.map_or("without a terminal".to_owned(), |terminal| format!("in {terminal}"));
        let cwd = findings.cwd.as_deref().unwrap_or_default();
        self.step("start", true, format!("would start {client} {place}, in {cwd}"));
        self.finish(true, None)
    }

    fn prepare(&mut self) -> Effect {
        if self.job.fork.is_some() || self.transcript == Transcript::Missing {
            Effect::PrepareTranscript
        } else {
            Effect::WriteContext(context(&self.job))
        }
    }

    /// The last look before the start: ending tool children takes seconds, enough for the user to go on
    /// with the chat in a window of their own.
    fn still_dead(&mut self, processes: &[u32]) -> Effect {
        if processes.is_empty() {
            self.step("still_dead", true, "no process came up meanwhile");
            return Effect::StartClient;
        }
        let message = format!("{processes:?} took this chat up meanwhile: go on there, or end it first");
        self.refuse("still_dead", RefusalReason::StillAlive, message)
    }

    fn compared(&mut self, comparison: Comparison) -> Effect {
        let same = comparison.sha256_before == comparison.sha256_after;
        let nothing_lost = comparison.turns_lost == 0 && same;
        let detail = if nothing_lost {
            "every complete turn is there, the last message is unchanged".to_owned()
        } else if same {
            format!(
                "{} turns of the journal are not in the client's file; `shim checkpoints` lists points to fork from that have them",
                comparison.turns_lost
            )
        } else {
            "the last message of the journal is not in the client's file as it was; `shim export` has it"
                .to_owned()
        };
        self.step("compare", nothing_lost, detail);
        let ok = self.steps.iter().all(|step| step.ok);
        self.finish(ok, Some(comparison))
    }

    fn went(
        &mut self,
        step: &str,
        result: Result<String, StepFailed>,
        next: impl FnOnce(&Self) -> Effect,
    ) -> Effect {
        match result {
            Ok(detail) => {
                self.step(step, true, detail);
                next(self)
            }
            Err(StepFailed(why)) => {
                self.step(step, false, why);
                self.finish(false, None)
            }
        }
    }

    fn refuse(&mut self, step: &str, reason: RefusalReason, message: String) -> Effect {
        self.step(step, false, message.clone());
        let mut outcome = self.outcome(false, None);
        outcome.refused = Some(Refusal { reason, message });
        Effect::Finish(outcome)
    }

    fn finish(&mut self, ok: bool, comparison: Option<Comparison>) -> Effect {
        Effect::Finish(self.outcome(ok, comparison))
    }

    fn outcome(&mut self, ok: bool, comparison: Option<Comparison>) -> Outcome {
        Outcome {
            ok,
            refused: None,
            started: self.started,
            process: self.process.take(),
            processes: self.processes,
            comparison,
            steps: std::mem::take(&mut self.steps),
        }
    }

    fn step(&mut self, step: &str, ok: bool, detail: impl Into<String>) {
        self.steps.push(Step { step: step.to_owned(), ok, detail: detail.into() });
    }
}

/// What the restored chat is told. Nothing in it asks for a repetition.
fn context(job: &Job) -> String {
    let origin = match &job.fork {
        Some(fork) => format!("This chat is a fork of {}, from its checkpoint {}.", job.chat.session_id(), fork.checkpoint),
        None => "This chat's process died and the chat was brought back; every complete message above is as it was.".to_owned(),
    };
    format!("SHIM restored this chat. {origin}\n{}", cut(job.in_turn, &job.in_flight))
}

/// What a chat is told that its user takes up again without SHIM; `None` when nothing was cut.
pub fn context_without_restore(in_turn: InTurn, in_flight: &[ToolCall]) -> Option<String> {
    (in_turn != InTurn::None)
        .then(|| format!("SHIM saw this chat's process die.\n{}", cut(in_turn, in_flight)))
}

fn cut(in_turn: InTurn, in_flight: &[ToolCall]) -> String {
    match in_turn {
        InTurn::None => "It was between turns: nothing was cut.".to_owned(),
        InTurn::Answer => {
            "Your last answer was cut before it was complete; what you had written of it is not above."
                .to_owned()
        }
        InTurn::Tool => {
            let calls: Vec<_> =
                in_flight.iter().map(|call| format!("- {} {}", call.tool, call.input)).collect();
            format!(
                "In flight when it died, outcome unknown:\n{}\nDo not run these again by yourself. Check first what they \
                 did, then ask the user whether to go on or to give them up.",
                calls.join("\n")
            )
        }
    }
}

fn name_orphans(orphans: &[Orphan]) -> String {
    let names: Vec<_> =
        orphans.iter().map(|o| format!("{} ({})", o.process.pid, shorten(&o.command, 60))).collect();
    names.join(", ")
}

fn count_of(processes: usize) -> String {
    if processes == 1 { "1 process is".to_owned() } else { format!("{processes} processes are") }
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
