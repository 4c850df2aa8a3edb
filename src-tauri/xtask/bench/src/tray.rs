//! What the tray app takes with no window, and after a window was open and closed, once and for an hour; how soon a
//! window shows its page.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    Bench,
    desktop::{World, memory_mb},
    engine::Place,
    figures::{Bound, Figure},
};

/// After a change, until what follows from it is done.
const SETTLE: Duration = Duration::from_secs(8);
/// Windows whose start is measured.
const OPENED_TIMES: usize = 10;
const HOW: &str = "proportional set size of the tray's processes, without the engine";
/// How long windows are opened and closed, and in a quick run.
const OPENED_FOR: Duration = Duration::from_secs(60 * 60);
const OPENED_QUICKLY_FOR: Duration = Duration::from_secs(90);
/// Longer, and an hour holds too few windows; shorter, and nobody uses them so.
const WINDOW_STAYS: Duration = Duration::from_secs(10);
/// Closed windows at the beginning and at the end whose middle figure is compared.
const COMPARED: usize = 10;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let world = World::start(&place)?;
    let tray = world.tray(bench)?;
    thread::sleep(SETTLE);
    let (resident, before) = (memory_mb(tray.pid(), "status", "VmRSS")?, tray.tree_mb()?);

    let mut usable = vec![tray.open_until_still()?];
    thread::sleep(SETTLE);
    let open = tray.tree_mb()?;
    tray.close_window()?;
    thread::sleep(SETTLE);
    let after = tray.tree_mb()?;
    for _ in 1..bench.count(OPENED_TIMES, 2) {
        usable.push(tray.open_until_still()?);
        tray.close_window()?;
    }
    Ok(vec![
        Figure::value("tray, no window yet", "MB", resident)
            .within(Bound::AtMost(120.0), Bound::AtMost(119.0))
            .note("resident, the tray's own process; WebKitGTK's libraries alone were measured at 119"),
        Figure::value("tray, no window yet, shared out", "MB", before).note(HOW),
        Figure::value("tray, window open, shared out", "MB", open).note(HOW),
        Figure::samples("window, from its first sight to its page", "ms", usable)
            .within(Bound::P99(1000.0), Bound::P99(1000.0))
            .note("to the last change of its picture"),
        Figure::value("tray, window closed again", "×", after / before)
            .within(Bound::AtMost(1.15), Bound::AtMost(1.0))
            .note(format!("{after:.0} MB shared out, over that before the first window")),
    ])
}

/// An hour of windows: what stays behind when each is closed must not grow.
pub fn windows(bench: &Bench) -> Result<Vec<Figure>> {
    let place = Place::new(&bench.shim)?;
    let world = World::start(&place)?;
    let tray = world.tray(bench)?;
    let span = if bench.quick { OPENED_QUICKLY_FOR } else { OPENED_FOR };
    let begun = Instant::now();
    let mut closed = Vec::new();
    while begun.elapsed() < span {
        tray.open_window()?;
        thread::sleep(WINDOW_STAYS);
        tray.close_window()?;
        thread::sleep(SETTLE);
        closed.push(tray.tree_mb()?);
    }
    let compared = COMPARED.min(closed.len() / 2).max(1);
    let first = middle(closed.get(..compared).unwrap_or_default()).context("no window was closed")?;
    let last =
        middle(closed.get(closed.len() - compared..).unwrap_or_default()).context("none was closed")?;
    let most = closed.iter().copied().fold(0.0, f64::max);
    let note = format!(
        "{} windows in {:.0} min, middle of the last {compared} over that of the first; {first:.1}, {last:.1}, at most {most:.1} MB shared out",
        closed.len(),
        begun.elapsed().as_secs_f64() / 60.0,
    );
    Ok(vec![
        Figure::value("tray, an hour of windows", "×", last / first)
            .within(Bound::AtMost(1.05), Bound::AtMost(1.01))
            .note(note),
    ])
}

fn middle(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
