//! `GET /api/fleet`, `POST /api/fleet`, `POST /api/fleet/cancel`: bringing many chats back.

use serde::{Deserialize, Serialize};
pub use shim_core::fleet::{Fleet, Item, ItemState, Options, State};
use ts_rs::TS;

use crate::restore::Receipt;

/// What may be brought back, and what is being.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct FleetView {
    /// Crashes that a fleet would restore, the most recent chat first.
    pub offer: Vec<Offered>,
    /// The fleet that was begun last, in this engine's life or, where it was not over, before.
    pub fleet: Option<Fleet>,
    /// Memory that programs could still get, in bytes.
    pub memory_available: u64,
}

/// One chat that could be brought back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct Offered {
    pub chat: shim_core::chats::ChatId,
    pub crash: i64,
    pub title: String,
    /// Memory that it is expected to take, in bytes.
    pub needs: u64,
}

/// The receipts of a fleet's chats, in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "api.ts")]
pub struct FleetReceipts {
    pub fleet: Fleet,
    pub receipts: Vec<Receipt>,
}
