//! Starting the client again: what it is told, with which flags, in a terminal or as a worker.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use shim_core::{
    crashes::InTurn,
    digest::{Digest, Turn},
    restore::StepFailed,
};
use shim_store::{Urgency, faults};

use super::Work;
use crate::{
    clients::{Input, Port, Start, port},
    launch::{LaunchFile, environment},
    paths::write_whole,
    processes, terminal,
};

impl Work<'_> {
    /// Ending tool children takes seconds: enough for somebody to go on with the chat and be gone again.
    fn is_unchanged(&self) -> Result<(), StepFailed> {
        if self.job.fork.is_some() {
            return Ok(());
        }
        let chat = self.job.chat.clone();
        let seen = self.handle.call(move |watch| {
            for transcript in watch.transcripts_of(&chat) {
                watch.catch_up_wholly(&transcript);
            }
            (watch.digest_at_rest(&chat), watch.policy.closed_at(&chat))
        });
        match seen {
            Ok((_, Some(at))) if at >= self.begun_at => {
                Err(StepFailed("its user stopped the chat while it was being restored".to_owned()))
            }
            Ok((digest, _)) if self.is_same(&digest) => Ok(()),
            Ok(_) => Err(StepFailed(
                "the chat changed while it was being restored: look at it, then restore again".to_owned(),
            )),
            Err(error) => Err(StepFailed(error.message)),
        }
    }

    /// A chat that the client itself put back into its database is journaled anew, and its rows bear new times.
    fn is_same(&self, digest: &Digest) -> bool {
        let before = &self.subject.digest;
        if self.file.as_deref().and_then(|path| self.port().rows(path)).is_none() {
            return digest == before;
        }
        let is_open = |digest: &Digest| matches!(digest.turn, Turn::Open { .. });
        (digest.turns, &digest.last_message, digest.in_flight(), is_open(digest))
            == (before.turns, &before.last_message, before.in_flight(), is_open(before))
    }

    pub(super) fn context_path(&self) -> PathBuf {
        self.handle.home.path.join("restores").join(format!("{}-context.txt", self.number))
    }

    pub(super) fn launch_path(&self) -> PathBuf {
        self.handle.home.path.join("restores").join(format!("{}-launch.json", self.number))
    }

    pub(super) fn settings_path(&self) -> PathBuf {
        self.handle.home.path.join("restores").join(format!("{}-settings.json", self.number))
    }

    pub(super) fn port(&self) -> &'static dyn Port {
        port(self.job.chat.client())
    }

    /// What is known of the start before the paths of its files are.
    pub(super) fn start_asked(&self) -> Start<'_> {
        self.start_with(Path::new(""), Path::new(""), &[])
    }

    fn start_with<'a>(
        &'a self,
        context_path: &'a Path,
        settings_path: &'a Path,
        environment: &'a [(String, String)],
    ) -> Start<'a> {
        Start {
            session_id: self.goes_on().session_id(),
            then: self.job.then,
            headless: self.job.headless,
            cut: self.job.in_turn != InTurn::None || self.orphans_found,
            tool_in_doubt: self.job.in_turn == InTurn::Tool || self.orphans_found,
            model: self.subject.digest.model.as_deref(),
            provider: self.subject.digest.provider.as_deref(),
            version: self.subject.digest.version.as_deref(),
            permission_mode: self.subject.digest.permission_mode.as_deref(),
            flags: &self.subject.flags,
            cwd: Path::new(self.subject.cwd.as_deref().unwrap_or(".")),
            context: &self.context,
            context_path,
            settings_path,
            shim: &self.handle.home.program,
            environment,
        }
    }

    /// Leaves what the chat is to be told where this one start finds it.
    pub(super) fn write_context(&self) -> Result<String, StepFailed> {
        crate::hooks::drop_context(&self.handle.home.path, &self.job.chat);
        let (context, settings) = (self.context_path(), self.settings_path());
        self.port()
            .write_context(&self.start_with(&context, &settings, &[]))
            .map_err(|error| StepFailed(format!("the resume context could not be written: {error}")))
    }

    /// The environment that the chat's process had, pointed at the home of the transcript that goes on.
    pub(super) fn environment_of_start(&self, transcript: Option<&Path>) -> Vec<(String, String)> {
        let port = self.port();
        let mut environment = environment(self.subject.started.as_ref(), &self.subject.launch);
        if let Some(home) = transcript.and_then(|path| port.home_of_transcript(path)) {
            port.point_at_home(&mut environment, &home);
        }
        environment
    }

    fn launch_file(&self) -> Result<(LaunchFile, Input), StepFailed> {
        let program =
            self.program.clone().ok_or_else(|| StepFailed("the client's program is not known".to_owned()))?;
        let cwd = self
            .subject
            .cwd
            .clone()
            .ok_or_else(|| StepFailed("the chat's directory is not known".to_owned()))?;
        let port = self.port();
        let mut environment = self.environment_of_start(self.file.as_deref());
        let (context, settings) = (self.context_path(), self.settings_path());
        let start = self.start_with(&context, &settings, &environment);
        let added = self.file.as_deref().and_then(|path| port.added(&start, path));
        let plan = port.plan(&start);
        for (name, value) in plan.environment {
            environment.retain(|(known, _)| *known != name);
            environment.push((name, value));
        }
        let from_terminal = if self.job.headless {
            Vec::new()
        } else {
            ["TERM", "COLORTERM", "DISPLAY", "WAYLAND_DISPLAY", "TMUX", "TMUX_PANE", "WINDOWID"]
                .map(String::from)
                .to_vec()
        };
        let cwd = PathBuf::from(cwd);
        let launch =
            LaunchFile { program, arguments: plan.arguments, environment, cwd, from_terminal, added };
        Ok((launch, plan.input))
    }

    /// Starts the client. That it is about to be started is durable before it is.
    pub(super) fn start(&mut self) -> Result<String, StepFailed> {
        let (launch, input) = self.launch_file()?;
        self.is_unchanged()?;
        let (number, chat, kept) = (self.number, self.goes_on().clone(), self.subject.launch.clone());
        let marked = self.handle.home.store.write(Urgency::AtOnce, move |store| {
            // A fork inherits how its original was started.
            store.put_launch(&chat, &kept)?;
            store.mark_started(number)
        });
        marked.map_err(|error| {
            StepFailed(format!("nothing was started, since that could not be recorded: {error}"))
        })?;
        faults::boundary("restore.start.marked");
        let child =
            if self.job.headless { self.start_worker(&launch, &input) } else { self.start_terminal(&launch) };
        let child = child.map_err(|error| {
            StepFailed(format!("{} could not be started: {error}", launch.program.display()))
        })?;
        faults::boundary("restore.start.spawned");
        let pid = child.id();
        self.started = true;
        if self.job.headless {
            self.worker = Some(child);
            return Ok(format!("started {} as worker {pid}", launch.program.display()));
        }
        // A terminal may end at once and leave its window to a server.
        self.handle.call(move |watch| watch.adopt(child)).map_err(|error| StepFailed(error.message))?;
        Ok(format!("started {} in a terminal", launch.program.display()))
    }

    fn start_terminal(&self, launch: &LaunchFile) -> anyhow::Result<Child> {
        let terminal = self.terminal.as_deref().unwrap_or_default();
        let path = self.launch_path();
        write_whole(&path, &serde_json::to_vec(launch)?)?;
        let shim = &self.handle.home.program;
        let words = [&*shim.to_string_lossy(), "launch", &*path.to_string_lossy()];
        let mut command = terminal::command(terminal, &words, &launch.cwd)
            .ok_or_else(|| anyhow::anyhow!("no terminal is known"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        processes::in_a_window(&mut command);
        Ok(command.spawn()?)
    }

    fn start_worker(&mut self, launch: &LaunchFile, input: &Input) -> anyhow::Result<Child> {
        let folder = self.handle.home.path.join("workers");
        let output = folder.join(format!("{}.out", self.number));
        // Appending, so that cutting it short leaves no hole.
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let out = options.open(&output)?;
        let mut command = launch.command();
        command.stdout(out.try_clone()?).stderr(out);
        processes::stand_alone(&mut command);
        self.child_said = Some(output);
        let path = folder.join(format!("{}.in", self.number));
        match input {
            Input::Nothing => spawn(command.stdin(Stdio::null())),
            Input::Once(bytes) => {
                write_whole(&path, bytes)?;
                spawn(command.stdin(File::open(&path)?))
            }
            Input::Kept(first) => spawn_waiting(command, &path, first),
        }
    }
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    let child = command.spawn()?;
    // Without it the worker still runs; only its children are harder to find.
    if let Err(error) = processes::contain(&child) {
        tracing::warn!("worker {} could not be kept together with its children: {error}", child.id());
    }
    Ok(child)
}

/// Its input stays open until it is ended, so that it waits for its next message even when the engine that
/// started it is gone: a pipe with a name that the worker holds open at both ends.
#[cfg(target_os = "linux")]
fn spawn_waiting(mut command: Command, path: &Path, first: &[u8]) -> anyhow::Result<Child> {
    let _ = std::fs::remove_file(path);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )?;
    let mut input = File::options().read(true).write(true).open(path)?;
    input.write_all(first)?;
    spawn(command.stdin(Stdio::from(input)))
}

/// Its input ends with the engine that started it.
#[cfg(not(target_os = "linux"))]
fn spawn_waiting(mut command: Command, _path: &Path, first: &[u8]) -> anyhow::Result<Child> {
    let mut child = spawn(command.stdin(Stdio::piped()))?;
    if let Some(input) = &mut child.stdin {
        input.write_all(first)?;
    }
    Ok(child)
}
