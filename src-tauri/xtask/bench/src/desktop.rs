//! A desktop of a measurement's own: a screen, a session bus and a host for tray icons, the tray app that runs on
//! it, and what that takes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use x11rb::{
    connection::Connection as _,
    protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, ImageFormat},
    rust_connection::RustConnection,
};
use zbus::{Connection, block_on, connection, interface};

use crate::{Bench, engine::Place};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WINDOW: &str = "SHIM";
const WAIT: Duration = Duration::from_secs(60);
/// A picture that did not change for so long is the page.
const STILL: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A screen, a session bus and a host for tray icons.
pub struct World<'a> {
    place: &'a Place,
    display: String,
    bus_address: String,
    screen: RustConnection,
    icons: mpsc::Receiver<()>,
    _host: Connection,
    _servers: [Program; 2],
}

impl<'a> World<'a> {
    pub fn start(place: &'a Place) -> Result<Self> {
        let runtime = place.home().join("run");
        fs::create_dir_all(&runtime)?;
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
        let (server, number) = first_line(&mut xvfb).context("Xvfb, which Debian calls xvfb")?;
        let mut dbus = Command::new("dbus-daemon");
        dbus.args(["--session", "--nofork", "--print-address=1"]);
        let (bus, bus_address) = first_line(&mut dbus).context("dbus-daemon, which Debian calls dbus")?;
        let (tell, icons) = mpsc::channel();
        let host = connection::Builder::address(bus_address.as_str())
            .serve_at("/StatusNotifierWatcher", Watcher(tell))
            .name(WATCHER);
        let display = format!(":{number}");
        let (screen, _) = x11rb::connect(Some(&display))?;
        let _host = block_on(host.build())?;
        Ok(Self { place, display, bus_address, screen, icons, _host, _servers: [server, bus] })
    }

    /// Starts the tray app, and waits for its icon.
    pub fn tray(&self, bench: &Bench) -> Result<Tray<'_>> {
        let desktop = bench.desktop.clone().context("no shim-desktop was named (--desktop)")?;
        let started = self.command(&desktop).spawn().context("shim-desktop could not be started")?;
        let tray = Tray { world: self, program: Program(started), desktop };
        self.icons.recv_timeout(WAIT).context("no tray icon came")?;
        Ok(tray)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = self.place.program(program);
        command.env("DISPLAY", &self.display).env("DBUS_SESSION_BUS_ADDRESS", &self.bus_address);
        command.env("XDG_RUNTIME_DIR", self.place.home().join("run")).env("GTK_A11Y", "none");
        command.env("NO_AT_BRIDGE", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// With no window manager, every window of a program hangs on the root.
    fn window(&self) -> Result<Option<u32>> {
        let root = self.screen.setup().roots.first().context("the screen has no root")?.root;
        for window in self.screen.query_tree(root)?.reply()?.children {
            let title =
                self.screen.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64)?.reply();
            // A window may go while it is asked about.
            if title.is_ok_and(|title| title.value == WINDOW.as_bytes()) {
                return Ok(Some(window));
            }
        }
        Ok(None)
    }

    /// What the window shows; `None` where it cannot be seen yet.
    fn picture(&self) -> Result<Option<Vec<u8>>> {
        let Some(window) = self.window()? else { return Ok(None) };
        let Ok(size) = self.screen.get_geometry(window)?.reply() else { return Ok(None) };
        let (width, height) = (size.width, size.height);
        let image = self.screen.get_image(ImageFormat::Z_PIXMAP, window, 0, 0, width, height, u32::MAX)?;
        Ok(image.reply().ok().map(|image| image.data))
    }

    /// Asks the window to close, as its close button would.
    fn close(&self) -> Result<()> {
        let window = self.window()?.context("there is no window to close")?;
        let atom = |name: &str| {
            Ok::<_, anyhow::Error>(self.screen.intern_atom(false, name.as_bytes())?.reply()?.atom)
        };
        let data = [atom("WM_DELETE_WINDOW")?, x11rb::CURRENT_TIME, 0, 0, 0];
        let event = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS")?, data);
        self.screen.send_event(false, window, EventMask::NO_EVENT, event)?;
        Ok(self.screen.flush()?)
    }
}

/// A running tray app.
pub struct Tray<'a> {
    world: &'a World<'a>,
    program: Program,
    desktop: PathBuf,
}

impl Tray<'_> {
    pub fn pid(&self) -> u32 {
        self.program.0.id()
    }

    /// By a second start, as a user would.
    pub fn open_window(&self) -> Result<()> {
        let opened = self.world.command(&self.desktop).arg("--show").status()?;
        ensure!(opened.success(), "a second start ended with {opened}");
        wait("a window", || Ok(self.world.window()?.is_some()))
    }

    /// Opens a window. Milliseconds from its first sight to the last change of its picture, by when the page shows
    /// what the engine knows.
    pub fn open_until_still(&self) -> Result<f64> {
        self.open_window()?;
        let start = Instant::now();
        let (mut shown, mut changed) = (None, start);
        while shown.is_none() || changed.elapsed() < STILL {
            ensure!(start.elapsed() < WAIT, "the window showed nothing that stays");
            let picture = self.world.picture()?.filter(|picture| has_colours(picture));
            if picture.is_some() && picture != shown {
                (shown, changed) = (picture, Instant::now());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok((changed - start).as_secs_f64() * 1000.0)
    }

    /// Returns once the web view is gone.
    pub fn close_window(&self) -> Result<()> {
        self.world.close()?;
        wait("the web view to go", || Ok(tree(self.pid()).iter().all(|pid| name(*pid) != "WebKitWebProces")))
    }

    /// Megabytes of all its processes but the engine, each page shared out among those that map it.
    pub fn tree_mb(&self) -> Result<f64> {
        let own = tree(self.pid()).into_iter().filter(|pid| name(*pid) != "shim");
        own.map(|pid| memory_mb(pid, "smaps_rollup", "Pss")).sum()
    }
}

/// More than the ground that is there before the page is.
fn has_colours(picture: &[u8]) -> bool {
    let first = picture.chunks_exact(4).next();
    picture.chunks_exact(4).any(|pixel| Some(pixel) != first)
}

struct Watcher(mpsc::Sender<()>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, _service: &str) {
        // Nobody listens for a second icon.
        let _ = self.0.send(());
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A program that ends with its measurement.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        for pid in tree(self.0.id()).into_iter().skip(1) {
            // What the tray started, its engine too, must not outlive it.
            let _ = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program that says on its first line how it is reached.
fn first_line(command: &mut Command) -> Result<(Program, String)> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut program = Program(child);
    let stdout = program.0.stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(!line.trim().is_empty(), "it did not say how it is reached");
    Ok((program, line.trim().to_owned()))
}

fn wait(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > WAIT {
            bail!("waited {} s for {what}", WAIT.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

pub fn memory_mb(pid: u32, file: &str, key: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("/proc/{pid}/{file} states no {key}"))? * 1024.0 / 1e6)
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// A process and everything below it.
fn tree(pid: u32) -> Vec<u32> {
    let children = |pid: u32| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists
            .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
    };
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(current) = found.get(at).copied() {
        found.extend(children(current));
        at += 1;
    }
    found
}
