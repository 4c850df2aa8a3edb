//! Notifications on macOS and Windows: a thread waits for a button of each, and a click after SHIM ended is lost.

use notify_rust::{Notification, NotificationResponse};
use tauri::AppHandle;

use super::{Note, act, pressed};
use crate::desktop::words;

/// The desktop, which keeps nothing for a later SHIM.
#[derive(Default)]
pub struct Desktop;

impl Desktop {
    pub fn new(_home: &std::path::Path) -> Self {
        Self
    }

    pub fn listen(&self, _app: &AppHandle) {}

    pub fn show(&self, app: &AppHandle, note: &Note) -> anyhow::Result<()> {
        let words = words(app);
        let mut notification = Notification::new();
        notification.appname("SHIM").summary(&note.summary).body(&note.body);
        for button in &note.buttons {
            notification.action(button.key(), button.label(words));
        }
        notification.show()?.wait_for_response(|response: &NotificationResponse| {
            let key = match response {
                NotificationResponse::Action(key) => key.as_str(),
                NotificationResponse::Default => "default",
                NotificationResponse::Reply(_) | NotificationResponse::Closed(_) => return,
            };
            // macOS tells what stood on the button.
            let labelled = || note.buttons.iter().find(|button| button.label(words) == key);
            if let Some(button) = pressed(&note.buttons, key).or_else(labelled) {
                act(app, button);
            }
        })?;
        Ok(())
    }
}
