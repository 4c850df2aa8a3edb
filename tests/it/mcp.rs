//! `shim mcp`: the protocol's own clients and four real ones list its tools and call them; every handshake there is; many
//! servers at once; an engine that goes and comes back.

mod bundle;
mod chats;
mod codex;
mod engine;
mod gemini;
mod handshakes;
mod line;
mod opencode;
mod sdk;

use std::{fs, path::Path};

use serde_json::{Value, json};
use shim_standin::client::{Headless, Start, wait};

use crate::world::{WAIT, World};

const TOOLS: [&str; 5] = [
    "check_resume_needed",
    "shim_get_crash_risk",
    "shim_checkpoint",
    "shim_list_checkpoints",
    "shim_restore",
];

const CUT_COMMAND: &str = "echo begin > b.txt; sleep 600; echo end > e.txt";

/// A chat that dies while a tool runs; gives its id.
fn cut_chat(world: &World, cwd: &Path) -> String {
    let input = json!({ "command": CUT_COMMAND });
    let start = Start::new(cwd, format!("Work\n@@tool Bash {input}\n@@text it went"));
    let mut chat = Headless::start(&world.home, &start).unwrap();
    wait(WAIT, "the tool to begin and be written down", || {
        let file = fs::read(world.home.transcript(&start.session_id)?).ok()?;
        let written = String::from_utf8_lossy(&file).contains("\"type\":\"tool_use\"");
        (written && cwd.join("b.txt").exists()).then_some(())
    })
    .unwrap();
    world.wait_for_state(&start.session_id, "working");
    chat.kill().unwrap();
    world.wait_for_crash(&start.session_id);
    start.session_id
}

/// Registers SHIM's server with Claude Code for this home, as its settings file has it.
fn register(world: &World) {
    let file = world.home.folder().join(".claude.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    settings["mcpServers"]["shim"] = json!({
        "type": "stdio", "command": world.program, "args": ["mcp", "--home", world.shim_home], "env": {},
        "alwaysLoad": true,
    });
    fs::write(&file, serde_json::to_vec_pretty(&settings).unwrap()).unwrap();
}

fn names(listed: &Value) -> Vec<&str> {
    listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// The text of a tool's answer.
fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}
