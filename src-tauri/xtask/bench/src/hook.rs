//! What a client waits for when it calls `shim hook`: the events that `shim install hooks` has it tell, with an engine
//! and without one, and the call that hands a restored chat its context.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    Bench,
    chats::{self, Chat},
    engine::Place,
    figures::{Bound, Figure},
};

const CONTEXT: &str = "This chat was restored. A tool call was in flight and its outcome is unknown.\n";
/// Whether the client waits for the answer before it goes on is the client's own matter; the budget is one.
const EVENTS: [&str; 3] = ["SessionStart", "Stop", "PreCompact"];

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let chat = Chat::start(&place, 0, "idle")?;
    let calls = bench.count(200, 20);
    let mut figures = vec![handed_over(&place, calls)?];
    figures.extend(told(&place, &chat, calls, "no engine")?);
    let engine = place.start(&[])?;
    let known = chats::start_all(&place, &engine, 1, "idle")?;
    figures.extend(told(&place, &chat, calls, "with an engine")?);
    drop(known);
    Ok(figures)
}

fn figure(name: &str, took: Vec<f64>) -> Figure {
    Figure::samples(name, "ms", took).within(Bound::P99(20.0), Bound::P99(10.0))
}

/// The context of one restore, which is handed over once and gone then.
fn handed_over(place: &Place, calls: usize) -> Result<Figure> {
    let file = place.data().join("context.txt");
    let name = file.to_str().context("the folder's name is not UTF-8")?;
    let mut took = Vec::new();
    for _ in 0..calls {
        fs::write(&file, CONTEXT.repeat(20))?;
        let (ms, said) = call(place.command(&[], &["hook", "context", name]), "")?;
        ensure!(said.starts_with(b"This chat"), "shim hook said nothing");
        took.push(ms);
    }
    Ok(figure("shim hook context", took))
}

fn told(place: &Place, chat: &Chat, calls: usize, engine: &str) -> Result<Vec<Figure>> {
    let each = EVENTS.map(|event| {
        let message = message(place, chat, event).to_string();
        let words = ["hook", event, "--client", "claude-code"];
        let calls = (0..calls).map(|_| Ok(call(place.command(&[], &words), &message)?.0));
        Ok(figure(&format!("shim hook {event}, {engine}"), calls.collect::<Result<_>>()?))
    });
    each.into_iter().collect()
}

/// What Claude Code writes to its hooks.
fn message(place: &Place, chat: &Chat, event: &str) -> Value {
    let mut message = json!({
        "session_id": chat.id.session_id(), "transcript_path": chat.transcript, "cwd": place.home().join("work/p0"),
        "hook_event_name": event, "permission_mode": "default",
    });
    let more = match event {
        "SessionStart" => json!({"source": "startup", "model": "claude-opus-5-5"}),
        "Stop" => json!({"stop_hook_active": false, "last_assistant_message": CONTEXT.repeat(20)}),
        _ => json!({"trigger": "manual", "custom_instructions": ""}),
    };
    if let (Value::Object(message), Value::Object(more)) = (&mut message, more) {
        message.extend(more);
    }
    message
}

/// Milliseconds from starting the program to having read all that it says, and what it said.
fn call(mut command: Command, input: &str) -> Result<(f64, Vec<u8>)> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A call that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let took = begun.elapsed();
    ensure!(output.status.success(), "shim hook failed: {}", output.status);
    Ok((took.as_secs_f64() * 1000.0, output.stdout))
}
