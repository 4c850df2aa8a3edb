//! What a file lost and the journal still holds. Only where the file shows a damage or was cut short is
//! anything put back: a file that its client or user wrote anew stays as it is.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;

use super::{
    Change, Cure, Finding, Form, Patient,
    pieces::{Item, Piece, split},
};
use crate::crashes::CrashKind;

/// Lines of an earlier generation, to be put in before the piece of this number of the file.
pub struct Lost<'a> {
    places: Vec<(usize, Vec<Item<'a>>)>,
}

struct Kept<'a> {
    lines: Vec<Item<'a>>,
    /// Where each line stands, the first of equals.
    places: HashMap<Vec<u8>, usize>,
    by_uuid: HashMap<String, usize>,
}

impl<'a> Kept<'a> {
    fn read(patient: &Patient<'a>, bytes: &'a [u8]) -> Self {
        let pieces = split(patient.client, bytes).into_iter();
        let lines: Vec<_> = pieces
            .filter_map(|piece| match piece {
                Piece::Record(item) => Some(item),
                Piece::Damage { .. } => None,
            })
            .collect();
        let mut kept = Self { places: HashMap::new(), by_uuid: HashMap::new(), lines };
        for (at, item) in kept.lines.iter().enumerate() {
            kept.places.entry(item.bytes.to_vec()).or_insert(at);
            if let Some(uuid) = uuids(&item.bytes).0 {
                kept.by_uuid.entry(uuid).or_insert(at);
            }
        }
        kept
    }

    fn place(&self, item: &Item<'_>) -> Option<usize> {
        self.places.get(item.bytes.as_ref()).copied()
    }
}

/// A record's own id and that of the one before it.
fn uuids(bytes: &[u8]) -> (Option<String>, Option<String>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ids {
        uuid: Option<String>,
        parent_uuid: Option<String>,
    }
    serde_json::from_slice::<Ids>(bytes).map_or((None, None), |ids| (ids.uuid, ids.parent_uuid))
}

/// Compares the file with the earlier generation that shares the most with it.
pub fn find<'a>(patient: &Patient<'a>, pieces: &[Piece<'a>]) -> Lost<'a> {
    let best = patient.kept.iter().map(|bytes| Kept::read(patient, bytes)).max_by_key(|kept| {
        let shared = records(pieces).filter(|(_, item)| kept.place(item).is_some()).count();
        (shared, kept.lines.len())
    });
    let Some(kept) = best.filter(|kept| !kept.lines.is_empty()) else { return Lost { places: Vec::new() } };
    let mut lost = Lost { places: Vec::new() };
    let mut has: Vec<bool> = vec![false; kept.lines.len()];
    for (_, item) in records(pieces) {
        if let Some(seen) = kept.place(item).and_then(|at| has.get_mut(at)) {
            *seen = true;
        }
    }
    lost.at_damages(pieces, &kept, &mut has);
    lost.missing_parents(pieces, &kept, &mut has);
    lost.cut_short(pieces, &kept, &mut has);
    lost.places.sort_by_key(|(at, _)| *at);
    lost
}

fn records<'p, 'a>(pieces: &'p [Piece<'a>]) -> impl DoubleEndedIterator<Item = (usize, &'p Item<'a>)> {
    pieces.iter().enumerate().filter_map(|(at, piece)| match piece {
        Piece::Record(item) => Some((at, item)),
        Piece::Damage { .. } => None,
    })
}

impl<'a> Lost<'a> {
    /// Puts in lines `from..until` of the generation that the file does not have.
    fn take(&mut self, at: usize, kept: &Kept<'a>, from: usize, until: usize, has: &mut [bool]) {
        let mut lines = Vec::new();
        for number in from..until {
            let (Some(line), Some(seen)) = (kept.lines.get(number), has.get_mut(number)) else { continue };
            if !std::mem::replace(seen, true) {
                lines.push(line.clone());
            }
        }
        if !lines.is_empty() {
            self.places.push((at, lines));
        }
    }

    fn at_damages(&mut self, pieces: &[Piece<'a>], kept: &Kept<'a>, has: &mut [bool]) {
        for (at, piece) in pieces.iter().enumerate() {
            let Piece::Damage { form, .. } = piece else { continue };
            if *form == Form::Glued {
                continue;
            }
            let before = records(pieces.get(..at).unwrap_or_default()).next_back().map(|(_, item)| item);
            let after = records(pieces.get(at..).unwrap_or_default()).next().map(|(_, item)| item);
            let from = match before.map(|item| kept.place(item)) {
                None => 0,
                Some(Some(place)) => place + 1,
                // It stands behind something that the journal never had.
                Some(None) => continue,
            };
            let until = after.and_then(|item| kept.place(item)).unwrap_or(kept.lines.len());
            self.take(at, kept, from, until, has);
        }
    }

    fn missing_parents(&mut self, pieces: &[Piece<'a>], kept: &Kept<'a>, has: &mut [bool]) {
        for (at, item) in records(pieces) {
            let mut wanted = uuids(&item.bytes).1;
            let mut chain = Vec::new();
            while let Some(place) = wanted.as_ref().and_then(|uuid| kept.by_uuid.get(uuid)).copied() {
                if has.get(place).copied().unwrap_or(true) || chain.contains(&place) {
                    break;
                }
                chain.push(place);
                wanted = kept.lines.get(place).and_then(|line| uuids(&line.bytes).1);
            }
            for place in chain.into_iter().rev() {
                self.take(at, kept, place, place + 1, has);
            }
        }
    }

    /// A file that ends where an earlier one went on.
    fn cut_short(&mut self, pieces: &[Piece<'a>], kept: &Kept<'a>, has: &mut [bool]) {
        let mut places = records(pieces).map(|(_, item)| kept.place(item));
        let only_less = places.all(|place| place.is_some());
        let end = records(pieces).filter_map(|(_, item)| kept.place(item)).max().map_or(0, |last| last + 1);
        if only_less {
            self.take(pieces.len(), kept, end, kept.lines.len(), has);
        }
    }

    fn count(&self) -> usize {
        self.places.iter().map(|(_, lines)| lines.len()).sum()
    }

    pub fn finding(&self) -> Option<Finding> {
        (self.count() > 0).then(|| Finding {
            kind: CrashKind::Torn,
            form: Form::Lost,
            line: 0,
            says: format!("the file lost {} records that SHIM's journal holds", self.count()),
            cure: Cure::Repair,
        })
    }

    pub fn changes(&self) -> Option<Change> {
        let did = format!("put back {} records from SHIM's journal, as they were", self.count());
        (self.count() > 0).then_some(Change { line: 0, did })
    }

    /// The file's records with what was lost in its place.
    pub fn fill(&self, pieces: &[Piece<'a>]) -> Vec<Item<'a>> {
        let mut filled = Vec::new();
        for at in 0..=pieces.len() {
            let lost = self.places.iter().filter(|(place, _)| *place == at).flat_map(|(_, lines)| lines);
            // Lines of the journal have no number in the file.
            filled.extend(lost.map(|item| Item { line: 0, bytes: Cow::clone(&item.bytes) }));
            if let Some(Piece::Record(item)) = pieces.get(at) {
                filled.push(item.clone());
            }
        }
        filled
    }
}
