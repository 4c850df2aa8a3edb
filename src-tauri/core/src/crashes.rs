//! The verdict: from evidence about a process that is gone to what happened. A clean end is never a crash.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    chats::ProcessKey,
    digest::{Digest, Turn},
    time::Timestamp,
};

/// What befell a chat. Its process died, or hangs; or its file or its client's list is what ails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum CrashKind {
    /// The process went without a word: SIGKILL, out of memory, a fault.
    Killed,
    /// The process took its leave in the middle of a turn: SIGTERM, SIGHUP, a fatal error.
    Exited,
    /// The machine went down under it.
    Shutdown,
    /// The app that hosted it restarted itself for an update.
    ClientUpdate,
    /// The process lives and does nothing.
    Hung,
    /// Memory ran out: its own heap, or the machine's.
    OutOfMemory,
    /// The chat is whole, and its client no longer lists it.
    IndexLost,
    /// Its file is damaged: a power loss, a full or dropped disk.
    Torn,
    /// The model's API refuses it, turn after turn.
    Poisoned,
    /// It is too long for the model, and so is a request for its summary.
    CompactionDeadlock,
    /// Its client deleted its file.
    Deleted,
}

impl CrashKind {
    pub const ALL: [Self; 11] = [
        Self::Killed,
        Self::Exited,
        Self::Shutdown,
        Self::ClientUpdate,
        Self::Hung,
        Self::OutOfMemory,
        Self::IndexLost,
        Self::Torn,
        Self::Poisoned,
        Self::CompactionDeadlock,
        Self::Deleted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Exited => "exited",
            Self::Shutdown => "shutdown",
            Self::ClientUpdate => "client_update",
            Self::Hung => "hung",
            Self::OutOfMemory => "out_of_memory",
            Self::IndexLost => "index_lost",
            Self::Torn => "torn",
            Self::Poisoned => "poisoned",
            Self::CompactionDeadlock => "compaction_deadlock",
            Self::Deleted => "deleted",
        }
    }

    /// Whether it ails the chat's file: no process died of it, and one may be there.
    pub fn ails(self) -> bool {
        match self {
            Self::Torn | Self::Poisoned | Self::CompactionDeadlock | Self::Deleted => true,
            Self::Killed
            | Self::Exited
            | Self::Shutdown
            | Self::ClientUpdate
            | Self::Hung
            | Self::OutOfMemory
            | Self::IndexLost => false,
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Where in a turn the chat was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum InTurn {
    None,
    Answer,
    Tool,
}

impl InTurn {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Answer => "answer",
            Self::Tool => "tool",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Answer, Self::Tool].into_iter().find(|in_turn| in_turn.name() == name)
    }
}

/// A tool call without a recorded result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct ToolCall {
    pub tool: String,
    #[ts(type = "unknown")]
    pub input: serde_json::Value,
}

/// One thing that was seen and speaks for the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Evidence {
    /// Where it was seen: `process`, `registry`, `transcript`, `boot`.
    pub source: String,
    pub says: String,
}

/// What the client's registry file of the dead process said when it was read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords {
    pub status: RegistryStatus,
    pub updated_at: Option<Timestamp>,
    pub leave: Leave,
}

/// How a dead process took its leave, by the mark that its client keeps of a running chat: a registry
/// file, a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leave {
    /// The mark is still there: it went without a word.
    LeftBehind,
    /// It took its mark away.
    Orderly,
    /// The client keeps no mark: only the transcript speaks.
    Unsaid,
}

/// `status` in a client's registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryStatus {
    Busy,
    Waiting,
    Idle,
    /// Found to do nothing, though it lives.
    Hung,
    /// A status this version does not know, carried along.
    Other(String),
}

impl RegistryStatus {
    pub fn from_name(name: &str) -> Self {
        match name {
            "busy" | "shell" => Self::Busy,
            "waiting" => Self::Waiting,
            "idle" => Self::Idle,
            other => Self::Other(other.to_owned()),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Busy => "busy",
            Self::Waiting => "waiting",
            Self::Idle => "idle",
            Self::Hung => "hung",
            Self::Other(name) => name,
        }
    }
}

/// How the process is known to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Its exit was seen, with its status where the system tells it.
    Exited(Option<ExitStatus>),
    /// No process has this pid.
    Absent,
    /// Another process has this pid.
    PidReused,
    /// Its registry was last written before the machine started.
    BeforeBoot,
    /// It ended while the system was going down.
    WithTheSystem,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
}

/// All that the verdict rests on.
#[derive(Clone, Debug)]
pub struct Death<'a> {
    pub process: &'a ProcessKey,
    pub gone: Gone,
    pub last_words: &'a LastWords,
    pub digest: &'a Digest,
    /// What was known of its memory when it went.
    pub memory: Option<MemoryAtDeath>,
    /// The app that hosted the process was about to restart for an update.
    pub host_updating: bool,
}

/// What the last reading before a death told of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryAtDeath {
    /// Resident memory of the process, in bytes; 0 of one that went before its first reading.
    pub rss_bytes: u64,
    /// What its heap may hold, where that is known, in bytes.
    pub heap_bytes: Option<u64>,
    /// Processes that the system ended for lack of memory since that reading.
    pub ended_by_system: u64,
    /// The largest of the processes that went since that reading: the one that the system picks.
    pub was_largest: bool,
    /// Whether the system's log names it among those that it ended; `None` where that is not to be read.
    pub named: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The client took its leave between turns, or the user stopped it.
    CleanEnd,
    Crash {
        kind: CrashKind,
        in_turn: InTurn,
        in_flight: Vec<ToolCall>,
        evidence: Vec<Evidence>,
    },
}

/// Judges a process that is gone.
pub fn verdict(death: &Death<'_>) -> Verdict {
    let turn = &death.digest.turn;
    let ended = match death.last_words.leave {
        // However orderly: the system took it along, not its user.
        _ if death.gone == Gone::WithTheSystem => false,
        Leave::LeftBehind => false,
        Leave::Orderly | Leave::Unsaid => !is_open(turn) || was_at_prompt(death.last_words, turn),
    };
    if ended {
        return Verdict::CleanEnd;
    }
    let (in_turn, in_flight) = cut(death);
    let memory = out_of_memory(death);
    let kind = match (death.gone, death.last_words.leave) {
        (Gone::BeforeBoot | Gone::WithTheSystem, _) => CrashKind::Shutdown,
        _ if memory.is_some() => CrashKind::OutOfMemory,
        _ if death.host_updating => CrashKind::ClientUpdate,
        (Gone::Exited(_) | Gone::Absent | Gone::PidReused, Leave::Orderly) => CrashKind::Exited,
        (Gone::Exited(_) | Gone::Absent | Gone::PidReused, Leave::LeftBehind | Leave::Unsaid) => {
            CrashKind::Killed
        }
    };
    let mut evidence = evidence(death, in_turn);
    evidence.extend(memory.map(|says| Evidence { source: "memory".to_owned(), says }));
    Verdict::Crash { kind, in_turn, in_flight, evidence }
}

/// Share of its heap's limit from which on a process that went without a word went for lack of memory.
const HEAP_FULL: f64 = 0.9;
/// The same of one that ended itself as V8 does when its heap is full.
const HEAP_FULL_ABORTED: f64 = 0.75;
const MIB: u64 = 1024 * 1024;

/// What says that memory ran out. Without a sign it stays unknown, and the death a killing.
fn out_of_memory(death: &Death<'_>) -> Option<String> {
    let memory = death.memory?;
    let aborted = match (death.gone, death.last_words.leave) {
        (_, Leave::Orderly) | (Gone::BeforeBoot | Gone::WithTheSystem | Gone::PidReused, _) => return None,
        (Gone::Exited(Some(ExitStatus::Signal(6) | ExitStatus::Code(134))), _) => true,
        // It was ended by hand, or ended itself.
        (Gone::Exited(Some(ExitStatus::Signal(1 | 2 | 15) | ExitStatus::Code(0..=127))), _) => return None,
        (Gone::Exited(_) | Gone::Absent, _) => false,
    };
    let held = memory.rss_bytes / MIB;
    let whom = match memory.named {
        _ if memory.ended_by_system == 0 || aborted => None,
        Some(named) => named.then_some("it"),
        None => memory.was_largest.then_some("a process, as this one went,"),
    };
    if let Some(whom) = whom {
        let held = if held > 0 { format!("; it held {held} MiB") } else { String::new() };
        return Some(format!("the system ended {whom} for lack of memory{held}"));
    }
    let heap = memory.heap_bytes.filter(|heap| *heap > 0)?;
    let full = if aborted { HEAP_FULL_ABORTED } else { HEAP_FULL };
    let is_full = memory.rss_bytes as f64 >= heap as f64 * full;
    is_full.then(|| format!("it held {held} MiB when it went, and its heap may hold {} MiB", heap / MIB))
}

fn is_open(turn: &Turn) -> bool {
    match turn {
        Turn::Open { .. } => true,
        Turn::None | Turn::Done | Turn::Interrupted | Turn::Failed => false,
    }
}

/// Whether the open turn is not this process's own: a chat that was cut, then resumed and closed again
/// without a word, still looks open. The registry tells, if what it said is newer than the turn.
fn was_at_prompt(words: &LastWords, turn: &Turn) -> bool {
    match (&words.status, turn, words.updated_at) {
        (RegistryStatus::Busy | RegistryStatus::Waiting, _, _) => false,
        (_, Turn::Open { since: Some(since) }, Some(updated_at)) => updated_at >= *since,
        (RegistryStatus::Idle, _, _) => true,
        (RegistryStatus::Hung | RegistryStatus::Other(_), _, _) => false,
    }
}

/// Where the turn was cut. A registry that said `idle` outweighs a transcript that looks open: notices
/// after the last answer are written by the client itself.
fn cut(death: &Death<'_>) -> (InTurn, Vec<ToolCall>) {
    let in_flight = death.digest.in_flight();
    match (&death.last_words.status, death.last_words.leave) {
        (RegistryStatus::Idle, Leave::LeftBehind) => (InTurn::None, Vec::new()),
        // Closed after its last word: somebody went on with the chat.
        (_, Leave::LeftBehind) if !is_open(&death.digest.turn) && went_on(death) => {
            (InTurn::None, Vec::new())
        }
        _ if !in_flight.is_empty() && is_open(&death.digest.turn) => (InTurn::Tool, in_flight),
        (RegistryStatus::Busy | RegistryStatus::Waiting, Leave::LeftBehind) => (InTurn::Answer, Vec::new()),
        _ if is_open(&death.digest.turn) => (InTurn::Answer, Vec::new()),
        _ => (InTurn::None, Vec::new()),
    }
}

/// A record that came this long after a process's last word is a later process's.
const LATER: Duration = Duration::from_secs(60);

/// Whether somebody went on with the chat after the process's last word.
fn went_on(death: &Death<'_>) -> bool {
    let (record, word) = (death.digest.last_at, death.last_words.updated_at);
    record.zip(word).is_some_and(|(record, word)| record.since(word) >= LATER)
}

fn evidence(death: &Death<'_>, in_turn: InTurn) -> Vec<Evidence> {
    let pid = death.process.pid;
    let process = match death.gone {
        Gone::Exited(None) => format!("process {pid} exited"),
        Gone::Exited(Some(ExitStatus::Code(code))) => format!("process {pid} exited with code {code}"),
        Gone::Exited(Some(ExitStatus::Signal(signal))) => {
            format!("process {pid} was ended by signal {signal}")
        }
        Gone::Absent if pid == 0 => "no process holds this chat".to_owned(),
        Gone::Absent => format!("no process {pid} exists"),
        Gone::PidReused => format!("pid {pid} belongs to another process, started later"),
        Gone::BeforeBoot => format!("process {pid} ran before the machine last started"),
        Gone::WithTheSystem => format!("process {pid} ended while the system was going down"),
    };
    let words = death.last_words;
    let status = words.status.name();
    let registry = match words.leave {
        Leave::LeftBehind => format!("the client left its registry file behind, status {status}"),
        Leave::Orderly => format!("the client took its leave in order, last status {status}"),
        Leave::Unsaid => format!("this client keeps no note of a running chat; it was last seen {status}"),
    };
    let transcript = match (in_turn, &death.digest.turn) {
        (InTurn::Tool, _) => {
            let tools: Vec<_> = death.digest.in_flight().into_iter().map(|call| call.tool).collect();
            format!("tool call without a result: {}", tools.join(", "))
        }
        (InTurn::Answer, _) => "the last turn has no complete answer".to_owned(),
        (InTurn::None, Turn::Interrupted) => "the last turn was interrupted by the user".to_owned(),
        (InTurn::None, Turn::Failed) => "the last turn ended in an API error".to_owned(),
        (InTurn::None, _) => "the last turn is complete".to_owned(),
    };
    let update = "the app that hosts this chat had an update ready to install".to_owned();
    let update = death.host_updating.then_some(("app", update));
    [("process", process), ("registry", registry), ("transcript", transcript)]
        .into_iter()
        .chain(update)
        .map(|(source, says)| Evidence { source: source.to_owned(), says })
        .collect()
}

#[cfg(test)]
#[path = "crashes_tests.rs"]
mod tests;
