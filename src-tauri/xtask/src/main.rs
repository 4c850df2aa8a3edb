//! `cargo xtask`: what a developer and CI call. It installs what is missing, builds, runs and checks, and
//! says what it does; it changes nothing of a person's chats or settings.

mod bench;
mod bundle;
mod debian;
mod installers;
mod macos;
mod packages;
mod pictures;
mod process;
mod repository;
mod run;
mod test;
mod tools;
mod torture;
mod try_deb;
mod windows;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <what>

  run [--release]    install what is missing, build, start SHIM in the tray
                     (with no display: the engine in the foreground)
  test [STAGE…]      install what tests need and run every check, or only these stages:
                     STAGES
  check-windows      the stage `windows`: on Debian, compile all for Windows, run tests under Wine
  check-macos        the stage `macos`: on Debian, type-check all for macOS
  installers [--debug] [KIND,…]
                     build this system's packages (deb, rpm, appimage; nsis, msi; app, dmg)
  try-deb FILE       install a .deb in a clean Debian, run it there and remove it (as root)
  bundle-mcpb [--debug] [--program SHIM] [-o FILE]
                     pack `shim mcp` for Claude Desktop's one-click install
  pictures           put the guide's pictures in, as the stage `desktop` made them
  bench [--quick]    measure every budget that can be measured here
  torture [--crashes N] [--seed S] [--forms F,…] [--at-once K] [--healthy-minutes M] [--json]
                     crash real chats at random points and restore each; 1 when a target is missed
";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run"] => run::run(false),
        ["run", "--release"] => run::run(true),
        ["test", stages @ ..] if stages.iter().all(|name| test::is_stage(name)) => test::run(stages),
        ["check-windows"] => test::run(&["windows"]),
        ["check-macos"] => test::run(&["macos"]),
        ["installers"] => installers::build(false, None),
        ["installers", "--debug"] => installers::build(true, None),
        ["installers", "--debug", kinds] => installers::build(true, Some(kinds)),
        ["installers", kinds] => installers::build(false, Some(kinds)),
        ["try-deb", file] => try_deb::run(file),
        ["bundle-mcpb", rest @ ..] => bundle::run(rest),
        ["pictures"] => pictures::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["torture", rest @ ..] => torture::run(rest),
        _ => {
            eprint!("{}", USAGE.replace("STAGES", &test::stage_names().join(" ")));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the person at the terminal what happens; results of checks go to standard output.
fn say(what: &str) {
    eprintln!("xtask: {what}");
}
