//! `shim crashes`.

use shim_api::{Engine, crashes::Crash};

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
    let rows = groups.iter().map(|group| {
        let last = print::time(group.last_seen);
        vec![group.id.clone(), group.count.to_string(), last, group.words.clone(), group.shared.clone()]
    });
    print::table(&["id", "times", "last (UTC)", "what", "shared"], &rows.collect::<Vec<_>>());
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
