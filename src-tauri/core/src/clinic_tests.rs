//! Every form of ailing, found and mended; and whatever else a disk may do to a file.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Cure, Finding, Form, Patient, Refused, Repaired, examine, links::RESULT_GONE, repair};
use crate::{
    chats::Client,
    crashes::CrashKind,
    digest::{Digest, Reader},
};

const SESSION: &str = "00000000-0000-4000-8000-000000000001";

fn record(uuid: &str, parent: Option<&str>, kind: &str, message: &Value) -> String {
    json!({"parentUuid": parent, "isSidechain": false, "type": kind, "message": message, "uuid": uuid,
           "timestamp": "2026-11-20T10:00:00.000Z", "sessionId": SESSION, "cwd": "/p", "version": "2.1.329"})
    .to_string()
}

fn says(uuid: &str, parent: Option<&str>, text: &str) -> String {
    record(uuid, parent, "user", &json!({"role": "user", "content": text}))
}

fn answers(uuid: &str, parent: &str, part: &Value, stop: &str) -> String {
    let message = json!({"id": format!("msg_{}", &uuid[..2]), "role": "assistant", "content": [part], "stop_reason": stop});
    record(uuid, Some(parent), "assistant", &message)
}

fn calls(uuid: &str, parent: &str, id: &str) -> String {
    let part = json!({"type": "tool_use", "id": id, "name": "Bash", "input": {"command": "x"}});
    answers(uuid, parent, &part, "tool_use")
}

fn result(uuid: &str, parent: &str, id: &str, said: &str) -> String {
    let part = json!({"type": "tool_result", "tool_use_id": id, "content": said});
    record(uuid, Some(parent), "user", &json!({"role": "user", "content": [part]}))
}

fn refused(uuid: &str, parent: &str, said: &str) -> String {
    let message = json!({"model": "<synthetic>", "content": [{"type": "text", "text": said}], "stop_reason": "stop_sequence"});
    let mut record: Value = serde_json::from_str(&record(uuid, Some(parent), "assistant", &message)).unwrap();
    record["isApiErrorMessage"] = json!(true);
    record.to_string()
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

/// Three turns; the second has two calls at once, as the client chains them.
fn chat() -> Vec<String> {
    vec![
        json!({"type": "queue-operation", "operation": "enqueue", "sessionId": SESSION}).to_string(),
        says("u1", None, "first"),
        answers("a1", "u1", &text("ALPHA"), "end_turn"),
        says("u2", Some("a1"), "second"),
        calls("b1", "u2", "toolu_1"),
        calls("b1+", "b1", "toolu_2"),
        result("r2", "b1+", "toolu_2", "out-2"),
        result("r1", "b1", "toolu_1", "out-1"),
        answers("c1", "r1", &text("BETA"), "end_turn"),
        says("u3", Some("c1"), "third"),
        calls("d1", "u3", "toolu_3"),
        result("r3", "d1", "toolu_3", "out-3"),
        answers("e1", "r3", &text("GAMMA"), "end_turn"),
        json!({"type": "cost-state", "sessionId": SESSION, "total": 1}).to_string(),
    ]
}

fn file(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

fn ill(bytes: &[u8], kept: &[Vec<u8>]) -> (Vec<Finding>, Result<Repaired, Refused>) {
    let patient = Patient { client: Client::ClaudeCode, file: bytes, kept };
    let mut number = 0;
    let mut new_id = || {
        number += 1;
        format!("new-{number}")
    };
    (examine(&patient), repair(&patient, &mut new_id))
}

fn forms(findings: &[Finding]) -> Vec<(Form, Cure)> {
    findings.iter().map(|finding| (finding.form, finding.cure)).collect()
}

fn digest(bytes: &[u8]) -> Digest {
    let mut reader = Reader::new(Client::ClaudeCode);
    reader.feed(bytes);
    reader.digest
}

/// Without line `at`; the line is what `instead` makes of it.
fn with(at: usize, instead: impl FnOnce(&str) -> Vec<u8>) -> Vec<u8> {
    let lines = chat();
    let damaged = instead(&lines[at]);
    [file(&lines[..at]), damaged, file(&lines[at + 1..])].concat()
}

fn cut(line: &str, length: usize) -> Vec<u8> {
    [&line.as_bytes()[..length], b"\n"].concat()
}

#[test]
fn a_whole_transcript_is_not_ailing() {
    let (findings, repaired) = ill(&file(&chat()), &[]);
    assert_eq!((findings, repaired), (vec![], Err(Refused::Healthy)));
    let same = [file(&chat())];
    assert_eq!(ill(&file(&chat()), &same).0, []);
    // A last record that only lacks its line feed is whole, and a call that was just made has no result yet.
    let mut open = chat();
    open.extend([says("u4", Some("e1"), "fourth"), calls("f1", "u4", "toolu_4")]);
    let mut bytes = file(&open);
    bytes.pop();
    assert_eq!(ill(&bytes, &[]).0, []);
}

/// A form: its name, the file, what is found, and how many turns are left.
type Row = (&'static str, Vec<u8>, Vec<(Form, Cure)>, u64);

#[test]
fn every_form_is_found_and_mended() {
    let lines = chat();
    let glued = |at: usize| {
        let joined = format!("{}{}\n", lines[at], lines[at + 1]);
        [file(&lines[..at]), joined.into_bytes(), file(&lines[at + 2..])].concat()
    };
    let swapped = |at: usize, from: &str, to: &str| {
        with(at, |line| format!("{}\n", line.replace(from, to)).into_bytes())
    };
    let rows: Vec<Row> = vec![
        (
            "cut tail",
            [file(&lines[..12]), lines[12].as_bytes()[..90].to_vec()].concat(),
            vec![(Form::CutTail, Cure::Client)],
            2,
        ),
        ("NUL tail", [file(&lines), vec![0; 4096]].concat(), vec![(Form::Nuls, Cure::Client)], 3),
        (
            "NULs before a record",
            with(8, |l| [&[0; 64][..], l.as_bytes(), b"\n"].concat()),
            vec![(Form::Nuls, Cure::Repair)],
            3,
        ),
        ("glued", glued(8), vec![(Form::Glued, Cure::Repair)], 3),
        (
            "garbage line",
            with(13, |l| format!("garbage {{{{\n{l}\n").into_bytes()),
            vec![(Form::Garbage, Cure::Repair)],
            3,
        ),
        (
            "cut, then glued",
            with(8, |l| [&l.as_bytes()[..60], lines[9].as_bytes(), b"\n"].concat()),
            vec![
                (Form::Cut, Cure::Repair),
                (Form::ParentMissing, Cure::Client),
                (Form::ParentMissing, Cure::Client),
                (Form::Twice, Cure::Client),
            ],
            2,
        ),
        ("missing parent", with(8, |_| Vec::new()), vec![(Form::ParentMissing, Cure::Client)], 2),
        (
            "cut result",
            with(11, |l| cut(l, 100)),
            vec![
                (Form::ResultMissing, Cure::Repair),
                (Form::Cut, Cure::Repair),
                (Form::ParentMissing, Cure::Client),
            ],
            3,
        ),
        (
            "cut call",
            with(10, |l| cut(l, 100)),
            vec![
                (Form::Cut, Cure::Repair),
                (Form::ParentMissing, Cure::Client),
                (Form::CallMissing, Cure::Client),
            ],
            3,
        ),
        ("result of one of two gone", with(6, |_| Vec::new()), vec![(Form::ResultMissing, Cure::Repair)], 3),
        (
            "circle",
            swapped(1, "\"parentUuid\":null", "\"parentUuid\":\"e1\""),
            vec![(Form::Circle, Cure::Client)],
            3,
        ),
        (
            "own parent",
            swapped(8, "\"parentUuid\":\"r1\"", "\"parentUuid\":\"c1\""),
            vec![(Form::Circle, Cure::Client)],
            3,
        ),
        ("twice", with(8, |l| format!("{l}\n{l}\n").into_bytes()), vec![(Form::Twice, Cure::Client)], 3),
    ];
    for (name, bytes, expected, turns) in rows {
        let (findings, repaired) = ill(&bytes, &[]);
        assert_eq!(forms(&findings), expected, "{name}: {findings:?}");
        assert!(findings.iter().all(|finding| finding.kind == CrashKind::Torn));
        let repaired = repaired.unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert!(ill(&repaired.bytes, &[]).0.iter().all(|left| left.form == Form::CallMissing), "{name}");
        assert_eq!(
            digest(&repaired.bytes).turns,
            turns,
            "{name}: {}",
            String::from_utf8_lossy(&repaired.bytes)
        );
        assert!(!repaired.changes.is_empty(), "{name}");
    }
}

#[test]
fn a_lost_result_is_told_as_unknown_and_what_hung_on_it_hangs_on_it() {
    let repaired = ill(&with(11, |line| cut(line, 100)), &[]).1.unwrap();
    let text = String::from_utf8(repaired.bytes).unwrap();
    let result = text.lines().find(|line| line.contains(RESULT_GONE)).unwrap();
    let result: Value = serde_json::from_str(result).unwrap();
    assert_eq!((&result["uuid"], &result["parentUuid"]), (&json!("r3"), &json!("d1")));
    assert!(text.contains(&chat()[12]), "the answer behind it is as it was");
}

#[test]
fn what_the_journal_holds_is_put_back_as_it_was() {
    let (lines, kept) = (chat(), [file(&chat())]);
    let rows = [
        ("cut in the middle", with(8, |line| cut(line, 70))),
        ("garbage instead", with(8, |_| b"xx\n".to_vec())),
        ("a record gone", with(8, |_| Vec::new())),
        (
            "NULs over two records",
            [file(&lines[..8]), vec![0; 600], b"\n".to_vec(), file(&lines[10..])].concat(),
        ),
        ("cut short between lines", file(&lines[..9])),
        ("cut short in a line", [file(&lines[..9]), lines[9].as_bytes()[..40].to_vec()].concat()),
        ("empty", Vec::new()),
    ];
    for (name, bytes) in rows {
        let (findings, repaired) = ill(&bytes, &kept);
        assert!(findings.iter().any(|finding| finding.cure == Cure::Repair), "{name}: {findings:?}");
        assert_eq!(
            String::from_utf8(repaired.unwrap().bytes).unwrap(),
            String::from_utf8(kept[0].clone()).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn what_came_after_the_damage_stays_beside_what_the_journal_holds() {
    let (lines, kept) = (chat(), [file(&chat())]);
    let new = [says("u9", Some("a1"), "after"), answers("e9", "u9", &text("OMEGA"), "end_turn")];
    let bytes = [file(&lines[..3]), b"{\"parentUu\n".to_vec(), file(&new)].concat();
    let repaired = ill(&bytes, &kept).1.unwrap();
    assert_eq!(repaired.bytes, [file(&lines), file(&new)].concat());
}

#[test]
fn a_file_that_was_written_anew_stays_as_it_is() {
    let kept = [file(&chat())];
    let new = [says("u9", None, "anew"), answers("e9", "u9", &text("OMEGA"), "end_turn")];
    assert_eq!(ill(&file(&new), &kept).0, []);
    let rewound = [&chat()[..4], &new[..]].concat();
    assert_eq!(ill(&file(&rewound), &kept).0, []);
}

#[test]
fn nothing_is_made_of_nothing() {
    assert_eq!(ill(b"", &[]).1, Err(Refused::Healthy));
    assert_eq!(ill(b"no record at all\n", &[]).1, Err(Refused::Nothing));
    assert_eq!(ill(&[0; 100], &[]).1, Err(Refused::Nothing));
}

fn poisoned(tool: &str) -> Vec<String> {
    let mut lines = chat();
    for number in 4..6 {
        let (asked, parent) =
            (format!("u{number}"), if number == 4 { "e1".to_owned() } else { "x4".to_owned() });
        lines.push(says(&asked, Some(&parent), "and then?"));
        lines.push(refused(&format!("x{number}"), &asked, tool));
    }
    lines
}

#[test]
fn one_refusal_is_no_ailment_and_an_answer_ends_them() {
    let lines = poisoned("API Error: 400 due to tool use concurrency issues.");
    assert_eq!(ill(&file(&lines[..16]), &[]).0, []);
    let answered =
        [&lines[..], &[says("u7", Some("x5"), "?"), answers("e7", "u7", &text("yes"), "end_turn")]].concat();
    assert_eq!(ill(&file(&answered), &[]).0, []);
    let passing = poisoned("API Error: 529 Overloaded");
    assert_eq!(ill(&file(&passing), &[]).0, []);
    assert_eq!(digest(&file(&lines)).refusals.map(|refusals| refusals.count), Some(2));
    assert_eq!(digest(&file(&answered)).refusals, None);
}

#[test]
fn a_poisoned_chat_of_unknown_cause_goes_back_to_its_last_good_answer() {
    let lines = poisoned("API Error: 400 orphaned tool_result in conversation history.");
    let (findings, repaired) = ill(&file(&lines), &[]);
    assert_eq!(
        (findings[0].kind, findings[0].form, findings[0].line),
        (CrashKind::Poisoned, Form::Refused, 16)
    );
    assert_eq!(repaired.unwrap().bytes, file(&lines[..13]));
    let never = [
        says("u1", None, "first"),
        refused("x1", "u1", "API Error: 400 messages: roles must alternate"),
        says("u2", Some("x1"), "?"),
        refused("x2", "u2", "API Error: 400 messages: roles must alternate"),
    ];
    assert_eq!(ill(&file(&never), &[]).1, Err(Refused::NeverAnswered));
}

#[test]
fn a_cause_that_is_known_is_mended_and_no_turn_is_lost() {
    let concurrency = "API Error: 400 due to tool use concurrency issues.";
    let unknown = "API Error: 400 messages.5: Input tag 'hologram' found using 'type' does not match any of the expected tags";
    let part = |at: usize, from: &str, to: &str, said: &str| {
        let mut lines = poisoned(said);
        assert!(lines[at].contains(from), "{}", lines[at]);
        lines[at] = lines[at].replace(from, to);
        file(&lines)
    };
    for (name, bytes, form, mended) in [
        (
            "words before a result",
            part(11, r#""content":[{"#, r#""content":[{"type":"text","text":"hm"},{"#, concurrency),
            Form::Misordered,
            r#"out-3","tool_use_id":"toolu_3","type":"tool_result"},{"type":"text","text":"hm"}"#,
        ),
        (
            "input that is no object",
            part(
                10,
                r#"{"command":"x"}"#,
                r#""raw""#,
                "API Error: 400 input: Input should be a valid dictionary",
            ),
            Form::BadCall,
            r#""input":{"input":"raw"}"#,
        ),
        (
            "a name that is none",
            part(10, r#""Bash""#, r#""Ba sh!""#, "API Error: 400 name: String should match pattern"),
            Form::BadCall,
            r#""name":"Ba_sh_""#,
        ),
        (
            "a part of an unknown kind",
            part(
                12,
                r#"{"text":"GAMMA","type":"text"}"#,
                r#"{"type":"text","text":"GAMMA"},{"type":"hologram"}"#,
                unknown,
            ),
            Form::BadPart,
            "“hologram” stood here",
        ),
    ] {
        let (findings, repaired) = ill(&bytes, &[]);
        assert!(findings.iter().any(|finding| finding.form == form), "{name}: {findings:?}");
        let text = String::from_utf8(repaired.unwrap().bytes).unwrap();
        assert!(text.contains(mended), "{name}: {text}");
        assert!(!text.contains("isApiErrorMessage"), "{name}");
        assert_eq!(text.matches("and then?").count(), 2, "{name}: what was asked stays");
        assert!(text.contains("GAMMA"), "{name}");
    }
    // A kind that nobody refused is carried along.
    let news = part(
        12,
        r#"{"text":"GAMMA","type":"text"}"#,
        r#"{"text":"GAMMA","type":"text"},{"type":"hologram"}"#,
        concurrency,
    );
    assert!(String::from_utf8(ill(&news, &[]).1.unwrap().bytes).unwrap().contains("hologram"));
}

#[test]
fn a_chat_that_is_too_long_loses_long_results_first_and_then_its_oldest_turns() {
    let long = |turns: usize, result_bytes: usize, words: usize| {
        let mut lines = vec![];
        let mut parent: Option<String> = None;
        for n in 0..turns {
            let id = |part: &str| format!("{part}{n:03}");
            lines.push(says(&id("u"), parent.as_deref(), &format!("ask {n} {}", "w ".repeat(words))));
            lines.push(calls(&id("b"), &id("u"), &id("toolu_")));
            lines.push(result(&id("r"), &id("b"), &id("toolu_"), &"y".repeat(result_bytes)));
            lines.push(answers(&id("e"), &id("r"), &text(&format!("said {n}")), "end_turn"));
            parent = Some(id("e"));
        }
        for n in 0..2 {
            let asked = format!("z{n}");
            lines.push(says(&asked, parent.as_deref(), "more"));
            lines.push(refused(&format!("y{n}"), &asked, "Prompt is too long"));
            parent = Some(format!("y{n}"));
        }
        file(&lines)
    };
    let (findings, repaired) = ill(&long(10, 100_000, 1), &[]);
    assert_eq!((findings[0].kind, findings[0].form), (CrashKind::CompactionDeadlock, Form::TooLong));
    let all = repaired.unwrap();
    assert_eq!(digest(&all.bytes).turns, 10, "results alone were too long");
    assert!(all.bytes.len() < 40_000 && String::from_utf8_lossy(&all.bytes).contains("no turn is left out"));
    let some = ill(&long(10, 100, 50_000), &[]).1.unwrap();
    let text = String::from_utf8(some.bytes.clone()).unwrap();
    assert!(text.contains("said 9") && !text.contains("said 0") && text.contains("turns are left out"));
    assert!((1..10).contains(&digest(&some.bytes).turns) && some.bytes.len() < 600_000);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["parentUuid"], Value::Null);
    assert_eq!(ill(&long(1, 100, 500_000), &[]).1, Err(Refused::TooLongStill));
}

#[test]
fn other_clients_lines_are_mended_too() {
    let codex: Vec<String> = (0..4)
        .map(|n| json!({"timestamp": "2026-11-20T10:00:00Z", "ordinal": n, "type": "event_msg", "payload": {"type": "x"}}).to_string())
        .collect();
    let gemini: Vec<String> = (0..4)
        .map(|n| {
            json!({"id": n.to_string(), "timestamp": "2026-11-20T10:00:00Z", "type": "user", "content": "x"})
                .to_string()
        })
        .collect();
    for (client, lines) in [(Client::Codex, codex), (Client::Gemini, gemini)] {
        let damaged =
            [file(&lines[..1]), lines[1].as_bytes()[..20].to_vec(), file(&lines[2..3]), vec![0; 50]].concat();
        for (kept, expected) in
            [(vec![], file(&[&lines[..1], &lines[2..3]].concat())), (vec![file(&lines)], file(&lines))]
        {
            let patient = Patient { client, file: &damaged, kept: &kept };
            assert_eq!(repair(&patient, &mut String::new).unwrap().bytes, expected, "{client:?}");
        }
    }
    let patient = Patient { client: Client::Opencode, file: b"x", kept: &[] };
    assert_eq!(repair(&patient, &mut String::new), Err(Refused::Unsupported("opencode")));
}

/// What a disk or a kill may do to a file.
#[derive(Clone, Debug)]
enum Harm {
    Cut(prop::sample::Index),
    Nuls(prop::sample::Index, usize),
    Drop(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Glue(prop::sample::Index),
    Repeat(prop::sample::Index, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        at().prop_map(Harm::Cut),
        (at(), 1..600_usize).prop_map(|(at, bytes)| Harm::Nuls(at, bytes)),
        (at(), 1..900_usize).prop_map(|(at, bytes)| Harm::Drop(at, bytes)),
        (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        at().prop_map(Harm::Glue),
        (at(), 1..900_usize).prop_map(|(at, bytes)| Harm::Repeat(at, bytes)),
    ]
}

fn harmed(mut bytes: Vec<u8>, harm: &Harm) -> Vec<u8> {
    let length = bytes.len();
    if length == 0 {
        return bytes;
    }
    let until = |from: usize, many: usize| (from + many).min(length);
    match harm {
        Harm::Cut(at) => bytes.truncate(at.index(length)),
        Harm::Nuls(at, many) => bytes[at.index(length)..until(at.index(length), *many)].fill(0),
        Harm::Drop(at, many) => drop(bytes.drain(at.index(length)..until(at.index(length), *many))),
        Harm::Insert(at, more) => {
            drop(bytes.splice(at.index(length)..at.index(length), more.iter().copied()))
        }
        Harm::Glue(at) => {
            let ends: Vec<_> = (0..length).filter(|at| bytes[*at] == b'\n').collect();
            if !ends.is_empty() {
                bytes.remove(ends[at.index(ends.len())]);
            }
        }
        Harm::Repeat(at, many) => {
            let again = bytes[at.index(length)..until(at.index(length), *many)].to_vec();
            bytes.splice(at.index(length)..at.index(length), again);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happened_to_a_file_it_is_mended_or_refused(harms in prop::collection::vec(harm(), 1..4), bad in any::<bool>()) {
        let lines = if bad { poisoned("API Error: 400 due to tool use concurrency issues.") } else { chat() };
        let whole = file(&lines);
        let damaged = harms.iter().fold(whole.clone(), harmed);
        for kept in [vec![], vec![whole.clone()]] {
            let (findings, repaired) = ill(&damaged, &kept);
            let Ok(repaired) = repaired else { continue };
            prop_assert!(!findings.is_empty());
            // Mended once, mended for good.
            let again = ill(&repaired.bytes, &[]).0;
            prop_assert!(again.iter().all(|finding| finding.cure != Cure::Repair), "{:?}", again);
            prop_assert_eq!(std::str::from_utf8(&repaired.bytes).is_ok() || std::str::from_utf8(&damaged).is_err(), true);
        }
    }

    #[test]
    fn any_bytes_at_all_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = ill(&bytes, &[]);
        let _ = ill(&bytes, &[file(&chat())]);
    }
}
