//! What a client waits for when it calls `shim hook`: with an engine that runs, and with none.

use std::{io::Write as _, process::Stdio, time::Instant};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{
    Bench, chats,
    engine::Place,
    figures::{Bound, Figure},
};

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let live = chats::start_all(&place, &engine, 1, "busy")?;
    let chat = live.first().context("no chat was started")?;
    let input = json!({
        "session_id": chat.id.session_id(), "transcript_path": chat.transcript, "cwd": place.home(),
        "hook_event_name": "Stop", "stop_hook_active": false, "last_assistant_message": "done",
    });
    let with = calls(&place, &input.to_string(), bench.count(200, 20))?;
    drop(engine);
    let without = calls(&place, &input.to_string(), bench.count(200, 20))?;
    let (budget, aim) = (Bound::P99(20.0), Bound::P99(10.0));
    Ok(vec![
        Figure::samples("shim hook", "ms", with).within(budget, aim),
        Figure::samples("shim hook, no engine", "ms", without).within(budget, aim),
    ])
}

/// Milliseconds from starting the program to its end, input included.
fn calls(place: &Place, input: &str, count: usize) -> Result<Vec<f64>> {
    let call = || {
        let start = Instant::now();
        let mut command = place.command(&[], &["hook", "Stop"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        // A hook that does not read its input closes the pipe; its exit tells whether that was right.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        anyhow::ensure!(
            output.status.success(),
            "shim hook: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    };
    (0..count).map(|_| call()).collect()
}
