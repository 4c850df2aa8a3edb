//! The chain of Claude Code's records: each names the one before it. Records whose predecessor is gone are hung on
//! the one before them in the file, which is what the client itself does (measured on 2.1.329); a call whose result is
//! gone gets one that says so, since the client would hide the call, and a model that does not know of it may repeat it.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde_json::json;

use super::{
    Change, Cure, Finding, Form, NewId,
    pieces::Item,
    records::{Raw, Rec, splice},
};
use crate::{crashes::CrashKind, digest::sha256};

/// What stands for a result that is gone.
pub const RESULT_GONE: &str = "[The result of this tool call was lost when the chat's file was damaged: its outcome is unknown. \
     Check whether it took effect before you run it again.]";

/// Where each record hangs.
struct Chain {
    /// Number of the record before each; none for the first of a chain.
    parents: Vec<Option<usize>>,
    /// Records whose predecessor is not in the file.
    orphans: Vec<usize>,
    circles: Vec<usize>,
}

impl Chain {
    fn read(records: &[Rec<'_>]) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            if let Some(head) = &record.head {
                places.insert(&head.uuid, at);
            }
        }
        let (mut parents, mut orphans, mut last) = (vec![None; records.len()], Vec::new(), None);
        for (at, record) in records.iter().enumerate() {
            let Some(head) = &record.head else { continue };
            if let (Some(wanted), Some(slot)) = (&head.parent, parents.get_mut(at)) {
                *slot = places.get(wanted.as_str()).copied();
                if slot.is_none() {
                    *slot = last;
                    orphans.push(at);
                }
            }
            if !head.sidechain {
                last = Some(at);
            }
        }
        let circles = circles(&mut parents);
        Self { parents, orphans, circles }
    }

    /// The records that lead to the last one, itself among them.
    fn to_last(&self, records: &[Rec<'_>]) -> Vec<bool> {
        let mut on = vec![false; records.len()];
        let spoken = |record: &Rec<'_>| {
            record.main().is_some_and(|head| matches!(head.kind.as_str(), "user" | "assistant" | "system"))
        };
        let mut at = records.iter().rposition(spoken);
        while let Some(here) = at {
            match on.get_mut(here) {
                Some(seen) if !*seen => *seen = true,
                _ => break,
            }
            at = self.parents.get(here).copied().flatten();
        }
        on
    }
}

/// Finds circles and opens each where it closes.
fn circles(parents: &mut [Option<usize>]) -> Vec<usize> {
    let (mut done, mut found) = (vec![false; parents.len()], Vec::new());
    for start in 0..parents.len() {
        let (mut path, mut at) = (HashSet::new(), Some(start));
        while let Some(here) = at.filter(|here| !done.get(*here).copied().unwrap_or(true)) {
            path.insert(here);
            at = parents.get(here).copied().flatten();
            if at.is_some_and(|next| path.contains(&next)) {
                // The earliest of the circle is where it begins.
                let first = earliest(parents, here);
                found.push(first);
                if let Some(slot) = parents.get_mut(first) {
                    *slot = None;
                }
                at = None;
            }
        }
        for here in path {
            if let Some(seen) = done.get_mut(here) {
                *seen = true;
            }
        }
    }
    found
}

fn earliest(parents: &[Option<usize>], of: usize) -> usize {
    let (mut first, mut at) = (of, parents.get(of).copied().flatten());
    while let Some(here) = at.filter(|here| *here != of) {
        first = first.min(here);
        at = parents.get(here).copied().flatten();
    }
    first
}

fn torn(form: Form, line: u64, says: String, cure: Cure) -> Finding {
    Finding { kind: CrashKind::Torn, form, line, says, cure }
}

pub fn findings(records: &[Rec<'_>]) -> Vec<Finding> {
    let chain = Chain::read(records);
    let line = |at: usize| records.get(at).map_or(0, |record| record.item.line);
    let mut findings = Vec::new();
    for at in &chain.orphans {
        let says = "the record before it is gone; its client goes on with the one above it".to_owned();
        findings.push(torn(Form::ParentMissing, line(*at), says, Cure::Client));
    }
    for at in &chain.circles {
        let says = "records follow one another in a circle; its client opens it by itself".to_owned();
        findings.push(torn(Form::Circle, line(*at), says, Cure::Client));
    }
    for at in twice(records) {
        let says = "the same record stands twice; its client reads one".to_owned();
        findings.push(torn(Form::Twice, line(at), says, Cure::Client));
    }
    for (at, id) in results_missing(records, &chain) {
        let says = format!("the call {id} has no result though the chat went on; its client hides the call");
        findings.push(torn(Form::ResultMissing, line(at), says, Cure::Repair));
    }
    for (at, id) in calls_missing(records) {
        let says = format!("a result of the call {id}, which is not there; its client passes it over");
        findings.push(torn(Form::CallMissing, line(at), says, Cure::Client));
    }
    findings
}

/// Records that stand in the file before, byte for byte.
fn twice(records: &[Rec<'_>]) -> Vec<usize> {
    let mut seen: HashMap<&str, &[u8]> = HashMap::new();
    let mut found = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let Some(head) = &record.head else { continue };
        match seen.get(head.uuid.as_str()) {
            Some(before) if *before == record.item.bytes.as_ref() => found.push(at),
            Some(_) => {}
            None => drop(seen.insert(&head.uuid, &record.item.bytes)),
        }
    }
    found
}

/// Calls without a result on the way to the last record, of answers that are not the last.
fn results_missing(records: &[Rec<'_>], chain: &Chain) -> Vec<(usize, String)> {
    let on_the_way = chain.to_last(records);
    let heads = || records.iter().enumerate().filter_map(|(at, record)| Some((at, record.main()?)));
    let answered: HashSet<&str> =
        heads().flat_map(|(_, head)| head.results.iter().map(String::as_str)).collect();
    let messages: HashSet<&str> = heads()
        .filter(|(at, _)| on_the_way.get(*at).copied().unwrap_or(false))
        .filter_map(|(_, head)| head.message_id.as_deref())
        .collect();
    let last_spoken = heads().rfind(|(_, head)| head.is_prompt || head.kind == "assistant");
    let last_message = last_spoken.and_then(|(_, head)| head.message_id.as_deref());
    let mut missing = Vec::new();
    for (at, head) in heads() {
        let goes_on = head.message_id.as_deref().is_none_or(|id| Some(id) != last_message);
        let meant = on_the_way.get(at).copied().unwrap_or(false)
            || head.message_id.as_deref().is_some_and(|id| messages.contains(id));
        if goes_on && meant {
            let open = head.calls.iter().filter(|call| !answered.contains(call.id.as_str()));
            missing.extend(open.map(|call| (at, call.id.clone())));
        }
    }
    missing
}

fn calls_missing(records: &[Rec<'_>]) -> Vec<(usize, String)> {
    let heads = || records.iter().enumerate().filter_map(|(at, record)| Some((at, record.main()?)));
    let called: HashSet<&str> =
        heads().flat_map(|(_, head)| head.calls.iter().map(|call| call.id.as_str())).collect();
    let stray = |(at, head): (usize, &super::records::Head)| {
        let id = head.results.iter().find(|id| !called.contains(id.as_str()))?;
        Some((at, id.clone()))
    };
    heads().filter_map(stray).collect()
}

/// Mends the chain. What hangs on a lost result is hung on the one that stands for it.
pub fn mend(records: &mut Vec<Rec<'_>>, changes: &mut Vec<Change>, new_id: NewId<'_>) {
    for at in twice(records).into_iter().rev() {
        let record = records.remove(at);
        changes.push(Change { line: record.item.line, did: "left out a record that stood twice".to_owned() });
    }
    let missing = results_missing(records, &Chain::read(records));
    for (at, call) in missing.into_iter().rev() {
        let line = records.get(at).map_or(0, |record| record.item.line);
        let place = behind_its_answer(records, at);
        let id = lost_child(records, place).unwrap_or_else(&mut *new_id);
        if let Some(result) = stand_in(records, at, &call, &id) {
            records.insert(place, result);
            let did = format!("put a result that says “outcome unknown” behind the call {call}");
            changes.push(Change { line, did });
        }
    }
    relink(records, changes);
}

/// The place behind the last record of the same answer and of its results.
fn behind_its_answer(records: &[Rec<'_>], call: usize) -> usize {
    let answer = records.get(call).and_then(|record| record.main()?.message_id.clone());
    let mut place = call + 1;
    for (at, record) in records.iter().enumerate().skip(call + 1) {
        match record.main() {
            Some(head) if answer.is_some() && head.message_id == answer || !head.results.is_empty() => {
                place = at + 1
            }
            Some(_) => break,
            None => {}
        }
    }
    place
}

/// The id that the next records look for and do not find.
fn lost_child(records: &[Rec<'_>], from: usize) -> Option<String> {
    let uuids: HashSet<&str> =
        records.iter().filter_map(|record| Some(record.head.as_ref()?.uuid.as_str())).collect();
    let parent = records.iter().skip(from).find_map(|record| record.main())?.parent.as_ref()?;
    (!uuids.contains(parent.as_str())).then(|| parent.clone())
}

fn stand_in<'a>(records: &[Rec<'a>], call_at: usize, call: &str, uuid: &str) -> Option<Rec<'a>> {
    let record = records.get(call_at)?;
    let raw: Raw<'_> = serde_json::from_slice(&record.item.bytes).ok()?;
    let result = json!({
        "parentUuid": raw.uuid, "isSidechain": false, "type": "user", "userType": "external",
        "message": {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call, "is_error": true, "content": RESULT_GONE}
        ]},
        "uuid": uuid, "timestamp": raw.timestamp, "sessionId": raw.session_id, "cwd": raw.cwd, "version": raw.version,
    });
    let item = Item { line: 0, bytes: Cow::Owned(result.to_string().into_bytes()) };
    super::records::read(crate::chats::Client::ClaudeCode, vec![item]).pop()
}

/// Hangs records whose predecessor is gone on the one before them, and opens circles.
pub fn relink(records: &mut [Rec<'_>], changes: &mut Vec<Change>) {
    let chain = Chain::read(records);
    for at in chain.orphans.iter().chain(&chain.circles) {
        let before = chain.parents.get(*at).copied().flatten();
        let before = before.and_then(|at| records.get(at)?.head.as_ref().map(|head| head.uuid.clone()));
        let Some(record) = records.get_mut(*at) else { continue };
        let line = record.item.line;
        if let Some(bytes) = with_parent(&record.item.bytes, before.as_deref()) {
            record.rewrite(bytes);
            changes.push(Change { line, did: "hung a record on the one before it".to_owned() });
        }
    }
}

/// A record that follows another one, or begins a chain.
pub fn with_parent(record: &[u8], parent: Option<&str>) -> Option<Vec<u8>> {
    let raw: Raw<'_> = serde_json::from_slice(record).ok()?;
    let anew = serde_json::to_string(&parent).ok()?;
    splice(record, raw.parent_uuid?.get(), &anew)
}

/// A name that follows from what it names, in the form of the client's own.
pub fn id_from(text: &str) -> String {
    let hash = sha256(text);
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
