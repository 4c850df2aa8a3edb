//! What the engine measures of itself, as Debian's own Prometheus gets it, and what stands in `deploy`.

mod dashboards;
mod prometheus;

use std::{fs, io::Write, path::PathBuf, process::Command};

use serde_json::{Value, json};
use shim_standin::{
    client::{Headless, Start, wait},
    observers,
};

use self::{dashboards::dashboards, prometheus::Prometheus};
use crate::{
    receipts::{FIRST_ANSWER, SLOW_ANSWER},
    world::{WAIT, World, id},
};

/// Parts of the names of what this run need not bring about: other expressions must have an answer.
const MAY_BE_EMPTY: [&str; 6] = [
    "shim_suspected_hangs",
    "shim_policy_decisions",
    "shim_notices",
    "shim_crash_prediction",
    "shim_routing_decisions",
    "shim_saved_tokens",
];
/// What is counted over all that is on record.
const EVER: [&str; 8] = [
    "shim_crashes",
    "shim_crash_detection_seconds",
    "shim_resume_attempts",
    "shim_resume_refusals",
    "shim_resume_seconds",
    "shim_resume_own_seconds",
    "shim_turns_lost",
    "shim_false_restarts",
];

pub fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap()
}

impl World {
    fn metrics_url(&self) -> String {
        let file: Value =
            serde_json::from_slice(&fs::read(self.shim_home.join("engine.json")).unwrap()).unwrap();
        format!("http://127.0.0.1:{}/metrics", file["port"])
    }

    /// `/metrics`, asked with these headers: status, type and text.
    fn ask(&self, headers: &[(&str, &str)]) -> (u16, String, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let mut request = ureq::Agent::new_with_config(agent).get(self.metrics_url());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.call().unwrap();
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (answer.status().as_u16(), kind.unwrap_or_default(), answer.body_mut().read_to_string().unwrap())
    }

    /// The series of a family that are not 0, as `shim metrics` says them.
    fn counted(&self, family: &str) -> Vec<String> {
        let all = self.json(&["metrics"]);
        let found = all.as_array().unwrap().iter().find(|found| found["name"] == family);
        let samples = found.map(|found| found["samples"].as_array().unwrap().clone()).unwrap_or_default();
        // A number that was written and read again may be another in its last digit.
        let said = |sample: &Value| {
            let value = sample["value"].as_f64().unwrap();
            (value != 0.0).then(|| format!("{}{} {value:.6}", sample["name"], sample["labels"]))
        };
        let mut counted: Vec<_> = samples.iter().filter_map(said).collect();
        counted.sort();
        counted
    }
}

#[test]
fn prometheus_scrapes_an_engine_whose_chat_was_killed_and_restored() {
    let mut world = World::new();
    let prometheus = Prometheus::watching(&world.metrics_url());
    world.json(&["experiments", "start", "--knob", "checkpoints.calls", "--value", "4"]);
    let cwd = world.home.project("measured").unwrap();
    let session_id = world.finished_chat(&cwd, &format!("Remember.\n@@text {FIRST_ANSWER}"));
    let mut start = Start::new(&cwd, SLOW_ANSWER);
    start.session_id.clone_from(&session_id);
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 5).unwrap();
    world.wait_for_state(&session_id, "working");
    prometheus.wait_for(r#"shim_chats{client="claude-code",state="working"} == 1"#);
    prometheus.wait_for(r#"shim_crashes_total{kind="killed"} == 0"#);
    chat.kill().unwrap();
    world.wait_for_crash(&session_id);
    let receipt = world.restore(&id(&session_id), &["--headless", "--continue"]);
    world.is_whole(&receipt, &json!(1));
    assert_eq!(world.restore(&id(&session_id), &[])["refused"]["reason"], "still_alive");
    for note in ["a", "b"] {
        world.json(&["checkpoint", &id(&session_id), "--note", note]);
        let taken = r#"shim_checkpoint_creation_seconds_count{trigger="user"}"#;
        prometheus.wait_for(&format!("{taken} >= {}", if note == "a" { 1 } else { 2 }));
    }
    prometheus.wait_for(r#"shim_crashes_total{client="claude-code",kind="killed"} == 1"#);
    prometheus.wait_for(r#"shim_resume_attempts_total{outcome="restored",begun_by="user"} == 1"#);
    prometheus.wait_for(r#"shim_resume_refusals_total{reason="still_alive"} == 1"#);
    prometheus.wait_for("increase(shim_crashes_total[1h]) > 0");

    prometheus.target_is_up();
    for of in ["shim_crashes_total", "shim_resume_seconds_bucket", "shim_checkpoint_creation_seconds_bucket"]
    {
        assert!(prometheus.exemplars(of).contains(&id(&session_id)), "{of}: {}", prometheus.exemplars(of));
    }
    let (asked, answered) = every_expression_is_answered(&prometheus);
    println!("{asked} expressions asked, {answered} with an answer");
    prometheus.rules_are_well();
    lint(&world);
    the_table_and_what_is_exposed_agree(&world);

    // The next engine counts on.
    let ever = |world: &World| EVER.iter().flat_map(|family| world.counted(family)).collect::<Vec<_>>();
    let before = ever(&world);
    assert!(before.len() > 20, "{before:?}");
    assert_eq!(world.counted("shim_turns_lost"), [""; 0]);
    assert_eq!(world.stop_shim().code(), Some(0));
    world.start_shim();
    let after = ever(&world);
    let differs = before.iter().zip(&after).find(|(before, after)| before != after);
    assert!(before.len() == after.len() && differs.is_none(), "{differs:?}\n{before:?}\n{after:?}");
}

/// Of every dashboard and every rule. Gives how many there are, and how many had an answer.
fn every_expression_is_answered(prometheus: &Prometheus) -> (usize, usize) {
    let panels = dashboards().into_iter().flat_map(|dashboard| dashboard.expressions());
    let panels: Vec<_> = panels.collect();
    let recorded = prometheus.rules();
    assert!(panels.len() > 50 && recorded.len() > 20, "{} {}", panels.len(), recorded.len());
    let mut answered = 0;
    for (named, expression, must_answer) in panels.into_iter().chain(recorded) {
        let may_be_empty = MAY_BE_EMPTY.iter().any(|part| expression.contains(part));
        let answer = if must_answer && !may_be_empty {
            prometheus.wait_for(&expression)
        } else {
            prometheus.ask(&expression).unwrap_or_else(|error| panic!("{named}: {expression}: {error}"))
        };
        answered += usize::from(!answer.is_empty());
    }
    (asked_of(prometheus), answered)
}

fn asked_of(prometheus: &Prometheus) -> usize {
    dashboards().iter().map(|dashboard| dashboard.expressions().len()).sum::<usize>()
        + prometheus.rules().len()
}

/// What the engine says in text 0.0.4 has nothing that Prometheus' own lint finds fault with.
#[track_caller]
fn lint(world: &World) {
    let (_, _, text) = world.ask(&[]);
    let mut promtool = Command::new(observers::prometheus().unwrap().join("promtool"));
    let promtool = promtool.args(["check", "metrics"]).env_clear();
    let piped = std::process::Stdio::piped;
    let mut child = promtool.stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}\n{text}"
    );
}

/// Each family that is exposed stands in `docs/metrics.md` with its type, its unit and its labels, and each that this
/// run must bring about is exposed.
#[track_caller]
fn the_table_and_what_is_exposed_agree(world: &World) {
    let document = fs::read_to_string(deploy().join("../docs/metrics.md")).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let rows: Vec<Vec<_>> =
        rows.map(|row| row.split(" | ").collect()).filter(|row: &Vec<_>| row.len() == 6).collect();
    let exposed = world.json(&["metrics"]);
    for family in exposed.as_array().unwrap() {
        let row = rows.iter().find(|row| {
            let name = row[0].trim_end_matches('`');
            name.trim_end_matches("_total").trim_end_matches("_info") == family["name"]
        });
        let row = row.unwrap_or_else(|| panic!("{} is in no row", family["name"]));
        assert_eq!(
            (family["kind"].as_str(), family["unit"].as_str()),
            (Some(row[1]), Some(row[2])),
            "{row:?}"
        );
        for sample in family["samples"].as_array().unwrap() {
            let labels = sample["labels"].as_object().unwrap().keys().filter(|label| *label != "le");
            let labels: std::collections::BTreeSet<_> = labels.map(|label| format!("`{label}`")).collect();
            assert_eq!(
                labels,
                row[3].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect()
            );
        }
    }
    let missing: Vec<_> = rows
        .iter()
        .map(|row| row[0].trim_end_matches('`'))
        .filter(|name| !MAY_BE_EMPTY.iter().any(|part| name.contains(part)))
        .filter(|name| {
            ![
                "shim_chat_stops",
                "shim_chat_repairs",
                "shim_journal_dropped",
                "shim_model_trainings",
                "shim_workspace",
            ]
            .iter()
            .any(|part| name.contains(part))
        })
        .filter(|name| {
            let name = name.trim_end_matches("_total").trim_end_matches("_info");
            exposed.as_array().unwrap().iter().all(|family| family["name"] != name)
        })
        .collect();
    assert_eq!(missing, [""; 0], "in docs/metrics.md, and not exposed");
}

#[test]
fn metrics_are_told_to_programs_of_this_machine_alone_and_can_be_switched_off() {
    let mut world = World::of_files();
    world.start_shim();
    let (status, kind, text) = world.ask(&[]);
    assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(text.contains("\n# TYPE shim_build_info gauge\n") && !text.contains("# EOF"), "{text}");
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (status, kind, text) = world.ask(&[("Accept", accept)]);
    assert_eq!((status, kind.as_str()), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(text.contains("\n# TYPE shim_build info\n") && text.ends_with("# EOF\n"), "{text}");
    let home = world.root().display().to_string();
    assert!(!text.contains(&home), "no folder of this machine is told");
    for header in [("Host", "evil.example"), ("Origin", "http://127.0.0.1:3000")] {
        assert_eq!(world.ask(&[header]).0, 403, "{header:?}");
    }
    world.settings("metrics.serve = false");
    wait(WAIT, "the settings to be taken over", || (world.ask(&[]).0 == 404).then_some(())).unwrap();
    let said = String::from_utf8(world.shim(&["metrics"]).stdout).unwrap();
    assert!(said.contains("process_resident_memory_bytes"), "{said}");
}

#[test]
fn the_rules_are_checked_and_tested_by_promtool() {
    let promtool = observers::prometheus().unwrap().join("promtool");
    let prometheus = deploy().join("prometheus");
    for (words, file) in [(["check", "config"], "prometheus.yml"), (["test", "rules"], "tests/rules.yml")] {
        let output =
            Command::new(&promtool).args(words).arg(prometheus.join(file)).env_clear().output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        println!("{}", String::from_utf8_lossy(&output.stdout));
    }
}
