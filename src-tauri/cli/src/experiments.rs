//! `shim experiments`: what experiments found, and the judge that anybody may ask.

mod verbs;

use std::{io, process::ExitCode};

use clap::{Args as Arguments, Subcommand, ValueEnum};
use shim_core::experiments::judge::{Judge, Mode};

use crate::jsonl::answer_lines;

/// Longest line of the protocol.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

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
    let answer = |line: &str| judge.answer(line);
    answer_lines(&mut io::stdin().lock(), &mut io::stdout().lock(), LINE_BYTES_MAX, answer)?;
    Ok(ExitCode::SUCCESS)
}
