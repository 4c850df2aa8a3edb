//! What the tray and the notifications say, in each language they speak: a table of which the compiler sees that no
//! line is missing.

mod english;
mod german;

use std::{collections::BTreeMap, time::Duration};

use english::English;
use german::German;
use shim_api::{fleet, notices::Said, restore::Receipt};
use shim_core::{
    chats::ChatState,
    crashes::{CrashKind, InTurn},
    notices::NoticeKind,
    settings::desktop::Language,
};

use crate::clock::Local;

/// Characters of a title that are shown; menus grow as wide as their widest line.
const TITLE_CHARS_MAX: usize = 40;

/// A notification's two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub summary: String,
    pub body: String,
}

/// All that is said. Titles are those of chats, as their clients have them.
pub trait Words: Sync {
    /// The title on one line, short enough for a menu.
    fn title(&self, text: &str) -> String;
    fn state(&self, state: ChatState) -> &'static str;
    fn engine_down(&self) -> &'static str;
    fn down(&self, why: &str) -> String;
    fn all_well(&self, live: usize, waiting: usize) -> String;
    /// In a few letters, beside the icon.
    fn crashed_count(&self, crashes: usize) -> String;
    fn chats_crashed(&self, crashes: usize) -> String;
    /// `left` is none where it has no end.
    fn paused(&self, left: Option<&str>) -> String;
    fn demo(&self) -> &'static str;
    fn restore_one(&self, title: &str, kind: CrashKind, in_turn: InTurn, age: Duration) -> String;
    fn restore_many(&self, chats: usize) -> String;
    fn bringing_back(&self, back: usize, of: usize, waits: bool) -> String;
    fn cancel(&self) -> &'static str;
    fn more_crashes(&self, hidden: usize) -> String;
    fn more_chats(&self, hidden: usize) -> String;
    fn open_dashboard(&self) -> &'static str;
    fn pause(&self) -> &'static str;
    fn for_an_hour(&self) -> &'static str;
    fn until_resumed(&self) -> &'static str;
    fn resume(&self) -> &'static str;
    fn update_to(&self, version: &str) -> String;
    fn quit(&self) -> &'static str;

    fn restore(&self) -> &'static str;
    fn restore_all(&self) -> &'static str;
    fn show(&self) -> &'static str;

    /// A chat crashed, hangs, or is ailing.
    fn crashed(&self, title: &str, kind: CrashKind, in_turn: InTurn) -> Text;
    /// Too many of a kind at once to be told singly.
    fn many(&self, kind: NoticeKind, number: usize) -> Text;
    /// What came in quiet hours.
    fn summed_up(&self, numbers: &BTreeMap<NoticeKind, usize>) -> Text;
    /// Chats that died before anybody listened.
    fn offered(&self, chats: usize) -> Text;
    /// What the engine says, of the chat with this title where there is one. `local` is the user's clock.
    fn said(&self, title: &str, said: &Said, local: &dyn Fn(shim_core::time::Timestamp) -> Local) -> Text;
    fn restored(&self, title: &str, receipt: &Receipt) -> Text;
    /// `title` is none where not even the chat is known.
    fn not_restored(&self, title: Option<&str>, why: &str) -> Text;
    /// Where a receipt gives no reason.
    fn receipt_says_more(&self) -> &'static str;
    fn brought_back(&self, back: usize, of: usize, state: &fleet::State) -> Text;
    fn not_brought_back(&self, why: &str) -> Text;
    fn not_started_at_login(&self, why: &str) -> Text;
    #[cfg(feature = "updater")]
    fn newer(&self, version: &str) -> Text;
    #[cfg(feature = "updater")]
    fn not_fetched(&self, version: &str, why: &str) -> Text;
}

/// The words of the language that is set; the system's where none is.
pub fn of(language: Language) -> &'static dyn Words {
    match language {
        Language::English => &English,
        Language::German => &German,
        Language::System if is_german(|name| std::env::var(name).ok()) => &German,
        Language::System => &English,
    }
}

/// Whether the system speaks German, by the first of its variables that says anything.
fn is_german(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
    let locale = names.into_iter().filter_map(variable).find(|value| !value.is_empty()).unwrap_or_default();
    let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
    language.eq_ignore_ascii_case("de") || language.eq_ignore_ascii_case("german")
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

/// The first letter as a capital.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn text(summary: impl Into<String>, body: impl Into<String>) -> Text {
    Text { summary: summary.into(), body: body.into() }
}

/// The name of a chat on one short line, in quotes.
fn quoted(title: &str, quotes: [char; 2], untitled: &str) -> String {
    match short(title, TITLE_CHARS_MAX) {
        line if line.is_empty() => untitled.to_owned(),
        line => format!("{}{line}{}", quotes[0], quotes[1]),
    }
}

/// By whom a restore was begun, where that was not its user.
fn was_begun_by_itself(receipt: &Receipt) -> bool {
    receipt.steps.first().is_some_and(|step| step.step == "policy")
}

fn number(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Joins what is told of several, `a, b and c`.
fn listed(mut parts: Vec<String>, and: &str) -> String {
    match parts.pop() {
        None => String::new(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} {and} {last}", parts.join(", ")),
    }
}

/// `1` in the first form, any other number in the second.
fn counted(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}

fn minutes(span: Duration) -> u64 {
    span.as_secs() / 60
}

#[cfg(test)]
mod tests {
    use shim_core::{chats::Client, time::Timestamp};

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
            let short = English.title(text);
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
            assert_eq!(english::age(Duration::from_secs(seconds)), told);
        }
    }

    #[test]
    fn the_system_speaks_what_its_first_variable_says() {
        for (variables, german) in [
            (&[("LANG", "de_DE.UTF-8")][..], true),
            (&[("LANG", "de")], true),
            (&[("LANG", "en_GB.UTF-8")], false),
            (&[("LANG", "de_DE.UTF-8"), ("LC_MESSAGES", "en_US.UTF-8")], false),
            (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "de_AT@euro")], true),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C.UTF-8")], false),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "")], true),
            (&[("LANG", "den_CA")], false),
            (&[], false),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_german(variable), german, "{variables:?}");
        }
    }

    fn local(at: Timestamp) -> Local {
        Local { is_today: at == Timestamp::from_ms(0), year: 2026, month: 3, day: 9, hour: 14, minute: 5 }
    }

    /// The same in both languages.
    fn check(said: &Said, english: [&str; 2], german: [&str; 2]) {
        for (words, [summary, body]) in [(&English as &dyn Words, english), (&German, german)] {
            assert_eq!(words.said("Fix it", said, &local), text(summary, body));
        }
    }

    #[test]
    fn a_limit_is_told_with_its_end_by_the_users_clock() {
        let limit = |resets_at| Said::Limit { message: "Limit reached.".to_owned(), resets_at };
        check(
            &limit(Some(Timestamp::from_ms(0))),
            ["“Fix it” ran into a usage limit", "Limit reached. It ends at 14:05."],
            ["„Fix it“ hat eine Nutzungsgrenze erreicht", "Limit reached. Es gilt bis 14:05 Uhr."],
        );
        check(
            &limit(Some(Timestamp::from_ms(1))),
            ["“Fix it” ran into a usage limit", "Limit reached. It ends on 2026-03-09 at 14:05."],
            [
                "„Fix it“ hat eine Nutzungsgrenze erreicht",
                "Limit reached. Es gilt bis 09.03.2026, 14:05 Uhr.",
            ],
        );
        check(
            &limit(None),
            ["“Fix it” ran into a usage limit", "Limit reached. When it ends was not said."],
            [
                "„Fix it“ hat eine Nutzungsgrenze erreicht",
                "Limit reached. Wann es endet, wurde nicht gesagt.",
            ],
        );
    }

    #[test]
    fn chats_that_will_be_deleted_are_told_by_client() {
        let due = |client, chats| shim_api::notices::Deletion { client, chats, from: Timestamp::from_ms(0) };
        check(
            &Said::Deletions { due: vec![due(Client::ClaudeCode, 1)] },
            ["A chat will be deleted", "Claude Code deletes 1 chat from 2026-03-09 on. SHIM keeps its copy."],
            ["Ein Chat wird gelöscht", "Claude Code löscht 1 Chat ab 09.03.2026. SHIM behält seine Kopie."],
        );
        check(
            &Said::Deletions { due: vec![due(Client::ClaudeCode, 2), due(Client::Gemini, 1)] },
            [
                "3 chats will be deleted",
                "Claude Code deletes 2 chats from 2026-03-09 on. SHIM keeps its copies.\n\
                 Gemini CLI deletes 1 chat from 2026-03-09 on. SHIM keeps its copy.",
            ],
            [
                "3 Chats werden gelöscht",
                "Claude Code löscht 2 Chats ab 09.03.2026. SHIM behält seine Kopien.\n\
                 Gemini CLI löscht 1 Chat ab 09.03.2026. SHIM behält seine Kopie.",
            ],
        );
    }

    #[test]
    fn what_came_in_quiet_hours_is_one_sentence() {
        let numbers =
            BTreeMap::from([(NoticeKind::Crashed, 3), (NoticeKind::Restored, 1), (NoticeKind::Limit, 2)]);
        assert_eq!(
            English.summed_up(&numbers),
            text(
                "While it was quiet",
                "3 chats crashed, 1 chat was restored and 2 chats ran into a usage limit."
            )
        );
        assert_eq!(
            German.summed_up(&numbers),
            text(
                "Während der Ruhezeit",
                "3 Chats sind abgestürzt, 1 Chat wurde wiederhergestellt und 2 Chats haben eine Nutzungsgrenze erreicht."
            )
        );
    }

    #[test]
    fn every_kind_is_told_in_both_languages_in_its_own_words() {
        for kind in NoticeKind::ALL {
            let said = |words: &dyn Words| words.many(kind, 4).summary;
            assert_ne!(said(&English), said(&German), "{kind:?}");
            assert!(said(&English).contains('4') && said(&German).contains('4'), "{kind:?}");
        }
        for kind in CrashKind::ALL {
            let said = |words: &dyn Words| words.crashed("x", kind, InTurn::Answer);
            assert_ne!(said(&English), said(&German), "{kind:?}");
        }
    }
}
