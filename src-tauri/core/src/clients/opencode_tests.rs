//! Rows as lines, lines as turns: what a chat of opencode is read as, and what is journaled of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Changed, Journaled, Mark, Row, Table, as_now, export, line, renamed};
use crate::{
    chats::Client,
    digest::{Digest, Reader, Turn},
    time::Timestamp,
};

const SESSION: &str = "ses_e01c4b999ffezr1YpW09JUjcQe";

fn row(table: Table, id: &str, message: &str, time_updated: i64, data: Value) -> Row {
    let columns =
        json!({ "id": id, "message_id": message, "session_id": SESSION, "time_updated": time_updated });
    let data = data.to_string();
    let mark = Mark { time_updated, bytes: data.len() as u64 };
    let columns = columns.as_object().unwrap().clone();
    Row { table, id: id.to_owned(), mark, columns, data: Some(data), role: None }
}

fn asked(number: u32, words: &str) -> Vec<Row> {
    let id = format!("msg_{number:012x}Q3333333333333");
    let text = json!({ "type": "text", "text": words });
    let mut part = row(Table::Part, &format!("prt_{number:012x}Q3333333333333"), &id, 10, text);
    part.role = Some("user".to_owned());
    vec![part, row(Table::Message, &id, &id, 10, json!({ "role": "user", "time": { "created": 10 } }))]
}

fn answer(number: u32, finish: Option<&str>, extra: Value) -> Row {
    let id = format!("msg_{number:012x}A3333333333333");
    let mut data = json!({
        "role": "assistant", "modelID": "m1", "providerID": "standin", "agent": "build",
        "path": { "cwd": "/work" }, "time": { "created": 20 },
        "tokens": { "input": 5, "output": 7, "reasoning": 1, "cache": { "read": 2, "write": 3 } },
    });
    if let Some(finish) = finish {
        data["time"]["completed"] = json!(30);
        data["finish"] = json!(finish);
    }
    for (key, value) in extra.as_object().into_iter().flatten() {
        data[key] = value.clone();
    }
    row(Table::Message, &id, &id, 30, data)
}

fn part(number: u32, data: Value) -> Row {
    let message = format!("msg_{number:012x}A3333333333333");
    let mut part = row(Table::Part, &format!("prt_{number:012x}A3333333333333"), &message, 25, data);
    part.role = Some("assistant".to_owned());
    part
}

fn bash(status: &str) -> Value {
    json!({ "type": "tool", "tool": "bash", "callID": "c1", "state": { "status": status, "input": { "command": "ls" } } })
}

fn digest(rows: &[Row]) -> Digest {
    let mut reader = Reader::new(Client::Opencode);
    let mut journaled = Journaled::default();
    for row in rows {
        reader.feed(&journaled.line(row, Timestamp::from_ms(0)));
    }
    reader.digest
}

#[test]
fn a_turn_is_a_users_message_and_all_that_answers_it() {
    let mut rows = asked(1, "hello\nworld");
    let streaming = json!({ "type": "tool", "tool": "bash", "callID": "c1", "state": { "status": "pending", "input": {} } });
    rows.extend([part(2, streaming), part(2, bash("running")), answer(2, None, json!({}))]);
    let open = digest(&rows);
    assert_eq!((open.turns, open.in_flight().len()), (0, 1));
    assert_eq!(open.in_flight()[0].input, json!({ "command": "ls" }));
    assert!(matches!(open.turn, Turn::Open { .. }));
    rows.extend([part(2, bash("completed")), answer(2, Some("tool-calls"), json!({}))]);
    assert!(matches!(digest(&rows).turn, Turn::Open { .. }), "another step follows");
    rows.extend([part(3, json!({ "type": "text", "text": "done", "time": { "start": 1, "end": 2 } }))]);
    rows.push(answer(3, Some("stop"), json!({})));
    let done = digest(&rows);
    assert_eq!((done.turns, &done.turn, done.in_flight().len()), (1, &Turn::Done, 0));
    assert_eq!(done.model.as_deref(), Some("standin/m1"));
    assert_eq!((done.cwd.as_deref(), done.permission_mode.as_deref()), (Some("/work"), Some("build")));
    assert_eq!((done.tokens, done.title()), (36, Some("hello")));
    assert_eq!(done.last_message.unwrap().uuid, "prt_000000000003");
}

#[test]
fn a_row_that_changes_after_it_was_whole_says_nothing_twice() {
    let mut rows = asked(1, "hello");
    rows.push(answer(2, Some("stop"), json!({})));
    let before = digest(&rows);
    rows.extend([rows[0].clone(), rows[1].clone(), part(2, bash("completed"))]);
    rows[3].mark.time_updated = 99;
    let late = digest(&rows[..5]);
    assert_eq!((late.turns, &late.turn, late.title()), (before.turns, &Turn::Done, before.title()));
}

#[test]
fn an_answer_that_was_stopped_or_failed_is_no_open_turn() {
    let error = |name: &str| json!({ "error": { "name": name, "data": { "message": "no" } } });
    for (extra, turn) in [
        (error("MessageAbortedError"), Turn::Interrupted),
        (error("APIError"), Turn::Failed),
        (json!({ "finish": "length" }), Turn::Done),
    ] {
        let mut rows = asked(1, "hello");
        rows.push(answer(2, Some("stop"), extra));
        assert_eq!(digest(&rows).turn, turn);
    }
}

#[test]
fn what_the_client_adds_to_a_prompt_is_not_the_users() {
    let mut rows = asked(1, "hello");
    let synthetic = json!({ "type": "text", "text": "a file", "synthetic": true });
    rows.push(Row { role: Some("user".to_owned()), ..part(1, synthetic) });
    assert_eq!(digest(&rows).title(), Some("hello"));
}

fn changed(row: &Row) -> Changed {
    let message_id = row.columns["message_id"].as_str().unwrap().to_owned();
    Changed { table: row.table, id: row.id.clone(), message_id, mark: row.mark }
}

#[test]
fn only_what_is_new_is_journaled_and_what_streams_waits() {
    let at = Timestamp::from_ms;
    let mut rows = asked(1, "hello");
    rows.extend([answer(2, None, json!({})), part(2, bash("running"))]);
    let mut journaled = Journaled::default();
    let order: Vec<_> = journaled
        .news(rows.iter().map(changed).collect(), at(0), false)
        .changed
        .into_iter()
        .map(|row| (row.table, row.id.contains('A')))
        .collect();
    let (part_, message) = (Table::Part, Table::Message);
    assert_eq!(order, [(part_, false), (message, false), (part_, true), (message, true)]);
    let lines: Vec<_> = rows.iter().flat_map(|row| journaled.line(row, at(1000))).collect();
    assert!(journaled.news(rows.iter().map(changed).collect(), at(1000), true).changed.is_empty());
    rows[3].mark.bytes += 1;
    let news = |journaled: &Journaled, ms, wholly| {
        journaled.news(rows.iter().map(changed).collect(), at(ms), wholly)
    };
    assert_eq!((news(&journaled, 1500, false).changed.len(), news(&journaled, 1500, false).waits), (0, true));
    assert_eq!(news(&journaled, 1500, true).changed.len(), 1);
    assert_eq!(news(&journaled, 2000, false).changed.len(), 1);
    // An engine that starts again knows the same from the journal.
    let mut recalled = Journaled::default();
    lines.split(|byte| *byte == b'\n').for_each(|line| recalled.note_line(line));
    assert_eq!(news(&recalled, 2000, false).changed.len(), 1);
    assert!(!recalled.lost_messages(&rows.iter().map(changed).collect::<Vec<_>>()));
    assert!(recalled.lost_messages(&[changed(&rows[1])]));
    let gone = recalled.news(rows[..3].iter().map(changed).collect(), at(3000), true).removed;
    assert_eq!(gone, [(Table::Part, rows[3].id.clone())]);
    recalled.removal(Table::Part, &rows[3].id);
    assert!(recalled.news(rows[..3].iter().map(changed).collect(), at(3000), true).removed.is_empty());
}

fn session() -> Row {
    let columns = json!({
        "id": SESSION, "slug": "a", "project_id": "global", "parent_id": null, "directory": "/work", "path": "work",
        "title": "Bananas", "version": "1.18.33", "agent": "build", "model": "{\"id\":\"m1\",\"providerID\":\"standin\"}",
        "permission": "[]", "cost": 0.0, "time_created": 1, "time_updated": 2,
    });
    let columns = columns.as_object().unwrap().clone();
    Row {
        table: Table::Session,
        id: SESSION.to_owned(),
        mark: Mark::default(),
        columns,
        data: None,
        role: None,
    }
}

#[test]
fn the_last_versions_become_what_import_reads_also_under_another_id() {
    let mut rows = vec![session()];
    rows.extend(asked(1, "hello"));
    rows.extend([answer(2, None, json!({})), answer(2, Some("stop"), json!({ "parentID": rows[2].id }))]);
    let mut journal: Vec<u8> = rows.iter().flat_map(|row| line(row, false)).collect();
    journal.extend(Journaled::default().removal(Table::Part, "prt_other"));
    let now = as_now(&journal);
    let whole = export(&now).unwrap();
    assert_eq!((whole["info"]["id"].as_str(), &whole["info"]["model"]["id"]), (Some(SESSION), &json!("m1")));
    let texts: Vec<_> =
        whole["messages"].as_array().unwrap().iter().map(|m| &m["parts"][0]["text"]).collect();
    assert_eq!(texts, [&json!("hello"), &Value::Null]);
    assert_eq!(whole["messages"][1]["info"]["finish"], "stop");
    let new = "ses_e01c4b999ffeBBBBBBBBBBBBBB";
    let fork = export(&renamed(&now, new)).unwrap();
    let text = fork.to_string();
    assert!(!text.contains(SESSION) && !text.contains("33333333333333"), "{text}");
    assert_eq!(fork["messages"][1]["info"]["parentID"], fork["messages"][0]["info"]["id"]);
    assert_eq!(fork["messages"][0]["parts"][0]["messageID"], "msg_000000000001BBBBBBBBBBBBBB");
}

#[test]
fn data_stands_in_a_line_as_the_client_wrote_it() {
    let mut odd = part(1, json!({}));
    for data in ["{\"type\":\"text\" , \"text\":\"ü\\u0000\"}", "{\"b\":1,\"a\":1e2}"] {
        odd.data = Some(data.to_owned());
        let text = String::from_utf8(line(&odd, false)).unwrap();
        assert!(text.ends_with(&format!(",\"data\":{data}}}\n")), "{text}");
    }
    for data in ["no json", "{\"a\":\n1}", ""] {
        odd.data = Some(data.to_owned());
        let text = String::from_utf8(line(&odd, false)).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((read["data"].as_str(), text.matches('\n').count()), (Some(data), 1));
    }
}

proptest! {
    #[test]
    fn no_row_of_whatever_form_stops_the_reader(data in ".{0,80}", role in "(user|assistant|x)?", kind in "(text|tool|compaction|z)") {
        let mut reader = Reader::new(Client::Opencode);
        for data in [data.clone(), format!("{{\"type\":\"{kind}\",\"text\":{data:?},\"role\":\"{role}\",\"state\":{data:?},\"time\":3}}")] {
            for table in Table::ALL {
                let mut row = row(table, "prt_1", "msg_1", 1, json!({}));
                (row.data, row.role) = (Some(data.clone()), Some(role.clone()));
                reader.feed(&line(&row, false));
            }
        }
        reader.feed(data.as_bytes());
        reader.feed(b"\n{\"table\":\"part\",\"id\":7}\n");
        as_now(data.as_bytes());
    }
}

const REAL: &[u8] = include_bytes!("../../../../tests/data/opencode/cut-and-put-back.jsonl");

#[test]
fn a_real_chat_is_read_the_same_wherever_its_bytes_are_cut() {
    let read = |cuts: &[usize]| {
        let (mut reader, mut from) = (Reader::new(Client::Opencode), 0);
        for cut in cuts.iter().chain([&REAL.len()]) {
            reader.feed(&REAL[from..*cut]);
            from = *cut;
        }
        reader.digest
    };
    let whole = read(&[]);
    assert_eq!((whole.turns, &whole.turn, whole.unreadable), (5, &Turn::Interrupted, 0));
    assert_eq!(
        (whole.title(), whole.model.as_deref()),
        (Some("I shall remember BANANA"), Some("standin/m1"))
    );
    assert_eq!(
        (whole.cwd.as_deref(), whole.version.as_deref()),
        (Some("/home/user/work/p"), Some("1.18.33"))
    );
    assert!(whole.in_flight().is_empty() && whole.last_at.is_some());
    for cut in (0..REAL.len()).step_by(977) {
        assert_eq!(read(&[cut]), whole, "cut at {cut}");
    }
    let mut journaled = Journaled::default();
    REAL.split(|byte| *byte == b'\n').for_each(|line| journaled.note_line(line));
    assert_eq!(as_now(REAL).len(), 82);
    assert!(!journaled.is_empty());
}
