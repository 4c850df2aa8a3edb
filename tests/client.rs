//! A stand-in for a client's process, where the real one is not had: the test program itself, asleep.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use crate::running::Running;

const ROLE: &str = "SHIM_TEST_ROLE";

/// It is no test: only a test starts it.
#[test]
#[ignore = "the client that another test starts"]
fn sleeps() {
    if std::env::var_os(ROLE).is_some() {
        println!("\nready");
        std::thread::sleep(Duration::from_secs(600));
    }
}

pub fn start_client() -> Running {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "client::sleeps", "--ignored", "--nocapture"]).env(ROLE, "client");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "ready"));
    Running(child)
}
