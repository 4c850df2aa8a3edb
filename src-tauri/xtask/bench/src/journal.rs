//! From a client's append to the bytes being durable here, and what the disk is given for them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    Bench, chats,
    engine::Place,
    figures::{Bound, Figure},
    records::Random,
};

const LIVE: usize = 20;
const DURABLE_WAIT: Duration = Duration::from_secs(10);

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = vec![lag(bench)?];
    figures.extend(writes(bench)?);
    Ok(figures)
}

fn lag(bench: &Bench) -> Result<Figure> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let mut live = chats::start_all(&place, &engine, 1, "busy")?;
    let chat = live.first_mut().context("no chat was started")?;
    let mut random = Random::new(5);
    let mut samples = Vec::new();
    for _ in 0..bench.count(200, 20) {
        chat.step()?;
        let took =
            engine.wait("an append to be durable", DURABLE_WAIT, Duration::from_micros(500), |api| {
                Ok(api.chat(chat.id.as_str(), 1)?.chat.journal.bytes >= chat.bytes)
            })?;
        samples.push(took.as_secs_f64() * 1000.0);
        thread::sleep(Duration::from_millis(20 + random.below(80)));
    }
    let figure =
        Figure::samples("append → durable", "ms", samples).within(Bound::P99(250.0), Bound::P99(50.0));
    Ok(figure.note(
        "from the end of the client's write to the engine naming the bytes durable, asked about every ms",
    ))
}

/// Twenty chats at work: bytes the system wrote for the engine, per byte the clients appended.
fn writes(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let mut live = chats::start_all(&place, &engine, LIVE, "busy")?;
    let (cpu, before, bytes) = (engine.cpu_seconds()?, engine.written_bytes()?, total(&live));
    let span = Duration::from_secs(bench.count(60, 10) as u64);
    let start = Instant::now();
    let mut random = Random::new(9);
    while start.elapsed() < span {
        // Each chat takes a step every two seconds or so.
        let pick = usize::try_from(random.below(LIVE as u64))?;
        live.get_mut(pick).context("no such chat")?.step()?;
        thread::sleep(Duration::from_millis(50 + random.below(100)));
    }
    let seconds = start.elapsed().as_secs_f64();
    engine.wait("every append to be durable", DURABLE_WAIT, Duration::from_millis(50), |api| {
        let known = api.chats(None, None)?;
        Ok(known.iter().map(|chat| chat.journal.bytes).sum::<u64>() >= total(&live))
    })?;
    let busy = (engine.cpu_seconds()? - cpu) / seconds * 100.0;
    let memory = engine.memory_mb("VmRSS")?;
    let appended = (total(&live) - bytes) as f64;
    let written = (engine.written_in_all()? - before) as f64;
    let what = format!(
        "{LIVE} chats at work for {seconds:.0} s, {:.1} MB appended in steps of 1 to 30 KB",
        appended / 1e6
    );
    Ok(vec![
        Figure::value("disk writes per byte", "×", written / appended)
            .within(Bound::AtMost(1.5), Bound::AtMost(1.1))
            .note(format!("{what}; with what the engine writes when it ends")),
        Figure::value("engine at work, CPU", "%", busy).note(what.clone()),
        Figure::value("engine at work, memory", "MB", memory).note(what),
    ])
}

fn total(live: &[chats::Chat]) -> u64 {
    live.iter().map(|chat| chat.bytes).sum()
}
