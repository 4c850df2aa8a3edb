//! Carries out a restore: each effect of the machine, on a thread of its own, with what came of it told
//! back. The watch goes on meanwhile.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use shim_api::{
    ApiError,
    error::ErrorCode,
    events::Event as Told,
    restore::{Receipt, RestoreRequest, Step, Then},
};
use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    crashes::InTurn,
    digest::{Digest, Reader, Turn},
    restore::{
        Comparison, Effect, Event, Findings, Fork, Job, Orphan, Outcome, Refusal, RefusalReason, Restore,
        Transcript,
    },
    supervisor,
};
use shim_store::{CheckpointRow, Stream, Urgency};

use crate::{
    claude_code,
    journal::differs_at,
    launch::{LaunchFile, environment},
    paths::{from_bytes, write_whole},
    processes::{self, Started},
    run::{Handle, now},
    terminal, views,
};

/// Restores in work at once.
pub const RESTORES_MAX: usize = 4;
/// How often the client's registry is looked at while it starts, beside file events.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Output of a worker that is read back when it fails to start, in bytes.
const OUTPUT_BYTES_MAX: u64 = 2000;

/// What the watch knows of the chat when the restore begins.
struct Subject {
    digest: Digest,
    started: Option<Started>,
    launch: shim_store::Launch,
    cwd: Option<String>,
    crash: Option<i64>,
    /// Existing transcripts of the chat.
    transcripts: Vec<PathBuf>,
    stream: Option<Stream>,
}

struct Work<'a> {
    handle: &'a Handle,
    job: Job,
    subject: Subject,
    checkpoint: Option<CheckpointRow>,
    number: i64,
    program: Option<PathBuf>,
    terminal: Option<Vec<String>>,
    /// The file that goes on, or the fork's.
    file: Option<PathBuf>,
    worker: Option<Child>,
    child_said: Option<PathBuf>,
    begun: Instant,
    client_wait: Duration,
}

/// Restores a chat and gives the receipt. Refusals and failures are receipts too; an error is only for a
/// request that names nothing, or a store that cannot be written.
pub fn restore(handle: &Handle, request: &RestoreRequest) -> Result<Receipt, ApiError> {
    let begun = Instant::now();
    let (chat, crash) = match find_target(handle, &request.target)? {
        Target::One(chat, crash) => (chat, crash),
        Target::Many(candidates) => return refuse_ambiguous(handle, request, &candidates, begun),
    };
    let subject = look_up(handle, &chat, crash)?;
    let checkpoint = match request.checkpoint {
        Some(id) => handle.home.store.read(|store| store.checkpoint(id)).map_err(views::store_error)?,
        None => None,
    };
    let fork = request.checkpoint.map(|checkpoint| Fork {
        chat: ChatId::new(chat.client(), &uuid::Uuid::new_v4().to_string()),
        checkpoint,
    });
    let (for_row, crash, at) = (chat.clone(), subject.crash, now());
    let number =
        handle.home.store.write(Urgency::AtOnce, move |store| store.new_restore(&for_row, crash, at));
    let number = number.map_err(views::store_error)?;
    let (in_turn, in_flight) = where_cut(&subject.digest, fork.is_some());
    let job = Job {
        chat: chat.clone(),
        fork,
        then: request.then,
        headless: request.headless,
        dry_run: request.dry_run,
        start_timeout: handle.home.settings.restore_start_timeout,
        orphans: handle.home.settings.restore_orphans,
        in_turn,
        in_flight,
    };
    let work = Work {
        handle,
        job,
        subject,
        checkpoint,
        number,
        program: None,
        terminal: None,
        file: None,
        worker: None,
        child_said: None,
        begun,
        client_wait: Duration::ZERO,
    };
    work.run(&chat)
}

enum Target {
    One(ChatId, Option<i64>),
    Many(Vec<ChatId>),
}

/// A crash's number, a chat's id, or the start of one, with or without the client's name.
fn find_target(handle: &Handle, target: &str) -> Result<Target, ApiError> {
    if let Ok(number) = target.parse::<i64>()
        && let Some(crash) =
            handle.home.store.read(|store| store.crash(number)).map_err(views::store_error)?
    {
        return Ok(Target::One(crash.chat, Some(number)));
    }
    let candidates = candidates(handle, target)?;
    match candidates.as_slice() {
        [] => Err(not_found(target)),
        [chat] => Ok(Target::One(chat.clone(), None)),
        _ => Ok(Target::Many(candidates)),
    }
}

/// Chats that `target` may mean; one when it is whole.
fn candidates(handle: &Handle, target: &str) -> Result<Vec<ChatId>, ApiError> {
    let target = target.to_owned();
    handle.call(move |watch| {
        let whole = |id: &&ChatId| id.as_str() == target || id.session_id() == target;
        if let Some(id) = watch.chats.keys().find(whole) {
            return vec![id.clone()];
        }
        let begins = |id: &&ChatId| id.as_str().starts_with(&target) || id.session_id().starts_with(&target);
        let mut found: Vec<_> =
            watch.chats.keys().filter(begins).filter(|_| !target.is_empty()).cloned().collect();
        found.sort();
        found
    })
}

fn not_found(target: &str) -> ApiError {
    let message =
        format!("no chat or crash answers to “{target}”; `shim chats` and `shim crashes` list them");
    ApiError::new(ErrorCode::NotFound, message)
}

/// The one chat that `target` means.
pub fn find_chat(handle: &Handle, target: &str) -> Result<ChatId, ApiError> {
    match find_target(handle, target)? {
        Target::One(chat, _) => Ok(chat),
        Target::Many(candidates) => Err(ApiError::new(ErrorCode::Ambiguous, which_of(target, &candidates))),
    }
}

fn which_of(target: &str, candidates: &[ChatId]) -> String {
    let names: Vec<_> = candidates.iter().take(5).map(ChatId::as_str).collect();
    format!("“{target}” may mean {} chats: {}; give more of the id", candidates.len(), names.join(", "))
}

fn refuse_ambiguous(
    handle: &Handle,
    request: &RestoreRequest,
    candidates: &[ChatId],
    begun: Instant,
) -> Result<Receipt, ApiError> {
    let chat = ChatId::new(Client::ClaudeCode, request.target.trim_start_matches("claude-code:"));
    let (for_row, at) = (chat.clone(), now());
    let number = handle.home.store.write(Urgency::AtOnce, move |store| store.new_restore(&for_row, None, at));
    let message = which_of(&request.target, candidates);
    let receipt = Receipt {
        id: number.map_err(views::store_error)?,
        steps: vec![Step { step: "find".to_owned(), ok: false, detail: message.clone() }],
        refused: Some(Refusal { reason: RefusalReason::Ambiguous, message }),
        seconds: begun.elapsed().as_secs_f64(),
        ..empty_receipt(chat, request.dry_run)
    };
    keep_receipt(handle, &receipt)?;
    Ok(receipt)
}

fn empty_receipt(chat: ChatId, dry_run: bool) -> Receipt {
    Receipt {
        id: 0,
        chat,
        fork_of: None,
        crash: None,
        at: now(),
        ok: false,
        dry_run,
        refused: None,
        turns_before: 0,
        turns_after: None,
        turns_lost: None,
        last_message_sha256_before: None,
        last_message_sha256_after: None,
        processes: None,
        pid: None,
        cwd: None,
        model: None,
        permission_mode: None,
        seconds: 0.0,
        client_seconds: 0.0,
        steps: Vec::new(),
    }
}

fn keep_receipt(handle: &Handle, receipt: &Receipt) -> Result<(), ApiError> {
    let text =
        serde_json::to_string(receipt).map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))?;
    let number = receipt.id;
    handle
        .home
        .store
        .write(Urgency::AtOnce, move |store| store.put_receipt(number, &text))
        .map_err(views::store_error)?;
    handle.tell(Told::RestoreFinished { receipt: Box::new(receipt.clone()) });
    Ok(())
}

/// Brings journal and registries up to date and takes what is known of the chat.
fn look_up(handle: &Handle, chat: &ChatId, crash: Option<i64>) -> Result<Subject, ApiError> {
    let (id, store_id) = (chat.clone(), chat.clone());
    let (launch, stream) = handle
        .home
        .store
        .read(move |store| Ok((store.launch(&store_id)?, store.main_stream(&store_id)?)))
        .map_err(views::store_error)?;
    handle.call(move |watch| {
        watch.read_registries();
        for transcript in watch.transcripts_of(&id) {
            watch.catch_up_wholly(&transcript);
        }
        watch.settle();
        let chat = watch.chats.get(&id);
        let launch = launch.or_else(|| chat.map(|chat| chat.launch.clone())).unwrap_or_default();
        let known = chat.map(|chat| chat.transcripts.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
        Subject {
            cwd: launch.cwd.clone().or_else(|| chat.and_then(|chat| chat.digest.cwd.clone())),
            digest: chat.map(|chat| chat.digest.clone()).unwrap_or_default(),
            started: chat.and_then(|chat| chat.started.clone()),
            launch,
            crash: crash.or_else(|| watch.open_crashes.get(&id).copied()),
            transcripts: known.into_iter().filter(|path| path.exists()).collect(),
            stream,
        }
    })
}

fn where_cut(digest: &Digest, fork: bool) -> (InTurn, Vec<shim_core::crashes::ToolCall>) {
    match &digest.turn {
        Turn::Open { .. } if !fork => match digest.in_flight() {
            calls if calls.is_empty() => (InTurn::Answer, Vec::new()),
            calls => (InTurn::Tool, calls),
        },
        _ => (InTurn::None, Vec::new()),
    }
}

impl Work<'_> {
    fn run(mut self, chat: &ChatId) -> Result<Receipt, ApiError> {
        let fork = self.job.fork.is_some();
        let asked = chat.clone();
        let dry_run = self.job.dry_run;
        let allowed = self.handle.call(move |watch| match watch.may_restore(&asked, fork) {
            // A rehearsal holds nothing up.
            Ok(()) if dry_run => {
                watch.decide(supervisor::Event::RestoreEnded { chat: &asked, started: false });
                Ok(())
            }
            other => other,
        })?;
        let outcome = match allowed {
            Ok(()) if self.subject.transcripts.len() > 1 && !fork => self.several_transcripts(),
            Ok(()) => {
                if !dry_run {
                    self.handle.tell(Told::RestoreStarted { chat: chat.clone() });
                }
                self.carry_out()
            }
            Err(refusal) => refused("allowed", refusal),
        };
        let (ended, started) = (chat.clone(), outcome.started);
        let receipt = self.receipt(outcome);
        keep_receipt(self.handle, &receipt)?;
        if !dry_run {
            let refused_at_the_door =
                receipt.refused.as_ref().is_some_and(|r| r.reason == RefusalReason::UnderWay);
            self.handle.call(move |watch| {
                if !refused_at_the_door {
                    watch.decide(supervisor::Event::RestoreEnded { chat: &ended, started });
                }
            })?;
        }
        Ok(receipt)
    }

    fn several_transcripts(&self) -> Outcome {
        let paths: Vec<_> = self.subject.transcripts.iter().map(|path| path.display().to_string()).collect();
        let message = format!(
            "this chat has {} transcripts: {}; set aside those that are not meant, then restore again",
            paths.len(),
            paths.join(", ")
        );
        refused("journal", Refusal { reason: RefusalReason::Ambiguous, message })
    }

    fn carry_out(&mut self) -> Outcome {
        let mut machine = Restore::new(self.job.clone());
        let mut event = Event::Begin;
        loop {
            event = match machine.handle(event) {
                Effect::LookAround => Event::Found(self.look_around()),
                Effect::EndOrphans(orphans) => Event::OrphansEnded { left: processes::end(&orphans) },
                Effect::PrepareTranscript => {
                    Event::TranscriptReady(self.prepare_transcript().map_err(|e| e.to_string()))
                }
                Effect::WriteContext(text) => Event::ContextWritten(self.write_context(&text)),
                Effect::StartClient => Event::Started(self.start()),
                Effect::AwaitClient { at_most } => self.await_client(at_most),
                Effect::CountProcesses => Event::Counted { processes: self.count() },
                Effect::Compare => Event::Compared(self.compare()),
                Effect::Finish(outcome) => return self.wind_up(outcome),
            };
        }
    }

    /// The id of the chat that goes on.
    fn goes_on(&self) -> &ChatId {
        self.job.fork.as_ref().map_or(&self.job.chat, |fork| &fork.chat)
    }

    fn look_around(&mut self) -> Findings {
        self.program = claude_code::program(
            &self.handle.home.settings,
            self.subject.launch.program.as_deref().map(Path::new),
        );
        self.terminal = if self.job.headless { None } else { terminal::find(&self.handle.home.settings) };
        let cwd = self.subject.cwd.clone();
        Findings {
            live: self.count(),
            orphans: if self.job.fork.is_some() { Vec::new() } else { self.orphans() },
            cwd_exists: cwd.as_deref().is_some_and(|cwd| Path::new(cwd).is_dir()),
            cwd,
            client: self.program.as_deref().map(|program| program.display().to_string()),
            terminal: self.terminal.as_ref().map(|words| words.join(" ")),
            transcript: self.compare_with_journal(),
        }
    }

    fn orphans(&self) -> Vec<Orphan> {
        let session_id = self.job.chat.session_id();
        // The client itself carries its chat's id only in what it starts.
        processes::tool_children(session_id)
    }

    fn compare_with_journal(&mut self) -> Transcript {
        if let Some(wanted) = self.job.fork.as_ref() {
            return self.checkpoint_is_whole(wanted);
        }
        let Some(stream) = self.subject.stream.clone().filter(|stream| stream.known.bytes > 0) else {
            return Transcript::Nothing;
        };
        let path = self.subject.transcripts.first().cloned().unwrap_or_else(|| from_bytes(&stream.path));
        self.file = Some(path.clone());
        if self.subject.digest.last_message.is_none() {
            return Transcript::Nothing;
        }
        let Ok(mut file) = File::open(&path) else { return Transcript::Missing };
        let kept = self.handle.home.store.read(|store| {
            let stream = store.main_stream(&self.job.chat)?.unwrap_or(stream);
            differs_at(store, stream.id, stream.generation, stream.known.bytes, &mut file)
        });
        match kept {
            Ok(None) => Transcript::Same,
            Ok(Some(at)) => Transcript::Differs { at },
            Err(error) => {
                tracing::warn!(chat = %self.job.chat, "the journal could not be compared: {error}");
                Transcript::Differs { at: 0 }
            }
        }
    }

    fn checkpoint_is_whole(&self, fork: &Fork) -> Transcript {
        let Some(row) = self.checkpoint.as_ref().filter(|row| row.checkpoint.chat == self.job.chat) else {
            tracing::info!(checkpoint = fork.checkpoint, "no such checkpoint of this chat");
            return Transcript::CheckpointGone;
        };
        let point = &row.checkpoint;
        let read = self
            .handle
            .home
            .store
            .read(|store| store.read_journal(point.stream, point.generation, 0, point.offset, |_| true));
        if read.is_ok_and(|reached| reached == point.offset && reached > 0) {
            Transcript::Same
        } else {
            Transcript::CheckpointGone
        }
    }

    /// Puts the client's file back as the journal has it, or writes the fork's beside the original.
    fn prepare_transcript(&mut self) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        let path = match (&self.job.fork, &self.checkpoint, &self.subject.stream) {
            (Some(fork), Some(row), Some(stream)) => {
                let point = &row.checkpoint;
                self.read_journal(point.stream, point.generation, point.offset, &mut bytes)?;
                let (old, new) = (self.job.chat.session_id(), fork.chat.session_id());
                bytes = with_session(&bytes, old, new);
                let original =
                    self.subject.transcripts.first().cloned().unwrap_or_else(|| from_bytes(&stream.path));
                original.with_file_name(format!("{new}.jsonl"))
            }
            (None, _, Some(stream)) => {
                self.read_journal(stream.id, stream.generation, stream.known.bytes, &mut bytes)?;
                from_bytes(&stream.path)
            }
            _ => anyhow::bail!("the journal holds nothing of this chat"),
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        anyhow::ensure!(!path.exists(), "{} is there already; nothing was written over it", path.display());
        write_whole(&path, &bytes)?;
        let said = format!("wrote {} bytes to {}", bytes.len(), path.display());
        self.file = Some(path);
        Ok(said)
    }

    fn read_journal(
        &self,
        stream: shim_store::StreamId,
        generation: i64,
        until: u64,
        into: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let reached = self.handle.home.store.read(|store| {
            store.read_journal(stream, generation, 0, until, |bytes| {
                into.extend_from_slice(bytes);
                true
            })
        })?;
        anyhow::ensure!(reached == until, "the journal ends at byte {reached} of {until}");
        Ok(())
    }

    fn context_path(&self) -> PathBuf {
        self.handle.home.path.join("restores").join(format!("{}-context.txt", self.number))
    }

    fn settings_path(&self) -> PathBuf {
        self.handle.home.path.join("restores").join(format!("{}-settings.json", self.number))
    }

    /// Leaves the text for the SessionStart hook that is given to this one start; the user's settings
    /// are not touched.
    fn write_context(&self, text: &str) -> Result<String, String> {
        let settings = self.start_settings().and_then(|settings| {
            write_whole(&self.context_path(), text.as_bytes())?;
            write_whole(&self.settings_path(), serde_json::to_string_pretty(&settings)?.as_bytes())?;
            Ok(())
        });
        settings.map_err(|error| format!("the resume context could not be written: {error}"))?;
        Ok("the chat is told what was in flight, by a SessionStart hook for this start alone".to_owned())
    }

    /// The settings given to the start: those it had by flag, and the hook.
    fn start_settings(&self) -> anyhow::Result<serde_json::Value> {
        let flags = &self.subject.launch.flags;
        let given = flags.iter().position(|flag| flag == "--settings").and_then(|at| flags.get(at + 1));
        let mut settings = match given {
            None => serde_json::json!({}),
            Some(text) if text.trim_start().starts_with('{') => serde_json::from_str(text)?,
            Some(path) => {
                let cwd = self.subject.cwd.as_deref().unwrap_or(".");
                serde_json::from_slice(&fs::read(Path::new(cwd).join(path))?)?
            }
        };
        let shim = std::env::current_exe()?;
        let context = self.context_path();
        let command =
            terminal::shell_line(&[&shim.to_string_lossy(), "hook", "context", &context.to_string_lossy()]);
        let hook = serde_json::json!({ "hooks": [{ "type": "command", "command": command, "timeout": 10 }] });
        let hooks =
            settings.as_object_mut().map(|map| map.entry("hooks").or_insert_with(|| serde_json::json!({})));
        let Some(hooks) = hooks.and_then(serde_json::Value::as_object_mut) else {
            anyhow::bail!("the settings it was started with are not an object");
        };
        match hooks.entry("SessionStart").or_insert_with(|| serde_json::json!([])).as_array_mut() {
            Some(list) => list.push(hook),
            None => {
                anyhow::bail!("the settings it was started with hold SessionStart hooks of an unknown form")
            }
        }
        Ok(settings)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::new();
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        if self.job.headless {
            arguments.extend(text(&[
                "-p",
                "--input-format",
                "stream-json",
                "--output-format",
                "stream-json",
                "--verbose",
            ]));
        }
        arguments.extend(text(&["--resume", self.goes_on().session_id()]));
        arguments.extend(text(&["--settings", &self.settings_path().to_string_lossy()]));
        if let Some(model) = &self.subject.digest.model {
            arguments.extend(text(&["--model", model]));
        }
        if let Some(mode) = &self.subject.digest.permission_mode {
            arguments.extend(text(&["--permission-mode", mode]));
        }
        let mut flags = self.subject.launch.flags.iter();
        while let Some(flag) = flags.next() {
            if flag == "--settings" {
                flags.next();
            } else {
                arguments.push(flag.clone());
            }
        }
        arguments
    }

    fn launch_file(&self) -> Result<LaunchFile, String> {
        let program = self.program.clone().ok_or("the client's program is not known")?;
        let cwd = self.subject.cwd.clone().ok_or("the chat's directory is not known")?;
        let mut environment = environment(self.subject.started.as_ref(), &self.subject.launch);
        if self.job.then == Then::Continue {
            environment.push(("CLAUDE_CODE_RESUME_INTERRUPTED_TURN".to_owned(), "1".to_owned()));
        }
        let from_terminal = if self.job.headless {
            Vec::new()
        } else {
            ["TERM", "COLORTERM", "DISPLAY", "WAYLAND_DISPLAY", "TMUX", "TMUX_PANE", "WINDOWID"]
                .map(String::from)
                .to_vec()
        };
        Ok(LaunchFile {
            program,
            arguments: self.arguments(),
            environment,
            cwd: PathBuf::from(cwd),
            from_terminal,
        })
    }

    /// Starts the client. That it is about to be started is durable before it is.
    fn start(&mut self) -> Result<String, String> {
        let launch = self.launch_file()?;
        let number = self.number;
        let marked = self.handle.home.store.write(Urgency::AtOnce, move |store| store.mark_started(number));
        marked.map_err(|error| format!("nothing was started, since that could not be recorded: {error}"))?;
        let child = if self.job.headless { self.start_worker(&launch) } else { self.start_terminal(&launch) };
        let child =
            child.map_err(|error| format!("{} could not be started: {error}", launch.program.display()))?;
        let pid = child.id();
        if self.job.headless {
            self.worker = Some(child);
            return Ok(format!("started {} as worker {pid}", launch.program.display()));
        }
        // A terminal may end at once and leave its window to a server.
        self.handle.call(move |watch| watch.adopt(child)).map_err(|error| error.message)?;
        Ok(format!("started {} in a terminal", launch.program.display()))
    }

    fn start_terminal(&self, launch: &LaunchFile) -> anyhow::Result<Child> {
        let terminal = self.terminal.as_deref().unwrap_or_default();
        let path = self.handle.home.path.join("restores").join(format!("{}-launch.json", self.number));
        write_whole(&path, &serde_json::to_vec(launch)?)?;
        let shim = std::env::current_exe()?;
        let line = terminal::shell_line(&[&shim.to_string_lossy(), "launch", &path.to_string_lossy()]);
        let words = terminal::fill(terminal, &line, &launch.cwd);
        let (program, arguments) =
            words.split_first().ok_or_else(|| anyhow::anyhow!("no terminal is known"))?;
        let mut command = std::process::Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        own_group(&mut command);
        Ok(command.spawn()?)
    }

    /// A worker's input stays open until it is ended, so that it waits for its next message even when
    /// the engine that started it is gone.
    fn start_worker(&mut self, launch: &LaunchFile) -> anyhow::Result<Child> {
        let folder = self.handle.home.path.join("workers");
        let output = folder.join(format!("{}.out", self.number));
        let out = File::create(&output)?;
        let mut command = launch.command();
        command.stdin(worker_input(&folder.join(format!("{}.in", self.number)))?);
        command.stdout(out.try_clone()?).stderr(out);
        own_group(&mut command);
        self.child_said = Some(output);
        Ok(command.spawn()?)
    }

    /// Waits until the client's registry shows the chat under a new process.
    fn await_client(&mut self, at_most: Duration) -> Event {
        let since = Instant::now();
        let event = loop {
            let chat = self.goes_on().clone();
            let live = self.handle.call(move |watch| {
                watch.read_registries();
                watch.supervisor.live_processes(&chat)
            });
            match live {
                Ok(live) => {
                    if let Some(process) = live.into_iter().next() {
                        break Event::Appeared(process);
                    }
                }
                Err(error) => break Event::NotAppeared(error.message),
            }
            if let Some(Ok(Some(status))) = self.worker.as_mut().map(Child::try_wait) {
                break Event::NotAppeared(format!(
                    "the client ended at once ({status}): {}",
                    self.last_words()
                ));
            }
            if since.elapsed() >= at_most {
                break Event::NotAppeared(format!(
                    "the client did not show the chat within {} s; its data is untouched: look at its window, or try again",
                    at_most.as_secs()
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        };
        self.client_wait = since.elapsed();
        event
    }

    fn last_words(&self) -> String {
        let mut text = String::new();
        if let Some(mut file) = self.child_said.as_ref().and_then(|path| File::open(path).ok()) {
            let length = file.metadata().map_or(0, |meta| meta.len());
            let from = std::io::SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES_MAX));
            let _ = std::io::Seek::seek(&mut file, from).and_then(|_| file.read_to_string(&mut text));
        }
        if text.trim().is_empty() { "it said nothing".to_owned() } else { text.trim().to_owned() }
    }

    /// Processes on the chat: those its registry names, and any client whose command line does.
    fn count(&self) -> Vec<u32> {
        let chat = self.goes_on().clone();
        let look = move |watch: &mut crate::run::Watch| {
            watch.read_registries();
            watch.supervisor.live_processes(&chat)
        };
        let registered = self.handle.call(look).unwrap_or_default();
        let mut pids: Vec<u32> = registered.into_iter().map(|process| process.pid).collect();
        let session_id = self.goes_on().session_id();
        for running in processes::running_programs("claude") {
            let names =
                running.started.arguments.iter().any(|argument| argument.to_string_lossy() == session_id);
            if names && !pids.contains(&running.pid) {
                pids.push(running.pid);
            }
        }
        pids
    }

    /// What the journal had against what the client's file has.
    fn compare(&mut self) -> Comparison {
        let (mut before, last) = (self.reader_of_journal(), self.expected_last());
        let mut after = Reader::comparing(last.as_ref().map(|(uuid, _)| uuid.as_str()));
        let read =
            self.file.as_ref().and_then(|path| File::open(path).ok()).map(|file| feed(&mut after, file));
        if !matches!(read, Some(Ok(()))) {
            tracing::warn!(chat = %self.job.chat, "the client's file could not be read after the restore");
        }
        let (before, kept) = (before.take().unwrap_or_default(), after.turn_ends());
        let lost = before.iter().filter(|end| !kept.contains(end)).count();
        Comparison {
            turns_after: after.digest.turns,
            turns_lost: lost as u64,
            sha256_before: last.map(|(_, hash)| hash),
            sha256_after: after.found().map(str::to_owned),
        }
    }

    /// Uuid and hash of the last message that must be there: the journal's, or the checkpoint's.
    fn expected_last(&self) -> Option<(String, String)> {
        let last = match (&self.job.fork, &self.checkpoint) {
            (Some(_), Some(row)) => {
                let mut reader = Reader::default();
                self.feed_journal(
                    &mut reader,
                    row.checkpoint.stream,
                    row.checkpoint.generation,
                    row.checkpoint.offset,
                );
                reader.digest.last_message
            }
            _ => self.subject.digest.last_message.clone(),
        };
        last.map(|last| (last.uuid, last.sha256))
    }

    /// Ids of the records that ended a turn in the journal.
    fn reader_of_journal(&self) -> Option<Vec<String>> {
        let mut reader = Reader::comparing(None);
        match (&self.job.fork, &self.checkpoint, &self.subject.stream) {
            (Some(_), Some(row), _) => {
                self.feed_journal(
                    &mut reader,
                    row.checkpoint.stream,
                    row.checkpoint.generation,
                    row.checkpoint.offset,
                );
            }
            (_, _, Some(stream)) => {
                let until = self.subject.digest.offset;
                self.feed_journal(&mut reader, stream.id, stream.generation, until);
            }
            _ => return None,
        }
        Some(reader.turn_ends().to_vec())
    }

    fn feed_journal(&self, reader: &mut Reader, stream: shim_store::StreamId, generation: i64, until: u64) {
        let read = self.handle.home.store.read(|store| {
            store.read_journal(stream, generation, 0, until, |bytes| {
                reader.feed(bytes);
                true
            })
        });
        if let Err(error) = read {
            tracing::warn!(chat = %self.job.chat, "the journal could not be read: {error}");
        }
    }

    /// Leaves nothing half-way: a worker that did not come up is ended, the files for the start removed.
    fn wind_up(&mut self, outcome: Outcome) -> Outcome {
        if let Some(mut worker) = self.worker.take() {
            if outcome.process.is_none() {
                let start = processes::start_mark(worker.id()).unwrap_or_default();
                let process = ProcessKey { pid: worker.id(), start };
                processes::end(&[Orphan { process, command: "worker".to_owned() }]);
                let _ = worker.wait();
            } else if let Err(error) = self.handle.call(move |watch| watch.adopt(worker)) {
                tracing::warn!("a worker could not be adopted: {error}");
            }
        }
        if outcome.process.is_none() {
            let leftovers = [self.context_path(), self.settings_path()];
            leftovers.iter().for_each(|path| drop(fs::remove_file(path)));
        }
        outcome
    }

    fn receipt(&self, outcome: Outcome) -> Receipt {
        let comparison = outcome.comparison.unwrap_or_default();
        let compared = outcome.processes.is_some();
        let turns_before = match (&self.job.fork, &self.checkpoint) {
            (Some(_), Some(row)) => row.checkpoint.turns,
            _ => self.subject.digest.turns,
        };
        Receipt {
            id: self.number,
            fork_of: self.job.fork.as_ref().map(|_| self.job.chat.clone()),
            crash: self.subject.crash,
            ok: outcome.ok,
            refused: outcome.refused,
            turns_before,
            turns_after: compared.then_some(comparison.turns_after),
            turns_lost: compared.then_some(comparison.turns_lost),
            last_message_sha256_before: comparison
                .sha256_before
                .or_else(|| self.subject.digest.last_message.as_ref().map(|last| last.sha256.clone())),
            last_message_sha256_after: comparison.sha256_after,
            processes: outcome.processes,
            pid: outcome.process.map(|process| process.pid),
            cwd: self.subject.cwd.clone(),
            model: self.subject.digest.model.clone(),
            permission_mode: self.subject.digest.permission_mode.clone(),
            seconds: self.begun.elapsed().as_secs_f64(),
            client_seconds: self.client_wait.as_secs_f64(),
            steps: outcome.steps,
            ..empty_receipt(self.goes_on().clone(), self.job.dry_run)
        }
    }
}

fn refused(step: &str, refusal: Refusal) -> Outcome {
    Outcome {
        ok: false,
        started: false,
        process: None,
        processes: None,
        comparison: None,
        steps: vec![Step { step: step.to_owned(), ok: false, detail: refusal.message.clone() }],
        refused: Some(refusal),
    }
}

fn feed(reader: &mut Reader, mut file: File) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        reader.feed(buffer.get(..read).unwrap_or_default());
    }
}

/// The same records under another session id. Both ids are of the same length and nothing else.
fn with_session(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let (old, new) = (format!("\"sessionId\":\"{old}\""), format!("\"sessionId\":\"{new}\""));
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, old.as_bytes()) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(new.as_bytes());
        rest = rest.get(at + old.len()..).unwrap_or_default();
    }
    out.write_all(rest).ok();
    out
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A group of its own, so that ending SHIM or its terminal does not end the chat.
fn own_group(command: &mut std::process::Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    }
}

/// A pipe with a name that the worker holds open at both ends.
#[cfg(target_os = "linux")]
fn worker_input(path: &Path) -> anyhow::Result<Stdio> {
    let _ = fs::remove_file(path);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )?;
    Ok(Stdio::from(File::options().read(true).write(true).open(path)?))
}

#[cfg(not(target_os = "linux"))]
fn worker_input(_path: &Path) -> anyhow::Result<Stdio> {
    Ok(Stdio::piped())
}
