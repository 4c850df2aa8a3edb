//! The engine with twenty live chats in which nothing happens.

use std::{thread, time::Duration};

use anyhow::Result;

use crate::{
    Bench, chats,
    engine::{Engine, Place},
    figures::{Bound, Figure},
};

const LIVE: usize = 20;
/// After the last change, until what follows from it is done.
const SETTLE: Duration = Duration::from_secs(15);

/// What an engine takes while nothing happens.
pub struct Idle {
    pub span: Duration,
    /// Per cent of one core.
    pub cpu: f64,
    /// Megabytes: resident, of its own, and the most so far.
    pub memory: f64,
    pub own: f64,
    pub peak: f64,
    /// Kilobytes.
    pub written: f64,
}

impl Idle {
    pub fn of(engine: &Engine, bench: &Bench) -> Result<Self> {
        let (cpu, before) = (engine.cpu_seconds()?, engine.api.status()?.own.written_bytes);
        let span = Duration::from_secs(bench.count(60, 10) as u64);
        thread::sleep(span);
        let cpu = (engine.cpu_seconds()? - cpu) / span.as_secs_f64() * 100.0;
        let [memory, own, peak] = ["VmRSS", "RssAnon", "VmHWM"].map(|key| engine.memory_mb(key));
        let after = engine.api.status()?.own.written_bytes;
        let written = after.zip(before).map_or(0.0, |(after, before)| (after - before) as f64 / 1e3);
        Ok(Self { span, cpu, memory: memory?, own: own?, peak: peak?, written })
    }
}

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let live = chats::start_all(&place, &engine, LIVE, "idle")?;
    thread::sleep(SETTLE);
    let idle = Idle::of(&engine, bench)?;
    drop(live);
    let what = format!("{LIVE} live chats, {} s", idle.span.as_secs());
    Ok(vec![
        Figure::value("engine idle, CPU", "%", idle.cpu)
            .within(Bound::AtMost(0.5), Bound::AtMost(0.1))
            .note(what.clone()),
        Figure::value("engine idle, memory", "MB", idle.memory)
            .within(Bound::AtMost(30.0), Bound::AtMost(20.0))
            .note("resident"),
        Figure::value("engine idle, disk writes", "KB", idle.written).note(what),
    ])
}
