//! Crashes real Claude Code and Codex chats against the stand-in API in every way, at points that a seed chose, has SHIM
//! bring each back, and holds what came of it against what was done. Exits with 1 when a target is missed.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

#[cfg(target_os = "linux")]
mod healthy;
#[cfg(target_os = "linux")]
mod lane;
#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod schedule;
#[cfg(target_os = "linux")]
mod tally;
#[cfg(target_os = "linux")]
mod victim;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod run {
    use std::{
        path::PathBuf,
        process::ExitCode,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use anyhow::{Context as _, Result};
    use clap::Parser;

    use crate::{
        healthy::Healthy,
        lane,
        rig::Rig,
        schedule::{Form, Plan, schedule},
        tally::Tally,
    };

    /// A stopped client is noticed soon; the healthy chats have the settings that everyone has.
    const SOON_HUNG: &str = "hang = { stopped_seconds = 10, readings = 3 }\n";

    #[derive(Parser)]
    struct Args {
        /// SHIM's program.
        #[arg(long)]
        shim: PathBuf,
        /// How many crashes are caused.
        #[arg(long, default_value_t = 100)]
        crashes: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Which ways to crash a chat.
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = Form::ALL)]
        forms: Vec<Form>,
        /// Chats that are crashed at the same time, each with an engine of its own.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=8))]
        at_once: u64,
        /// How long healthy chats are watched at least, in minutes; they are while the others are crashed.
        #[arg(long, default_value_t = 0.0)]
        healthy_minutes: f64,
        /// One JSON object as the last line.
        #[arg(long)]
        json: bool,
    }

    pub fn run() -> Result<ExitCode> {
        let mut args = Args::parse();
        args.shim = args.shim.canonicalize().context("there is no such program of SHIM's")?;
        let since = Instant::now();
        let plans = schedule(args.seed, args.crashes, &args.forms);
        let tally = torture(&args, &plans)?;
        tally.say(args.crashes, since.elapsed());
        if args.json {
            println!("{}", tally.json(args.seed, args.crashes, since.elapsed()));
        }
        Ok(if tally.missed(args.crashes).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn torture(args: &Args, plans: &[Plan]) -> Result<Tally> {
        let healthy =
            Healthy::start(Rig::new(&args.shim, "")?).context("the healthy chats could not be started")?;
        let lanes = usize::try_from(args.at_once)?;
        let mut rigs = (0..lanes).map(|_| Rig::new(&args.shim, SOON_HUNG)).collect::<Result<Vec<_>>>()?;
        let (at_work, since) = (AtomicUsize::new(lanes), Instant::now());
        let least = Duration::from_secs_f64(args.healthy_minutes.max(0.0) * 60.0);
        let tell = |what: &str| eprintln!("[{:>5.0} s] {what}", since.elapsed().as_secs_f64());
        thread::scope(|scope| {
            let work: Vec<_> = rigs
                .iter_mut()
                .enumerate()
                .map(|(number, rig)| {
                    let own: Vec<_> = plans.iter().skip(number).step_by(lanes).cloned().collect();
                    let (at_work, tell) = (&at_work, &tell);
                    scope.spawn(move || {
                        let tally = lane::run(rig, &own, tell);
                        at_work.fetch_sub(1, Ordering::Relaxed);
                        tally
                    })
                })
                .collect();
            let mut tally =
                healthy.watch(|| at_work.load(Ordering::Relaxed) == 0 && since.elapsed() >= least)?;
            for lane in work {
                tally.add(lane.join().map_err(|_| anyhow::anyhow!("a lane panicked"))?);
            }
            Ok(tally)
        })
    }
}

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    match run::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("torture: {error:#}");
            ExitCode::FAILURE
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        eprintln!("torture: the real clients are driven on Linux only");
        ExitCode::FAILURE
    }
}
