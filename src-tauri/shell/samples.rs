//! Chats, crashes and answers for unit tests.

use shim_api::{
    chats::{Chat, JournalLag},
    crashes::Crash,
    status::{EngineStatus, OwnUse, Status},
};
use shim_core::{
    chats::{ChatId, ChatState, Client},
    crashes::{CrashKind, InTurn},
    time::Timestamp,
};

pub fn chat(id: &str, state: ChatState, last_activity: Timestamp) -> Chat {
    Chat {
        id: ChatId::new(Client::ClaudeCode, id),
        client: Client::ClaudeCode,
        session_id: id.to_owned(),
        title: format!("title of {id}"),
        cwd: None,
        pid: None,
        state,
        last_activity,
        turns: 1,
        tokens: 1,
        cost: None,
        context_used: None,
        risk: None,
        journal: JournalLag { bytes: 1, lag_ms: None },
        model: None,
        permission_mode: None,
        client_version: None,
        open_crash: None,
        limit: None,
        suspicion: None,
    }
}

pub fn crash(id: i64, title: &str, happened_at: Timestamp) -> Crash {
    Crash {
        id,
        chat: ChatId::new(Client::ClaudeCode, &format!("chat-{id}")),
        client: Client::ClaudeCode,
        title: title.to_owned(),
        cwd: Some("/srv/work".to_owned()),
        kind: CrashKind::Killed,
        in_turn: InTurn::Answer,
        in_flight: Vec::new(),
        happened_at,
        detected_at: happened_at,
        detected_after_ms: 12,
        seen_live: true,
        evidence: Vec::new(),
        restore: None,
        resolved: false,
    }
}

pub fn status(paused_until: Option<Timestamp>) -> Status {
    Status {
        engine: EngineStatus {
            version: "0.1.0".to_owned(),
            pid: 1,
            started_at: Timestamp::from_ms(0),
            home: "/srv/shim".to_owned(),
            port: 1,
            paused_until,
            embedded: false,
            demo: false,
        },
        clients: Vec::new(),
        chats: Vec::new(),
        open_crashes: 0,
        own: OwnUse {
            memory_bytes: 0,
            cpu_seconds: 0.0,
            written_bytes: None,
            watched_bytes: 0,
            database_bytes: 0,
        },
        warnings: Vec::new(),
    }
}
