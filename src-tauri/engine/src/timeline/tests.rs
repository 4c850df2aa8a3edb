//! Pages of a timeline, read from a store.

use std::path::Path;

use serde_json::json;
use shim_store::{NewCheckpoint, Packer, Urgency};

use super::*;
use crate::{home::Home, metrics::Metrics};

const PATH: &[u8] = b"/nowhere/transcript.jsonl";

fn handle(folder: &Path) -> Handle {
    let (inputs, _) = std::sync::mpsc::channel();
    Handle::new(Arc::new(Home::open(folder).unwrap()), inputs, Metrics::default())
}

fn chat() -> ChatId {
    ChatId::new(Client::ClaudeCode, "11111111-1111-4111-8111-111111111111")
}

fn at(turn: usize) -> Timestamp {
    Timestamp::from_ms(1_795_000_000_000 + turn as i64 * 1000)
}

/// A turn in two lines, with three entries: what was asked, what was said, and the call.
fn turn(number: usize) -> String {
    let ask = json!({"type": "user", "timestamp": at(number), "uuid": format!("u{number}"),
        "message": {"role": "user", "content": format!("ask {number}")}});
    let answer = json!({"type": "assistant", "timestamp": at(number), "uuid": format!("a{number}"),
        "message": {"id": format!("m{number}"), "role": "assistant", "content": [
            {"type": "text", "text": format!("said {number}")},
            {"type": "tool_use", "id": format!("t{number}"), "name": "Bash", "input": {"command": format!("run {number}")}}]}});
    format!("{ask}\n{answer}\n")
}

/// Adds bytes to the journal, cut into pieces wherever they fall.
fn append(handle: &Handle, bytes: &[u8], piece: usize) -> (StreamId, i64) {
    let pieces: Vec<Vec<u8>> = bytes.chunks(piece).map(<[u8]>::to_vec).collect();
    let written = handle.home.store.write(Urgency::AtOnce, move |store| {
        let stream = store.stream(&chat(), "", PATH)?;
        let (mut packer, mut offset) = (Packer::default(), stream.known.bytes);
        for piece in pieces {
            store.append(stream.id, stream.generation, &packer.pack(offset, &piece)?)?;
            offset += piece.len() as u64;
        }
        Ok((stream.id, stream.generation))
    });
    written.unwrap()
}

fn put_checkpoint(handle: &Handle, stream: StreamId, turn: usize) {
    let checkpoint = NewCheckpoint {
        chat: chat(),
        at: at(turn),
        trigger: Trigger::User,
        also: Vec::new(),
        note: Some(format!("point {turn}")),
        turns: 0,
        tokens: 0,
        stream,
        generation: 1,
        offset: 0,
        head: None,
        branch: None,
        todos: Vec::new(),
    };
    handle.home.store.write(Urgency::AtOnce, move |store| store.put_checkpoint(&checkpoint)).unwrap();
}

fn texts(page: &TimelinePage) -> Vec<&str> {
    page.entries.iter().map(|entry| entry.text.as_str()).collect()
}

fn of_turn(number: usize) -> [String; 3] {
    [format!("ask {number}"), format!("said {number}"), format!("Bash run {number}")]
}

#[test]
fn pages_laid_together_are_the_whole_timeline_and_each_entry_names_the_end_of_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let handle = handle(folder.path());
    let turns: Vec<String> = (0..300).map(turn).collect();
    let bytes = turns.concat().into_bytes();
    let (stream, _) = append(&handle, &bytes, 777);
    put_checkpoint(&handle, stream, 10);
    put_checkpoint(&handle, stream, 299);

    let whole = read_page(&handle, &chat(), Some(0), u64::MAX).unwrap();
    let expected: Vec<String> = (0..300)
        .flat_map(|turn| {
            let point = matches!(turn, 10 | 299).then(|| format!("point {turn}"));
            of_turn(turn).into_iter().chain(point)
        })
        .collect();
    assert_eq!(
        (whole.from, whole.total, texts(&whole)),
        (0, 902, expected.iter().map(String::as_str).collect())
    );
    for (entry, text) in whole.entries.iter().zip(&expected) {
        let Some(point) = entry.point else {
            assert!(text.starts_with("point "), "{entry:?}");
            continue;
        };
        let end = usize::try_from(point.offset).unwrap();
        let line = bytes[..end].strip_suffix(b"\n").unwrap();
        let line = line.rsplit(|byte| *byte == b'\n').next().unwrap();
        let said = text.strip_prefix("Bash ").unwrap_or(text);
        assert!(String::from_utf8_lossy(line).contains(&format!("{said}\"")), "{said} ends at {point:?}");
    }
    for limit in [1, 7, 100, 500] {
        let mut pages = Vec::new();
        while (pages.len() as u64) < whole.total {
            pages.extend(read_page(&handle, &chat(), Some(pages.len() as u64), limit).unwrap().entries);
        }
        assert_eq!(pages, whole.entries, "pages of {limit}");
    }
    let newest = read_page(&handle, &chat(), None, 2).unwrap();
    assert_eq!((newest.from, texts(&newest)), (900, vec!["Bash run 299", "point 299"]));
    let beyond = read_page(&handle, &chat(), Some(5000), 10).unwrap();
    assert_eq!((beyond.from, beyond.total, beyond.entries.len()), (902, 902, 0));
}

#[test]
fn a_journal_that_grows_between_pages_adds_behind_them_and_a_new_generation_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let handle = handle(folder.path());
    let (first, next) = (turn(0), turn(1));
    let (torn, rest) = next.split_at(next.len() - 20);
    append(&handle, format!("{first}{torn}").as_bytes(), 100);
    let before = read_page(&handle, &chat(), Some(0), 50).unwrap();
    assert_eq!((before.total, texts(&before)), (4, vec!["ask 0", "said 0", "Bash run 0", "ask 1"]));
    let (stream, _) = append(&handle, rest.as_bytes(), 100);
    let after = read_page(&handle, &chat(), Some(before.total), 50).unwrap();
    assert_eq!((after.from, after.total, texts(&after)), (4, 6, vec!["said 1", "Bash run 1"]));

    handle.home.store.write(Urgency::AtOnce, move |store| store.begin_generation(stream)).unwrap();
    assert_eq!(read_page(&handle, &chat(), None, 50).unwrap().total, 0);
    append(&handle, turn(7).as_bytes(), 100);
    let anew = read_page(&handle, &chat(), None, 50).unwrap();
    assert_eq!(texts(&anew), of_turn(7));
    assert_eq!(anew.entries.last().unwrap().point.map(|point| point.generation), Some(2));
}

#[test]
fn a_chat_of_which_nothing_was_kept_has_an_empty_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let page = read_page(&handle(folder.path()), &chat(), None, 50).unwrap();
    assert_eq!(page, TimelinePage { from: 0, entries: Vec::new(), total: 0 });
}

#[test]
fn only_the_chats_asked_for_last_are_held() {
    let timelines = Timelines::default();
    let id = |number: usize| ChatId::new(Client::ClaudeCode, &number.to_string());
    for number in [0, 1, 2, 3, 4, 2] {
        timelines.of(&id(number));
    }
    let held: Vec<_> = timelines.held.lock().unwrap().iter().map(|held| held.chat.clone()).collect();
    assert_eq!(held, [id(3), id(4), id(2)]);
    timelines.let_go();
    assert_eq!(timelines.held.lock().unwrap().len(), CHATS_HELD_MAX);
}
