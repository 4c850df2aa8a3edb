//! The real Gemini CLI calls the tools from within its chats. It tells a server nothing of the chat: the process that
//! started the server does.

use std::fs;

use serde_json::{Value, json};
use shim_standin::client::{Gemini, GeminiStart};

use crate::world::{WAIT, World};

const KEEP: &str = "@@tool mcp_shim_shim_checkpoint {\"note\": \"from within\"}";

/// A world in which Gemini knows SHIM's server, as its settings have it.
fn world() -> World {
    let mut world = World::furnished(|home, api| home.with_gemini(api).unwrap());
    let path = world.home.gemini_home().join("settings.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    settings["mcpServers"]["shim"] =
        json!({"command": world.program, "args": ["mcp", "--home", world.shim_home]});
    fs::write(path, settings.to_string()).unwrap();
    world.start_shim();
    world
}

#[test]
fn geminis_own_chat_is_meant() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    // Another live chat of the same directory, so that the directory alone would not tell.
    let other = Gemini::start(&world.home, &GeminiStart::new(&cwd, "@@slow 2000 0.2"), WAIT).unwrap();
    let other_id = format!("gemini:{}", other.session_id);
    world.wait_for_state(&other_id, "working");
    let start = GeminiStart::new(&cwd, format!("Look\n@@text looking\n{KEEP}\n@@text seen"));
    Gemini::play(&world.home, &start, WAIT).unwrap();
    let noted = |chat: &str| {
        let kept = world.json(&["checkpoints", chat]);
        kept.as_array().unwrap().iter().filter(|point| point["note"] == "from within").count()
    };
    assert_eq!((noted(&format!("gemini:{}", start.session_id)), noted(&other_id)), (1, 0));
}
