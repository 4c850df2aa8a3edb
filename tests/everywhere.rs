//! The engine's life on whatever system this runs on, Wine among them: SHIM as its user calls it, and a
//! stand-in for the client, since the real one is not had everywhere. `tests/it` has the real one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod client;
mod running;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use shim_api::{Engine, home::read_engine_file};
use shim_core::{chats::ChatState, crashes::CrashKind, risk::Source};

use crate::{
    client::start_client,
    running::{Running, wait},
};

const SESSION: &str = "11111111-1111-4111-8111-111111111111";
const TRANSCRIPT: &str = include_str!("data/claude/clean.jsonl");

/// A folder with a home, a client's files in it, and SHIM's data. Its name is hard to quote.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::Builder::new().prefix("shim ü & 100% ").tempdir().unwrap());
        fs::create_dir_all(world.sessions()).unwrap();
        fs::create_dir_all(world.transcript().parent().unwrap()).unwrap();
        fs::create_dir_all(world.data()).unwrap();
        let within = serde_json::to_string(&[world.0.path()]).unwrap();
        fs::write(world.data().join("config.toml"), format!("watch.within = {within}\n")).unwrap();
        world
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("däta")
    }

    fn sessions(&self) -> PathBuf {
        self.home().join(".claude").join("sessions")
    }

    fn transcript(&self) -> PathBuf {
        self.home().join(".claude/projects/some-project").join(format!("{SESSION}.jsonl"))
    }

    fn shim(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shim"));
        command.args(arguments).env("SHIM_HOME", self.data()).stdin(Stdio::null());
        command.env("HOME", self.home()).env("USERPROFILE", self.home());
        command.env_remove("CLAUDE_CONFIG_DIR").env_remove("SHIM_LOG");
        command
    }

    /// Leaves the mark of a working client; gives its pid.
    fn register(&self, client: &Running) -> u32 {
        let pid = client.0.id();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let registration = serde_json::json!({
            "pid": pid, "sessionId": SESSION, "cwd": self.0.path(), "version": "2.1.329", "status": "busy",
            "startedAt": u64::try_from(now).unwrap(), "updatedAt": u64::try_from(now).unwrap(),
        });
        fs::write(self.sessions().join(format!("{pid}.json")), registration.to_string()).unwrap();
        pid
    }

    /// `shim run`, once it answers as this very process.
    fn run(&self, arguments: &[&str]) -> (Running, Engine) {
        let mut running = self.spawn(arguments);
        let engine = running.answers(&self.data());
        (running, engine)
    }

    fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.shim(&[&["run"], arguments].concat());
        #[cfg(windows)]
        {
            /// A console of its own that nobody sees.
            const CREATE_NO_WINDOW: u32 = 0x0800_0000;
            std::os::windows::process::CommandExt::creation_flags(&mut command, CREATE_NO_WINDOW);
        }
        Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

fn exported(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut stream) = engine.export(SESSION, None) {
        stream.read_to_end(&mut bytes).unwrap();
    }
    bytes
}

#[test]
fn a_chat_is_kept_as_it_grows_and_its_death_is_noticed() {
    let world = World::new();
    let (start, rest) = TRANSCRIPT.as_bytes().split_at(TRANSCRIPT.len() / 2);
    fs::write(world.transcript(), start).unwrap();
    let (mut running, engine) = world.run(&[]);
    wait("the first bytes", || (exported(&engine) == start).then_some(()));

    let mut file = File::options().append(true).open(world.transcript()).unwrap();
    for piece in rest.chunks(1000) {
        file.write_all(piece).unwrap();
    }
    wait("the appended bytes", || (exported(&engine) == TRANSCRIPT.as_bytes()).then_some(()));

    let mut client = start_client();
    let pid = world.register(&client);
    let chat = wait("the chat to be live", || {
        engine.chats(None, None).unwrap().into_iter().find(|chat| chat.pid == Some(pid))
    });
    assert_eq!((chat.session_id.as_str(), chat.state), (SESSION, ChatState::Working));
    client.0.kill().unwrap();
    let crash = wait("the crash", || engine.crashes().unwrap().into_iter().next());
    assert_eq!((crash.chat, crash.kind), (chat.id, CrashKind::Killed));

    engine.stop().unwrap();
    assert!(running.ended().success());
    assert_eq!(read_engine_file(&world.data()), None);
    // All of it is on disk for the next engine, which lives for one command.
    let output = world.shim(&["export", SESSION, "-o", "-"]).output().unwrap();
    assert_eq!(output.stdout, TRANSCRIPT.as_bytes(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_live_chat_is_foretold_and_no_figure_is_made_up() {
    let world = World::new();
    fs::write(world.transcript(), TRANSCRIPT).unwrap();
    let (mut running, engine) = world.run(&[]);
    assert_eq!(engine.prediction().unwrap(), []);
    let client = start_client();
    let pid = world.register(&client);
    let told = wait("a prediction", || engine.prediction().unwrap().into_iter().next());
    assert_eq!((told.source, told.model, told.last_training), (Source::Zones, None, None));
    assert!(told.worth.predictions >= 1);
    assert_eq!((told.worth.score, told.before), (None, Vec::new()));
    assert_eq!(told.worth.not_enough.map(|missing| (missing.windows, missing.crashes)), Some((0, 0)));
    assert_eq!((told.worth.alarms.false_alarms_a_day, told.worth.alarms.held_out), (None, None));
    let chat = engine.chats(None, None).unwrap().into_iter().find(|chat| chat.pid == Some(pid)).unwrap();
    assert_eq!(chat.risk.map(|risk| risk.source), Some(Source::Zones));
    let output = world.shim(&["prediction"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("Claude Code: the zones, by rule of thumb (0 crashes so far"), "{said}");
    assert!(said.contains("worth: not enough yet (0 of 100 hours"), "{said}");
    engine.stop().unwrap();
    assert!(running.ended().success());
}

#[test]
fn a_second_engine_on_one_data_folder_is_refused_or_waits_its_turn() {
    let world = World::new();
    let (mut first, engine) = world.run(&[]);
    let mut refused = world.spawn(&[]);
    assert!(!refused.ended().success());
    let mut said = String::new();
    refused.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains(&format!("another engine (process {}) runs on", first.0.id())), "{said}");

    let mut waiting = world.spawn(&["--wait"]);
    let mut lines = BufReader::new(waiting.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("waiting for its end")));
    engine.stop().unwrap();
    assert!(first.ended().success());
    let second = waiting.answers(&world.data());
    second.stop().unwrap();
    // Its standard error is read to the end, so that it is not held up by a full pipe.
    lines.for_each(drop);
    assert!(waiting.ended().success());
}

#[cfg(windows)]
#[test]
fn a_ctrl_c_from_outside_ends_the_engine_in_order() {
    let world = World::new();
    let (mut running, _engine) = world.run(&[]);
    let interrupt = |pid: u32| {
        /// A console is borrowed from the process that is to be interrupted.
        const DETACHED_PROCESS: u32 = 8;
        let mut command = world.shim(&["interrupt", &pid.to_string()]);
        std::os::windows::process::CommandExt::creation_flags(&mut command, DETACHED_PROCESS);
        command.status().unwrap().success()
    };
    assert!(interrupt(running.0.id()));
    assert!(running.ended().success());
    assert_eq!(read_engine_file(&world.data()), None);
    assert!(!interrupt(running.0.id()));
}
