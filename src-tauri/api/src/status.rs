//! `GET /api/status`.

use serde::{Deserialize, Serialize};
use shim_core::{
    chats::{ChatState, Client},
    time::Timestamp,
};
use ts_rs::TS;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Status {
    pub engine: EngineStatus,
    pub clients: Vec<ClientStatus>,
    pub chats: Vec<StateCount>,
    /// Crashes that nobody has restored or resumed.
    pub open_crashes: u64,
    pub own: OwnUse,
    /// What a person should know about: unreadable folders, data dropped by retention, a full disk.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct EngineStatus {
    pub version: String,
    pub pid: u32,
    #[ts(type = "string")]
    pub started_at: Timestamp,
    pub home: String,
    pub port: u16,
    /// Watching is paused until then; null when it is not.
    #[ts(type = "string | null")]
    pub paused_until: Option<Timestamp>,
    /// The engine lives only for one command.
    pub embedded: bool,
    /// A recorded week is shown, and nothing of this machine.
    pub demo: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct ClientStatus {
    pub client: Client,
    /// The program that a restore would start; null when none was found.
    pub command: Option<String>,
    /// Folders that are watched.
    pub homes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct StateCount {
    pub state: ChatState,
    pub count: u64,
}

/// What the engine itself uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct OwnUse {
    pub memory_bytes: u64,
    /// Seconds of processor time since the engine started.
    pub cpu_seconds: f64,
    /// Bytes the system wrote to disk for the engine since it started; null where it does not say.
    pub written_bytes: Option<u64>,
    /// Bytes that clients appended and SHIM kept since the engine started.
    pub watched_bytes: u64,
    /// Size of the database.
    pub database_bytes: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct PauseRequest {
    /// Seconds, 1 to 86400; null pauses until it is resumed.
    pub seconds: Option<u64>,
}
