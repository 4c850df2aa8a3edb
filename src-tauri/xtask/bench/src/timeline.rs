//! A chat with a hundred thousand entries, looked at page by page.

use std::{
    fs,
    io::{BufWriter, Write as _},
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    Bench,
    chats::slug,
    engine::{Engine, Place},
    figures::{Bound, Figure},
    records::Records,
};

/// Entries of the chat, and of a page.
const ENTRIES: usize = 100_000;
const PAGE: u64 = 200;
const INDEX_WAIT: Duration = Duration::from_secs(300);
const SETTLE: Duration = Duration::from_secs(5);

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let wanted = bench.count(ENTRIES, ENTRIES / 20);
    let (session, bytes) = write_chat(&place, wanted)?;
    let engine = place.start(&[])?;
    engine.wait("the engine to keep the chat", INDEX_WAIT, Duration::from_millis(200), |api| {
        Ok(api
            .chats(None, None)?
            .iter()
            .any(|chat| chat.session_id == session && chat.journal.bytes == bytes))
    })?;
    std::thread::sleep(SETTLE);
    let before = engine.memory_mb("VmRSS")?;
    let (cold, total) = timed(&engine, &session, None)?;
    let mut warm = Vec::new();
    let pages = bench.count(500, 50) as u64;
    for page in 0..pages {
        // Back and forth through the whole, as a person scrolls.
        let from = (page * 7919 * PAGE) % total.saturating_sub(PAGE).max(1);
        warm.push(timed(&engine, &session, Some(from))?.0);
    }
    let after = engine.memory_mb("VmRSS")?;
    let what = format!("{total} entries in {} MB of transcript, {PAGE} of them a page", bytes / 1_000_000);
    Ok(vec![
        Figure::value("timeline, first page", "ms", cold).note(what),
        Figure::samples("timeline, a page anywhere", "ms", warm).within(Bound::P99(50.0), Bound::P99(16.0)),
        Figure::value("timeline, memory before", "MB", before).note("resident"),
        Figure::value("timeline, memory after", "MB", after).note("resident"),
    ])
}

/// Milliseconds that a page took, and how many entries there are.
fn timed(engine: &Engine, session: &str, from: Option<u64>) -> Result<(f64, u64)> {
    let since = Instant::now();
    let page = engine.api.timeline(session, from, PAGE)?;
    let took = since.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(page.entries.len() as u64 == PAGE.min(page.total), "a page of {}", page.entries.len());
    Ok((took, page.total))
}

/// A transcript with at least so many entries; its session and its bytes.
fn write_chat(place: &Place, entries: usize) -> Result<(String, u64)> {
    let session = uuid::Uuid::new_v4().to_string();
    let cwd = place.home().join("work/long");
    fs::create_dir_all(&cwd)?;
    let folder = place.claude().join("projects").join(slug(&cwd));
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{session}.jsonl"));
    let mut file = BufWriter::new(fs::File::create(&path)?);
    let mut records = Records::new(7, &session, &cwd.to_string_lossy());
    file.write_all(records.opening().as_bytes())?;
    let mut told = 0;
    while told < entries {
        let step = records.step();
        told += step.matches("\"type\":\"text\"").count() + step.matches("\"type\":\"tool_use\"").count();
        file.write_all(step.as_bytes())?;
    }
    file.flush()?;
    Ok((session, fs::metadata(&path)?.len()))
}
