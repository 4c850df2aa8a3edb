//! `shim-standin`: the stand-in model API by itself, for trying SHIM with a real client and without an account.

use anyhow::Result;
use clap::Parser;
use shim_standin::Standin;

/// Answers as the Anthropic Messages API does, on loopback only, with what `@@` lines in the prompt ask for.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> Result<()> {
    let standin = Standin::start(Args::parse().port)?;
    println!("{}", standin.url());
    println!("Start a client with ANTHROPIC_BASE_URL={} ANTHROPIC_API_KEY=test-key claude", standin.url());
    println!(
        "Lines of a prompt that the stand-in follows: @@text WORDS, @@think WORDS, @@slow N SECONDS [TIMES],"
    );
    println!("@@stall SECONDS, @@tool NAME {{json}}, @@also NAME {{json}}, @@limit [SECONDS],");
    println!("@@error STATUS [TIMES], @@cut [TIMES].");
    standin.join()
}
