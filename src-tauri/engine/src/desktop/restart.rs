//! Restarting Claude Desktop, and going to one of its chats. Only processes whose image is the app's are
//! ended; the command line client, which bears the same name, is not among them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use shim_api::{
    ApiError,
    restore::{Receipt, Step},
};
use shim_core::{
    chats::{ChatId, ChatState, Client, ProcessKey},
    clients::claude_desktop::{Role, chat_link},
    restore::{Orphan, Refusal, RefusalReason},
    supervisor::Event,
};
use shim_store::Urgency;

use super::app_chat;
use crate::{
    clients::{
        self, ClientHome, Look,
        claude_desktop::{PACKAGE_FAMILY, processes_of},
    },
    processes::{self, start_mark},
    restore::{empty_receipt, keep_receipt, note_unfinished},
    run::{Handle, now},
    views,
};

/// How long the app may take to quit before it is ended by force.
const QUIT_GRACE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where the app stands before anything is touched.
struct Found {
    home: Option<ClientHome>,
    processes: Vec<(Role, Orphan)>,
    program: Option<PathBuf>,
    hung: bool,
    /// Chats that it hosts and that are at work.
    at_work: Vec<ChatId>,
}

/// Restarts the app, or shows one of its chats in it, and gives the receipt.
pub fn restart(
    handle: &Handle,
    chat: &ChatId,
    crash: Option<i64>,
    dry_run: bool,
) -> Result<Receipt, ApiError> {
    let begun = Instant::now();
    let crash = match crash {
        Some(crash) => Some(crash),
        None => handle.call(|watch| watch.open_crashes.get(&app_chat()).copied())?,
    };
    let for_row = chat.clone();
    let number =
        handle.home.store.write(Urgency::AtOnce, move |store| store.new_restore(&for_row, crash, now()));
    let mut receipt =
        Receipt { id: number.map_err(views::store_error)?, crash, ..empty_receipt(chat.clone(), dry_run) };
    let (asked, rehearsed) = (chat.clone(), dry_run);
    let allowed = handle.call(move |watch| {
        // Like a fork it needs nobody to be dead; only the limits of restores hold.
        let allowed = watch.may_restore(&asked, true);
        if allowed.is_ok() && rehearsed {
            watch.decide(Event::RestoreEnded { chat: &asked, started: false });
        }
        allowed
    })?;
    if let Err(refusal) = allowed {
        receipt.refused = Some(refuse(&mut receipt, refusal.reason, refusal.message));
        keep_receipt(handle, &receipt)?;
        return Ok(receipt);
    }
    let found = look_around(handle)?;
    let link = chat_link(chat.session_id());
    match carry_out(handle, &found, link.as_deref(), &mut receipt) {
        Ok(()) => receipt.ok = true,
        Err(refusal) => receipt.refused = refusal,
    }
    receipt.seconds = begun.elapsed().as_secs_f64();
    if !dry_run {
        let (ended, started) =
            (chat.clone(), receipt.steps.iter().any(|step| step.step == "start" && step.ok));
        handle.call(move |watch| watch.decide(Event::RestoreEnded { chat: &ended, started }))?;
    }
    keep_receipt(handle, &receipt)?;
    Ok(receipt)
}

fn look_around(handle: &Handle) -> Result<Found, ApiError> {
    let (home, hung, at_work) = handle.call(|watch| {
        watch.look_after_desktops(&Look::default());
        let home = watch.homes.iter().find(|home| home.client == Client::ClaudeDesktop).cloned();
        let hosted = home.as_ref().map(|home| watch.hosted_by(&home.folder)).unwrap_or_default();
        let busy =
            |chat: &ChatId| matches!(watch.supervisor.state(chat), ChatState::Working | ChatState::Waiting);
        let at_work: Vec<_> = hosted.into_iter().filter(busy).collect();
        (home, watch.supervisor.state(&app_chat()) == ChatState::Hung, at_work)
    })?;
    let processes = home.as_ref().map(|home| processes_now(&home.folder)).unwrap_or_default();
    let program = clients::program(&handle.home.settings(), Client::ClaudeDesktop, None);
    Ok(Found { home, processes, program, hung, at_work })
}

/// The app's processes, the main one first: those it started end with it.
fn processes_now(home: &Path) -> Vec<(Role, Orphan)> {
    let look = Look::default();
    let mut found: Vec<_> = processes_of(home, &look)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(role, running)| {
            let process = ProcessKey { pid: running.pid, start: start_mark(running.pid)? };
            Some((role, Orphan { process, command: format!("{role:?}") }))
        })
        .collect();
    found.sort_by_key(|(role, _)| *role);
    found
}

/// The steps in their order; an error is the refusal, or that a step failed.
fn carry_out(
    handle: &Handle,
    found: &Found,
    link: Option<&str>,
    receipt: &mut Receipt,
) -> Result<(), Option<Refusal>> {
    let runs = !found.processes.is_empty();
    // A chat is shown by the app that runs; only one that hangs is in the way.
    let ends = runs && (link.is_none() || found.hung);
    if ends && !found.hung && !found.at_work.is_empty() {
        let names: Vec<_> = found.at_work.iter().map(ChatId::as_str).collect();
        let message = format!("a restart would cut {} at work: wait for them, or end them", names.join(", "));
        return Err(Some(refuse(receipt, RefusalReason::StillAlive, message)));
    }
    let Some(start) = starter(found, link) else {
        let message = "the program of Claude Desktop was not found: install it, or name it in config.toml as \
                       clients.claude-desktop.command";
        return Err(Some(refuse(receipt, RefusalReason::ClientMissing, message.to_owned())));
    };
    let shown = start.join(" ");
    if receipt.dry_run {
        let pids: Vec<_> = found.processes.iter().map(|(_, orphan)| orphan.process.pid).collect();
        if ends {
            say(
                receipt,
                "end",
                true,
                format!("would ask the app to quit, then end what is left of {pids:?}"),
            );
        }
        say(receipt, "start", true, format!("would run {shown}"));
        return Ok(());
    }
    if ends {
        end(handle, found, receipt)?;
    }
    match spawn(handle, &start) {
        Ok(()) => say(receipt, "start", true, format!("ran {shown}")),
        Err(error) => {
            say(receipt, "start", false, format!("{shown} could not be run: {error}"));
            return Err(None);
        }
    }
    appears(handle, found, receipt)
}

fn refuse(receipt: &mut Receipt, reason: RefusalReason, message: String) -> Refusal {
    say(receipt, "allowed", false, message.clone());
    Refusal { reason, message }
}

fn say(receipt: &mut Receipt, step: &str, ok: bool, detail: String) {
    receipt.steps.push(Step { step: step.to_owned(), ok, detail });
}

/// How the app is started on this system, with a chat's link where one is to be shown.
fn starter(found: &Found, link: Option<&str>) -> Option<Vec<String>> {
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let program = found.program.as_deref().map(|program| program.to_string_lossy().into_owned());
    let packaged = found.home.as_ref().is_some_and(|home| {
        home.folder.components().any(|part| part.as_os_str().to_string_lossy() == "Packages")
    });
    if cfg!(windows) && packaged {
        let app = format!("shell:AppsFolder\\{PACKAGE_FAMILY}!Claude");
        return Some(text(&["explorer.exe", link.unwrap_or(&app)]));
    }
    if cfg!(target_os = "macos") && program.is_some() {
        return Some(link.map_or_else(|| text(&["open", "-a", "Claude"]), |link| text(&["open", link])));
    }
    Some(text(&[&program?]).into_iter().chain(link.map(str::to_owned)).collect())
}

/// What is about to be ended is on record before it is.
fn end(handle: &Handle, found: &Found, receipt: &mut Receipt) -> Result<(), Option<Refusal>> {
    let all: Vec<_> = found.processes.iter().map(|(_, orphan)| orphan.clone()).collect();
    let pids: Vec<_> = all.iter().map(|orphan| orphan.process.pid).collect();
    say(receipt, "end", false, format!("about to end {pids:?}"));
    note_unfinished(handle, receipt).map_err(|_| None)?;
    receipt.steps.pop();
    // The main process alone is asked first: it ends the others as it would at a quit.
    let mains: Vec<_> = found.processes.iter().filter(|(role, _)| *role == Role::Main).collect();
    let mains: Vec<_> = mains.into_iter().map(|(_, orphan)| orphan.clone()).collect();
    processes::end_within(&mains, QUIT_GRACE);
    let left = processes::end(&all);
    let detail = if left.is_empty() {
        format!("{pids:?} have ended")
    } else {
        format!("{:?} would not end", left.iter().map(|orphan| orphan.process.pid).collect::<Vec<_>>())
    };
    say(receipt, "end", left.is_empty(), detail);
    if left.is_empty() { Ok(()) } else { Err(None) }
}

fn spawn(handle: &Handle, words: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = words.split_first().ok_or_else(|| anyhow::anyhow!("nothing to run"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let before = handle.call(|watch| {
        let app = watch.chats.get(&app_chat());
        app.map(|app| crate::launch::environment(app.started.as_ref(), &app.launch))
    })?;
    match before {
        Some(environment) => drop(command.env_clear().envs(environment)),
        None => drop(command.env_remove("SHIM_HOME")),
    }
    crate::processes::stand_alone(&mut command);
    let child = command.spawn()?;
    handle.call(move |watch| watch.adopt(child))?;
    Ok(())
}

/// Waits for one main process with a window.
fn appears(handle: &Handle, found: &Found, receipt: &mut Receipt) -> Result<(), Option<Refusal>> {
    let Some(home) = &found.home else {
        say(receipt, "running", true, "the app was never seen here: look at its window".to_owned());
        return Ok(());
    };
    let until = Instant::now() + handle.home.settings().restore_start_timeout;
    loop {
        let now = processes_now(&home.folder);
        let mains: Vec<_> = now
            .iter()
            .filter(|(role, _)| *role == Role::Main)
            .map(|(_, orphan)| orphan.process.pid)
            .collect();
        let has_window = now.iter().any(|(role, _)| *role == Role::Renderer);
        if let (true, [main]) = (has_window, mains.as_slice()) {
            (receipt.pid, receipt.processes) = (Some(*main), Some(1));
            say(receipt, "running", true, format!("the app runs as process {main}, with a window"));
            let _ = handle.call(|watch| watch.look_after_desktops(&Look::default()));
            return Ok(());
        }
        if Instant::now() >= until {
            let seen = format!("main processes {mains:?}, a window: {has_window}");
            say(receipt, "running", false, format!("the app did not come up whole in time: {seen}"));
            return Err(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
