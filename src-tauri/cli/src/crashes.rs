//! `shim crashes`.

use std::{fs, path::Path};

use anyhow::Context;
use shim_api::{Engine, crashes::Crash};
use shim_core::charts::standing_alone;

use crate::print;

pub fn crashes(engine: &Engine, json: bool) -> anyhow::Result<()> {
    let crashes = engine.crashes()?;
    if json {
        return print::json(&crashes);
    }
    if crashes.is_empty() {
        say!("No crashes.");
        return Ok(());
    }
    let rows: Vec<_> = crashes.iter().map(row).collect();
    print::table(&["no", "happened (UTC)", "kind", "in turn", "noticed after", "state", "title"], &rows);
    Ok(())
}

/// Crashes that look alike, told as one.
pub fn fingerprints(engine: &Engine, json: bool) -> anyhow::Result<()> {
    let groups = engine.fingerprints(0)?;
    if json {
        return print::json(&groups);
    }
    if groups.is_empty() {
        say!("No crashes.");
        return Ok(());
    }
    let row = |id: &str, count: u64, last, what: &str| {
        vec![id.to_owned(), count.to_string(), print::time(last), what.to_owned()]
    };
    let mut rows = Vec::new();
    for group in &groups {
        rows.push(row(&group.id, group.count, group.last_seen, &group.words));
        for part in group.parts.iter().filter(|part| !part.shared.is_empty()) {
            rows.push(row(&part.id, part.count, part.last_seen, &format!("  {}", part.shared)));
        }
    }
    print::table(&["id", "times", "last (UTC)", "what"], &rows);
    Ok(())
}

/// Crashes by day and kind, as a picture that needs no page.
pub fn chart(engine: &Engine, file: &Path, days: u32, json: bool) -> anyhow::Result<()> {
    let chart = engine.crash_chart(days, 0)?;
    fs::write(file, standing_alone(&chart.svg))
        .with_context(|| format!("{} could not be written", file.display()))?;
    if json {
        return print::json(&chart);
    }
    let counted: f64 = chart.rows.iter().flat_map(|row| &row.values).flatten().sum();
    say!("{counted} crashes of {days} days, drawn into {}.", file.display());
    Ok(())
}

fn row(crash: &Crash) -> Vec<String> {
    let tools: Vec<_> = crash.in_flight.iter().map(|call| call.tool.as_str()).collect();
    let in_turn = if tools.is_empty() {
        crash.in_turn.name().to_owned()
    } else {
        format!("tool: {}", tools.join(", "))
    };
    let noticed =
        if crash.seen_live { format!("{} ms", crash.detected_after_ms) } else { "found later".to_owned() };
    vec![
        crash.id.to_string(),
        print::time(crash.happened_at),
        crash.kind.name().to_owned(),
        in_turn,
        noticed,
        if crash.resolved { "goes on" } else { "open" }.to_owned(),
        print::cut(&crash.title, 60),
    ]
}
