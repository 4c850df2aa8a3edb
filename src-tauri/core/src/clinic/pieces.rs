//! A transcript's bytes as whole records and what is damaged between them.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{Change, Cure, Finding, Form, Patient};
use crate::{chats::Client, crashes::CrashKind};

/// Places in a damaged line where a whole record may begin that are tried.
const TRIES_MAX: usize = 256;
/// A whole record.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub line: u64,
    pub bytes: Cow<'a, [u8]>,
}

#[derive(Clone, Debug)]
pub enum Piece<'a> {
    Record(Item<'a>),
    Damage { line: u64, form: Form, bytes: u64 },
}

/// Cuts a file into its records. Every byte is in one piece, save white space between them.
pub fn split(client: Client, file: &[u8]) -> Vec<Piece<'_>> {
    let (mut pieces, mut number) = (Vec::new(), 0);
    let mut rest = file;
    while !rest.is_empty() {
        number += 1;
        let end = memchr::memchr(b'\n', rest);
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        split_line(client, line, number, end.is_none(), &mut pieces);
    }
    pieces
}

fn split_line<'a>(client: Client, line: &'a [u8], number: u64, last: bool, pieces: &mut Vec<Piece<'a>>) {
    let damage = |form: Form, bytes: usize| Piece::Damage { line: number, form, bytes: bytes as u64 };
    let text = trim(line);
    let inner = without_nuls(text);
    if inner.len() < text.len() {
        pieces.push(damage(Form::Nuls, text.len() - inner.len()));
    }
    let (mut rest, mut found) = (inner, 0);
    while !rest.is_empty() {
        if let Some(length) = whole(rest) {
            let (record, after) = rest.split_at(length);
            if found > 0 {
                pieces.push(damage(Form::Glued, 0));
            }
            pieces.push(Piece::Record(Item { line: number, bytes: Cow::Borrowed(record) }));
            found += 1;
            rest = trim(after);
            continue;
        }
        let next = next_record(client, rest).unwrap_or(rest.len());
        let (bad, after) = rest.split_at(next);
        let torn_last = last && after.is_empty();
        let form = match bad.first() {
            Some(b'{') if torn_last => Form::CutTail,
            Some(b'{') => Form::Cut,
            _ => Form::Garbage,
        };
        pieces.push(damage(form, bad.len()));
        rest = after;
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

fn without_nuls(bytes: &[u8]) -> &[u8] {
    let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let until = bytes.iter().rposition(|byte| *byte != 0).map_or(from, |last| last + 1);
    trim(bytes.get(from..until).unwrap_or_default())
}

/// Length of the record that `bytes` begin with.
fn whole(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
    if let Some(Ok(_)) = values.next() {
        return Some(values.byte_offset());
    }
    // Bytes that are no UTF-8 inside a text: clients read them with replacement marks, and so the record.
    let lossy = String::from_utf8_lossy(bytes);
    let is_whole = matches!(lossy, Cow::Owned(_)) && serde_json::from_str::<IgnoredAny>(&lossy).is_ok();
    is_whole.then_some(bytes.len())
}

/// Where behind what is damaged the next whole record begins.
fn next_record(client: Client, bytes: &[u8]) -> Option<usize> {
    let starts = memchr::memmem::find_iter(bytes.get(1..)?, b"{\"").map(|at| at + 1);
    starts.take(TRIES_MAX).find(|at| {
        let here = bytes.get(*at..).unwrap_or_default();
        whole(here).is_some_and(|length| is_record(client, here.get(..length).unwrap_or_default()))
    })
}

/// Tells a record from an object that is a part of one.
fn is_record(client: Client, bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marks {
        #[serde(rename = "type")]
        kind: Option<IgnoredAny>,
        session_id: Option<IgnoredAny>,
        timestamp: Option<IgnoredAny>,
        payload: Option<IgnoredAny>,
        id: Option<IgnoredAny>,
        #[serde(rename = "$set")]
        set: Option<IgnoredAny>,
    }
    let Ok(marks) = serde_json::from_slice::<Marks>(bytes) else { return false };
    match client {
        Client::ClaudeCode => marks.kind.is_some() && marks.session_id.is_some(),
        Client::Codex => marks.timestamp.is_some() && marks.kind.is_some() && marks.payload.is_some(),
        Client::Gemini => {
            marks.set.is_some() || marks.id.is_some() && marks.kind.is_some() && marks.timestamp.is_some()
        }
        Client::Opencode | Client::ClaudeDesktop => false,
    }
}

/// What is torn, as measured on the real clients: a last line or a line of its own that makes no sense is passed
/// over by the client, and its record is lost; of glued records all but the first are lost to it, and so is what
/// stands behind zero bytes on one line.
pub fn findings(patient: &Patient<'_>, pieces: &[Piece<'_>]) -> Vec<Finding> {
    let torn = |form, line, says: String, cure| Finding { kind: CrashKind::Torn, form, line, says, cure };
    if pieces.is_empty() {
        let cure = if patient.kept.is_empty() { Cure::Nobody } else { Cure::Repair };
        let kept = patient.kept.iter().any(|kept| !kept.is_empty());
        return Vec::from_iter(
            (kept || !patient.file.is_empty())
                .then(|| torn(Form::Empty, 0, "the file holds no record".to_owned(), cure)),
        );
    }
    let mut findings = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Damage { line, form, bytes } = piece else { continue };
        let record_follows = matches!(pieces.get(at + 1), Some(Piece::Record(item)) if item.line == *line);
        let (says, cure) = match form {
            Form::CutTail => {
                (format!("its last {bytes} bytes are a record that was not written to its end"), Cure::Client)
            }
            Form::Glued => (
                "another record is glued to the one before it; its client reads only the first".to_owned(),
                Cure::Repair,
            ),
            Form::Nuls if record_follows => (
                format!("{bytes} zero bytes stand before a record, which its client does not read"),
                Cure::Repair,
            ),
            Form::Nuls => (format!("{bytes} zero bytes, as a power loss leaves them"), Cure::Client),
            Form::Cut => (format!("{bytes} bytes of a record that was cut in its middle"), Cure::Repair),
            _ => (format!("{bytes} bytes that are no record"), Cure::Repair),
        };
        findings.push(torn(*form, *line, says, cure));
    }
    findings
}

pub fn changes(pieces: &[Piece<'_>]) -> Vec<Change> {
    let told = |piece: &Piece<'_>| {
        let Piece::Damage { line, form, bytes } = piece else { return None };
        let did = match form {
            Form::Glued => "gave a record that was glued to another its own line".to_owned(),
            Form::Nuls => format!("left out {bytes} zero bytes"),
            Form::CutTail => format!("dropped the torn tail, {bytes} bytes"),
            _ => format!("dropped {bytes} bytes that are no whole record"),
        };
        Some(Change { line: *line, did })
    };
    pieces.iter().filter_map(told).collect()
}
