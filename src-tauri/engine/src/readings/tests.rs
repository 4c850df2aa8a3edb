//! Readings of processes that are really there.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use shim_core::{chats::ProcessKey, readings::Reading, time::Timestamp};

use super::{others, read, system};
use crate::processes::start_mark;

const AT: Timestamp = Timestamp::from_ms(1000);

/// A shell, ended with all it started when the test ends.
struct Shell(Child);

impl Shell {
    fn start(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{script}\necho ready; wait")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        crate::processes::stand_alone(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Self(child)
    }

    fn key(&self) -> ProcessKey {
        ProcessKey { pid: self.0.id(), start: start_mark(self.0.id()).unwrap() }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.0.id().cast_signed()).unwrap(), signal).unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.0.id().cast_signed()).unwrap();
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

fn reading(process: &ProcessKey) -> Option<Reading> {
    read(&mut system::Look::default(), process, AT)
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_process_is_read_with_all_it_started() {
    let shell = Shell::start("sleep 600 & sh -c 'sleep 600 & echo; wait' >/dev/null &");
    wait("the shell's shell to start its child", || reading(&shell.key()).unwrap().children == 3);
    let reading = reading(&shell.key()).unwrap();
    assert_eq!(reading.at, AT);
    assert!(reading.rss_bytes > 100_000, "{reading:?}");
    assert!(reading.tree_rss_bytes > reading.rss_bytes + 300_000, "{reading:?}");
    assert!(!reading.stopped);
}

#[test]
fn children_are_the_same_whether_listed_or_scanned() {
    let shell = Shell::start("sleep 600 & sleep 601 & sleep 602 &");
    let of = |mut look: system::Look| look.children(shell.0.id()).into_iter().collect::<BTreeSet<_>>();
    let listed = of(system::Look::default());
    assert_eq!(listed.len(), 3);
    assert_eq!(listed, of(system::Look::scanning()));
}

#[test]
fn what_other_systems_are_read_with_tells_the_same() {
    let shell = Shell::start("sleep 600 & sleep 601 &");
    let key = shell.key();
    let (mut ours, mut theirs) = (system::Look::default(), others::Look::default());
    let children = |pids: Vec<u32>| pids.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(children(ours.children(key.pid)), children(theirs.children(key.pid)));
    let of_shell = [ours.process(key.pid, Some(&key.start)), theirs.process(key.pid, Some(&key.start))];
    let [ours, other] = of_shell.map(Option::unwrap);
    assert!(ours.rss_bytes.abs_diff(other.rss_bytes) < 500_000, "{} {}", ours.rss_bytes, other.rss_bytes);
    assert!((ours.cpu_seconds - other.cpu_seconds).abs() < 0.5 && !other.stopped);
    assert!(theirs.process(key.pid, Some("1")).is_none());
    shell.signal(Signal::STOP);
    wait("the shell to stop", || others::Look::default().process(key.pid, None).unwrap().stopped);
    assert_eq!(others::host(AT).memory_total, system::host(AT).memory_total);
}

#[test]
fn time_at_work_is_told_apart_for_a_process_and_its_children() {
    let busy = Shell::start("(while :; do :; done) &");
    wait("the child to have worked", || reading(&busy.key()).unwrap().children_cpu_seconds >= 0.05);
    let reading = reading(&busy.key()).unwrap();
    assert!(reading.children_cpu_seconds > reading.cpu_seconds, "{reading:?}");
}

#[test]
fn a_stopped_process_is_told() {
    let shell = Shell::start("sleep 600 &");
    shell.signal(Signal::STOP);
    wait("the shell to stop", || reading(&shell.key()).unwrap().stopped);
    shell.signal(Signal::CONT);
    wait("the shell to go on", || !reading(&shell.key()).unwrap().stopped);
}

#[test]
fn what_ended_or_has_anothers_pid_is_not_read() {
    let mut shell = Shell::start("sleep 600 &");
    let key = shell.key();
    assert_eq!(reading(&ProcessKey { start: "1".to_owned(), ..key.clone() }), None);
    assert!(
        reading(&ProcessKey { start: String::new(), ..key.clone() }).is_some(),
        "an unknown start matches any"
    );
    shell.signal(Signal::KILL);
    wait("the shell to be gone", || reading(&key).is_none());
    shell.0.wait().unwrap();
    assert_eq!(reading(&key), None);
}

#[test]
fn the_machine_has_memory_and_time_awake() {
    let before = system::host(AT);
    assert!(before.memory_total > before.memory_available && before.memory_available > 0, "{before:?}");
    assert!(before.swap_total >= before.swap_free);
    wait("time to go on", || system::host(AT).awake_seconds > before.awake_seconds);
}
