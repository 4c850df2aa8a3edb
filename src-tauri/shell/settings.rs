//! What is set, as the engine told last. While the file is wrong, what held before holds on.

use std::sync::{Mutex, PoisonError};

use shim_core::settings::{Settings, parse};
use tauri::{AppHandle, Manager};

use crate::{
    engine::Link,
    words::{self, Words},
};

#[derive(Default)]
pub struct Held(Mutex<Settings>);

impl Held {
    /// Asks the engine, and gives what holds from now on.
    pub fn ask(&self, link: &Link) -> Settings {
        let told = link.engine().and_then(|engine| engine.settings());
        let read = match told {
            Ok(view) => parse(&view.text).ok().map(|file| file.settings),
            Err(error) => {
                tracing::warn!("what is set is not known: {error}");
                None
            }
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(settings) = read {
            *held = settings;
        }
        held.clone()
    }

    pub fn words(&self) -> &'static dyn Words {
        words::of(self.0.lock().unwrap_or_else(PoisonError::into_inner).desktop.language)
    }
}

/// The words of the language that is set.
pub fn words(app: &AppHandle) -> &'static dyn Words {
    app.state::<Held>().words()
}
