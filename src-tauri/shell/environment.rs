//! What this program sets in its own environment for its toolkit, which takes it from nowhere else. Nothing that it
//! starts gets that.

use std::{process::Command, sync::OnceLock};

/// Name of what was set, none where its user had set it or nothing is needed.
static SET: OnceLock<Option<&'static str>> = OnceLock::new();

/// Must be called before anything else runs in this process. `is_window`: it will show pages.
pub fn prepare(is_window: bool) {
    let _ = SET.set(wanted(is_window).filter(|(name, _)| std::env::var_os(name).is_none()).map(
        |(name, value)| {
            #[allow(unsafe_code, reason = "the toolkit takes its switches from the environment only")]
            // SAFETY: this is the first thing the program does, so no other thread reads the environment.
            unsafe {
                std::env::set_var(name, value);
            }
            name
        },
    ));
}

/// A command whose environment is the one this program was started in.
pub fn restored(mut command: Command) -> Command {
    if let Some(Some(name)) = SET.get() {
        command.env_remove(name);
    }
    command
}

#[cfg(target_os = "linux")]
fn wanted(is_window: bool) -> Option<(&'static str, &'static str)> {
    if !is_window {
        // The tray draws nothing, yet GTK would load the graphics driver, some 50 MB where that is LLVM's.
        return Some(("GDK_GL", "disable"));
    }
    // WebKitGTK's DMA-BUF renderer leaves windows blank on several graphics drivers. Under automation it stays on,
    // because WebKit's screenshots hang without it.
    let automated =
        ["TAURI_AUTOMATION", "TAURI_WEBVIEW_AUTOMATION"].iter().any(|name| std::env::var_os(name).is_some());
    (!automated).then_some(("WEBKIT_DISABLE_DMABUF_RENDERER", "1"))
}

#[cfg(not(target_os = "linux"))]
fn wanted(_is_window: bool) -> Option<(&'static str, &'static str)> {
    None
}
