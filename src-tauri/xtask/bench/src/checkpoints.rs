//! What a checkpoint takes: as the engine states it, from deciding to durable, and as a caller waits for it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{
    Bench, chats,
    engine::Place,
    figures::{Bound, Figure},
};

/// Steps that the chat has taken before, so that it is of the size of a working day: about 2 MB.
const STEPS: usize = 250;
const DURABLE_WAIT: Duration = Duration::from_secs(30);

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let engine = place.start(&[])?;
    let mut live = chats::start_all(&place, &engine, 1, "busy")?;
    let chat = live.first_mut().context("no chat was started")?;
    for _ in 0..STEPS {
        chat.step()?;
    }
    let (mut took, mut waited) = (Vec::new(), Vec::new());
    for _ in 0..bench.count(200, 20) {
        chat.step()?;
        engine.wait("an append to be durable", DURABLE_WAIT, Duration::from_millis(5), |api| {
            Ok(api.chat(chat.id.as_str(), 1)?.chat.journal.bytes >= chat.bytes)
        })?;
        let start = Instant::now();
        let checkpoint = engine.api.take_checkpoint(chat.id.as_str(), None, None)?;
        waited.push(start.elapsed().as_secs_f64() * 1000.0);
        took.push(checkpoint.took_ms);
    }
    Ok(vec![
        Figure::samples("checkpoint", "ms", took).within(Bound::P99(10.0), Bound::P99(5.0)),
        Figure::samples("checkpoint, as a caller waits", "ms", waited),
    ])
}
