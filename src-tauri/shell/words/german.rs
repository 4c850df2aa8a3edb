//! What is said in German. What a client or the engine gives as a reason stays in its own words.

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

pub struct German;

impl Words for German {
    fn title(&self, text: &str) -> String {
        title(text)
    }

    fn state(&self, state: ChatState) -> &'static str {
        match state {
            ChatState::Working => "bei der Arbeit",
            ChatState::Waiting => "wartend",
            ChatState::Idle => "untätig",
            ChatState::Ended => "beendet",
            ChatState::Crashed => "abgestürzt",
            ChatState::Hung => "aufgehängt",
            ChatState::Unknown => "in unbekanntem Zustand",
        }
    }

    fn engine_down(&self) -> &'static str {
        "Engine steht"
    }

    fn down(&self, why: &str) -> String {
        format!("Engine steht: {why}")
    }

    fn all_well(&self, live: usize, waiting: usize) -> String {
        let waiting = match waiting {
            0 => String::new(),
            1 => ", 1 wartet auf dich".to_owned(),
            waiting => format!(", {waiting} warten auf dich"),
        };
        format!("alles in Ordnung, {}{waiting}", counted(live, "laufender Chat", "laufende Chats"))
    }

    fn crashed_count(&self, crashes: usize) -> String {
        format!("{crashes} abgestürzt")
    }

    fn chats_crashed(&self, crashes: usize) -> String {
        format!("{} abgestürzt", count(crashes))
    }

    fn paused(&self, left: Option<&str>) -> String {
        let left = left.map(|left| format!(", noch {left}")).unwrap_or_default();
        format!("Überwachung angehalten{left}")
    }

    fn demo(&self) -> &'static str {
        "Demo: eine aufgezeichnete Woche, nichts von diesem Rechner"
    }

    fn restore_one(&self, name: &str, kind: CrashKind, in_turn: InTurn, since: Duration) -> String {
        format!("„{}“ wiederherstellen ({}, {})", title(name), crash(kind, in_turn), age(since))
    }

    fn restore_many(&self, chats: usize) -> String {
        format!("{} wiederherstellen", count(chats))
    }

    fn bringing_back(&self, back: usize, of: usize, waits: bool) -> String {
        let memory = if waits { ", wartet auf Speicher" } else { "" };
        format!("Chats werden zurückgeholt: {back} von {of}{memory}")
    }

    fn cancel(&self) -> &'static str {
        "Abbrechen"
    }

    fn more_crashes(&self, hidden: usize) -> String {
        counted(hidden, "weiterer Absturz in der Übersicht", "weitere Abstürze in der Übersicht")
    }

    fn more_chats(&self, hidden: usize) -> String {
        counted(hidden, "weiterer Chat in der Übersicht", "weitere Chats in der Übersicht")
    }

    fn open_dashboard(&self) -> &'static str {
        "Übersicht öffnen"
    }

    fn pause(&self) -> &'static str {
        "Überwachung anhalten"
    }

    fn for_an_hour(&self) -> &'static str {
        "Für eine Stunde"
    }

    fn until_resumed(&self) -> &'static str {
        "Bis ich sie fortsetze"
    }

    fn resume(&self) -> &'static str {
        "Überwachung fortsetzen"
    }

    fn update_to(&self, version: &str) -> String {
        format!("Update auf {version}, und SHIM neu starten")
    }

    fn quit(&self) -> &'static str {
        "SHIM beenden"
    }

    fn restore(&self) -> &'static str {
        "Wiederherstellen"
    }

    fn restore_all(&self) -> &'static str {
        "Alle wiederherstellen"
    }

    fn show(&self) -> &'static str {
        "Anzeigen"
    }

    fn crashed(&self, name: &str, kind: CrashKind, in_turn: InTurn) -> Text {
        let what = if kind == CrashKind::Hung {
            "Chat hängt"
        } else if NoticeKind::of_crash(kind) == NoticeKind::Ailing {
            "Chat braucht einen Blick"
        } else {
            "Chat abgestürzt"
        };
        text(format!("{what}: {}", title(name)), format!("{}.", sentence(&crash(kind, in_turn))))
    }

    fn many(&self, kind: NoticeKind, number: usize) -> Text {
        let body = if kind == NoticeKind::Crashed {
            "Sie lassen sich zusammen wiederherstellen; die Übersicht führt sie auf."
        } else if kind == NoticeKind::Restored {
            "Jeder hat einen Beleg."
        } else {
            "Die Übersicht sagt mehr."
        };
        text(happened(kind, number), body)
    }

    fn summed_up(&self, numbers: &BTreeMap<NoticeKind, usize>) -> Text {
        let parts = numbers.iter().map(|(kind, number)| happened(*kind, *number)).collect();
        text("Während der Ruhezeit", format!("{}.", sentence(&listed(parts, "und"))))
    }

    fn offered(&self, chats: usize) -> Text {
        let can = if chats == 1 { "lässt" } else { "lassen" };
        text(
            format!("{} {can} sich wiederherstellen", count(chats)),
            "Die neuesten zuerst, soweit der Speicher reicht.",
        )
    }

    fn said(&self, name: &str, said: &Said, local: &dyn Fn(Timestamp) -> Local) -> Text {
        let name = quoted(name, ['„', '“'], "Ein Chat");
        match said {
            Said::Waits { minutes } => text(
                format!("{name} wartet auf deine Antwort"),
                format!("Seit {minutes} min ist eine Frage offen; bis dahin geschieht nichts."),
            ),
            Said::Limit { message, resets_at } => {
                let end = match resets_at.map(local) {
                    None => "Wann es endet, wurde nicht gesagt.".to_owned(),
                    Some(at) if at.is_today => format!("Es gilt bis {} Uhr.", time(at)),
                    Some(at) => format!("Es gilt bis {}, {} Uhr.", date(at), time(at)),
                };
                text(format!("{name} hat eine Nutzungsgrenze erreicht"), format!("{message} {end}"))
            }
            Said::ContextFills { percent } => text(
                format!("{name} hat {percent} % des Kontexts verbraucht"),
                "Ein Prüfpunkt ist angelegt. Bald ersetzt das Programm das Gesagte durch eine Zusammenfassung; \
                 bring zu Ende, was das Ganze braucht, oder beginne einen neuen Chat.",
            ),
            Said::HeapFills { memory } => text(format!("{name} geht der Speicher aus"), fills(memory)),
            Said::GroupFills { chats: 0 | 1, memory } => text(
                format!("{name} geht der Speicher aus, den die Prozessgruppe belegen darf"),
                fills(memory),
            ),
            Said::GroupFills { chats, memory } => text(
                format!("Der Speicher, den {chats} Chats zusammen belegen dürfen, geht aus"),
                fills(memory),
            ),
            Said::MachineFills { memory } => text("Dem Rechner geht der Speicher aus", fills(memory)),
            Said::UpdateReady { client, chats } => text(
                format!("{} startet für ein Update neu", client.title()),
                format!("{} darin, bis zu diesem Augenblick gesichert.", some(*chats)),
            ),
            Said::UpdateDone { client, chats } => {
                let can = if *chats > 1 { "lassen" } else { "lässt" };
                text(
                    format!("{} hat für das Update neu gestartet", client.title()),
                    format!("{} {can} sich wiederherstellen.", some(*chats)),
                )
            }
            Said::Deletions { due } => deletions(due, local),
            Said::WouldRestore { why } => text(
                format!("SHIM würde {name} wiederherstellen"),
                format!("{}. policy.dry_run ist an: Es wurde nichts getan.", sentence(why)),
            ),
            Said::AsksBeforeRestore { why } => text(
                format!("SHIM fragt, bevor es {name} wiederherstellt"),
                format!("Nicht von selbst wiederhergestellt: {why}."),
            ),
            Said::RolledBack { knob, why } => {
                text(format!("Der Versuch mit {knob} wurde zurückgenommen"), sentence(why))
            }
            Said::CutShort { what } => text("SHIM wurde mitten in einer Änderung beendet", what),
        }
    }

    fn restored(&self, name: &str, receipt: &Receipt) -> Text {
        let lost = match receipt.turns_lost {
            Some(lost) => format!("{} verloren", counted(number(lost), "Runde", "Runden")),
            None => "Runden nicht gezählt".to_owned(),
        };
        let process = receipt.pid.map(|pid| format!(", Prozess {pid}")).unwrap_or_default();
        let seconds = format!("{:.1}", receipt.seconds).replace('.', ",");
        let by_itself = if was_begun_by_itself(receipt) {
            "Der Chat war abgestürzt und wurde von selbst wiederhergestellt: "
        } else {
            ""
        };
        let name = quoted(name, ['„', '“'], "Ein Chat");
        text(format!("{name} ist wiederhergestellt"), format!("{by_itself}{lost}{process}, {seconds} s"))
    }

    fn not_restored(&self, name: Option<&str>, why: &str) -> Text {
        let name = name.map_or_else(|| "Der Chat".to_owned(), |name| quoted(name, ['„', '“'], "Der Chat"));
        text(format!("{name} wurde nicht wiederhergestellt"), why)
    }

    fn receipt_says_more(&self) -> &'static str {
        "Der Beleg sagt mehr."
    }

    fn brought_back(&self, back: usize, of: usize, state: &State) -> Text {
        let body = match state {
            State::Stopped { why } => why,
            State::Cancelled => "Es wurde abgebrochen.",
            State::Done | State::Running | State::WaitingForMemory { .. } => "Jeder hat einen Beleg.",
        };
        text(format!("{back} von {} wiederhergestellt", count(of)), body)
    }

    fn not_brought_back(&self, why: &str) -> Text {
        text("Die Chats wurden nicht wiederhergestellt", why)
    }

    fn not_started_at_login(&self, why: &str) -> Text {
        text("Der Start bei der Anmeldung ließ sich nicht einrichten", why)
    }

    #[cfg(feature = "updater")]
    fn newer(&self, version: &str) -> Text {
        text(
            format!("SHIM {version} ist da"),
            "„Update auf …“ im Menü des Symbols richtet es ein und startet SHIM neu.",
        )
    }

    #[cfg(feature = "updater")]
    fn not_fetched(&self, version: &str, why: &str) -> Text {
        text(format!("SHIM {version} ließ sich nicht holen"), why)
    }
}

fn title(text: &str) -> String {
    match short(text, TITLE_CHARS_MAX) {
        line if line.is_empty() => "Chat ohne Titel".to_owned(),
        line => line,
    }
}

/// What happened: `beendet mitten in der Antwort`.
fn crash(kind: CrashKind, in_turn: InTurn) -> String {
    let what = match kind {
        CrashKind::Killed => "getötet",
        CrashKind::Exited => "ausgestiegen",
        CrashKind::Shutdown => "vom Herunterfahren abgeschnitten",
        CrashKind::ClientUpdate => "vom Update der App abgeschnitten",
        CrashKind::OutOfMemory => "ohne Speicher beendet",
        CrashKind::Hung => return "reagiert nicht mehr".to_owned(),
        CrashKind::IndexLost => return "von der App nicht mehr aufgeführt".to_owned(),
        CrashKind::Torn => return "mit beschädigter Datei".to_owned(),
        CrashKind::Poisoned => return "vom Modell Runde um Runde abgewiesen".to_owned(),
        CrashKind::CompactionDeadlock => return "zu lang, um weiterzugehen".to_owned(),
        CrashKind::Deleted => return "vom eigenen Programm gelöscht".to_owned(),
    };
    let when = match in_turn {
        InTurn::None => "zwischen zwei Runden",
        InTurn::Answer => "mitten in der Antwort",
        InTurn::Tool => "während ein Werkzeug lief",
    };
    format!("{what} {when}")
}

fn age(age: Duration) -> String {
    let minutes = minutes(age);
    match minutes {
        0 => "gerade eben".to_owned(),
        1..60 => format!("vor {minutes} min"),
        60..1440 => format!("vor {} h", minutes / 60),
        1440..2880 => "gestern".to_owned(),
        _ => format!("vor {} Tagen", minutes / 1440),
    }
}

fn count(chats: usize) -> String {
    counted(chats, "Chat", "Chats")
}

fn happened(kind: NoticeKind, number: usize) -> String {
    let chats = count(number);
    let one = number == 1;
    let (is, has, was) = if one { ("ist", "hat", "wurde") } else { ("sind", "haben", "wurden") };
    match kind {
        NoticeKind::Crashed => format!("{chats} {is} abgestürzt"),
        NoticeKind::Hung => format!("{chats} {has} sich aufgehängt"),
        NoticeKind::Ailing => format!("{chats} {} einen Blick", if one { "braucht" } else { "brauchen" }),
        NoticeKind::Restored => format!("{chats} {was} wiederhergestellt"),
        NoticeKind::HeldBack => {
            format!("{chats} {} auf deine Entscheidung", if one { "wartet" } else { "warten" })
        }
        NoticeKind::Waiting => format!("{chats} {has} auf deine Antwort gewartet"),
        NoticeKind::Limit => format!("{chats} {has} eine Nutzungsgrenze erreicht"),
        NoticeKind::Memory => format!("der Speicher wurde {} knapp", counted(number, "Mal", "Mal")),
        NoticeKind::Update => {
            format!("{} {has} für ein Update neu gestartet", counted(number, "App", "Apps"))
        }
        NoticeKind::Deletion => format!("{chats} {} gelöscht", if one { "wird" } else { "werden" }),
    }
}

fn fills(memory: &Fills) -> String {
    let ahead = memory.full_in_minutes;
    let ahead =
        ahead.map_or_else(String::new, |minutes| format!(", so wie er wächst in etwa {minutes} min voll"));
    let advice = if memory.is_critical {
        "Sichere, was sich sichern lässt, und starte jetzt neu"
    } else {
        "Starte neu, wenn gerade nichts läuft"
    };
    let Fills { used_mib, percent, .. } = memory;
    format!(
        "{used_mib} MiB, {percent} % des Vorhandenen{ahead}. {advice}; SHIM hat einen Prüfpunkt angelegt."
    )
}

fn deletions(due: &[Deletion], local: &dyn Fn(Timestamp) -> Local) -> Text {
    let all: usize = due.iter().map(|due| due.chats).sum();
    let summary = match all {
        1 => "Ein Chat wird gelöscht".to_owned(),
        all => format!("{all} Chats werden gelöscht"),
    };
    let one = |due: &Deletion| {
        let copy = if due.chats == 1 { "Kopie" } else { "Kopien" };
        let (client, chats, from) = (due.client.title(), count(due.chats), date(local(due.from)));
        format!("{client} löscht {chats} ab {from}. SHIM behält seine {copy}.")
    };
    text(summary, due.iter().map(one).collect::<Vec<_>>().join("\n"))
}

fn some(chats: usize) -> String {
    if chats == 0 { "Kein Chat".to_owned() } else { count(chats) }
}

fn time(at: Local) -> String {
    format!("{:02}:{:02}", at.hour, at.minute)
}

fn date(at: Local) -> String {
    format!("{:02}.{:02}.{:04}", at.day, at.month, at.year)
}
