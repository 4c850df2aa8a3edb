//! A desktop of the test's own: screen, session bus, home, data folder, stand-in model API. Nothing of the
//! machine's own is read, watched or reached. What runs in it ends with it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    time::Duration,
};

use shim_api::{Engine, crashes::Crash, settings::SettingsChange};
use shim_core::settings::Value;
use shim_standin::{
    Standin,
    client::{Headless, Home, Start, Terminals, wait},
};

use crate::{
    host::Host,
    screen::Screen,
    webdriver::{Theme, Window},
};

/// Far longer than anything here takes; reaching it means that it does not come.
pub const LONG: Duration = Duration::from_secs(60);
const DESKTOP: &str = env!("CARGO_BIN_EXE_shim-desktop");

/// Fields are dropped in this order: programs first, what they stand on last.
pub struct World {
    pub host: Host,
    pub home: Home,
    _standin: Standin,
    pub screen: Screen,
    data: PathBuf,
    bus_address: String,
    _bus: Program,
    _folder: tempfile::TempDir,
}

/// A program of the test, killed when dropped.
pub struct Program(Mutex<Child>);

/// A chat whose client was killed.
pub struct Killed {
    pub session_id: String,
    pub pid: u32,
}

impl World {
    pub fn new() -> Self {
        let world = Self::with_no_settings();
        write_settings(&world.data, world.home.folder(), true);
        world
    }

    /// Where SHIM was never started before.
    pub fn fresh() -> Self {
        let world = Self::with_no_settings();
        write_settings(&world.data, world.home.folder(), false);
        world
    }

    /// With the demo's engine, which looks at nothing that is in this world.
    pub fn demo() -> (Self, Program) {
        let world = Self::with_no_settings();
        let mut shim = world.command(engine_program());
        // With a display, it would open the window.
        let engine = Program::start(shim.arg("--home").arg(&world.data).arg("demo").env_remove("DISPLAY"));
        wait(LONG, "the demo's engine", || world.find_engine()).unwrap();
        (world, engine)
    }

    fn with_no_settings() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let standin = Standin::start(0).unwrap();
        let home = Home::new(&folder.path().join("home"), &standin.url()).unwrap();
        let data = folder.path().join("data");
        let screen = Screen::start(folder.path());
        let (bus, bus_address) = start_bus(folder.path());
        let host = Host::start(&bus_address);
        Self { host, home, _standin: standin, screen, data, bus_address, _bus: bus, _folder: folder }
    }

    /// Starts the program under test; with a first one running, it is a second start.
    pub fn desktop(&self, args: &[&str]) -> Program {
        Program::start(self.command(DESKTOP).args(args))
    }

    /// Starts an engine as the user would in a terminal.
    pub fn run_engine(&self) -> Program {
        let engine = Program::start(self.command(engine_program()).arg("run"));
        wait(LONG, "the engine", || self.find_engine()).unwrap();
        engine
    }

    /// Starts a verb of the command line, as the user would in a terminal.
    pub fn shim(&self, args: &[&str]) -> Program {
        Program::start(self.command(engine_program()).args(args))
    }

    /// Changes what is set, as a page does.
    pub fn set<const N: usize>(&self, changes: [(&str, Value); N]) {
        let changes = changes.into_iter().map(|(key, value)| (key.to_owned(), Some(value))).collect();
        self.engine().change_settings(&SettingsChange { changes, text: None }).unwrap();
    }

    pub fn window(&self, args: &[&str], theme: Theme) -> Window {
        Window::open_app(self.command("WebKitWebDriver"), DESKTOP, args, theme)
    }

    /// Quits the program behind a window as its user would. Closing the window alone leaves the tray.
    pub fn quit_desktop(&self, window: Window) {
        self.host.click("Quit SHIM");
        let runs =
            || self.home.processes().iter().any(|process| process.args.first().is_some_and(|p| p == DESKTOP));
        wait(LONG, "the desktop to quit", || (!runs()).then_some(())).unwrap();
        drop(window);
    }

    /// SHIM's data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn engine(&self) -> Engine {
        Engine::connect(&self.data).unwrap()
    }

    /// The engine that answers, if one does.
    pub fn find_engine(&self) -> Option<Engine> {
        Engine::connect(&self.data).ok()
    }

    /// A real chat with one complete turn, killed while the answer of the second streams.
    pub fn chat_killed_in_mid_answer(&self) -> Killed {
        let start = self.chat_with_a_turn();
        let prompt = "Tell me about wedges\n@@slow 600 0.1".to_owned();
        let mut chat = Headless::start(&self.home, &Start { resume: true, prompt, ..start }).unwrap();
        chat.wait_for_words(LONG, 5).unwrap();
        self.kill(&mut chat)
    }

    /// A real chat with one complete turn, killed while its tool runs.
    pub fn chat_killed_in_mid_tool(&self) -> Killed {
        let start = self.chat_with_a_turn();
        let prompt = "Count the files\n\
                      @@tool Bash {\"command\": \"echo > began; sleep 300; echo > ended\"}"
            .to_owned();
        let mut chat = Headless::start(&self.home, &Start { resume: true, prompt, ..start }).unwrap();
        // The client writes the call down a moment after the tool began.
        let transcript = self.home.transcript(&chat.session_id).unwrap();
        wait(LONG, "the tool call in the transcript", || {
            fs::read_to_string(&transcript).ok()?.contains("\"tool_use\"").then_some(())
        })
        .unwrap();
        self.kill(&mut chat)
    }

    fn chat_with_a_turn(&self) -> Start {
        let cwd = self.home.project("wedge").unwrap();
        let start = Start::new(cwd, "Count the files, then tell me about wedges\n@@text Gladly.");
        let mut chat = Headless::start(&self.home, &start).unwrap();
        assert!(chat.wait_for_exit(LONG).unwrap().success());
        start
    }

    /// Kills a client that the engine knows to be at work.
    fn kill(&self, chat: &mut Headless) -> Killed {
        let session_id = chat.session_id.clone();
        wait(LONG, "the engine to see the chat at work", || {
            let live = self.engine().chats(None, None).ok()?;
            live.into_iter().find(|known| known.session_id == session_id && known.pid == Some(chat.pid()))
        })
        .unwrap();
        let pid = chat.pid();
        chat.kill().unwrap();
        Killed { session_id, pid }
    }

    pub fn wait_for_crash(&self, chat: &Killed) -> Crash {
        let found = wait(LONG, "the crash", || {
            self.engine().crashes().ok()?.into_iter().find(|crash| crash.chat.session_id() == chat.session_id)
        });
        found.unwrap()
    }

    /// The crash has a receipt that proves the restore, and one process is on the chat.
    pub fn assert_restored(&self, chat: &Killed, pid: u32) {
        // The chat may be seen alive before the receipt is written, which waits for what it proves.
        let restored = wait(LONG, "a receipt", || self.wait_for_crash(chat).restore);
        let receipt = restored.expect("the crash has a receipt");
        let crash = self.wait_for_crash(chat);
        assert!(crash.resolved, "{crash:#?}");
        assert!(receipt.ok, "{receipt:#?}");
        assert_eq!((receipt.turns_lost, receipt.processes, receipt.pid), (Some(0), Some(1), Some(pid)));
        assert_eq!(self.home.clients_on(&chat.session_id), [pid]);
    }

    /// Web views that run in this world.
    pub fn web_views(&self) -> usize {
        let is_web_view =
            |args: &[String]| args.first().is_some_and(|program| program.ends_with("WebKitWebProcess"));
        self.home.processes().iter().filter(|process| is_web_view(&process.args)).count()
    }

    /// The window's process, while one is open.
    pub fn window_process(&self) -> Option<u32> {
        let is_window = |args: &[String]| args.iter().any(|arg| arg == "--window");
        self.home.processes().iter().find(|process| is_window(&process.args)).map(|process| process.pid)
    }

    /// A command in this world: nothing of the caller's environment reaches it.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.home.command(program, self.home.folder());
        let runtime = self._folder.path().join("run");
        command.env("DISPLAY", &self.screen.display).env("DBUS_SESSION_BUS_ADDRESS", &self.bus_address);
        command.env("SHIM_HOME", &self.data).env("SHIM_ENGINE", engine_program());
        command.env("XDG_RUNTIME_DIR", runtime).env("NO_AT_BRIDGE", "1").env("GTK_A11Y", "none");
        command
    }
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn();
        Self(Mutex::new(child.unwrap_or_else(|error| panic!("{name} could not be started: {error}"))))
    }

    pub fn pid(&self) -> u32 {
        self.0.lock().unwrap().id()
    }

    pub fn is_running(&self) -> bool {
        self.0.lock().unwrap().try_wait().unwrap().is_none()
    }

    pub fn wait_for_exit(&mut self) -> ExitStatus {
        wait(LONG, "the program to end", || self.0.lock().unwrap().try_wait().unwrap()).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let child = self.0.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Keeps a picture in `tests/out`, for a person to look at.
pub fn keep_picture(name: &str, png: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/out");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.png")), png).unwrap();
}

/// The engine's program: the one `SHIM_ENGINE` names, else the one built beside the desktop.
fn engine_program() -> PathBuf {
    let beside = Path::new(DESKTOP).with_file_name("shim");
    let program = std::env::var_os("SHIM_ENGINE").map_or(beside, PathBuf::from);
    assert!(
        program.is_file(),
        "{} is not built: run `cargo build -p shim-cli` with the same target folder, or set SHIM_ENGINE",
        program.display()
    );
    program
}

/// Only this world's chats are watched, they come back in terminals without a screen, and the window opens at home.
fn write_settings(data: &Path, home: &Path, welcomed: bool) {
    let terminal = serde_json::to_string(&Terminals::opener(home)).unwrap();
    let home = serde_json::to_string(home.to_str().unwrap()).unwrap();
    fs::create_dir_all(data).unwrap();
    fs::write(
        data.join("config.toml"),
        format!(
            "[watch]\nwithin = [{home}]\ndiscover = false\n\n[terminal]\ncommand = {terminal}\n\n[desktop]\nwelcomed = {welcomed}\n"
        ),
    )
    .unwrap();
}

fn start_bus(folder: &Path) -> (Program, String) {
    let runtime = folder.join("run");
    fs::create_dir_all(&runtime).unwrap();
    fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = bare("dbus-daemon", folder);
    let address = format!("--address=unix:path={}", runtime.join("bus").display());
    command.args(["--session", "--nofork", "--print-address=1", &address]).stderr(Stdio::null());
    first_line(&mut command)
}

/// Neither screen nor bus learns anything of the caller.
pub fn bare(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder)
        .env("LANG", "C.UTF-8");
    command
}

/// Starts a program that says on its first line how it is reached.
pub fn first_line(command: &mut Command) -> (Program, String) {
    let program = Program::start(command.stdout(Stdio::piped()));
    let stdout = program.0.lock().unwrap().stdout.take().unwrap();
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert!(!line.trim().is_empty(), "{command:?} did not say how it is reached");
    (program, line.trim().to_owned())
}
