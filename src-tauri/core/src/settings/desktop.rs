//! The window and the tray: what they look like, and when they start.

use super::keys::{Key, Kind, Preset};

/// What the desktop is set to. The engine keeps it; the pages and the tray go by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Desktop {
    pub theme: Theme,
    pub language: Language,
    /// The tray starts at login.
    pub autostart: bool,
    /// The first run's page was seen to its end.
    pub welcomed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    System,
    English,
    German,
}

pub const KEYS: &[Key] = &[
    Key {
        name: "desktop.theme",
        about: "The window's colours: \"system\", \"light\" or \"dark\".",
        default: Preset::OneOf("system"),
        kind: Kind::OneOf(&["system", "light", "dark"], |s, choice| {
            s.desktop.theme = match choice {
                1 => Theme::Light,
                2 => Theme::Dark,
                _ => Theme::System,
            };
        }),
    },
    Key {
        name: "desktop.language",
        about: "What window, tray and notifications speak: \"system\", \"en\" or \"de\".",
        default: Preset::OneOf("system"),
        kind: Kind::OneOf(&["system", "en", "de"], |s, choice| {
            s.desktop.language = match choice {
                1 => Language::English,
                2 => Language::German,
                _ => Language::System,
            };
        }),
    },
    Key {
        name: "desktop.autostart",
        about: "The tray starts when you log in.",
        default: Preset::Switch(false),
        kind: Kind::Switch(|s, on| s.desktop.autostart = on),
    },
    Key {
        name: "desktop.welcomed",
        about: "The window no longer opens with its welcome.",
        default: Preset::Switch(false),
        kind: Kind::Switch(|s, on| s.desktop.welcomed = on),
    },
];
