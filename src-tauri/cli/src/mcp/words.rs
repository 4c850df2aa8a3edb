//! The tools' answers as text, for a model and for the person who reads along. What other chats said is quoted, never
//! spoken as SHIM's own words.

use std::{fmt::Write, time::Duration};

use shim_api::{ApiError, chats::Chat, crashes::Crash, error::ErrorCode, restore::Receipt};
use shim_core::{crashes::InTurn, risk::Source};

use super::{
    answers::{
        Call, ChatBrief, CheckpointBrief, CheckpointTaken, Checkpoints, CrashRisk, CrashedChat, Restored,
        ResumeCheck,
    },
    caller::{Asker, By},
};

/// Chats that an error lists so that one can be named.
const CANDIDATES_SHOWN: usize = 8;
/// Share of the context from which a client may soon compact the chat, as its users report it.
const CONTEXT_NEARLY_FULL: f64 = 0.75;

/// Why a call failed, and what to do.
pub fn why(error: &anyhow::Error) -> String {
    match error.downcast_ref::<ApiError>() {
        Some(api) if api.code == ErrorCode::EngineDown => format!(
            "SHIM's engine does not run, so SHIM can answer nothing at the moment ({}). Tell the user once: start SHIM \
             (its tray app, or `shim run` in a terminal). Then call again; nothing else has to be restarted. This chat \
             itself is not affected: go on with your work.",
            api.message
        ),
        Some(_) | None => format!("{error:#}"),
    }
}

pub fn no_answer(wait: Duration) -> String {
    format!(
        "SHIM's engine runs and did not answer within {} s. Tell the user once: starting SHIM again \
         helps. This chat itself is not affected: go on with your work.",
        wait.as_secs()
    )
}

pub fn recognised(by: By) -> &'static str {
    match by {
        By::Request => "request",
        By::Process => "process",
        By::Environment => "environment",
        By::Directory => "only live chat of this client in this directory",
    }
}

pub fn not_seen() -> String {
    "SHIM has not seen this chat: it is new, or kept where SHIM does not watch. Nothing is known to have been cut.".to_owned()
}

/// The client is one whose chats SHIM does not know.
pub fn not_told(asker: &Asker) -> String {
    format!("{} Give `chat` to ask about a certain one.", cannot_tell(asker))
}

fn cannot_tell(asker: &Asker) -> String {
    let client = asker.says.as_deref().unwrap_or("this client");
    format!(
        "SHIM cannot tell which chat is calling: {client} does not say, and no live chat of it is known here."
    )
}

pub fn never_crashed() -> String {
    "This chat has not crashed.".to_owned()
}

pub fn why_resume(crash: &Crash, turns_since: u64, receipt: Option<&Receipt>) -> String {
    let back = match receipt {
        Some(_) => "SHIM restored it",
        None if crash.resolved => "it was resumed",
        None => "it was not brought back yet",
    };
    match (crash.in_turn, turns_since) {
        (InTurn::None, _) => format!("It died between two turns, so nothing was cut; {back}."),
        (InTurn::Answer, 0) => {
            format!(
                "It died in the middle of an answer, which is lost; {back}, and no turn was completed since."
            )
        }
        (InTurn::Tool, 0) => format!(
            "It died while a tool call was running, whose outcome is unknown; {back}, and no turn was completed since."
        ),
        (InTurn::Answer | InTurn::Tool, since) => {
            format!("It died in the middle of a turn; {back}, and {since} turns were completed since.")
        }
    }
}

pub fn resume_check(check: &ResumeCheck) -> String {
    let mut text =
        format!("Resume needed: {}. {}\n", if check.resume_needed { "yes" } else { "no" }, check.why);
    if let Some(chat) = &check.chat {
        let _ = writeln!(text, "Chat: {}", one_chat(chat));
    }
    if let Some(crash) = &check.last_crash {
        let _ = writeln!(text, "Last crash: number {}, {}, {}.", crash.number, crash.kind, crash.happened_at);
        if check.resume_needed {
            in_flight(&mut text, &crash.in_flight);
        }
    }
    if let Some(restored) = &check.restored {
        let lost = restored.turns_lost.map_or("not counted".to_owned(), |lost| lost.to_string());
        let _ =
            writeln!(text, "Restored: {}, receipt {}, turns lost: {lost}.", restored.at, restored.receipt);
    }
    if !check.open_todos.is_empty() {
        let _ = writeln!(text, "Open to-dos at the newest checkpoint:");
        for todo in &check.open_todos {
            let _ = writeln!(text, "- [{}] {}", todo.status, todo.text);
        }
    }
    others(&mut text, check);
    if let Some(what) = &check.what_to_do {
        let _ = writeln!(text, "What to do: {what}");
    }
    text.trim_end().to_owned()
}

/// `live`: the chat asked about runs, so that it is the one to go on.
pub fn what_to_do(check: &ResumeCheck, live: bool) -> Option<String> {
    let mut what = Vec::new();
    match (&check.last_crash, check.resume_needed) {
        (Some(_), true) if live => what.push(
            "Look whether what was in flight took effect before you repeat any of it, tell the user what was cut, then go \
             on from there."
                .to_owned(),
        ),
        (Some(crash), true) => what.push(format!(
            "This chat does not run. If the user wants it back: shim_restore with target {}.",
            crash.number
        )),
        _ => {}
    }
    if !check.other_crashed_chats.is_empty() {
        what.push(
            "If the user wants another chat of this directory back: shim_restore with its crash's number as target."
                .to_owned(),
        );
    }
    (!what.is_empty()).then(|| what.join(" "))
}

fn in_flight(text: &mut String, calls: &[Call]) {
    if calls.is_empty() {
        return;
    }
    let _ = writeln!(text, "In flight when it died; the outcome is unknown, do not repeat it unseen:");
    for call in calls {
        let _ = writeln!(text, "- {} {}", call.tool, call.input);
    }
}

fn others(text: &mut String, check: &ResumeCheck) {
    if check.other_crashed_chats.is_empty() {
        return;
    }
    let _ = writeln!(text, "Other chats of this directory that died and were not brought back:");
    for CrashedChat { chat, crash } in &check.other_crashed_chats {
        let cut = if crash.in_turn == "none" {
            "between turns".to_owned()
        } else {
            format!("in mid-{}", crash.in_turn)
        };
        let _ = writeln!(
            text,
            "- {}: crash {}, {}, {cut}, {}",
            one_chat(chat),
            crash.number,
            crash.kind,
            crash.happened_at
        );
    }
    if check.other_crashed_chats_left_out > 0 {
        let _ = writeln!(text, "and {} more.", check.other_crashed_chats_left_out);
    }
}

fn one_chat(chat: &ChatBrief) -> String {
    format!("{} “{}” ({}, {} turns)", chat.id, chat.title, chat.state, chat.turns)
}

pub fn reason_of_risk(chat: &Chat) -> String {
    let Some(risk) = &chat.risk else {
        return "No process stands behind this chat, so nothing is measured; below is what is known."
            .to_owned();
    };
    if risk.reasons.is_empty() {
        return "No signal lies beyond its limit.".to_owned();
    }
    let reasons: Vec<_> =
        risk.reasons.iter().map(|reason| format!("{}: {}", reason.level.name(), reason.text)).collect();
    format!("{}.", reasons.join("; "))
}

/// What the zones assume is no measurement, and is not passed off as one.
pub fn learned_probability(chat: &Chat) -> Option<f64> {
    let risk = chat.risk.as_ref().filter(|risk| risk.source == Source::Model)?;
    Some(risk.probability)
}

pub fn crash_risk(risk: &CrashRisk) -> String {
    let mut text = format!("Risk: {}", risk.level);
    if let Some(probability) = risk.probability {
        let _ = write!(text, " ({:.0} %)", probability * 100.0);
    }
    let _ = writeln!(text, ". {}\nChat: {}", risk.reason, one_chat(&risk.chat));
    let used = risk.context_used.map_or("unknown".to_owned(), |used| format!("{:.0} %", used * 100.0));
    let _ = writeln!(text, "Context used: {used}; {} tokens in all.", risk.tokens);
    let last = risk.last_crash_at.as_ref().map_or(String::new(), |at| format!(", the last at {at}"));
    let _ = writeln!(
        text,
        "Crashes: {} of this chat{last}; {} of all {} chats of {}.",
        risk.crashes_of_chat, risk.crashes_of_client, risk.chats_of_client, risk.chat.client
    );
    text.extend(risk.what_to_do.as_deref());
    text.trim_end().to_owned()
}

pub fn before_compaction(chat: &Chat) -> Option<String> {
    let what = "The context is nearly full: the client may compact this chat soon. Take a checkpoint before you go on.";
    chat.context_used.filter(|used| *used >= CONTEXT_NEARLY_FULL).map(|_| what.to_owned())
}

pub fn checkpoint_taken(taken: &CheckpointTaken) -> String {
    let point = &taken.checkpoint;
    format!(
        "Checkpoint {} of {} is kept: {} turns, byte {}{}. A fork from it: shim_restore with target {} and checkpoint {}.",
        point.number,
        taken.chat,
        point.turns,
        point.journal_offset,
        git(point),
        taken.chat,
        point.number
    )
}

fn git(point: &CheckpointBrief) -> String {
    let Some(head) = &point.git_head else { return String::new() };
    let short: String = head.chars().take(10).collect();
    let branch = point.git_branch.as_ref().map_or(String::new(), |branch| format!(" on {branch}"));
    format!(", git {short}{branch}")
}

pub fn checkpoints(list: &Checkpoints) -> String {
    if list.checkpoints.is_empty() {
        return format!("{} has no checkpoint yet. shim_checkpoint takes one.", list.chat);
    }
    let mut text = format!("Checkpoints of {}, the newest first:\n", list.chat);
    for point in &list.checkpoints {
        let note = point.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
        let _ = writeln!(
            text,
            "- {} at {}, {} turns, {}{}{note}",
            point.number,
            point.at,
            point.turns,
            point.trigger,
            git(point)
        );
    }
    if list.left_out > 0 {
        let _ = writeln!(text, "and {} older ones; a larger `limit` shows them.", list.left_out);
    }
    text.trim_end().to_owned()
}

pub fn restored(receipt: &Restored) -> String {
    let outcome = match (receipt.ok, receipt.dry_run, &receipt.refused) {
        (true, true, _) => {
            "Rehearsed, and nothing stands in the way. Nothing was changed. Ask the user; when they agree, \
                            call again with dry_run false."
                .to_owned()
        }
        (true, false, _) => "Restored.".to_owned(),
        (false, _, Some(why)) => format!("Refused: {why}"),
        (false, _, None) => "Failed; the steps say where.".to_owned(),
    };
    let mut text = format!("{outcome}\nReceipt {} for {}", receipt.receipt, receipt.chat);
    if let Some(original) = &receipt.fork_of {
        let _ = write!(text, ", a fork of {original}");
    }
    text.push('\n');
    for step in &receipt.steps {
        let _ = writeln!(text, "{} {}: {}", if step.ok { "✓" } else { "✗" }, step.step, step.detail);
    }
    if let (Some(after), Some(lost)) = (receipt.turns_after, receipt.turns_lost) {
        let _ = writeln!(text, "Turns: {} before, {after} after, {lost} lost.", receipt.turns_before);
    }
    text.extend(receipt.what_to_do.as_deref());
    text.trim_end().to_owned()
}

pub fn after_restore(receipt: &Receipt) -> Option<String> {
    let what = "Nothing was changed. Ask the user; when they agree, call again with dry_run false.";
    (receipt.ok && receipt.dry_run).then(|| what.to_owned())
}

pub fn new_chat(session: &str) -> String {
    format!(
        "SHIM has not seen this chat ({session}) yet: its client has written nothing of it that SHIM could keep. Call again \
         after the first answer; if that does not help, the chat's folder is not one that SHIM watches (`shim doctor` says \
         which are)."
    )
}

/// The calling chat cannot be told, and nothing suggests one.
pub fn which_chat(asker: &Asker, chats: &[Chat]) -> String {
    let mut text = format!("{} Give `chat`.", cannot_tell(asker));
    candidates(&mut text, &chats.iter().filter(|chat| chat.state.is_live()).collect::<Vec<_>>());
    text
}

pub fn which_of(likely: &[&Chat]) -> String {
    let mut text = format!("{} chats may be meant, and SHIM does not guess. Give `chat`.", likely.len());
    candidates(&mut text, likely);
    text
}

pub fn no_such_chat(named: &str, chats: &[Chat]) -> String {
    let mut text = format!("no chat answers to “{named}”; give a chat's id or the start of it.");
    candidates(&mut text, &chats.iter().collect::<Vec<_>>());
    text
}

fn candidates(text: &mut String, chats: &[&Chat]) {
    if chats.is_empty() {
        text.push_str(" SHIM knows none at the moment.");
        return;
    }
    text.push_str(" These are known:");
    for chat in chats.iter().take(CANDIDATES_SHOWN) {
        let cwd = chat.cwd.as_deref().unwrap_or("an unknown directory");
        let _ = write!(text, "\n- {} “{}” ({}, in {cwd})", chat.id, chat.title, chat.state.name());
    }
    let more = chats.len().saturating_sub(CANDIDATES_SHOWN);
    if more > 0 {
        let _ = write!(text, "\nand {more} more; `shim chats` lists all.");
    }
}
