//! Servers without an engine, and many of them on one that goes and comes back.

use serde_json::json;

use super::{TOOLS, line::Line, names, text};
use crate::world::World;

/// As many chats as a person may have open.
const SERVERS: usize = 20;

#[test]
fn without_an_engine_each_tool_says_what_to_do() {
    let world = World::of_files();
    let mut line = Line::greeted(&world, world.home.folder(), "claude-code");
    assert_eq!(names(&line.ask("tools/list", json!({}))["result"]), TOOLS);
    for tool in TOOLS {
        let arguments = if tool == "shim_restore" { json!({"target": "1"}) } else { json!({}) };
        let answer = line.call(tool, arguments);
        assert_eq!(answer["isError"], true, "{answer}");
        for words in ["engine does not run", "`shim run`", "go on with your work"] {
            assert!(text(&answer).contains(words), "{tool}: {answer}");
        }
    }
    let refused = line.ask("prompts/get", json!({"name": "resume"}));
    assert!(refused["error"]["message"].as_str().unwrap().contains("engine does not run"), "{refused}");
    line.close();
    assert!(!world.shim_home.join("shim.db").exists(), "a server opens no data of its own");
}

#[test]
fn twenty_servers_share_one_engine_and_find_it_again_when_it_was_killed() {
    let mut world = World::of_files();
    world.start_shim();
    let cwd = world.home.folder().to_owned();
    let mut lines: Vec<_> = (0..SERVERS).map(|_| Line::greeted(&world, &cwd, "claude-code")).collect();
    let answered = |lines: &mut Vec<Line>| {
        let calls = lines.iter_mut().map(|line| line.call("check_resume_needed", json!({})));
        calls.filter(|answer| answer["isError"] == false).count()
    };
    assert_eq!(answered(&mut lines), SERVERS);
    world.kill_shim();
    assert_eq!(answered(&mut lines), 0);
    // None of them holds the data folder's lock.
    world.start_shim();
    assert_eq!(answered(&mut lines), SERVERS);
    // All at once: every question is out before the first answer is read.
    std::thread::scope(|scope| {
        let asking = lines.iter_mut().map(|line| scope.spawn(|| line.call("check_resume_needed", json!({}))));
        let asking: Vec<_> = asking.collect();
        for asked in asking {
            assert_eq!(asked.join().unwrap()["isError"], false);
        }
    });
    lines.into_iter().for_each(Line::close);
}
