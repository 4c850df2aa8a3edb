//! Processes as each system really has them: this test program starts itself as the child.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use shim_core::{chats::ProcessKey, crashes::Gone, restore::Orphan};

use super::{Liveness, contain, end, exited, probe, stand_alone, start_mark, started, tool_children, tree};

const ROLE: &str = "SHIM_TEST_ROLE";

/// What the child does. It is no test: only a test starts it.
#[test]
#[ignore = "the child that the other tests start"]
fn child() {
    let below = match std::env::var(ROLE).as_deref() {
        Ok("sleep") => None,
        Ok("parent") => Some(start("sleep", &[])),
        _ => return,
    };
    println!("\nready {}", below.as_ref().map_or_else(std::process::id, |below| below.0.id()));
    std::thread::sleep(std::time::Duration::from_secs(600));
}

/// A child that is ended when the test ends, with the pid it told: its own, or that of the one below.
struct Started(Child, u32);

impl Started {
    fn key(&self) -> ProcessKey {
        ProcessKey { pid: self.0.id(), start: start_mark(self.0.id()).unwrap() }
    }

    fn below(&self) -> ProcessKey {
        ProcessKey { pid: self.1, start: start_mark(self.1).unwrap() }
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(role: &str, environment: &[(&str, &str)]) -> Started {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::tests::child", "--ignored", "--nocapture"]);
    command.env(ROLE, role).envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    stand_alone(&mut command);
    let mut child = command.spawn().unwrap();
    contain(&child).unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("ready ")?.parse().ok());
    Started(child, told.unwrap())
}

/// What `key` would be if another process had taken the pid later.
fn later(key: &ProcessKey) -> ProcessKey {
    let start = key.start.parse::<i64>().unwrap() + 1_000_000_000;
    ProcessKey { pid: key.pid, start: start.to_string() }
}

fn orphan(process: ProcessKey) -> Orphan {
    Orphan { process, command: "child".to_owned() }
}

#[test]
fn a_start_mark_stays_while_a_process_runs_and_goes_with_it() {
    let mut child = start("sleep", &[]);
    let key = child.key();
    assert_eq!(start_mark(key.pid).as_deref(), Some(key.start.as_str()));
    let age = crate::run::now().ms() - super::started_at(key.pid).unwrap().ms();
    assert!((-2000..600_000).contains(&age), "it was started {age} ms ago");
    assert_eq!(probe(&key), Liveness::Alive);
    assert_eq!(probe(&ProcessKey { pid: key.pid, start: String::new() }), Liveness::Alive);
    child.kill();
    assert_eq!(start_mark(key.pid), None);
    assert_eq!(probe(&key), Liveness::Dead(Gone::Absent));
}

#[test]
fn a_pid_that_another_process_has_is_told_from_the_first() {
    let child = start("sleep", &[]);
    assert_eq!(probe(&later(&child.key())), Liveness::Dead(Gone::PidReused));
}

#[test]
fn an_exit_watch_fires_when_the_process_dies_and_not_before() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut child = start("sleep", &[]);
    let key = child.key();
    runtime.block_on(async {
        let watch = exited(&key);
        tokio::pin!(watch);
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut watch).await;
        assert!(early.is_err(), "it fired while the process ran: {early:?}");
        child.kill();
        let exit = watch.await;
        if cfg!(windows) {
            assert_eq!(exit, Some(shim_core::crashes::ExitStatus::Code(1)));
        }
        // One that stands for another process has nothing to wait for.
        let other = start("sleep", &[]);
        exited(&later(&other.key())).await;
    });
}

#[test]
fn how_a_process_was_started_is_told() {
    let child = start("sleep", &[("SHIM_TEST_WORD", "a=b ü")]);
    let told = started(child.0.id()).unwrap();
    assert_eq!(
        told.program.unwrap().canonicalize().unwrap(),
        std::env::current_exe().unwrap().canonicalize().unwrap()
    );
    assert_eq!(told.arguments.get(2).unwrap(), "processes::tests::child");
    assert!(told.environment.contains(&("SHIM_TEST_WORD".into(), "a=b ü".into())), "{:?}", told.environment);
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    assert_eq!(told.cwd.unwrap().canonicalize().unwrap(), here);
}

#[test]
fn a_tool_child_is_found_by_its_environment_and_its_whole_tree_is_ended() {
    let chat = format!("test-{}", std::process::id());
    let other = start("sleep", &[]);
    let mut parent = start("parent", &[("CLAUDE_CODE_SESSION_ID", &chat)]);
    let (key, below) = (parent.key(), parent.below());
    // This process stands above them, as a client stands above its tools.
    let marks = [format!("CLAUDE_CODE_SESSION_ID={chat}")];
    assert_eq!(tool_children(&marks, &[], None), Some(Vec::new()));
    let found: Vec<_> = tree(key.pid).into_iter().map(|orphan| orphan.process).collect();
    assert_eq!(found, [key.clone(), below.clone()]);
    // Waits for its end elsewhere, since a dead child stays a process until it is waited for.
    let ended = std::thread::spawn(move || parent.0.wait().map(|_| parent));
    assert_eq!(end(&[orphan(key.clone()), orphan(below.clone()), orphan(later(&other.key()))]), []);
    ended.join().unwrap().unwrap();
    assert_eq!(probe(&key), Liveness::Dead(Gone::Absent));
    assert_eq!(probe(&below), Liveness::Dead(Gone::Absent));
    assert_eq!(probe(&other.key()), Liveness::Alive);
}

/// Elsewhere what an ended parent left behind is found by its environment.
#[cfg(windows)]
#[test]
fn what_a_dead_parent_started_is_ended_with_its_job() {
    let mut parent = start("parent", &[]);
    let (key, below) = (parent.key(), parent.below());
    assert_eq!(end(&[orphan(key.clone())]), []);
    assert_eq!(probe(&below), Liveness::Dead(Gone::Absent));
    parent.kill();
}
