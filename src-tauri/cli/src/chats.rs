//! Verbs about chats: list, timeline, checkpoints, export, search.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use shim_api::{
    Engine,
    chats::{Chat, EntryKind},
    checkpoints::{Checkpoint, Workspace},
    timeline::Point,
};
use shim_core::{
    chats::ChatState,
    checkpoints::{Trigger, snapshots::SnapshotState},
};

use crate::{print, signals};

pub fn chats(
    engine: &Engine,
    client: Option<&str>,
    state: Option<ChatState>,
    json: bool,
) -> anyhow::Result<()> {
    let chats = engine.chats(client, state)?;
    if json {
        return print::json(&chats);
    }
    let rows: Vec<_> = chats
        .iter()
        .map(|chat| {
            let short: String = chat.session_id.chars().take(8).collect();
            vec![
                short,
                shown_state(chat),
                chat.pid.map_or_else(String::new, |pid| pid.to_string()),
                chat.turns.to_string(),
                print::time(chat.last_activity),
                print::cut(&chat.title, 50),
                chat.cwd.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if rows.is_empty() {
        say!("No chats yet. Start one in Claude Code and it appears here.");
        return Ok(());
    }
    print::table(&["id", "state", "pid", "turns", "last activity (UTC)", "title", "folder"], &rows);
    Ok(())
}

pub fn chat(engine: &Engine, id: &str, limit: u32, places: bool, json: bool) -> anyhow::Result<()> {
    let detail = engine.chat(id, limit)?;
    if json {
        return print::json(&detail);
    }
    let chat = &detail.chat;
    say!("{}\n{}  {}  {} turns, {} tokens", chat.title, chat.id, shown_state(chat), chat.turns, chat.tokens);
    if let Some(cost) = &chat.cost {
        let unpriced = match cost.unpriced_tokens {
            0 => String::new(),
            tokens => format!(", without {tokens} tokens whose price is not known"),
        };
        say!("${:.2} by list price of {}{unpriced}", cost.dollars, cost.as_of);
    }
    if let Some(limit) = &chat.limit {
        let end = limit
            .resets_at
            .map_or_else(|| "its end was not said".to_owned(), |at| format!("until {}", print::time(at)));
        say!("waits for a usage limit ({end}): {}", limit.message);
    }
    if let Some(suspicion) = &chat.suspicion {
        let does = if chat.state == ChatState::Hung { "hangs" } else { "may hang" };
        say!("{does} ({}) since {}", suspicion.form.name(), print::time(suspicion.since));
    }
    if let Some(cwd) = &chat.cwd {
        say!("in {cwd}");
    }
    if chat.risk.is_some() {
        signals::summary(&engine.signals(chat.id.as_str(), 1)?);
    }
    if detail.earlier > 0 {
        say!("({} earlier entries; --limit shows more)", detail.earlier);
    }
    for entry in &detail.timeline {
        let number = entry.number.map_or_else(String::new, |number| format!(" {number}"));
        let place = match entry.point {
            Some(Point { generation, offset }) if places => format!("{generation}:{offset}"),
            Some(_) | None => String::new(),
        };
        say!(
            "{}{}  {:<12} {}",
            print::time(entry.at),
            if places { format!("  {place:<14}") } else { String::new() },
            format!("{}{number}", kind_name(entry.kind)),
            entry.text
        );
    }
    Ok(())
}

/// The state, with what a person should know besides.
fn shown_state(chat: &Chat) -> String {
    match (&chat.limit, &chat.suspicion) {
        (Some(_), _) => format!("{} (limit)", chat.state.name()),
        (None, Some(_)) if chat.state != ChatState::Hung => format!("{} (hung?)", chat.state.name()),
        (None, _) => chat.state.name().to_owned(),
    }
}

fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Prompt => "you",
        EntryKind::Answer => "answer",
        EntryKind::Tool => "tool",
        EntryKind::ToolFailed => "tool failed",
        EntryKind::Interrupted => "stopped",
        EntryKind::ApiError => "api error",
        EntryKind::Compaction => "compacted",
        EntryKind::Checkpoint => "checkpoint",
        EntryKind::Crash => "crash",
        EntryKind::Restore => "restore",
    }
}

pub fn checkpoint(
    engine: &Engine,
    id: &str,
    note: Option<String>,
    at: Option<Point>,
    json: bool,
) -> anyhow::Result<()> {
    let checkpoint = engine.take_checkpoint(id, note, at)?;
    if json {
        return print::json(&checkpoint);
    }
    say!(
        "Checkpoint {} of {}: {} turns, byte {}.",
        checkpoint.id,
        checkpoint.chat,
        checkpoint.turns,
        checkpoint.journal_offset
    );
    Ok(())
}

pub fn checkpoints(engine: &Engine, id: &str, json: bool) -> anyhow::Result<()> {
    let checkpoints = engine.checkpoints(id)?;
    if json {
        return print::json(&checkpoints);
    }
    let rows: Vec<_> = checkpoints
        .iter()
        .map(|checkpoint| {
            let head: String =
                checkpoint.workspace.head.as_deref().unwrap_or_default().chars().take(10).collect();
            let branch = checkpoint.workspace.branch.as_deref().unwrap_or_default();
            vec![
                checkpoint.id.to_string(),
                print::time(checkpoint.at),
                reasons(checkpoint),
                checkpoint.turns.to_string(),
                checkpoint.journal_offset.to_string(),
                format!("{head} {branch}").trim().to_owned(),
                kept(&checkpoint.workspace),
                checkpoint.note.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print::table(&["no", "taken (UTC)", "why", "turns", "byte", "git", "files kept", "note"], &rows);
    Ok(())
}

/// Why it was taken, and what it stands for too.
fn reasons(checkpoint: &Checkpoint) -> String {
    let all = [checkpoint.trigger].into_iter().chain(checkpoint.also.iter().copied());
    all.map(Trigger::name).collect::<Vec<_>>().join("+")
}

/// What was kept of the working tree.
fn kept(workspace: &Workspace) -> String {
    match (workspace.state, &workspace.snapshot) {
        (Some(SnapshotState::Kept), Some(commit)) => commit.chars().take(10).collect(),
        (Some(state), _) => state.name().to_owned(),
        (None, _) => String::new(),
    }
}

/// The file is there whole or not at all.
pub fn export(
    engine: &Engine,
    id: &str,
    checkpoint: Option<i64>,
    redact: bool,
    output: &Path,
) -> anyhow::Result<()> {
    let mut bytes = engine.export_as(id, checkpoint, redact.then_some(true))?;
    if output == Path::new("-") {
        let mut out = io::stdout().lock();
        io::copy(&mut bytes, &mut out).context("the transcript could not be written")?;
        return Ok(out.flush()?);
    }
    let beside = output.with_added_extension("part");
    let written = write_private(&beside, &mut bytes).and_then(|()| fs::rename(&beside, output));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("{} could not be written", output.display()))
}

fn write_private(path: &Path, bytes: &mut impl io::Read) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    io::copy(bytes, &mut file)?;
    file.sync_all()
}

pub fn search(engine: &Engine, text: &str, json: bool) -> anyhow::Result<()> {
    let hits = engine.search(text)?;
    if json {
        return print::json(&hits);
    }
    if hits.is_empty() {
        say!("“{text}” is in no chat.");
    }
    for hit in hits {
        let at = hit.at.map_or_else(String::new, print::time);
        say!("{at}  {}  {}\n    {}: {}", hit.chat, hit.title, hit.who, hit.excerpt);
    }
    Ok(())
}
