//! What the watch and the store know, as it goes over the wire.

use std::{borrow::Cow, path::Path};

use shim_api::{
    ApiError,
    chats::{Chat as ChatView, Cost, JournalLag, Suspicion},
    checkpoints::{Checkpoint, Workspace},
    crashes::Crash,
    error::ErrorCode,
    notices::Said,
    restore::Receipt,
};
use shim_core::{
    chats::ChatId,
    checkpoints::{Todo, snapshots::SnapshotState},
    crashes::{Evidence, ToolCall},
    digest::Digest,
    prices,
    redaction::{redact, redact_value},
    settings::Settings,
};
use shim_store::{CheckpointRow, CrashRow, SnapshotOf, StoreError};

use crate::run::{Chat, Watch, now};

/// A text as it is shown: without secrets, unless the settings say otherwise.
pub fn shown(text: String, settings: &Settings) -> String {
    if !settings.privacy.redact_shown {
        return text;
    }
    match redact(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(redacted) => redacted,
    }
}

/// What is said at once, without secrets in what clients and chats say of it.
pub fn said(said: Said, settings: &Settings) -> Said {
    match said {
        Said::Limit { message, resets_at } => Said::Limit { message: shown(message, settings), resets_at },
        Said::WouldRestore { why } => Said::WouldRestore { why: shown(why, settings) },
        Said::AsksBeforeRestore { why } => Said::AsksBeforeRestore { why: shown(why, settings) },
        Said::CutShort { what } => Said::CutShort { what: shown(what, settings) },
        facts @ (Said::Waits { .. }
        | Said::ContextFills { .. }
        | Said::HeapFills { .. }
        | Said::GroupFills { .. }
        | Said::MachineFills { .. }
        | Said::UpdateReady { .. }
        | Said::UpdateDone { .. }
        | Said::RolledBack { .. }
        | Said::Deletions { .. }) => facts,
    }
}

/// A title that a person recognises; where a chat has said nothing yet, its folder and the start of its id.
pub fn title(id: &ChatId, chat: &Chat, settings: &Settings) -> String {
    if let Some(title) = chat.name.as_deref().or(chat.digest.title()) {
        return shown(title.to_owned(), settings);
    }
    let short: String = id.session_id().chars().take(8).collect();
    let folder =
        cwd(chat).and_then(|cwd| Path::new(&cwd).file_name().map(|name| name.to_string_lossy().into_owned()));
    folder.map_or_else(|| format!("Chat {short}"), |folder| format!("{folder} · {short}"))
}

/// Where the client was started; tools may have gone elsewhere since.
pub fn cwd(chat: &Chat) -> Option<String> {
    chat.launch.cwd.clone().or_else(|| chat.digest.cwd.clone())
}

/// What its tokens cost, where any has a price.
fn cost(digest: &Digest) -> Option<Cost> {
    let spent = Some(digest.spent).filter(|spent| spent.priced_tokens > 0)?;
    let unpriced_tokens = digest.tokens.saturating_sub(spent.priced_tokens);
    Some(Cost { dollars: spent.dollars(), unpriced_tokens, as_of: prices::as_of()?.to_owned() })
}

impl Watch {
    pub fn chat_view(&self, id: &ChatId) -> Option<ChatView> {
        let chat = self.chats.get(id)?;
        Some(ChatView {
            id: id.clone(),
            client: id.client(),
            session_id: id.session_id().to_owned(),
            title: title(id, chat, &self.home.settings()),
            cwd: cwd(chat),
            pid: self.supervisor.live_processes(id).first().map(|process| process.pid),
            state: self.supervisor.state(id),
            last_activity: chat.last_activity,
            turns: chat.digest.turns,
            tokens: chat.digest.tokens,
            cost: cost(&chat.digest),
            context_used: chat.digest.context_used(id.client()),
            risk: self.risk_of(id, now()),
            journal: JournalLag { bytes: chat.durable, lag_ms: chat.lag_ms },
            model: chat.digest.model.clone(),
            permission_mode: chat.digest.permission_mode.clone(),
            client_version: chat.digest.version.clone(),
            open_crash: self.open_crashes.get(id).copied(),
            limit: self.limit_of(id),
            suspicion: self.suspicion_of(id).map(|(form, since)| Suspicion { form, since }),
        })
    }

    /// All chats, the most recent first.
    pub fn chat_views(&self) -> Vec<ChatView> {
        let mut views: Vec<_> = self.chats.keys().filter_map(|id| self.chat_view(id)).collect();
        views.sort_by(|a, b| b.last_activity.cmp(&a.last_activity).then_with(|| a.id.cmp(&b.id)));
        views
    }
}

pub fn crash(row: CrashRow, chat: Option<&Chat>, restore: Option<Receipt>, settings: &Settings) -> Crash {
    let call = |call: ToolCall| match settings.privacy.redact_shown {
        true => ToolCall { input: redact_value(call.input), ..call },
        false => call,
    };
    Crash {
        id: row.id,
        client: row.chat.client(),
        title: chat.map_or_else(|| row.chat.to_string(), |chat| title(&row.chat, chat, settings)),
        cwd: chat.and_then(cwd),
        chat: row.chat,
        kind: row.kind,
        in_turn: row.in_turn,
        in_flight: row.in_flight.into_iter().map(call).collect(),
        happened_at: row.happened_at,
        detected_at: row.detected_at,
        detected_after_ms: row.detected_after_ms,
        seen_live: row.seen_live,
        evidence: row
            .evidence
            .into_iter()
            .map(|seen| Evidence { says: shown(seen.says, settings), ..seen })
            .collect(),
        restore,
        resolved: row.resolved,
    }
}

pub fn checkpoint(row: CheckpointRow, settings: &Settings) -> Checkpoint {
    let kept = row.checkpoint;
    let todo = |todo: Todo| Todo { text: shown(todo.text, settings), ..todo };
    Checkpoint {
        id: row.id,
        chat: kept.chat,
        at: kept.at,
        trigger: kept.trigger,
        note: kept.note.map(|note| shown(note, settings)),
        turns: kept.turns,
        tokens: kept.tokens,
        journal_offset: kept.offset,
        also: kept.also,
        workspace: workspace(kept.head, kept.branch, row.snapshot),
        todos: kept.todos.into_iter().map(todo).collect(),
        bytes: row.bytes,
        took_ms: row.took_us as f64 / 1000.0,
    }
}

fn workspace(head: Option<String>, branch: Option<String>, snapshot: Option<SnapshotOf>) -> Workspace {
    let kept = snapshot.as_ref().filter(|snapshot| snapshot.state == SnapshotState::Kept);
    Workspace {
        head,
        branch,
        snapshot: kept.and_then(|snapshot| snapshot.commit.clone()),
        state: snapshot.as_ref().map(|snapshot| snapshot.state),
        error: snapshot.and_then(|snapshot| snapshot.error),
    }
}

pub fn store_error(error: StoreError) -> ApiError {
    ApiError::new(ErrorCode::Store, error.to_string())
}
