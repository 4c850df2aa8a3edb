//! What notifications tell of, and when they are quiet.

use super::keys::{Key, Kind, Preset};
use crate::notices::NoticeKind;

/// A switch for one kind.
macro_rules! switch {
    ($name:literal, $kind:expr, $about:literal) => {
        Key {
            name: $name,
            about: $about,
            default: Preset::Switch(true),
            kind: Kind::Switch(|s, on| s.notices.want($kind, on)),
        }
    };
}

pub const KEYS: &[Key] = &[
    switch!("notices.crashed", NoticeKind::Crashed, "Notify when a chat's process died."),
    switch!("notices.hung", NoticeKind::Hung, "Notify when a client hangs."),
    switch!(
        "notices.ailing",
        NoticeKind::Ailing,
        "Notify when a chat's file is damaged, refused by its model, deleted or no longer listed, and when its context fills up."
    ),
    switch!(
        "notices.restored",
        NoticeKind::Restored,
        "Notify when a chat was brought back other than by your own click."
    ),
    switch!(
        "notices.held_back",
        NoticeKind::HeldBack,
        "Notify of what SHIM did not do by itself, and of what it was ended in the middle of."
    ),
    switch!(
        "notices.waiting",
        NoticeKind::Waiting,
        "Notify when a chat has asked you something that nobody answers."
    ),
    switch!(
        "notices.limit",
        NoticeKind::Limit,
        "Notify when a chat ran into a usage limit, with the time at which it ends."
    ),
    switch!(
        "notices.memory",
        NoticeKind::Memory,
        "Notify when memory runs out, of a chat or of the machine."
    ),
    switch!("notices.update", NoticeKind::Update, "Notify when an app restarts its chats for an update."),
    switch!("notices.deletion", NoticeKind::Deletion, "Notify before a client deletes chats."),
    Key {
        name: "notices.quiet",
        about: "Show no notification in quiet hours; what came is summed up when they end.",
        default: Preset::Switch(false),
        kind: Kind::Switch(|s, on| s.notices.is_quiet_on = on),
    },
    Key {
        name: "notices.quiet_from",
        about: "When quiet hours begin, by your clock, such as \"22:00\".",
        default: Preset::Text("22:00"),
        kind: Kind::Time(|s, time| s.notices.quiet.from = time),
    },
    Key {
        name: "notices.quiet_to",
        about: "When quiet hours end, by your clock, such as \"08:00\"; the same as their begin makes them last all day.",
        default: Preset::Text("08:00"),
        kind: Kind::Time(|s, time| s.notices.quiet.to = time),
    },
];
