//! Which Gemini process holds which chat. The client says so nowhere: it is told by the command line, by the
//! headers that each start leaves, and by what was seen before. Where two may be meant, neither is taken.

use std::{collections::HashMap, time::Duration};

use shim_core::{chats::ProcessKey, time::Timestamp};

/// From a process's start to the header it writes; a busy machine takes its time.
const HEADER_WITHIN: Duration = Duration::from_secs(15);
/// Start times are known to the second, so a header may seem to come before its process.
const START_SLACK: Duration = Duration::from_secs(1);
/// What a process wrote after it was seen last, before it was gone.
const LAST_WRITE: Duration = Duration::from_secs(10);
/// A chat written this recently was written by a process that is still there: none lives shorter.
const FRESH: Duration = Duration::from_secs(3);
/// Processes remembered, dead ones among them.
const REMEMBERED_MAX: usize = 1000;

/// A running client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub key: ProcessKey,
    /// To the second.
    pub since: Timestamp,
    /// The chat that its command line names.
    pub named: Option<String>,
    /// Its user can change to another chat at any time.
    pub interactive: bool,
}

/// What the files of one directory say of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    /// When a client began or took up the chat.
    pub headers: Vec<Timestamp>,
    /// By the newest record.
    pub written: Timestamp,
}

/// One process and the chat it holds, or may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub process: usize,
    pub session: String,
    pub sure: bool,
}

/// What was seen before, of processes alive and dead.
#[derive(Default)]
pub struct Memory {
    held: HashMap<ProcessKey, (String, Timestamp)>,
}

impl Memory {
    fn of(&self, process: &ProcessKey) -> Option<&str> {
        self.held.get(process).map(|(session, _)| session.as_str())
    }

    fn remember(&mut self, process: &ProcessKey, session: &str, at: Timestamp) {
        if self.held.len() >= REMEMBERED_MAX && !self.held.contains_key(process) {
            let oldest = self.held.iter().min_by_key(|(_, (_, at))| *at).map(|(key, _)| key.clone());
            oldest.map(|key| self.held.remove(&key));
        }
        self.held.insert(process.clone(), (session.to_owned(), at));
    }

    /// Whether another process than this one is known to have held the chat until it was written last.
    fn explains(&self, session: &Session, but: &ProcessKey) -> bool {
        self.held.iter().any(|(key, (held, seen))| {
            key != but && *held == session.id && session.written <= seen.plus(LAST_WRITE)
        })
    }
}

/// Who holds what in one directory.
pub fn holdings(
    processes: &[Process],
    sessions: &[Session],
    memory: &mut Memory,
    now: Timestamp,
) -> Vec<Holding> {
    let firsts: Vec<_> = (0..processes.len()).map(|at| first(at, processes, sessions, memory)).collect();
    let mut found = Vec::new();
    for (at, (process, first)) in processes.iter().zip(&firsts).enumerate() {
        let others: Vec<&str> = firsts
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .filter_map(|(_, f)| f.one())
            .collect();
        let (sessions, sure) = match first {
            First::None => continue,
            First::OneOf(candidates) => (candidates.clone(), false),
            First::One(id) => {
                let alone = processes.iter().filter(|process| process.interactive).count() == 1;
                now_on(process, id, sessions, &others, memory, alone.then_some(now))
            }
        };
        if let ([session], true) = (sessions.as_slice(), sure) {
            memory.remember(&process.key, session, now);
        }
        found.extend(sessions.into_iter().map(|session| Holding { process: at, session, sure }));
    }
    found
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum First {
    None,
    One(String),
    OneOf(Vec<String>),
}

impl First {
    fn one(&self) -> Option<&str> {
        match self {
            Self::One(id) => Some(id),
            Self::None | Self::OneOf(_) => None,
        }
    }
}

/// The chat that a process was seen with last, or began with.
fn first(at: usize, processes: &[Process], sessions: &[Session], memory: &Memory) -> First {
    let Some(process) = processes.get(at) else { return First::None };
    let known = memory.of(&process.key).or(process.named.as_deref());
    if let Some(id) = known {
        let there = sessions.iter().any(|session| session.id == id);
        return if there { First::One(id.to_owned()) } else { First::None };
    }
    let is_unknown = |other: &Process| other.named.is_none() && memory.of(&other.key).is_none();
    let others: Vec<_> =
        processes.iter().filter(|other| other.key != process.key && is_unknown(other)).collect();
    let named_by_other = |id: &str| processes.iter().any(|other| other.named.as_deref() == Some(id));
    let free = sessions.iter().filter(|s| !named_by_other(&s.id) && !memory.explains(s, &process.key));
    let mine: Vec<_> = free.filter(|s| s.headers.iter().any(|header| began(process, *header))).collect();
    let shared = |session: &Session| {
        session
            .headers
            .iter()
            .any(|header| began(process, *header) && others.iter().any(|o| began(o, *header)))
    };
    match mine.as_slice() {
        [] => First::None,
        [session] if !shared(session) => First::One(session.id.clone()),
        candidates => First::OneOf(candidates.iter().map(|session| session.id.clone()).collect()),
    }
}

fn began(process: &Process, header: Timestamp) -> bool {
    process.since <= header.plus(START_SLACK) && header <= process.since.plus(HEADER_WITHIN)
}

/// The chat that a process holds, of which it is known that it held `id`. Its user may have gone on to another
/// since: the one it holds is the one it wrote last.
fn now_on(
    process: &Process,
    id: &str,
    sessions: &[Session],
    others: &[&str],
    memory: &Memory,
    alone_at: Option<Timestamp>,
) -> (Vec<String>, bool) {
    let written = sessions.iter().find(|session| session.id == id).map_or(process.since, |s| s.written);
    let rivals: Vec<_> = sessions
        .iter()
        .filter(|session| session.id != id && session.written > written.max(process.since))
        .filter(|session| !others.contains(&session.id.as_str()) && !memory.explains(session, &process.key))
        .collect();
    match rivals.as_slice() {
        _ if !process.interactive => (vec![id.to_owned()], true),
        [] => (vec![id.to_owned()], true),
        [rival] if alone_at.is_some_and(|now| now <= rival.written.plus(FRESH)) => {
            (vec![rival.id.clone()], true)
        }
        rivals => {
            let both = rivals.iter().map(|rival| rival.id.clone()).chain([id.to_owned()]);
            (both.collect(), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(1_800_000_000_000 + seconds * 1000)
    }

    fn process(pid: u32, since: i64, named: Option<&str>) -> Process {
        let key = ProcessKey { pid, start: pid.to_string() };
        Process { key, since: at(since), named: named.map(str::to_owned), interactive: true }
    }

    fn session(id: &str, header: i64, written: i64) -> Session {
        Session { id: id.to_owned(), headers: vec![at(header)], written: at(written) }
    }

    fn look(
        processes: &[Process],
        sessions: &[Session],
        memory: &mut Memory,
        now: i64,
    ) -> Vec<(u32, String, bool)> {
        let mut found: Vec<_> = holdings(processes, sessions, memory, at(now))
            .into_iter()
            .map(|holding| (processes[holding.process].key.pid, holding.session, holding.sure))
            .collect();
        found.sort();
        found
    }

    fn sure(pid: u32, id: &str) -> (u32, String, bool) {
        (pid, id.to_owned(), true)
    }

    fn unsure(pid: u32, id: &str) -> (u32, String, bool) {
        (pid, id.to_owned(), false)
    }

    #[test]
    fn a_process_holds_the_chat_it_names_or_began() {
        let chats = [session("old", 0, 50), session("a", 102, 110), session("b", 202, 210)];
        for (processes, expected) in [
            (vec![process(1, 100, None)], vec![unsure(1, "a"), unsure(1, "b")]),
            (vec![process(2, 200, None)], vec![sure(2, "b")]),
            (vec![process(1, 100, None), process(2, 200, None)], vec![sure(1, "a"), sure(2, "b")]),
            (vec![process(3, 300, Some("old"))], vec![sure(3, "old")]),
            (vec![process(3, 300, Some("gone"))], vec![]),
            (vec![process(3, 300, None)], vec![]),
        ] {
            assert_eq!(look(&processes, &chats, &mut Memory::default(), 400), expected, "{processes:?}");
        }
    }

    #[test]
    fn two_that_began_together_are_not_told_apart() {
        let chats = [session("a", 102, 110), session("b", 103, 110)];
        let both = [process(1, 100, None), process(2, 101, None)];
        let expected = [unsure(1, "a"), unsure(1, "b"), unsure(2, "a"), unsure(2, "b")];
        assert_eq!(look(&both, &chats, &mut Memory::default(), 200), expected);
        let named = [process(1, 100, Some("a")), process(2, 101, None)];
        assert_eq!(look(&named, &chats, &mut Memory::default(), 200), [sure(1, "a"), sure(2, "b")]);
    }

    #[test]
    fn a_user_who_goes_on_to_a_new_chat_is_followed() {
        let mut memory = Memory::default();
        let user = [process(1, 100, None)];
        let a = session("a", 102, 110);
        assert_eq!(look(&user, std::slice::from_ref(&a), &mut memory, 120), [sure(1, "a")]);
        let b = |written| session("b", 500, written);
        assert_eq!(look(&user, &[a.clone(), b(500)], &mut memory, 501), [sure(1, "b")]);
        assert_eq!(look(&user, &[a.clone(), b(600)], &mut memory, 900), [sure(1, "b")]);
        let back = session("a", 102, 1000);
        assert_eq!(look(&user, &[back, b(600)], &mut memory, 1001), [sure(1, "a")]);
    }

    #[test]
    fn what_another_process_wrote_is_not_the_users() {
        let mut memory = Memory::default();
        let user = process(1, 100, None);
        let worker = Process { interactive: false, ..process(2, 500, None) };
        let (a, b) = (session("a", 102, 110), session("b", 502, 505));
        let both = [user.clone(), worker];
        assert_eq!(look(&both, &[a.clone(), b.clone()], &mut memory, 505), [sure(1, "a"), sure(2, "b")]);
        assert_eq!(look(&[user], &[a, b], &mut memory, 506), [sure(1, "a")]);
    }

    #[test]
    fn a_chat_that_nobody_was_seen_with_may_be_the_users() {
        let mut memory = Memory::default();
        let user = [process(1, 100, None)];
        let chats = [session("a", 102, 110), session("b", 500, 505)];
        assert_eq!(look(&user, &chats[..1], &mut memory, 120), [sure(1, "a")]);
        assert_eq!(look(&user, &chats, &mut memory, 900), [unsure(1, "a"), unsure(1, "b")]);
        let went_on = [session("a", 102, 950), chats[1].clone()];
        assert_eq!(look(&user, &went_on, &mut memory, 951), [sure(1, "a")]);
    }
}
