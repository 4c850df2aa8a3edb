//! The service: has the system start the engine at login and keep it running, and takes that back. What is
//! written and run is `shim_core::autostart`'s; a definition that is not SHIM's own is never touched.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use anyhow::{Context, bail};
use serde::Serialize;
use shim_api::{
    Engine,
    install::{Installed, Offer, Standing, What},
};
use shim_core::autostart::{Command, Plan, Start, System, is_ours, plan};

use crate::install::{diff, lasting};

const FOREIGN: &str = "It was not written by SHIM and is left as it is: rename it, then try again.";

/// What was found or done.
#[derive(Serialize)]
pub struct Done {
    pub system: &'static str,
    pub outcome: Outcome,
    pub file: String,
    /// What stands in the file, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    pub commands: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Unified.
    #[serde(skip)]
    diff: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Installed,
    WouldInstall,
    Unchanged,
    Uninstalled,
    WouldUninstall,
    Absent,
    /// The definition of that name is not SHIM's.
    Refused,
}

/// Who asks: the system is told nothing that would end the engine which carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A command, or the engine inside one.
    Command,
    /// An engine that somebody else started, as the tray does.
    Engine,
    /// The engine that the system itself keeps running.
    Service,
}

enum Existing {
    None,
    Ours(String),
    Foreign,
}

pub fn install(home: &Path, program: &Path, by: By, dry_run: bool) -> anyhow::Result<Done> {
    let plan = plan_here(home, program)?;
    let before = match existing(&plan)? {
        Existing::Foreign => return Ok(refused(&plan)),
        Existing::Ours(text) if plan.stays && text == plan.text && succeeds(&plan.state) => {
            return Ok(found(&plan, Outcome::Unchanged, &[]));
        }
        Existing::Ours(text) => Some(text),
        Existing::None => None,
    };
    let commands = match by {
        By::Command | By::Engine => &plan.enable,
        By::Service => &plan.renew,
    };
    let definition = Some(plan.text.clone());
    let diff = Some(diff(Path::new(&plan.file), before.as_deref(), Some(&plan.text)));
    let mut done = Done { definition, diff, ..found(&plan, Outcome::WouldInstall, commands) };
    if dry_run {
        return Ok(done);
    }
    if before.is_some() && by != By::Service {
        // It may have been ended already; the new one is what counts.
        plan.disable.iter().for_each(|command| drop(output(command)));
    }
    make_folders(home, &plan)?;
    write(&plan)?;
    done.outcome = Outcome::Installed;
    let mut advice = Vec::new();
    if let Some(unreachable) = unreachable(&plan) {
        done.commands.clear();
        let later = lines(commands).join(" && ");
        advice.push(format!("{unreachable}, so that nothing was started. Once it runs: {later}"));
    } else {
        // Asked before: what the system starts answers too.
        advice.extend(beside(home, by));
        run_all(commands)?;
    }
    if !plan.stays {
        let _ = fs::remove_file(&plan.file);
    }
    if plan.system == System::Systemd {
        advice.push(
            "Before your first login and after your last one it runs only with `loginctl enable-linger`."
                .to_owned(),
        );
    }
    done.advice = (!advice.is_empty()).then(|| advice.join("\n"));
    Ok(done)
}

/// What becomes of the service where an engine runs already.
fn beside(home: &Path, by: By) -> Option<String> {
    let pid = match by {
        By::Service => {
            let said = "The engine that runs goes on as it is: the change holds from its next start.";
            return Some(said.to_owned());
        }
        By::Engine => process::id(),
        By::Command => {
            let running = Engine::connect(home).ok().map(|engine| engine.file.pid);
            running.filter(|pid| *pid != process::id())?
        }
    };
    Some(format!("Engine {pid} runs already: the service waits for its end, then takes over."))
}

pub fn uninstall(home: &Path, program: &Path, by: By, dry_run: bool) -> anyhow::Result<Done> {
    let plan = plan_here(home, program)?;
    let disable = match by {
        By::Command | By::Engine => &plan.disable,
        By::Service => &plan.unhook,
    };
    let commands = [disable.as_slice(), &plan.forget].concat();
    let text = match existing(&plan)? {
        Existing::Foreign => return Ok(refused(&plan)),
        Existing::None => return Ok(found(&plan, Outcome::Absent, &[])),
        Existing::Ours(text) => text,
    };
    let diff = Some(diff(Path::new(&plan.file), Some(&text), None));
    let mut done = Done { diff, ..found(&plan, Outcome::WouldUninstall, &commands) };
    if dry_run {
        return Ok(done);
    }
    done.outcome = Outcome::Uninstalled;
    if unreachable(&plan).is_none() {
        // The engine may not run, which is no reason to stay installed.
        disable.iter().for_each(|command| drop(output(command)));
    } else {
        done.commands.clear();
    }
    if plan.stays {
        remove(Path::new(&plan.file))?;
    }
    if unreachable(&plan).is_none() {
        run_all(&plan.forget)?;
    }
    if by == By::Service {
        done.advice = Some("The engine that runs goes on until it is ended or you log out.".to_owned());
    }
    Ok(done)
}

pub fn start(home: &Path, program: &Path) -> anyhow::Result<()> {
    run_all(&installed(home, program)?.start)
}

pub fn stop(home: &Path, program: &Path) -> anyhow::Result<()> {
    run_all(&installed(home, program)?.stop)
}

fn installed(home: &Path, program: &Path) -> anyhow::Result<Plan> {
    let plan = plan_here(home, program)?;
    match existing(&plan)? {
        Existing::Ours(_) => {}
        Existing::None => bail!("the service is not installed: `shim install service` does that"),
        Existing::Foreign => bail!("{} is not SHIM's: rename it, then `shim install service`", plan.file),
    }
    if let Some(unreachable) = unreachable(&plan) {
        bail!("{unreachable}; `shim run` starts the engine without it");
    }
    Ok(plan)
}

#[derive(Serialize)]
pub struct Status {
    pub system: &'static str,
    pub file: String,
    pub installed: bool,
    /// The definition says what this version of SHIM would write.
    pub up_to_date: bool,
    /// A definition of that name is there and not SHIM's.
    pub foreign: bool,
    /// The system keeps the engine running.
    pub active: bool,
}

pub fn status(home: &Path, program: &Path) -> anyhow::Result<Status> {
    let plan = plan_here(home, program)?;
    let existing = existing(&plan)?;
    let installed = matches!(existing, Existing::Ours(_));
    Ok(Status {
        system: plan.system.name(),
        file: plan.file.clone(),
        installed,
        up_to_date: matches!(&existing, Existing::Ours(text) if !plan.stays || *text == plan.text),
        foreign: matches!(existing, Existing::Foreign),
        active: installed && succeeds(&plan.state),
    })
}

/// What can be said of the service without asking whether it runs.
pub fn offer(home: &Path, program: &Path) -> Offer {
    let offer = |standing, file, why| Offer { what: What::Service, client: None, standing, file, why };
    let plan = match plan_here(home, program) {
        Ok(plan) => plan,
        Err(error) => return offer(Standing::Impossible, None, Some(format!("{error:#}"))),
    };
    let file = plan.stays.then(|| plan.file.clone());
    match existing(&plan) {
        Ok(Existing::None) => offer(Standing::Absent, file, None),
        Ok(Existing::Ours(text)) if !plan.stays || text == plan.text => {
            offer(Standing::Installed, file, None)
        }
        Ok(Existing::Ours(_)) => {
            let why = "it is of another version or data folder of SHIM's";
            offer(Standing::Broken, file, Some(why.to_owned()))
        }
        Ok(Existing::Foreign) => offer(Standing::Impossible, file, Some(FOREIGN.to_owned())),
        Err(error) => offer(Standing::Impossible, file, Some(format!("{error:#}"))),
    }
}

impl From<Done> for Installed {
    fn from(done: Done) -> Self {
        use shim_api::install::Outcome as Became;
        let (outcome, why) = match done.outcome {
            Outcome::Installed | Outcome::Uninstalled => (Became::Written, None),
            Outcome::WouldInstall | Outcome::WouldUninstall => (Became::WouldWrite, None),
            Outcome::Unchanged => (Became::Unchanged, Some("it is installed already")),
            Outcome::Absent => (Became::Unchanged, Some("it is not installed")),
            Outcome::Refused => (Became::Refused, Some(FOREIGN)),
        };
        let would = outcome == Became::WouldWrite;
        let ran = if would { "this command runs" } else { "this command ran" };
        let commands = done.commands.iter().map(|command| format!("{ran}: {command}"));
        Self {
            what: What::Service,
            client: None,
            outcome,
            file: Some(done.file),
            why: why.map(str::to_owned),
            diff: done.diff,
            backup: None,
            advice: commands
                .chain(done.advice.iter().flat_map(|said| said.lines().map(str::to_owned)))
                .collect(),
        }
    }
}

/// What this system would be given for this data folder and this program.
fn plan_here(home: &Path, program: &Path) -> anyhow::Result<Plan> {
    let system = match std::env::consts::OS {
        "windows" => System::Tasks,
        "macos" => System::Launchd,
        "linux" => System::Systemd,
        other => bail!("SHIM knows no way to start at login on {other}: have `shim run` started by yours"),
    };
    if crate::demo::read(home).is_some() {
        bail!("{}", crate::demo::refusal());
    }
    lasting(program)?;
    let own_home = shim_api::home::own_folder().is_ok_and(|own| own == home);
    let log = home.join(shim_api::home::ENGINE_LOG_FILE);
    let (folder, user) = (folder(system, home)?, user(system)?);
    let start = Start {
        program: text(program)?,
        home: if own_home { None } else { Some(text(home)?) },
        folder: text(&folder)?,
        log: text(&log)?,
        user: &user,
    };
    Ok(plan(system, &start)?)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} has characters that are no text", path.display()))
}

fn folder(system: System, home: &Path) -> anyhow::Result<PathBuf> {
    let user = || std::env::home_dir().context("no home folder is known: set HOME");
    Ok(match system {
        System::Systemd => match std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => user()?.join(".config"),
        }
        .join("systemd/user"),
        System::Launchd => user()?.join("Library/LaunchAgents"),
        System::Tasks => home.to_owned(),
    })
}

fn user(system: System) -> anyhow::Result<String> {
    let said = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(String::from_utf8_lossy(&output(&words)?.stdout).trim().to_owned())
    };
    match system {
        System::Systemd => Ok(String::new()),
        System::Launchd => said(&["id", "-u"]),
        // `DOMAIN\name`, also where the variables of that name are of a service.
        System::Tasks => said(&["whoami.exe"]),
    }
}

fn existing(plan: &Plan) -> anyhow::Result<Existing> {
    let text = match &plan.show {
        Some(show) => match output(show) {
            Ok(shown) if shown.status.success() => {
                // UTF-16 or the console's own characters; the mark has none but ASCII.
                String::from_utf8_lossy(&shown.stdout).replace('\0', "")
            }
            _ => return Ok(Existing::None),
        },
        None => match fs::read(&plan.file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", plan.file)),
        },
    };
    // Wine's `schtasks` shows nothing of a task, whether it is there or not.
    if plan.show.is_some() && text.trim().is_empty() {
        return Ok(Existing::None);
    }
    Ok(if is_ours(&text) { Existing::Ours(text) } else { Existing::Foreign })
}

fn refused(plan: &Plan) -> Done {
    Done { advice: Some(FOREIGN.to_owned()), ..found(plan, Outcome::Refused, &[]) }
}

fn found(plan: &Plan, outcome: Outcome, commands: &[Command]) -> Done {
    let (system, file) = (plan.system.name(), plan.file.clone());
    Done { system, outcome, file, definition: None, commands: lines(commands), advice: None, diff: None }
}

fn make_folders(home: &Path, plan: &Plan) -> anyhow::Result<()> {
    // launchd opens the engine's log in it before the engine can make it.
    let folders = [Some(home), Path::new(&plan.file).parent()];
    for folder in folders.into_iter().flatten().filter(|folder| !folder.exists()) {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .recursive(true)
            .create(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    Ok(())
}

/// Whole or not at all.
fn write(plan: &Plan) -> anyhow::Result<()> {
    let bytes = match plan.system {
        System::Systemd | System::Launchd => plan.text.clone().into_bytes(),
        System::Tasks => plan.text.encode_utf16().fold(vec![0xff, 0xfe], |mut bytes, unit| {
            bytes.extend(unit.to_le_bytes());
            bytes
        }),
    };
    let file = Path::new(&plan.file);
    let beside = file.with_added_extension("new");
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("{} cannot be written", plan.file))
}

/// Removes the definition, and the folders for definitions where it was the only one.
fn remove(file: &Path) -> anyhow::Result<()> {
    fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))?;
    if cfg!(target_os = "linux") {
        for folder in file.ancestors().skip(1).take(2) {
            // A folder that is not empty stays.
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(())
}

/// Why the system cannot be told anything at the moment.
fn unreachable(plan: &Plan) -> Option<String> {
    let failed = plan.reach.iter().find(|command| !succeeds(command))?;
    Some(format!("{} does not run for this user here (`{}` failed)", plan.system.name(), failed.join(" ")))
}

fn succeeds(command: &Command) -> bool {
    output(command).is_ok_and(|output| output.status.success())
}

fn output(command: &Command) -> anyhow::Result<process::Output> {
    let (program, arguments) = command.split_first().context("a command has no program")?;
    let output = process::Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.with_context(|| format!("{program} could not be started"))
}

fn run_all(commands: &[Command]) -> anyhow::Result<()> {
    for command in commands {
        let output = output(command)?;
        if !output.status.success() {
            let said =
                [output.stderr, output.stdout].map(|said| String::from_utf8_lossy(&said).trim().to_owned());
            bail!("`{}` failed ({}): {}", command.join(" "), output.status, said.join(" ").trim());
        }
    }
    Ok(())
}

/// As a person would type them.
fn lines(commands: &[Command]) -> Vec<String> {
    let word = |word: &String| if word.contains(' ') { format!("\"{word}\"") } else { word.clone() };
    commands.iter().map(|command| command.iter().map(word).collect::<Vec<_>>().join(" ")).collect()
}
