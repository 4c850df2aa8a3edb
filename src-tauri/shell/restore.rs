//! Restore by one click: asks the engine and tells the outcome in a notification.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use shim_api::{
    ApiError,
    fleet::{Fleet, ItemState, Options},
    restore::{Receipt, RestoreRequest, Then},
};
use tauri::{AppHandle, Manager};

use crate::{
    desktop::words,
    engine::Link,
    notifications::{self, Button, Note, Outbox},
    tasks::Tasks,
    tray::Bell,
    window::Route,
    words::{Words, sentence},
};

/// How often a restore of many is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Stands for all crashes together; no crash has this number.
const ALL: i64 = 0;

/// Crashes being restored by a click; a second click on the same one does nothing.
#[derive(Default)]
pub struct UnderWay {
    crashes: Mutex<BTreeSet<i64>>,
    /// The last fleet of which was told.
    fleet: Mutex<Option<i64>>,
}

impl UnderWay {
    fn begin(&self, crash: i64) -> bool {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).insert(crash)
    }

    fn end(&self, crash: i64) {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).remove(&crash);
    }

    fn is_under_way(&self, crash: i64) -> bool {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).contains(&crash)
    }

    /// Whether nobody was told of this fleet; from now on somebody was.
    fn is_news(&self, fleet: &Fleet) -> bool {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner).replace(fleet.id) != Some(fleet.id)
    }
}

pub fn restore(app: &AppHandle, crash: i64) {
    if !app.state::<UnderWay>().begin(crash) {
        return;
    }
    let handle = app.clone();
    let started = app.state::<Tasks>().run("restore", move || {
        let answer = ask(&handle.state::<Link>(), crash);
        if let Ok((_, receipt)) = &answer {
            handle.state::<Outbox>().known(receipt);
        }
        let note = outcome(crash, answer, words(&handle));
        handle.state::<UnderWay>().end(crash);
        handle.state::<Bell>().ring();
        notifications::show(&handle, note);
    });
    if !started {
        app.state::<UnderWay>().end(crash);
    }
}

/// Tells of a chat that came back other than by a click here. One of many is told with them, and who asked by the
/// command line and was refused has read why.
pub fn heard(app: &AppHandle, receipt: Box<Receipt>) {
    let is_one_of_many = receipt.steps.first().is_some_and(|step| step.step == "fleet");
    if !receipt.ok || receipt.dry_run || is_one_of_many {
        return;
    }
    let handle = app.clone();
    app.state::<Tasks>().run("restored", move || {
        let title = title_of(&handle.state::<Link>(), &receipt);
        handle.state::<Outbox>().restored(&title, &receipt, words(&handle));
    });
}

/// Brings back all that is offered, and tells what came of it.
pub fn restore_all(app: &AppHandle) {
    if !app.state::<UnderWay>().begin(ALL) {
        return;
    }
    let handle = app.clone();
    let started = app.state::<Tasks>().run("restore all", move || {
        let answer = ask_for_all(&handle.state::<Link>());
        if let Ok(Some(fleet)) = &answer {
            handle.state::<UnderWay>().is_news(fleet);
        }
        let note = outcome_of_all(answer, words(&handle));
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

/// Tells what came of many that were brought back together other than by a click here, once that is over.
pub fn fleet_changed(app: &AppHandle) {
    let handle = app.clone();
    app.state::<Tasks>().run("fleet", move || {
        let under_way = handle.state::<UnderWay>();
        let asked = handle.state::<Link>().engine().and_then(|engine| engine.fleet());
        let Ok(Some(fleet)) = asked.map(|view| view.fleet) else { return };
        if !fleet.is_over() || under_way.is_under_way(ALL) || !under_way.is_news(&fleet) {
            return;
        }
        let number = back(&fleet);
        if let Some(note) = outcome_of_all(Ok(Some(fleet)), words(&handle)) {
            handle.state::<Outbox>().brought_back(number, note);
        }
    });
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

fn outcome_of_all(answer: Result<Option<Fleet>, ApiError>, words: &dyn Words) -> Option<Note> {
    let text = match answer {
        Ok(fleet) => {
            let fleet = fleet?;
            words.brought_back(back(&fleet), fleet.items.len(), &fleet.state)
        }
        Err(error) => words.not_brought_back(&error.message),
    };
    Some(Note::new(text, vec![Button::Show(Route::crashes())]))
}

fn back(fleet: &Fleet) -> usize {
    fleet.items.iter().filter(|item| matches!(item.state, ItemState::Restored { .. })).count()
}

/// The receipt, with the chat's title.
fn ask(link: &Link, crash: i64) -> Result<(String, Receipt), ApiError> {
    let receipt = link.engine()?.restore(&RestoreRequest {
        target: crash.to_string(),
        checkpoint: None,
        headless: false,
        then: Then::Idle,
        dry_run: false,
    })?;
    Ok((title_of(link, &receipt), receipt))
}

fn title_of(link: &Link, receipt: &Receipt) -> String {
    let asked = link.engine().and_then(|engine| engine.chat(receipt.chat.as_str(), 1));
    asked.map(|detail| detail.chat.title).unwrap_or_default()
}

fn outcome(crash: i64, answer: Result<(String, Receipt), ApiError>, words: &dyn Words) -> Note {
    let text = match answer {
        Ok((title, receipt)) if receipt.ok => words.restored(&title, &receipt),
        Ok((title, receipt)) => words.not_restored(Some(&title), &failed(&receipt, words)),
        Err(error) => words.not_restored(None, &error.message),
    };
    Note::new(text, vec![Button::Show(Route::crash(crash))])
}

/// The refusal in the engine's words, else the step that failed.
fn failed(receipt: &Receipt, words: &dyn Words) -> String {
    if let Some(refusal) = &receipt.refused {
        return refusal.message.clone();
    }
    match receipt.steps.iter().find(|step| !step.ok) {
        Some(step) => format!("{}: {}", sentence(&step.step), step.detail),
        None => words.receipt_says_more().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use shim_api::{
        error::ErrorCode,
        fleet::{Item, State},
        restore::Step,
    };
    use shim_core::{
        chats::{ChatId, Client},
        restore::{Refusal, RefusalReason},
        settings::desktop::Language,
        time::Timestamp,
    };

    use super::*;
    use crate::words::of;

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
            assert_eq!(outcome(7, answer, of(Language::English)), note);
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
            let note = outcome_of_all(answer, of(Language::English));
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
