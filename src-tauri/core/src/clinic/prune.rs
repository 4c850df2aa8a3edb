//! Chats that are too long for the model, their compaction too: a copy with large tool results left out and, where
//! that is not enough, the oldest turns. A note at its head tells the model what is missing.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{
    Change, NewId, Refused,
    errors::{Class, course},
    links::id_from,
    pieces::Item,
    records::{Message, Part, Raw, Rec, parts, splice},
};
use crate::chats::Client;

/// A tool result longer than this is left out, in bytes.
const RESULT_BYTES_MAX: usize = 4 * 1024;
/// What the copy may weigh, in bytes of its messages: about 60 % of the smaller context window of the models in use
/// (200,000 tokens of about 4 bytes), so that there is room for the tools and for going on.
const MESSAGES_BYTES_MAX: usize = 480 * 1024;

pub fn prune(
    client: Client,
    records: &mut Vec<Rec<'_>>,
    changes: &mut Vec<Change>,
    new_id: NewId<'_>,
) -> Result<(), Refused> {
    let course = course(client, records);
    if course.run.is_none_or(|run| run.class != Class::TooLong) {
        return Ok(());
    }
    if client != Client::ClaudeCode {
        return Err(Refused::Unsupported(client.title()));
    }
    let good = course.good.ok_or(Refused::NeverAnswered)?;
    let behind = records.len() - (good + 1);
    records.truncate(good + 1);
    if behind > 0 {
        let did = format!("left out {behind} records of attempts that were refused");
        changes.push(Change { line: 0, did });
    }
    let before_summary = from_last_summary(records, changes);
    elide_results(records, changes);
    let dropped = drop_oldest(records, changes)?;
    if dropped > 0 || before_summary {
        hang_on_nothing(records);
    }
    put_note(records, dropped, new_id);
    Ok(())
}

fn weight(records: &[Rec<'_>]) -> usize {
    records.iter().filter_map(|record| record.main()).map(|head| head.message_bytes).sum()
}

/// What stands before a compaction is in the context no more.
fn from_last_summary(records: &mut Vec<Rec<'_>>, changes: &mut Vec<Change>) -> bool {
    let boundary = records.iter().rposition(|record| record.main().is_some_and(|head| head.is_boundary));
    let Some(boundary) = boundary.filter(|at| *at > 0) else { return false };
    records.drain(..boundary);
    let did = format!("left out {boundary} records before the last summary, which stands for them");
    changes.push(Change { line: 0, did });
    true
}

fn elide_results(records: &mut [Rec<'_>], changes: &mut Vec<Change>) {
    for record in records {
        if record.main().is_none_or(|head| head.results.is_empty()) {
            continue;
        }
        let line = record.item.line;
        if let Some((bytes, left_out)) = without_long_results(&record.item.bytes) {
            record.rewrite(bytes);
            let did = format!("left out {left_out} bytes of a tool's result");
            changes.push(Change { line, did });
        }
    }
}

fn without_long_results(record: &[u8]) -> Option<(Vec<u8>, usize)> {
    let raw: Raw<'_> = serde_json::from_slice(record).ok()?;
    let message: Message<'_> = serde_json::from_str(raw.message?.get()).ok()?;
    let content = message.content?;
    let (mut anew, mut left_out) = (Vec::new(), 0);
    for part in parts(Some(content)) {
        let long = serde_json::from_str::<Part<'_>>(part.get()).ok().and_then(|part| part.content);
        let long = long.filter(|content| content.get().len() > RESULT_BYTES_MAX);
        let Some(long) = long else {
            anew.push(part.get().to_owned());
            continue;
        };
        let note = format!(
            "[{} bytes of this tool's result are left out here to make room; the whole stands in the chat that this one \
             was made from.]",
            long.get().len()
        );
        let note = serde_json::to_string(&note).ok()?;
        let short = splice(part.get().as_bytes(), long.get(), &note)?;
        anew.push(String::from_utf8(short).ok()?);
        left_out += long.get().len();
    }
    if left_out == 0 {
        return None;
    }
    Some((splice(record, content.get(), &format!("[{}]", anew.join(",")))?, left_out))
}

/// Drops whole turns from the oldest on, until the rest is light enough. The last one stays, and so does a summary.
fn drop_oldest(records: &mut Vec<Rec<'_>>, changes: &mut Vec<Change>) -> Result<usize, Refused> {
    let mut dropped = 0;
    while weight(records) > MESSAGES_BYTES_MAX {
        let is_turn = |record: &Rec<'_>| record.main().is_some_and(|head| head.is_prompt);
        let mut begins = records.iter().enumerate().filter(|(_, record)| is_turn(record)).map(|(at, _)| at);
        let (Some(first), Some(second)) = (begins.next(), begins.next()) else {
            return Err(Refused::TooLongStill);
        };
        records.drain(first..second);
        dropped += 1;
    }
    if dropped > 0 {
        let did = format!("left out the oldest {dropped} turns");
        changes.push(Change { line: 0, did });
    }
    Ok(dropped)
}

/// The first record of a chain follows none.
fn hang_on_nothing(records: &mut [Rec<'_>]) {
    let Some(first) = records.iter_mut().find(|record| record.main().is_some()) else { return };
    if let Some(bytes) = super::links::with_parent(&first.item.bytes, None) {
        first.rewrite(bytes);
    }
}

/// Tells the model, before all else, what it does not see.
fn put_note(records: &mut Vec<Rec<'_>>, dropped: usize, new_id: NewId<'_>) {
    let Some(at) = records.iter().position(|record| record.main().is_some_and(|head| head.is_prompt)) else {
        return;
    };
    let Some(note) = records.get(at).and_then(|first| note_before(first, dropped, &id_from(&new_id())))
    else {
        return;
    };
    let (bytes, uuid) = note;
    if let Some(first) = records.get_mut(at)
        && let Some(anew) = super::links::with_parent(&first.item.bytes, Some(&uuid))
    {
        first.rewrite(anew);
        let item = Item { line: 0, bytes: Cow::Owned(bytes) };
        let note = super::records::read(Client::ClaudeCode, vec![item]);
        records.splice(at..at, note);
    }
}

fn note_before(first: &Rec<'_>, dropped: usize, uuid: &str) -> Option<(Vec<u8>, String)> {
    let raw: Raw<'_> = serde_json::from_slice(&first.item.bytes).ok()?;
    let parent: Value = raw.parent_uuid.and_then(|p| serde_json::from_str(p.get()).ok()).unwrap_or_default();
    let turns = match dropped {
        0 => "no turn is left out".to_owned(),
        1 => "its oldest turn is left out".to_owned(),
        many => format!("its oldest {many} turns are left out"),
    };
    let text = format!(
        "[SHIM made this chat from one that had grown too long for the model: {turns}, and so are long results of tools. \
         Ask the user for what you miss.]"
    );
    let note = json!({
        "parentUuid": parent, "isSidechain": false, "type": "user", "userType": "external", "isMeta": true,
        "message": {"role": "user", "content": text},
        "uuid": uuid, "timestamp": raw.timestamp, "sessionId": raw.session_id, "cwd": raw.cwd, "version": raw.version,
    });
    Some((note.to_string().into_bytes(), uuid.to_owned()))
}
