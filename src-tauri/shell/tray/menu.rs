//! The tray's icon, texts and menu as a pure function of what is to be shown.

use std::time::Duration;

use shim_core::chats::{ChatId, ChatState};

use super::view::{ChatLine, CrashLine, FleetLine, TrayView, Watching};
use crate::words::{Words, sentence, short};

/// Crashes listed, and chats of each state; the dashboard has them all.
const LINES_MAX: usize = 10;
/// Characters of the reason for an engine that is down.
const WHY_CHARS_MAX: usize = 100;
/// A pause that ends later than this is one until the user resumes.
const PAUSE_WITH_END_MAX: Duration = Duration::from_secs(86_400);

/// All that the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    pub icon: Icon,
    /// A few letters beside the icon, where the desktop shows them; none when all is well.
    pub title: Option<String>,
    pub tooltip: String,
    pub menu: Menu,
}

/// Told apart by shape as well as by colour. Where several hold, the later one is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Well,
    Paused,
    Crashed,
    Down,
}

pub type Menu = Vec<Entry>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line that does nothing.
    Text(String),
    Item {
        action: Action,
        label: String,
    },
    Submenu {
        label: String,
        entries: Menu,
    },
    Separator,
}

/// What a click asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Restore { crash: i64 },
    RestoreAll,
    CancelAll,
    OpenChat(ChatId),
    OpenCrashes,
    OpenDashboard,
    PauseForAnHour,
    PauseUntilResumed,
    Resume,
    Update,
    Quit,
}

impl Action {
    /// The menu item's id; `from_id` reads it back.
    pub fn id(&self) -> String {
        match self {
            Self::Restore { crash } => format!("restore:{crash}"),
            Self::RestoreAll => "restore-all".to_owned(),
            Self::CancelAll => "cancel-all".to_owned(),
            Self::OpenChat(chat) => format!("chat:{chat}"),
            Self::OpenCrashes => "crashes".to_owned(),
            Self::OpenDashboard => "dashboard".to_owned(),
            Self::PauseForAnHour => "pause-for-an-hour".to_owned(),
            Self::PauseUntilResumed => "pause".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Update => "update".to_owned(),
            Self::Quit => "quit".to_owned(),
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        match id.split_once(':') {
            Some(("restore", crash)) => crash.parse().ok().map(|crash| Self::Restore { crash }),
            Some(("chat", chat)) => ChatId::parse(chat).map(Self::OpenChat),
            Some(_) => None,
            None => [
                Self::RestoreAll,
                Self::CancelAll,
                Self::OpenCrashes,
                Self::OpenDashboard,
                Self::PauseForAnHour,
                Self::PauseUntilResumed,
                Self::Resume,
                Self::Update,
                Self::Quit,
            ]
            .into_iter()
            .find(|action| action.id() == id),
        }
    }
}

pub fn face(view: &TrayView, words: &dyn Words) -> Face {
    let (icon, title) = match view {
        TrayView::Down { .. } => (Icon::Down, Some(words.engine_down().to_owned())),
        TrayView::Up { crashes, .. } if !crashes.is_empty() => {
            (Icon::Crashed, Some(words.crashed_count(crashes.len())))
        }
        TrayView::Up { watching: Watching::Paused { .. }, .. } => (Icon::Paused, None),
        TrayView::Up { watching: Watching::On, .. } => (Icon::Well, None),
    };
    let name = if matches!(view, TrayView::Up { demo: true, .. }) { "SHIM (demo)" } else { "SHIM" };
    Face { icon, title, tooltip: format!("{name}: {}", summary(view, words)), menu: menu(view, words) }
}

pub fn menu(view: &TrayView, words: &dyn Words) -> Menu {
    let mut menu = vec![Entry::Text(sentence(&summary(view, words)))];
    if matches!(view, TrayView::Up { demo: true, .. }) {
        menu.insert(0, Entry::Text(words.demo().to_owned()));
    }
    match view {
        TrayView::Down { .. } => {
            menu.extend([Entry::Separator, item(Action::OpenDashboard, words.open_dashboard())])
        }
        TrayView::Up { demo: _, update, watching, crashes, live, fleet } => {
            menu.extend(fleet_entries(*fleet, words));
            menu.extend(crash_entries(crashes, words));
            menu.extend(chat_entries(live, words));
            menu.extend([Entry::Separator, item(Action::OpenDashboard, words.open_dashboard())]);
            menu.push(watching_entry(*watching, words));
            menu.extend(update.as_ref().map(|version| item(Action::Update, &words.update_to(version))));
        }
    }
    menu.extend([Entry::Separator, item(Action::Quit, words.quit())]);
    menu
}

fn summary(view: &TrayView, words: &dyn Words) -> String {
    match view {
        TrayView::Down { why } => words.down(&short(why, WHY_CHARS_MAX)),
        TrayView::Up { watching, crashes, live, .. } => {
            let chats = if crashes.is_empty() {
                let waiting = live.iter().filter(|chat| chat.state == ChatState::Waiting).count();
                words.all_well(live.len(), waiting)
            } else {
                words.chats_crashed(crashes.len())
            };
            match watching {
                Watching::On => chats,
                Watching::Paused { left } => {
                    let left = Some(*left).filter(|left| *left <= PAUSE_WITH_END_MAX);
                    format!("{chats}; {}", words.paused(left.map(time_left).as_deref()))
                }
            }
        }
    }
}

/// In units that are written the same in every language.
fn time_left(left: Duration) -> String {
    match left.as_secs().div_ceil(60) {
        minutes @ 0..=120 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    }
}

fn fleet_entries(fleet: FleetLine, words: &dyn Words) -> Menu {
    match fleet {
        FleetLine::None => Menu::new(),
        FleetLine::Offered { chats } => {
            vec![Entry::Separator, item(Action::RestoreAll, &words.restore_many(chats))]
        }
        FleetLine::UnderWay { back, of, waits } => {
            vec![
                Entry::Separator,
                Entry::Text(words.bringing_back(back, of, waits)),
                item(Action::CancelAll, words.cancel()),
            ]
        }
    }
}

fn crash_entries(crashes: &[CrashLine], words: &dyn Words) -> Menu {
    if crashes.is_empty() {
        return Menu::new();
    }
    let mut entries = vec![Entry::Separator];
    entries.extend(crashes.iter().take(LINES_MAX).map(|crash| {
        let label = words.restore_one(&crash.title, crash.kind, crash.in_turn, crash.age);
        item(Action::Restore { crash: crash.number }, &label)
    }));
    entries.extend(more(crashes.len(), |hidden| words.more_crashes(hidden), Action::OpenCrashes));
    entries
}

/// A submenu for each state that live chats are in, in the order in which they come.
fn chat_entries(live: &[ChatLine], words: &dyn Words) -> Menu {
    if live.is_empty() {
        return Menu::new();
    }
    let mut entries = vec![Entry::Separator];
    entries.extend(live.chunk_by(|one, next| one.state == next.state).map(|group| {
        let mut chats: Menu = group.iter().take(LINES_MAX).map(|chat| chat_entry(chat, words)).collect();
        chats.extend(more(group.len(), |hidden| words.more_chats(hidden), Action::OpenDashboard));
        let state = group.first().map(|chat| words.state(chat.state)).unwrap_or_default();
        Entry::Submenu { label: format!("{} {state}", group.len()), entries: chats }
    }));
    entries
}

fn chat_entry(chat: &ChatLine, words: &dyn Words) -> Entry {
    item(Action::OpenChat(chat.id.clone()), &words.title(&chat.title))
}

fn more(all: usize, label: impl Fn(usize) -> String, action: Action) -> Option<Entry> {
    match all.saturating_sub(LINES_MAX) {
        0 => None,
        hidden => Some(item(action, &label(hidden))),
    }
}

fn watching_entry(watching: Watching, words: &dyn Words) -> Entry {
    match watching {
        Watching::On => Entry::Submenu {
            label: words.pause().to_owned(),
            entries: vec![
                item(Action::PauseForAnHour, words.for_an_hour()),
                item(Action::PauseUntilResumed, words.until_resumed()),
            ],
        },
        Watching::Paused { .. } => item(Action::Resume, words.resume()),
    }
}

fn item(action: Action, label: &str) -> Entry {
    Entry::Item { action, label: label.to_owned() }
}

#[cfg(test)]
mod tests {
    use shim_core::{
        chats::Client,
        crashes::{CrashKind, InTurn},
        settings::desktop::Language,
    };

    use super::*;
    use crate::words::of;

    fn english() -> &'static dyn Words {
        of(Language::English)
    }

    fn face(view: &TrayView) -> Face {
        super::face(view, english())
    }

    fn menu(view: &TrayView) -> Menu {
        super::menu(view, english())
    }

    fn crash(number: i64, title: &str, in_turn: InTurn, minutes: u64) -> CrashLine {
        CrashLine {
            number,
            title: title.to_owned(),
            kind: CrashKind::Killed,
            in_turn,
            age: Duration::from_secs(minutes * 60),
        }
    }

    fn chat(id: &str, state: ChatState) -> ChatLine {
        ChatLine { id: id_of(id), title: format!("Chat {id}"), state }
    }

    fn id_of(id: &str) -> ChatId {
        ChatId::new(Client::ClaudeCode, id)
    }

    fn text(text: &str) -> Entry {
        Entry::Text(text.to_owned())
    }

    fn up(watching: Watching, crashes: Vec<CrashLine>, live: Vec<ChatLine>) -> TrayView {
        TrayView::Up { demo: false, update: None, watching, crashes, live, fleet: FleetLine::None }
    }

    fn group(label: &str, entries: Menu) -> Entry {
        Entry::Submenu { label: label.to_owned(), entries }
    }

    fn pause() -> Entry {
        Entry::Submenu {
            label: "Pause watching".to_owned(),
            entries: vec![
                item(Action::PauseForAnHour, "For an hour"),
                item(Action::PauseUntilResumed, "Until I resume"),
            ],
        }
    }

    #[test]
    fn all_well() {
        assert_eq!(
            face(&up(
                Watching::On,
                Vec::new(),
                vec![
                    chat("a", ChatState::Waiting),
                    chat("b", ChatState::Waiting),
                    chat("c", ChatState::Hung),
                    chat("d", ChatState::Working),
                    chat("e", ChatState::Idle),
                ]
            )),
            Face {
                icon: Icon::Well,
                title: None,
                tooltip: "SHIM: all well, 5 chats live, 2 waiting for you".to_owned(),
                menu: vec![
                    text("All well, 5 chats live, 2 waiting for you"),
                    Entry::Separator,
                    group(
                        "2 waiting for you",
                        vec![
                            item(Action::OpenChat(id_of("a")), "Chat a"),
                            item(Action::OpenChat(id_of("b")), "Chat b"),
                        ]
                    ),
                    group("1 hung", vec![item(Action::OpenChat(id_of("c")), "Chat c")]),
                    group("1 working", vec![item(Action::OpenChat(id_of("d")), "Chat d")]),
                    group("1 idle", vec![item(Action::OpenChat(id_of("e")), "Chat e")]),
                    Entry::Separator,
                    item(Action::OpenDashboard, "Open dashboard"),
                    pause(),
                    Entry::Separator,
                    item(Action::Quit, "Quit SHIM"),
                ],
            }
        );
    }

    #[test]
    fn many_chats_come_back_with_one_click_and_it_can_be_called_off() {
        for (fleet, expected) in [
            (FleetLine::None, vec![]),
            (
                FleetLine::Offered { chats: 12 },
                vec![Entry::Separator, item(Action::RestoreAll, "Restore 12 chats")],
            ),
            (
                FleetLine::UnderWay { back: 3, of: 12, waits: true },
                vec![
                    Entry::Separator,
                    text("Bringing chats back: 3 of 12, waiting for memory"),
                    item(Action::CancelAll, "Cancel"),
                ],
            ),
        ] {
            assert_eq!(fleet_entries(fleet, english()), expected);
        }
    }

    #[test]
    fn something_crashed() {
        let crashes =
            vec![crash(7, "Fix the parser", InTurn::Answer, 0), crash(3, "Write docs", InTurn::Tool, 130)];
        assert_eq!(
            face(&up(Watching::On, crashes, Vec::new())),
            Face {
                icon: Icon::Crashed,
                title: Some("2 crashed".to_owned()),
                tooltip: "SHIM: 2 chats crashed".to_owned(),
                menu: vec![
                    text("2 chats crashed"),
                    Entry::Separator,
                    item(
                        Action::Restore { crash: 7 },
                        "Restore “Fix the parser” (killed in mid-answer, just now)"
                    ),
                    item(
                        Action::Restore { crash: 3 },
                        "Restore “Write docs” (killed while a tool ran, 2 h ago)"
                    ),
                    Entry::Separator,
                    item(Action::OpenDashboard, "Open dashboard"),
                    pause(),
                    Entry::Separator,
                    item(Action::Quit, "Quit SHIM"),
                ],
            }
        );
    }

    #[test]
    fn engine_down() {
        assert_eq!(
            face(&TrayView::Down { why: "starting it".to_owned() }),
            Face {
                icon: Icon::Down,
                title: Some("engine down".to_owned()),
                tooltip: "SHIM: engine down, starting it".to_owned(),
                menu: vec![
                    text("Engine down, starting it"),
                    Entry::Separator,
                    item(Action::OpenDashboard, "Open dashboard"),
                    Entry::Separator,
                    item(Action::Quit, "Quit SHIM"),
                ],
            }
        );
    }

    #[test]
    fn a_demo_is_never_taken_for_this_machine() {
        let demo = TrayView::Up {
            demo: true,
            update: None,
            watching: Watching::On,
            crashes: Vec::new(),
            live: vec![chat("a", ChatState::Idle)],
            fleet: FleetLine::None,
        };
        assert_eq!(
            face(&demo),
            Face {
                icon: Icon::Well,
                title: None,
                tooltip: "SHIM (demo): all well, 1 chat live".to_owned(),
                menu: vec![
                    text("Demo: a recorded week, nothing of this machine"),
                    text("All well, 1 chat live"),
                    Entry::Separator,
                    group("1 idle", vec![item(Action::OpenChat(id_of("a")), "Chat a")]),
                    Entry::Separator,
                    item(Action::OpenDashboard, "Open dashboard"),
                    pause(),
                    Entry::Separator,
                    item(Action::Quit, "Quit SHIM"),
                ],
            }
        );
    }

    #[test]
    fn a_newer_version_is_offered_and_nothing_is_installed_unasked() {
        let newer = TrayView::Up {
            demo: false,
            update: Some("0.2.0".to_owned()),
            watching: Watching::On,
            crashes: Vec::new(),
            live: Vec::new(),
            fleet: FleetLine::None,
        };
        assert_eq!(
            menu(&newer),
            vec![
                text("All well, 0 chats live"),
                Entry::Separator,
                item(Action::OpenDashboard, "Open dashboard"),
                pause(),
                item(Action::Update, "Update to 0.2.0, and start SHIM anew"),
                Entry::Separator,
                item(Action::Quit, "Quit SHIM"),
            ]
        );
    }

    #[test]
    fn all_of_it_is_said_in_german() {
        let paused = Watching::Paused { left: Duration::from_secs(3600) };
        let crashes = vec![crash(7, "Fix the parser", InTurn::Answer, 130)];
        let live = (0..11).map(|number| chat(&number.to_string(), ChatState::Waiting)).collect();
        let view = TrayView::Up {
            demo: true,
            update: Some("0.2.0".to_owned()),
            watching: paused,
            crashes,
            live,
            fleet: FleetLine::UnderWay { back: 1, of: 2, waits: true },
        };
        let mut labels = Vec::new();
        for entry in super::menu(&view, of(Language::German)) {
            match entry {
                Entry::Text(label) | Entry::Item { label, .. } => labels.push(label),
                Entry::Submenu { label, entries } => {
                    labels.push(label);
                    labels.extend(entries.into_iter().rev().take(1).filter_map(|entry| match entry {
                        Entry::Item { label, .. } => Some(label),
                        Entry::Text(_) | Entry::Submenu { .. } | Entry::Separator => None,
                    }));
                }
                Entry::Separator => {}
            }
        }
        assert_eq!(
            labels,
            [
                "Demo: eine aufgezeichnete Woche, nichts von diesem Rechner",
                "1 Chat abgestürzt; Überwachung angehalten, noch 60 min",
                "Chats werden zurückgeholt: 1 von 2, wartet auf Speicher",
                "Abbrechen",
                "„Fix the parser“ wiederherstellen (getötet mitten in der Antwort, vor 2 h)",
                "11 wartend",
                "1 weiterer Chat in der Übersicht",
                "Übersicht öffnen",
                "Überwachung fortsetzen",
                "Update auf 0.2.0, und SHIM neu starten",
                "SHIM beenden",
            ]
        );
    }

    #[test]
    fn a_crash_counts_more_than_a_pause() {
        let paused = Watching::Paused { left: Duration::from_secs(60) };
        for (watching, crashes, icon) in [
            (Watching::On, 0, Icon::Well),
            (paused, 0, Icon::Paused),
            (Watching::On, 1, Icon::Crashed),
            (paused, 1, Icon::Crashed),
        ] {
            let crashes = (0..crashes).map(|number| crash(number, "x", InTurn::None, 1)).collect();
            assert_eq!(face(&up(watching, crashes, Vec::new())).icon, icon);
        }
    }

    #[test]
    fn a_pause_is_said_and_can_be_ended() {
        for (left, said) in [
            (Duration::from_secs(3600), "All well, 0 chats live; watching paused, 60 min left"),
            (Duration::from_secs(1), "All well, 0 chats live; watching paused, 1 min left"),
            (Duration::from_secs(5 * 3600), "All well, 0 chats live; watching paused, 5 h left"),
            (Duration::from_secs(9_000_000), "All well, 0 chats live; watching paused"),
        ] {
            assert_eq!(
                menu(&up(Watching::Paused { left }, Vec::new(), Vec::new())),
                vec![
                    text(said),
                    Entry::Separator,
                    item(Action::OpenDashboard, "Open dashboard"),
                    item(Action::Resume, "Resume watching"),
                    Entry::Separator,
                    item(Action::Quit, "Quit SHIM"),
                ]
            );
        }
    }

    #[test]
    fn long_lists_end_in_the_dashboard() {
        let crashes = (0..11).map(|number| crash(number, "x", InTurn::None, 1)).collect();
        let live = (0..13).map(|number| chat(&number.to_string(), ChatState::Idle)).collect();
        let menu = menu(&up(Watching::On, crashes, live));
        let restores =
            menu.iter().filter(|entry| matches!(entry, Entry::Item { action: Action::Restore { .. }, .. }));
        assert_eq!(restores.count(), LINES_MAX);
        assert!(menu.contains(&item(Action::OpenCrashes, "1 more crash in the dashboard")));
        let idle = menu.iter().find_map(|entry| match entry {
            Entry::Submenu { label, entries } if label == "13 idle" => Some(entries),
            _ => None,
        });
        let idle = idle.unwrap();
        assert_eq!(idle.len(), LINES_MAX + 1);
        assert_eq!(idle.last(), Some(&item(Action::OpenDashboard, "3 more chats in the dashboard")));
    }

    #[test]
    fn ids_are_read_back() {
        for action in [
            Action::Restore { crash: 12 },
            Action::OpenChat(id_of("2222-33")),
            Action::OpenCrashes,
            Action::OpenDashboard,
            Action::PauseForAnHour,
            Action::PauseUntilResumed,
            Action::Resume,
            Action::Update,
            Action::Quit,
        ] {
            assert_eq!(Action::from_id(&action.id()), Some(action));
        }
        for id in ["", "restore:", "restore:x", "chat:", "chat:nobody:1", "quit:now"] {
            assert_eq!(Action::from_id(id), None, "{id}");
        }
    }
}
