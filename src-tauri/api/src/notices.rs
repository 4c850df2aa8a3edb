//! What a person should hear of at once, as facts: whoever shows it finds the words.

use serde::{Deserialize, Serialize};
use shim_core::{chats::Client, notices::NoticeKind, time::Timestamp};
use ts_rs::TS;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "said", rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Said {
    /// The chat asked something and does nothing until it is answered.
    Waits {
        minutes: u64,
    },
    /// The chat ran into a usage limit.
    Limit {
        /// In the client's words.
        message: String,
        #[ts(type = "string | null")]
        resets_at: Option<Timestamp>,
    },
    /// The chat's context fills up, and a checkpoint was taken.
    ContextFills {
        percent: u32,
    },
    /// The chat's own memory runs out.
    HeapFills {
        memory: Fills,
    },
    /// The memory runs out that a group of processes may take together: a chat's, or those of several.
    GroupFills {
        chats: usize,
        memory: Fills,
    },
    /// The machine's memory runs out.
    MachineFills {
        memory: Fills,
    },
    /// The app will restart for an update, with so many chats in it, which were kept up to this moment.
    UpdateReady {
        client: Client,
        chats: usize,
    },
    /// The app restarted for its update; so many chats were cut off by it.
    UpdateDone {
        client: Client,
        chats: usize,
    },
    Deletions {
        due: Vec<Deletion>,
    },
    /// What would have been done by itself, had `policy.dry_run` been off.
    WouldRestore {
        why: String,
    },
    /// The chat is not restored by itself.
    AsksBeforeRestore {
        why: String,
    },
    /// An experiment on this setting was taken back for a safety bound, or by the evidence.
    RolledBack {
        knob: String,
        why: String,
    },
    /// Something in the middle of which an engine ended, and what became of it.
    CutShort {
        what: String,
    },
}

/// Memory that runs out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Fills {
    pub used_mib: u64,
    /// Of what there is.
    pub percent: u32,
    /// As it grows; null where it does not, or does so in fits.
    pub full_in_minutes: Option<u64>,
    /// What can be saved should be, and the chat started anew.
    pub is_critical: bool,
}

/// Chats that a client will soon delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Deletion {
    pub client: Client,
    pub chats: usize,
    /// When the first of them goes.
    #[ts(type = "string")]
    pub from: Timestamp,
}

impl Said {
    pub fn kind(&self) -> NoticeKind {
        match self {
            Self::Waits { .. } => NoticeKind::Waiting,
            Self::Limit { .. } => NoticeKind::Limit,
            Self::ContextFills { .. } => NoticeKind::Ailing,
            Self::HeapFills { .. } | Self::GroupFills { .. } | Self::MachineFills { .. } => {
                NoticeKind::Memory
            }
            Self::UpdateReady { .. } | Self::UpdateDone { .. } => NoticeKind::Update,
            Self::Deletions { .. } => NoticeKind::Deletion,
            Self::WouldRestore { .. }
            | Self::AsksBeforeRestore { .. }
            | Self::RolledBack { .. }
            | Self::CutShort { .. } => NoticeKind::HeldBack,
        }
    }
}
