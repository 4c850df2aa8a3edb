//! The end of the machine as a system brings it about: chats first, then the engine, with logind's word and without;
//! then another life of the machine.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use shim_api::{Engine, fleet::Options, home::read_engine_file};
use shim_core::fleet::ItemState;
use shim_standin::client::{Headless, Start, wait};
use zbus::{Connection, connection::Builder};

use crate::world::{WAIT, World, id};

const SLOW_ANSWER: &str = "@@slow 2000 0.1 1";
/// Long enough for the engine to be ended before it acts, and longer than it takes a death to be the system's.
const ONCE: &str = "policy.auto_restore = \"once\"\npolicy.delay_seconds = 12\npolicy.apart_seconds = 1\nwatch.sweep_seconds = 1";

fn answering(world: &World, project: &str) -> Headless {
    let start = Start::new(world.home.project(project).unwrap(), SLOW_ANSWER);
    let chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&chat.session_id, "working");
    chat
}

/// The machine is started anew.
fn reboot(world: &mut World) {
    fs::write(world.boot(), "another life").unwrap();
    world.start_shim();
}

/// Shut down with the machine, offered together, and not begun.
#[track_caller]
fn are_offered(world: &World, chats: &[&Headless]) {
    for chat in chats {
        let [crash] = <[Value; 1]>::try_from(world.crashes_of(&chat.session_id)).unwrap();
        assert_eq!(
            (&crash["kind"], &crash["restore"]),
            (&json!("shutdown"), &Value::Null),
            "{}",
            world.log()
        );
        assert_eq!(world.home.clients_on(&chat.session_id), Vec::<u32>::new());
    }
    let offered = world.restore("--all", &["--headless", "--dry-run"]);
    let offered: Vec<_> = offered.as_array().unwrap().iter().map(|receipt| receipt["chat"].clone()).collect();
    for chat in chats {
        assert!(offered.contains(&json!(id(&chat.session_id))), "{offered:?}");
    }
}

#[track_caller]
fn says(world: &World, words: &str) {
    wait(WAIT, words, || world.whole_log().contains(words).then_some(()))
        .unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
}

/// As most systems do it: everything is told to end at once, and nobody says why.
#[test]
fn what_went_down_with_the_machine_is_offered_and_does_not_come_back_by_itself() {
    let mut world = World::without_shim();
    world.settings(ONCE);
    world.start_shim();
    let mut chats = [answering(&world, "a"), answering(&world, "b")];
    for chat in &mut chats {
        chat.kill().unwrap();
    }
    for chat in &chats {
        assert_eq!(world.wait_for_crash(&chat.session_id)["kind"], "killed", "so it looks");
    }
    assert!(world.stop_shim().success());
    reboot(&mut world);
    let [a, b] = &chats;
    are_offered(&world, &[a, b]);
    // One that dies alone does, and what was due before it would have come before it.
    let mut alone = answering(&world, "c");
    alone.kill().unwrap();
    let back = wait(WAIT, "the chat to come back", || {
        (world.home.clients_on(&alone.session_id).len() == 1).then_some(())
    });
    back.unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
    are_offered(&world, &[a, b]);
}

/// The bus that the system speaks on.
struct Bus {
    daemon: Child,
    runtime: tokio::runtime::Runtime,
    logind: Connection,
}

impl Bus {
    fn start(world: &World) -> Self {
        let config = world.root().join("bus.conf");
        let text = "<busconfig><listen>unix:tmpdir=/tmp</listen><policy context=\"default\">\
                    <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
                    <allow own=\"*\"/></policy></busconfig>";
        fs::write(&config, text).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg("--config-file").arg(&config).args(["--nofork", "--print-address"]);
        let mut daemon = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        fs::write(world.bus(), address.trim()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let logind = runtime.block_on(async {
            let logind = Builder::address(address.trim()).build().await.unwrap();
            logind.request_name("org.freedesktop.login1").await.unwrap();
            logind
        });
        Self { daemon, runtime, logind }
    }

    /// Says so until the engine has heard it.
    fn goes_down(&self, world: &World, goes_down: bool) {
        let heard = if goes_down { "the system goes down" } else { "the system goes on" };
        let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
        let said = wait(WAIT, heard, || {
            let say =
                self.logind.emit_signal(None::<&str>, path, interface, "PrepareForShutdown", &goes_down);
            self.runtime.block_on(say).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
            world.whole_log().contains(heard).then_some(())
        });
        said.unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
fn deaths_after_the_systems_word_are_held_and_judged_by_the_next_engine() {
    let mut world = World::without_shim();
    world.settings("policy.auto_restore = \"once\"\npolicy.delay_seconds = 0");
    let bus = Bus::start(&world);
    world.start_shim();
    let (mut held, mut lived) = (answering(&world, "a"), answering(&world, "b"));
    bus.goes_down(&world, true);
    held.kill().unwrap();
    says(&world, "a death is held");
    assert!(world.stop_shim().success());
    assert!(!world.whole_log().contains("crash recorded"), "{}", world.log());
    lived.kill().unwrap();
    reboot(&mut world);
    are_offered(&world, &[&held, &lived]);
}

#[test]
fn nothing_is_begun_while_the_system_goes_down_and_all_of_it_when_it_goes_on_after_all() {
    let mut world = World::without_shim();
    world.settings("watch.sweep_seconds = 1");
    let bus = Bus::start(&world);
    world.start_shim();
    let (mut before, mut during) = (answering(&world, "a"), answering(&world, "b"));
    before.kill().unwrap();
    world.wait_for_crash(&before.session_id);
    bus.goes_down(&world, true);
    during.kill().unwrap();
    says(&world, "a death is held");
    let engine = Engine::at(read_engine_file(&world.shim_home).unwrap());
    let begun = engine.begin_fleet(Options { headless: true, ..Options::default() }).unwrap();
    let states: Vec<_> = begun.fleet.unwrap().items.into_iter().map(|item| item.state).collect();
    assert_eq!(states, [ItemState::Waiting], "what was asked for waits");
    assert_eq!(world.crashes_of(&during.session_id), Vec::<Value>::new(), "nothing is judged");
    bus.goes_down(&world, false);
    assert_eq!(world.wait_for_crash(&during.session_id)["kind"], "killed");
    let back = wait(WAIT, "the chat to come back", || {
        (world.home.clients_on(&before.session_id).len() == 1).then_some(())
    });
    back.unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
}
