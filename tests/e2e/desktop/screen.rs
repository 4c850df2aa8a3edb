//! A screen of the test's own, with no window manager: what a user sees and closes.

use std::{path::Path, process::Stdio};

use shim_standin::client::wait;
use x11rb::{
    connection::Connection,
    protocol::xproto::{
        AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt, EventMask, ImageFormat, MapState,
        Window,
    },
    rust_connection::RustConnection,
};

use crate::world::{LONG, Program, bare, first_line, keep_picture};

const SIZE: &str = "1280x800x24";

pub struct Screen {
    /// Such as `:99`.
    pub display: String,
    connection: RustConnection,
    _server: Program,
}

impl Screen {
    pub fn start(folder: &Path) -> Self {
        let mut command = bare("Xvfb", folder);
        command.args(["-displayfd", "1", "-screen", "0", SIZE, "-nolisten", "tcp"]).stderr(Stdio::null());
        let (server, number) = first_line(&mut command);
        let display = format!(":{number}");
        let (connection, _) = x11rb::connect(Some(&display)).unwrap();
        Self { display, connection, _server: server }
    }

    /// Waits until a window with this title is to be seen.
    pub fn wait_for_window(&self, title: &str) -> Window {
        wait(LONG, &format!("a window {title}"), || {
            self.windows().into_iter().find(|&window| self.is_shown(window) && self.title(window) == title)
        })
        .unwrap()
    }

    /// Waits until a window shows more than one colour, and keeps its picture.
    pub fn wait_until_painted(&self, window: Window, name: &str) {
        let painted = wait(LONG, "the window to be painted", || {
            let picture = self.picture(window);
            is_painted(&picture).then_some(picture)
        });
        let size = self.connection.get_geometry(window).unwrap().reply().unwrap();
        keep_picture(name, &png_of(u32::from(size.width), u32::from(size.height), &painted.unwrap()));
    }

    /// How bright a window is: 0 where it is all black, 1 where it is all white.
    pub fn brightness(&self, window: Window) -> f64 {
        let picture = self.picture(window);
        let sum: u64 = picture.iter().map(|&part| u64::from(part)).sum();
        sum as f64 / (picture.len() as f64 * 255.0)
    }

    /// Where a window is, and how large.
    pub fn place(&self, window: Window) -> ((i16, i16), (u16, u16)) {
        let found = self.connection.get_geometry(window).unwrap().reply().unwrap();
        ((found.x, found.y), (found.width, found.height))
    }

    /// Moves and sizes a window, as its user would by a window manager.
    pub fn put(&self, window: Window, (x, y): (i32, i32), (width, height): (u32, u32)) {
        let to = ConfigureWindowAux::new().x(x).y(y).width(width).height(height);
        self.connection.configure_window(window, &to).unwrap();
        self.connection.flush().unwrap();
    }

    /// Red, green and blue of each pixel.
    pub fn picture(&self, window: Window) -> Vec<u8> {
        let size = self.connection.get_geometry(window).unwrap().reply().unwrap();
        let (format, width, height) = (ImageFormat::Z_PIXMAP, size.width, size.height);
        let image = self.connection.get_image(format, window, 0, 0, width, height, u32::MAX).unwrap();
        image.reply().unwrap().data.chunks_exact(4).flat_map(|bgrx| [bgrx[2], bgrx[1], bgrx[0]]).collect()
    }

    /// Asks a window to close, as its close button would.
    pub fn close(&self, window: Window) {
        let protocols = self.atom("WM_PROTOCOLS");
        let data = [self.atom("WM_DELETE_WINDOW"), x11rb::CURRENT_TIME, 0, 0, 0];
        let event = ClientMessageEvent::new(32, window, protocols, data);
        self.connection.send_event(false, window, EventMask::NO_EVENT, event).unwrap();
        self.connection.flush().unwrap();
    }

    /// With no window manager, every window of a program hangs on the root.
    fn windows(&self) -> Vec<Window> {
        let root = self.connection.setup().roots[0].root;
        self.connection.query_tree(root).unwrap().reply().unwrap().children
    }

    /// A window may go while it is asked about.
    fn is_shown(&self, window: Window) -> bool {
        let asked = self.connection.get_window_attributes(window).unwrap().reply();
        asked.is_ok_and(|attributes| attributes.map_state == MapState::VIEWABLE)
    }

    fn title(&self, window: Window) -> String {
        let (name, text) = (AtomEnum::WM_NAME, AtomEnum::ANY);
        let asked = self.connection.get_property(false, window, name, text, 0, 64).unwrap().reply();
        asked.map(|property| String::from_utf8_lossy(&property.value).into_owned()).unwrap_or_default()
    }

    fn atom(&self, name: &str) -> u32 {
        self.connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }
}

/// Whether it shows more than one colour.
pub fn is_painted(picture: &[u8]) -> bool {
    picture.chunks_exact(3).any(|pixel| pixel != &picture[..3])
}

fn png_of(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}
