//! What a person does with the whole of it: many chats at once, an engine that dies under an open window, a change of
//! a client's settings that is looked at, made and taken back.

use std::{fs, time::Duration};

use serde_json::json;
use shim_api::settings::SettingsChange;
use shim_core::settings::Value;
use shim_standin::client::{Signal, send, wait};

use crate::{
    webdriver,
    world::{LONG, World},
};

/// What a page says while no engine answers.
const DOWN: &str = "[data-testid=engine-down]";

#[test]
fn the_first_start_opens_the_window_and_those_after_the_welcome_do_not() {
    let world = World::fresh();
    let mut desktop = world.desktop(&[]);
    world.screen.wait_for_window("SHIM");
    world.host.wait_for_line("All well");
    let change = [("desktop.welcomed".to_owned(), Some(Value::Switch(true)))].into();
    world.engine().change_settings(&SettingsChange { changes: change, text: None }).unwrap();
    world.host.click("Quit SHIM");
    assert!(desktop.wait_for_exit().success());

    let _again = world.desktop(&[]);
    world.host.wait_for_line("All well");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(world.web_views(), 0);
}

#[test]
fn restore_all_in_the_tray_brings_back_all_that_died() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    let chats = [world.chat_killed_in_mid_answer(), world.chat_killed_in_mid_tool()];
    world.host.wait_for_line("2 chats crashed");

    world.host.wait_for_line("Restore 2 chats");
    world.host.click("Restore 2 chats");
    let note = world.host.wait_for_note("2 of 2 chats brought back");
    assert_eq!(note.body, "Each has a receipt.");
    for chat in &chats {
        let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
        world.assert_restored(chat, back.pid);
    }
    world.host.wait_for_line("All well, 2 chats live");
}

#[test]
fn the_window_tells_that_the_engine_died_and_goes_on_with_the_next() {
    let world = World::new();
    let window = world.window(&["--show", "/chats"], webdriver::Theme::Light);
    let chat =
        wait(LONG, "the engine", || world.find_engine()).map(|_| world.chat_killed_in_mid_answer()).unwrap();
    let row = format!("[data-testid=chat-row][data-chat='claude-code:{}']", chat.session_id);
    window.wait_for_text(&row, "wedges");

    // It may be told of for a moment only: a new engine is there within a second.
    window.run(
        "window.told = []; new MutationObserver(() => told.push(...[...document.querySelectorAll(arguments[0])]
            .map((notice) => notice.innerText))).observe(document.body, {childList: true, subtree: true})",
        &json!([DOWN]),
    );
    let first = world.engine().file.pid;
    assert!(send(first, Signal::KILL));
    wait(LONG, "another engine", || world.find_engine().filter(|engine| engine.file.pid != first)).unwrap();
    let told = wait(LONG, "word of it", || {
        let told = window.run("return told.join()", &json!([])).to_string();
        told.contains("The engine is down").then_some(())
    });
    assert!(told.is_ok(), "the page told nothing of the engine's death");
    wait(LONG, "the end of that word", || (window.count(DOWN) == 0).then_some(())).unwrap();

    world.host.wait_for_line("1 chat crashed");
    window.click("[data-testid=nav-crashes]");
    window.click("[data-testid=crash-row] [data-testid=restore-button]");
    let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
    world.assert_restored(&chat, back.pid);
    world.quit_desktop(window);
}

#[test]
fn the_doctor_shows_a_change_makes_it_and_takes_it_back() {
    let world = World::new();
    let _engine = world.run_engine();
    let file = world.home.folder().join(".claude/settings.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "{\n  // mine\n  \"model\": \"opus\"\n}\n").unwrap();
    let before = fs::read(&file).unwrap();
    let offer = |part: &str| format!("[data-testid=offer][data-what=hooks][data-client=claude-code] {part}");

    let window = world.window(&["--show", "/doctor"], webdriver::Theme::Light);
    window.click(&offer("[data-testid=install-show]"));
    window.wait_for_text(&offer("[data-testid=diff]"), "SessionStart");
    assert_eq!(fs::read(&file).unwrap(), before, "what is only shown changes nothing");
    window.screenshot("doctor-change-light");
    window.click(&offer("[data-testid=install-do]"));
    window.wait_for_text(&offer("[data-testid=install-result]"), "settings.json");
    assert!(fs::read_to_string(&file).unwrap().contains("SessionStart"));

    let installed = "[data-testid=offer][data-standing=installed][data-client=claude-code]";
    window.click(&format!("{installed} [data-testid=install-show]"));
    window.wait_for_text(&format!("{installed} [data-testid=diff]"), "SessionStart");
    window.click(&format!("{installed} [data-testid=install-do]"));
    let back = wait(LONG, "the file as it was", || (fs::read(&file).unwrap() == before).then_some(()));
    assert!(back.is_ok(), "{}", fs::read_to_string(&file).unwrap());
    world.quit_desktop(window);
}
