//! What keeping the working tree of a repository of 10,000 files takes, as the engine states it, and that neither a
//! checkpoint nor the watch waits for it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use shim_core::checkpoints::snapshots::SnapshotState;

use crate::{
    Bench, chats,
    engine::Place,
    figures::{Bound, Figure},
};

const FILES: usize = 10_000;
/// Files that change before each snapshot: what a busy chat edits in a minute or two.
const CHANGED: usize = 20;
/// Bytes of each file.
const FILE_BYTES: usize = 2000;
const KEPT_WAIT: Duration = Duration::from_secs(60);

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let top = place.home().join("work/p0");
    furnish(&place, &top)?;
    let engine = place.start(&[])?;
    let live = chats::start_all(&place, &engine, 1, "busy")?;
    let chat = live.first().context("no chat was started")?;
    let (mut took, mut beside, mut same) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.count(40, 5) {
        for file in 0..CHANGED {
            write(&top, (round * 97 + file * 31) % FILES, &format!("round {round}"))?;
        }
        fs::write(top.join(format!("untracked-{round}")), "new")?;
        let checkpoint = engine.api.take_checkpoint(chat.id.as_str(), None, None)?;
        // A call that the watch answers while git works.
        let start = Instant::now();
        engine.api.chats(None, None)?;
        beside.push(start.elapsed().as_secs_f64() * 1000.0);
        took.push(kept(&engine, checkpoint.id)?);
        let again = engine.api.take_checkpoint(chat.id.as_str(), None, None)?;
        let start = Instant::now();
        kept(&engine, again.id)?;
        same.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(vec![
        Figure::samples("workspace snapshot, 10,000 files, 21 changed", "ms", took)
            .within(Bound::P99(500.0), Bound::P99(500.0)),
        Figure::samples("same, nothing changed since, as a caller sees it", "ms", same),
        Figure::samples("a call to the engine meanwhile", "ms", beside),
    ])
}

fn write(top: &Path, number: usize, text: &str) -> Result<()> {
    let folder = top.join(format!("src/d{:03}", number / 100));
    fs::create_dir_all(&folder)?;
    let mut bytes = format!("{number} {text}\n").repeat(1 + FILE_BYTES / (text.len() + 7));
    bytes.truncate(FILE_BYTES);
    Ok(fs::write(folder.join(format!("f{number:05}.txt")), bytes)?)
}

fn furnish(place: &Place, top: &Path) -> Result<()> {
    fs::create_dir_all(top)?;
    for number in 0..FILES {
        write(top, number, "as committed")?;
    }
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "first"],
    ] {
        let status = place.program("git").args(args).current_dir(top).status()?;
        ensure!(status.success(), "git {args:?}: {status}");
    }
    Ok(())
}

/// Waits until a checkpoint's tree is kept; gives the milliseconds that the engine states.
fn kept(engine: &crate::engine::Engine, checkpoint: i64) -> Result<f64> {
    let mut took = None;
    engine.wait("the tree to be kept", KEPT_WAIT, Duration::from_millis(5), |api| {
        let Ok(kept) = api.workspace(checkpoint) else { return Ok(false) };
        ensure!(kept.error.is_none(), "{:?}", kept.error);
        took = (kept.state == SnapshotState::Kept).then_some(kept.took_ms);
        Ok(took.is_some())
    })?;
    took.context("it was kept and its time not told")
}
