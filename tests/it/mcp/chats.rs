//! The real Claude Code calls the tools from within its chats, and SHIM knows which chat it is without being told.

use serde_json::{Value, json};
use shim_standin::{
    Request,
    client::{Headless, Start, Terminals, wait},
};

use super::{CUT_COMMAND, TOOLS, cut_chat, register};
use crate::world::{WAIT, World, id};

const CHECK: &str = "@@tool mcp__shim__check_resume_needed {}";
const KEEP: &str = "@@tool mcp__shim__shim_checkpoint {\"note\": \"from within\"}";

/// The JSON that the model was given as the result of its last tool call.
fn last_result(request: &Request) -> Value {
    let blocks = request.messages().iter().filter_map(|message| message["content"].as_array()).flatten();
    let result = blocks.rev().find(|block| block["type"] == "tool_result").expect("a tool was called");
    let text = result["content"].as_str().or_else(|| result["content"][0]["text"].as_str());
    serde_json::from_str(text.unwrap_or_default()).unwrap_or_else(|_| result.clone())
}

/// The request that brings the model the result of the `number`th call of this script.
fn after_call(world: &World, session_id: &str, asked: u64, results: usize) -> Request {
    let has = |request: &Request| {
        let part = shim_standin::script::part(request.messages());
        request.session_id() == Some(session_id) && request.number > asked && part.results >= results
    };
    world.standin.wait_for(WAIT, has).unwrap_or_else(|error| panic!("{error}\n{}", world.log()))
}

/// Types a message and sends it once the client shows it: until then it is still drawing, and Enter would be lost.
fn say(terminals: &Terminals<'_>, window: &str, text: &str) {
    terminals.type_text(window, text).unwrap();
    wait(WAIT, "the client to show what was typed", || {
        let screen = terminals.screen(window).unwrap();
        let line = screen.lines().rfind(|line| line.starts_with('❯'))?;
        line.contains(text).then_some(())
    })
    .unwrap();
    terminals.press(window, &["Enter"]).unwrap();
}

#[test]
fn a_model_calls_the_tools_and_its_own_chat_is_meant() {
    let world = World::new();
    register(&world);
    let cwd = world.home.project("p").unwrap();
    // Another live chat of the same directory, so that the directory alone would not tell.
    let other = Start::new(&cwd, "@@slow 2000 0.2");
    let _other = Headless::start(&world.home, &other).unwrap();
    world.wait_for_state(&other.session_id, "working");
    let start = Start::new(&cwd, format!("Look\n{CHECK}\n{KEEP}\n@@text seen"));
    let mut chat = Headless::start(&world.home, &start).unwrap();
    let status = chat.wait_for_exit(WAIT).unwrap();
    assert!(status.success(), "{status}: {}", chat.complaints());

    let first = after_call(&world, &start.session_id, 0, 0);
    let offered: Vec<_> = first.body["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    for tool in TOOLS {
        assert!(offered.contains(&&json!(format!("mcp__shim__{tool}"))), "{tool}: {offered:?}");
    }
    assert!(
        first.body.to_string().contains("SHIM keeps this chat alive"),
        "the instructions reach the model"
    );
    let check = last_result(&after_call(&world, &start.session_id, 0, 1));
    assert_eq!(check["chat"]["id"], id(&start.session_id), "{check}");
    assert_eq!((&check["recognised_by"], &check["resume_needed"]), (&json!("process"), &json!(false)));
    let taken = last_result(&after_call(&world, &start.session_id, 0, 2));
    assert_eq!(taken["chat"], id(&start.session_id), "{taken}");
    let kept = world.json(&["checkpoints", &id(&start.session_id)]);
    let kept = kept.as_array().unwrap().iter().find(|point| point["id"] == taken["checkpoint"]["number"]);
    assert_eq!(kept.unwrap()["note"], "from within");
    let others = world.json(&["checkpoints", &id(&other.session_id)]);
    assert!(others.as_array().unwrap().iter().all(|point| point["note"] != "from within"), "{others}");
}

/// The client's environment names the chat it was started with; after `/clear` it holds another.
#[test]
fn after_a_clear_the_new_chat_is_meant() {
    let world = World::new();
    register(&world);
    let cwd = world.home.project("p").unwrap();
    let start = Start::new(&cwd, "Hello\n@@text hello");
    let (terminals, window) = (Terminals::new(&world.home), &start.session_id);
    terminals.start(&start).unwrap();
    wait(WAIT, "the turn to be over", || (world.chat(window)["turns"] == 1).then_some(())).unwrap();
    let first = world.wait_for_state(window, "idle");
    say(&terminals, window, "/clear");
    let second = wait(WAIT, "a new chat in the same process", || {
        let chats = world.json(&["chats"]);
        let new = |chat: &&Value| chat["pid"] == first["pid"] && chat["id"] != first["id"];
        chats.as_array().unwrap().iter().find(new).cloned()
    })
    .unwrap();
    let asked = world.asked();
    say(&terminals, window, CHECK);
    let session = second["session_id"].as_str().unwrap();
    let check = last_result(&after_call(&world, session, asked, 1));
    assert_eq!(
        (&check["chat"]["id"], &check["recognised_by"]),
        (&second["id"], &json!("process")),
        "{check}"
    );
}

#[test]
fn a_restored_chat_is_told_what_was_in_flight_until_it_has_dealt_with_it() {
    let world = World::new();
    register(&world);
    let cwd = world.home.project("p").unwrap();
    let chat = cut_chat(&world, &cwd);
    let receipt = world.restore(&id(&chat), &[]);
    assert_eq!(receipt["ok"], true, "{receipt}");
    let terminals = Terminals::new(&world.home);
    let window = terminals.open().pop().expect("the restore opened a window");
    let ask = |results| {
        world.home.wait_for_status(WAIT, &chat, "idle").unwrap();
        let asked = world.asked();
        say(&terminals, &window, CHECK);
        last_result(&after_call(&world, &chat, asked, results))
    };
    let check = ask(1);
    assert_eq!((&check["chat"]["id"], &check["resume_needed"]), (&json!(id(&chat)), &json!(true)), "{check}");
    assert!(check["last_crash"]["in_flight"][0]["input"].as_str().unwrap().contains(CUT_COMMAND), "{check}");
    assert_eq!(
        (&check["restored"]["receipt"], &check["restored"]["turns_lost"]),
        (&receipt["id"], &json!(0))
    );
    assert!(check["what_to_do"].as_str().unwrap().contains("took effect"), "{check}");
    wait(WAIT, "the turn to be counted", || (world.chat(&chat)["turns"] == 1).then_some(())).unwrap();
    let check = ask(1);
    assert_eq!((&check["resume_needed"], &check["turns_since"]), (&json!(false), &json!(1)), "{check}");
}

/// A model may ask to have its own chat restored: it is alive, and nothing happens.
#[test]
fn a_live_chat_is_not_restored_from_within() {
    let world = World::new();
    register(&world);
    let cwd = world.home.project("p").unwrap();
    let mut start = Start::new(&cwd, "");
    let input = json!({"target": start.session_id, "dry_run": false, "headless": true});
    start.prompt = format!("Go\n@@tool mcp__shim__shim_restore {input}\n@@text so be it");
    let mut chat = Headless::start(&world.home, &start).unwrap();
    let pid = chat.pid();
    let told = after_call(&world, &start.session_id, 0, 1).text();
    assert!(told.contains("Refused") && told.contains(&pid.to_string()), "{told}");
    assert!(chat.wait_for_exit(WAIT).unwrap().success());
}

#[test]
fn the_prompt_tells_a_chat_that_goes_on_what_was_cut() {
    let world = World::new();
    register(&world);
    let cwd = world.home.project("p").unwrap();
    let mut start = Start::new(&cwd, "/mcp__shim__resume");
    start.session_id = cut_chat(&world, &cwd);
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    assert!(chat.wait_for_exit(WAIT).unwrap().success(), "{}", chat.complaints());
    let prompt = world.standin.requests_of(&start.session_id).last().unwrap().prompt();
    for words in ["This chat was cut", CUT_COMMAND, "Do not repeat"] {
        assert!(prompt.contains(words), "{words}: {prompt}");
    }
}
