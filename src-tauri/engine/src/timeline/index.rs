//! Where each entry of a journal stands, found once and gone on with as the journal grows. It holds no text: a page's
//! texts are read from the journal, from the place where they stand.

use std::ops::Range;

use shim_core::{
    chats::Client,
    clients::read_line,
    lines::{Line, Lines},
    time::Timestamp,
};

use super::Told;

/// Places kept of one journal: 3 MB. Beyond them every second one goes, and what lies between is counted from the one
/// before it.
pub const PLACES_MAX: usize = 131_072;

/// An entry's place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The latest time that was told up to it.
    pub at: Timestamp,
    /// Where its line begins.
    pub line: u64,
    /// Which entry of its line it is, from 0.
    pub nth: u32,
}

/// The places of one generation of a journal.
#[derive(Clone, Debug)]
pub struct Index {
    client: Client,
    /// Those of the entries 0, `stride`, twice `stride` and so on.
    places: Vec<Place>,
    stride: u64,
    places_max: usize,
    entries: u64,
    /// Bytes looked into: the end of a line.
    whole: u64,
    latest: Timestamp,
}

/// A run of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// So many entries of the journal.
    Journal(Range<u64>),
    /// What befell the chat, by its number in the list that was given.
    Incident(usize),
}

impl Index {
    pub fn new(client: Client) -> Self {
        Self::keeping(client, PLACES_MAX)
    }

    fn keeping(client: Client, places_max: usize) -> Self {
        let latest = Timestamp::default();
        Self { client, places: Vec::new(), stride: 1, places_max, entries: 0, whole: 0, latest }
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes looked into. The next ones to feed are those behind them.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// What cuts the bytes that follow into lines.
    pub fn lines(&self) -> Lines {
        Lines::from_offset(self.whole)
    }

    pub fn feed(&mut self, lines: &mut Lines, bytes: &[u8]) {
        lines.feed_with_ends(bytes, |line, end| {
            let begin = std::mem::replace(&mut self.whole, end);
            let Line::Whole(line) = line else { return };
            let (client, mut nth) = (self.client, 0);
            read_line(client, line, |record| {
                self.latest = self.latest.max(record.observed.at.unwrap_or_default());
                for _ in Told::of(record.observed) {
                    self.note(Place { at: self.latest, line: begin, nth });
                    nth += 1;
                }
            });
        });
    }

    fn note(&mut self, place: Place) {
        if self.places.len() >= self.places_max {
            let mut number = 0_usize;
            self.places.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.stride *= 2;
        }
        if self.entries.is_multiple_of(self.stride) {
            self.places.push(place);
        }
        self.entries += 1;
    }

    /// The last place kept at or before an entry, and how many entries lie between.
    pub fn place_before(&self, entry: u64) -> Option<(Place, u64)> {
        let kept = usize::try_from(entry / self.stride).ok()?;
        Some((*self.places.get(kept)?, entry % self.stride))
    }

    /// Entries that stand before what happened at a moment.
    fn until(&self, at: Timestamp) -> u64 {
        let kept = self.places.partition_point(|place| place.at <= at);
        (kept as u64).saturating_mul(self.stride).min(self.entries)
    }

    /// At most `limit` of all entries, from the `from`th on, with what befell the chat at these moments, oldest first.
    pub fn page(&self, incidents: &[Timestamp], from: u64, limit: u64) -> Vec<Run> {
        let places: Vec<u64> = (0_u64..).zip(incidents).map(|(nth, at)| self.until(*at) + nth).collect();
        let end = from.saturating_add(limit).min(self.entries + places.len() as u64);
        let mut next = places.partition_point(|place| *place < from);
        let (mut at, mut runs) = (from, Vec::new());
        while at < end {
            let incident = places.get(next).copied().unwrap_or(end).min(end);
            if incident > at {
                let before = next as u64;
                runs.push(Run::Journal(at - before..incident - before));
                at = incident;
            } else {
                runs.push(Run::Incident(next));
                next += 1;
                at += 1;
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A journal of lines: prompts, answers with words and calls, torn lines, and lines that tell nothing, some without a
    /// time of their own.
    fn journal(lines: &[(u8, u16)]) -> Vec<u8> {
        let line = |(number, (kind, ms)): (usize, &(u8, u16))| {
            let timestamp = Timestamp::from_ms(i64::from(*ms)).to_string();
            let mut record = match kind % 5 {
                0 => json!({"type": "user", "message": {"role": "user", "content": format!("ask {number}")}}),
                1 | 2 => {
                    json!({"type": "assistant", "message": {"id": format!("m{number}"), "role": "assistant",
                    "content": [{"type": "text", "text": format!("said {number}")},
                        {"type": "tool_use", "id": format!("t{number}"), "name": "Bash",
                         "input": {"command": format!("run {number}")}}]}})
                }
                3 => json!({"type": "queue-operation"}),
                _ => return "{\"torn\": \n".to_owned(),
            };
            if kind % 7 > 1 {
                record["timestamp"] = json!(timestamp);
            }
            format!("{record}\n")
        };
        lines.iter().enumerate().map(line).collect::<String>().into_bytes()
    }

    fn indexed(bytes: &[u8], places_max: usize, cuts: &[usize]) -> Index {
        let mut index = Index::keeping(Client::ClaudeCode, places_max);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.push(bytes.len());
        for cut in cuts {
            // Taken up again as the journal grew: a line in the making is read again.
            let mut lines = index.lines();
            let from = usize::try_from(index.whole()).unwrap();
            index.feed(&mut lines, bytes.get(from..cut.max(from)).unwrap());
        }
        index
    }

    fn laid_together(runs: Vec<Run>) -> Vec<Run> {
        let one = |run| match run {
            Run::Journal(range) => range.map(|entry| Run::Journal(entry..entry + 1)).collect(),
            Run::Incident(number) => vec![Run::Incident(number)],
        };
        runs.into_iter().flat_map(one).collect()
    }

    proptest! {
        #[test]
        fn pages_laid_together_are_the_whole_and_hold_everything_once(
            lines in prop::collection::vec((any::<u8>(), any::<u16>()), 0..60),
            mut incidents in prop::collection::vec(any::<u16>(), 0..12),
            limit in 1_u64..9,
            places_max in 4_usize..40,
        ) {
            incidents.sort_unstable();
            let incidents: Vec<_> =
                incidents.into_iter().map(|ms| Timestamp::from_ms(i64::from(ms))).collect();
            let index = indexed(&journal(&lines), places_max, &[]);
            let total = index.entries() + incidents.len() as u64;
            let whole = laid_together(index.page(&incidents, 0, u64::MAX));
            let mut pages = Vec::new();
            while (pages.len() as u64) < total {
                let page = laid_together(index.page(&incidents, pages.len() as u64, limit));
                prop_assert!(!page.is_empty() && page.len() as u64 <= limit);
                pages.extend(page);
            }
            prop_assert_eq!(&pages, &whole);
            let of_journal: Vec<_> =
                whole.iter().filter_map(|run| if let Run::Journal(at) = run { Some(at.start) } else { None }).collect();
            prop_assert_eq!(of_journal, (0..index.entries()).collect::<Vec<_>>());
            prop_assert_eq!(whole.len() as u64, total);
            prop_assert!(index.page(&incidents, total, limit).is_empty());
        }

        #[test]
        fn a_journal_that_grew_is_indexed_as_one_that_was_read_at_once(
            lines in prop::collection::vec((any::<u8>(), any::<u16>()), 0..40),
            mut cuts in prop::collection::vec(any::<usize>(), 0..6),
            places_max in 4_usize..40,
        ) {
            let bytes = journal(&lines);
            cuts.iter_mut().for_each(|cut| *cut %= bytes.len() + 1);
            cuts.sort_unstable();
            let (grown, at_once) = (indexed(&bytes, places_max, &cuts), indexed(&bytes, places_max, &[]));
            prop_assert_eq!(&grown.places, &at_once.places);
            prop_assert_eq!((grown.entries, grown.whole, grown.stride), (at_once.entries, at_once.whole, at_once.stride));
            prop_assert!(grown.places.len() <= places_max);
        }

        #[test]
        fn what_came_before_keeps_its_place_when_the_journal_grows(
            lines in prop::collection::vec((any::<u8>(), any::<u16>()), 1..40),
            mut incidents in prop::collection::vec(any::<u16>(), 0..6),
            kept in 0_usize..40,
        ) {
            incidents.sort_unstable();
            let incidents: Vec<_> =
                incidents.into_iter().map(|ms| Timestamp::from_ms(i64::from(ms))).collect();
            let kept = kept.min(lines.len());
            let before = indexed(&journal(&lines[..kept]), PLACES_MAX, &[]);
            let after = indexed(&journal(&lines), PLACES_MAX, &[]);
            // What happened later than all that the journal told may have to make room.
            let settled: Vec<_> = incidents.into_iter().filter(|at| *at < before.latest).collect();
            let (before, after) =
                (before.page(&settled, 0, u64::MAX), after.page(&settled, 0, u64::MAX));
            let (before, after) = (laid_together(before), laid_together(after));
            prop_assert_eq!(&before[..], &after[..before.len()]);
        }
    }

    #[test]
    fn what_befell_the_chat_stands_behind_what_was_told_until_then() {
        let bytes = journal(&[(16, 10), (10, 20), (25, 30)]);
        let index = indexed(&bytes, PLACES_MAX, &[]);
        let at = |ms| Timestamp::from_ms(ms);
        assert_eq!(
            index.page(&[at(5), at(10), at(29), at(30)], 0, 50),
            [
                Run::Incident(0),
                Run::Journal(0..2),
                Run::Incident(1),
                Run::Journal(2..3),
                Run::Incident(2),
                Run::Journal(3..4),
                Run::Incident(3)
            ]
        );
    }
}
