//! How the tray and the notifications say things: titles, kinds of crash, ages.

use std::time::Duration;

use shim_core::{
    chats::ChatState,
    crashes::{CrashKind, InTurn},
};

/// Characters of a title that are shown; menus grow as wide as their widest line.
const TITLE_CHARS_MAX: usize = 40;

/// The title on one line, short enough for a menu.
pub fn title(text: &str) -> String {
    match short(text, TITLE_CHARS_MAX) {
        line if line.is_empty() => "untitled chat".to_owned(),
        line => line,
    }
}

/// The text on one line, cut at a word's end where one is near.
pub fn short(text: &str, chars_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= chars_max {
        return line;
    }
    let head: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    let kept = match head.rsplit_once(' ') {
        Some((words, cut)) if cut.chars().count() <= chars_max / 4 => words,
        _ => head.as_str(),
    };
    format!("{kept}…")
}

/// What happened, as it follows the chat's name: `killed in mid-answer`.
pub fn crash(kind: CrashKind, in_turn: InTurn) -> String {
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

pub fn state(state: ChatState) -> &'static str {
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

pub fn age(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..1440 => format!("{} h ago", minutes / 60),
        1440..2880 => "yesterday".to_owned(),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// `1 chat`, `3 chats`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The first letter as a capital.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_one_short_line() {
        for (text, shown) in [
            ("Fix the parser", "Fix the parser"),
            ("  Fix\n\tthe   parser ", "Fix the parser"),
            ("", "untitled chat"),
            (
                "Please look at the parser and tell me why it fails on empty lines",
                "Please look at the parser and tell me…",
            ),
            ("/srv/very-long-path-without-any-space-at-all/x.rs", "/srv/very-long-path-without-any-space-a…"),
            (
                "Übersetze äöü ßßß ñ 日本語 日本語 日本語 日本語 日本語 日本語",
                "Übersetze äöü ßßß ñ 日本語 日本語 日本語 日本語…",
            ),
        ] {
            let short = title(text);
            assert_eq!(short, shown);
            assert!(short.chars().count() <= TITLE_CHARS_MAX, "{short}");
        }
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        for (seconds, told) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (3600, "1 h ago"),
            (86_399, "23 h ago"),
            (86_400, "yesterday"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), told);
        }
    }
}
