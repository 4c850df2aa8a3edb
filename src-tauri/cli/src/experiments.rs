//! `shim experiments`: what experiments found, and the judge that anybody may ask.

mod verbs;

use std::{
    io::{BufRead as _, Read as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use clap::{Args as Arguments, Subcommand, ValueEnum};
use shim_core::experiments::judge::{Judge, Mode};

/// A line of the protocol, in bytes.
const LINE_MAX: u64 = 1 << 20;

#[derive(Arguments)]
pub struct Args {
    #[command(subcommand)]
    pub action: Option<Action>,
}

#[derive(Subcommand)]
pub enum Action {
    /// Judge an experiment that is told line by line: one JSON object in, one out. Needs no engine, keeps nothing.
    Judge {
        /// Read and write JSON lines, the only form there is.
        #[arg(long, required = true)]
        jsonl: bool,
        /// How often verdicts may be wrong.
        #[arg(long, value_enum, default_value_t)]
        mode: Verdicts,
    },
    #[command(flatten)]
    Verb(verbs::Verb),
}

/// What an engine is asked; without a word, what there is.
pub fn run(engine: &shim_api::Engine, args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Some(Action::Judge { mode, .. }) => judge(mode),
        Some(Action::Verb(verb)) => verbs::run(engine, verb),
        None => verbs::run(engine, verbs::Verb::List { json: false }),
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Verdicts {
    /// Ship at alpha, roll back at .20.
    #[default]
    Default,
    /// All verdicts together at alpha.
    Strict,
}

/// Answers each line before it reads the next, until there are no more.
pub fn judge(verdicts: Verdicts) -> anyhow::Result<ExitCode> {
    let mut judge = Judge::new(match verdicts {
        Verdicts::Default => Mode::Default,
        Verdicts::Strict => Mode::Strict,
    });
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut line = Vec::new();
    loop {
        line.clear();
        input.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).context("reading a line")?;
        ensure!(
            line.last() == Some(&b'\n') || (line.len() as u64) < LINE_MAX,
            "a line is longer than {LINE_MAX} bytes"
        );
        if line.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        let answered = writeln!(output, "{}", judge.answer(&text)).and_then(|()| output.flush());
        // A reader that went away is no failure.
        if answered.is_err() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
