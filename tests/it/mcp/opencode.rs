//! The real opencode calls the tools from within its chats. It tells a server nothing of the chat: the process that
//! started the server does.

use std::fs;

use serde_json::{Value, json};
use shim_standin::client::{Opencode, OpencodeStart};

use crate::world::{WAIT, World};

const KEEP: &str = "@@tool shim_shim_checkpoint {\"note\": \"from within\"}";

/// A world in which opencode knows SHIM's server, as its settings have it.
fn world() -> World {
    let mut world = World::furnished(|home, api| home.with_opencode(api).unwrap());
    let path = world.home.opencode_settings();
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let command = json!([world.program, "mcp", "--home", world.shim_home]);
    settings["mcp"]["shim"] = json!({"type": "local", "command": command});
    fs::write(path, settings.to_string()).unwrap();
    world.start_shim();
    world
}

#[test]
fn opencodes_own_chat_is_meant() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    // Another live chat of the same directory, so that the directory alone would not tell.
    let other = Opencode::start(&world.home, &OpencodeStart::new(&cwd, "@@slow 2000 0.2")).unwrap();
    let other_id = format!("opencode:{}", other.wait_for_session(WAIT).unwrap());
    world.wait_for_state(&other_id, "working");
    let start = OpencodeStart::new(&cwd, format!("Look\n@@text looking\n{KEEP}\n@@text seen"));
    let id = format!("opencode:{}", Opencode::play(&world.home, &start, WAIT).unwrap());
    let noted = |chat: &str| {
        let kept = world.json(&["checkpoints", chat]);
        kept.as_array().unwrap().iter().filter(|point| point["note"] == "from within").count()
    };
    assert_eq!((noted(&id), noted(&other_id)), (1, 0), "{}", world.json(&["chats"]));
}
