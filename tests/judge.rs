//! `shim experiments judge` as another program asks it: over pipes, each line answered before the next is sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

struct Judge {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    home: tempfile::TempDir,
}

impl Judge {
    fn start(mode: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_shim"));
        command
            .args(["experiments", "judge", "--jsonl"])
            .args(mode)
            .env("SHIM_HOME", home.path().join("shim"));
        command.env("HOME", home.path()).env("USERPROFILE", home.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, home }
    }

    fn ask(&mut self, line: &Value) -> Value {
        writeln!(self.input.as_ref().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// An experiment in which each arm has its rate; its decision, and the sessions it took.
    fn decide(&mut self, seed: u64, horizon: u64, rates: [f64; 2]) -> (Value, u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let start = json!({
            "type": "start", "id": format!("e{seed}"), "arms": ["control", "treatment"], "metric": "crash",
            "kind": "bernoulli", "lower_is_better": true, "alpha": 0.05, "horizon": horizon,
            "baseline": { "n": 1000, "events": 120 },
        });
        assert_eq!(self.ask(&start), json!({ "ok": true }));
        for session in 0..horizon {
            let assigned = self.ask(&json!({ "type": "assign", "session": session.to_string() }));
            let arm = assigned["arm"].as_u64().unwrap();
            let value = u8::from(random.f64() < rates[usize::try_from(arm).unwrap()]);
            let line =
                json!({ "type": "observe", "session": session.to_string(), "arm": arm, "value": value });
            let said = self.ask(&line);
            if said["decision"] != "continue" {
                let last = self.ask(&json!({ "type": "end" }));
                let stopped = said["decision"] == "stop" && last["decision"] == "none";
                assert!(stopped || said == last, "{said}, and at the end {last}");
                return (said["decision"].clone(), session + 1);
            }
        }
        panic!("no decision at the horizon")
    }
}

#[test]
fn the_built_program_judges_as_the_protocol_says() {
    for (mode, rates, decision, most) in [
        (vec![], [0.12, 0.6], "rollback", 100),
        (vec!["--mode", "default"], [0.3, 0.02], "ship", 600),
        (vec!["--mode", "strict"], [0.3, 0.02], "ship", 600),
        (vec!["--mode", "strict"], [0.12, 0.6], "rollback", 200),
    ] {
        let mut judge = Judge::start(&mode);
        // One after the other in the same process.
        for seed in 1..4 {
            let (said, sessions) = judge.decide(seed, 900, rates);
            assert_eq!(said, decision, "{mode:?} {rates:?}");
            assert!(sessions <= most, "{mode:?} {rates:?}: {sessions}");
        }
        assert!(judge.ask(&json!({ "type": "nonsense" }))["error"].is_string());
        drop(judge.input.take());
        assert!(judge.child.wait().unwrap().success());
        assert!(!judge.home.path().join("shim").exists(), "it keeps nothing");
    }
}

#[test]
fn without_a_difference_it_says_nothing_at_the_horizon() {
    let mut judge = Judge::start(&["--mode", "strict"]);
    let said: Vec<_> = (1..20).map(|seed| judge.decide(seed, 200, [0.12, 0.12]).0).collect();
    let verdicts = said.iter().filter(|said| *said != "stop").count();
    assert!(verdicts <= 4, "{said:?}");
}

#[test]
fn a_form_must_be_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shim"));
    let output = command.args(["experiments", "judge"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_line_that_is_too_long_or_no_text_costs_only_itself() {
    let mut judge = Judge::start(&[]);
    let mut input = judge.input.take().unwrap();
    let asks = std::thread::spawn(move || {
        input.write_all(&vec![b'x'; 3 << 20]).unwrap();
        input.write_all(b"\n\xff\xfe\n{\"type\":\"start\",\"id\":\"e\"}\n").unwrap();
    });
    for words in ["longer than", "not UTF-8", "\"ok\":true"] {
        let mut answer = String::new();
        judge.output.read_line(&mut answer).unwrap();
        assert!(answer.contains(words), "{answer}");
    }
    asks.join().unwrap();
    assert!(judge.child.wait().unwrap().success());
}
