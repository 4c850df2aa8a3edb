//! The tray: one thread asks the engine what is to be shown, and redraws what changed.

pub mod menu;
#[cfg(target_os = "linux")]
mod seen;
pub mod view;

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use menu::{Action, Entry, Face, Icon, Menu};
use shim_api::{ApiError, Engine, error::ErrorCode};
use tauri::{
    AppHandle, Manager, Wry,
    image::Image,
    include_image,
    menu::{Menu as NativeMenu, MenuItem, PredefinedMenuItem, Submenu},
    tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent},
};
use view::{FleetLine, TrayView};

use crate::{
    clock,
    desktop::words,
    engine::Link,
    quit,
    restore::{restore, restore_all},
    tasks::Tasks,
    window::{self, Route},
};

const ID: &str = "shim";
/// Shortest time between two redraws; changes in between are drawn together.
const REDRAW_PAUSE: Duration = Duration::from_millis(250);
/// Ages in the menu are told in minutes, so it is looked at anew within one.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Rung when what the tray shows may have changed.
#[derive(Clone)]
pub struct Bell(SyncSender<()>);

impl Bell {
    pub fn ring(&self) {
        // Full means that a redraw is due already.
        let _ = self.0.try_send(());
    }
}

pub fn bell() -> (Bell, Receiver<()>) {
    let (sender, rung) = sync_channel(1);
    (Bell(sender), rung)
}

/// Puts the icon into the tray and starts the thread that keeps it true. It ends when the link closes.
pub fn start(app: &AppHandle, link: Link, rung: Receiver<()>) -> anyhow::Result<JoinHandle<()>> {
    let shown = menu::face(&look(app, &link), words(app));
    build(app, &shown, &link).context("no tray icon could be made")?;
    let app = app.clone();
    std::thread::Builder::new()
        .name("tray".to_owned())
        .spawn(move || keep_true(&app, &link, &rung, shown))
        .context("no thread for the tray")
}

/// Where no tray icon can be seen, the window is the only way in, so it opens at once.
#[cfg(target_os = "linux")]
pub fn open_window_if_unseen(app: &AppHandle) {
    let handle = app.clone();
    app.state::<Tasks>().run("tray look-out", move || {
        if !seen::is_seen() {
            tracing::warn!("this desktop shows no tray icons: start SHIM once more to see its window");
            window::open(&handle, Route::default());
        }
    });
}

fn keep_true(app: &AppHandle, link: &Link, rung: &Receiver<()>, mut shown: Face) {
    loop {
        match rung.recv_timeout(LOOK_EVERY) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if link.is_closing() {
            return;
        }
        let face = menu::face(&look(app, link), words(app));
        if face != shown {
            redraw(app, shown, face.clone());
            shown = face;
        }
        std::thread::sleep(REDRAW_PAUSE);
    }
}

fn look(app: &AppHandle, link: &Link) -> TrayView {
    let asked = link.engine().and_then(|engine| ask(&engine, newer_version(app)));
    asked.unwrap_or_else(|error| TrayView::Down {
        why: match error.code {
            ErrorCode::EngineDown => link.why_down(),
            _ => error.message,
        },
    })
}

/// Asks only for what is shown: histories of chats and crashes grow long, and this is asked often.
fn ask(engine: &Engine, update: Option<String>) -> Result<TrayView, ApiError> {
    let status = engine.status()?;
    let mut live = Vec::new();
    for known in status.chats.iter().filter(|known| known.count > 0 && known.state.is_live()) {
        live.extend(engine.chats(None, Some(known.state))?);
    }
    let crashes = if status.open_crashes > 0 { engine.crashes()? } else { Vec::new() };
    let fleet = if status.open_crashes > 0 { FleetLine::of(&engine.fleet()?) } else { FleetLine::None };
    Ok(view::view(&status, live, crashes, fleet, update, clock::now()))
}

#[cfg(feature = "updater")]
fn newer_version(app: &AppHandle) -> Option<String> {
    app.state::<crate::updates::Found>().version()
}

#[cfg(not(feature = "updater"))]
fn newer_version(_app: &AppHandle) -> Option<String> {
    None
}

fn build(app: &AppHandle, face: &Face, link: &Link) -> anyhow::Result<()> {
    let mut tray = TrayIconBuilder::with_id(ID)
        .icon(image(face.icon))
        // macOS then draws its shape in the menu bar's own colour.
        .icon_as_template(true)
        .tooltip(&face.tooltip)
        .menu(&native(app, &face.menu)?)
        // Linux shows the icon from a file; the folder all users share may belong to another one.
        .temp_dir_path(link.home().join("tray"))
        .show_menu_on_left_click(false)
        .on_menu_event(|app, event| {
            if let Some(action) = Action::from_id(event.id().as_ref()) {
                act(app, action);
            }
        })
        .on_tray_icon_event(opens_on_left_click);
    if let Some(title) = &face.title {
        tray = tray.title(title);
    }
    tray.build(app)?;
    Ok(())
}

/// Not on Linux, where trays tell no clicks and everything is in the menu.
fn opens_on_left_click(tray: &TrayIcon, event: TrayIconEvent) {
    if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event
    {
        window::open(tray.app_handle(), Route::default());
    }
}

fn redraw(app: &AppHandle, old: Face, new: Face) {
    let handle = app.clone();
    let queued = app.run_on_main_thread(move || {
        if let Err(error) = draw(&handle, &old, &new) {
            tracing::error!("the tray could not be redrawn: {error:#}");
        }
    });
    if let Err(error) = queued {
        tracing::error!("the tray could not be redrawn: {error}");
    }
}

fn draw(app: &AppHandle, old: &Face, new: &Face) -> anyhow::Result<()> {
    let tray = app.tray_by_id(ID).context("the tray icon is gone")?;
    if old.menu != new.menu {
        tray.set_menu(Some(native(app, &new.menu)?))?;
    }
    if old.title != new.title {
        tray.set_title(new.title.as_deref())?;
    }
    if old.tooltip != new.tooltip {
        tray.set_tooltip(Some(&new.tooltip))?;
    }
    if old.icon != new.icon {
        tray.set_icon_with_as_template(Some(image(new.icon)), true)?;
    }
    Ok(())
}

fn image(icon: Icon) -> Image<'static> {
    match icon {
        Icon::Well => include_image!("icons/tray-well.png"),
        Icon::Paused => include_image!("icons/tray-paused.png"),
        Icon::Crashed => include_image!("icons/tray-crashed.png"),
        Icon::Down => include_image!("icons/tray-down.png"),
    }
}

fn native(app: &AppHandle, entries: &Menu) -> tauri::Result<NativeMenu<Wry>> {
    let menu = NativeMenu::new(app)?;
    for entry in entries {
        menu.append(&*native_entry(app, entry)?)?;
    }
    Ok(menu)
}

fn native_entry(app: &AppHandle, entry: &Entry) -> tauri::Result<Box<dyn tauri::menu::IsMenuItem<Wry>>> {
    Ok(match entry {
        Entry::Text(text) => Box::new(MenuItem::new(app, literal(text), false, None::<&str>)?),
        Entry::Item { action, label } => {
            Box::new(MenuItem::with_id(app, action.id(), literal(label), true, None::<&str>)?)
        }
        Entry::Separator => Box::new(PredefinedMenuItem::separator(app)?),
        Entry::Submenu { label, entries } => {
            let submenu = Submenu::new(app, literal(label), true)?;
            for entry in entries {
                submenu.append(&*native_entry(app, entry)?)?;
            }
            Box::new(submenu)
        }
    })
}

/// A single `&` would mark the next letter as a shortcut.
fn literal(label: &str) -> String {
    label.replace('&', "&&")
}

fn act(app: &AppHandle, action: Action) {
    match action {
        Action::Restore { crash } => restore(app, crash),
        Action::RestoreAll => restore_all(app),
        Action::CancelAll => tell(app, |engine| engine.cancel_fleet().map(drop)),
        Action::OpenChat(chat) => window::open(app, Route::chat(chat.as_str())),
        Action::OpenCrashes => window::open(app, Route::crashes()),
        Action::OpenDashboard => window::open(app, Route::default()),
        Action::PauseForAnHour => tell(app, |engine| engine.pause(Some(3600))),
        Action::PauseUntilResumed => tell(app, |engine| engine.pause(None)),
        Action::Resume => tell(app, Engine::resume),
        #[cfg(feature = "updater")]
        Action::Update => crate::updates::install(app),
        #[cfg(not(feature = "updater"))]
        Action::Update => {}
        Action::Quit => quit(app),
    }
}

/// Asks something small of the engine, off the main thread, and looks at it anew.
fn tell(app: &AppHandle, ask: impl FnOnce(&Engine) -> Result<(), ApiError> + Send + 'static) {
    let handle = app.clone();
    app.state::<Tasks>().run("tray click", move || {
        if let Err(error) = handle.state::<Link>().engine().and_then(|engine| ask(&engine)) {
            tracing::error!("{error}");
        }
        handle.state::<Bell>().ring();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panels are told apart from what stands on them from here on (WCAG 2.2, 1.4.11).
    const CONTRAST_MIN: f64 = 3.0;
    /// What panels are coloured: white, GNOME's and KDE's light and dark ones, Windows' dark one, black.
    const PANELS: [[u8; 3]; 6] =
        [[255, 255, 255], [246, 245, 244], [239, 240, 241], [36, 36, 36], [32, 32, 32], [0, 0, 0]];

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: [u8; 3]) -> f64 {
        let linear = colour.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn every_icon_is_seen_on_light_panels_and_on_dark_ones() {
        for icon in [Icon::Well, Icon::Paused, Icon::Crashed, Icon::Down] {
            let image = image(icon);
            let drawn: Vec<_> = image.rgba().chunks_exact(4).filter(|pixel| pixel[3] == 255).collect();
            assert!(drawn.len() > 300, "{icon:?} is drawn with full colour, not with a veil");
            for (pixel, panel) in drawn.iter().flat_map(|pixel| PANELS.map(|panel| (pixel, panel))) {
                let (one, other) = (luminance([pixel[0], pixel[1], pixel[2]]), luminance(panel));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= CONTRAST_MIN, "{icon:?}: {pixel:?} on {panel:?}: {contrast:.2}");
            }
        }
    }

    /// In black and white, as macOS and some panels draw them.
    #[test]
    fn icons_differ_by_shape_and_not_only_by_colour() {
        let shape = |icon| -> Vec<bool> {
            let shown = image(icon);
            shown.rgba().chunks_exact(4).map(|pixel| pixel[3] > 127).collect()
        };
        let icons = [Icon::Well, Icon::Paused, Icon::Crashed, Icon::Down];
        for (at, one) in icons.iter().enumerate() {
            for other in &icons[at + 1..] {
                let (first, second) = (shape(*one), shape(*other));
                let differing = first.iter().zip(&second).filter(|(a, b)| a != b).count();
                assert!(differing > first.len() / 20, "{one:?} and {other:?}: {differing} pixels");
            }
        }
    }
}
