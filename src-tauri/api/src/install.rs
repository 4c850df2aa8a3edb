//! `GET` and `POST /api/install`: what of SHIM clients and the system may be told of, telling them, and taking it
//! back.

use serde::{Deserialize, Serialize};
use shim_core::{chats::Client, install::Part};
use ts_rs::TS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum What {
    Hooks,
    Mcp,
    /// The engine, started at login and kept running by the system; of no client.
    Service,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hooks => Part::Hooks.name(),
            Self::Mcp => Part::Mcp.name(),
            Self::Service => "service",
        }
    }
}

impl From<Part> for What {
    fn from(part: Part) -> Self {
        match part {
            Part::Hooks => Self::Hooks,
            Part::Mcp => Self::Mcp,
        }
    }
}

/// Something that can be installed here, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Offer {
    pub what: What,
    /// Null for the service.
    pub client: Option<Client>,
    pub standing: Standing,
    /// The file that is written.
    pub file: Option<String>,
    /// Why it is not possible, or what is wrong with it.
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Standing {
    Absent,
    Installed,
    /// Installed once, and not as it should be any more: installing it again mends that.
    Broken,
    /// Not possible here.
    Impossible,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct InstallRequest {
    pub what: What,
    /// Only this client; null for each that is found, and for the service.
    #[serde(default)]
    pub client: Option<Client>,
    /// Take it back.
    #[serde(default)]
    pub undo: bool,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of one client, or of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Installed {
    pub what: What,
    pub client: Option<Client>,
    pub outcome: Outcome,
    pub file: Option<String>,
    /// Why nothing was written.
    pub why: Option<String>,
    /// Unified.
    pub diff: Option<String>,
    /// The file as it was.
    pub backup: Option<String>,
    /// What the user has to do or know.
    pub advice: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "api.ts")]
pub enum Outcome {
    Written,
    /// A dry run: this would be written.
    WouldWrite,
    /// It is as it should be.
    Unchanged,
    /// The client is not here, or has no such thing.
    Skipped,
    Refused,
}
