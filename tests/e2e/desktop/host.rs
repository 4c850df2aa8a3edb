//! What a desktop shell is to a tray program: the host of tray icons and the server of notifications, on
//! the test's own session bus. It records what it gets, and clicks what it is told to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use shim_standin::client::wait;
use zbus::{
    Connection, Message, OwnedVariant, Structure, Variant, block_on, connection, interface, message::Header,
    object_server::SignalEmitter,
};

use crate::world::LONG;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

pub struct Host {
    bus: Connection,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    /// Bus name and object path of the tray icon that registered last.
    item: Option<(String, String)>,
    notes: Vec<Note>,
}

/// A notification as it arrived.
#[derive(Clone, Debug)]
pub struct Note {
    pub id: u32,
    pub summary: String,
    pub body: String,
    /// Key and label, one after the other.
    pub actions: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrayIcon {
    Well,
    Paused,
    Crashed,
    Down,
}

struct MenuLine {
    id: i32,
    label: String,
}

impl Host {
    pub fn start(bus_address: &str) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let bus = block_on(
            connection::Builder::address(bus_address)
                .serve_at("/StatusNotifierWatcher", Watcher(heard.clone()))
                .serve_at("/org/freedesktop/Notifications", Notifications(heard.clone()))
                .name(WATCHER)
                .name("org.freedesktop.Notifications")
                .build(),
        )
        .expect("the test's session bus takes its host");
        Self { bus, heard }
    }

    /// From here on this is a desktop that shows no tray icons.
    pub fn hide_tray(&self) {
        block_on(self.bus.release_name(WATCHER)).unwrap();
    }

    /// All labels of the menu, submenus included.
    pub fn labels(&self) -> Vec<String> {
        self.menu().into_iter().map(|line| line.label).filter(|label| !label.is_empty()).collect()
    }

    /// Waits for a line that begins so.
    pub fn wait_for_line(&self, start: &str) {
        let found = wait(LONG, &format!("the tray's line {start:?}"), || {
            self.labels().iter().any(|label| label.starts_with(start)).then_some(())
        });
        assert!(found.is_ok(), "{found:?}; the menu is {:#?}", self.labels());
    }

    /// Clicks the line that begins so.
    pub fn click(&self, start: &str) {
        let menu = self.menu();
        let line = menu.iter().find(|line| line.label.starts_with(start));
        let id = line.unwrap_or_else(|| panic!("no line {start:?} in {:#?}", self.labels())).id;
        let (item, path) = self.menu_object().unwrap();
        let event = (id, "clicked", Variant::from(""), 0_u32);
        self.call(&item, &path, MENU, "Event", &event).expect("the tray takes the click");
    }

    pub fn icon(&self) -> TrayIcon {
        let wanted =
            |name: &str| std::fs::read(format!("{}/icons/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let known = [
            (TrayIcon::Well, "tray-well.png"),
            (TrayIcon::Paused, "tray-paused.png"),
            (TrayIcon::Crashed, "tray-crashed.png"),
            (TrayIcon::Down, "tray-down.png"),
        ];
        // The icon is drawn a moment after the menu.
        let found = wait(Duration::from_secs(5), "a tray icon that is known", || {
            let shown = pixels(&std::fs::read(self.property("IconName")?).ok()?)?;
            known
                .iter()
                .find(|(_, name)| pixels(&wanted(name)).as_ref() == Some(&shown))
                .map(|(icon, _)| *icon)
        });
        found.unwrap()
    }

    /// Waits for a notification whose summary begins so.
    pub fn wait_for_note(&self, start: &str) -> Note {
        let find = || self.heard().notes.iter().find(|note| note.summary.starts_with(start)).cloned();
        let found = wait(LONG, &format!("the notification {start:?}"), find);
        found.unwrap_or_else(|error| panic!("{error}; there were {:#?}", self.heard().notes))
    }

    /// What was notified, in its order.
    pub fn summaries(&self) -> Vec<String> {
        self.heard().notes.iter().map(|note| note.summary.clone()).collect()
    }

    /// Presses a button of a notification, as the user would. The program listens a moment after it
    /// showed the notification, so the press waits that long.
    pub fn press(&self, note: &Note, key: &str) {
        assert!(note.actions.iter().step_by(2).any(|action| action == key), "{note:?}");
        std::thread::sleep(Duration::from_millis(500));
        block_on(async {
            let emitter = SignalEmitter::new(&self.bus, "/org/freedesktop/Notifications").unwrap();
            Notifications::action_invoked(&emitter, note.id, key).await.unwrap();
            Notifications::notification_closed(&emitter, note.id, 2).await.unwrap();
        });
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    /// Every line, submenus included; empty while there is no tray icon.
    fn menu(&self) -> Vec<MenuLine> {
        let mut lines = Vec::new();
        let ask = (0_i32, -1_i32, Vec::<&str>::new());
        let answer =
            self.menu_object().and_then(|(item, path)| self.call(&item, &path, MENU, "GetLayout", &ask));
        if let Some(answer) = answer
            && let Ok(body) = answer.body().deserialize::<Structure<'_>>()
            && let [_revision, Variant::Structure(root)] = body.fields()
        {
            collect(root, &mut lines);
        }
        lines
    }

    fn menu_object(&self) -> Option<(String, String)> {
        let (item, _) = self.heard().item.clone()?;
        Some((item, self.property("Menu")?))
    }

    /// A property of the tray icon, as text.
    fn property(&self, name: &str) -> Option<String> {
        let (item, path) = self.heard().item.clone()?;
        let answer = self.call(&item, &path, "org.freedesktop.DBus.Properties", "Get", &(ITEM, name))?;
        let value: OwnedVariant = answer.body().deserialize().ok()?;
        text(&value)
    }

    /// None when the program is gone, or has no such object yet.
    fn call<B>(&self, name: &str, path: &str, interface: &str, method: &str, body: &B) -> Option<Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        block_on(self.bus.call_method(Some(name), path, Some(interface), method, body)).ok()
    }
}

fn text(value: &Variant<'_>) -> Option<String> {
    match value {
        Variant::Str(text) => Some(text.to_string()),
        Variant::ObjectPath(path) => Some(path.to_string()),
        _ => None,
    }
}

/// A node is its id, its properties and its children.
fn collect(node: &Structure<'_>, lines: &mut Vec<MenuLine>) {
    let [Variant::I32(id), Variant::Dict(properties), Variant::Array(children)] = node.fields() else {
        return;
    };
    let label: Option<&str> = properties.get(&"label").ok().flatten();
    // Menus mark shortcuts with an underscore and write a real one twice.
    let label = label.unwrap_or_default().replace("__", "\u{0}").replace('_', "").replace('\u{0}', "_");
    lines.push(MenuLine { id: *id, label });
    for child in children.iter() {
        if let Variant::Variant(child) = child
            && let Variant::Structure(child) = &**child
        {
            collect(child, lines);
        }
    }
}

fn pixels(png: &[u8]) -> Option<Vec<u8>> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    reader.next_frame(&mut pixels).ok()?;
    // Where nothing is seen, the colour means nothing.
    pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] == 0).for_each(|pixel| pixel.fill(0));
    Some(pixels)
}

struct Watcher(Arc<Mutex<Heard>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let item = if service.starts_with('/') {
            (sender, service.to_owned())
        } else {
            (service.to_owned(), "/StatusNotifierItem".to_owned())
        };
        self.0.lock().unwrap().item = Some(item);
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

struct Notifications(Arc<Mutex<Heard>>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[allow(clippy::too_many_arguments, reason = "the standard has so many")]
    fn notify(
        &self,
        _app_name: &str,
        _replaces: u32,
        _icon: &str,
        summary: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedVariant>,
        _expires_ms: i32,
    ) -> u32 {
        let mut heard = self.0.lock().unwrap();
        let id = u32::try_from(heard.notes.len()).unwrap() + 1;
        heard.notes.push(Note { id, summary, body, actions });
        id
    }

    fn get_capabilities(&self) -> Vec<&str> {
        vec!["actions", "body", "persistence"]
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("test host", "SHIM", "1", "1.2")
    }

    fn close_notification(&self, _id: u32) {}

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, key: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(emitter: &SignalEmitter<'_>, id: u32, reason: u32) -> zbus::Result<()>;
}
