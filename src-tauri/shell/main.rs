//! `shim-desktop`: reads the command line and starts the tray.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::Parser;
use shim_desktop::Options;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    avoid_blank_windows();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    match shim_desktop::run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim-desktop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// WebKitGTK's DMA-BUF renderer leaves windows blank on several graphics drivers. A value that the user
/// set stands. Under automation it stays on, because WebKit's screenshots hang without it.
#[cfg(target_os = "linux")]
fn avoid_blank_windows() {
    const RENDERER: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    let stands = [RENDERER, "TAURI_AUTOMATION", "TAURI_WEBVIEW_AUTOMATION"];
    if stands.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    #[allow(unsafe_code, reason = "WebKit takes this switch from the environment only")]
    // SAFETY: this is the first thing the program does, so no other thread reads the environment.
    unsafe {
        std::env::set_var(RENDERER, "1");
    }
}
