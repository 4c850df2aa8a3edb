//! The protocol of the judge, line by line.

use serde_json::{Value, json};

use super::{BUCKETS, Judge, Mode, bucket, deal};

fn started(start: &Value) -> Judge {
    let mut judge = Judge::new(Mode::Default);
    assert_eq!(judge.answer(&start.to_string()), json!({ "ok": true }));
    judge
}

fn start() -> Value {
    json!({
        "type": "start", "id": "e1", "arms": ["control", "treatment"], "metric": "crash", "kind": "bernoulli",
        "lower_is_better": true, "alpha": 0.05, "horizon": 900, "baseline": { "n": 500, "events": 60 },
    })
}

/// Runs sessions through a judge until it decides: `value` gives an arm's outcomes.
fn run(judge: &mut Judge, sessions: u64, mut value: impl FnMut(u64, u64) -> f64) -> (Value, u64) {
    for session in 0..sessions {
        let arm = judge.answer(&json!({ "type": "assign", "session": format!("s{session}") }).to_string());
        let arm = arm["arm"].as_u64().unwrap();
        let observed = json!({
            "type": "observe", "session": format!("s{session}"), "arm": arm, "value": value(arm, session),
        });
        let said = judge.answer(&observed.to_string());
        if said["decision"] != "continue" {
            return (said, session + 1);
        }
    }
    (judge.answer(r#"{"type":"end"}"#), sessions)
}

#[test]
fn a_start_that_is_refused_leaves_nothing_in_force() {
    let mut judge = Judge::new(Mode::Default);
    let start = |alpha: f64| {
        format!(
            r#"{{"type":"start","id":"a","arms":["c","t"],"metric":"m","kind":"bernoulli","lower_is_better":true,"alpha":{alpha}}}"#
        )
    };
    assert_eq!(judge.answer(&start(0.05))["ok"], true);
    assert!(judge.answer(&start(7.0))["error"].is_string());
    assert!(judge.answer(r#"{"type":"assign","session":"s"}"#)["error"].is_string());
    // Nor one that is not even read.
    assert_eq!(judge.answer(&start(0.05))["ok"], true);
    for horizon in ["\"long\"", "1.5", "-1", "1e300"] {
        let start = format!(r#"{{"type":"start","id":"b","horizon":{horizon}}}"#);
        assert!(judge.answer(&start)["error"].is_string(), "{horizon}");
    }
    assert!(judge.answer(r#"{"type":"assign","session":"s"}"#)["error"].is_string());
}

#[test]
fn what_helps_is_shipped_and_what_harms_rolled_back() {
    for (lower_is_better, value_of_treatment, decision) in
        [(true, 0.0, "ship"), (true, 1.0, "rollback"), (false, 0.0, "rollback"), (false, 1.0, "ship")]
    {
        let mut start = start();
        start["lower_is_better"] = json!(lower_is_better);
        let mut judge = started(&start);
        let value =
            |arm, session| if arm == 1 { value_of_treatment } else { f64::from(u8::from(session % 2 == 0)) };
        let (said, sessions) = run(&mut judge, 900, value);
        assert_eq!(said, json!({ "decision": decision }), "{start}");
        assert!(sessions < 120, "{start} took {sessions}");
        assert_eq!(judge.answer(r#"{"type":"end"}"#), said);
        // It stands, and new sessions get what was decided for.
        let arm = json!({ "arm": u8::from(decision == "ship") });
        assert_eq!(judge.answer(r#"{"type":"assign","session":"late"}"#), arm);
        let late = json!({ "type": "observe", "session": "late", "value": 1 });
        assert_eq!(judge.answer(&late.to_string()), said);
    }
}

#[test]
fn an_undecided_one_stops_at_its_horizon() {
    for horizon in [json!(40), json!(40.0)] {
        let mut start = start();
        start["horizon"] = horizon;
        let mut judge = started(&start);
        let (said, sessions) = run(&mut judge, 900, |_, _| 0.0);
        assert_eq!((said, sessions), (json!({ "decision": "stop" }), 40));
        assert_eq!(judge.answer(r#"{"type":"end"}"#), json!({ "decision": "none" }));
    }
}

#[test]
fn seconds_are_judged_too() {
    let mut start = start();
    (start["kind"], start["baseline"]) = (json!("seconds"), Value::Null);
    let mut judge = started(&start);
    let mut random = fastrand::Rng::with_seed(3);
    let (said, _) = run(&mut judge, 900, |arm, _| random.f64().powi(-2) * if arm == 1 { 0.4 } else { 1.0 });
    assert_eq!(said, json!({ "decision": "ship" }));
}

#[test]
fn of_several_arms_the_harmful_are_dropped_and_the_best_is_named() {
    let mut start = start();
    (start["arms"], start["horizon"]) = (json!(["control", "a", "b", "c"]), json!(5000));
    let mut judge = started(&start);
    let mut random = fastrand::Rng::with_seed(5);
    let rates = [0.3, 0.8, 0.05, 0.3];
    let (said, _) = run(&mut judge, 5000, |arm, _| {
        f64::from(u8::from(random.f64() < rates[usize::try_from(arm).unwrap()]))
    });
    assert_eq!(said, json!({ "decision": "ship", "arm": 2, "dropped": [1] }));
}

#[test]
fn what_cannot_be_answered_says_why() {
    let mut judge = Judge::new(Mode::Strict);
    let mut check =
        |line: &Value, answer: Value| assert_eq!(judge.answer(&line.to_string()), answer, "{line}");
    let error = |words: &str| json!({ "error": words });
    check(&json!({ "type": "end" }), error("no experiment was started"));
    let mut wrong = start();
    wrong["alpha"] = json!(1.5);
    check(&wrong, error("alpha lies between 0 and 1, and is not 1.5"));
    check(&start(), json!({ "ok": true }));
    let observe = |session: &str, arm: u8, value: f64| json!({ "type": "observe", "session": session, "arm": arm, "value": value });
    check(&observe("a", 0, 1.0), error("session `a` was not assigned"));
    let (arm, _) = deal(bucket("e1", "a"), &[0, 1], 2);
    let arm = u8::try_from(arm).unwrap();
    for _ in 0..2 {
        check(&json!({ "type": "assign", "session": "a", "risk": 0.2 }), json!({ "arm": arm }));
    }
    let other = 1 - arm;
    check(
        &observe("a", other, 1.0),
        error(&format!("session `a` was assigned to arm {arm}, and not to arm {other}")),
    );
    check(&observe("a", arm, 0.5), error("a value of this metric is 0 or 1, and not 0.5"));
    check(&observe("a", arm, 1.0), json!({ "decision": "continue" }));
    check(&observe("a", arm, 1.0), error("session `a` was observed before"));
    check(
        &json!({ "type": "assign", "session": "b", "risk": 7 }),
        error("a risk is a probability, and not 7"),
    );
    assert!(judge.answer("{")["error"].as_str().unwrap().starts_with("not a line of the protocol: "));
}

#[test]
fn sessions_are_dealt_fairly_and_for_good() {
    for open in [vec![0, 1], vec![0, 2], vec![0, 1, 2]] {
        let mut counts = [0_u32; 3];
        for bucket in 0..BUCKETS {
            let (arm, shares) = deal(bucket, &open, 3);
            counts[arm] += 1;
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let (_, shares) = deal(0, &open, 3);
        let counted: Vec<_> = counts.iter().map(|count| f64::from(*count) / BUCKETS as f64).collect();
        assert_eq!(shares, counted, "{open:?}");
    }
    // SHA-256 of `salt.unit` begins with these eight bytes, by sha256sum.
    let first = u64::from_str_radix(SHA256_OF_SALT_UNIT, 16).unwrap();
    assert_eq!(bucket("salt", "unit"), first % BUCKETS);
}

const SHA256_OF_SALT_UNIT: &str = "5f6ed0421ce7764e";
