//! Measures SHIM's budgets and prints them: JSON lines first, then a table. It asserts nothing. Everything
//! runs in folders of its own, with stand-ins for clients or the real client against a stand-in model API.

#[cfg(target_os = "linux")]
mod busy;
mod chats;
mod checkpoints;
#[cfg(target_os = "linux")]
mod desktop;
mod engine;
mod experiments;
mod figures;
mod hook;
mod idle;
mod index;
mod journal;
mod machine;
mod mcp;
#[cfg(target_os = "linux")]
mod mixed;
mod noticing;
mod records;
mod restore;
mod snapshot;
mod timeline;
#[cfg(target_os = "linux")]
mod tray;
mod year;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, builder::PossibleValuesParser};

use self::figures::Figure;

#[derive(Parser)]
struct Args {
    /// The `shim` to measure.
    #[arg(long, default_value = "shim")]
    shim: PathBuf,
    /// The `shim-desktop` to measure.
    #[arg(long)]
    desktop: Option<PathBuf>,
    /// Smaller counts: to see that everything runs, not to quote.
    #[arg(long)]
    quick: bool,
    /// Only these.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(MEASURES.iter().map(|(name, _)| *name)))]
    only: Vec<String>,
    /// The same, without `--only`.
    #[arg(value_parser = PossibleValuesParser::new(MEASURES.iter().map(|(name, _)| *name)))]
    names: Vec<String>,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Subcommand)]
enum Other {
    /// Stands in for a client's process: holds those of its arguments locked that are files, until its input ends.
    #[command(hide = true)]
    FakeClient {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Fetches the pinned real clients and the MCP project's own, unless they are there, and prints where they lie.
    Client,
}

/// One measurement; gives its figures.
type Measure = fn(&Bench) -> Result<Vec<Figure>>;

/// What every measurement needs to know.
pub struct Bench {
    pub shim: PathBuf,
    pub desktop: Option<PathBuf>,
    pub quick: bool,
}

impl Bench {
    /// How many samples to take.
    pub fn count(&self, whole: usize, quick: usize) -> usize {
        if self.quick { quick } else { whole }
    }
}

const MEASURES: &[(&str, Measure)] = &[
    ("noticing", noticing::measure),
    ("journal", journal::measure),
    ("checkpoints", checkpoints::measure),
    ("snapshot", snapshot::measure),
    ("restore", restore::measure),
    ("index", index::measure),
    ("timeline", timeline::measure),
    ("idle", idle::measure),
    #[cfg(target_os = "linux")]
    ("mixed", mixed::measure),
    #[cfg(target_os = "linux")]
    ("busy", busy::measure),
    ("hook", hook::measure),
    ("experiments", experiments::measure),
    ("mcp", mcp::measure),
    ("experiments-year", year::measure),
    #[cfg(target_os = "linux")]
    ("tray", tray::measure),
    // Takes an hour.
    #[cfg(target_os = "linux")]
    ("windows", tray::windows),
];

fn main() -> Result<()> {
    let args = Args::parse();
    match args.other {
        Some(Other::FakeClient { words }) => return chats::wait_for_end(&words),
        Some(Other::Client) => {
            for package in shim_standin::install::ALL {
                println!("{}", shim_standin::install::program(package)?.display());
            }
            println!("{}", shim_standin::mcp_clients::folder()?.display());
            println!("{}", shim_standin::observers::grafana_types()?.display());
            if cfg!(target_os = "linux") {
                println!("{}", shim_standin::observers::prometheus()?.display());
            }
            return Ok(());
        }
        None => {}
    }
    let only = [args.only, args.names].concat();
    let desktop = args.desktop.map(std::path::absolute).transpose()?;
    let bench = Bench { shim: std::path::absolute(args.shim)?, desktop, quick: args.quick };
    println!("{}", machine::describe());
    let mut figures = Vec::new();
    for (name, measure) in MEASURES.iter().copied() {
        if !only.is_empty() && !only.iter().any(|only| only == name) {
            continue;
        }
        eprintln!("measuring {name}");
        // One figure that cannot be taken here must not cost the others.
        let taken = measure(&bench).unwrap_or_else(|error| vec![Figure::failed(name, &error)]);
        for figure in taken {
            println!("{}", figure.json());
            figures.push(figure);
        }
    }
    println!("\n{}", figures::table(&figures));
    Ok(())
}
