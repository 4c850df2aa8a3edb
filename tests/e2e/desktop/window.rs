//! What the window and the tray do by their own settings: colours, start at login, where the window stood,
//! what it saves, and how soon it can be used.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use serde_json::json;
use shim_api::settings::SettingsChange;
use shim_core::settings::Value;
use shim_standin::client::{Signal, send, wait};

use crate::{
    screen::is_painted,
    webdriver::Theme,
    world::{LONG, World},
};

/// How long a picture stays as it is until it counts as what the window comes to.
const STILL: Duration = Duration::from_millis(1500);
/// What the window may take until it shows what it was asked for. A second is what it takes as released and on
/// a quiet machine; here it is built for debugging, and other tests have the same cores.
const USABLE_WITHIN: Duration = Duration::from_secs(15);

fn set(world: &World, key: &str, value: Option<Value>) {
    let change = SettingsChange { changes: [(key.to_owned(), value)].into(), text: None };
    world.engine().change_settings(&change).unwrap();
}

#[test]
fn the_tray_starts_at_login_while_that_is_set() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    let folder = world.home.folder().join(".config/autostart");
    let entry = folder.join("shim-desktop.desktop");
    assert!(!folder.exists(), "nothing is put there unasked");

    set(&world, "desktop.autostart", Some(Value::Switch(true)));
    wait(LONG, "the entry", || entry.exists().then_some(())).unwrap();
    let text = fs::read_to_string(&entry).unwrap();
    let program = env!("CARGO_BIN_EXE_shim-desktop");
    let starts = format!("Exec=\"{program}\" --home \"{}\"\n", world.data().display());
    assert!(text.contains(&starts), "{text} has no {starts}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    set(&world, "desktop.autostart", None);
    wait(LONG, "the entry to go", || (!entry.exists()).then_some(())).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn the_window_takes_the_theme_that_is_set_and_nothing_flashes_before() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    set(&world, "desktop.theme", Some(Value::Text("dark".to_owned())));
    // The tray hears of it a moment after the engine has answered.
    std::thread::sleep(Duration::from_millis(500));

    world.host.click("Open dashboard");
    let window = world.screen.wait_for_window("SHIM");
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_secs(3) {
        let bright = world.screen.brightness(window);
        assert!(bright < 0.4, "{bright:.2} of white, {} ms after it opened", opened.elapsed().as_millis());
    }
    world.screen.wait_until_painted(window, "theme-dark");

    set(&world, "desktop.theme", Some(Value::Text("light".to_owned())));
    let light = || (world.screen.brightness(window) > 0.8).then_some(());
    wait(LONG, "the open window to become light", light).unwrap();
    set(&world, "desktop.theme", Some(Value::Text("dark".to_owned())));
    let dark = || (world.screen.brightness(window) < 0.3).then_some(());
    wait(LONG, "the open window to become dark again", dark).unwrap();
}

#[test]
fn the_window_comes_back_where_it_stood() {
    let world = World::new();
    let _desktop = world.desktop(&["--show"]);
    let window = world.screen.wait_for_window("SHIM");
    world.screen.wait_until_painted(window, "place-before");
    world.screen.put(window, (130, 70), (840, 610));
    // The program hears of it a moment later.
    std::thread::sleep(Duration::from_millis(500));
    world.screen.close(window);
    let kept = world.data().join("window.json");
    wait(LONG, "the place to be kept", || kept.exists().then_some(())).unwrap();
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    wait(LONG, "the web view to be freed", || (world.web_views() == 0).then_some(())).unwrap();

    world.host.click("Open dashboard");
    let window = world.screen.wait_for_window("SHIM");
    let back = || (world.screen.place(window) == ((130, 70), (840, 610))).then_some(());
    assert!(wait(Duration::from_secs(10), "its place", back).is_ok(), "{:?}", world.screen.place(window));

    // Another screen stood there, which is gone.
    world.screen.close(window);
    wait(LONG, "the web view to be freed", || (world.web_views() == 0).then_some(())).unwrap();
    let gone = json!({"x": 5000, "y": 70, "width": 840, "height": 610, "maximised": false});
    fs::write(&kept, gone.to_string()).unwrap();
    world.host.click("Open dashboard");
    let window = world.screen.wait_for_window("SHIM");
    let back = || (world.screen.place(window) == ((220, 95), (840, 610))).then_some(());
    assert!(wait(Duration::from_secs(10), "its place", back).is_ok(), "{:?}", world.screen.place(window));
}

#[test]
fn a_window_that_breaks_leaves_the_tray_and_one_whose_tray_dies_goes_with_it() {
    let world = World::new();
    let mut desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    world.host.click("Open dashboard");
    let window = world.screen.wait_for_window("SHIM");
    world.screen.wait_until_painted(window, "before-it-breaks");
    assert!(send(world.window_process().unwrap(), Signal::KILL));
    wait(LONG, "the web view to go", || (world.web_views() == 0).then_some(())).unwrap();
    assert!(desktop.is_running());

    world.host.click("Open dashboard");
    let window = world.screen.wait_for_window("SHIM");
    world.screen.wait_until_painted(window, "after-it-broke");
    assert!(send(desktop.pid(), Signal::KILL));
    desktop.wait_for_exit();
    wait(LONG, "the window to go", || world.window_process().is_none().then_some(())).unwrap();
    wait(LONG, "the web view to go", || (world.web_views() == 0).then_some(())).unwrap();
    world.engine().stop().unwrap();
}

#[test]
fn a_chat_is_saved_whole_and_beside_what_is_there() {
    let world = World::new();
    let _engine = world.run_engine();
    let chat = world.chat_killed_in_mid_tool();
    world.wait_for_crash(&chat);
    let downloads = world.home.folder().join("Downloads");
    fs::create_dir(&downloads).unwrap();
    let config = world.home.folder().join(".config");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("user-dirs.dirs"), "XDG_DOWNLOAD_DIR=\"$HOME/Downloads\"\n").unwrap();

    let window = world.window(&["--show", "/chats"], Theme::Light);
    window.wait_for_text("[data-testid=chat-row]", "Count the files");
    let target = format!("claude-code:{}", chat.session_id);
    let export = || window.invoke("export_chat", &json!({"target": target, "checkpoint": null}));
    let transcript = fs::read(world.home.transcript(&chat.session_id).unwrap()).unwrap();
    for name in [
        "Chat Count the files then tell me about wedge.jsonl",
        "Chat Count the files then tell me about wedge (2).jsonl",
    ] {
        let path = downloads.join(name);
        assert_eq!(export().as_str(), path.to_str());
        assert_eq!(fs::read(&path).unwrap(), transcript);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(&downloads).unwrap().count(), 2, "no part is left behind");
    let refused = window.invoke("export_chat", &json!({"target": "claude-code:nobody", "checkpoint": null}));
    assert_eq!(refused["code"], "not_found", "{refused}");
    world.quit_desktop(window);
}

/// From the click in the tray's menu, and from the window's first sight, to the last change of its picture.
#[test]
fn the_window_soon_shows_what_it_was_asked_for() {
    let world = World::new();
    let _desktop = world.desktop(&[]);
    world.host.wait_for_line("All well");
    world.chat_killed_in_mid_answer();
    world.host.wait_for_line("1 chat crashed");
    for nth in 1..=3 {
        let clicked = Instant::now();
        world.host.click("Open dashboard");
        let window = world.screen.wait_for_window("SHIM");
        let opened = Instant::now();
        let (mut shown, mut changed) = (world.screen.picture(window), opened);
        while !is_painted(&shown) || changed.elapsed() < STILL {
            let picture = world.screen.picture(window);
            if picture != shown {
                (shown, changed) = (picture, Instant::now());
            }
            assert!(opened.elapsed() < LONG, "nothing is painted");
        }
        println!(
            "{nth}: the window after {} ms, its page {} ms later",
            (opened - clicked).as_millis(),
            (changed - opened).as_millis()
        );
        assert!(changed - opened < USABLE_WITHIN, "{} ms", (changed - opened).as_millis());
        world.screen.wait_until_painted(window, "first-page");
        world.screen.close(window);
        wait(LONG, "the web view to be freed", || (world.web_views() == 0).then_some(())).unwrap();
    }
}
