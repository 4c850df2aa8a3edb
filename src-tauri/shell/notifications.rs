//! Native notifications: a crash with its Restore button, and what came of a restore.

mod grouping;

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use grouping::{Grouping, Notice};
use notify_rust::{Notification, NotificationResponse};
use shim_api::crashes::Crash;
use shim_core::fleet::OFFERED_FROM;
use tauri::{AppHandle, Manager};

use crate::{
    engine::Link,
    restore::{restore, restore_all},
    tasks::Tasks,
    tray::now,
    window::{self, Route},
    words,
};

/// How long an engine that was just reached may take for its first look.
const OFFER_AFTER: Duration = Duration::from_secs(5);
/// Crashes waiting to be told; more than this at once are told as a number anyway.
const QUEUE_MAX: usize = 256;

/// A notification as it will be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub summary: String,
    pub body: String,
    pub buttons: Vec<Button>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Button {
    Restore { crash: i64 },
    RestoreAll,
    Show(Route),
}

impl Button {
    fn key(&self) -> &'static str {
        match self {
            Self::Restore { .. } => "restore",
            Self::RestoreAll => "restore-all",
            Self::Show(_) => "show",
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Restore { .. } => "Restore",
            Self::RestoreAll => "Restore all",
            Self::Show(_) => "Show",
        }
    }
}

/// Where crashes are handed in.
#[derive(Clone)]
pub struct Outbox(SyncSender<Box<Crash>>);

impl Outbox {
    pub fn crash(&self, crash: Box<Crash>) {
        if self.0.try_send(crash).is_err() {
            tracing::warn!("a crash is not notified: {QUEUE_MAX} wait already");
        }
    }
}

pub fn outbox() -> (Outbox, Receiver<Box<Crash>>) {
    let (sender, crashes) = sync_channel(QUEUE_MAX);
    (Outbox(sender), crashes)
}

/// Starts the thread that tells crashes. It ends when the last outbox is dropped.
pub fn start(app: &AppHandle, crashes: Receiver<Box<Crash>>) -> anyhow::Result<JoinHandle<()>> {
    let app = app.clone();
    std::thread::Builder::new()
        .name("notifications".to_owned())
        .spawn(move || tell(&app, &crashes))
        .context("no thread for notifications")
}

fn tell(app: &AppHandle, crashes: &Receiver<Box<Crash>>) {
    let mut grouping = Grouping::default();
    loop {
        let heard = match grouping.due() {
            Some(due) => crashes.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => crashes.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match heard {
            Ok(crash) => grouping.crash(*crash, now(), Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for notice in grouping.take_due(Instant::now()) {
            show(app, note(notice));
        }
    }
}

/// Something that the engine says a person should hear of at once.
pub fn told(title: &str, body: &str) -> Note {
    Note { summary: title.to_owned(), body: body.to_owned(), buttons: vec![Button::Show(Route::crashes())] }
}

fn note(notice: Notice) -> Note {
    match notice {
        Notice::One(crash) => Note {
            summary: format!("Chat crashed: {}", words::title(&crash.title)),
            body: format!("It was {}.", words::crash(crash.kind, crash.in_turn)),
            buttons: vec![Button::Restore { crash: crash.id }, Button::Show(Route::crash(crash.id))],
        },
        Notice::Many(number) => Note {
            summary: format!("{} crashed", words::count(number, "chat")),
            body: "They can be brought back together; the dashboard lists them.".to_owned(),
            buttons: vec![Button::RestoreAll, Button::Show(Route::crashes())],
        },
    }
}

/// Offers once what died before anybody listened, as after a start of the machine.
pub fn offer(app: &AppHandle) {
    let (handle, since) = (app.clone(), now());
    app.state::<Tasks>().run("offer", move || {
        // The engine looks at everything first.
        std::thread::sleep(OFFER_AFTER);
        let asked =
            handle.state::<Link>().engine().and_then(|engine| Ok((engine.fleet()?, engine.crashes()?)));
        let Ok((view, crashes)) = asked else { return };
        let unheard: BTreeSet<_> =
            crashes.iter().filter(|crash| crash.detected_at < since).map(|crash| crash.id).collect();
        let offered: BTreeSet<_> = view.offer.iter().map(|offered| offered.crash).collect();
        if let Some(note) = handle.state::<Offered>().note(&offered, &unheard) {
            show(&handle, note);
        }
    });
}

/// Crashes that were offered together.
#[derive(Default)]
pub struct Offered(Mutex<BTreeSet<i64>>);

impl Offered {
    fn note(&self, offered: &BTreeSet<i64>, unheard: &BTreeSet<i64>) -> Option<Note> {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = offered.intersection(unheard).any(|crash| !before.contains(crash));
        before.clone_from(offered);
        (news && offered.len() >= OFFERED_FROM).then(|| Note {
            summary: format!("{} can be brought back", words::count(offered.len(), "chat")),
            body: "The most recent first, as memory allows.".to_owned(),
            buttons: vec![Button::RestoreAll, Button::Show(Route::crashes())],
        })
    }
}

/// Shows a notification and, in a thread of its own, waits for one of its buttons.
pub fn show(app: &AppHandle, note: Note) {
    let handle = app.clone();
    app.state::<Tasks>().run("notification", move || {
        if let Err(error) = show_and_wait(&handle, &note) {
            tracing::warn!("no notification could be shown ({error}): {}: {}", note.summary, note.body);
        }
    });
}

fn show_and_wait(app: &AppHandle, note: &Note) -> notify_rust::error::Result<()> {
    let mut notification = Notification::new();
    notification.appname("SHIM").summary(&note.summary).body(&plain(&note.body));
    for button in &note.buttons {
        notification.action(button.key(), button.label());
    }
    notification.show()?.wait_for_response(|response: &NotificationResponse| {
        let pressed = match response {
            NotificationResponse::Action(key) => note.buttons.iter().find(|button| button.key() == key),
            NotificationResponse::Default => {
                note.buttons.iter().find(|button| matches!(button, Button::Show(_)))
            }
            NotificationResponse::Reply(_) | NotificationResponse::Closed(_) => None,
        };
        match pressed {
            Some(Button::Restore { crash }) => restore(app, *crash),
            Some(Button::RestoreAll) => restore_all(app),
            Some(Button::Show(route)) => window::open(app, route.clone()),
            None => {}
        }
    })
}

/// Linux desktops read a little markup in the body; a path or a message must stay what it is.
fn plain(text: &str) -> String {
    if cfg!(all(unix, not(target_os = "macos"))) {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use shim_core::time::Timestamp;

    use super::*;
    use crate::samples::crash;

    #[test]
    fn a_crash_can_be_restored_or_shown() {
        assert_eq!(
            note(Notice::One(Box::new(crash(7, "Fix the parser", Timestamp::from_ms(0))))),
            Note {
                summary: "Chat crashed: Fix the parser".to_owned(),
                body: "It was killed in mid-answer.".to_owned(),
                buttons: vec![Button::Restore { crash: 7 }, Button::Show(Route::crash(7))],
            }
        );
    }

    #[test]
    fn what_died_unheard_is_offered_together_once() {
        let (set, offered) = (|ids: &[i64]| ids.iter().copied().collect::<BTreeSet<_>>(), Offered::default());
        let summary = |offer: &[i64], unheard: &[i64]| {
            offered.note(&set(offer), &set(unheard)).map(|note| note.summary)
        };
        assert_eq!(summary(&[1], &[1]), None, "one has its own button");
        assert_eq!(summary(&[1, 2, 3], &[1, 2, 3]), Some("3 chats can be brought back".to_owned()));
        assert_eq!(summary(&[1, 2, 3], &[1, 2, 3]), None);
        assert_eq!(summary(&[1, 2, 3, 4], &[1, 2, 3]), None, "the fourth was heard of");
    }

    #[test]
    fn many_crashes_can_be_shown() {
        let note = note(Notice::Many(9));
        assert_eq!(
            (note.summary.as_str(), note.buttons),
            ("9 chats crashed", vec![Button::RestoreAll, Button::Show(Route::crashes())])
        );
    }
}
