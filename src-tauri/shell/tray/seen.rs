//! Whether this desktop shows tray icons at all; some, such as a plain GNOME, do not.

use std::time::{Duration, Instant};

use zbus::{Connection, block_on, fdo::DBusProxy};

/// Who shows tray icons on Linux desktops.
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
/// At login the part of the desktop that shows tray icons may start after SHIM.
const WATCHER_WAIT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Waits a little for somebody who shows tray icons; false when nobody came. Blocks.
pub fn is_seen() -> bool {
    let deadline = Instant::now() + WATCHER_WAIT;
    loop {
        match block_on(has_watcher()) {
            Ok(true) => return true,
            Ok(false) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            Ok(false) => return false,
            Err(error) => {
                tracing::warn!("the session bus does not say who shows tray icons: {error}");
                return false;
            }
        }
    }
}

async fn has_watcher() -> zbus::Result<bool> {
    let bus = Connection::session().await?;
    Ok(DBusProxy::new(&bus).await?.name_has_owner(WATCHER.try_into()?).await?)
}
