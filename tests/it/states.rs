//! What a chat in a terminal is doing, as SHIM shows it: working, waiting for a permission, idle, ended.

use shim_standin::client::{Start, Terminals, wait};

use crate::world::{WAIT, World, id};

#[test]
fn each_state_of_a_chat_in_a_terminal_is_shown() {
    let world = World::new();
    let cwd = world.home.project("asks").unwrap();
    let ask = "Please\n@@slow 30 0.1 first\n@@tool Bash {\"command\": \"touch made\", \"description\": \"make\"}\n@@text done";
    let start = Start { permission_mode: "default".to_owned(), ..Start::new(&cwd, ask) };
    let terminals = Terminals::new(&world.home);
    terminals.start(&start).unwrap();
    let chat = &start.session_id;
    let working = world.wait_for_state(chat, "working");
    assert_eq!(working["client"], "claude-code");
    let waiting = world.wait_for_state(chat, "waiting");
    assert_eq!(waiting["pid"], working["pid"]);
    assert!(!cwd.join("made").exists(), "nobody allowed it yet");
    terminals.press(chat, &["Enter"]).unwrap();
    world.wait_for_state(chat, "idle");
    // The registry may say so a moment before the transcript's last bytes are read.
    wait(WAIT, "the turn to be counted", || (world.chat(chat)["turns"] == 1).then_some(())).unwrap();
    assert_eq!(world.chat(chat)["title"], "Please");
    terminals.type_text(chat, "/exit").unwrap();
    terminals.press(chat, &["Enter"]).unwrap();
    let ended = world.wait_for_state(chat, "ended");
    assert_eq!((&ended["id"], &ended["pid"]), (&id(chat).into(), &serde_json::Value::Null));
    assert!(world.crashes_of(chat).is_empty());
}
