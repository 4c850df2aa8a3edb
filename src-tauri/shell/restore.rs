//! Restore by one click: asks the engine and tells the outcome in a notification.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use shim_api::{
    ApiError,
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
    use shim_api::{error::ErrorCode, restore::Step};
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
    fn a_second_click_waits_for_the_first() {
        let under_way = UnderWay::default();
        assert!(under_way.begin(7));
        assert!(!under_way.begin(7));
        assert!(under_way.begin(8));
        under_way.end(7);
        assert!(under_way.begin(7));
    }
}
