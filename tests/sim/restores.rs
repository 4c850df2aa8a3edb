//! One restore, step by step: the real machine says what is next, the world goes on between the steps.

use std::time::Duration;

use shim_core::{
    chats::{Client, ProcessKey},
    crashes::InTurn,
    digest::{Digest, LastMessage, Reader, Turn},
    restore::{
        Comparison, Effect, Event, Findings, Fork, Job, Orphan, OrphanPolicy, Outcome, Restore, Step,
        StepFailed, Then, Transcript,
    },
    supervisor,
};

use crate::{
    client::Start,
    engine::{Engine, Hands, Waiting, id},
    world::Told,
};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// What a user asks for.
#[derive(Clone)]
pub struct Wish {
    pub chat: String,
    /// Number of the checkpoint to fork from.
    pub checkpoint: Option<usize>,
    pub then: Then,
    pub headless: bool,
    pub dry_run: bool,
    pub orphans: OrphanPolicy,
}

pub struct Run {
    wish: Wish,
    number: usize,
    machine: Restore,
    next: Effect,
    /// The id that goes on: the chat's own, or the fork's.
    goes_on: String,
    /// What must be there afterwards.
    expected: Vec<u8>,
    last: Option<LastMessage>,
    context: String,
    begun_ms: u64,
    started_ms: u64,
    started: Option<ProcessKey>,
    /// The transcript is as its client wrote it, so that every answer in it ends a turn.
    sound: bool,
    /// The truth at the last count of processes, and at the comparison.
    counted: usize,
    lost: usize,
}

impl Run {
    /// The receipt of a restore whose engine died under way.
    pub fn cut_short() -> Outcome {
        let detail = "the engine ended before this restore did".to_owned();
        outcome(vec![Step { step: "engine".to_owned(), ok: false, detail }])
    }
}

fn outcome(steps: Vec<Step>) -> Outcome {
    Outcome {
        ok: false,
        refused: None,
        started: false,
        process: None,
        processes: None,
        comparison: None,
        steps,
    }
}

/// Where the transcript is cut: what the restored chat is told.
fn where_cut(digest: &Digest) -> (InTurn, Vec<shim_core::crashes::ToolCall>) {
    match &digest.turn {
        Turn::Open { .. } if digest.in_flight().is_empty() => (InTurn::Answer, Vec::new()),
        Turn::Open { .. } => (InTurn::Tool, digest.in_flight()),
        Turn::None | Turn::Done | Turn::Interrupted | Turn::Failed => (InTurn::None, Vec::new()),
    }
}

impl Engine {
    /// A user asks for a restore. It is begun or refused, and either way it is written down first.
    pub fn wish(&mut self, hands: &mut Hands<'_>, wish: Wish) {
        self.sweep(hands);
        self.catch_up(hands, &wish.chat);
        let Ok(number) = hands.store.new_restore(&wish.chat, hands.world.now()) else {
            return hands.world.note("restore not begun", "disk full");
        };
        let (chat, fork) = (id(&wish.chat), wish.checkpoint.is_some());
        let asked = supervisor::Event::RestoreAsked { chat: &chat, fork };
        let mut effects = self.supervisor.handle(asked, hands.world.now());
        match effects.pop() {
            Some(supervisor::Effect::BeginRestore { .. }) => {
                let run = self.prepare(hands, wish, number);
                self.runs.push(run);
            }
            Some(supervisor::Effect::RefuseRestore { refusal, .. }) => {
                hands.world.note(&format!("restore refused: {:?}", refusal.reason), &wish.chat);
                let step = Step { step: "allowed".to_owned(), ok: false, detail: refusal.message.clone() };
                let outcome = Outcome { refused: Some(refusal), ..outcome(vec![step]) };
                self.write(hands, Waiting::Receipt(number, outcome));
            }
            other => panic!("neither begun nor refused: {other:?}"),
        }
        assert!(effects.is_empty());
    }

    fn prepare(&mut self, hands: &mut Hands<'_>, wish: Wish, number: usize) -> Run {
        let checkpoint = wish.checkpoint.map(|at| hands.store.checkpoints[at].clone());
        let expected = match &checkpoint {
            Some(point) => {
                hands.store.journals[&point.chat].generations[point.generation][..point.offset].to_vec()
            }
            None => hands.store.journaled(&wish.chat).to_vec(),
        };
        let mut reader = Reader::new(Client::ClaudeCode);
        reader.feed(&expected);
        let digest = reader.at_rest();
        let goes_on = if checkpoint.is_some() { format!("f{number}") } else { wish.chat.clone() };
        let (in_turn, in_flight) = where_cut(&digest);
        let machine = Restore::new(Job {
            chat: id(&wish.chat),
            fork: wish
                .checkpoint
                .map(|at| Fork { chat: id(&goes_on), checkpoint: i64::try_from(at).unwrap() }),
            then: wish.then,
            headless: wish.headless,
            dry_run: wish.dry_run,
            start_timeout: START_TIMEOUT,
            orphans: wish.orphans,
            in_turn,
            in_flight,
        });
        hands
            .world
            .note("restore begun", format_args!("{goes_on}, in turn {in_turn:?}, dry run {}", wish.dry_run));
        let mut run = Run {
            number,
            machine,
            next: Effect::LookAround,
            goes_on,
            expected,
            last: digest.last_message,
            context: String::new(),
            begun_ms: hands.world.passed_ms,
            started_ms: 0,
            started: None,
            sound: hands.world.times_tampered(&wish.chat) == 0,
            counted: 0,
            lost: 0,
            wish,
        };
        run.next = run.machine.handle(Event::Begin);
        run
    }

    /// Takes one step of one restore.
    pub fn go_on(&mut self, hands: &mut Hands<'_>, at: usize) {
        let mut run = self.runs.remove(at);
        self.step(hands, &mut run);
        // Between the last look and the start nothing else is done.
        if run.next == Effect::StartClient {
            self.step(hands, &mut run);
        }
        match run.next.clone() {
            Effect::Finish(outcome) => self.finish(hands, run, outcome),
            _ => self.runs.insert(at, run),
        }
    }

    fn step(&mut self, hands: &mut Hands<'_>, run: &mut Run) {
        let effect = run.next.clone();
        assert!(!run.wish.dry_run || effect == Effect::LookAround, "a dry run would {effect:?}");
        let event = match effect {
            Effect::LookAround => Event::Found(self.look_around(hands, run)),
            Effect::EndOrphans(orphans) => Event::OrphansEnded { left: end_orphans(hands, orphans) },
            Effect::PrepareTranscript => Event::TranscriptReady(write_transcript(hands, run)),
            Effect::WriteContext(text) => {
                run.context = text;
                Event::ContextWritten(luck(hands, "context"))
            }
            Effect::CountProcesses => {
                run.counted = hands.world.clients_on(&run.goes_on).len();
                Event::Counted { processes: self.count(hands, &run.goes_on) }
            }
            Effect::StartClient => Event::Started(start(hands, run)),
            Effect::AwaitClient { at_most } => match self.await_client(hands, run, at_most) {
                Some(event) => event,
                None => return,
            },
            Effect::Compare => {
                if run.sound {
                    run.lost = hands.promises.answers_lost(hands.world, &run.goes_on, &run.expected);
                }
                Event::Compared(compare(hands, run))
            }
            Effect::Finish(_) => return,
        };
        run.next = run.machine.handle(event);
    }

    fn look_around(&mut self, hands: &mut Hands<'_>, run: &Run) -> Findings {
        let transcript = match hands.world.files.get(&run.wish.chat) {
            _ if run.last.is_none() => Transcript::Nothing,
            _ if run.wish.checkpoint.is_some() => Transcript::Same,
            None => Transcript::Missing,
            Some(file) if file.bytes.starts_with(&run.expected) => Transcript::Same,
            Some(_) => Transcript::Differs { at: 0 },
        };
        let orphans =
            if run.wish.checkpoint.is_some() { vec![] } else { hands.world.orphans_of(&run.wish.chat) };
        let found = |here: bool, name: &str| here.then(|| name.to_owned());
        Findings {
            live: self.count(hands, &run.wish.chat),
            orphans: orphans
                .into_iter()
                .map(|process| Orphan { process, command: "make".to_owned() })
                .collect(),
            cwd: Some("/c".to_owned()),
            cwd_exists: !hands.world.dice.one_in(30),
            client: found(!hands.world.dice.one_in(30), "/bin/claude"),
            terminal: found(!hands.world.dice.one_in(30), "xterm"),
            transcript,
            cannot: None,
            adds_to: None,
            unsure: Vec::new(),
        }
    }

    /// Who stands behind a chat, by registry and by command line; one that cannot be told counts too.
    fn count(&mut self, hands: &mut Hands<'_>, chat: &str) -> Vec<u32> {
        self.sweep(hands);
        let (chat_id, world) = (id(chat), &hands.world);
        let live = self.supervisor.live_processes(&chat_id);
        // One that died this moment is not there, though the news of it is still to come.
        let dead = |process: &ProcessKey| live.contains(process) && !world.is_alive(process);
        let possible = self.supervisor.possible_processes(&chat_id).into_iter();
        let mut pids: Vec<u32> =
            possible.filter(|process| !dead(process)).map(|process| process.pid).collect();
        pids.extend(
            hands.world.clients_on(chat).into_iter().filter(|pid| !hands.world.client(*pid).unwrap().foreign),
        );
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn await_client(&mut self, hands: &mut Hands<'_>, run: &Run, at_most: Duration) -> Option<Event> {
        self.sweep(hands);
        if let Some(process) = self.supervisor.live_processes(&id(&run.goes_on)).into_iter().next() {
            return Some(Event::Appeared(process));
        }
        let waited = Duration::from_millis(hands.world.passed_ms - run.started_ms);
        (waited >= at_most).then(|| Event::NotAppeared("it did not show the chat".to_owned()))
    }

    fn finish(&mut self, hands: &mut Hands<'_>, run: Run, outcome: Outcome) {
        let last = outcome.steps.last().map(|step| step.step.clone()).unwrap_or_default();
        let kind = match (outcome.ok, run.wish.dry_run, run.wish.checkpoint) {
            (true, true, _) => "dry run".to_owned(),
            (true, false, Some(_)) => "fork restored".to_owned(),
            (true, false, None) => "restored".to_owned(),
            (false, ..) => format!("restore stopped at {last}"),
        };
        hands.world.note(&kind, &run.goes_on);
        if outcome.ok && !run.wish.dry_run {
            assert_eq!((run.counted, run.lost), (1, 0), "processes and lost answers of {}", run.goes_on);
        }
        // A worker that did not show itself is ended; a window is the user's.
        if let Some(worker) = run.started.filter(|_| run.wish.headless && outcome.process.is_none())
            && hands.world.is_alive(&worker)
        {
            hands.world.kill(worker.pid);
        }
        if outcome.started {
            hands.promises.restore_started(&run.wish.chat, run.begun_ms);
        }
        let chat = id(&run.wish.chat);
        self.decide(hands, supervisor::Event::RestoreEnded { chat: &chat, started: outcome.started });
        self.write(hands, Waiting::Receipt(run.number, outcome));
    }
}

fn luck(hands: &mut Hands<'_>, what: &str) -> Result<String, StepFailed> {
    if hands.store.full || hands.world.dice.one_in(12) {
        Err(StepFailed(format!("{what}: no space left")))
    } else {
        Ok(what.to_owned())
    }
}

fn end_orphans(hands: &mut Hands<'_>, orphans: Vec<Orphan>) -> Vec<Orphan> {
    let mut left = Vec::new();
    for orphan in orphans {
        if hands.world.dice.one_in(8) {
            left.push(orphan);
        } else if hands.world.is_alive(&orphan.process) {
            hands.world.note("orphan ended", orphan.process.pid);
            hands.world.end(orphan.process.pid);
        }
    }
    left.retain(|orphan| hands.world.is_alive(&orphan.process));
    left
}

fn write_transcript(hands: &mut Hands<'_>, run: &Run) -> Result<String, StepFailed> {
    luck(hands, "transcript")?;
    if hands.world.files.contains_key(&run.goes_on) {
        return Err(StepFailed("it is there already; nothing was written over it".to_owned()));
    }
    hands.world.append_bytes(&run.goes_on, &run.expected);
    hands
        .world
        .note(if run.wish.checkpoint.is_some() { "fork written" } else { "file put back" }, &run.goes_on);
    Ok("written".to_owned())
}

/// Starts the client, if its transcript still is what the context was written from. That it is about to
/// be started is durable before it is.
fn start(hands: &mut Hands<'_>, run: &mut Run) -> Result<String, StepFailed> {
    hands.store.mark_started(run.number).map_err(|_full| StepFailed("nothing was started".to_owned()))?;
    luck(hands, "start")?;
    if hands.world.files.get(&run.goes_on).is_none_or(|file| file.bytes != run.expected) {
        hands.world.note("went on meanwhile", &run.goes_on);
        return Err(StepFailed("the chat went on meanwhile; restore it again".to_owned()));
    }
    hands.promises.starting(hands.world, &run.goes_on);
    let told = Told { text: run.context.clone(), tampered: hands.world.times_tampered(&run.goes_on) };
    let registers_in = match hands.world.dice.below(10) {
        0 => None,
        1 => Some(40_000),
        soon => Some(soon as u64 * 500),
    };
    let continues = run.wish.then == Then::Continue;
    let start =
        Start { by_shim: true, resumes: true, told: Some(told), continues, foreign: false, registers_in };
    run.started_ms = hands.world.passed_ms;
    let pid = hands.world.start_client(&run.goes_on, start);
    hands.world.note("started", format_args!("{} as {pid}", run.goes_on));
    run.started = hands.world.processes.contains_key(&pid).then(|| hands.world.key(pid));
    Ok("started".to_owned())
}

/// What the journal had against what the client's file has.
fn compare(hands: &Hands<'_>, run: &Run) -> Comparison {
    let mut before = Reader::comparing(Client::ClaudeCode, None);
    before.feed(&run.expected);
    let mut after = Reader::comparing(Client::ClaudeCode, run.last.as_ref().map(|last| last.uuid.as_str()));
    after.feed(hands.world.files.get(&run.goes_on).map_or(&[], |file| file.bytes.as_slice()));
    let lost = before.turn_ends().iter().filter(|end| !after.turn_ends().contains(end)).count();
    Comparison {
        turns_after: after.digest.turns,
        turns_lost: lost as u64,
        sha256_before: run.last.as_ref().map(|last| last.sha256.clone()),
        sha256_after: after.found().map(str::to_owned),
    }
}
