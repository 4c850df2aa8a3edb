//! A machine in a folder: a home with real clients, the stand-in API, and SHIM with a data folder of its own.
//! Nothing outside the folder is watched, changed or ended.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use shim_standin::{
    Request, Standin,
    client::{Headless, Home, Signal, Start, Terminals, send, wait},
};

/// Longest wait for a client or for SHIM to do something; machines that run tests are slow at times.
pub const WAIT: Duration = Duration::from_secs(90);
/// Worlds with real clients at once: each client takes some 250 MB and a good part of a core while it starts.
const WORLDS_MAX: usize = 3;
/// Lines of the engine's log that a failed test shows.
const LOG_LINES_SHOWN: usize = 60;

pub struct World {
    pub home: Home,
    pub standin: Standin,
    pub shim_home: PathBuf,
    /// SHIM's program: a copy, so that a build beside the tests does not take it away.
    pub program: PathBuf,
    engine: Option<Child>,
    folder: tempfile::TempDir,
    _place: Place,
}

impl World {
    /// A world in which SHIM runs.
    pub fn new() -> Self {
        let mut world = Self::without_shim();
        world.start_shim();
        world
    }

    pub fn without_shim() -> Self {
        Self::furnish(Place::take(1), |home, _| home)
    }

    /// A world without SHIM whose home is furnished for further clients, by what is given the stand-in's address.
    pub fn furnished(more: impl FnOnce(Home, &str) -> Home) -> Self {
        Self::furnish(Place::take(1), more)
    }

    /// A world without SHIM and with no other beside it: for tests that need the whole machine.
    pub fn alone() -> Self {
        Self::furnish(Place::take(WORLDS_MAX), |home, _| home)
    }

    /// A world without SHIM and without clients: files are all that is there.
    pub fn of_files() -> Self {
        Self::furnish(Place::take(0), |home, _| home)
    }

    fn furnish(place: Place, more: impl FnOnce(Home, &str) -> Home) -> Self {
        let folder = tempfile::Builder::new().prefix("shim-it-").tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let standin = Standin::start(0).unwrap();
        let home = more(Home::new(&root.join("home"), &standin.url()).unwrap(), &standin.url());
        let shim_home = root.join("shim");
        fs::create_dir(&shim_home).unwrap();
        let program = root.join("shim-program");
        copy_program(Path::new(env!("CARGO_BIN_EXE_shim")), &program);
        let world = Self { home, standin, shim_home, program, engine: None, folder, _place: place };
        world.settings("");
        world
    }

    /// The folder that holds everything.
    pub fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// Writes SHIM's settings: what keeps it inside this world, and `more`.
    pub fn settings(&self, more: &str) {
        let opener = serde_json::to_string(&Terminals::opener(self.home.folder())).unwrap();
        let within = serde_json::to_string(&[self.root()]).unwrap();
        let text = format!("watch.within = {within}\nterminal.command = {opener}\n{more}\n");
        fs::write(self.shim_home.join("config.toml"), text).unwrap();
    }

    /// SHIM, as a user would call it in this world.
    pub fn shim_command(&self, args: &[&str]) -> Command {
        let mut command = self.home.command(&self.program, self.home.folder());
        command.env("SHIM_HOME", &self.shim_home).env("SHIM_TEST_BOOT", self.boot()).args(args);
        command
    }

    pub fn start_shim(&mut self) {
        assert!(self.engine.is_none(), "SHIM runs already");
        let mut child = self.spawn_shim();
        let status = wait(WAIT, "the engine to answer", || match child.try_wait().unwrap() {
            Some(status) => Some(Err(status)),
            None => self.answers(child.id()).then_some(Ok(())),
        });
        match status {
            Ok(Ok(())) => self.engine = Some(child),
            Ok(Err(status)) => panic!("`shim run` ended: {status}\n{}", self.log()),
            Err(error) => {
                let _ = child.kill();
                panic!("{error}\n{}", self.log());
            }
        }
    }

    /// Whether this very engine is the one that answers.
    pub fn answers(&self, pid: u32) -> bool {
        let file = fs::read(self.shim_home.join("engine.json")).unwrap_or_default();
        let file: Value = serde_json::from_slice(&file).unwrap_or_default();
        file["pid"] == pid && self.shim(&["status"]).status.success()
    }

    /// `shim run`, its output in the log, without waiting for anything.
    pub fn spawn_shim(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = self.shim_command(&["run"]);
        command.env("SHIM_TEST_DIE_AT", self.die_at());
        if let Ok(bus) = fs::read_to_string(self.bus()) {
            command.env("DBUS_SYSTEM_BUS_ADDRESS", bus);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    }

    /// The most memory that the engine has taken so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let engine = self.engine.as_ref().expect("SHIM runs");
        let status = fs::read_to_string(format!("/proc/{}/status", engine.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Asks SHIM to end, as a terminal or a service does, and waits until it has.
    pub fn stop_shim(&mut self) -> ExitStatus {
        let mut engine = self.engine.take().expect("SHIM runs");
        send(engine.id(), Signal::TERM);
        let ended = wait(WAIT, "the engine to end", || engine.try_wait().unwrap());
        ended.unwrap_or_else(|error| {
            let _ = engine.kill();
            panic!("{error}\n{}", self.log())
        })
    }

    /// The file that says at which boundary the engine is to die.
    pub fn die_at(&self) -> PathBuf {
        self.folder.path().join("die-at")
    }

    /// The file that says, once it is there, what this life of the machine is called.
    pub fn boot(&self) -> PathBuf {
        self.folder.path().join("boot")
    }

    /// The file that holds, once it is there, the address of the system's bus.
    pub fn bus(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    /// Waits until SHIM has died by itself.
    #[track_caller]
    pub fn shim_dies(&mut self) {
        let mut engine = self.engine.take().expect("SHIM runs");
        let died = wait(WAIT, "the engine to die", || engine.try_wait().unwrap());
        let status = died.unwrap_or_else(|error| {
            let _ = engine.kill();
            panic!("{error}\n{}", self.log())
        });
        assert!(!status.success(), "{status}");
    }

    pub fn kill_shim(&mut self) {
        let mut engine = self.engine.take().expect("SHIM runs");
        engine.kill().unwrap();
        engine.wait().unwrap();
    }

    pub fn shim(&self, args: &[&str]) -> Output {
        self.shim_command(args).output().unwrap()
    }

    /// What a verb prints with `--json`, whatever it exits with.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.shim(&[args, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("shim {args:?} --json printed no JSON ({error}): {output:?}\n{}", self.log())
        })
    }

    pub fn chat(&self, session_id: &str) -> Value {
        let id = id(session_id);
        let chats = self.json(&["chats"]);
        chats
            .as_array()
            .unwrap()
            .iter()
            .find(|chat| chat["id"] == id.as_str())
            .cloned()
            .unwrap_or(Value::Null)
    }

    pub fn wait_for_state(&self, session_id: &str, state: &str) -> Value {
        wait(WAIT, &format!("chat {session_id} to be {state}"), || {
            let chat = self.chat(session_id);
            (chat["state"] == state).then_some(chat)
        })
        .unwrap_or_else(|error| panic!("{error}; it is {}\n{}", self.chat(session_id), self.log()))
    }

    /// The crashes of one chat, as SHIM lists them.
    pub fn crashes_of(&self, session_id: &str) -> Vec<Value> {
        let id = id(session_id);
        let crashes = self.json(&["crashes"]);
        crashes.as_array().unwrap().iter().filter(|crash| crash["chat"] == id.as_str()).cloned().collect()
    }

    pub fn wait_for_crash(&self, session_id: &str) -> Value {
        wait(WAIT, &format!("a crash of {session_id}"), || self.crashes_of(session_id).into_iter().next())
            .unwrap_or_else(|error| panic!("{error}; the chat is {}\n{}", self.chat(session_id), self.log()))
    }

    pub fn restore(&self, target: &str, options: &[&str]) -> Value {
        self.json(&[&["restore", target][..], options].concat())
    }

    /// The bytes `shim export` gives.
    pub fn export(&self, session_id: &str, options: &[&str]) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let path = file.path().to_str().unwrap();
        let id = id(session_id);
        let output = self.shim(&[&["export", &id, "-o", path][..], options].concat());
        assert!(output.status.success(), "{output:?}");
        fs::read(path).unwrap()
    }

    /// The client's own file of a chat.
    pub fn transcript(&self, session_id: &str) -> Vec<u8> {
        let file = match session_id.split_once(':') {
            Some(("codex", thread_id)) => self.home.rollout(thread_id),
            Some(("gemini", session_id)) => self.home.gemini_chat(session_id),
            _ => self.home.transcript(session_id),
        };
        fs::read(file.expect("the client wrote a transcript")).unwrap()
    }

    /// Waits until the journal holds the client's file, which nobody writes to any more.
    pub fn wait_until_kept(&self, session_id: &str) {
        let kept = wait(WAIT, "the journal to hold the client's file", || {
            (self.export(session_id, &[]) == self.transcript(session_id)).then_some(())
        });
        kept.unwrap_or_else(|error| {
            let (exported, file) = (self.export(session_id, &[]), self.transcript(session_id));
            panic!("{error}: {} bytes exported, {} in the file\n{}", exported.len(), file.len(), self.log())
        });
    }

    /// Every checksum in the journal is right.
    #[track_caller]
    pub fn is_sound(&self) {
        let output = self.shim(&["doctor", "--verify"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Plays a whole chat and waits for its clean end. Gives its id.
    pub fn finished_chat(&self, cwd: &Path, prompt: &str) -> String {
        let start = Start::new(cwd, prompt);
        let mut chat = Headless::start(&self.home, &start).unwrap();
        let status = chat.wait_for_exit(WAIT).unwrap();
        assert!(status.success(), "{status}: {}", chat.complaints());
        start.session_id
    }

    /// Whether a tool has come to the command that it waits for.
    pub fn sleeps(&self) -> bool {
        self.home.processes().iter().any(|process| process.args == ["sleep", "600"])
    }

    /// The newest request of a chat after `number`.
    pub fn wait_for_request(&self, session_id: &str, number: u64) -> Request {
        let asked = self
            .standin
            .wait_for(WAIT, |request| request.session_id() == Some(session_id) && request.number > number);
        asked.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// Number of the newest request of any chat.
    pub fn asked(&self) -> u64 {
        self.standin.requests().last().map_or(0, |request| request.number)
    }

    /// What the open terminal windows show.
    fn screens(&self) -> String {
        let terminals = Terminals::new(&self.home);
        let screens = terminals.open().into_iter().filter_map(|window| terminals.screen(&window).ok());
        screens.map(|screen| format!("a window shows:\n{}\n", screen.trim_end())).collect()
    }

    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("engine.log")
    }

    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// The end of the engine's log.
    pub fn log(&self) -> String {
        let text = self.whole_log();
        let lines: Vec<_> = text.lines().collect();
        format!("engine's log:\n{}", lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}\n{}", self.log(), self.screens());
        }
        if let Some(mut engine) = self.engine.take() {
            let _ = engine.kill();
            let _ = engine.wait();
        }
    }
}

/// The exit and the complaint of a program that should have ended by itself.
pub fn ended(mut child: Child) -> ExitStatus {
    let ended = wait(WAIT, "the program to end", || child.try_wait().unwrap());
    ended.unwrap_or_else(|error| {
        let _ = child.kill();
        panic!("{error}")
    })
}

/// Copies a program in a process of its own: while this one held the copy open for writing, a child that another
/// thread starts would hold it too, and the system refuses to start a program that is open for writing.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// SHIM's id of a chat: of Claude Code, unless another client is named.
pub fn id(session_id: &str) -> String {
    if session_id.contains(':') { session_id.to_owned() } else { format!("claude-code:{session_id}") }
}

/// Room for so many worlds; given back when dropped.
struct Place(usize);

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

impl Place {
    fn take(count: usize) -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken + count > WORLDS_MAX {
            taken = GIVEN_BACK.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += count;
        Self(count)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}
