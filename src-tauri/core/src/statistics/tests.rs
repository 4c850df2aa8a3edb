//! Every figure against SciPy, statsmodels and scikit-learn on the same numbers (`tests/data/statistics`), and that bad
//! input is refused in words.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Problem, Tail,
    asked::answer,
    beta::Beta,
    forecasts::{auc, average_precision, brier},
    means::{effect_size, welch_t},
    multiple::{benjamini_hochberg, holm},
    power::{Approximation, Design, Effect, least_fall},
    proportions::{Share, clopper_pearson, two_proportions, wilson},
    ranks::{Method, mann_whitney},
    tables::{fisher_exact, goodness_of_fit},
};

const VECTORS: &str = include_str!("../../../../tests/data/statistics/vectors.json");

#[test]
fn figures_are_those_of_other_programs() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let rows = vectors["rows"].as_array().unwrap();
    let mut wrong = Vec::new();
    let mut ops = BTreeSet::new();
    for row in rows {
        ops.insert(row["op"].to_string());
        let line = json!({ "op": row["op"], "in": row["in"] }).to_string();
        let found = answer(&line);
        for (name, wanted) in row["out"].as_object().unwrap() {
            let got = &found["out"][name];
            if !near(got, wanted, row["tol"].as_f64().unwrap()) {
                wrong.push(format!(
                    "{} {name}: {got} is not {wanted}: {line:.200} {}",
                    row["op"], found["error"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(rows.len() > 400 && ops.len() >= 16, "{} rows of {ops:?}", rows.len());
}

/// Relative to what is wanted; what is next to 0 by less than 1e-14.
fn near(got: &Value, wanted: &Value, tolerance: f64) -> bool {
    match (got, wanted) {
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(g, w)| near(g, w, tolerance))
        }
        (Value::Number(got), Value::Number(wanted)) => {
            let (got, wanted) = (got.as_f64().unwrap(), wanted.as_f64().unwrap());
            (got - wanted).abs() <= tolerance * wanted.abs() + 1e-14
        }
        _ => got == wanted,
    }
}

#[test]
fn each_name_of_an_op_is_understood_and_others_are_told() {
    let two = json!({ "a": [1.0, 2.0, 4.0], "b": [2.5, 3.5, 9.0] });
    for name in ["welch_t", "ttest_welch", "welch", "Welch-T", "mann_whitney", "mannwhitneyu", "cohens_d"] {
        assert!(answer(&json!({ "op": name, "in": two }).to_string())["out"].is_object(), "{name}");
    }
    for line in [
        r#"{"op":"fisher","in":{"a":8,"b":2,"c":1,"d":5}}"#,
        r#"{"op":"fisher","in":[[8,2],[1,5]]}"#,
        r#"{"op":"fisher_exact","in":{"x1":8,"n1":10,"x2":1,"n2":6}}"#,
    ] {
        let p = answer(line)["out"]["p"].as_f64().unwrap();
        assert!((p - 0.034965034965034975).abs() < 1e-12, "{line}: {p}");
    }
    for line in [
        r#"{"op":"prop_test","in":{"x1":108,"n1":900,"x2":72,"n2":900}}"#,
        r#"{"op":"prop_test","in":{"successes":[108,72],"trials":[900,900]}}"#,
        r#"{"op":"prop_test","in":{"a":[108,900],"b":[72,900]}}"#,
        r#"{"op":"proportions_ztest","count":[108,72],"nobs":[900,900]}"#,
    ] {
        assert!((answer(line)["out"]["difference"].as_f64().unwrap() - 0.04).abs() < 1e-15, "{line}");
    }
    for line in [
        r#"{"op":"beta_posterior","in":{"a":{"x":3,"n":10},"b":{"x":6,"n":10},"prior":[1,1]}}"#,
        r#"{"op":"beta_posterior","in":{"x1":3,"n1":10,"x2":6,"n2":10,"a":1,"b":1}}"#,
        r#"{"op":"beta_posterior","in":{"alpha1":4,"beta1":8,"alpha2":7,"beta2":5}}"#,
    ] {
        let p = answer(line)["out"]["p_b_greater"].as_f64().unwrap_or(f64::NAN);
        assert!((p - 0.900_809_716_599_19).abs() < 1e-12, "{line}: {p} {}", answer(line));
    }
    for line in [
        r#"{"op":"beta_posterior","in":{"a":1,"b":1,"successes":3,"failures":7}}"#,
        r#"{"op":"beta_posterior","in":{"alpha":1,"beta":1,"x":3,"n":10}}"#,
        r#"{"op":"beta_posterior","in":{"alpha":4,"beta":8}}"#,
    ] {
        assert_eq!(answer(line)["out"]["beta"], 8.0, "{line}");
    }
    let exact = answer(r#"{"op":"mann_whitney_exact","in":{"a":[1,2,3],"b":[4,5,6],"alternative":"less"}}"#);
    assert_eq!((&exact["out"]["u"], &exact["out"]["method"]), (&json!(0.0), &json!("exact")));
    assert!((exact["out"]["p"].as_f64().unwrap() - 0.05).abs() < 1e-15, "{exact}");
    assert_eq!(answer(r#"{"op":"holm","in":[0.01,0.04]}"#)["out"]["adjusted"], json!([0.02, 0.04]));
    assert_eq!(answer(r#"{"op":"srm","in":{"counts":[900,100]}}"#)["out"]["mismatch"], true);
    assert_eq!(answer(r#"{"op":"anova","in":{}}"#), json!({ "unsupported": true }));
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    for (line, words) in [
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{\"in\":{}}", "`op` is missing"),
        ("{\"op\":\"welch_t\",\"in\":3}", "`in` must be"),
        (r#"{"op":"welch_t","in":{"a":[1,2]}}"#, "`b` is missing"),
        (r#"{"op":"welch_t","in":{"a":[1,2],"b":[1]}}"#, "`b` has 1 values: at least 2"),
        (r#"{"op":"welch_t","in":{"a":[1,1],"b":[1,1]}}"#, "without spread"),
        (r#"{"op":"welch_t","in":{"a":[1,"x"],"b":[1,2]}}"#, "`a` must be a list of numbers"),
        (r#"{"op":"welch_t","in":{"a":[1,NaN],"b":[1,2]}}"#, "not a JSON object"),
        (r#"{"op":"welch_t","in":{"a":[1,2],"b":[1,2],"alternative":"up"}}"#, "`alternative` must be"),
        (r#"{"op":"mann_whitney","in":{"a":[1,2],"b":[2,3],"method":"exact"}}"#, "tied"),
        (r#"{"op":"mann_whitney","in":{"a":[],"b":[2,3]}}"#, "`a` has 0 values"),
        (r#"{"op":"wilson","in":{"x":5,"n":4}}"#, "more events than trials"),
        (r#"{"op":"wilson","in":{"x":-1,"n":4}}"#, "`x` must be a whole number"),
        (r#"{"op":"wilson","in":{"x":1,"n":0}}"#, "`n` is 0"),
        (r#"{"op":"wilson","in":{"x":1,"n":4,"confidence":95}}"#, "between 0 and 1"),
        (r#"{"op":"fisher","in":{"table":[[1,2]]}}"#, "[[a, b], [c, d]]"),
        (r#"{"op":"power","in":{"p1":0.1}}"#, "p1 and p2, or d"),
        (r#"{"op":"power","in":{"p1":0.1,"p2":0.1}}"#, "no sample size"),
        (r#"{"op":"srm","in":{"counts":[0,0]}}"#, "above 0"),
        (r#"{"op":"holm","in":{"p":[0.5,1.5]}}"#, "`p` is 1.5"),
        (r#"{"op":"brier","in":{"p":[0.5],"y":[2]}}"#, "0 and 1"),
        (r#"{"op":"auc","in":{"scores":[1,2],"labels":[1,1]}}"#, "alike"),
        (r#"{"op":"beta_posterior","in":{"x":1,"n":4,"prior":[0,1]}}"#, "`alpha` is 0"),
    ] {
        let error = answer(line)["error"].as_str().unwrap_or("no error").to_owned();
        assert!(error.contains(words), "{line}: {error}");
    }
}

#[test]
fn the_least_fall_that_so_many_chats_show() {
    // 880 a group tell 12 % from 8 %, and 12 % from hardly less than that.
    let fall = least_fall(0.12, 882.0, 0.05, 0.8).unwrap().unwrap();
    assert!((fall - 0.04).abs() < 1e-4, "{fall}");
    assert_eq!(least_fall(0.01, 100.0, 0.05, 0.8).unwrap(), None);
}

#[test]
fn large_counts_are_told_as_well_as_small_ones() {
    // SciPy 1.17.1, beta.ppf: ends of the exact interval of 3e8 in 1e9.
    let found = clopper_pearson(Share::new(300_000_000, 1_000_000_000).unwrap(), 0.95).unwrap();
    assert!(
        (found.low - 0.299_971_597).abs() < 1e-8 && (found.high - 0.300_028_404).abs() < 1e-8,
        "{found:?}"
    );
    let tied: Vec<f64> = (0..3000).map(f64::from).collect();
    assert_eq!(mann_whitney(&tied, &tied, Tail::TwoSided, Method::Auto, true).unwrap().p, 1.0);
    let apart: Vec<f64> = tied.iter().map(|value| value + 0.5).collect();
    let exact = mann_whitney(&tied, &apart, Tail::TwoSided, Method::Exact, true);
    assert_eq!(exact, Err(Problem::TooLarge { product: 9_000_000, most: 250_000 }));
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -10.0..10.0_f64, prop::sample::select(vec![0.0, 1.0, -0.0, 1e308, 5e-324])]
}

fn any_sample() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(any_number(), 0..12),
        prop::collection::vec(-3.0..3.0_f64, 0..12),
        prop::collection::vec((0..4_u8).prop_map(f64::from), 0..12),
    ]
}

fn any_tail() -> impl Strategy<Value = Tail> {
    prop::sample::select(vec![Tail::TwoSided, Tail::Less, Tail::Greater])
}

fn is_probability(p: f64) -> bool {
    (0.0..=1.0).contains(&p)
}

proptest! {
    #[test]
    fn samples_give_figures_or_a_reason(
        a in any_sample(), b in any_sample(), tail in any_tail(), confidence in any_number(),
        y in prop::collection::vec(any::<bool>(), 0..12),
    ) {
        if let Ok(found) = welch_t(&a, &b, tail, confidence) {
            prop_assert!(is_probability(found.p) && !found.t.is_nan() && found.df >= 1.0 - 1e-9, "{found:?}");
            prop_assert!(!found.interval.low.is_nan() && found.interval.low <= found.interval.high, "{found:?}");
        }
        if let Ok(found) = effect_size(&a, &b) {
            prop_assert!(!found.d.is_nan() && found.g.abs() <= found.d.abs(), "{found:?}");
        }
        for method in [Method::Auto, Method::Exact, Method::Asymptotic] {
            if let Ok(found) = mann_whitney(&a, &b, tail, method, true) {
                prop_assert!(is_probability(found.p) && is_probability(found.effect), "{found:?}");
            }
        }
        for adjust in [holm, benjamini_hochberg] {
            if let Ok(adjusted) = adjust(&a) {
                prop_assert!(adjusted.iter().zip(&a).all(|(q, p)| is_probability(*q) && q >= p), "{adjusted:?}");
            }
        }
        if let Ok(found) = brier(&a, &y) {
            prop_assert!(is_probability(found.brier) && found.skill.is_none_or(|skill| skill <= 1.0));
        }
        for area in [auc(&a, &y), average_precision(&a, &y)].into_iter().flatten() {
            prop_assert!(is_probability(area), "{}", area);
        }
        let counts: Vec<_> = b.iter().map(|value| value.abs() as u64 % 1000).collect();
        if let Ok(found) = goodness_of_fit(&counts, Some(&a)) {
            prop_assert!(is_probability(found.p) && found.chi_square >= 0.0, "{found:?}");
        }
    }

    #[test]
    fn counts_give_figures_or_a_reason(
        x1 in 0..3000_u64, n1 in 0..3000_u64, x2 in 0..3000_u64, n2 in 0..3000_u64,
        tail in any_tail(), confidence in any_number(), prior in 0.0..4.0_f64,
    ) {
        if let (Ok(one), Ok(other)) = (Share::new(x1, n1), Share::new(x2, n2)) {
            prop_assert!(x1 <= n1 && n1 > 0 && x2 <= n2 && n2 > 0);
            for interval in [wilson(one, confidence), clopper_pearson(one, confidence)].into_iter().flatten() {
                let share = one.value();
                prop_assert!(0.0 <= interval.low && interval.low <= share, "{interval:?}");
                prop_assert!(share <= interval.high + 1e-12 && interval.high <= 1.0, "{interval:?}");
            }
            let found = two_proportions(one, other, tail, 0.95).unwrap();
            prop_assert!(is_probability(found.p) && found.z.is_finite(), "{found:?}");
            prop_assert!(found.interval_newcombe.low <= found.interval_newcombe.high, "{found:?}");
        }
        if let Ok(found) = fisher_exact([[x1, n1], [x2, n2]], tail) {
            prop_assert!(is_probability(found.p), "{found:?}");
        }
        let after = |a, b, events, trials| Beta::new(a, b).and_then(|beta| beta.after(events, trials));
        if let (Ok(a), Ok(b)) = (after(prior, 1.0, x1, n1), after(1.0, prior, x2, n2)) {
            prop_assert!((a.exceeds(b) + b.exceeds(a) - 1.0).abs() < 1e-9, "{a:?} {b:?}");
            let interval = a.interval(0.9).unwrap();
            prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
            prop_assert!((a.at_most(interval.low) - 0.05).abs() < 1e-9, "{a:?} {interval:?}");
        }
    }

    #[test]
    fn designs_give_figures_or_a_reason(
        p1 in any_number(), p2 in any_number(), d in any_number(), n in any_number(), alpha in any_number(),
        ratio in any_number(), tail in any_tail(),
    ) {
        let proportions = |by| Effect::Proportions { p1, p2, by };
        for effect in [proportions(Approximation::Normal), proportions(Approximation::Arcsine), Effect::Means { d }] {
            if let Ok(power) = Design::new(effect, alpha, tail, ratio).and_then(|design| design.power(n)) {
                prop_assert!(is_probability(power), "{effect:?} {}", power);
            }
        }
    }

    #[test]
    fn no_line_is_answered_by_a_panic(op in "[a-z_]{0,12}", text in ".{0,60}", name in "[a-z]{1,2}") {
        for line in [text.clone(), json!({ "op": op, "in": { &name: text } }).to_string()] {
            let found = answer(&line);
            prop_assert!(found["error"].is_string() || found["unsupported"] == true || found["out"].is_object());
        }
    }
}
