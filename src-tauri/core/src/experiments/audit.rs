//! The audit log: everything the loop was told, with what it decided and why. Played again it gives the same decisions
//! and the same state; where it does not, the log or the program was changed.

use serde::{Deserialize, Serialize};

use super::improvement::{Effect, Event, Improvement};
use crate::time::Timestamp;

/// By which rules it is decided. To be raised whenever the same entries would be decided otherwise: what was written
/// down by other rules is no longer held to be replayed to the same.
pub const RULES: u32 = 1;

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
    /// Begins anew after a log whose state is lost: no number of an entry or an experiment is used twice.
    pub fn after(number: u64) -> Self {
        // Each experiment was an entry.
        Self { improvement: Improvement::numbered_after(number), number }
    }

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

/// Plays what an engine before this one wrote down, to go on from there: nothing it holds is passed over for what is
/// missing or would be decided otherwise by now. Says what of it differs.
pub fn take_up(from: &mut Audited, entries: impl IntoIterator<Item = Entry>) -> Vec<Differs> {
    let mut differs = Vec::new();
    for entry in entries {
        let after = from.number;
        if entry.number <= after {
            continue;
        }
        if entry.number != after + 1 {
            differs.push(Differs::Gap { after, found: entry.number });
            from.number = entry.number - 1;
        }
        differs.extend(replay(from, [entry]).err());
    }
    differs
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
