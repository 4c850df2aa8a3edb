//! What ails chats, and what is said before they ail.

use super::keys::{Key, Kind, Preset};

pub const KEYS: &[Key] = &[
    Key {
        name: "clinic.announce_days",
        about: "Days before a client deletes a chat's file that this is announced, 0 to 30; 0 announces nothing.",
        default: Preset::Whole(3),
        kind: Kind::Whole { min: 0, max: 30, set: |s, n| s.clinic_announce_days = n },
    },
    Key {
        name: "clinic.context_warning_percent",
        about: "Share of the context from which a checkpoint is taken and one notice given, 0 to 95 %; 0 gives none.",
        default: Preset::Whole(75),
        kind: Kind::Whole { min: 0, max: 95, set: |s, n| s.clinic_context_warning = n as f64 / 100.0 },
    },
];
