//! What the engine decides and does, as one stream: metrics, the log and whoever listens are told the same events.
//! `GET /api/events` sends those of them that say what became stale, as server-sent events. They carry ids, not state.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::{ChatId, Client},
    checkpoints::Trigger,
    notices::NoticeKind,
    prediction::scoring::Foretold,
};
use ts_rs::TS;

use crate::{crashes::Crash, notices::Said, restore::Receipt};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "event", rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Event {
    /// A chat appeared, grew or changed its state.
    ChatChanged {
        chat: ChatId,
    },
    /// Bytes of a chat are on disk.
    JournalKept {
        chat: ChatId,
        bytes: u64,
        /// From reading them until they are on disk.
        seconds: f64,
    },
    CrashRecorded {
        crash: Box<Crash>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        client_version: Option<String>,
    },
    /// A chat's crashes are history.
    CrashesResolved {
        chat: ChatId,
    },
    /// A process that hung moves again.
    HangOver {
        chat: ChatId,
    },
    /// What was decided about a crash without asking anybody.
    PolicyDecided {
        chat: ChatId,
        decision: Decision,
    },
    /// A checkpoint is on disk.
    CheckpointTaken {
        chat: ChatId,
        checkpoint: i64,
        trigger: Trigger,
        /// From deciding on it until it is on disk.
        seconds: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        client_version: Option<String>,
    },
    /// The working tree of checkpoints was kept, or could not be.
    WorkspaceKept {
        chat: ChatId,
        checkpoints: Vec<i64>,
        ok: bool,
        seconds: f64,
    },
    RestoreStarted {
        chat: ChatId,
    },
    RestoreFinished {
        receipt: Box<Receipt>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        client_version: Option<String>,
    },
    /// A chat was ended on its user's word, or would not end.
    ChatStopped {
        chat: ChatId,
        ok: bool,
    },
    /// The clinic wrote what it made of a chat's file, or could not.
    ChatRepaired {
        chat: ChatId,
        ok: bool,
    },
    /// The journal of a chat was dropped, as the limits of the settings ask.
    JournalDropped {
        chat: ChatId,
        bytes: u64,
    },
    /// The restore of many chats goes on.
    FleetChanged,
    /// It is known what came of predictions.
    PredictionsSettled {
        client: Client,
        foretold: Foretold,
        count: u64,
    },
    /// A model that foretells crashes was trained.
    ModelTrained {
        client: Client,
        /// It is in use from now on.
        taken: bool,
    },
    /// Something that a person should hear of at once.
    Notice {
        kind: NoticeKind,
        /// Null where it is about none, or more than one.
        chat: Option<ChatId>,
        /// The chat's; empty where there is none.
        title: String,
        what: Said,
    },
    /// Pause, warnings, counts.
    StatusChanged,
    /// An experiment began, went on or ended.
    ExperimentsChanged,
    /// A value that was tried broke a safety bound.
    BoundBroken {
        experiment: u64,
        /// The bound's name.
        bound: String,
        action: BoundAction,
    },
    /// `config.toml` was changed, by whomever.
    SettingsChanged,
    /// The listener fell behind and events were dropped: fetch everything again.
    Missed,
}

/// What the policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Decision {
    /// The chat is restored.
    Restore,
    /// It would be, were this no dry run.
    WouldRestore,
    /// Its user is asked.
    Ask,
}

impl Decision {
    pub fn name(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::WouldRestore => "would_restore",
            Self::Ask => "ask",
        }
    }
}

/// What was done about a value that broke a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum BoundAction {
    /// It is out; the experiment's other values go on.
    Dropped,
    /// The old value holds for all.
    RolledBack,
}

impl BoundAction {
    pub const ALL: [Self; 2] = [Self::Dropped, Self::RolledBack];

    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::RolledBack => "rolled_back",
        }
    }
}

impl Event {
    /// As it is called on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ChatChanged { .. } => "chat_changed",
            Self::JournalKept { .. } => "journal_kept",
            Self::CrashRecorded { .. } => "crash_recorded",
            Self::CrashesResolved { .. } => "crashes_resolved",
            Self::HangOver { .. } => "hang_over",
            Self::PolicyDecided { .. } => "policy_decided",
            Self::CheckpointTaken { .. } => "checkpoint_taken",
            Self::WorkspaceKept { .. } => "workspace_kept",
            Self::RestoreStarted { .. } => "restore_started",
            Self::RestoreFinished { .. } => "restore_finished",
            Self::ChatStopped { .. } => "chat_stopped",
            Self::ChatRepaired { .. } => "chat_repaired",
            Self::JournalDropped { .. } => "journal_dropped",
            Self::BoundBroken { .. } => "bound_broken",
            Self::FleetChanged => "fleet_changed",
            Self::PredictionsSettled { .. } => "predictions_settled",
            Self::ModelTrained { .. } => "model_trained",
            Self::Notice { .. } => "notice",
            Self::StatusChanged => "status_changed",
            Self::ExperimentsChanged => "experiments_changed",
            Self::SettingsChanged => "settings_changed",
            Self::Missed => "missed",
        }
    }

    /// The chat that it is about.
    pub fn chat(&self) -> Option<&ChatId> {
        match self {
            Self::ChatChanged { chat }
            | Self::JournalKept { chat, .. }
            | Self::CrashesResolved { chat }
            | Self::HangOver { chat }
            | Self::PolicyDecided { chat, .. }
            | Self::CheckpointTaken { chat, .. }
            | Self::WorkspaceKept { chat, .. }
            | Self::RestoreStarted { chat }
            | Self::ChatRepaired { chat, .. }
            | Self::JournalDropped { chat, .. }
            | Self::ChatStopped { chat, .. } => Some(chat),
            Self::CrashRecorded { crash, .. } => Some(&crash.chat),
            Self::RestoreFinished { receipt, .. } => Some(&receipt.chat),
            Self::Notice { chat, .. } => chat.as_ref(),
            Self::FleetChanged
            | Self::PredictionsSettled { .. }
            | Self::ModelTrained { .. }
            | Self::StatusChanged
            | Self::ExperimentsChanged
            | Self::BoundBroken { .. }
            | Self::SettingsChanged
            | Self::Missed => None,
        }
    }

    /// Whether something that was fetched before may be stale. The others are told inside the engine alone: pieces of a
    /// journal come a hundred times a second.
    pub fn makes_stale(&self) -> bool {
        match self {
            Self::JournalKept { .. }
            | Self::HangOver { .. }
            | Self::PolicyDecided { .. }
            | Self::PredictionsSettled { .. }
            | Self::BoundBroken { .. }
            | Self::ModelTrained { .. } => false,
            Self::ChatChanged { .. }
            | Self::CrashRecorded { .. }
            | Self::CrashesResolved { .. }
            | Self::CheckpointTaken { .. }
            | Self::WorkspaceKept { .. }
            | Self::RestoreStarted { .. }
            | Self::RestoreFinished { .. }
            | Self::ChatStopped { .. }
            | Self::ChatRepaired { .. }
            | Self::JournalDropped { .. }
            | Self::FleetChanged
            | Self::Notice { .. }
            | Self::StatusChanged
            | Self::ExperimentsChanged
            | Self::SettingsChanged
            | Self::Missed => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use shim_core::{chats::ChatId, chats::Client, prediction::scoring::Foretold};

    use super::{BoundAction, Decision, Event};

    #[test]
    fn an_event_is_called_the_same_everywhere() {
        let chat = || ChatId::new(Client::Codex, "1");
        for event in [
            Event::ChatChanged { chat: chat() },
            Event::JournalKept { chat: chat(), bytes: 1, seconds: 0.5 },
            Event::CrashesResolved { chat: chat() },
            Event::PolicyDecided { chat: chat(), decision: Decision::WouldRestore },
            Event::PredictionsSettled { client: Client::Gemini, foretold: Foretold::TruePositive, count: 1 },
            Event::ModelTrained { client: Client::Gemini, taken: true },
            Event::ChatRepaired { chat: chat(), ok: true },
            Event::JournalDropped { chat: chat(), bytes: 1 },
            Event::BoundBroken {
                experiment: 1,
                bound: "crash_rate".to_owned(),
                action: BoundAction::RolledBack,
            },
            Event::StatusChanged,
        ] {
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(value["event"], event.name());
            assert_eq!(value["chat"].as_str(), event.chat().map(ChatId::as_str));
            assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
        }
    }
}
