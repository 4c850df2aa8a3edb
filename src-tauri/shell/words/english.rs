//! What is said in English.

use std::{collections::BTreeMap, time::Duration};

use shim_api::{
    fleet::State,
    notices::{Deletion, Fills, Said},
    restore::Receipt,
};
use shim_core::{
    chats::ChatState,
    crashes::{CrashKind, InTurn},
    notices::NoticeKind,
    time::Timestamp,
};

use super::{
    TITLE_CHARS_MAX, Text, Words, counted, listed, minutes, number, quoted, sentence, short, text,
    was_begun_by_itself,
};
use crate::clock::Local;

pub struct English;

impl Words for English {
    fn title(&self, text: &str) -> String {
        title(text)
    }

    fn state(&self, state: ChatState) -> &'static str {
        match state {
            ChatState::Working => "working",
            ChatState::Waiting => "waiting for you",
            ChatState::Idle => "idle",
            ChatState::Ended => "ended",
            ChatState::Crashed => "crashed",
            ChatState::Hung => "hung",
            ChatState::Unknown => "state unknown",
        }
    }

    fn engine_down(&self) -> &'static str {
        "engine down"
    }

    fn down(&self, why: &str) -> String {
        format!("engine down, {why}")
    }

    fn all_well(&self, live: usize, waiting: usize) -> String {
        let waiting = if waiting == 0 { String::new() } else { format!(", {waiting} waiting for you") };
        format!("all well, {} live{waiting}", count(live, "chat"))
    }

    fn crashed_count(&self, crashes: usize) -> String {
        format!("{crashes} crashed")
    }

    fn chats_crashed(&self, crashes: usize) -> String {
        format!("{} crashed", count(crashes, "chat"))
    }

    fn paused(&self, left: Option<&str>) -> String {
        let left = left.map(|left| format!(", {left} left")).unwrap_or_default();
        format!("watching paused{left}")
    }

    fn demo(&self) -> &'static str {
        "Demo: a recorded week, nothing of this machine"
    }

    fn restore_one(&self, name: &str, kind: CrashKind, in_turn: InTurn, since: Duration) -> String {
        format!("Restore “{}” ({}, {})", title(name), crash(kind, in_turn), age(since))
    }

    fn restore_many(&self, chats: usize) -> String {
        format!("Restore {}", count(chats, "chat"))
    }

    fn bringing_back(&self, back: usize, of: usize, waits: bool) -> String {
        let memory = if waits { ", waiting for memory" } else { "" };
        format!("Bringing chats back: {back} of {of}{memory}")
    }

    fn cancel(&self) -> &'static str {
        "Cancel"
    }

    fn more_crashes(&self, hidden: usize) -> String {
        counted(hidden, "more crash in the dashboard", "more crashes in the dashboard")
    }

    fn more_chats(&self, hidden: usize) -> String {
        counted(hidden, "more chat in the dashboard", "more chats in the dashboard")
    }

    fn open_dashboard(&self) -> &'static str {
        "Open dashboard"
    }

    fn pause(&self) -> &'static str {
        "Pause watching"
    }

    fn for_an_hour(&self) -> &'static str {
        "For an hour"
    }

    fn until_resumed(&self) -> &'static str {
        "Until I resume"
    }

    fn resume(&self) -> &'static str {
        "Resume watching"
    }

    fn update_to(&self, version: &str) -> String {
        format!("Update to {version}, and start SHIM anew")
    }

    fn quit(&self) -> &'static str {
        "Quit SHIM"
    }

    fn restore(&self) -> &'static str {
        "Restore"
    }

    fn restore_all(&self) -> &'static str {
        "Restore all"
    }

    fn show(&self) -> &'static str {
        "Show"
    }

    fn crashed(&self, name: &str, kind: CrashKind, in_turn: InTurn) -> Text {
        let what = if kind == CrashKind::Hung {
            "Chat hangs"
        } else if NoticeKind::of_crash(kind) == NoticeKind::Ailing {
            "Chat needs a look"
        } else {
            "Chat crashed"
        };
        text(format!("{what}: {}", title(name)), format!("It was {}.", crash(kind, in_turn)))
    }

    fn many(&self, kind: NoticeKind, number: usize) -> Text {
        let body = if kind == NoticeKind::Crashed {
            "They can be brought back together; the dashboard lists them."
        } else if kind == NoticeKind::Restored {
            "Each has a receipt."
        } else {
            "The dashboard says more."
        };
        text(happened(kind, number), body)
    }

    fn summed_up(&self, numbers: &BTreeMap<NoticeKind, usize>) -> Text {
        let parts = numbers.iter().map(|(kind, number)| happened(*kind, *number)).collect();
        text("While it was quiet", format!("{}.", sentence(&listed(parts, "and"))))
    }

    fn offered(&self, chats: usize) -> Text {
        text(
            format!("{} can be brought back", count(chats, "chat")),
            "The most recent first, as memory allows.",
        )
    }

    fn said(&self, name: &str, said: &Said, local: &dyn Fn(Timestamp) -> Local) -> Text {
        let name = quoted(name, ['“', '”'], "A chat");
        match said {
            Said::Waits { minutes } => text(
                format!("{name} waits for your answer"),
                format!("It has asked for {minutes} min and does nothing until then."),
            ),
            Said::Limit { message, resets_at } => {
                let end = match resets_at.map(local) {
                    None => "When it ends was not said.".to_owned(),
                    Some(at) if at.is_today => format!("It ends at {}.", time(at)),
                    Some(at) => format!("It ends on {} at {}.", date(at), time(at)),
                };
                text(format!("{name} ran into a usage limit"), format!("{message} {end}"))
            }
            Said::ContextFills { percent } => text(
                format!("{name} has used {percent} % of its context"),
                "A checkpoint was taken. Its client will soon put a summary in the place of what was said; finish what \
                 needs the whole, or begin a new chat.",
            ),
            Said::HeapFills { memory } => text(format!("{name} runs out of memory"), fills(memory)),
            Said::GroupFills { chats: 0 | 1, memory } => text(
                format!("{name} runs out of the memory that its group of processes may take"),
                fills(memory),
            ),
            Said::GroupFills { chats, memory } => {
                text(format!("The memory that {chats} chats may take together runs out"), fills(memory))
            }
            Said::MachineFills { memory } => text("The machine's memory runs out", fills(memory)),
            Said::UpdateReady { client, chats } => text(
                format!("{} will restart for an update", client.title()),
                format!("{} in it, kept up to this moment.", some(*chats)),
            ),
            Said::UpdateDone { client, chats } => text(
                format!("{} restarted for its update", client.title()),
                format!("{} can be restored.", some(*chats)),
            ),
            Said::Deletions { due } => deletions(due, local),
            Said::WouldRestore { why } => text(
                format!("SHIM would restore {name}"),
                format!("{}. policy.dry_run is on: nothing was done.", sentence(why)),
            ),
            Said::AsksBeforeRestore { why } => text(
                format!("SHIM asks before it restores {name}"),
                format!("It is not restored by itself: {why}."),
            ),
            Said::RolledBack { knob, why } => {
                text(format!("The try of {knob} was taken back"), sentence(why))
            }
            Said::CutShort { what } => text("SHIM was ended in the middle of a change", what),
        }
    }

    fn restored(&self, name: &str, receipt: &Receipt) -> Text {
        let lost = match receipt.turns_lost {
            Some(lost) => format!("{} lost", count(number(lost), "turn")),
            None => "turns not counted".to_owned(),
        };
        let process = receipt.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
        let proved = format!("{lost}{process}, {:.1} s", receipt.seconds);
        let by_itself =
            if was_begun_by_itself(receipt) { "It had crashed, and was restored by itself: " } else { "" };
        text(format!("Restored {}", quoted(name, ['“', '”'], "a chat")), format!("{by_itself}{proved}"))
    }

    fn not_restored(&self, name: Option<&str>, why: &str) -> Text {
        let name = name.map_or_else(|| "The chat".to_owned(), |name| quoted(name, ['“', '”'], "The chat"));
        text(format!("{name} was not restored"), why)
    }

    fn receipt_says_more(&self) -> &'static str {
        "The receipt says more."
    }

    fn brought_back(&self, back: usize, of: usize, state: &State) -> Text {
        let body = match state {
            State::Stopped { why } => why,
            State::Cancelled => "It was cancelled.",
            State::Done | State::Running | State::WaitingForMemory { .. } => "Each has a receipt.",
        };
        text(format!("{back} of {} brought back", count(of, "chat")), body)
    }

    fn not_brought_back(&self, why: &str) -> Text {
        text("The chats were not brought back", why)
    }

    fn not_started_at_login(&self, why: &str) -> Text {
        text("SHIM's start at login could not be set", why)
    }

    #[cfg(feature = "updater")]
    fn newer(&self, version: &str) -> Text {
        text(
            format!("SHIM {version} is there"),
            "“Update to …” in the tray's menu installs it and starts SHIM anew.",
        )
    }

    #[cfg(feature = "updater")]
    fn not_fetched(&self, version: &str, why: &str) -> Text {
        text(format!("SHIM {version} could not be fetched"), why)
    }
}

fn title(text: &str) -> String {
    match short(text, TITLE_CHARS_MAX) {
        line if line.is_empty() => "untitled chat".to_owned(),
        line => line,
    }
}

/// What happened, as it follows the chat's name: `killed in mid-answer`.
fn crash(kind: CrashKind, in_turn: InTurn) -> String {
    let what = match kind {
        CrashKind::Killed => "killed",
        CrashKind::Exited => "ended",
        CrashKind::Shutdown => "cut off by a shutdown",
        CrashKind::ClientUpdate => "cut off by an update of its app",
        CrashKind::OutOfMemory => "out of memory",
        // These say when by themselves.
        CrashKind::Hung => return "found hung".to_owned(),
        CrashKind::IndexLost => return "no longer listed by its app".to_owned(),
        CrashKind::Torn => return "left with a damaged file".to_owned(),
        CrashKind::Poisoned => return "refused by the model, turn after turn".to_owned(),
        CrashKind::CompactionDeadlock => return "too long to go on".to_owned(),
        CrashKind::Deleted => return "deleted by its client".to_owned(),
    };
    let when = match in_turn {
        InTurn::None => "between turns",
        InTurn::Answer => "in mid-answer",
        InTurn::Tool => "while a tool ran",
    };
    format!("{what} {when}")
}

pub fn age(age: Duration) -> String {
    let minutes = minutes(age);
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..1440 => format!("{} h ago", minutes / 60),
        1440..2880 => "yesterday".to_owned(),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// `1 chat`, `3 chats`.
fn count(number: usize, noun: &str) -> String {
    counted(number, noun, &format!("{noun}s"))
}

fn happened(kind: NoticeKind, number: usize) -> String {
    let chats = count(number, "chat");
    let (is, has) = if number == 1 { ("is", "has") } else { ("are", "have") };
    match kind {
        NoticeKind::Crashed => format!("{chats} crashed"),
        NoticeKind::Hung => format!("{chats} hung"),
        NoticeKind::Ailing => format!("{chats} {has} something to look at"),
        NoticeKind::Restored => format!("{chats} {} restored", if number == 1 { "was" } else { "were" }),
        NoticeKind::HeldBack => format!("{chats} {is} left for you to decide"),
        NoticeKind::Waiting => format!("{chats} waited for your answer"),
        NoticeKind::Limit => format!("{chats} ran into a usage limit"),
        NoticeKind::Memory => format!("memory ran short {}", counted(number, "time", "times")),
        NoticeKind::Update => format!("{} restarted by an update", counted(number, "app", "apps")),
        NoticeKind::Deletion => format!("{chats} will be deleted"),
    }
}

fn fills(memory: &Fills) -> String {
    let ahead = memory.full_in_minutes;
    let ahead =
        ahead.map_or_else(String::new, |minutes| format!(", and full in about {minutes} min as it grows"));
    let advice = if memory.is_critical {
        "Save what you can and start it anew now"
    } else {
        "Start it anew when it is idle"
    };
    let Fills { used_mib, percent, .. } = memory;
    format!("{used_mib} MiB, {percent} % of what there is{ahead}. {advice}; SHIM took a checkpoint.")
}

fn deletions(due: &[Deletion], local: &dyn Fn(Timestamp) -> Local) -> Text {
    let all: usize = due.iter().map(|due| due.chats).sum();
    let summary = match all {
        1 => "A chat will be deleted".to_owned(),
        all => format!("{all} chats will be deleted"),
    };
    let one = |due: &Deletion| {
        let copy = if due.chats == 1 { "copy" } else { "copies" };
        let (client, chats, from) = (due.client.title(), count(due.chats, "chat"), date(local(due.from)));
        format!("{client} deletes {chats} from {from} on. SHIM keeps its {copy}.")
    };
    text(summary, due.iter().map(one).collect::<Vec<_>>().join("\n"))
}

fn some(chats: usize) -> String {
    if chats == 0 { "No chat".to_owned() } else { count(chats, "chat") }
}

fn time(at: Local) -> String {
    format!("{:02}:{:02}", at.hour, at.minute)
}

fn date(at: Local) -> String {
    format!("{:04}-{:02}-{:02}", at.year, at.month, at.day)
}
