//! What a client waits for when it calls `shim hook`, through a shell as clients do, with no engine running:
//! the message of a turn's end, and the context that a chat is handed as it is taken up.

use std::{fs, io::Write, process::Stdio, time::Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Bench,
    engine::Place,
    figures::{Bound, Figure},
};

const CONTEXT: &str = "This chat was restored. A tool call was in flight and its outcome is unknown.\n";
const SESSION_ID: &str = "22222222-0000-4000-8000-000000000001";
/// Characters of the answer that the client sends along.
const ANSWER_CHARACTERS: usize = 4000;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let count = bench.count(200, 20);
    let restored = (0..count).map(|_| restored(&place)).collect::<Result<_>>()?;
    let began = (0..count).map(|_| told(&place, "SessionStart")).collect::<Result<_>>()?;
    let ended = (0..count).map(|_| told(&place, "Stop")).collect::<Result<_>>()?;
    let figures = [
        ("shim hook, a restored chat's context", restored),
        ("shim hook SessionStart, with a context", began),
        ("shim hook Stop", ended),
    ];
    let figure =
        |(name, calls)| Figure::samples(name, "ms", calls).within(Bound::P99(20.0), Bound::P99(10.0));
    Ok(figures.map(figure).into())
}

/// Milliseconds from starting the program to having read all that it says.
fn restored(place: &Place) -> Result<f64> {
    // It is handed over once, and gone then.
    let file = place.data().join("context.txt");
    fs::write(&file, CONTEXT.repeat(20))?;
    let file = file.to_str().context("the folder's name is not UTF-8")?;
    let start = Instant::now();
    let output = place.command(&[], &["hook", "context", file]).stdin(Stdio::null()).output()?;
    let took = start.elapsed();
    ensure!(output.status.success() && output.stdout.starts_with(b"This chat"), "shim hook said nothing");
    Ok(took.as_secs_f64() * 1000.0)
}

/// The same, of an event that the client tells on stdin.
fn told(place: &Place, event: &str) -> Result<f64> {
    let begins = event == "SessionStart";
    if begins {
        let contexts = place.data().join("contexts");
        fs::create_dir_all(&contexts)?;
        fs::write(contexts.join(format!("claude-code-{SESSION_ID}.txt")), CONTEXT.repeat(20))?;
    }
    let answer = "x".repeat(ANSWER_CHARACTERS);
    let said = format!(r#"{{"session_id":"{SESSION_ID}","cwd":"/","last_assistant_message":"{answer}"}}"#);
    let start = Instant::now();
    let mut command =
        place.command(&["sh", "-c", r#""$0" "$@""#], &["hook", event, "--client", "claude-code"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("the hook has no stdin")?.write_all(said.as_bytes())?;
    let output = child.wait_with_output()?;
    let took = start.elapsed();
    let spoke = output.stdout.starts_with(b"{\"hookSpecificOutput\"");
    ensure!(output.status.success() && spoke == begins, "shim hook {event} answered {output:?}");
    Ok(took.as_secs_f64() * 1000.0)
}
