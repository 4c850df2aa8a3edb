//! A cold start over transcripts that SHIM has never seen, held to one core.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    Bench, chats,
    engine::Place,
    figures::{Bound, Figure},
    records::Records,
};

/// Bytes of one past chat.
const CHAT_BYTES: usize = 4_000_000;
const INDEX_WAIT: Duration = Duration::from_secs(300);

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let chats = bench.count(80, 8);
    let bytes = write_past_chats(&place, chats)?;
    let pinned = Command::new("taskset").arg("--version").output().is_ok();
    let before: &[&str] = if pinned { &["taskset", "-c", "0"] } else { &[] };
    let start = Instant::now();
    let engine = place.start(before)?;
    engine.wait("the index", INDEX_WAIT, Duration::from_millis(100), |api| {
        let known = api.chats(None, None)?;
        Ok(known.iter().map(|chat| chat.journal.bytes).sum::<u64>() >= bytes)
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = engine.cpu_seconds()?;
    let database = engine.api.status()?.own.database_bytes;
    let megabytes = bytes as f64 / 1e6;
    let what = format!(
        "{megabytes:.0} MB in {chats} chats, {}, from the engine's start to every byte durable; {cpu:.1} s of processor time; kept in {:.0} MB",
        if pinned { "one core" } else { "not held to one core" },
        database as f64 / 1e6,
    );
    Ok(vec![
        Figure::value("cold index", "MB/s", megabytes / seconds)
            .within(Bound::AtLeast(200.0), Bound::AtLeast(500.0))
            .note(what),
        Figure::value("cold index, peak memory", "MB", engine.memory_mb("VmHWM")?)
            .note("resident, the kernel's high-water mark"),
    ])
}

/// Chats without a process, in a few projects; gives their bytes.
fn write_past_chats(place: &Place, count: usize) -> Result<u64> {
    let mut bytes = 0;
    for seed in 0..count as u64 {
        let cwd = place.home().join(format!("work/past{}", seed % 9));
        let folder = place.claude().join("projects").join(chats::slug(&cwd));
        fs::create_dir_all(&folder)?;
        let session = uuid::Uuid::new_v4().to_string();
        let text = Records::new(1000 + seed, &session, &cwd.to_string_lossy()).chat(CHAT_BYTES);
        fs::write(folder.join(format!("{session}.jsonl")), &text)?;
        bytes += text.len() as u64;
    }
    Ok(bytes)
}
