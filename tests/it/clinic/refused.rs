//! Chats that the model's API refuses turn after turn: poisoned ones, and ones too long to go on.

use std::fs;

use serde_json::{Value, json};
use shim_standin::{
    client::{Signal, send, wait},
    rules::Rules,
};

use super::{STRICT, Sample, go_on, said};
use crate::world::{WAIT, World, id};

/// What poisons a chat for the real client, which copes with much: it sends these as they are.
fn poisons(sample: &Sample) -> Vec<(&'static str, Vec<u8>)> {
    let (call, result) = (sample.line("assistant", "echo out-3"), sample.line("user", "\"out-3"));
    let gamma = sample.line("assistant", "GAMMA");
    let change = |at: usize, change: fn(&mut Value)| {
        sample.with(at, |line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            change(&mut record["message"]["content"]);
            format!("{record}\n").into_bytes()
        })
    };
    vec![
        (
            "words before a result",
            change(result, |content| {
                content.as_array_mut().unwrap().insert(0, json!({"type": "text", "text": "words"}));
            }),
        ),
        ("an input that is no object", change(call, |content| content[0]["input"] = json!("raw"))),
        ("a name that is none", change(call, |content| content[0]["name"] = json!("Ba sh!"))),
        (
            "an unknown part",
            change(gamma, |content| content.as_array_mut().unwrap().push(json!({"type": "hologram"}))),
        ),
    ]
}

#[test]
fn a_poisoned_chat_fails_is_noticed_and_its_repaired_copy_goes_on() {
    let mut world = World::new();
    let sample = Sample::play(&world);
    world.standin.hold_to(STRICT);
    for (name, bytes) in poisons(&sample) {
        let (session_id, path) = sample.plant(&world, &bytes);
        for prompt in ["and then?", "please"] {
            assert!(!go_on(&world, &sample.cwd, &session_id, prompt).1, "{name}: the API takes it");
        }
        let crash = world.wait_for_crash(&session_id);
        assert_eq!(crash["kind"], json!("poisoned"), "{name}: {crash}");
        let before = fs::read(&path).unwrap();
        let rehearsal = world.restore(&session_id, &["--headless", "--dry-run"]);
        assert!(rehearsal["ok"] == json!(true) && rehearsal["fork_of"] == Value::Null, "{name}: {rehearsal}");
        let receipt = world.restore(&session_id, &["--headless"]);
        assert_eq!(
            (&receipt["ok"], &receipt["fork_of"]),
            (&json!(true), &json!(id(&session_id))),
            "{name}: {receipt}"
        );
        assert_eq!(fs::read(&path).unwrap(), before, "{name}: the original stays as it is");
        assert_eq!(world.crashes_of(&session_id)[0]["resolved"], json!(true), "{name}");
        let copy = receipt["chat"].as_str().unwrap().split_once(':').unwrap().1.to_owned();
        for pid in world.home.clients_on(&copy) {
            send(pid, Signal::TERM);
        }
        wait(WAIT, "the copy's client to end", || world.home.clients_on(&copy).is_empty().then_some(()))
            .unwrap();
        let (request, answered) = go_on(&world, &sample.cwd, &copy, "@@text DELTA");
        assert!(answered, "{name}: {request:?}");
        let request = request.unwrap();
        for words in ["ALPHA", "BETA", "GAMMA"] {
            assert!(said(&request).contains(words), "{name}: {words} is lost: {}", request.text());
        }
        assert!(request.text().contains("and then?"), "{name}: what was asked stays");
    }
    assert!(world.stop_shim().success());
}

#[test]
fn where_no_cause_is_known_the_copy_ends_with_the_last_good_answer() {
    let world = World::new();
    let sample = Sample::play(&world);
    for prompt in ["@@error 400", "again\n@@error 400"] {
        assert!(!go_on(&world, &sample.cwd, &sample.session_id, prompt).1);
    }
    assert_eq!(world.wait_for_crash(&sample.session_id)["kind"], json!("poisoned"));
    let copy = super::repaired(&world, &sample.session_id);
    let (request, answered) = go_on(&world, &sample.cwd, &copy, "@@text DELTA");
    let request = request.unwrap();
    assert!(answered && said(&request).contains("GAMMA"), "{}", request.text());
    assert!(!request.text().contains("@@error"), "{}", request.text());
    // An answer in the chat itself ends it as well.
    assert!(go_on(&world, &sample.cwd, &sample.session_id, "@@text EPSILON").1);
    wait(WAIT, "the crash to be history", || {
        (world.crashes_of(&sample.session_id)[0]["resolved"] == json!(true)).then_some(())
    })
    .unwrap();
}

#[test]
fn a_chat_too_long_for_its_own_compaction_goes_on_in_a_shorter_copy() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let long = |n: u32| format!("question {n} {}\n@@text answer-{n}", "lorem ipsum ".repeat(9_000));
    let session_id = world.finished_chat(&cwd, &long(0));
    for n in 1..7 {
        assert!(go_on(&world, &cwd, &session_id, &long(n)).1);
    }
    // Nothing is short enough: the client's own compaction is refused as well.
    world.standin.hold_to(Rules { well_formed: true, bytes_max: Some(2_000) });
    for prompt in ["and?", "/compact", "and then?"] {
        go_on(&world, &cwd, &session_id, prompt);
    }
    let crash = world.wait_for_crash(&session_id);
    assert_eq!(crash["kind"], json!("compaction_deadlock"), "{crash}");
    let copy = super::repaired(&world, &session_id);
    // What the copy may weigh, and the client's own notes.
    world.standin.hold_to(Rules { well_formed: true, bytes_max: Some(600 * 1024) });
    let (request, answered) = go_on(&world, &cwd, &copy, "@@text DELTA");
    assert!(answered, "{}", world.log());
    let request = request.unwrap();
    assert!(
        said(&request).contains("answer-6") && !said(&request).contains("answer-0"),
        "{}",
        said(&request)
    );
    assert!(request.text().contains("turns are left out"), "the model is told");
    assert_eq!(world.standin.requests_of(&copy).len(), 1, "the client had no need to shorten it further");
}
