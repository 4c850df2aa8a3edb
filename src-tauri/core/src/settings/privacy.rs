//! What becomes of secrets where chats are shown or handed out. What is stored stays whole.

use super::keys::{Key, Kind, Preset};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Secrets are replaced in what is shown.
    pub redact_shown: bool,
    /// Secrets are replaced in exports, which are then no longer byte for byte.
    pub redact_exports: bool,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { redact_shown: true, redact_exports: false }
    }
}

pub const KEYS: &[Key] = &[
    Key {
        name: "privacy.redact_shown",
        about: "Keys, tokens and passwords are replaced by [redacted: kind] in timelines, finds, titles, notices and the \
                calls of a crash. What is stored stays whole.",
        default: Preset::Switch(true),
        kind: Kind::Switch(|s, on| s.privacy.redact_shown = on),
    },
    Key {
        name: "privacy.redact_exports",
        about: "The same in exports, which are byte for byte otherwise.",
        default: Preset::Switch(false),
        kind: Kind::Switch(|s, on| s.privacy.redact_exports = on),
    },
];
