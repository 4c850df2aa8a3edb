//! `shim stats --jsonl` as another program drives it: line by line, with no engine, no client and no data folder; and
//! `shim opportunities` where nothing was lived through yet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

const VECTORS: &str = include_str!("data/statistics/vectors.json");

fn shim(home: &std::path::Path, args: &[&str]) -> Child {
    let mut shim = Command::new(env!("CARGO_BIN_EXE_shim"));
    shim.args(args).env_clear();
    for name in ["HOME", "SHIM_HOME"] {
        shim.env(name, home);
    }
    // Windows starts nothing without it.
    if let Some(root) = std::env::var_os("SystemRoot") {
        shim.env("SystemRoot", root);
    }
    shim.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn each_line_is_answered_before_the_next_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let mut shim = shim(home.path(), &["stats", "--jsonl"]);
    let mut asked = shim.stdin.take().unwrap();
    let mut told = BufReader::new(shim.stdout.take().unwrap());
    let mut ask = |line: &str| -> Value {
        asked.write_all(format!("{line}\n").as_bytes()).unwrap();
        asked.flush().unwrap();
        let mut answer = String::new();
        told.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let rows = vectors["rows"].as_array().unwrap();
    for row in rows {
        let found = ask(&json!({ "op": row["op"], "in": row["in"] }).to_string());
        for (name, wanted) in row["out"].as_object().unwrap() {
            let got = &found["out"][name];
            if let (Some(got), Some(wanted)) = (got.as_f64(), wanted.as_f64()) {
                let tolerance = row["tol"].as_f64().unwrap();
                assert!((got - wanted).abs() <= tolerance * wanted.abs() + 1e-14, "{row}: {found}");
            }
        }
    }
    assert!(ask("{ no json").get("error").is_some());
    assert!(ask(r#"{"op":"fisher"}"#)["error"].as_str().unwrap().contains("`table` is missing"));
    assert_eq!(ask(r#"{"op":"kolmogorov","in":{}}"#), json!({ "unsupported": true }));
    // 1 - 0.025^(1/10)
    let clean = ask(r#"{"op":"clopper_pearson","in":{"x":0,"n":10}}"#);
    assert!((clean["out"]["ci"][1].as_f64().unwrap() - 0.308_497_107_818_760_83).abs() < 1e-12, "{clean}");
    drop(asked);
    assert!(shim.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let mut shim = shim(home.path(), &["stats", "--jsonl"]);
    drop(shim.stdout.take());
    let mut asked = shim.stdin.take().unwrap();
    // Until the pipe is noticed to be closed.
    while asked.write_all(b"{\"op\":\"wilson\",\"in\":{\"x\":1,\"n\":3}}\n").is_ok() {}
    assert!(shim.wait().unwrap().success());
}

#[test]
fn with_nothing_lived_through_opportunities_say_how_far_it_is() {
    let home = tempfile::tempdir().unwrap();
    let told = |args: &[&str]| shim(home.path(), args).wait_with_output().unwrap();
    let json = told(&["opportunities", "--json"]);
    assert!(json.status.success(), "{}", String::from_utf8_lossy(&json.stderr));
    let wanted = json!({
        "state": "not_enough_yet", "chats": 0, "chats_needed": 80, "crashes": 0, "crashes_needed": 10,
    });
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap(), wanted);
    let words = told(&["opportunities"]);
    assert_eq!(String::from_utf8_lossy(&words.stdout), "not enough yet: 0 of 80 chats and 0 of 10 crashes\n");
}
