//! Every way in which a client opens the talk, from the first revision of the protocol to the newest.

use serde_json::{Value, json};

use super::{TOOLS, line::Line, names, text};
use crate::world::World;

#[test]
fn every_revision_with_a_handshake_is_spoken() {
    let world = World::of_files();
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        // One that nobody knows is answered with the newest that has a handshake.
        ("2099-01-01", "2025-11-25"),
    ] {
        let mut line = Line::start(&world, world.home.folder());
        let about = json!({"name": "old", "version": "1"});
        let hello = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": about});
        let greeting = line.ask("initialize", hello)["result"].take();
        assert_eq!(greeting["protocolVersion"], agreed, "{asked}");
        assert_eq!(greeting["serverInfo"]["name"], "shim");
        assert!(greeting["instructions"].as_str().unwrap().contains("check_resume_needed"));
        line.tell("notifications/initialized");
        let listed = line.ask("tools/list", json!({}))["result"].take();
        assert_eq!(names(&listed), TOOLS, "{asked}");
        assert_eq!(listed.get("resultType"), None, "an older client does not know it");
        line.close();
    }
}

#[test]
fn the_newest_revision_needs_no_handshake() {
    let world = World::of_files();
    let mut line = Line::start(&world, world.home.folder());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "new", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = line.ask("server/discover", json!({"_meta": meta}))["result"].take();
    let versions = found["supportedVersions"].as_array().unwrap();
    assert_eq!(versions.last().and_then(Value::as_str), Some("2026-07-28"), "{found}");
    let listed = line.ask("tools/list", json!({"_meta": meta}))["result"].take();
    assert_eq!((names(&listed), &listed["resultType"]), (TOOLS.to_vec(), &json!("complete")));
    let asked = json!({"name": "check_resume_needed", "arguments": {}, "_meta": meta});
    let answer = line.ask("tools/call", asked)["result"].take();
    assert!(answer["isError"] == true && text(&answer).contains("engine does not run"), "{answer}");
    line.close();
}

/// What a client does that looks for the newest revision, is not understood, and falls back.
#[test]
fn a_probe_that_is_not_understood_leaves_the_handshake_open() {
    let world = World::of_files();
    let mut line = Line::start(&world, world.home.folder());
    let refused = line.ask("server/discover", json!({}));
    assert!(refused["error"]["code"].is_i64(), "{refused}");
    let about = json!({"name": "old", "version": "1"});
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about});
    assert_eq!(line.ask("initialize", hello)["result"]["protocolVersion"], "2025-11-25");
    line.tell("notifications/initialized");
    assert_eq!(names(&line.ask("tools/list", json!({}))["result"]), TOOLS);
    line.close();
}
