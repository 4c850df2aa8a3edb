//! The real desktop: `shim-desktop` on a screen, a session bus and a home of the test's own. A test host
//! receives the tray and the notifications and clicks them, a web driver reads the window, and the chats
//! are those of the real Claude Code.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends, and says where"
)]

#[path = "desktop/flows.rs"]
mod flows;
#[path = "desktop/host.rs"]
mod host;
#[path = "desktop/notices.rs"]
mod notices;
#[path = "desktop/pages.rs"]
mod pages;
#[path = "desktop/screen.rs"]
mod screen;
#[path = "desktop/webdriver.rs"]
mod webdriver;
#[path = "desktop/window.rs"]
mod window;
#[path = "desktop/world.rs"]
mod world;

use std::time::Duration;

use host::TrayIcon;
use shim_core::settings::Value;
use shim_standin::client::{Signal, is_alive, send, wait};
use world::{LONG, World};

#[test]
fn the_tray_shows_that_all_is_well() {
    let world = World::new();
    let mut desktop = world.desktop(&[]);
    world.host.wait_for_line("All well, 0 chats live");
    assert_eq!(world.host.icon(), TrayIcon::Well);
    assert_eq!(
        world.host.labels(),
        [
            "All well, 0 chats live",
            "Open dashboard",
            "Pause watching",
            "For an hour",
            "Until I resume",
            "Quit SHIM",
        ]
    );

    world.host.click("For an hour");
    world.host.wait_for_line("All well, 0 chats live; watching paused, 60 min left");
    assert_eq!(world.host.icon(), TrayIcon::Paused);
    world.host.click("Resume watching");
    world.host.wait_for_line("All well, 0 chats live");

    let engine = world.engine().file.pid;
    world.host.click("Quit SHIM");
    assert!(desktop.wait_for_exit().success());
    assert!(!is_alive(engine), "Quit ends the engine that the tray started");
}

#[test]
fn a_click_on_restore_in_the_tray_brings_a_killed_chat_back() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    let chat = world.chat_killed_in_mid_answer();
    world.host.wait_for_line("1 chat crashed");
    assert_eq!(world.host.icon(), TrayIcon::Crashed);

    world.host.click("Restore “");
    let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
    assert_ne!(back.pid, chat.pid);
    let note = world.host.wait_for_note("Restored “");
    assert!(note.body.starts_with(&format!("0 turns lost, process {}, ", back.pid)), "{note:?}");
    world.assert_restored(&chat, back.pid);
    world.host.wait_for_line("All well, 1 chat live");
    assert_eq!(world.host.icon(), TrayIcon::Well);
}

#[test]
fn the_button_of_the_crash_notification_brings_the_chat_back() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    let chat = world.chat_killed_in_mid_answer();
    let note = world.host.wait_for_note("Chat crashed: ");
    assert_eq!(note.body, "It was killed in mid-answer.");
    assert_eq!(note.actions, ["restore", "Restore", "show", "Show", "default", "Show"]);

    world.host.press(&note, "restore");
    let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
    world.host.wait_for_note("Restored “");
    world.assert_restored(&chat, back.pid);
}

#[test]
fn the_window_shows_the_crash_and_then_its_receipt() {
    let world = World::new();
    // An engine that the user runs: the window uses it, and leaves it when it ends.
    let engine = world.run_engine();
    let chat = world.chat_killed_in_mid_tool();
    let crash = world.wait_for_crash(&chat).id;

    let window = world.window(&["--show", "/crashes"], webdriver::Theme::Light);
    let row = format!("[data-testid=crash-row][data-crash='{crash}']");
    window.wait_for_text(&row, "Count the files");
    window.screenshot("crashes-light");
    window.open("nav-chats", "chat-row");
    let crashed = format!("[data-testid=chat-row][data-chat='claude-code:{}']", chat.session_id);
    assert_eq!(window.attribute(&crashed, "data-state"), "crashed");
    window.screenshot("chats-light");
    world.quit_desktop(window);

    let window = world.window(&["--show", &format!("/crashes/{crash}")], webdriver::Theme::Dark);
    assert!(window.text("[data-testid=crash-kind]").to_lowercase().contains("killed"));
    assert!(window.text("[data-testid=crash-in-flight]").contains("Bash"));
    window.screenshot("crash-dark");
    window.click("[data-testid=restore-button]");
    assert_eq!(window.attribute("[data-testid=receipt]", "data-ok"), "true");
    assert!(window.text("[data-testid=receipt-turns-lost]").contains('0'));
    assert!(window.count("[data-testid=receipt-step]") > 3);
    window.screenshot("receipt-dark");
    let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
    world.assert_restored(&chat, back.pid);
    window.open("nav-crashes", "crash-row");
    window.screenshot("crashes-dark");
    window.open("nav-chats", "chat-row");
    window.screenshot("chats-dark");
    world.quit_desktop(window);
    assert!(is_alive(engine.pid()), "an engine that the user runs is left running");
}

#[test]
fn a_setting_changed_in_the_window_holds_in_the_engine_and_can_be_taken_back() {
    let world = World::new();
    let engine = world.run_engine();
    let window = world.window(&["--show", "/settings"], webdriver::Theme::Light);
    let row = |key: &str, part: &str| format!("[data-testid='setting-{key}'] {part}");
    let in_force = |key: &str| {
        let view = world.engine().settings().unwrap();
        view.keys.into_iter().find(|setting| setting.name == key).unwrap().value
    };
    let becomes = |key: &str, value: Option<Value>| {
        let came = wait(LONG, key, || (in_force(key) == value).then_some(()));
        assert!(came.is_ok(), "{key} is {:?}", in_force(key));
    };

    window.fill(&row("policy.delay_seconds", "input"), "20");
    becomes("policy.delay_seconds", Some(Value::Whole(20)));
    window.click(&row("policy.dry_run", "input"));
    becomes("policy.dry_run", Some(Value::Switch(true)));
    window.fill(&row("policy.delay_seconds", "input"), "601");
    window
        .wait_for_text(&row("policy.delay_seconds", "[role=alert]"), "must be a whole number from 0 to 600");
    assert_eq!(in_force("policy.delay_seconds"), Some(Value::Whole(20)));
    window.screenshot("settings-light");
    window.click(&row("policy.dry_run", "button"));
    becomes("policy.dry_run", None);
    world.quit_desktop(window);
    assert!(is_alive(engine.pid()));

    let window = world.window(&["--show", "/settings"], webdriver::Theme::Dark);
    assert_eq!(window.property(&row("policy.delay_seconds", "input"), "value"), "20");
    window.screenshot("settings-dark");
    world.quit_desktop(window);
}

#[test]
fn every_page_of_the_window_shows_what_the_engine_knows() {
    let world = World::new();
    let _engine = world.run_engine();
    let chat = world.chat_killed_in_mid_tool();
    world.wait_for_crash(&chat);

    let window = world.window(&["--show", "/"], webdriver::Theme::Light);
    window.wait_for_text("[data-testid=need][data-kind=crash]", "Count the files");
    window.wait_for_text("[data-testid=happening]", "Killed");
    window.screenshot("home-light");
    window.click("[data-testid=need][data-kind=crash] [data-testid=restore-button]");
    window.wait_for_text("[data-testid=restore-outcome]", "Restored");
    let back = world.home.wait_for_status(LONG, &chat.session_id, "idle").unwrap();
    world.assert_restored(&chat, back.pid);
    window.wait_for_text("[data-testid=client][data-client=claude-code]", "1 idle");

    window.open("nav-health", "chat-health");
    window.wait_for_text("[data-testid=chat-health]", "Tool calls");
    window.wait_for_text("[data-testid=budget][data-budget=Memory]", "limit of 30");
    window.screenshot("health-light");
    window.open("nav-doctor", "finding");
    window.click("[data-testid=verify-button]");
    window.wait_for_text("[data-testid=verified]", "Every piece is whole");
    window.screenshot("doctor-light");
    world.quit_desktop(window);

    let window = world.window(&["--show", "/search/wedges"], webdriver::Theme::Dark);
    window.wait_for_text("[data-testid=hit] mark", "wedges");
    window.screenshot("search-dark");
    window.open("nav-home", "headline");
    window.screenshot("home-dark");
    world.quit_desktop(window);
}

#[test]
fn an_engine_that_dies_is_started_again() {
    let world = World::new();
    let mut desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    let first = world.engine().file.pid;
    assert!(send(first, Signal::KILL));
    world.host.wait_for_line("Engine down");
    assert_eq!(world.host.icon(), TrayIcon::Down);
    world.host.wait_for_line("All well");
    assert_eq!(world.host.icon(), TrayIcon::Well);
    let second = world.engine().file.pid;
    assert_ne!(second, first);

    assert!(send(desktop.pid(), Signal::TERM));
    assert!(desktop.wait_for_exit().success());
    assert!(!is_alive(second), "the end of the session ends the engine too");
}

#[test]
fn a_second_start_shows_the_window_of_the_first_and_closing_frees_it() {
    let world = World::new();
    let desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    assert_eq!(world.web_views(), 0, "no window at start, so no web view");

    let mut second = world.desktop(&["--show", "/crashes"]);
    assert!(second.wait_for_exit().success());
    let window = world.screen.wait_for_window("SHIM");
    wait(LONG, "the web view", || (world.web_views() == 1).then_some(())).unwrap();
    world.screen.wait_until_painted(window, "second-start");

    world.screen.close(window);
    wait(LONG, "the web view to be freed", || (world.web_views() == 0).then_some(())).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(desktop.is_running(), "the tray outlives its window");
    world.host.click("Open dashboard");
    world.screen.wait_for_window("SHIM");
}

#[test]
fn where_no_tray_can_be_seen_the_window_opens() {
    let world = World::new();
    world.host.hide_tray();
    let desktop = world.desktop(&[]);
    let window = world.screen.wait_for_window("SHIM");
    world.screen.wait_until_painted(window, "no-tray");
    assert!(desktop.is_running());
}
