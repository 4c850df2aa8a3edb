//! The clinic: what ails a transcript, and a repaired copy of it, bytes in and bytes out. It never touches
//! what it was given, carries records along that it does not know, and refuses where it cannot help.

pub mod errors;
mod links;
mod lost;
mod pieces;
mod poison;
mod prune;
mod records;
pub mod retention;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{chats::Client, crashes::CrashKind};
use errors::Class;
use pieces::Piece;
use records::Rec;

/// Largest transcript that is examined whole: all of it is held in memory.
pub const TRANSCRIPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Findings told of one transcript; a file of nothing but garbage has no end of them.
pub const FINDINGS_MAX: usize = 200;

/// How a transcript is ailing at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts", rename = "DamageForm")]
pub enum Form {
    /// Nothing is in it, though it was more.
    Empty,
    /// The last record was not written to its end.
    CutTail,
    /// A record in the middle was not.
    Cut,
    /// Zero bytes where text should be.
    Nuls,
    /// Several records on one line.
    Glued,
    /// A line that is no record.
    Garbage,
    /// The journal holds records that the file lost.
    Lost,
    /// A record follows one that is not there.
    ParentMissing,
    /// Records that follow one another in a circle.
    Circle,
    /// The same record twice.
    Twice,
    /// A tool call without a result, though the chat went on.
    ResultMissing,
    /// A tool result without its call.
    CallMissing,
    /// Words stand before a tool's result in one message, which the model's API refuses.
    Misordered,
    /// A tool call that the model's API refuses: its name, or its input.
    BadCall,
    /// A part of a message of a kind that the model's API refuses.
    BadPart,
    /// The model's API refused the chat in several turns in a row.
    Refused,
    /// The chat is too long for the model, and so is its compaction.
    TooLong,
}

/// Who mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "core.ts")]
pub enum Cure {
    /// The client itself, when it loads the chat: nothing is lost by it.
    Client,
    /// A repaired copy.
    Repair,
    /// Nobody: what was there is gone.
    Nobody,
}

/// One thing that ails a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "Ailment")]
pub struct Finding {
    pub kind: CrashKind,
    pub form: Form,
    /// Counted from 1; 0 when it is of the whole.
    #[ts(type = "number")]
    pub line: u64,
    pub says: String,
    pub cure: Cure,
}

/// One thing that a repair does to the copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts", rename = "Mend")]
pub struct Change {
    /// Of the original, counted from 1; 0 when it is of the whole.
    #[ts(type = "number")]
    pub line: u64,
    pub did: String,
}

/// A transcript and what the journal kept of it before.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'a> {
    pub client: Client,
    pub file: &'a [u8],
    /// Earlier generations of the file, the newest first.
    pub kept: &'a [Vec<u8>],
}

/// A repaired copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    pub bytes: Vec<u8>,
    pub changes: Vec<Change>,
}

/// Why there is no repair, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("nothing ails it: there is nothing to repair")]
    Healthy,
    #[error(
        "the transcript is larger than {} MiB: it is not repaired; `shim restore --checkpoint` makes a fork from an \
         earlier point", TRANSCRIPT_BYTES_MAX / 1024 / 1024
    )]
    TooLarge,
    #[error("no record can be read in it, and the journal holds none: there is nothing to repair it from")]
    Nothing,
    #[error(
        "the model's API refuses the chat and never accepted a turn of it: there is no point to go back to; begin \
         anew, `shim export` has what was written"
    )]
    NeverAnswered,
    #[error(
        "its last turn alone is too long for the model: there is nothing to leave out; `shim restore --checkpoint` \
         makes a fork from an earlier point"
    )]
    TooLongStill,
    #[error(
        "{0} keeps its chats where SHIM repairs nothing; `shim restore --checkpoint` makes a fork from an earlier point"
    )]
    Unsupported(&'static str),
    #[error("a repaired copy would still be ailing ({0}): it was not written")]
    StillAiling(String),
}

/// A name for something new in the copy: one never used before.
pub type NewId<'a> = &'a mut dyn FnMut() -> String;

/// Whether the client's transcripts are files of lines.
pub fn is_of_lines(client: Client) -> bool {
    matches!(client, Client::ClaudeCode | Client::Codex | Client::Gemini)
}

/// Why a chat of this client, or a file of this size, is not examined.
pub fn unexamined(client: Client, too_large: bool) -> Option<String> {
    let most = TRANSCRIPT_BYTES_MAX / 1024 / 1024;
    match (is_of_lines(client), too_large) {
        (false, _) => Some(format!("{} keeps its chats where SHIM examines nothing", client.title())),
        (true, true) => Some(format!("the file is larger than {most} MiB, the most that SHIM examines")),
        (true, false) => None,
    }
}

/// All that ails a transcript, in the order of its lines.
pub fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    if !is_of_lines(patient.client) || patient.file.len() > TRANSCRIPT_BYTES_MAX {
        return Vec::new();
    }
    let pieces = pieces::split(patient.client, patient.file);
    let mut findings = pieces::findings(patient, &pieces);
    let lost = lost::find(patient, &pieces);
    findings.extend(lost.finding());
    let records = records::read(patient.client, items(&pieces));
    if patient.client == Client::ClaudeCode {
        findings.extend(links::findings(&records));
    }
    findings.extend(refusals(patient.client, &records));
    findings.sort_by_key(|finding| finding.line);
    findings.truncate(FINDINGS_MAX);
    findings
}

/// A repaired copy, with each change told. `new_id` gives names for records that stand in for lost ones.
pub fn repair(patient: &Patient<'_>, new_id: NewId<'_>) -> Result<Repaired, Refused> {
    if !is_of_lines(patient.client) {
        return Err(Refused::Unsupported(patient.client.title()));
    }
    if patient.file.len() > TRANSCRIPT_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    if examine(patient).is_empty() {
        return Err(Refused::Healthy);
    }
    let pieces = pieces::split(patient.client, patient.file);
    let mut changes = pieces::changes(&pieces);
    let lost = lost::find(patient, &pieces);
    changes.extend(lost.changes());
    let mut records = records::read(patient.client, lost.fill(&pieces));
    if records.is_empty() {
        return Err(Refused::Nothing);
    }
    match errors::course(patient.client, &records).run.map(|run| run.class) {
        Some(Class::Malformed) => poison::cure(patient.client, &mut records, &mut changes)?,
        Some(Class::TooLong) => prune::prune(patient.client, &mut records, &mut changes, &mut *new_id)?,
        None => {}
    }
    if patient.client == Client::ClaudeCode {
        links::mend(&mut records, &mut changes, new_id);
    }
    let repaired = Repaired { bytes: write(&records), changes };
    still_ailing(patient.client, &repaired.bytes)?;
    Ok(repaired)
}

fn items<'a>(pieces: &[Piece<'a>]) -> Vec<pieces::Item<'a>> {
    let whole = |piece: &Piece<'a>| match piece {
        Piece::Record(item) => Some(item.clone()),
        Piece::Damage { .. } => None,
    };
    pieces.iter().filter_map(whole).collect()
}

fn refusals(client: Client, records: &[Rec<'_>]) -> Vec<Finding> {
    let course = errors::course(client, records);
    let Some(run) = course.run else { return Vec::new() };
    let (kind, form) = match run.class {
        Class::Malformed => (CrashKind::Poisoned, Form::Refused),
        Class::TooLong => (CrashKind::CompactionDeadlock, Form::TooLong),
    };
    let line = records.get(run.first).map_or(0, |record| record.item.line);
    let says = format!("{} answers in a row were refusals, the last “{}”", run.count, run.said);
    let mut findings = vec![Finding { kind, form, line, says, cure: Cure::Repair }];
    if run.class == Class::Malformed && client == Client::ClaudeCode {
        findings.extend(poison::causes(records, &run.said));
    }
    findings
}

fn write(records: &[Rec<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(&record.item.bytes);
        bytes.push(b'\n');
    }
    bytes
}

/// What was repaired is looked at again before anybody gets it.
fn still_ailing(client: Client, bytes: &[u8]) -> Result<(), Refused> {
    let left = examine(&Patient { client, file: bytes, kept: &[] });
    let left = left.into_iter().find(|finding| finding.cure == Cure::Repair);
    left.map_or(Ok(()), |finding| Err(Refused::StillAiling(finding.says)))
}

#[cfg(test)]
#[path = "clinic_tests.rs"]
mod tests;
