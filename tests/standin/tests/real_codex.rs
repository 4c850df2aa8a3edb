//! The stand-in's Responses API and the harness, proved on the real Codex CLI.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;

use shim_standin::{
    client::{Codex, CodexStart, Signal, Terminals, wait},
    requests::Answer,
};

#[path = "shared/stage.rs"]
mod stage;

use self::stage::{Stage, WAIT};

fn stage() -> Stage {
    Stage::furnished(|home, api| home.with_codex(api).unwrap())
}

#[test]
fn codex_thinks_calls_tools_and_answers() {
    let Stage { home, standin, folder: _folder } = stage();
    let prompt = "Do as follows.\n@@think let me see\n@@text first\n\
        @@tool exec_command {\"cmd\": \"echo one >> ran.txt\"}\n\
        @@tool exec_command {\"cmd\": \"echo two >> ran.txt\"}\n@@also exec_command {\"cmd\": \"echo three > side.txt\"}\n\
        @@text it is done";
    let start = CodexStart::new(home.codex_project("p1").unwrap(), prompt);
    let id = Codex::play(&home, &start, WAIT).unwrap();
    assert_eq!(fs::read_to_string(start.cwd.join("ran.txt")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(start.cwd.join("side.txt")).unwrap(), "three\n");
    let asked = standin.requests_of(&id);
    assert_eq!(asked.len(), 3, "{:?}", asked.iter().map(|r| r.text()).collect::<Vec<_>>());
    assert!(
        asked.iter().all(|request| request.prompt() == prompt && request.header("authorization").is_none())
    );
    assert!(fs::read_to_string(home.rollout(&id).unwrap()).unwrap().contains("it is done"));
    assert!(!home.codex_lock(&id).exists(), "a clean end leaves no lock behind");
}

#[test]
fn a_killed_codex_leaves_its_lock_and_its_tool_behind() {
    let Stage { home, standin, folder: _folder } = stage();
    let cwd = home.codex_project("p").unwrap();
    let tool = "@@tool exec_command {\"cmd\": \"echo begin > b.txt; sleep 600; echo end > e.txt\", \"yield_time_ms\": 600000}";
    let mut chat = Codex::start(&home, &CodexStart::new(&cwd, tool), WAIT).unwrap();
    wait(WAIT, "the tool to begin", || cwd.join("b.txt").exists().then_some(())).unwrap();
    chat.signal(Signal::KILL);
    chat.launcher.wait_for_exit(WAIT).unwrap();
    assert!(home.codex_lock(&chat.thread_id).exists());
    assert_eq!(home.codex_on(&chat.thread_id), Vec::<u32>::new());
    let left = home.tools_of(&chat.thread_id);
    assert!(left.iter().any(|tool| tool.args.concat().contains("sleep")), "{left:?}");
    let again = CodexStart::new(&cwd, "@@error 500 1\n@@text through").resuming(&chat.thread_id);
    assert_eq!(Codex::play(&home, &again, WAIT).unwrap(), chat.thread_id);
    let answers: Vec<_> = standin.requests_of(&chat.thread_id).iter().map(|request| request.answer).collect();
    assert_eq!(answers[1..], [Answer::Refused { status: 500 }, Answer::Sent { words: 1 }]);
}

#[test]
fn codex_in_a_terminal_asks_nothing_before_it_works() {
    let Stage { home, standin, folder: _folder } = stage();
    let terminals = Terminals::new(&home);
    let cwd = home.codex_project("päth with space").unwrap();
    terminals.run("w", &cwd, &[], &[home.codex().to_string_lossy().into_owned()]).unwrap();
    let shown = || terminals.screen("w").unwrap_or_default();
    wait(WAIT, "the client to be ready", || shown().contains("? for shortcuts").then_some(()))
        .unwrap_or_else(|error| panic!("{error}\n{}", shown()));
    terminals.type_text("w", "hello there").unwrap();
    wait(WAIT, "the typed words to show", || shown().contains("hello there").then_some(())).unwrap();
    terminals.press("w", &["Enter"]).unwrap();
    standin.wait_for(WAIT, |request| request.prompt() == "hello there").unwrap();
    wait(WAIT, "the answer to show", || shown().contains("You said: hello there").then_some(()))
        .unwrap_or_else(|error| panic!("{error}\n{}", shown()));
    assert!(!home.codex_home().join("app-server-daemon").exists(), "no background server was started");
    terminals.close().unwrap();
}
