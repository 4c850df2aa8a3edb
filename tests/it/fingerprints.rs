//! Crashes that look alike are told as one: of real chats, through the command line.

use shim_standin::client::{Headless, Start};

use crate::world::{WAIT, World};

#[test]
fn crashes_that_look_alike_are_told_as_one() {
    let world = World::new();
    assert_eq!(world.json(&["crashes", "--by-fingerprint"]).as_array().map(Vec::len), Some(0));
    for project in ["one", "two"] {
        let start = Start::new(world.home.project(project).unwrap(), "@@slow 2000 0.1 1");
        let mut chat = Headless::start(&world.home, &start).unwrap();
        chat.wait_for_words(WAIT, 3).unwrap();
        world.wait_for_state(&chat.session_id, "working");
        chat.kill().unwrap();
        world.wait_for_crash(&chat.session_id);
    }
    let groups = world.json(&["crashes", "--by-fingerprint"]);
    let groups = groups.as_array().unwrap();
    let [group] = groups.as_slice() else { panic!("{groups:?}") };
    assert_eq!(
        (&group["kind"], &group["client_version"], &group["count"]),
        (&"killed".into(), &"2.1.329".into(), &2.into())
    );
    let words = group["words"].as_str().unwrap();
    assert!(words.starts_with("Claude Code 2.1.329 was killed twice "), "{words}");
    // Of one that died within seconds of its start no memory was read yet: that tells it from the other below.
    let parts = group["parts"].as_array().unwrap();
    assert_eq!(parts.iter().map(|part| part["count"].as_u64().unwrap()).sum::<u64>(), 2, "{group}");
    let picture = world.root().join("crashes.svg");
    let drawn = world.shim(&["crashes", "--chart", picture.to_str().unwrap(), "--days", "2"]);
    assert!(String::from_utf8_lossy(&drawn.stdout).starts_with("2 crashes of 2 days"), "{drawn:?}");
    let picture = std::fs::read_to_string(picture).unwrap();
    assert!(picture.contains(": killed ") && !picture.contains("var("), "{picture}");
    let table = world.shim(&["crashes", "--by-fingerprint"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains(words), "{table:?}");
}
