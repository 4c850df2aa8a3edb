//! The engine with twenty live chats in which nothing happens.

use std::{thread, time::Duration};

use anyhow::Result;

use crate::{
    Bench, chats,
    engine::Place,
    figures::{Bound, Figure},
};

const LIVE: usize = 20;
/// After the last change, until what follows from it is done.
const SETTLE: Duration = Duration::from_secs(5);

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let live = chats::start_all(&place, &engine, LIVE, "idle")?;
    thread::sleep(SETTLE);
    let (cpu, written) = (engine.cpu_seconds()?, engine.api.status()?.own.written_bytes);
    let span = Duration::from_secs(bench.count(60, 10) as u64);
    thread::sleep(span);
    let busy = (engine.cpu_seconds()? - cpu) / span.as_secs_f64() * 100.0;
    let memory = engine.memory_mb("VmRSS")?;
    let after = engine.api.status()?.own.written_bytes;
    let written = after.zip(written).map_or(0.0, |(after, before)| (after - before) as f64 / 1e3);
    drop(live);
    let what = format!("{LIVE} live chats, {} s", span.as_secs());
    Ok(vec![
        Figure::value("engine idle, CPU", "%", busy)
            .within(Bound::AtMost(0.5), Bound::AtMost(0.1))
            .note(what.clone()),
        Figure::value("engine idle, memory", "MB", memory)
            .within(Bound::AtMost(30.0), Bound::AtMost(20.0))
            .note("resident"),
        Figure::value("engine idle, disk writes", "KB", written).note(what),
    ])
}
