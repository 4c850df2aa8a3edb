//! Which chat is calling: told by the request, by the process that started this server, or by the environment; else
//! the client's one live chat in this directory. Never a guess among several.

use std::path::{Path, PathBuf};

use rmcp::{RoleServer, service::RequestContext};
use serde_json::Value;
use shim_api::chats::Chat;
use shim_core::chats::Client;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Launchers and shells between a client and this server; no chain is longer.
const ANCESTORS_MAX: usize = 8;

/// What clients call themselves when they connect, and what SHIM calls them.
const CLIENT_NAMES: [(&str, Client); 5] = [
    ("claude-code", Client::ClaudeCode),
    ("codex-mcp-client", Client::Codex),
    ("gemini-cli-mcp-client", Client::Gemini),
    ("opencode", Client::Opencode),
    ("claude-ai", Client::ClaudeDesktop),
];

/// Variables in which a client tells the programs it starts which chat they belong to.
const SESSION_VARIABLES: [(Client, &str); 2] =
    [(Client::ClaudeCode, "CLAUDE_CODE_SESSION_ID"), (Client::Gemini, "GEMINI_SESSION_ID")];

/// Where Codex names the chat in each request.
const CODEX_METADATA: &str = "x-codex-turn-metadata";

/// What this process knows of who started it.
#[derive(Clone, Debug, Default)]
pub struct Clues {
    pub cwd: PathBuf,
    /// The process that started this one, then that one's, and so on.
    pub ancestors: Vec<u32>,
    /// Client and its own id of the chat.
    pub sessions: Vec<(Client, String)>,
}

/// Who asks, as the one request tells.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// SHIM's name of the client; none for a client SHIM does not know.
    pub client: Option<Client>,
    /// The name the client gives itself.
    pub says: Option<String>,
    /// The chat's ids as the request names them, the likeliest first.
    pub sessions: Vec<String>,
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub enum Caller<'a> {
    Found(&'a Chat, By),
    /// The client names its chat, and SHIM has not seen it: it is new.
    New {
        session: String,
    },
    /// More than one may be meant.
    Several(Vec<&'a Chat>),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Request,
    Process,
    Environment,
    Directory,
}

impl Clues {
    pub fn of_this_process() -> Self {
        let named = |(client, variable): (Client, &str)| {
            std::env::var(variable).ok().filter(|id| !id.is_empty()).map(|id| (client, id))
        };
        let project = std::env::var_os("CLAUDE_PROJECT_DIR").map(PathBuf::from);
        Self {
            cwd: project.or_else(|| std::env::current_dir().ok()).unwrap_or_default(),
            ancestors: ancestors(),
            sessions: SESSION_VARIABLES.into_iter().filter_map(named).collect(),
        }
    }

    pub fn is_here(&self, chat: &Chat) -> bool {
        chat.cwd.as_deref().is_some_and(|cwd| same_directory(Path::new(cwd), &self.cwd))
    }
}

pub fn same_directory(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl Asker {
    pub fn of(context: &RequestContext<RoleServer>) -> Self {
        let says = context.client_info().map(|client| client.name);
        let known = CLIENT_NAMES.iter().find(|(name, _)| says.as_deref() == Some(name));
        let codex = context.meta.get(CODEX_METADATA);
        let sessions = codex.map(codex_sessions).unwrap_or_default();
        let client = if sessions.is_empty() { known.map(|(_, client)| *client) } else { Some(Client::Codex) };
        Self { client, says, sessions }
    }
}

/// Codex writes its metadata as an object, or as text that holds one.
fn codex_sessions(metadata: &Value) -> Vec<String> {
    let read = metadata.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let metadata = read.as_ref().unwrap_or(metadata);
    let ids = ["thread_id", "session_id"].into_iter().filter_map(|key| metadata.get(key)?.as_str());
    ids.map(str::to_owned).collect()
}

/// Who calls, of all the chats SHIM knows.
pub fn who<'a>(chats: &'a [Chat], clues: &Clues, asker: &Asker) -> Caller<'a> {
    if let Some(session) = asker.sessions.first() {
        let named = asker.sessions.iter().find_map(|session| by_session(chats, Client::Codex, session));
        let new = Caller::New { session: session.clone() };
        return named.map_or(new, |chat| Caller::Found(chat, By::Request));
    }
    // A client that is not known may run within another one's chat, and has that one's environment.
    let Some(client) = asker.client else { return Caller::Unknown };
    let own: Vec<_> = chats.iter().filter(|chat| chat.client == client).collect();
    let session =
        clues.sessions.iter().find(|(named, _)| *named == client).map(|(_, session)| session.as_str());
    let behind = behind(&own, &clues.ancestors, session);
    if let [chat] = behind.as_slice() {
        return Caller::Found(chat, By::Process);
    }
    if behind.is_empty()
        && let Some(session) = session
    {
        let new = Caller::New { session: session.to_owned() };
        return by_session(chats, client, session).map_or(new, |chat| Caller::Found(chat, By::Environment));
    }
    // One process may hold several chats; then only its own come into question.
    let likely: Vec<_> = if behind.is_empty() {
        own.into_iter().filter(|chat| chat.state.is_live()).collect()
    } else {
        behind
    };
    let here: Vec<_> = likely.iter().copied().filter(|chat| clues.is_here(chat)).collect();
    match (here.as_slice(), likely.as_slice()) {
        ([chat], _) => Caller::Found(chat, By::Directory),
        ([], []) => Caller::Unknown,
        ([], _) => Caller::Several(likely),
        _ => Caller::Several(here),
    }
}

/// The chats of the nearest process that started this server and holds any. Within one process a client moves from chat
/// to chat, while its environment stays that of the first: of the very process that started this server, the process is
/// believed. A farther one may be that of another chat, in which this one's client was started; there both must agree.
fn behind<'a>(own: &[&'a Chat], ancestors: &[u32], session: Option<&str>) -> Vec<&'a Chat> {
    for (far, pid) in ancestors.iter().enumerate() {
        let held: Vec<_> = own.iter().copied().filter(|chat| chat.pid == Some(*pid)).collect();
        if !held.is_empty() {
            let agreed = session.is_none_or(|session| held.iter().any(|chat| chat.session_id == session));
            return if far == 0 || agreed { held } else { Vec::new() };
        }
    }
    Vec::new()
}

fn by_session<'a>(chats: &'a [Chat], client: Client, session: &str) -> Option<&'a Chat> {
    chats.iter().find(|chat| chat.client == client && chat.session_id == session)
}

fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    let Ok(mut system) = System::new() else { return found };
    let mut at = Pid::from_u32(std::process::id());
    while found.len() < ANCESTORS_MAX {
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[at]),
            false,
            ProcessRefreshKind::nothing().without_tasks(),
        );
        let Some(parent) = system.process(at).and_then(|process| process.parent()) else { break };
        // The first process of a system is nobody's client.
        if parent.as_u32() <= 1 {
            break;
        }
        found.push(parent.as_u32());
        at = parent;
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shim_core::chats::ChatState;

    use super::*;

    fn chat(session: &str, cwd: &str, pid: Option<u32>, state: ChatState) -> Chat {
        serde_json::from_value(json!({
            "id": format!("claude-code:{session}"), "client": "claude-code", "session_id": session, "title": session,
            "cwd": cwd, "pid": pid, "state": state, "last_activity": "2026-11-21T00:00:00.000Z", "turns": 1, "tokens": 1,
            "context_used": null, "risk": null, "journal": {"bytes": 1, "lag_ms": null}, "model": null,
            "permission_mode": null, "client_version": null, "open_crash": null,
        }))
        .unwrap()
    }

    fn chats() -> Vec<Chat> {
        vec![
            chat("a", "/p", Some(10), ChatState::Working),
            chat("b", "/q", Some(20), ChatState::Idle),
            chat("c", "/q", Some(30), ChatState::Idle),
            chat("d", "/p", None, ChatState::Crashed),
        ]
    }

    fn clues(cwd: &str, ancestors: &[u32], session: Option<&str>) -> Clues {
        let sessions = session.map(|session| (Client::ClaudeCode, session.to_owned())).into_iter().collect();
        Clues { cwd: cwd.into(), ancestors: ancestors.to_vec(), sessions }
    }

    fn asks(client: Option<Client>) -> Asker {
        Asker { client, ..Asker::default() }
    }

    fn found(caller: &Caller<'_>) -> Option<(String, By)> {
        match caller {
            Caller::Found(chat, by) => Some((chat.session_id.clone(), *by)),
            Caller::New { .. } | Caller::Several(_) | Caller::Unknown => None,
        }
    }

    #[test]
    fn the_surest_sign_decides() {
        let chats = chats();
        let claude = Some(Client::ClaudeCode);
        for (clues, asker, want) in [
            (clues("/x", &[10, 5], Some("b")), asks(claude), Some(("a", By::Process))),
            (clues("/x", &[5, 10], Some("a")), asks(claude), Some(("a", By::Process))),
            (clues("/x", &[5, 10], None), asks(claude), Some(("a", By::Process))),
            // A client started from within another chat of its kind.
            (clues("/x", &[20, 5, 10], Some("b")), asks(claude), Some(("b", By::Process))),
            (clues("/x", &[5, 6, 10], Some("b")), asks(claude), Some(("b", By::Environment))),
            (clues("/x", &[5, 6, 10], Some("new")), asks(claude), None),
            (clues("/x", &[5], Some("b")), asks(claude), Some(("b", By::Environment))),
            (clues("/p", &[5], None), asks(claude), Some(("a", By::Directory))),
            (clues("/q", &[20], None), asks(claude), Some(("b", By::Process))),
            (clues("/p", &[], Some("d")), asks(claude), Some(("d", By::Environment))),
            // Another client that was started from within a chat inherits that chat's environment.
            (clues("/z", &[10], Some("a")), asks(Some(Client::Opencode)), None),
            (clues("/p", &[10], Some("a")), asks(None), None),
            (clues("/q", &[], None), asks(claude), None),
            (clues("/p", &[], None), asks(None), None),
        ] {
            let want = want.map(|(session, by)| (session.to_owned(), by));
            assert_eq!(found(&who(&chats, &clues, &asker)), want, "{clues:?} {asker:?}");
        }
    }

    #[test]
    fn a_chat_that_is_named_and_not_known_is_new_whatever_else_lives_here() {
        let chats = chats();
        let new = Caller::New { session: "z".to_owned() };
        assert_eq!(who(&chats, &clues("/p", &[], Some("z")), &asks(Some(Client::ClaudeCode))), new);
        let asker = Asker { client: Some(Client::Codex), sessions: vec!["z".to_owned()], says: None };
        assert_eq!(who(&chats, &clues("/p", &[10], Some("a")), &asker), new);
    }

    #[test]
    fn several_are_listed_and_none_is_taken() {
        let chats = chats();
        let several = |caller| match caller {
            Caller::Several(chats) => chats.iter().map(|chat| chat.session_id.as_str()).collect::<String>(),
            other => panic!("{other:?}"),
        };
        let claude = asks(Some(Client::ClaudeCode));
        assert_eq!(several(who(&chats, &clues("/q", &[], None), &claude)), "bc");
        assert_eq!(several(who(&chats, &clues("/x", &[], None), &claude)), "abc");
        let mut shared = chats.clone();
        shared[0].pid = Some(20);
        assert_eq!(several(who(&shared, &clues("/x", &[20], None), &claude)), "ab");
        assert_eq!(
            found(&who(&shared, &clues("/p", &[20], None), &claude)),
            Some(("a".to_owned(), By::Directory))
        );
        assert_eq!(who(&chats, &clues("/x", &[], None), &asks(Some(Client::Gemini))), Caller::Unknown);
    }

    #[test]
    fn codex_names_its_thread_as_text_or_object() {
        let object = json!({"session_id": "s", "thread_id": "t"});
        for metadata in [object.clone(), Value::String(object.to_string())] {
            assert_eq!(codex_sessions(&metadata), ["t", "s"]);
        }
        for other in [json!("torn {"), json!(5), json!({"thread_id": 5})] {
            assert!(codex_sessions(&other).is_empty());
        }
    }
}
