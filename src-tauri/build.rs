//! Builds the pages when they are missing or older than their sources, then lets Tauri embed them.
//! `SHIM_SKIP_UI=1` leaves `ui/dist` as it is; `tauri dev` serves the pages from Vite and needs none.

use std::{error::Error, path::Path, process::Command, time::SystemTime};

type Fallible<T = ()> = Result<T, Box<dyn Error>>;

/// What the pages are built from, inside `ui/`.
const SOURCES: [&str; 7] =
    ["src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json"];
const BUILT: &str = "ui/dist/index.html";

fn main() -> Fallible {
    pages()?;
    tauri_build::try_build(
        tauri_build::Attributes::new().capabilities_path_pattern("src-tauri/capabilities/**/*"),
    )?;
    Ok(())
}

fn pages() -> Fallible {
    println!("cargo:rerun-if-env-changed=SHIM_SKIP_UI");
    println!("cargo:rerun-if-changed=src-tauri/build.rs");
    let served_by_vite = std::env::var_os("CARGO_FEATURE_CUSTOM_PROTOCOL").is_none();
    if served_by_vite || std::env::var_os("SHIM_SKIP_UI").is_some_and(|value| value == "1") {
        return Ok(());
    }
    let sources: Vec<_> =
        SOURCES.iter().map(|name| Path::new("ui").join(name)).filter(|path| path.exists()).collect();
    for path in &sources {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    // Deleting the pages by hand must bring them back. Cargo runs this script once more after it built
    // them, because they are then newer than its start; that run finds them fresh.
    println!("cargo:rerun-if-changed={BUILT}");

    let newest = sources.iter().filter_map(|path| newest_change(path)).max();
    if changed(Path::new(BUILT)).is_some_and(|built| newest.is_none_or(|source| source <= built)) {
        return Ok(());
    }
    let lock = changed(Path::new("ui/package-lock.json"));
    let installed = changed(Path::new("ui/node_modules/.package-lock.json"));
    if installed.is_none() || installed < lock {
        npm(&["ci", "--no-audit", "--no-fund"])?;
    }
    npm(&["run", "build"])
}

fn npm(args: &[&str]) -> Fallible {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let what = format!("`{program} {}` in ui/", args.join(" "));
    let advice = "install Node 20.19 or newer, or set SHIM_SKIP_UI=1 with pages built before in ui/dist";
    let status = Command::new(program)
        .args(args)
        .current_dir("ui")
        .status()
        .map_err(|e| format!("{what} could not be started: {e}; {advice}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what} failed ({status}); {advice}").into()) }
}

/// The latest change of a file, or of any file below a folder.
fn newest_change(path: &Path) -> Option<SystemTime> {
    if !path.is_dir() {
        return changed(path);
    }
    let entries = std::fs::read_dir(path).ok()?.filter_map(Result::ok);
    entries.filter_map(|entry| newest_change(&entry.path())).max()
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
