//! The machine that SHIM runs on: its clock, its processes, the files that clients leave, and the truth
//! about every death. What goes wrong here is rolled; what SHIM makes of it is not decided here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};
use shim_core::{
    chats::ProcessKey,
    crashes::{Gone, InTurn},
    time::Timestamp,
};

use crate::dice::Dice;

pub const OUR_DOMAIN: &str = "here";

#[derive(Clone, Default)]
pub struct File {
    pub bytes: Vec<u8>,
    pub number: u64,
    pub modified_ns: i128,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Doing {
    /// Waits for its user.
    Prompt,
    Answering,
    /// Asks whether it may run this call.
    Asking {
        call: String,
    },
    /// Runs this call in a process of its own.
    Tool {
        call: String,
        child: u32,
    },
    /// The answer is written, the registry is not.
    Finishing,
}

/// What SHIM told a chat that it restored.
#[derive(Clone)]
pub struct Told {
    pub text: String,
    /// How often its file had been tampered with when it was started.
    pub tampered: u64,
}

#[derive(Clone)]
pub struct Client {
    pub chat: String,
    pub by_shim: bool,
    pub doing: Doing,
    /// When its registry file is written; `None` when never.
    pub registers_at: Option<u64>,
    pub registered: bool,
    /// What SHIM told the chat, until its first turn.
    pub told: Option<Told>,
    /// Goes on with the cut turn by itself.
    pub continues: bool,
    /// Lives in another pid namespace, out of sight.
    pub foreign: bool,
    /// Another client was on the chat in its time, so that the file tells of both.
    pub crowded: bool,
    pub since: u64,
}

#[derive(Clone)]
pub enum Role {
    Client(Client),
    /// A tool call's process; it outlives a client that is killed.
    Tool {
        chat: String,
    },
    Stranger,
}

#[derive(Clone)]
pub struct Process {
    pub start: String,
    pub role: Role,
}

/// The truth about a client that is gone.
pub struct Death {
    pub process: ProcessKey,
    pub chat: String,
    pub clean: bool,
    /// Its registry file as it stood at the end.
    pub registry: Option<String>,
    pub left_behind: bool,
    /// Where it was cut and its call, where nothing else blurs that.
    pub cut: Option<(InTurn, Option<String>)>,
    /// The evidence may speak for something else: another process on the chat, a changed file, a clock set back.
    pub blurred: bool,
    pub crowded: bool,
    pub at_ms: u64,
    /// The chat's file at the end.
    pub file_bytes: usize,
    pub tampered: u64,
}

pub struct World {
    seed: u64,
    pub dice: Dice,
    /// What a program reads from the clock.
    pub clock_ms: i64,
    /// What has really passed.
    pub passed_ms: u64,
    pub booted_ms: u64,
    pub processes: BTreeMap<u32, Process>,
    pub used_pids: Vec<u32>,
    pub files: BTreeMap<String, File>,
    /// `sessions/<pid>.json`
    pub registry: BTreeMap<u32, String>,
    pub deaths: Vec<Death>,
    /// Exits whose news nobody took yet.
    pub exits: VecDeque<ProcessKey>,
    /// How often each tool call was run.
    pub runs: BTreeMap<String, u32>,
    /// How often each chat's file was changed by somebody else than its client.
    pub tampered: BTreeMap<String, u64>,
    pub tampered_ms: BTreeMap<String, u64>,
    /// When a client last came up on each chat.
    pub appeared_ms: BTreeMap<String, u64>,
    /// When each chat's last whole record was written.
    pub written_ms: BTreeMap<String, u64>,
    pub set_back_ms: u64,
    pub happened: BTreeMap<String, u64>,
    pub trace: Vec<String>,
    count: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: Dice::new(seed),
            clock_ms: 1_795_222_000_000,
            passed_ms: 1_000,
            booted_ms: 0,
            processes: BTreeMap::new(),
            used_pids: Vec::new(),
            files: BTreeMap::new(),
            registry: BTreeMap::new(),
            deaths: Vec::new(),
            exits: VecDeque::new(),
            runs: BTreeMap::new(),
            tampered: BTreeMap::new(),
            tampered_ms: BTreeMap::new(),
            written_ms: BTreeMap::new(),
            appeared_ms: BTreeMap::new(),
            set_back_ms: 0,
            happened: BTreeMap::new(),
            trace: Vec::new(),
            count: 0,
        }
    }

    pub fn note(&mut self, what: &str, detail: impl std::fmt::Display) {
        *self.happened.entry(what.to_owned()).or_default() += 1;
        self.trace.push(format!("{:>9} ms  {what} {detail}", self.passed_ms));
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.clock_ms)
    }

    pub fn pass(&mut self, ms: u64) {
        self.passed_ms += ms;
        self.clock_ms += i64::try_from(ms).unwrap();
    }

    pub fn boot_ms(&self) -> i64 {
        self.clock_ms - i64::try_from(self.passed_ms - self.booted_ms).unwrap()
    }

    pub fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub fn times_tampered(&self, chat: &str) -> u64 {
        self.tampered.get(chat).copied().unwrap_or(0)
    }

    /// Starts a process, now and then under a pid that another had before.
    pub fn start(&mut self, role: Role) -> ProcessKey {
        let free: Vec<_> = self.used_pids.iter().copied().filter(|pid| self.is_free(*pid)).collect();
        let again = if self.dice.one_in(5) { self.dice.pick(&free) } else { None };
        let pid = match again {
            Some(pid) => {
                self.note("pid reused", pid);
                pid
            }
            None => u32::try_from(100 + self.number()).unwrap(),
        };
        self.used_pids.push(pid);
        let start = self.number().to_string();
        self.processes.insert(pid, Process { start: start.clone(), role });
        ProcessKey { pid, start }
    }

    /// A pid is not given anew while somebody still waits for the news of its exit.
    fn is_free(&self, pid: u32) -> bool {
        !self.processes.contains_key(&pid) && self.exits.iter().all(|exit| exit.pid != pid)
    }

    pub fn key(&self, pid: u32) -> ProcessKey {
        ProcessKey { pid, start: self.processes[&pid].start.clone() }
    }

    pub fn client(&self, pid: u32) -> Option<&Client> {
        match &self.processes.get(&pid)?.role {
            Role::Client(client) => Some(client),
            Role::Tool { .. } | Role::Stranger => None,
        }
    }

    pub fn client_mut(&mut self, pid: u32) -> Option<&mut Client> {
        match &mut self.processes.get_mut(&pid)?.role {
            Role::Client(client) => Some(client),
            Role::Tool { .. } | Role::Stranger => None,
        }
    }

    /// Pids of the live clients on a chat.
    pub fn clients_on(&self, chat: &str) -> Vec<u32> {
        self.clients().into_iter().filter(|pid| self.client(*pid).unwrap().chat == chat).collect()
    }

    pub fn clients(&self) -> Vec<u32> {
        self.processes.keys().copied().filter(|pid| self.client(*pid).is_some()).collect()
    }

    /// Marks the clients on a chat when they are more than one.
    pub fn crowd(&mut self, chat: &str) {
        let pids = self.clients_on(chat);
        for pid in pids.iter().copied().filter(|_| pids.len() > 1) {
            self.client_mut(pid).unwrap().crowded = true;
        }
    }

    pub fn chats(&self) -> Vec<String> {
        let live = self.clients().into_iter().map(|pid| self.client(pid).unwrap().chat.clone());
        self.files.keys().cloned().chain(live).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Tool processes of a chat whose client is gone.
    pub fn orphans_of(&self, chat: &str) -> Vec<ProcessKey> {
        let held: Vec<_> = self.clients().into_iter().filter_map(|pid| self.child_of(pid)).collect();
        let of_chat = |process: &Process| matches!(&process.role, Role::Tool { chat: of } if of == chat);
        let orphans = self.processes.iter().filter(|(pid, process)| of_chat(process) && !held.contains(pid));
        orphans.map(|(pid, process)| ProcessKey { pid: *pid, start: process.start.clone() }).collect()
    }

    /// Whether a client waits for this tool process.
    pub fn is_held(&self, pid: u32) -> bool {
        self.clients().into_iter().any(|client| self.child_of(client) == Some(pid))
    }

    fn child_of(&self, pid: u32) -> Option<u32> {
        match self.client(pid)?.doing {
            Doing::Tool { child, .. } => Some(child),
            _ => None,
        }
    }

    pub fn is_alive(&self, process: &ProcessKey) -> bool {
        self.processes.get(&process.pid).is_some_and(|live| live.start == process.start)
    }

    /// How a process that is not alive is found to be gone.
    pub fn gone(&self, process: &ProcessKey) -> Gone {
        if self.processes.contains_key(&process.pid) { Gone::PidReused } else { Gone::Absent }
    }

    pub fn append(&mut self, chat: &str, mut record: Value) {
        record["sessionId"] = json!(chat);
        record["timestamp"] = json!(self.now().to_string());
        let file = self.files.get(chat);
        let torn = file.is_some_and(|file| file.bytes.last().is_some_and(|byte| *byte != b'\n'));
        let line = format!("{}{record}\n", if torn { "\n" } else { "" });
        self.append_bytes(chat, line.as_bytes());
        self.written_ms.insert(chat.to_owned(), self.passed_ms);
    }

    pub fn append_bytes(&mut self, chat: &str, bytes: &[u8]) {
        let number = self.number();
        let file = self.files.entry(chat.to_owned()).or_insert(File { number, ..File::default() });
        file.bytes.extend_from_slice(bytes);
        file.modified_ns = i128::from(number);
    }

    /// Writes the client's registry file, with a status or, early in its life, without.
    pub fn register(&mut self, pid: u32, status: Option<&str>) {
        let key = self.key(pid);
        let Some(client) = self.client(pid).filter(|client| client.registered) else { return };
        let domain = if client.foreign { "elsewhere" } else { OUR_DOMAIN };
        let file = json!({ "pid": pid, "sessionId": client.chat, "procStart": key.start, "status": status,
                           "updatedAt": self.clock_ms, "pidDomain": domain });
        self.registry.insert(pid, file.to_string());
    }

    pub fn end(&mut self, pid: u32) -> Option<Process> {
        let process = self.processes.remove(&pid)?;
        self.exits.push_back(ProcessKey { pid, start: process.start.clone() });
        Some(process)
    }

    /// A client ends, with its registry file left behind or taken along.
    pub fn client_ends(&mut self, pid: u32, clean: bool, left_behind: bool) {
        let Some(client) = self.client(pid).cloned() else { return };
        let process = self.key(pid);
        self.end(pid);
        if !client.registered {
            return;
        }
        let registry = self.registry.get(&pid).cloned();
        if !left_behind {
            self.registry.remove(&pid);
        }
        let file = self.files.get(&client.chat);
        let tampered = self.tampered_ms.get(&client.chat).is_some_and(|at| *at >= client.since);
        let written = self.written_ms.get(&client.chat).copied().unwrap_or(0);
        // A file that was cut may end in a record from before the clock was set back.
        let told_before = if self.times_tampered(&client.chat) > 0 { 1 } else { written.min(client.since) };
        let set_back = self.set_back_ms >= told_before;
        let said = registry.as_deref().unwrap_or_default();
        let cut = match &client.doing {
            Doing::Prompt if said.contains("idle") => Some((InTurn::None, None)),
            Doing::Answering => Some((InTurn::Answer, None)),
            Doing::Asking { call } | Doing::Tool { call, .. } => Some((InTurn::Tool, Some(call.clone()))),
            Doing::Prompt | Doing::Finishing => None,
        };
        self.deaths.push(Death {
            process,
            clean,
            registry,
            left_behind,
            cut: cut.filter(|_| left_behind && !client.crowded && !tampered),
            crowded: client.crowded,
            at_ms: self.passed_ms,
            blurred: client.crowded || tampered || set_back || client.foreign,
            file_bytes: file.map_or(0, |file| file.bytes.len()),
            tampered: self.times_tampered(&client.chat),
            chat: client.chat,
        });
    }

    /// The user clears a chat: its process goes on with a new one.
    pub fn clear(&mut self, pid: u32) {
        let chat = format!("c{}", self.number());
        let now = self.passed_ms;
        let Some(client) = self.client_mut(pid).filter(|client| client.registered) else { return };
        let old = std::mem::replace(&mut client.chat, chat.clone());
        self.appeared_ms.insert(chat.clone(), now);
        let Some(client) = self.client_mut(pid) else { return };
        (client.told, client.continues, client.crowded, client.since) = (None, false, false, now);
        self.register(pid, Some("idle"));
        self.note("cleared", format_args!("{old}, on {chat}"));
    }

    /// Kills a process without a word. A client's tool lives on.
    pub fn kill(&mut self, pid: u32) {
        if self.client(pid).is_some() {
            self.client_ends(pid, false, true);
        } else {
            self.end(pid);
        }
    }

    /// All processes are gone at once, and pids are counted from new.
    pub fn reboot(&mut self) {
        for pid in self.processes.keys().copied().collect::<Vec<_>>() {
            self.kill(pid);
        }
        self.exits.clear();
        self.pass(30_000);
        self.booted_ms = self.passed_ms;
    }

    /// Somebody else than its client changes a chat's file.
    pub fn tamper(&mut self, chat: &str) {
        let number = self.number();
        let way = self.dice.below(8);
        let Some(file) = self.files.get_mut(chat) else { return };
        let cut = self.dice.below(file.bytes.len() + 1);
        file.modified_ns = i128::from(number);
        match way {
            0 => file.bytes.truncate(cut),
            1 => {
                file.bytes.drain(..cut);
                file.number = number;
            }
            2 => {
                file.bytes.truncate(cut);
                file.bytes.extend(format!("{{\"type\":\"regrown-{number}\"}}\n").repeat(40).bytes());
            }
            3 => file.bytes.extend_from_slice(b"\0\0\0\0"),
            4 => file.bytes.last_mut().into_iter().for_each(|byte| *byte = b' '),
            5 => {
                file.bytes.iter_mut().take(1).for_each(|byte| *byte = b' ');
                file.bytes.extend_from_slice(b"{\"type\":\"copied\"}\n");
                file.number = number;
            }
            6 => file.bytes.extend_from_slice(b"%% no record\n{\"type\":\"brand-new\",\"message\":3}\n"),
            _ => drop(self.files.remove(chat)),
        }
        *self.tampered.entry(chat.to_owned()).or_default() += 1;
        self.tampered_ms.insert(chat.to_owned(), self.passed_ms);
        self.note("file tampered with", format_args!("{chat}, way {way}"));
    }
}

/// What broke is told with what led to it.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.trace.len().saturating_sub(60);
            println!("{}", self.trace[from..].join("\n"));
            println!(
                "seed {0}; again: SHIM_SIM_SEED={0} SHIM_SIM_RUNS=1 cargo test -p shim-core --test sim",
                self.seed
            );
        }
    }
}
