//! `shim install service`, `shim uninstall service`, `shim service`: has the system start the engine at
//! login and keep it running. What is written and run is `shim_core::autostart`'s; a definition that is not
//! SHIM's own is never touched.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{self, ExitCode, Stdio},
};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde::Serialize;
use shim_api::Engine;
use shim_core::autostart::{Command, Plan, Start, System, is_ours, plan};

use crate::print;

#[derive(clap::Args)]
pub struct Options {
    /// Show the definition and the commands; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
pub enum Action {
    /// Start the engine through the system.
    Start,
    /// End the engine that the system keeps running. It starts again at the next login; on Windows not before `shim service start`.
    Stop,
    /// Whether the service is installed and runs.
    Status {
        #[arg(long)]
        json: bool,
    },
}

/// What was found or done, for people and for programs.
#[derive(Serialize)]
struct Done {
    system: &'static str,
    outcome: Outcome,
    file: String,
    /// What stands in the file, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
    commands: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Installed,
    WouldInstall,
    Unchanged,
    Uninstalled,
    WouldUninstall,
    Absent,
    /// The definition of that name is not SHIM's.
    Refused,
}

enum Existing {
    None,
    Ours(String),
    Foreign,
}

pub fn install(home: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let plan = plan_here(home)?;
    let existing = existing(&plan)?;
    let definition = Some(plan.text.clone());
    let mut done = Done { definition, ..found(&plan, Outcome::WouldInstall, &plan.enable) };
    match existing {
        Existing::Foreign => return Ok(refuse(&plan, options)),
        Existing::Ours(text) if plan.stays && text == plan.text && succeeds(&plan.state) => {
            done = found(&plan, Outcome::Unchanged, &[]);
        }
        _ if options.dry_run => {}
        existing => {
            if let Existing::Ours(_) = existing {
                // It may have been ended already; the new one is what counts.
                plan.disable.iter().for_each(|command| drop(output(command)));
            }
            make_folders(home, &plan)?;
            write(&plan)?;
            done = Done { outcome: Outcome::Installed, ..done };
            if let Some(unreachable) = unreachable(&plan) {
                done.commands.clear();
                done.advice = Some(format!(
                    "{unreachable}, so that nothing was started. Once it runs: {}",
                    lines(&plan.enable).join(" && ")
                ));
            } else {
                run_all(&plan.enable)?;
            }
            if !plan.stays {
                let _ = fs::remove_file(&plan.file);
            }
        }
    }
    if done.outcome == Outcome::Installed && plan.system == System::Systemd {
        let linger =
            "Before your first login and after your last one it runs only with `loginctl enable-linger`.";
        done.advice = Some(done.advice.map_or(linger.to_owned(), |advice| format!("{advice}\n{linger}")));
    }
    show(&done, options.json)?;
    Ok(ExitCode::SUCCESS)
}

pub fn uninstall(home: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let plan = plan_here(home)?;
    let commands = [plan.disable.as_slice(), &plan.forget].concat();
    let mut done = found(&plan, Outcome::WouldUninstall, &commands);
    match existing(&plan)? {
        Existing::Foreign => return Ok(refuse(&plan, options)),
        Existing::None => done = found(&plan, Outcome::Absent, &[]),
        Existing::Ours(_) if options.dry_run => {}
        Existing::Ours(_) => {
            done.outcome = Outcome::Uninstalled;
            if unreachable(&plan).is_none() {
                // The engine may not run, which is no reason to stay installed.
                plan.disable.iter().for_each(|command| drop(output(command)));
            } else {
                done.commands.clear();
            }
            if plan.stays {
                remove(Path::new(&plan.file))?;
            }
            if unreachable(&plan).is_none() {
                run_all(&plan.forget)?;
            }
        }
    }
    show(&done, options.json)?;
    Ok(ExitCode::SUCCESS)
}

pub fn act(home: &Path, action: &Action) -> anyhow::Result<ExitCode> {
    let plan = plan_here(home)?;
    if let Action::Status { json } = action {
        return status(home, &plan, *json);
    }
    match existing(&plan)? {
        Existing::Ours(_) => {}
        Existing::None => bail!("the service is not installed: `shim install service` does that"),
        Existing::Foreign => bail!("{} is not SHIM's: rename it, then `shim install service`", plan.file),
    }
    if let Some(unreachable) = unreachable(&plan) {
        bail!("{unreachable}; `shim run` starts the engine without it");
    }
    run_all(if matches!(action, Action::Start) { &plan.start } else { &plan.stop })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Status {
    system: &'static str,
    file: String,
    installed: bool,
    /// The definition says what this version of SHIM would write.
    up_to_date: bool,
    /// A definition of that name is there and not SHIM's.
    foreign: bool,
    /// The system keeps the engine running.
    active: bool,
    /// The engine that answers, whoever started it.
    engine: Option<u32>,
}

fn status(home: &Path, plan: &Plan, json: bool) -> anyhow::Result<ExitCode> {
    let existing = existing(plan)?;
    let installed = matches!(existing, Existing::Ours(_));
    let status = Status {
        system: plan.system.name(),
        file: plan.file.clone(),
        installed,
        up_to_date: matches!(&existing, Existing::Ours(text) if !plan.stays || *text == plan.text),
        foreign: matches!(existing, Existing::Foreign),
        active: installed && succeeds(&plan.state),
        engine: Engine::connect(home).ok().map(|engine| engine.file.pid),
    };
    if json {
        print::json(&status)?;
        return Ok(ExitCode::SUCCESS);
    }
    let engine = status.engine.map_or("no engine answers".to_owned(), |pid| format!("engine {pid} answers"));
    match &status {
        Status { foreign: true, .. } => say!("{} is not SHIM's; {engine}", status.file),
        Status { installed: false, .. } => say!("not installed; {engine}"),
        Status { active, up_to_date, .. } => {
            let active = if *active { "runs" } else { "does not run" };
            let of_old =
                if *up_to_date { "" } else { " (of another version or data folder: install it again)" };
            say!("installed in {}{of_old}; the service {active}; {engine}", status.file);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What this system would be given for this data folder and this program.
fn plan_here(home: &Path) -> anyhow::Result<Plan> {
    let system = match std::env::consts::OS {
        "windows" => System::Tasks,
        "macos" => System::Launchd,
        "linux" => System::Systemd,
        other => bail!("SHIM knows no way to start at login on {other}: have `shim run` started by yours"),
    };
    let program = std::env::current_exe().context("SHIM cannot tell where its own program lies")?;
    if program.starts_with("/tmp/.mount_") || std::env::var_os("APPIMAGE").is_some() {
        bail!("an AppImage's program is gone when it ends: install the package, or copy `shim` elsewhere");
    }
    let own_home = shim_api::home::own_folder().is_ok_and(|own| own == home);
    let log = home.join(shim_api::home::ENGINE_LOG_FILE);
    let (folder, user) = (folder(system, home)?, user(system)?);
    let start = Start {
        program: text(&program)?,
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

fn refuse(plan: &Plan, options: &Options) -> ExitCode {
    let done = Done {
        advice: Some(
            "It was not written by SHIM and is left as it is: rename it, then try again.".to_owned(),
        ),
        ..found(plan, Outcome::Refused, &[])
    };
    // What cannot be printed is still refused.
    let _ = show(&done, options.json);
    ExitCode::FAILURE
}

fn found(plan: &Plan, outcome: Outcome, commands: &[Command]) -> Done {
    let (system, file) = (plan.system.name(), plan.file.clone());
    Done { system, outcome, file, definition: None, commands: lines(commands), advice: None }
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

fn show(done: &Done, json: bool) -> anyhow::Result<()> {
    if json {
        return print::json(done);
    }
    let file = &done.file;
    match done.outcome {
        Outcome::Installed => say!("installed: {file}"),
        Outcome::WouldInstall => say!("nothing was changed; this would be written to {file}:"),
        Outcome::Unchanged => say!("installed already: {file}"),
        Outcome::Uninstalled => say!("uninstalled: {file} is removed"),
        Outcome::WouldUninstall => say!("nothing was changed; {file} would be removed"),
        Outcome::Absent => say!("not installed: there is no {file}"),
        Outcome::Refused => eprintln!("shim: {file} is there already."),
    }
    if let (Outcome::WouldInstall, Some(definition)) = (done.outcome, &done.definition) {
        say!("\n{}", definition.trim_end());
    }
    if !done.commands.is_empty() {
        let would = matches!(done.outcome, Outcome::WouldInstall | Outcome::WouldUninstall);
        say!("\n{}:", if would { "and these commands run" } else { "these commands ran" });
        done.commands.iter().for_each(|command| say!("  {command}"));
    }
    if let Some(advice) = &done.advice {
        say!("\n{advice}");
    }
    Ok(())
}
