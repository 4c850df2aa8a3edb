//! The audit log: everything the loop was told, with what it decided and why. Played again it gives the same decisions
//! and the same state; where it does not, the log or the program was changed.

use serde::{Deserialize, Serialize};

use super::improvement::{Effect, Event, Improvement};
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1 on, without a gap.
    pub number: u64,
    pub at: Timestamp,
    pub event: Event,
    pub decided: Vec<Effect>,
}

/// The loop with its log's number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audited {
    pub improvement: Improvement,
    /// Of the last entry that it holds.
    pub number: u64,
}

impl Audited {
    /// Takes in what happened; gives what is to be written down, where it matters at all.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Option<Entry> {
        let matters = self.improvement.matters(&event);
        let decided = self.improvement.handle(event.clone(), now);
        if !matters && decided.is_empty() {
            return None;
        }
        self.number += 1;
        Some(Entry { number: self.number, at: now, event, decided })
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Differs {
    #[error("entry {found} follows entry {after}: the log has a gap")]
    Gap { after: u64, found: u64 },
    #[error("entry {number} was decided otherwise than it is by this program: {was:?}, and now {is:?}")]
    Decided { number: u64, was: Vec<Effect>, is: Vec<Effect> },
}

/// Plays entries again from where `from` stands; those it holds already are passed over. Where one does not follow, it
/// stays at what came before.
pub fn replay(from: &mut Audited, entries: impl IntoIterator<Item = Entry>) -> Result<(), Differs> {
    for entry in entries {
        if entry.number <= from.number {
            continue;
        }
        if entry.number != from.number + 1 {
            return Err(Differs::Gap { after: from.number, found: entry.number });
        }
        let is = from.improvement.handle(entry.event, entry.at);
        from.number = entry.number;
        if is != entry.decided {
            return Err(Differs::Decided { number: entry.number, was: entry.decided, is });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
