//! Live chats that may hang or wait too long for their user: each reading is handed to the machine over its process,
//! and what it decides to the supervisor. Nothing is stopped here.

#[cfg(target_os = "linux")]
mod network;

use std::{collections::HashMap, time::Duration};

use shim_api::{events::Event as Told, notices::Said};
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::RegistryStatus,
    digest::{Digest, Turn},
    hangs::{Closer, Doing, Effect, Form, Hanging, Look, Network, Tools},
    limits::Limit,
    prompts::Prompt,
    readings::Reading,
    supervisor::Event,
    time::Timestamp,
};

use crate::{
    clients::port,
    memory::Memories,
    processes,
    run::{Watch, now},
    views,
};

/// Calls that are with somebody else: another program's tool, or the user.
const ELSEWHERE: [&str; 5] = ["mcp", "AskUserQuestion", "ExitPlanMode", "request_user_input", "ask_user"];

/// A limit that is older when it is first seen is no news.
const LIMIT_NEWS: Duration = Duration::from_secs(300);

/// What is remembered of live chats between two readings.
#[derive(Default)]
pub struct Hangs {
    chats: HashMap<ChatId, Live>,
    /// Usage limits of which the user was told, or that were old when this engine began.
    limits_told: HashMap<ChatId, Limit>,
    pub memories: Memories,
}

struct Live {
    process: ProcessKey,
    hanging: Hanging,
    prompt: Prompt,
    /// What was written so far, and when it last changed.
    progress: u64,
    /// The look before that change: the change came after it.
    moved_after: Option<Timestamp>,
    /// The look before the calls in flight were seen.
    calls_after: Option<Timestamp>,
    looked_at: Option<Timestamp>,
}

impl Watch {
    /// Takes the last readings in.
    pub fn look_for_hangs(&mut self) {
        if self.is_paused() {
            return;
        }
        let living = self.first_processes();
        self.hangs.chats.retain(|chat, live| living.get(chat) == Some(&live.process));
        let progress = self.progress_of(&living);
        for (chat, process) in living {
            self.take_in(&chat, &process);
            let progress = progress.get(&chat).copied().unwrap_or_default();
            if let Some(look) = self.look_at(&chat, &process, progress) {
                self.judge(&chat, &process, look);
            }
            self.look_at_prompt(&chat, &process);
        }
        self.look_at_limits();
        self.look_at_memory(&self.supervisor.living());
    }

    /// Of each live chat the process that its reading is of.
    fn first_processes(&self) -> HashMap<ChatId, ProcessKey> {
        let mut first = HashMap::new();
        for (chat, process) in self.supervisor.living() {
            if chat.client() != Client::ClaudeDesktop {
                first.entry(chat).or_insert(process);
            }
        }
        first
    }

    /// A number of each chat that changes with whatever is written of it, sub-agents and hooks included.
    fn progress_of(&self, living: &HashMap<ChatId, ProcessKey>) -> HashMap<ChatId, u64> {
        let mut progress: HashMap<ChatId, u64> = HashMap::with_capacity(living.len());
        for file in self.files.values().filter(|file| living.contains_key(file.chat())) {
            let sum = progress.entry(file.chat().clone()).or_default();
            *sum = sum.wrapping_add(file.progress());
        }
        for (chat, sum) in &mut progress {
            let heard = self.heard.get(chat).map_or(0, |heard| heard.at.ms().cast_unsigned());
            *sum = sum.wrapping_add(heard);
        }
        progress
    }

    fn take_in(&mut self, chat: &ChatId, process: &ProcessKey) {
        if self.hangs.chats.contains_key(chat) {
            return;
        }
        let hung = self.supervisor.is_hung(chat, process);
        let live = Live {
            process: process.clone(),
            hanging: if hung { Hanging::recalled() } else { Hanging::default() },
            prompt: Prompt::default(),
            progress: 0,
            moved_after: None,
            calls_after: None,
            looked_at: None,
        };
        self.hangs.chats.insert(chat.clone(), live);
    }

    /// One look at a chat's process; `None` when it could not be read.
    fn look_at(&mut self, chat: &ChatId, process: &ProcessKey, progress: u64) -> Option<Look> {
        let reading = *self.readings.get(chat)?;
        let status = self.supervisor.status(chat, process)?;
        let doing = match status {
            RegistryStatus::Busy | RegistryStatus::Hung => Doing::Working,
            RegistryStatus::Waiting => Doing::Waiting,
            RegistryStatus::Idle | RegistryStatus::Other(_) => Doing::Idle,
        };
        let known = self.chats.get(chat)?;
        let digest = &known.digest;
        let may_ask = !known.launch.headless && port(chat.client()).may_ask_unseen(digest);
        let limited = digest.limit(now()).is_some();
        let thresholds = self.settings_seen(chat).hang;
        let (live, awake) = (self.hangs.chats.get_mut(chat)?, self.host.awake_seconds);
        live.follow(progress, digest, reading.at);
        let wanted = live.hanging.wants_a_closer_look(awake, &thresholds);
        let closer = wanted.then(|| live.look_closer(digest, &reading, may_ask));
        let waited_seconds = waited_seconds(process.pid);
        Some(Look { reading, waited_seconds, awake_seconds: awake, doing, progress, limited, closer })
    }

    fn judge(&mut self, chat: &ChatId, process: &ProcessKey, look: Look) {
        let settings = self.settings_of(chat, "hang.");
        let Some(live) = self.hangs.chats.get_mut(chat) else { return };
        for effect in live.hanging.handle(look, &settings.hang) {
            match effect {
                Effect::SuspicionChanged => self.handle.tell(Told::ChatChanged { chat: chat.clone() }),
                Effect::Hung { form, since, evidence } => {
                    tracing::info!(%chat, pid = process.pid, form = form.name(), "the chat's process hangs");
                    for transcript in self.transcripts_of(chat) {
                        self.catch_up_wholly(&transcript);
                    }
                    let digest = self.digest_at_rest(chat);
                    self.decide(Event::Hung { chat, process, form, since, evidence, digest: &digest });
                }
                Effect::Unhung => {
                    tracing::info!(%chat, pid = process.pid, "the chat's process moves again");
                    self.decide(Event::Unhung { chat, process });
                    self.handle.tell(Told::HangOver { chat: chat.clone() });
                }
            }
        }
    }

    fn look_at_prompt(&mut self, chat: &ChatId, process: &ProcessKey) {
        let is_open = self.supervisor.status(chat, process) == Some(&RegistryStatus::Waiting);
        let (awake, notice_after) = (self.host.awake_seconds, self.home.settings().prompt_notice);
        let Some(live) = self.hangs.chats.get_mut(chat) else { return };
        if let Some(open) = live.prompt.look(is_open, awake, notice_after) {
            let minutes = open.as_secs() / 60;
            self.notice(Some(chat), Said::Waits { minutes });
        }
    }

    /// Limits of all chats: a client that is not at a terminal ends with its limit.
    fn look_at_limits(&mut self) {
        let at = now();
        let lasting = self.chats.iter().filter_map(|(chat, known)| Some((chat, known.digest.limit(at)?)));
        let lasting: HashMap<_, _> = lasting.map(|(chat, limit)| (chat.clone(), limit.clone())).collect();
        let told = std::mem::replace(&mut self.hangs.limits_told, lasting.clone());
        for (chat, limit) in &lasting {
            let is_news = limit.at.is_some_and(|then| at.since(then) < LIMIT_NEWS);
            if is_news && told.get(chat) != Some(limit) {
                let (message, resets_at) = (limit.message.clone(), limit.resets_at);
                self.notice(Some(chat), Said::Limit { message, resets_at });
            }
        }
        let is_over = |chat: &&ChatId| !lasting.contains_key(*chat);
        for chat in told.keys().filter(is_over).chain(lasting.keys().filter(|chat| !told.contains_key(*chat)))
        {
            self.handle.tell(Told::ChatChanged { chat: chat.clone() });
        }
    }

    /// The usage limit that a chat waits for: nothing is restored by itself until it ends.
    pub fn limit_of(&self, chat: &ChatId) -> Option<Limit> {
        self.chats.get(chat)?.digest.limit(now()).cloned()
    }

    /// What is shown of a process that may hang: how, and since when.
    pub fn suspicion_of(&self, chat: &ChatId) -> Option<(Form, Timestamp)> {
        let hung = self.supervisor.hung(chat);
        let known = hung.iter().find_map(|(_, hang)| hang.form.map(|form| (form, hang.since)));
        known.or_else(|| self.hangs.chats.get(chat)?.hanging.suspicion())
    }

    /// Says what a person should hear of at once.
    pub fn notice(&self, chat: Option<&ChatId>, what: Said) {
        let settings = self.home.settings();
        let titled = |chat: &ChatId| {
            self.chats
                .get(chat)
                .map_or_else(|| chat.to_string(), |known| views::title(chat, known, &settings))
        };
        let title = chat.map(titled).unwrap_or_default();
        let what = views::said(what, &settings);
        tracing::info!(chat = chat.map(tracing::field::display), "{what:?}");
        self.handle.tell(Told::Notice { kind: what.kind(), chat: chat.cloned(), title, what });
    }
}

impl Live {
    /// Notes what changed since the look before.
    fn follow(&mut self, progress: u64, digest: &Digest, at: Timestamp) {
        let calls = !digest.in_flight().is_empty();
        let before = match self.looked_at.replace(at) {
            Some(before) => before,
            // At the first look: calls in flight may have been there for long, else the last word says when it was.
            None if calls => Timestamp::default(),
            None => digest.last_at.unwrap_or_default(),
        };
        if self.progress != progress || self.moved_after.is_none() {
            (self.progress, self.moved_after) = (progress, Some(before));
        }
        match (calls, self.calls_after) {
            (false, _) => self.calls_after = None,
            (true, None) => self.calls_after = Some(before),
            (true, Some(_)) => {}
        }
    }

    fn look_closer(&self, digest: &Digest, reading: &Reading, may_ask: bool) -> Closer {
        let pid = self.process.pid;
        if reading.stopped {
            // One that is stopped runs no tool and takes no byte.
            let suspended = processes::is_suspended(pid);
            return Closer { tools: Tools::Unknown, network: Network::Unknown, suspended };
        }
        let tools = match self.tools(digest, reading) {
            Tools::None if may_ask => Tools::MaybeAsked,
            tools => tools,
        };
        Closer { tools, network: network_of(pid), suspended: false }
    }

    fn tools(&self, digest: &Digest, reading: &Reading) -> Tools {
        let is_elsewhere = |name: &str| ELSEWHERE.iter().any(|elsewhere| name.starts_with(elsewhere));
        if digest.in_flight().iter().any(|call| is_elsewhere(&call.tool)) {
            return Tools::Working;
        }
        if reading.children == 0 {
            return Tools::None;
        }
        // A server of the chat's own was started long before; a tool after the turn's last step, and after the looks at
        // which its call and the last word were not there yet.
        let step = match digest.turn {
            Turn::Open { since } => since,
            Turn::None | Turn::Done | Turn::Interrupted | Turn::Failed => None,
        };
        let since =
            [self.moved_after, self.calls_after, step].into_iter().flatten().min().unwrap_or_default();
        match processes::started_something_since(self.process.pid, since) {
            Some(true) => Tools::Working,
            Some(false) => Tools::None,
            None => Tools::Unknown,
        }
    }
}

/// Time the main thread was ready to run and had no core.
fn waited_seconds(pid: u32) -> f64 {
    let told = if cfg!(target_os = "linux") {
        std::fs::read_to_string(format!("/proc/{pid}/schedstat"))
    } else {
        Ok(String::new())
    };
    let nanoseconds = told.ok().and_then(|told| told.split_whitespace().nth(1)?.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

#[cfg(target_os = "linux")]
fn network_of(pid: u32) -> Network {
    network::network(pid)
}

#[cfg(not(target_os = "linux"))]
fn network_of(_pid: u32) -> Network {
    Network::Unknown
}
