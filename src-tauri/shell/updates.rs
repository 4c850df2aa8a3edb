//! Newer versions of SHIM: looked for once a day, told, and installed only when its user asks for it. Part of
//! the app only with the feature `updater`, and at work only where it was built with the key that releases are
//! signed with.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use tauri::{AppHandle, Manager};
use tauri_plugin_updater::{Update, UpdaterExt};

use crate::{
    desktop::words,
    engine::Link,
    notifications::{self, Note},
    tray::Bell,
};

/// After a start the machine has other things to do.
const FIRST_LOOK: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The newer version that was found last.
#[derive(Default)]
pub struct Found(Mutex<Option<Update>>);

impl Found {
    pub fn version(&self) -> Option<String> {
        self.update().map(|update| update.version)
    }

    fn update(&self) -> Option<Update> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Begins to look for newer versions; it ends with the app.
pub fn start(app: &AppHandle) -> anyhow::Result<()> {
    app.manage(Found::default());
    if !has_key(&app.config().plugins.0) {
        return Ok(());
    }
    app.plugin(tauri_plugin_updater::Builder::new().build()).context("the updater's settings are wrong")?;
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(FIRST_LOOK).await;
        loop {
            if let Err(error) = look(&app).await {
                tracing::warn!("newer versions could not be looked for: {error:#}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    Ok(())
}

fn has_key(plugins: &std::collections::HashMap<String, serde_json::Value>) -> bool {
    let key = plugins.get("updater").and_then(|updater| updater.get("pubkey")).and_then(|key| key.as_str());
    key.is_some_and(|key| !key.is_empty())
}

async fn look(app: &AppHandle) -> anyhow::Result<()> {
    let update = app.updater()?.check().await?;
    let found = app.state::<Found>();
    let before = found.version();
    let version = update.as_ref().map(|update| update.version.clone());
    *found.0.lock().unwrap_or_else(PoisonError::into_inner) = update;
    if let Some(version) = version.filter(|version| before.as_ref() != Some(version)) {
        notifications::show(app, Note::new(words(app).newer(&version), Vec::new()));
        app.state::<Bell>().ring();
    }
    Ok(())
}

/// Downloads and proves the newer version, ends the engine in order, and starts SHIM anew with it.
pub fn install(app: &AppHandle) {
    let Some(update) = app.state::<Found>().update() else { return };
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        match update.download(|_, _| {}, || {}).await {
            Ok(bytes) => {
                app.state::<Link>().close();
                if let Err(error) = update.install(bytes) {
                    tracing::error!("SHIM {} could not be installed: {error}", update.version);
                }
                app.restart();
            }
            Err(error) => {
                let text = words(&app).not_fetched(&update.version, &error.to_string());
                notifications::show(&app, Note::new(text, Vec::new()));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_key_nothing_is_looked_for() {
        for (updater, looks) in [
            (None, false),
            (Some(json!({})), false),
            (Some(json!({"pubkey": ""})), false),
            (Some(json!({"pubkey": "dW50cnVzdGVk"})), true),
        ] {
            let plugins = updater.map(|updater| ("updater".to_owned(), updater)).into_iter().collect();
            assert_eq!(has_key(&plugins), looks);
        }
    }
}
