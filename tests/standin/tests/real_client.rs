//! The stand-in and the harness, proved on the real client.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;

use shim_standin::{
    client::{Headless, Start, Terminals, wait},
    requests::Answer,
};

#[path = "shared/stage.rs"]
mod stage;

use self::stage::{Stage, WAIT};

fn stage() -> Stage {
    Stage::furnished(|home, _| home)
}

#[test]
fn a_headless_chat_thinks_calls_tools_and_answers() {
    let Stage { home, standin, folder: _folder } = stage();
    let prompt = "Do as follows.\n@@think let me see\n@@text first\n\
        @@tool Bash {\"command\": \"echo one >> ran.txt\"}\n\
        @@tool Bash {\"command\": \"echo two >> ran.txt\"}\n@@also Bash {\"command\": \"echo three >> side.txt\"}\n\
        @@text it is done";
    let start = Start::new(home.project("p1").unwrap(), prompt);
    let mut chat = Headless::start(&home, &start).unwrap();
    let status = chat.wait_for_exit(WAIT).unwrap();
    assert!(status.success(), "{status} {}", chat.complaints());
    let result = chat.events().into_iter().find(|event| event["type"] == "result").unwrap();
    assert_eq!((result["result"].as_str(), result["is_error"].as_bool()), (Some("it is done"), Some(false)));
    assert_eq!(fs::read_to_string(start.cwd.join("ran.txt")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(start.cwd.join("side.txt")).unwrap(), "three\n");
    let asked = standin.requests_of(&start.session_id);
    assert_eq!(asked.len(), 3, "{:?}", asked.iter().map(|r| r.text()).collect::<Vec<_>>());
    assert!(asked.iter().all(|request| request.prompt() == prompt && request.header("x-api-key").is_none()));
    assert!(home.transcript(&start.session_id).is_some());
    assert!(home.registries().is_empty(), "a clean end leaves no registry file");
}

#[test]
fn errors_and_cuts_are_tried_again_as_often_as_the_script_says() {
    let Stage { home, standin, folder: _folder } = stage();
    let start = Start::new(home.project("p").unwrap(), "@@error 529 1\n@@cut 1\n@@text through");
    let mut chat = Headless::start(&home, &start).unwrap();
    assert!(chat.wait_for_exit(WAIT).unwrap().success());
    let answers: Vec<_> =
        standin.requests_of(&start.session_id).iter().map(|request| request.answer).collect();
    assert_eq!(
        answers,
        [Answer::Refused { status: 529 }, Answer::Broken { words: 3 }, Answer::Sent { words: 1 }],
    );
}

#[test]
fn a_slow_answer_is_seen_word_by_word_and_ends_with_its_reader() {
    let Stage { home, standin, folder: _folder } = stage();
    let start = Start::new(home.project("p").unwrap(), "@@slow 600 0.1");
    let mut chat = Headless::start(&home, &start).unwrap();
    chat.wait_for_words(WAIT, 5).unwrap();
    standin.wait_for_words(WAIT, &start.session_id, 5).unwrap();
    let registry = home.wait_for_status(WAIT, &start.session_id, "busy").unwrap();
    assert_eq!((registry.pid, home.clients_on(&start.session_id)), (chat.pid(), vec![chat.pid()]));
    chat.kill().unwrap();
    standin
        .wait_for(WAIT, |request| matches!(request.answer, Answer::Broken { words } if words >= 5))
        .unwrap();
    assert!(home.live(&start.session_id).is_none());
    assert!(registry.path.exists(), "a killed client leaves its registry file behind");
}

#[test]
fn tools_outlive_a_killed_client_and_end_with_the_home() {
    let Stage { home, standin: _standin, folder: _folder } = stage();
    let tool = "@@tool Bash {\"command\": \"echo begin > b.txt; sleep 600; echo end > e.txt\"}";
    let start = Start::new(home.project("p").unwrap(), tool);
    let mut chat = Headless::start(&home, &start).unwrap();
    wait(WAIT, "the tool to begin", || start.cwd.join("b.txt").exists().then_some(())).unwrap();
    chat.kill().unwrap();
    let orphans = home.tools_of(&start.session_id);
    assert!(orphans.iter().any(|orphan| orphan.args.concat().contains("sleep")), "{orphans:?}");
    drop(home);
    assert!(orphans.iter().all(|orphan| !shim_standin::client::is_alive(orphan.pid)));
}

#[test]
fn a_chat_in_a_terminal_asks_nothing_before_it_works() {
    let Stage { home, standin, folder: _folder } = stage();
    let terminals = Terminals::new(&home);
    let start = Start::new(home.project("päth with space").unwrap(), "");
    terminals.start(&start).unwrap();
    let shown = || terminals.screen(&start.session_id).unwrap_or_default();
    let registry = home.wait_for_status(WAIT, &start.session_id, "idle");
    let registry = registry.unwrap_or_else(|error| panic!("{error}\n{}", shown()));
    terminals.type_text(&start.session_id, "hello there").unwrap();
    wait(WAIT, "the typed words to show", || shown().contains("hello there").then_some(())).unwrap();
    terminals.press(&start.session_id, &["Enter"]).unwrap();
    standin.wait_for(WAIT, |request| request.prompt() == "hello there").unwrap();
    wait(WAIT, "the answer to show", || shown().contains("You said: hello there").then_some(()))
        .unwrap_or_else(|error| panic!("{error}\n{}", shown()));
    home.wait_for_status(WAIT, &start.session_id, "idle").unwrap();
    terminals.close().unwrap();
    wait(WAIT, "the client to end with its terminal", || {
        (!shim_standin::client::is_alive(registry.pid)).then_some(())
    })
    .unwrap();
}
