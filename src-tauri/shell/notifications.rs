//! Native notifications: what the engine says is handed in, the machine of `core::notices` decides what is shown when,
//! and a click on a button is carried out, on Linux also one on what an earlier SHIM had shown.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "linux", test))]
mod shown;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::Desktop;
#[cfg(target_os = "linux")]
pub use linux::Desktop;
use serde::{Deserialize, Serialize};
use shim_api::{crashes::Crash, notices::Said, restore::Receipt};
use shim_core::{
    chats::ChatId,
    fleet::OFFERED_FROM,
    notices::{Effect, Event, Notice, NoticeKind, Notices, Rules, is_news},
};
use tauri::{AppHandle, Manager};

use crate::{
    clock,
    desktop::words,
    engine::Link,
    restore::{restore, restore_all},
    tasks::Tasks,
    window::{self, Route},
    words::{Text, Words},
};

/// How long an engine that was just reached may take for its first look.
const OFFER_AFTER: Duration = Duration::from_secs(5);
/// Notices waiting to be heard.
const QUEUE_MAX: usize = 256;
/// While anything waits it is looked at so often at least: the clock may be set, and the machine sleep.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// What concerns many chats, and none of them.
const ALL: &str = "all";

/// A notification as it will be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub summary: String,
    pub body: String,
    pub buttons: Vec<Button>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

    fn label(&self, words: &dyn Words) -> &'static str {
        match self {
            Self::Restore { .. } => words.restore(),
            Self::RestoreAll => words.restore_all(),
            Self::Show(_) => words.show(),
        }
    }
}

impl Note {
    pub fn new(text: Text, buttons: Vec<Button>) -> Self {
        let Text { summary, body } = text;
        Self { summary, body, buttons }
    }
}

/// The button that a desktop's word for a click means; a click beside them shows.
fn pressed<'a>(buttons: &'a [Button], key: &str) -> Option<&'a Button> {
    match key {
        "default" => buttons.iter().find(|button| matches!(button, Button::Show(_))),
        key => buttons.iter().find(|button| button.key() == key),
    }
}

fn act(app: &AppHandle, button: &Button) {
    match button {
        Button::Restore { crash } => restore(app, *crash),
        Button::RestoreAll => restore_all(app),
        Button::Show(route) => window::open(app, route.clone()),
    }
}

/// Where notices are handed in.
#[derive(Clone)]
pub struct Outbox(SyncSender<Event<Note>>);

impl Outbox {
    pub fn crash(&self, crash: &Crash, words: &dyn Words) {
        if crash.resolved || !is_news(crash.seen_live, crash.happened_at, clock::now()) {
            return;
        }
        let kind = NoticeKind::of_crash(crash.kind);
        self.came(kind, crash.chat.to_string(), 1, note_of_crash(crash, words));
    }

    pub fn said(&self, chat: Option<&ChatId>, title: &str, said: &Said, words: &dyn Words) {
        let text = words.said(title, said, &clock::local);
        // Of what concerns no chat, what is said tells one from the other.
        let about = chat.map_or_else(|| text.summary.clone() + &text.body, ChatId::to_string);
        let route = chat.map_or_else(Route::crashes, |chat| Route::chat(chat.as_str()));
        let number =
            if let Said::Deletions { due } = said { due.iter().map(|due| due.chats).sum() } else { 1 };
        self.came(said.kind(), about, number, Note::new(text, vec![Button::Show(route)]));
    }

    pub fn restored(&self, title: &str, receipt: &Receipt, words: &dyn Words) {
        let note = Note::new(words.restored(title, receipt), vec![Button::Show(route_of(receipt))]);
        self.came(NoticeKind::Restored, receipt.chat.to_string(), 1, note);
    }

    /// What came of many that were brought back together.
    pub fn brought_back(&self, number: usize, note: Note) {
        self.came(NoticeKind::Restored, ALL.to_owned(), number, note);
    }

    /// Its user asked for it and has the answer.
    pub fn known(&self, receipt: &Receipt) {
        if receipt.ok && !receipt.dry_run {
            self.send(Event::Known { kind: NoticeKind::Restored, about: receipt.chat.to_string() });
        }
    }

    pub fn rules(&self, rules: Rules) {
        self.send(Event::Rules(rules));
    }

    fn came(&self, kind: NoticeKind, about: String, number: usize, what: Note) {
        self.send(Event::Came(Notice { kind, about, number, what }));
    }

    fn send(&self, event: Event<Note>) {
        if self.0.try_send(event).is_err() {
            tracing::warn!("something is not notified: {QUEUE_MAX} wait already");
        }
    }
}

pub fn outbox() -> (Outbox, Receiver<Event<Note>>) {
    let (sender, heard) = sync_channel(QUEUE_MAX);
    (Outbox(sender), heard)
}

/// Starts the thread that decides what is told when. It ends when the last outbox is dropped, or with the process.
pub fn start(app: &AppHandle, heard: Receiver<Event<Note>>) -> anyhow::Result<JoinHandle<()>> {
    let app = app.clone();
    std::thread::Builder::new()
        .name("notifications".to_owned())
        .spawn(move || tell(&app, &heard))
        .context("no thread for notifications")
}

fn tell(app: &AppHandle, heard: &Receiver<Event<Note>>) {
    let mut notices = Notices::default();
    loop {
        let at = clock::moment();
        let event = match notices.due(at) {
            Some(due) => heard.recv_timeout(due.since(at.now).min(LOOK_EVERY)),
            None => heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::Passed,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        for effect in notices.handle(event, clock::moment()) {
            show(app, note(effect, words(app)));
        }
    }
}

fn note(effect: Effect<Note>, words: &dyn Words) -> Note {
    let show = Button::Show(Route::crashes());
    match effect {
        Effect::Show(notice) => notice.what,
        Effect::ShowMany { kind, number } => {
            let crashed = kind == NoticeKind::Crashed;
            let buttons = crashed.then_some(Button::RestoreAll).into_iter().chain([show]).collect();
            Note::new(words.many(kind, number), buttons)
        }
        Effect::SumUp(numbers) => Note::new(words.summed_up(&numbers), buttons_of(&numbers)),
    }
}

/// What crashed may have been brought back since; what has not is offered.
fn buttons_of(numbers: &BTreeMap<NoticeKind, usize>) -> Vec<Button> {
    let crashed = numbers.contains_key(&NoticeKind::Crashed) || numbers.contains_key(&NoticeKind::Hung);
    let restore = crashed.then_some(Button::RestoreAll);
    restore.into_iter().chain([Button::Show(Route::crashes())]).collect()
}

fn note_of_crash(crash: &Crash, words: &dyn Words) -> Note {
    let buttons = vec![Button::Restore { crash: crash.id }, Button::Show(Route::crash(crash.id))];
    Note::new(words.crashed(&crash.title, crash.kind, crash.in_turn), buttons)
}

pub fn route_of(receipt: &Receipt) -> Route {
    receipt.crash.map_or_else(|| Route::chat(receipt.chat.as_str()), Route::crash)
}

/// Offers once what died before anybody listened, as after a start of the machine.
pub fn offer(app: &AppHandle) {
    let (handle, since) = (app.clone(), clock::now());
    app.state::<Tasks>().run("offer", move || {
        // The engine looks at everything first.
        std::thread::sleep(OFFER_AFTER);
        let asked =
            handle.state::<Link>().engine().and_then(|engine| Ok((engine.fleet()?, engine.crashes()?)));
        let Ok((view, crashes)) = asked else { return };
        let unheard: BTreeSet<_> =
            crashes.iter().filter(|crash| crash.detected_at < since).map(|crash| crash.id).collect();
        let offered: BTreeSet<_> = view.offer.iter().map(|offered| offered.crash).collect();
        if let Some(note) = handle.state::<Offered>().note(&offered, &unheard, words(&handle)) {
            handle.state::<Outbox>().came(NoticeKind::Crashed, ALL.to_owned(), offered.len(), note);
        }
    });
}

/// Crashes that were offered together.
#[derive(Default)]
pub struct Offered(Mutex<BTreeSet<i64>>);

impl Offered {
    fn note(&self, offered: &BTreeSet<i64>, unheard: &BTreeSet<i64>, words: &dyn Words) -> Option<Note> {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = offered.intersection(unheard).any(|crash| !before.contains(crash));
        before.clone_from(offered);
        (news && offered.len() >= OFFERED_FROM).then(|| {
            Note::new(words.offered(offered.len()), vec![Button::RestoreAll, Button::Show(Route::crashes())])
        })
    }
}

/// Shows a notification, off the caller's thread. What its user did not ask for goes through the outbox instead.
pub fn show(app: &AppHandle, note: Note) {
    let handle = app.clone();
    app.state::<Tasks>().run("notification", move || {
        if let Err(error) = handle.state::<Desktop>().show(&handle, &note) {
            tracing::warn!("no notification could be shown ({error:#}): {}: {}", note.summary, note.body);
        }
    });
}

#[cfg(test)]
mod tests {
    use shim_core::{settings::desktop::Language, time::Timestamp};

    use super::*;
    use crate::{samples::crash, words::of};

    fn english() -> &'static dyn Words {
        of(Language::English)
    }

    #[test]
    fn a_crash_can_be_restored_or_shown() {
        let crash = crash(7, "Fix the parser", Timestamp::from_ms(0));
        let buttons = vec![Button::Restore { crash: 7 }, Button::Show(Route::crash(7))];
        let note = |summary: &str, body: &str| Note {
            summary: summary.to_owned(),
            body: body.to_owned(),
            buttons: buttons.clone(),
        };
        assert_eq!(
            note_of_crash(&crash, english()),
            note("Chat crashed: Fix the parser", "It was killed in mid-answer.")
        );
        assert_eq!(
            note_of_crash(&crash, of(Language::German)),
            note("Chat abgestürzt: Fix the parser", "Getötet mitten in der Antwort.")
        );
    }

    #[test]
    fn only_news_is_handed_in() {
        let (outbox, heard) = outbox();
        let minutes_ago = |minutes: i64| Timestamp::from_ms(clock::now().ms() - minutes * 60_000);
        let late = Crash { seen_live: false, ..crash(1, "late", minutes_ago(30)) };
        outbox.crash(&late, english());
        outbox.crash(&Crash { resolved: true, ..crash(2, "mended", minutes_ago(0)) }, english());
        outbox.crash(&crash(3, "news", minutes_ago(30)), english());
        let came: Vec<_> = heard.try_iter().collect();
        assert!(
            matches!(&came[..], [Event::Came(notice)] if notice.about == "claude-code:chat-3" && notice.kind == NoticeKind::Crashed),
            "{came:?}"
        );
    }

    #[test]
    fn what_died_unheard_is_offered_together_once() {
        let (set, offered) = (|ids: &[i64]| ids.iter().copied().collect::<BTreeSet<_>>(), Offered::default());
        let summary = |offer: &[i64], unheard: &[i64]| {
            offered.note(&set(offer), &set(unheard), english()).map(|note| note.summary)
        };
        assert_eq!(summary(&[1], &[1]), None, "one has its own button");
        assert_eq!(summary(&[1, 2, 3], &[1, 2, 3]), Some("3 chats can be brought back".to_owned()));
        assert_eq!(summary(&[1, 2, 3], &[1, 2, 3]), None);
        assert_eq!(summary(&[1, 2, 3, 4], &[1, 2, 3]), None, "the fourth was heard of");
    }

    #[test]
    fn many_crashes_can_be_brought_back_and_other_things_be_shown() {
        let (all, show) = (Button::RestoreAll, Button::Show(Route::crashes()));
        for (effect, summary, buttons) in [
            (
                Effect::ShowMany { kind: NoticeKind::Crashed, number: 9 },
                "9 chats crashed",
                vec![all.clone(), show.clone()],
            ),
            (
                Effect::ShowMany { kind: NoticeKind::Restored, number: 4 },
                "4 chats were restored",
                vec![show.clone()],
            ),
            (Effect::SumUp([(NoticeKind::Hung, 1)].into()), "While it was quiet", vec![all, show.clone()]),
            (Effect::SumUp([(NoticeKind::Limit, 1)].into()), "While it was quiet", vec![show]),
        ] {
            let note = note(effect, english());
            assert_eq!((note.summary.as_str(), note.buttons), (summary, buttons));
        }
    }

    #[test]
    fn a_click_means_a_button_and_one_beside_them_shows() {
        let buttons = [Button::Restore { crash: 7 }, Button::Show(Route::crash(7))];
        for (key, button) in
            [("restore", Some(0)), ("show", Some(1)), ("default", Some(1)), ("restore-all", None)]
        {
            assert_eq!(pressed(&buttons, key), button.map(|index: usize| &buttons[index]), "{key}");
        }
    }
}
