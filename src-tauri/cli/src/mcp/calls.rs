//! What each tool does: asks the running engine, and puts the answer into the words of `answers`.

use std::{
    cmp::Reverse,
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::bail;
use rmcp::model::JsonObject;
use shim_api::{
    ApiError, Engine,
    chats::Chat,
    checkpoints::Checkpoint,
    crashes::Crash,
    error::ErrorCode,
    home::read_engine_file,
    restore::{RestoreRequest, Then},
};
use shim_core::{checkpoints::Trigger, crashes::InTurn};

use super::{
    answers::{
        Answer, ChatBrief, CheckpointBrief, CheckpointTaken, Checkpoints, CrashBrief, CrashRisk, CrashedChat,
        RestoreBrief, Restored, ResumeCheck, open_todos,
    },
    arguments::{self, ListCheckpoints, OneChat, TakeCheckpoint},
    caller::{Asker, Caller, Clues, same_directory, who},
    tools::Name,
    words,
};

/// Other crashed chats that are listed; more fill the context of the chat that asks.
const OTHERS_MAX: usize = 5;

/// What a call has at hand.
pub struct Desk {
    pub home: PathBuf,
    pub clues: Arc<Clues>,
    pub asker: Asker,
}

pub fn answer(desk: &Desk, tool: Name, given: JsonObject) -> anyhow::Result<Answer> {
    match tool {
        Name::CheckResumeNeeded => {
            let check = check_resume(desk, &arguments::read(tool.as_str(), given)?)?;
            Answer::new(words::resume_check(&check), &check, false)
        }
        Name::GetCrashRisk => {
            let risk = crash_risk(desk, &arguments::read(tool.as_str(), given)?)?;
            Answer::new(words::crash_risk(&risk), &risk, false)
        }
        Name::Checkpoint => {
            let taken = take_checkpoint(desk, arguments::read(tool.as_str(), given)?)?;
            Answer::new(words::checkpoint_taken(&taken), &taken, false)
        }
        Name::ListCheckpoints => {
            let list = list_checkpoints(desk, &arguments::read(tool.as_str(), given)?)?;
            Answer::new(words::checkpoints(&list), &list, false)
        }
        Name::Restore => {
            let restored = restore(desk, arguments::read(tool.as_str(), given)?)?;
            Answer::new(words::restored(&restored), &restored, !restored.ok)
        }
    }
}

pub fn check_resume(desk: &Desk, asked: &OneChat) -> anyhow::Result<ResumeCheck> {
    let engine = desk.engine()?;
    let chats = engine.chats(None, None)?;
    let crashes = engine.crashes()?;
    let meant = desk.meant(&chats, asked.chat.as_deref())?;
    let (chat, by, why) = match &meant {
        Meant::Chat(chat, by) => (Some(*chat), Some((*by).to_owned()), String::new()),
        Meant::New(_) => (None, None, words::not_seen()),
        Meant::Unknown => (None, None, words::not_told(&desk.asker)),
    };
    let cwd = chat.and_then(|chat| chat.cwd.as_deref()).map_or(desk.clues.cwd.as_path(), Path::new);
    let mut others = others_here(&chats, &crashes, chat, cwd);
    let left_out = others.len().saturating_sub(OTHERS_MAX) as u64;
    others.truncate(OTHERS_MAX);
    let mut check = ResumeCheck {
        resume_needed: false,
        why,
        chat: chat.map(ChatBrief::from),
        recognised_by: by,
        last_crash: None,
        restored: None,
        turns_since: None,
        open_todos: Vec::new(),
        other_crashed_chats: others,
        other_crashed_chats_left_out: left_out,
        what_to_do: None,
    };
    if let Some(chat) = chat {
        let checkpoints = engine.checkpoints(chat.id.as_str())?;
        judge(&mut check, chat, &crashes, &checkpoints);
    }
    check.what_to_do = words::what_to_do(&check, chat.is_some_and(|chat| chat.state.is_live()));
    Ok(check)
}

/// Whether the last crash still waits to be dealt with: it cut a turn, and none was completed since.
fn judge(check: &mut ResumeCheck, chat: &Chat, crashes: &[Crash], checkpoints: &[Checkpoint]) {
    check.open_todos =
        checkpoints.iter().max_by_key(|point| point.at).into_iter().flat_map(open_todos).collect();
    // A fork goes on with what its original was cut in.
    let receipt = |crash: &Crash| crash.restore.clone().filter(|receipt| receipt.ok && !receipt.dry_run);
    let concerns = |crash: &&Crash| {
        crash.chat == chat.id || receipt(crash).is_some_and(|receipt| receipt.chat == chat.id)
    };
    let Some(crash) = crashes.iter().filter(concerns).max_by_key(|crash| crash.happened_at) else {
        check.why = words::never_crashed();
        return;
    };
    let receipt = receipt(crash).filter(|receipt| receipt.chat == chat.id);
    let at_crash = checkpoints
        .iter()
        .filter(|point| point.trigger == Trigger::Crash && point.at >= crash.happened_at)
        .min_by_key(|point| point.at);
    let turns_then = receipt
        .as_ref()
        .and_then(|receipt| receipt.turns_after)
        .or_else(|| at_crash.map(|point| point.turns));
    let turns_since = turns_then.map_or(0, |then| chat.turns.saturating_sub(then));
    check.resume_needed = crash.in_turn != InTurn::None && turns_since == 0;
    check.why = words::why_resume(crash, turns_since, receipt.as_ref());
    check.last_crash = Some(CrashBrief::from(crash));
    check.restored = receipt.as_ref().map(RestoreBrief::from);
    check.turns_since = Some(turns_since);
}

/// Chats of this directory whose crash is open, each with its newest.
fn others_here(chats: &[Chat], crashes: &[Crash], own: Option<&Chat>, cwd: &Path) -> Vec<CrashedChat> {
    let mut open: Vec<_> = crashes.iter().filter(|crash| !crash.resolved).collect();
    open.sort_by_key(|crash| Reverse(crash.happened_at));
    let mut seen = HashSet::new();
    let other =
        |crash: &&Crash| own.is_none_or(|own| own.id != crash.chat) && seen.insert(crash.chat.clone());
    let found = open.into_iter().filter(other).filter_map(|crash| {
        let chat = chats.iter().find(|chat| chat.id == crash.chat)?;
        let here = chat.cwd.as_deref().is_some_and(|place| same_directory(Path::new(place), cwd));
        here.then(|| CrashedChat { chat: ChatBrief::from(chat), crash: CrashBrief::from(crash) })
    });
    found.collect()
}

fn crash_risk(desk: &Desk, asked: &OneChat) -> anyhow::Result<CrashRisk> {
    let engine = desk.engine()?;
    let chats = engine.chats(None, None)?;
    let chat = desk.the_chat(&chats, asked.chat.as_deref())?;
    let crashes = engine.crashes()?;
    let own = crashes.iter().filter(|crash| crash.chat == chat.id);
    Ok(CrashRisk {
        level: chat.risk.as_ref().map_or_else(|| "unknown".to_owned(), |risk| risk.level.name().to_owned()),
        probability: words::learned_probability(chat),
        reason: words::reason_of_risk(chat),
        chat: ChatBrief::from(chat),
        context_used: chat.context_used,
        tokens: chat.tokens,
        crashes_of_chat: own.clone().count() as u64,
        last_crash_at: own.map(|crash| crash.happened_at).max().map(|at| at.to_string()),
        crashes_of_client: crashes.iter().filter(|crash| crash.client == chat.client).count() as u64,
        chats_of_client: chats.iter().filter(|other| other.client == chat.client).count() as u64,
        kept_bytes: chat.journal.bytes,
        what_to_do: words::before_compaction(chat),
    })
}

fn take_checkpoint(desk: &Desk, asked: TakeCheckpoint) -> anyhow::Result<CheckpointTaken> {
    asked.check()?;
    let engine = desk.engine()?;
    let chats = engine.chats(None, None)?;
    let chat = desk.the_chat(&chats, asked.chat.as_deref())?;
    let taken = engine.take_checkpoint(chat.id.as_str(), asked.note, None)?;
    Ok(CheckpointTaken {
        chat: taken.chat.to_string(),
        took_ms: taken.took_ms,
        checkpoint: CheckpointBrief::from(taken),
    })
}

fn list_checkpoints(desk: &Desk, asked: &ListCheckpoints) -> anyhow::Result<Checkpoints> {
    let shown = asked.shown()?;
    let engine = desk.engine()?;
    let chats = engine.chats(None, None)?;
    let chat = desk.the_chat(&chats, asked.chat.as_deref())?;
    let mut points = engine.checkpoints(chat.id.as_str())?;
    points.sort_by_key(|point| Reverse((point.at, point.id)));
    let left_out = points.len().saturating_sub(shown) as u64;
    points.truncate(shown);
    let checkpoints = points.into_iter().map(CheckpointBrief::from).collect();
    Ok(Checkpoints { chat: chat.id.to_string(), checkpoints, left_out })
}

fn restore(desk: &Desk, asked: arguments::Restore) -> anyhow::Result<Restored> {
    let engine = desk.engine()?;
    let receipt = engine.restore(&RestoreRequest {
        target: asked.target.trim().to_owned(),
        checkpoint: asked.checkpoint,
        headless: asked.headless.unwrap_or(false),
        then: if asked.go_on.unwrap_or(false) { Then::Continue } else { Then::Idle },
        dry_run: asked.dry_run.unwrap_or(true),
    })?;
    Ok(Restored::from(receipt))
}

impl Desk {
    /// The engine as it runs at this moment: one that was started again has another port.
    fn engine(&self) -> anyhow::Result<Engine> {
        let file = read_engine_file(&self.home).ok_or_else(|| {
            ApiError::new(ErrorCode::EngineDown, "no engine has written engine.json in SHIM's data folder")
        })?;
        Ok(Engine::at(file))
    }

    fn meant<'a>(&self, chats: &'a [Chat], named: Option<&str>) -> anyhow::Result<Meant<'a>> {
        if let Some(named) = named {
            return Ok(Meant::Chat(find(chats, named.trim())?, "argument"));
        }
        match who(chats, &self.clues, &self.asker) {
            Caller::Found(chat, by) => Ok(Meant::Chat(chat, words::recognised(by))),
            Caller::New { session } => Ok(Meant::New(session)),
            Caller::Several(likely) => bail!(words::which_of(&likely)),
            Caller::Unknown => Ok(Meant::Unknown),
        }
    }

    /// The chat that is meant, or an error that says how to name it.
    fn the_chat<'a>(&self, chats: &'a [Chat], named: Option<&str>) -> anyhow::Result<&'a Chat> {
        match self.meant(chats, named)? {
            Meant::Chat(chat, _) => Ok(chat),
            Meant::New(session) => bail!(words::new_chat(&session)),
            Meant::Unknown => bail!(words::which_chat(&self.asker, chats)),
        }
    }
}

/// Which chat a call is about.
enum Meant<'a> {
    /// And how it was recognised.
    Chat(&'a Chat, &'static str),
    /// One that SHIM has not seen yet, by the client's own id.
    New(String),
    /// The client does not say, and none of its chats is known to live here.
    Unknown,
}

/// A chat by its id, the client's own id, or the start of either.
fn find<'a>(chats: &'a [Chat], named: &str) -> anyhow::Result<&'a Chat> {
    let whole = |chat: &&Chat| chat.id.as_str() == named || chat.session_id == named;
    if let Some(chat) = chats.iter().find(whole) {
        return Ok(chat);
    }
    let begins = |chat: &&Chat| chat.id.as_str().starts_with(named) || chat.session_id.starts_with(named);
    let found: Vec<_> = chats.iter().filter(begins).collect();
    match found.as_slice() {
        [chat] => Ok(chat),
        [] => bail!(words::no_such_chat(named, chats)),
        _ => bail!(words::which_of(&found)),
    }
}
