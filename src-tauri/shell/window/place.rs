//! Where the window stood, kept in `window.json` of the data folder. What is read of it is held against the
//! screens that are there.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tauri::{PhysicalPosition, PhysicalSize, WebviewWindow};

const FILE: &str = "window.json";
/// No such file is longer.
const FILE_BYTES_MAX: u64 = 4096;
/// Pixels of a window's upper edge by which it can be moved.
const GRIP_HEIGHT: i64 = 40;
const GRIP_WIDTH_MIN: i64 = 120;
/// Pixels below which a size is no window's; how small it can be made is the window's own limit.
const SIZE_MIN: u32 = 200;

/// In pixels of the screens. A maximised window's is what it goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
    maximised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Screen {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
}

/// The place of the window that is open, or was last; `None` before the first.
#[derive(Default)]
pub struct Last(Mutex<Option<Place>>);

impl Last {
    /// Notes where the window is. What passes, such as a minimised one's, is no place.
    pub fn note(&self, window: &WebviewWindow) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is = |asked: tauri::Result<bool>| asked.unwrap_or(false);
        if is(window.is_minimized()) || is(window.is_fullscreen()) || !is(window.is_visible()) {
            return;
        }
        if is(window.is_maximized()) {
            if let Some(last) = last.as_mut() {
                last.maximised = true;
            }
            return;
        }
        if let (Ok(at), Ok(size)) = (window.outer_position(), window.inner_size()) {
            let PhysicalSize { width, height } = size;
            *last = Some(Place { x: at.x, y: at.y, width, height, maximised: false });
        }
    }

    pub fn keep(&self, home: &Path) {
        let Some(place) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        if let Err(error) = write(home, place) {
            tracing::warn!("where the window stood could not be kept: {error}");
        }
    }
}

/// Puts a window that is not shown yet where it stood last.
pub fn put(window: &WebviewWindow, home: &Path) -> tauri::Result<()> {
    let screens: Vec<_> = window.available_monitors()?.iter().map(Screen::of).collect();
    let Some(place) = read(home).and_then(|place| place.within(&screens)) else { return Ok(()) };
    window.set_size(PhysicalSize::new(place.width, place.height))?;
    window.set_position(PhysicalPosition::new(place.x, place.y))?;
    if place.maximised { window.maximize() } else { Ok(()) }
}

impl Place {
    /// The same place where it can be seen and moved; on the first screen where it could not be.
    fn within(self, screens: &[Screen]) -> Option<Self> {
        let first = screens.first()?;
        let home = screens.iter().find(|screen| self.can_be_moved_on(screen));
        let screen = home.unwrap_or(first);
        let width = self.width.max(SIZE_MIN).min(screen.width);
        let height = self.height.max(SIZE_MIN).min(screen.height);
        let (x, y) = match home {
            Some(_) => (self.x, self.y),
            None => (middle(first.x, first.width, width), middle(first.y, first.height, height)),
        };
        Some(Self { x, y, width, height, ..self })
    }

    fn can_be_moved_on(&self, screen: &Screen) -> bool {
        let (left, top) = (i64::from(self.x), i64::from(self.y));
        let (screen_left, screen_top) = (i64::from(screen.x), i64::from(screen.y));
        let right = (left + i64::from(self.width)).min(screen_left + i64::from(screen.width));
        let bottom = screen_top + i64::from(screen.height);
        right - left.max(screen_left) >= GRIP_WIDTH_MIN && top >= screen_top && top + GRIP_HEIGHT <= bottom
    }
}

/// Where something so long begins, in the middle of a screen that is at least as long.
fn middle(start: i32, all: u32, part: u32) -> i32 {
    start.saturating_add(i32::try_from(all.saturating_sub(part) / 2).unwrap_or(0))
}

impl Screen {
    fn of(monitor: &tauri::Monitor) -> Self {
        let (at, size) = (monitor.position(), monitor.size());
        Self { x: at.x, y: at.y, width: size.width, height: size.height }
    }
}

fn read(home: &Path) -> Option<Place> {
    let mut text = Vec::new();
    fs::File::open(home.join(FILE)).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn write(home: &Path, place: Place) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(home)?;
    file.write_all(&serde_json::to_vec(&place)?)?;
    file.persist(home.join(FILE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Screen = Screen { x: 0, y: 0, width: 1920, height: 1080 };
    const RIGHT: Screen = Screen { x: 1920, y: 0, width: 2560, height: 1440 };

    fn place(x: i32, y: i32, width: u32, height: u32) -> Place {
        Place { x, y, width, height, maximised: false }
    }

    #[test]
    fn a_window_comes_back_where_it_can_be_seen_and_moved() {
        let both = [LEFT, RIGHT];
        for (screens, kept, shown) in [
            (&both[..], place(100, 50, 1080, 720), Some(place(100, 50, 1080, 720))),
            (&both, place(2500, 50, 1080, 720), Some(place(2500, 50, 1080, 720))),
            // The second screen was taken away.
            (&[LEFT], place(2500, 50, 1080, 720), Some(place(420, 180, 1080, 720))),
            // Half out at the left: enough is left to take hold of. Its title above the screen: nothing is.
            (&[LEFT], place(-900, 50, 1080, 720), Some(place(-900, 50, 1080, 720))),
            (&[LEFT], place(100, -300, 1080, 720), Some(place(420, 180, 1080, 720))),
            (&[LEFT], place(0, 0, 9000, 9000), Some(place(0, 0, 1920, 1080))),
            (&[LEFT], place(0, 0, 0, 0), Some(place(860, 440, 200, 200))),
            (&[LEFT], place(i32::MAX, i32::MIN, u32::MAX, u32::MAX), Some(place(0, 0, 1920, 1080))),
            (&[], place(100, 50, 1080, 720), None),
        ] {
            assert_eq!(kept.within(screens), shown, "{kept:?}");
        }
    }

    #[test]
    fn it_is_kept_privately_in_the_data_folder_and_nonsense_is_not_taken() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read(home.path()), None);
        let kept = Place { maximised: true, ..place(-5, 7, 800, 600) };
        write(home.path(), kept).unwrap();
        assert_eq!(read(home.path()), Some(kept));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(home.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        for nonsense in
            ["", "{}", "[1,2]", "{\"x\":1e99,\"y\":0,\"width\":1,\"height\":1,\"maximised\":false}"]
        {
            fs::write(home.path().join(FILE), nonsense).unwrap();
            assert_eq!(read(home.path()), None, "{nonsense}");
        }
    }
}
