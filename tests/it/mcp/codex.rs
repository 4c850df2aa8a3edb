//! The real Codex calls the tools from within its chats. It tells a server nothing in the environment: each request names
//! the chat.

use std::{fs::File, io::Write};

use serde_json::{Value, json};
use shim_standin::client::{Codex, CodexStart};

use crate::world::{WAIT, World};

const KEEP: &str = "@@tool mcp__shim__shim_checkpoint {\"note\": \"from within\"}";

/// A world in which Codex knows SHIM's server, as its settings have it.
fn world() -> World {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    let config = world.home.codex_home().join("config.toml");
    let text = |value: Value| serde_json::to_string(&value).unwrap();
    let (program, args) = (text(json!(world.program)), text(json!(["mcp", "--home", world.shim_home])));
    let mut config = File::options().append(true).open(config).unwrap();
    writeln!(config, "\n[mcp_servers.shim]\ncommand = {program}\nargs = {args}").unwrap();
    world.start_shim();
    world
}

/// What the chat's model was given as the results of its tool calls.
fn results(world: &World, thread_id: &str) -> Vec<Value> {
    let asked = world.standin.requests_of(thread_id);
    let items = asked.last().expect("the model was asked").items();
    let outputs = items.iter().filter(|item| item["type"] == "function_call_output");
    let json = |item: &Value| {
        let text = item["output"].as_str().unwrap_or_default();
        let start = text.find('{').unwrap_or_else(|| panic!("no JSON: {item}"));
        serde_json::from_str(&text[start..]).unwrap_or_else(|error| panic!("{error}: {item}"))
    };
    outputs.map(json).collect()
}

#[test]
fn codex_names_its_chat_in_each_request() {
    let world = world();
    let cwd = world.home.codex_project("p").unwrap();
    // Another live chat of the same directory, so that the directory alone would not tell.
    let other = Codex::start(&world.home, &CodexStart::new(&cwd, "@@slow 2000 0.2"), WAIT).unwrap();
    world.wait_for_state(&format!("codex:{}", other.thread_id), "working");
    let script = format!("Look\n@@tool mcp__shim__check_resume_needed {{}}\n{KEEP}\n@@text seen");
    let thread = Codex::play(&world.home, &CodexStart::new(&cwd, script), WAIT).unwrap();
    let id = format!("codex:{thread}");
    let results = results(&world, &thread);
    assert_eq!(
        (&results[0]["chat"]["id"], &results[0]["recognised_by"]),
        (&json!(id), &json!("request")),
        "{results:?}"
    );
    assert_eq!(results[1]["chat"], id, "{results:?}");
    let noted = |chat: &str| {
        let kept = world.json(&["checkpoints", chat]);
        kept.as_array().unwrap().iter().filter(|point| point["note"] == "from within").count()
    };
    assert_eq!((noted(&id), noted(&format!("codex:{}", other.thread_id))), (1, 0));
}
