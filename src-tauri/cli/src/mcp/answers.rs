//! What the tools give, as JSON with a schema and as text. Some clients show a model only the one, some only the
//! other, so each says everything. What clients or models wrote is cut when long.

use schemars::JsonSchema;
use serde::Serialize;
use shim_api::{
    chats::Chat,
    checkpoints::Checkpoint,
    crashes::Crash,
    restore::{Receipt, Step},
};

use crate::print::cut;

/// Longest input of a tool call that is shown, in characters: a command whole, a written file by its beginning.
const INPUT_CHARS_MAX: usize = 600;

/// What a tool gives.
pub struct Answer {
    pub text: String,
    pub value: serde_json::Value,
    /// It was refused or went wrong, and the value says how.
    pub failed: bool,
}

impl Answer {
    pub fn new(text: String, value: &impl Serialize, failed: bool) -> anyhow::Result<Self> {
        Ok(Self { text, value: serde_json::to_value(value)?, failed })
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct ChatBrief {
    /// SHIM's id of the chat.
    pub id: String,
    /// The program the chat is held in.
    pub client: String,
    pub title: String,
    /// Its working directory.
    pub cwd: Option<String>,
    /// working, waiting, idle, ended, crashed, hung or unknown.
    pub state: String,
    /// Completed turns.
    pub turns: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Call {
    pub tool: String,
    /// Its input, cut when long.
    pub input: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct CrashBrief {
    /// Its number, which shim_restore takes.
    pub number: i64,
    /// How it died: killed, exited, shutdown and others.
    pub kind: String,
    /// Where in a turn it was cut: none, answer or tool.
    pub in_turn: String,
    /// Tool calls whose result was not recorded; their outcome is unknown.
    pub in_flight: Vec<Call>,
    pub happened_at: String,
    /// The chat goes on since: restored, or resumed by the user.
    pub resolved: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RestoreBrief {
    /// The receipt's number.
    pub receipt: i64,
    pub at: String,
    /// Complete turns that were lost.
    pub turns_lost: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Todo {
    pub text: String,
    /// pending or in_progress.
    pub status: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct CrashedChat {
    pub chat: ChatBrief,
    pub crash: CrashBrief,
}

/// The answer of check_resume_needed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ResumeCheck {
    /// The chat was cut in the middle of a turn, and no turn was completed since.
    pub resume_needed: bool,
    /// Why, in a sentence.
    pub why: String,
    /// The chat asked about; null when SHIM has not seen it yet or cannot tell which one calls.
    pub chat: Option<ChatBrief>,
    /// How the chat was recognised.
    pub recognised_by: Option<String>,
    /// The chat's last crash; null when it never crashed.
    pub last_crash: Option<CrashBrief>,
    /// How SHIM brought it back after that crash; null when it did not.
    pub restored: Option<RestoreBrief>,
    /// Turns completed since the crash.
    pub turns_since: Option<u64>,
    /// To-dos that were not done at the newest checkpoint.
    pub open_todos: Vec<Todo>,
    /// Other chats of the same directory that died and were not brought back, the newest first.
    pub other_crashed_chats: Vec<CrashedChat>,
    /// Further ones that are not listed.
    pub other_crashed_chats_left_out: u64,
    /// What to do; null when there is nothing to do.
    pub what_to_do: Option<String>,
}

/// The answer of shim_get_crash_risk.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CrashRisk {
    /// safe, warning or danger, by limits on single signals; unknown when no process stands behind the chat.
    pub level: String,
    /// Of a crash within the hour, 0 to 1, as learned on this machine; null as long as nothing was learned.
    pub probability: Option<f64>,
    /// What the level rests on.
    pub reason: String,
    /// The chat asked about.
    pub chat: ChatBrief,
    /// Share of the model's context that the last answer used, 0 to 1; null before the first answer.
    pub context_used: Option<f64>,
    /// Tokens of all answers so far.
    pub tokens: u64,
    /// Crashes of this chat so far.
    pub crashes_of_chat: u64,
    /// When this chat crashed last.
    pub last_crash_at: Option<String>,
    /// Crashes of this client's chats so far, as far back as SHIM remembers.
    pub crashes_of_client: u64,
    /// Chats of this client that SHIM knows.
    pub chats_of_client: u64,
    /// Bytes of the transcript that SHIM holds safely.
    pub kept_bytes: u64,
    /// What to do; null when nothing is called for.
    pub what_to_do: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckpointBrief {
    /// Its number, which shim_restore takes as `checkpoint`.
    pub number: i64,
    pub at: String,
    /// Why it was taken: user, turn, crash and others.
    pub trigger: String,
    pub note: Option<String>,
    /// Completed turns up to here.
    pub turns: u64,
    pub tokens: u64,
    /// Bytes of the transcript up to here.
    pub journal_offset: u64,
    /// The commit that git's HEAD named.
    pub git_head: Option<String>,
    pub git_branch: Option<String>,
    /// To-dos not done.
    pub open_todos: u64,
}

/// The answer of shim_checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckpointTaken {
    /// The chat it was taken of.
    pub chat: String,
    /// The checkpoint, durable.
    pub checkpoint: CheckpointBrief,
    /// Milliseconds from deciding to durable.
    pub took_ms: f64,
}

/// The answer of shim_list_checkpoints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checkpoints {
    /// The chat they belong to.
    pub chat: String,
    /// The newest first.
    pub checkpoints: Vec<CheckpointBrief>,
    /// Older ones that are not listed.
    pub left_out: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct StepDone {
    pub step: String,
    pub ok: bool,
    pub detail: String,
}

/// The answer of shim_restore.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Restored {
    /// It was done, or the rehearsal found nothing in the way.
    pub ok: bool,
    /// It was only rehearsed: nothing was changed.
    pub dry_run: bool,
    /// Why it was refused; null when it was not.
    pub refused: Option<String>,
    /// The receipt's number.
    pub receipt: i64,
    /// The chat that goes on: the one asked for, or the fork.
    pub chat: String,
    /// The chat it is a fork of.
    pub fork_of: Option<String>,
    /// Complete turns that SHIM had kept.
    pub turns_before: u64,
    /// Complete turns in the client's file after the start.
    pub turns_after: Option<u64>,
    /// Complete turns that are gone; 0 when all is well.
    pub turns_lost: Option<u64>,
    /// The last message is the same before and after, byte for byte; null where that was not compared.
    pub last_message_same: Option<bool>,
    /// The new process.
    pub pid: Option<u32>,
    /// From the request to the receipt.
    pub seconds: f64,
    /// What was done, step by step.
    pub steps: Vec<StepDone>,
    /// What to do; null when nothing is called for.
    pub what_to_do: Option<String>,
}

impl From<&Chat> for ChatBrief {
    fn from(chat: &Chat) -> Self {
        Self {
            id: chat.id.to_string(),
            client: chat.client.name().to_owned(),
            title: chat.title.clone(),
            cwd: chat.cwd.clone(),
            state: chat.state.name().to_owned(),
            turns: chat.turns,
        }
    }
}

impl From<&Crash> for CrashBrief {
    fn from(crash: &Crash) -> Self {
        let call = |call: &shim_core::crashes::ToolCall| Call {
            tool: call.tool.clone(),
            input: cut(&call.input.to_string(), INPUT_CHARS_MAX),
        };
        Self {
            number: crash.id,
            kind: crash.kind.name().to_owned(),
            in_turn: crash.in_turn.name().to_owned(),
            in_flight: crash.in_flight.iter().map(call).collect(),
            happened_at: crash.happened_at.to_string(),
            resolved: crash.resolved,
        }
    }
}

impl From<&Receipt> for RestoreBrief {
    fn from(receipt: &Receipt) -> Self {
        Self { receipt: receipt.id, at: receipt.at.to_string(), turns_lost: receipt.turns_lost }
    }
}

/// To-dos that wait to be done.
pub fn open_todos(checkpoint: &Checkpoint) -> impl Iterator<Item = Todo> {
    let open = checkpoint.todos.iter().filter(|todo| todo.status != "completed");
    open.map(|todo| Todo { text: cut(&todo.text, INPUT_CHARS_MAX), status: todo.status.clone() })
}

impl From<Checkpoint> for CheckpointBrief {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            number: checkpoint.id,
            at: checkpoint.at.to_string(),
            trigger: checkpoint.trigger.name().to_owned(),
            open_todos: open_todos(&checkpoint).count() as u64,
            note: checkpoint.note,
            turns: checkpoint.turns,
            tokens: checkpoint.tokens,
            journal_offset: checkpoint.journal_offset,
            git_head: checkpoint.workspace.head,
            git_branch: checkpoint.workspace.branch,
        }
    }
}

impl From<Receipt> for Restored {
    fn from(receipt: Receipt) -> Self {
        let what_to_do = super::words::after_restore(&receipt);
        let hashes = receipt.last_message_sha256_before.zip(receipt.last_message_sha256_after);
        let step = |step: Step| StepDone { step: step.step, ok: step.ok, detail: step.detail };
        Self {
            ok: receipt.ok,
            dry_run: receipt.dry_run,
            refused: receipt.refused.map(|refusal| refusal.message),
            receipt: receipt.id,
            chat: receipt.chat.to_string(),
            fork_of: receipt.fork_of.map(|chat| chat.to_string()),
            turns_before: receipt.turns_before,
            turns_after: receipt.turns_after,
            turns_lost: receipt.turns_lost,
            last_message_same: hashes.map(|(before, after)| before == after),
            pid: receipt.pid,
            seconds: receipt.seconds,
            steps: receipt.steps.into_iter().map(step).collect(),
            what_to_do,
        }
    }
}
