//! Usage limits: what a client wrote of one, and how long it lasts. A limit is no crash, and nothing is tried
//! against it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::time::Timestamp;

/// A limit of which nobody said when it ends is shown for so long: the longest of the short windows in use.
const UNSAID_MAX: Duration = Duration::from_secs(5 * 3600);
/// Before the seconds since 1970 at which an older limit ends, in an older Claude Code's own words.
const OLD_WORDS: &str = "usage limit reached|";

/// A usage limit that a chat ran into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Limit {
    /// In the client's words.
    pub message: String,
    /// When the client wrote it.
    #[ts(type = "string | null")]
    pub at: Option<Timestamp>,
    /// When it ends, where that was said.
    #[ts(type = "string | null")]
    pub resets_at: Option<Timestamp>,
}

impl Limit {
    pub fn lasts(&self, now: Timestamp) -> bool {
        match (self.resets_at, self.at) {
            (Some(resets_at), _) => now < resets_at,
            (None, Some(at)) => now.since(at) < UNSAID_MAX,
            (None, None) => false,
        }
    }
}

/// The end of a limit in words such as `Claude usage limit reached|1795283934`.
pub fn old_words(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once(OLD_WORDS)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    from_seconds(digits.parse().ok()?)
}

pub fn from_seconds(seconds: i64) -> Option<Timestamp> {
    Timestamp::checked_ms(seconds.checked_mul(1000)?)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
