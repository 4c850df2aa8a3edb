//! What a client waits for when it calls `shim hook`: the one that hands a restored chat its context.

use std::{fs, process::Stdio, time::Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Bench,
    engine::Place,
    figures::{Bound, Figure},
};

const CONTEXT: &str = "This chat was restored. A tool call was in flight and its outcome is unknown.\n";

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let calls = (0..bench.count(200, 20)).map(|_| call(&place)).collect::<Result<_>>()?;
    Ok(vec![Figure::samples("shim hook", "ms", calls).within(Bound::P99(20.0), Bound::P99(10.0))])
}

/// Milliseconds from starting the program to having read all that it says.
fn call(place: &Place) -> Result<f64> {
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
