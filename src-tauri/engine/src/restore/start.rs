//! Starting the client again: what it is told, with which flags, in a terminal or as a worker.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use shim_api::restore::Then;
use shim_core::{crashes::InTurn, restore::StepFailed};
use shim_store::Urgency;

use super::Work;
use crate::{
    claude_code,
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
        let digest = self.handle.call(move |watch| {
            for transcript in watch.transcripts_of(&chat) {
                watch.catch_up_wholly(&transcript);
            }
            watch.digest_at_rest(&chat)
        });
        match digest {
            Ok(digest) if digest == self.subject.digest => Ok(()),
            Ok(_) => Err(StepFailed(
                "the chat changed while it was being restored: look at it, then restore again".to_owned(),
            )),
            Err(error) => Err(StepFailed(error.message)),
        }
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

    /// Leaves the text for the SessionStart hook that is given to this one start; the user's settings
    /// are not touched.
    pub(super) fn write_context(&self, text: &str) -> Result<String, StepFailed> {
        let settings = self.start_settings().and_then(|settings| {
            write_whole(&self.context_path(), text.as_bytes())?;
            write_whole(&self.settings_path(), serde_json::to_string_pretty(&settings)?.as_bytes())?;
            Ok(())
        });
        settings.map_err(|error| StepFailed(format!("the resume context could not be written: {error}")))?;
        Ok("the chat is given a SessionStart hook, for this start alone, that says what was in flight"
            .to_owned())
    }

    /// The settings given to the start: those it had by flag, and the hook.
    fn start_settings(&self) -> anyhow::Result<serde_json::Value> {
        let flags = &self.subject.flags;
        let given = flags.iter().position(|flag| flag == "--settings").and_then(|at| flags.get(at + 1));
        let mut settings = match given {
            None => serde_json::json!({}),
            Some(text) if text.trim_start().starts_with('{') => serde_json::from_str(text)?,
            Some(path) => {
                let cwd = self.subject.cwd.as_deref().unwrap_or(".");
                serde_json::from_slice(&fs::read(Path::new(cwd).join(path))?)?
            }
        };
        let shim = &self.handle.home.program;
        let context = self.context_path();
        let command =
            terminal::shell_line(&[&shim.to_string_lossy(), "hook", "context", &context.to_string_lossy()]);
        let hook = serde_json::json!({ "matcher": "resume", "hooks": [{ "type": "command", "command": command, "timeout": 10 }] });
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

    /// A cut tool call is never left to the client's own way of going on: that hides the call from the model
    /// and asks the same prompt again, and the model runs the tool a second time (measured on 2.1.329). An
    /// ordinary message makes the client tell of the call and that its outcome is unknown.
    fn first_message(&self) -> Option<&'static str> {
        let tool_in_doubt = self.job.in_turn == InTurn::Tool || self.orphans_found;
        (self.job.then == Then::Continue && tool_in_doubt).then_some("Continue from where you left off.")
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
        let mut flags = self.subject.flags.iter();
        while let Some(flag) = flags.next() {
            if flag == "--settings" {
                flags.next();
            } else {
                arguments.push(flag.clone());
            }
        }
        if let Some(message) = self.first_message().filter(|_| !self.job.headless) {
            arguments.push("--".to_owned());
            arguments.push(message.to_owned());
        }
        arguments
    }

    fn launch_file(&self) -> Result<LaunchFile, StepFailed> {
        let program =
            self.program.clone().ok_or_else(|| StepFailed("the client's program is not known".to_owned()))?;
        let cwd = self
            .subject
            .cwd
            .clone()
            .ok_or_else(|| StepFailed("the chat's directory is not known".to_owned()))?;
        let mut environment = environment(self.subject.started.as_ref(), &self.subject.launch);
        if let Some(home) = self.file.as_deref().and_then(claude_code::home_of_transcript) {
            claude_code::point_at_home(&mut environment, &home);
        }
        if self.job.then == Then::Continue && self.first_message().is_none() {
            environment.push(("CLAUDE_CODE_RESUME_INTERRUPTED_TURN".to_owned(), "1".to_owned()));
            // Should a call have been cut that nobody knows of, the model is at least shown it.
            environment.push(("CLAUDE_CODE_RESUME_SHOWS_CUT_OFF_CALLS".to_owned(), "1".to_owned()));
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
    pub(super) fn start(&mut self) -> Result<String, StepFailed> {
        let launch = self.launch_file()?;
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
        let child = if self.job.headless { self.start_worker(&launch) } else { self.start_terminal(&launch) };
        let child = child.map_err(|error| {
            StepFailed(format!("{} could not be started: {error}", launch.program.display()))
        })?;
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

    /// A worker's input stays open until it is ended, so that it waits for its next message even when
    /// the engine that started it is gone.
    fn start_worker(&mut self, launch: &LaunchFile) -> anyhow::Result<Child> {
        let folder = self.handle.home.path.join("workers");
        let output = folder.join(format!("{}.out", self.number));
        // Appending, so that cutting it short leaves no hole.
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let out = options.open(&output)?;
        let mut command = launch.command();
        let message = self.first_message().map(|text| {
            serde_json::json!({ "type": "user", "message": { "role": "user", "content": [{ "type": "text", "text": text }] } })
        });
        let message = message.map(|message| format!("{message}\n")).unwrap_or_default();
        command.stdout(out.try_clone()?).stderr(out);
        processes::stand_alone(&mut command);
        self.child_said = Some(output);
        spawn_worker(command, &folder.join(format!("{}.in", self.number)), message.as_bytes())
    }
}

/// Its input is a pipe with a name that the worker holds open at both ends.
#[cfg(target_os = "linux")]
fn spawn_worker(mut command: Command, path: &Path, first: &[u8]) -> anyhow::Result<Child> {
    let _ = fs::remove_file(path);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )?;
    let mut input = File::options().read(true).write(true).open(path)?;
    input.write_all(first)?;
    Ok(command.stdin(Stdio::from(input)).spawn()?)
}

/// Its input ends with the engine that started it.
#[cfg(not(target_os = "linux"))]
fn spawn_worker(mut command: Command, _path: &Path, first: &[u8]) -> anyhow::Result<Child> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    processes::contain(&child)?;
    if let Some(input) = &mut child.stdin {
        input.write_all(first)?;
    }
    Ok(child)
}
