//! A chat of the recorded week as the engine would have kept it: journal, checkpoints, crashes with their
//! evidence, receipts, signals and predictions. The verdicts are the engine's own.

use shim_api::restore::{Receipt, Step};
use shim_core::{
    chats::{ChatId, ChatState, Client, ProcessKey},
    checkpoints::{Todo, Trigger},
    clients::shorten,
    crashes::{
        CrashKind, Death, Evidence, ExitStatus, Gone, InTurn, LastWords, Leave, MemoryAtDeath,
        RegistryStatus, Verdict, verdict,
    },
    digest::{Digest, Reader},
    fingerprints::Noted,
    prediction::scoring::Outcome,
    restore::{Refusal, RefusalReason},
    signals::Signals,
    supervisor::NewCrash,
    time::Timestamp,
};
use shim_store::{
    Batch, CHUNK_BYTES_MAX, ChatRow, Launch, NewCheckpoint, NewPrediction, PREDICTIONS_MAX, Packer, Piece,
    SignalCaps, StoreError,
};

use super::{
    script::{Script, version},
    week::{Befell, Exchange, Recorded, Restored, Week},
};

const MINUTE_MS: i64 = 60_000;
/// Signals of the last two days are a row every so many minutes; of the days before every hour.
const ROWS_APART: i64 = 2;
const ROWS_APART_OLD: i64 = 60;
const CLOSE: i64 = 2 * 24 * 60;
/// From its start to the moment that a restored chat's client has shown it, in milliseconds.
const RESTORE_MS: i64 = 3_400;

/// All that is written of one chat.
pub struct Kept {
    pub id: ChatId,
    pub state: ChatState,
    /// The process that holds it, or held it last.
    pub process: ProcessKey,
    row: ChatRow,
    launch: Launch,
    path: String,
    pieces: Vec<Piece>,
    checkpoints: Vec<Point>,
    crashes: Vec<Crash>,
    signals: Vec<Signals>,
    predictions: Vec<NewPrediction>,
}

struct Point {
    at: Timestamp,
    trigger: Trigger,
    note: Option<String>,
    offset: u64,
    turns: u64,
    tokens: u64,
    todos: Vec<Todo>,
}

pub struct Crash {
    new: NewCrash,
    pub detected_at: Timestamp,
    noted: Noted,
    restored: Restored,
    digest: Digest,
    back_at: Timestamp,
}

/// What has been told of a chat so far.
struct Telling<'a> {
    recorded: &'a Recorded,
    number: u32,
    id: ChatId,
    end: Timestamp,
    script: Script,
    reader: Reader,
    fed: usize,
    life: u32,
    checkpoints: Vec<Point>,
    crashes: Vec<Crash>,
    said: Vec<&'a Exchange>,
}

/// The chat of this number in the week, as if the week had ended at `end`.
pub fn record(week: &Week, recorded: &Recorded, number: u32, end: Timestamp) -> Result<Kept, StoreError> {
    let session = session(recorded.client, number);
    let (topic, said) = week.said(recorded);
    let cwd = format!("/home/user/{}", recorded.project);
    let branch = topic.map_or("main", |topic| topic.branch.as_str());
    let mut telling = Telling {
        recorded,
        number,
        id: ChatId::new(recorded.client, &session),
        end,
        script: Script::new(recorded.client, &session, &cwd, branch),
        reader: Reader::new(recorded.client),
        fed: 0,
        life: 0,
        checkpoints: Vec::new(),
        crashes: Vec::new(),
        said,
    };
    match topic {
        Some(topic) => telling.tell(&topic.title),
        None => telling.tell_of_the_app(),
    }
    let signals = telling.signals();
    let predictions = telling.predictions(&signals);
    let mut packer = Packer::default();
    let chunks = telling.script.bytes.chunks(CHUNK_BYTES_MAX).enumerate();
    let pieces = chunks.map(|(at, bytes)| packer.pack((at * CHUNK_BYTES_MAX) as u64, bytes));
    let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
    let digest = telling.reader.digest.clone();
    let client = recorded.client;
    Ok(Kept {
        state: recorded.state,
        process: telling.process(),
        row: ChatRow {
            id: telling.id.clone(),
            last_activity: digest.last_at.unwrap_or(telling.at(recorded.ended)),
            digest,
            name: recorded.name.clone(),
        },
        launch: Launch {
            program: Some(super::program(client)),
            client_home: Some(super::client_home(client)),
            cwd: Some(cwd),
            ..Launch::default()
        },
        path: format!("{}/recorded/{session}.jsonl", super::client_home(client)),
        id: telling.id,
        pieces,
        checkpoints: telling.checkpoints,
        crashes: telling.crashes,
        signals,
        predictions,
    })
}

/// An id as the client gives them, the same in every demo.
fn session(client: Client, number: u32) -> String {
    let mark = mix(u64::from(number) + 1);
    match client {
        Client::ClaudeDesktop => shim_core::clients::claude_desktop::APP.to_owned(),
        Client::Opencode => format!("ses_{:012x}demo{number:04}", mark & 0xffff_ffff_ffff),
        Client::ClaudeCode | Client::Codex | Client::Gemini => {
            format!(
                "{:08x}-{:04x}-4{:03x}-8000-{number:012x}",
                mark & 0xffff_ffff,
                (mark >> 32) & 0xffff,
                mark >> 52
            )
        }
    }
}

/// Numbers that look like chance and are the same each time (the finalizer of SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// From -1 to 1.
fn wobble(seed: u64) -> f64 {
    (mix(seed) % 2001) as f64 / 1000.0 - 1.0
}

impl<'a> Telling<'a> {
    fn at(&self, minutes_before: u32) -> Timestamp {
        Timestamp::from_ms(self.end.ms() - i64::from(minutes_before) * MINUTE_MS)
    }

    fn process(&self) -> ProcessKey {
        ProcessKey { pid: 4000 + self.number * 37 + self.life, start: format!("demo {}", self.life) }
    }

    /// The one that held the chat at that moment.
    fn process_at(&self, at: Timestamp) -> ProcessKey {
        let mut after =
            self.crashes.iter().filter(|crash| crash.new.happened_at >= at && crash.new.process.pid != 0);
        after.next().map_or_else(|| self.process(), |crash| crash.new.process.clone())
    }

    fn feed(&mut self) {
        let new = self.script.bytes.get(self.fed..).unwrap_or_default();
        self.reader.feed(new);
        self.fed = self.script.bytes.len();
    }

    fn tell(&mut self, title: &str) {
        let (began, ended) = (self.at(self.recorded.began), self.at(self.recorded.ended));
        let turns = i64::try_from(self.said.len()).unwrap_or(1).max(1);
        let span = (ended.ms() - began.ms()) / turns;
        self.script.begin(began, title);
        self.feed();
        self.point(began, Trigger::SessionStart, None);
        for (turn, exchange) in self.said.clone().into_iter().enumerate() {
            let number = i64::try_from(turn).unwrap_or(0);
            let begins = Timestamp::from_ms(began.ms() + span * number);
            self.script.context(self.recorded.context * (number + 1) as f64 / turns as f64);
            self.tell_turn(turn, exchange, begins, span);
        }
    }

    fn tell_turn(&mut self, turn: usize, exchange: &Exchange, begins: Timestamp, span: i64) {
        let is_last = turn + 1 == self.said.len();
        // The last turn ends when the chat does; the others are answered within minutes.
        let within = |share: i64| {
            let long = if is_last { span } else { span.min(4 * MINUTE_MS) };
            Timestamp::from_ms(begins.ms() + long * share / 100)
        };
        let recorded = self.recorded;
        let befell = recorded.crashes.iter().find(|befell| befell.turn == turn);
        let is_open = is_last && matches!(recorded.state, ChatState::Working | ChatState::Waiting);
        let (asked, called) = if is_open { (92, 96) } else { (0, 20) };
        self.script.ask(within(asked), &exchange.ask);
        let call = self.script.call(within(called), exchange);
        match befell {
            Some(befell) if !befell.kind.ails() && befell.kind != CrashKind::IndexLost => {
                self.feed();
                self.dies(befell, within(60));
            }
            _ if is_open => {}
            befell => {
                self.script.result(within(55), &call, exchange);
                self.script.say(within(95), &exchange.say);
                self.feed();
                self.point(within(95), Trigger::Turn, None);
                if exchange.what.starts_with("git commit") {
                    self.point(within(96), Trigger::Milestone, None);
                }
                if let Some(befell) = befell {
                    self.ails(befell, within(98));
                }
            }
        }
        if is_last && let Some(note) = &self.recorded.note {
            self.point(within(30), Trigger::User, Some(note.clone()));
        }
        self.feed();
    }

    /// The app has no transcript: what befell it is all there is.
    fn tell_of_the_app(&mut self) {
        let recorded = self.recorded;
        for (number, befell) in recorded.crashes.iter().enumerate() {
            let later = u32::try_from(number).unwrap_or(0) * 600;
            self.dies(befell, self.at(recorded.began.saturating_sub(later)));
        }
    }

    fn point(&mut self, at: Timestamp, trigger: Trigger, note: Option<String>) {
        let digest = &self.reader.digest;
        let done = usize::try_from(digest.turns).unwrap_or(0);
        let todos = self.said.iter().enumerate().map(|(number, exchange)| {
            let status = match number.cmp(&done) {
                std::cmp::Ordering::Less => "completed",
                std::cmp::Ordering::Equal => "in_progress",
                std::cmp::Ordering::Greater => "pending",
            };
            Todo { text: shorten(&exchange.ask, 80), status: status.to_owned() }
        });
        let todos = todos.take(6).collect();
        let (offset, turns, tokens) = (digest.offset, digest.turns, digest.tokens);
        self.checkpoints.push(Point { at, trigger, note, offset, turns, tokens, todos });
    }

    /// A process dies or hangs in the middle of a turn.
    fn dies(&mut self, befell: &Befell, at: Timestamp) {
        let digest = self.reader.at_rest();
        let process = self.process();
        let (kind, in_turn, in_flight, evidence) = match befell.kind {
            CrashKind::Hung => {
                let (in_turn, in_flight) = digest.where_open();
                let says = "no processor time, no byte from the network and no record for 6 minutes, in the middle of a turn";
                (CrashKind::Hung, in_turn, in_flight, vec![seen("process", says)])
            }
            kind => match judged(self.recorded.client, kind, &process, &digest, self.recorded.memory) {
                Verdict::Crash { kind, in_turn, in_flight, evidence } => (kind, in_turn, in_flight, evidence),
                Verdict::CleanEnd => {
                    (kind, InTurn::None, Vec::new(), vec![seen("app", "the app was restarted")])
                }
            },
        };
        let new = NewCrash {
            chat: self.id.clone(),
            process,
            kind,
            in_turn,
            in_flight,
            evidence,
            happened_at: at,
            seen_live: true,
        };
        self.crashed(new, befell, digest);
    }

    /// Its file ails, or its client's list; no process died.
    fn ails(&mut self, befell: &Befell, at: Timestamp) {
        let (source, says) = match befell.kind {
            CrashKind::Torn => {
                ("transcript", "line 31 is cut: 212 bytes of it are zero, as after a power loss")
            }
            CrashKind::Poisoned => {
                for minute in 1..=3 {
                    let at = Timestamp::from_ms(at.ms() + minute * 1000);
                    self.script
                        .refused(at, "API Error: 400 messages.14.content.0: image could not be processed");
                }
                ("transcript", "3 requests in a row were refused: image could not be processed")
            }
            CrashKind::CompactionDeadlock => {
                ("transcript", "the prompt is too long, and so was the request for its summary")
            }
            CrashKind::Deleted => ("transcript", "its file is gone; the journal holds every byte of it"),
            _ => ("app", "the chat is whole, and its client's list does not name it any more"),
        };
        let new = NewCrash {
            chat: self.id.clone(),
            process: ProcessKey { pid: 0, start: format!("{} {}", befell.kind.name(), self.number) },
            kind: befell.kind,
            in_turn: InTurn::None,
            in_flight: Vec::new(),
            evidence: vec![seen(source, says)],
            happened_at: at,
            seen_live: true,
        };
        let digest = self.reader.at_rest();
        self.crashed(new, befell, digest);
    }

    fn crashed(&mut self, new: NewCrash, befell: &Befell, digest: Digest) {
        let after = match new.kind {
            CrashKind::Hung => 6 * MINUTE_MS,
            CrashKind::Shutdown => 9 * MINUTE_MS,
            _ => 40 + i64::from(self.number) * 3,
        };
        let later = |ms: i64| Timestamp::from_ms((new.happened_at.ms() + ms).min(self.end.ms()));
        let (detected_at, back_at) = (later(after), later(after + 90_000));
        self.point(detected_at, Trigger::Crash, None);
        let noted = Noted {
            client_version: Some(version(self.recorded.client).to_owned()),
            last_tool: new.in_flight.last().map(|call| call.tool.clone()),
            memory_bytes: Some(self.recorded.memory * 1_000_000),
            message: (new.kind.ails()).then(|| new.evidence.first().map(|seen| seen.says.clone())).flatten(),
        };
        if befell.restored == Restored::Ok {
            self.life += 1;
        }
        self.crashes.push(Crash { new, detected_at, noted, restored: befell.restored, digest, back_at });
    }

    /// The process's numbers over time, from the chat's begin to its end.
    fn signals(&self) -> Vec<Signals> {
        let digest = &self.reader.digest;
        let recorded = self.recorded;
        let (began, ended) = (i64::from(recorded.began), i64::from(recorded.ended));
        let apart = if ended < CLOSE { ROWS_APART } else { ROWS_APART_OLD };
        let all = (began - ended).max(1);
        let rows = (0..=all).step_by(usize::try_from(apart).unwrap_or(1)).map(|minute| {
            let share = minute as f64 / all as f64;
            let seed = u64::from(self.number) * 100_003 + minute.unsigned_abs();
            let memory = (recorded.memory as f64) * (0.45 + 0.55 * share) * (1.0 + 0.03 * wobble(seed));
            let part = |whole: u64| (whole as f64 * share).round() as u64;
            let turns = recorded.turns as f64;
            Signals {
                at: Timestamp::from_ms(self.end.ms() - (began - minute) * MINUTE_MS),
                client_version: Some(version(recorded.client).to_owned()),
                tokens: part(digest.tokens),
                context_used: Some((recorded.context * share).clamp(0.0, 1.0)),
                tokens_per_message: Some(digest.tokens as f64 / turns.max(1.0)),
                messages: part(recorded.turns as u64 * 2),
                tool_calls: part(recorded.turns as u64),
                calls_since_checkpoint: 1,
                messages_per_minute: 2.0 * turns / all as f64,
                age_seconds: Some(minute as f64 * 60.0),
                since_answer_seconds: (recorded.state == ChatState::Working).then_some(20.0),
                latency_seconds: Some(6.0 + 4.0 * share + wobble(seed + 1)),
                latency_trend: Some(1.0 + 0.1 * wobble(seed + 2)),
                failure_rate: Some((0.08 + 0.06 * wobble(seed + 3)).max(0.0)),
                failures_in_a_row: 0,
                recent_errors: Vec::new(),
                rss_bytes: Some((memory * 1e6) as u64),
                rss_slope: Some(recorded.memory as f64 * 0.55e6 / (all as f64 * 60.0)),
                cpu: Some((0.2 + 0.15 * wobble(seed + 4)).max(0.0)),
                transcript_growth: digest.offset as f64 / (all as f64 * 60.0),
                transcript_bytes: part(digest.offset),
                memory_pressure: Some(0.58 + 0.05 * wobble(minute.unsigned_abs())),
            }
        });
        rows.collect()
    }

    /// What was foretold with every fifth row. The zones' word for a full context or much memory is an alarm.
    fn predictions(&self, signals: &[Signals]) -> Vec<NewPrediction> {
        let client = self.recorded.client;
        if client == Client::ClaudeDesktop {
            return Vec::new();
        }
        let rows = signals.iter().step_by(5).map(|row| {
            let context = row.context_used.unwrap_or(0.0);
            let heavy = row.rss_bytes.is_some_and(|bytes| bytes > 2_000_000_000);
            let alarm = heavy || context > 0.9;
            let probability = if alarm {
                0.2
            } else if context > 0.7 {
                0.05
            } else {
                0.01
            };
            NewPrediction {
                chat: self.id.clone(),
                process: self.process_at(row.at),
                at: row.at,
                probability,
                alarm,
                acted: false,
                model: None,
            }
        });
        rows.collect()
    }
}

fn seen(source: &str, says: &str) -> Evidence {
    Evidence { source: source.to_owned(), says: says.to_owned() }
}

/// The engine's own verdict about a process that went like this.
fn judged(client: Client, kind: CrashKind, process: &ProcessKey, digest: &Digest, memory: u64) -> Verdict {
    // Of the clients only Claude Code keeps a registry, which a sudden death leaves behind.
    let sudden = if client == Client::ClaudeCode { Leave::LeftBehind } else { Leave::Unsaid };
    let (gone, leave) = match kind {
        CrashKind::Shutdown => (Gone::WithTheSystem, sudden),
        CrashKind::Exited => (Gone::Exited(Some(ExitStatus::Signal(15))), Leave::Orderly),
        CrashKind::ClientUpdate => (Gone::Exited(Some(ExitStatus::Code(0))), sudden),
        _ => (Gone::Exited(Some(ExitStatus::Signal(9))), sudden),
    };
    let last_words = LastWords { status: RegistryStatus::Busy, updated_at: digest.last_at, leave };
    let memory = (kind == CrashKind::OutOfMemory).then(|| MemoryAtDeath {
        rss_bytes: memory * 1_000_000,
        heap_bytes: None,
        ended_by_system: 1,
        was_largest: true,
        named: Some(true),
    });
    verdict(&Death {
        process,
        gone,
        last_words: &last_words,
        digest,
        memory,
        host_updating: kind == CrashKind::ClientUpdate,
    })
}

impl Kept {
    /// Writes all but the crashes, which are numbered in the order in which they were noticed: gives them.
    pub fn write(self, store: &Batch<'_>) -> Result<Vec<Crash>, StoreError> {
        store.put_chat(&self.row)?;
        store.put_launch(&self.id, &self.launch)?;
        if !self.pieces.is_empty() {
            let stream = store.stream(&self.id, "", self.path.as_bytes())?;
            for piece in &self.pieces {
                store.append(stream.id, stream.generation, piece)?;
            }
            for (number, point) in self.checkpoints.into_iter().enumerate() {
                let id = store.put_checkpoint(&NewCheckpoint {
                    chat: self.id.clone(),
                    at: point.at,
                    trigger: point.trigger,
                    also: Vec::new(),
                    note: point.note,
                    turns: point.turns,
                    tokens: point.tokens,
                    stream: stream.id,
                    generation: stream.generation,
                    offset: point.offset,
                    head: None,
                    branch: self.row.digest.branch.clone(),
                    todos: point.todos,
                })?;
                store.set_checkpoint_took(id, 900 + mix(number as u64) % 2400)?;
            }
        }
        let rows: Vec<_> = self.signals.into_iter().map(|row| (self.id.clone(), row)).collect();
        store.put_signals(&rows, SignalCaps::default())?;
        store.put_predictions(&self.predictions, PREDICTIONS_MAX)?;
        Ok(self.crashes)
    }
}

impl Crash {
    pub fn write(self, store: &Batch<'_>) -> Result<(), StoreError> {
        let Some(id) = store.record_crash(&self.new, self.detected_at)? else { return Ok(()) };
        crate::fingerprints::note(store, id, &self.new, self.noted.clone())?;
        if self.restored == Restored::None {
            return Ok(());
        }
        let number = store.new_restore(&self.new.chat, Some(id), self.back_at)?;
        let receipt = self.receipt(number, id);
        if receipt.ok {
            store.mark_started(number)?;
            store.resolve_crashes(&self.new.chat)?;
            store.hung_ended(&self.new.chat, &self.new.process, self.back_at)?;
        }
        let text = serde_json::to_string(&receipt).unwrap_or_default();
        store.put_receipt(number, &text)
    }

    /// As a restore of the engine's would have said it.
    fn receipt(&self, id: i64, crash: i64) -> Receipt {
        let ok = self.restored == Restored::Ok;
        let digest = &self.digest;
        let step =
            |step: &str, ok, detail: &str| Step { step: step.to_owned(), ok, detail: detail.to_owned() };
        let message = "its directory was on a drive that is not mounted: mount it, then restore again";
        let refused =
            (!ok).then(|| Refusal { reason: RefusalReason::DirectoryGone, message: message.to_owned() });
        let steps = if ok {
            vec![
                step("journal", true, "the journal holds every byte of the client's file"),
                step("orphans", true, "no tool child was left running"),
                step("transcript", true, "the client's file is left as it is"),
                step("still_dead", true, "no process came up meanwhile"),
                step("start", true, "started in a terminal"),
                step("registered", true, "the client shows the chat"),
                step("processes", true, "exactly one process holds it"),
                step("compare", true, "no turn was lost, the last message is the same"),
            ]
        } else {
            vec![step("directory", false, message)]
        };
        let sha256 = digest.last_message.as_ref().map(|message| message.sha256.clone());
        let pid = self.new.process.pid + 1;
        Receipt {
            id,
            chat: self.new.chat.clone(),
            fork_of: None,
            crash: Some(crash),
            at: self.back_at,
            ok,
            dry_run: false,
            refused,
            turns_before: digest.turns,
            turns_after: ok.then_some(digest.turns),
            turns_lost: ok.then_some(0),
            last_message_sha256_before: sha256.clone(),
            last_message_sha256_after: sha256.filter(|_| ok),
            processes: ok.then_some(1),
            pid: ok.then_some(pid),
            cwd: digest.cwd.clone(),
            model: digest.model.clone(),
            permission_mode: digest.permission_mode.clone(),
            seconds: if ok { RESTORE_MS as f64 / 1000.0 } else { 0.02 },
            client_seconds: if ok { (RESTORE_MS - 400) as f64 / 1000.0 } else { 0.0 },
            steps,
        }
    }
}

/// Says what came of each prediction: the process crashed within the horizon, or it did not.
pub fn settle(store: &Batch<'_>, until: Timestamp) -> Result<(), StoreError> {
    let horizon = i64::try_from(shim_core::prediction::model::HORIZON.as_millis()).unwrap_or(i64::MAX);
    let until = Timestamp::from_ms(until.ms() - horizon);
    let limit = u32::try_from(PREDICTIONS_MAX).unwrap_or(u32::MAX);
    for one in store.unsettled_predictions(until, limit)? {
        let crashes = store.crashes_of(&one.chat, &one.process)?;
        let crashed = crashes.iter().any(|crash| {
            let after = crash.happened_at.ms() - one.at.ms();
            (0..=horizon).contains(&after)
        });
        let outcome = if crashed { Outcome::Crashed } else { Outcome::Survived };
        store.settle_prediction(one.id, outcome)?;
    }
    Ok(())
}
