//! What to do when a watched file looks different: append, or keep the old bytes and begin a new
//! generation. Nothing that was journaled is ever taken back.

use serde::{Deserialize, Serialize};

/// A file as it was when its journal was last brought up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Bytes journaled.
    pub bytes: u64,
    /// The file system's number for the file; another number means that the file was replaced.
    pub file_number: u64,
    /// Modified, in nanoseconds since 1970.
    pub modified_ns: i128,
}

/// The file as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub bytes: u64,
    pub file_number: u64,
    pub modified_ns: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing changed.
    Nothing,
    /// The file grew, as far as can be told from outside; the bytes before `from` are taken as unchanged.
    Append { from: u64 },
    /// It may have been rewritten: compare all that is journaled with the file first.
    Compare,
    /// It is shorter than what is journaled: the old bytes stay, a new generation begins.
    NewGeneration,
}

pub fn plan(known: &Known, seen: Seen) -> Plan {
    if seen.bytes < known.bytes {
        Plan::NewGeneration
    } else if known.bytes > 0 && seen.file_number != known.file_number {
        Plan::Compare
    } else if seen.bytes > known.bytes {
        Plan::Append { from: known.bytes }
    } else if seen.modified_ns != known.modified_ns && known.bytes > 0 {
        Plan::Compare
    } else {
        Plan::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Plan, Seen, plan};

    #[test]
    fn tells_growth_from_rewriting() {
        let known = Known { bytes: 100, file_number: 7, modified_ns: 50 };
        for (bytes, file_number, modified_ns, expected) in [
            (100, 7, 50, Plan::Nothing),
            (180, 7, 60, Plan::Append { from: 100 }),
            (100, 7, 60, Plan::Compare),
            (180, 8, 60, Plan::Compare),
            (100, 8, 50, Plan::Compare),
            (99, 7, 60, Plan::NewGeneration),
            (0, 9, 60, Plan::NewGeneration),
        ] {
            assert_eq!(
                plan(&known, Seen { bytes, file_number, modified_ns }),
                expected,
                "{bytes} {file_number}"
            );
        }
        assert_eq!(
            plan(&Known::default(), Seen { bytes: 5, file_number: 1, modified_ns: 1 }),
            Plan::Append { from: 0 }
        );
    }
}
