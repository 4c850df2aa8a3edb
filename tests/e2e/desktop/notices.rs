//! What is notified and what is not: quiet hours, kinds that are switched off, restores that nobody clicked for, and
//! clicks on what an earlier SHIM had shown.

use std::time::Duration;

use shim_core::settings::Value;
use shim_standin::client::wait;

use crate::{
    host::TrayIcon,
    world::{LONG, World},
};

/// Far longer than a notification is collected.
const QUIET: Duration = Duration::from_secs(5);

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn in_quiet_hours_only_the_tray_shows_a_crash_and_their_end_sums_up() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    // The same time twice: all day.
    world.set([
        ("notices.quiet", Value::Switch(true)),
        ("notices.quiet_from", text("00:00")),
        ("notices.quiet_to", text("00:00")),
    ]);
    world.chat_killed_in_mid_answer();
    world.host.wait_for_line("1 chat crashed");
    std::thread::sleep(QUIET);
    assert_eq!(world.host.summaries(), Vec::<String>::new());

    world.set([("notices.quiet", Value::Switch(false))]);
    let note = world.host.wait_for_note("While it was quiet");
    assert_eq!(note.body, "1 chat crashed.");
    assert_eq!(note.actions, ["restore-all", "Restore all", "show", "Show", "default", "Show"]);
    std::thread::sleep(QUIET);
    assert_eq!(world.host.summaries(), ["While it was quiet"]);
}

#[test]
fn a_kind_that_is_off_is_not_told_and_a_restore_by_the_command_line_is_in_the_language_that_is_set() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    world.set([("notices.crashed", Value::Switch(false)), ("desktop.language", text("de"))]);
    let chat = world.chat_killed_in_mid_answer();
    let crash = world.wait_for_crash(&chat).id;
    wait(LONG, "the tray's icon", || (world.host.icon() == TrayIcon::Crashed).then_some(())).unwrap();
    std::thread::sleep(QUIET);
    assert_eq!(world.host.summaries(), Vec::<String>::new());

    assert!(world.shim(&["restore", &crash.to_string()]).wait_for_exit().success());
    let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
    let note = world.host.wait_for_note("„");
    assert!(note.summary.ends_with("“ ist wiederhergestellt"), "{note:?}");
    assert!(note.body.starts_with(&format!("0 Runden verloren, Prozess {}, ", back.pid)), "{note:?}");
    assert_eq!(note.actions, ["show", "Anzeigen", "default", "Anzeigen"]);
    world.assert_restored(&chat, back.pid);
}

#[test]
fn a_click_on_what_an_earlier_shim_had_shown_brings_the_chat_back_once() {
    let world = World::new();
    let mut first = world.desktop(&[]);
    world.host.wait_for_line("All well");
    let chat = world.chat_killed_in_mid_answer();
    let note = world.host.wait_for_note("Chat crashed: ");
    world.host.wait_for_line("1 chat crashed");
    world.host.click("Quit SHIM");
    assert!(first.wait_for_exit().success());

    let _second = world.desktop(&[]);
    wait(LONG, "the second SHIM", || {
        world.host.labels().iter().any(|line| line == "1 chat crashed").then_some(())
    })
    .unwrap();
    world.host.press(&note, "restore");
    let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
    world.host.wait_for_note("Restored “");
    world.assert_restored(&chat, back.pid);

    world.host.press(&note, "restore");
    std::thread::sleep(QUIET);
    assert_eq!(world.home.clients_on(&chat.session_id), [back.pid]);
    let told = world.host.summaries();
    assert_eq!(told.iter().filter(|summary| !summary.starts_with("Chat crashed: ")).count(), 1, "{told:?}");
}
