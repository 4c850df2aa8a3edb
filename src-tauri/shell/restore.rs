//! Restore by one click: asks the engine and tells the outcome in a notification.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use shim_api::{
    ApiError,
    fleet::{Fleet, ItemState, Options, State},
    restore::{Receipt, RestoreRequest, Then},
};
use tauri::{AppHandle, Manager};

use crate::{
    engine::Link,
    notifications::{self, Button, Note},
    tasks::Tasks,
    tray::Bell,
    window::Route,
    words,
};

/// How often a restore of many is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Stands for all crashes together; no crash has this number.
const ALL: i64 = 0;

/// Crashes being restored by a click; a second click on the same one does nothing.
#[derive(Default)]
pub struct UnderWay(Mutex<BTreeSet<i64>>);

impl UnderWay {
    fn begin(&self, crash: i64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(crash)
    }

    fn end(&self, crash: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&crash);
    }
}

pub fn restore(app: &AppHandle, crash: i64) {
    if !app.state::<UnderWay>().begin(crash) {
        return;
    }
    let handle = app.clone();
    let started = app.state::<Tasks>().run("restore", move || {
        let note = outcome(crash, ask(&handle.state::<Link>(), crash));
        handle.state::<UnderWay>().end(crash);
        handle.state::<Bell>().ring();
        notifications::show(&handle, note);
    });
    if !started {
        app.state::<UnderWay>().end(crash);
    }
}

/// Brings back all that is offered, and tells what came of it.
pub fn restore_all(app: &AppHandle) {
    if !app.state::<UnderWay>().begin(ALL) {
        return;
    }
    let handle = app.clone();
    let started = app.state::<Tasks>().run("restore all", move || {
        let note = outcome_of_all(ask_for_all(&handle.state::<Link>()));
        handle.state::<UnderWay>().end(ALL);
        handle.state::<Bell>().ring();
        if let Some(note) = note {
            notifications::show(&handle, note);
        }
    });
    if !started {
        app.state::<UnderWay>().end(ALL);
    }
}

/// The fleet once it is over, or as it stands when the tray ends.
fn ask_for_all(link: &Link) -> Result<Option<Fleet>, ApiError> {
    let engine = link.engine()?;
    let mut fleet = engine.begin_fleet(Options { headless: false, then: Then::Idle, dry_run: false })?.fleet;
    while fleet.as_ref().is_some_and(|fleet| !fleet.is_over()) && !link.is_closing() {
        std::thread::sleep(LOOK_EVERY);
        fleet = engine.fleet()?.fleet;
    }
    Ok(fleet)
}

fn outcome_of_all(answer: Result<Option<Fleet>, ApiError>) -> Option<Note> {
    let buttons = vec![Button::Show(Route::crashes())];
    let fleet = match answer {
        Ok(fleet) => fleet?,
        Err(error) => {
            let summary = "The chats were not brought back".to_owned();
            return Some(Note { summary, body: error.message, buttons });
        }
    };
    let back = fleet.items.iter().filter(|item| matches!(item.state, ItemState::Restored { .. })).count();
    let summary = format!("{back} of {} brought back", words::count(fleet.items.len(), "chat"));
    let body = match fleet.state {
        State::Stopped { why } => why,
        State::Cancelled => "It was cancelled.".to_owned(),
        State::Done | State::Running | State::WaitingForMemory { .. } => "Each has a receipt.".to_owned(),
    };
    Some(Note { summary, body, buttons })
}

/// The receipt, with the chat's title.
fn ask(link: &Link, crash: i64) -> Result<(String, Receipt), ApiError> {
    let engine = link.engine()?;
    let receipt = engine.restore(&RestoreRequest {
        target: crash.to_string(),
        checkpoint: None,
        headless: false,
        then: Then::Idle,
        dry_run: false,
    })?;
    let title = engine.chat(receipt.chat.as_str(), 1).map(|detail| detail.chat.title).unwrap_or_default();
    Ok((title, receipt))
}

fn outcome(crash: i64, answer: Result<(String, Receipt), ApiError>) -> Note {
    let button = Button::Show(Route::crash(crash));
    match answer {
        Ok((title, receipt)) if receipt.ok => Note {
            summary: format!("Restored “{}”", words::title(&title)),
            body: proved(&receipt),
            buttons: vec![button],
        },
        Ok((title, receipt)) => Note {
            summary: format!("“{}” was not restored", words::title(&title)),
            body: failed(&receipt),
            buttons: vec![button],
        },
        Err(error) => Note {
            summary: "The chat was not restored".to_owned(),
            body: error.message,
            buttons: vec![button],
        },
    }
}

fn proved(receipt: &Receipt) -> String {
    let lost = match receipt.turns_lost {
        Some(lost) => format!("{} lost", words::count(usize::try_from(lost).unwrap_or(usize::MAX), "turn")),
        None => "turns not counted".to_owned(),
    };
    let process = receipt.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    format!("{lost}{process}, {:.1} s", receipt.seconds)
}

/// The refusal in the engine's words, else the step that failed.
fn failed(receipt: &Receipt) -> String {
    if let Some(refusal) = &receipt.refused {
        return refusal.message.clone();
    }
    match receipt.steps.iter().find(|step| !step.ok) {
        Some(step) => format!("{}: {}", words::sentence(&step.step), step.detail),
        None => "The receipt says more.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use shim_api::{error::ErrorCode, fleet::Item, restore::Step};
    use shim_core::{
        chats::{ChatId, Client},
        restore::{Refusal, RefusalReason},
        time::Timestamp,
    };

    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            id: 1,
            chat: ChatId::new(Client::ClaudeCode, "a"),
            fork_of: None,
            crash: Some(7),
            at: Timestamp::from_ms(0),
            ok: true,
            dry_run: false,
            refused: None,
            turns_before: 3,
            turns_after: Some(3),
            turns_lost: Some(0),
            last_message_sha256_before: None,
            last_message_sha256_after: None,
            processes: Some(1),
            pid: Some(4711),
            cwd: None,
            model: None,
            permission_mode: None,
            seconds: 2.345,
            client_seconds: 2.0,
            steps: Vec::new(),
        }
    }

    #[test]
    fn tells_what_came_of_a_restore() {
        let refused = Receipt {
            ok: false,
            refused: Some(Refusal {
                reason: RefusalReason::DirectoryGone,
                message: "/srv/x is gone; put it back and restore again".to_owned(),
            }),
            ..receipt()
        };
        let step = |step: &str, ok| Step { step: step.to_owned(), ok, detail: "it took too long".to_owned() };
        let broken =
            Receipt { ok: false, steps: vec![step("copy", true), step("start", false)], ..receipt() };
        let titled = |receipt| Ok(("Fix it".to_owned(), receipt));
        for (answer, summary, body) in [
            (titled(receipt()), "Restored “Fix it”", "0 turns lost, process 4711, 2.3 s"),
            (titled(refused), "“Fix it” was not restored", "/srv/x is gone; put it back and restore again"),
            (titled(broken), "“Fix it” was not restored", "Start: it took too long"),
            (
                Err(ApiError::new(ErrorCode::EngineDown, "no engine answers")),
                "The chat was not restored",
                "no engine answers",
            ),
        ] {
            let note = Note {
                summary: summary.to_owned(),
                body: body.to_owned(),
                buttons: vec![Button::Show(Route::crash(7))],
            };
            assert_eq!(outcome(7, answer), note);
        }
    }

    #[test]
    fn tells_what_came_of_a_restore_of_many() {
        let item = |n: i64, state| Item {
            chat: ChatId::new(Client::ClaudeCode, &n.to_string()),
            crash: n,
            needs: 0,
            state,
        };
        let at = Timestamp::from_ms(0);
        let items = vec![
            item(1, ItemState::Restored { receipt: Some(1), at }),
            item(2, ItemState::Failed { receipt: Some(2), why: "gone".to_owned() }),
        ];
        let options = Options { headless: false, then: Then::Idle, dry_run: false };
        let fleet = |state| Fleet { state, ..Fleet::new(1, at, options, items.clone()) };
        for (answer, expected) in [
            (Ok(None), None),
            (Ok(Some(fleet(State::Done))), Some(("1 of 2 chats brought back", "Each has a receipt."))),
            (
                Ok(Some(fleet(State::Stopped { why: "no memory".to_owned() }))),
                Some(("1 of 2 chats brought back", "no memory")),
            ),
            (
                Err(ApiError::new(ErrorCode::EngineDown, "no engine answers")),
                Some(("The chats were not brought back", "no engine answers")),
            ),
        ] {
            let note = outcome_of_all(answer);
            assert_eq!(note.as_ref().map(|note| (note.summary.as_str(), note.body.as_str())), expected);
        }
    }

    #[test]
    fn a_second_click_waits_for_the_first() {
        let under_way = UnderWay::default();
        assert!(under_way.begin(7));
        assert!(!under_way.begin(7));
        assert!(under_way.begin(8));
        under_way.end(7);
        assert!(under_way.begin(7));
    }
}
