//! `shim`: the engine in the foreground, and every verb of the command line. Each verb speaks to the
//! running engine, or to one that lives for the one command.

/// Prints a line. A reader that went away, such as `head`, is no failure.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

mod autostart;
mod chats;
mod clinic;
mod crashes;
mod demo;
mod doctor;
mod engine;
mod experiments;
mod hook;
mod install;
mod jsonl;
mod mcp;
mod metrics;
mod opportunities;
mod prediction;
mod print;
mod restore;
mod settings;
mod signals;
mod stats;
mod stop;
mod workspace;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use shim_api::{
    fleet,
    restore::{RestoreRequest, Then},
};

/// Keeps AI chats alive: watches them, keeps a copy of each, brings back those that died.
#[derive(Parser)]
#[command(name = "shim", version, propagate_version = true)]
struct Cli {
    /// Folder for SHIM's own data [default: $SHIM_HOME, else the platform's].
    #[arg(long, global = true, value_name = "FOLDER")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the engine in the foreground, without a window.
    Run {
        /// Where another engine runs, take over when it ends instead of giving up.
        #[arg(long)]
        wait: bool,
    },
    /// The engine, the clients found, chats by state, and what SHIM itself uses.
    Status {
        #[arg(long)]
        json: bool,
    },
    /// Every chat, the most recent first.
    Chats {
        /// Only of this client, such as claude-code.
        #[arg(long)]
        client: Option<String>,
        /// Only in this state: working, waiting, idle, ended, crashed, hung, unknown.
        #[arg(long, value_parser = print::state)]
        state: Option<shim_core::chats::ChatState>,
        #[arg(long)]
        json: bool,
    },
    /// A chat's timeline.
    Chat {
        /// Its id, or the start of it.
        id: String,
        /// Newest entries shown, 1 to 5000.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5000))]
        limit: u32,
        /// With the place behind each entry, from which `shim checkpoint --at` can go.
        #[arg(long)]
        places: bool,
        #[arg(long)]
        json: bool,
    },
    /// A chat's numbers over time (context, calls, failures, latency, memory) and the risk they tell of.
    Signals {
        id: String,
        /// History shown, back from this moment.
        #[arg(long, default_value_t = shim_api::signals::MINUTES,
              value_parser = clap::value_parser!(u64).range(1..=shim_api::signals::MINUTES_MAX))]
        minutes: u64,
        #[arg(long)]
        json: bool,
    },
    /// Every crash, the most recent first.
    Crashes {
        /// Those that look alike as one, with how often and since when (days in UTC).
        #[arg(long)]
        by_fingerprint: bool,
        /// Draw them by day and kind into this file, as SVG (days in UTC).
        #[arg(long, value_name = "FILE", conflicts_with = "by_fingerprint")]
        chart: Option<PathBuf>,
        /// Days drawn, up to today.
        #[arg(long, requires = "chart", default_value_t = shim_api::charts::DAYS,
              value_parser = clap::value_parser!(u32).range(1..=i64::from(shim_api::charts::DAYS_MAX)))]
        days: u32,
        #[arg(long)]
        json: bool,
    },
    /// Take a checkpoint of a chat.
    Checkpoint {
        id: String,
        /// Why, in your own words.
        #[arg(long)]
        note: Option<String>,
        /// At an earlier place of the chat, such as 1:20480, to fork from; `shim chat ID --places` lists them.
        #[arg(long, value_name = "PLACE", value_parser = print::point)]
        at: Option<shim_api::timeline::Point>,
        #[arg(long)]
        json: bool,
    },
    /// A chat's checkpoints, oldest first.
    Checkpoints {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// What a checkpoint kept of the working tree; put it into a new worktree, or back in its place.
    Workspace(workspace::Args),
    /// Bring a chat back and print the receipt.
    Restore {
        /// A chat's id, the start of it, or a crash's number.
        #[arg(required_unless_present_any = ["all", "cancel"])]
        target: Option<String>,
        /// Every chat with an open crash, the most recent first, as memory allows.
        #[arg(long, conflicts_with_all = ["target", "checkpoint"])]
        all: bool,
        /// Begin no more of those that --all brings back.
        #[arg(long, conflicts_with_all = ["target", "all"])]
        cancel: bool,
        /// Fork from this checkpoint; the original stays as it is.
        #[arg(long, value_name = "N")]
        checkpoint: Option<i64>,
        /// As a worker, without a terminal.
        #[arg(long)]
        headless: bool,
        /// Go on with the turn that was cut.
        #[arg(long = "continue", conflicts_with = "idle")]
        go_on: bool,
        /// Wait for you (the default).
        #[arg(long)]
        idle: bool,
        /// Show what would be done; change nothing.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
    /// End a chat and what it started. It stays ended: SHIM brings it back only when you say so.
    Stop {
        /// Its id, or the start of it.
        id: String,
        /// Do not ask first.
        #[arg(long)]
        yes: bool,
        /// Show what would be ended; change nothing.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
    /// Write a chat's transcript, byte for byte unless secrets are to be replaced.
    Export {
        id: String,
        /// Only up to this checkpoint.
        #[arg(long, value_name = "N")]
        checkpoint: Option<i64>,
        /// With keys, tokens and passwords replaced; every line stays valid JSON.
        #[arg(long)]
        redact: bool,
        /// File to write; `-` is standard output.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// What ails a chat's file: damage, refusals of the model, too long to go on.
    Examine {
        /// Its id, or the start of it.
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Make a repaired copy of a chat that its client opens beside it; the chat itself stays as it is.
    Repair {
        /// Its id, or the start of it.
        id: String,
        /// Show what would be done; change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Change the chat's own file, while no client has it open, after a copy of it was put aside.
        #[arg(long)]
        in_place: bool,
        /// Needed to change the chat's own file.
        #[arg(long)]
        yes: bool,
        #[arg(long)]
        json: bool,
    },
    /// Put back a chat's file that is gone, byte for byte.
    Undelete {
        /// Its id, or the start of it.
        id: String,
        /// Show what would be done; change nothing.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
    /// Search all journals.
    Search {
        text: String,
        #[arg(long)]
        json: bool,
    },
    /// What the engine measured of itself: the numbers that Prometheus gets at /metrics.
    Metrics {
        #[arg(long)]
        json: bool,
    },
    /// What foretells crashes (the zones, or a model learned here), and what it was worth.
    Prediction {
        #[arg(long)]
        json: bool,
    },
    /// What SHIM tries on its own settings, on what evidence, and your word about it.
    Experiments(experiments::Args),
    /// What in the history goes with crashes, cost and latency, and what might be tried about it (hours in UTC).
    Opportunities {
        #[arg(long)]
        json: bool,
    },
    /// Tests, intervals and sample sizes: a JSON object with `op` and `in` per line in, one with `out` out.
    /// docs/experiments.md names the ops. Needs no engine.
    Stats {
        /// The one form there is.
        #[arg(long, required = true)]
        jsonl: bool,
    },
    /// What was found on this machine, what is missing, what to do.
    Doctor {
        /// Also prove the checksum of everything kept.
        #[arg(long)]
        verify: bool,
        #[arg(long)]
        json: bool,
    },
    /// The settings there are, with units, ranges, defaults and what is set; or change one of them.
    Settings(settings::Args),
    /// Tell clients of SHIM, or the system, which then keeps the engine running. Shows what changes, keeps a
    /// copy, changes nothing else.
    Install {
        #[command(subcommand)]
        what: install::What,
    },
    /// Take that back: the settings are as before.
    Uninstall {
        #[command(subcommand)]
        what: install::What,
    },
    /// The engine that the system keeps running, once `shim install service` was called.
    Service {
        #[command(subcommand)]
        action: autostart::Action,
    },
    /// Look around in a recorded busy week, in a data folder of its own: the window, or where there is no display
    /// an engine. Nothing of this machine is shown, started or changed.
    Demo,
    /// Called by clients; not for people.
    #[command(hide = true)]
    Hook {
        #[command(subcommand)]
        event: hook::HookEvent,
    },
    /// SHIM's tools for the model in a chat, over MCP; called by clients.
    #[command(hide = true)]
    Mcp,
    /// Becomes the client that a launch file names; not for people.
    #[command(hide = true)]
    Launch { file: PathBuf },
    /// Sends a Ctrl-C to the console of a process; not for people.
    #[cfg(windows)]
    #[command(hide = true)]
    Interrupt { pid: u32 },
}

fn main() -> ExitCode {
    if let Some(call) = hook::Call::read(std::env::args_os().skip(1)) {
        return call.answer();
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.verb {
        Verb::Hook { event } => return Ok(hook::run(&event)),
        Verb::Launch { file } => return Ok(shim_engine::run_launch_file(&file)?),
        #[cfg(windows)]
        Verb::Interrupt { pid } => {
            let sent = shim_engine::interrupt_console(pid);
            return Ok(if sent { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Verb::Demo => return demo::run(cli.home),
        Verb::Experiments(experiments::Args { action: Some(experiments::Action::Judge { mode, .. }) }) => {
            return experiments::judge(mode);
        }
        Verb::Stats { .. } => return stats::run(),
        _ => {}
    }
    let home = shim_api::home::data_folder(cli.home)?;
    match &cli.verb {
        Verb::Run { wait } => return engine::run(&home, *wait),
        Verb::Install { what } => return install::run(&home, what, false),
        Verb::Uninstall { what } => return install::run(&home, what, true),
        Verb::Service { action } => return autostart::act(&home, action),
        Verb::Mcp => return mcp::run(&home),
        _ => {}
    }
    engine::with(&home, |engine| verb(cli.verb, engine))
}

fn verb(verb: Verb, engine: &shim_api::Engine) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Status { json } => doctor::status(engine, json),
        Verb::Chats { client, state, json } => chats::chats(engine, client.as_deref(), state, json),
        Verb::Chat { id, limit, places, json } => chats::chat(engine, &id, limit, places, json),
        Verb::Signals { id, minutes, json } => signals::signals(engine, &id, minutes, json),
        Verb::Crashes { chart: Some(file), days, json, .. } => crashes::chart(engine, &file, days, json),
        Verb::Crashes { by_fingerprint: true, json, .. } => crashes::fingerprints(engine, json),
        Verb::Crashes { by_fingerprint: false, json, .. } => crashes::crashes(engine, json),
        Verb::Checkpoint { id, note, at, json } => chats::checkpoint(engine, &id, note, at, json),
        Verb::Checkpoints { id, json } => chats::checkpoints(engine, &id, json),
        Verb::Workspace(args) => workspace::workspace(engine, &args),
        Verb::Restore { cancel: true, .. } => restore::cancel_all(engine),
        Verb::Restore { target, checkpoint, headless, go_on, dry_run, json, .. } => {
            let then = if go_on { Then::Continue } else { Then::Idle };
            return match target {
                Some(target) => {
                    let request = RestoreRequest { target, checkpoint, headless, then, dry_run };
                    restore::restore(engine, &request, json)
                }
                None => restore::restore_all(engine, fleet::Options { headless, then, dry_run }, json),
            };
        }
        Verb::Stop { id, yes, dry_run, json } => return stop::stop(engine, &id, yes, dry_run, json),
        Verb::Export { id, checkpoint, redact, output } => {
            chats::export(engine, &id, checkpoint, redact, &output)
        }
        Verb::Examine { id, json } => return clinic::examine(engine, &id, json),
        Verb::Repair { id, dry_run, in_place, yes, json } => {
            return clinic::repair(engine, id, clinic::How { dry_run, in_place, yes }, json);
        }
        Verb::Undelete { id, dry_run, json } => return clinic::undelete(engine, id, dry_run, json),
        Verb::Search { text, json } => chats::search(engine, &text, json),
        Verb::Experiments(args) => return experiments::run(engine, args),
        Verb::Metrics { json } => metrics::metrics(engine, json),
        Verb::Prediction { json } => prediction::prediction(engine, json),
        Verb::Opportunities { json } => opportunities::opportunities(engine, json),
        Verb::Settings(args) => settings::settings(engine, &args),
        Verb::Doctor { verify, json } => return doctor::doctor(engine, verify, json),
        Verb::Run { .. }
        | Verb::Hook { .. }
        | Verb::Install { .. }
        | Verb::Uninstall { .. }
        | Verb::Service { .. }
        | Verb::Demo
        | Verb::Stats { .. }
        | Verb::Mcp
        | Verb::Launch { .. } => Ok(()),
        #[cfg(windows)]
        Verb::Interrupt { .. } => Ok(()),
    }?;
    Ok(ExitCode::SUCCESS)
}
