//! The machine that the figures are true of.

use std::{env, fs, process::Command};

use serde_json::{Value, json};

/// One JSON object; what cannot be told is null.
pub fn describe() -> Value {
    json!({
        "machine": {
            "cpu": line_of("/proc/cpuinfo", "model name"),
            "cores": std::thread::available_parallelism().ok().map(usize::from),
            "memory": line_of("/proc/meminfo", "MemTotal"),
            "system": env::consts::OS,
            "kernel": said("uname", &["-r"]),
            "load": fs::read_to_string("/proc/loadavg").ok().map(|load| load.trim().to_owned()),
        },
        "rustc": said("rustc", &["--version"]),
        "profile": if cfg!(debug_assertions) { "debug" } else { "release" },
        "shim": env!("CARGO_PKG_VERSION"),
    })
}

fn line_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
