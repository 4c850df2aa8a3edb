//! Statistics by name: one JSON object with an op and its input, one with what came of it. The names that are
//! understood stand in `docs/experiments.md`.

mod input;

use serde_json::{Map, Value, json};
use thiserror::Error;

use self::input::Input;
use super::{
    Interval, Problem,
    beta::Beta,
    forecasts::{auc, average_precision, brier},
    means::{effect_size, welch_t},
    multiple::{benjamini_hochberg, holm},
    power::{Approximation, Design, Effect},
    proportions::{Share, clopper_pearson, two_proportions, wilson},
    ranks::{Method, mann_whitney},
    tables::{fisher_exact, goodness_of_fit},
};

/// Below this chance a sample ratio is called wrong: it is looked at often, and a false alarm costs an experiment.
const MISMATCH_BELOW: f64 = 0.001;

#[derive(Debug, Error)]
enum Refusal {
    #[error("not a JSON object: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("not a JSON object")]
    NotAnObject,
    #[error("`op` is missing: it names what is asked, such as welch_t")]
    NoOp,
    #[error("`in` must be an object, or a list of numbers")]
    NoInput,
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{name}` must be {wanted}")]
    Wrong { name: String, wanted: &'static str },
    #[error(transparent)]
    Problem(#[from] Problem),
}

type Answer = Result<Value, Refusal>;
type Op = fn(&Input<'_>) -> Answer;

/// Every op under all of its names, its own first.
const OPS: [(&str, Op); 17] = [
    ("welch_t welch welch_t_test welch_ttest welchs_t ttest_welch ttest_ind t_test", welch),
    ("mann_whitney mannwhitneyu mann_whitney_u mannwhitney wilcoxon_rank_sum ranksums", |input| {
        ranks(input, asked_method(input)?)
    }),
    ("mann_whitney_exact mannwhitneyu_exact", |input| ranks(input, Method::Exact)),
    ("mann_whitney_asymptotic mannwhitneyu_asymptotic", |input| ranks(input, Method::Asymptotic)),
    ("fisher fisher_exact fisher_exact_test", fisher),
    (
        "two_proportions two_proportion prop_test two_proportion_z two_proportions_z two_proportion_z_test \
         two_proportion_ztest proportions_ztest z_test",
        proportions,
    ),
    ("wilson wilson_interval wilson_ci wilson_score", |input| share(input, wilson)),
    ("clopper_pearson clopper_pearson_interval clopper_pearson_ci binomial_exact", |input| {
        share(input, clopper_pearson)
    }),
    ("cohens_d cohen_d hedges_g effect_size", effect),
    (
        "power sample_size power_two_proportions power_proportions power_two_means power_t_test \
         sample_size_two_proportions sample_size_proportions sample_size_two_means",
        power,
    ),
    (
        "chi_square chisquare chi_squared chi2 chi_square_gof chi_square_srm chi2_srm srm sample_ratio_mismatch",
        chi_square,
    ),
    ("holm holm_bonferroni", |input| adjusted(input, holm)),
    ("benjamini_hochberg bh fdr fdr_bh", |input| adjusted(input, benjamini_hochberg)),
    ("beta_posterior beta_posteriors beta beta_binomial", posterior),
    ("brier brier_score brier_skill", brier_score),
    ("auc roc_auc roc_auc_score auroc", |input| {
        let area = auc(&input.numbers(input::SCORES)?, &input.flags(input::OUTCOMES)?)?;
        Ok(json!({ "auc": area }))
    }),
    ("average_precision average_precision_score auc_pr pr_auc ap", |input| {
        let area = average_precision(&input.numbers(input::SCORES)?, &input.flags(input::OUTCOMES)?)?;
        Ok(json!({ "average_precision": area }))
    }),
];

/// Answers one line: `{"out": …}`, `{"unsupported": true}` for an op that is not known, or `{"error": "why"}`.
pub fn answer(line: &str) -> Value {
    match asked(line) {
        Ok(Some(out)) => json!({ "out": out }),
        Ok(None) => json!({ "unsupported": true }),
        Err(refusal) => json!({ "error": refusal.to_string() }),
    }
}

fn asked(line: &str) -> Result<Option<Value>, Refusal> {
    let whole: Value = serde_json::from_str(line)?;
    let whole = whole.as_object().ok_or(Refusal::NotAnObject)?;
    let name = whole.get("op").and_then(Value::as_str).ok_or(Refusal::NoOp)?;
    let name = name.trim().to_lowercase().replace(['-', ' '], "_");
    let Some((_, op)) = OPS.iter().find(|(names, _)| names.split(' ').any(|one| one == name)) else {
        return Ok(None);
    };
    match whole.get("in") {
        Some(Value::Object(fields)) => op(&Input(fields)).map(Some),
        Some(list @ Value::Array(_)) => {
            let fields = Map::from_iter([("values".to_owned(), list.clone())]);
            op(&Input(&fields)).map(Some)
        }
        // Its fields beside the op.
        None => op(&Input(whole)).map(Some),
        Some(_) => Err(Refusal::NoInput),
    }
}

fn welch(input: &Input<'_>) -> Answer {
    let (a, b) = (input.numbers(input::FIRST)?, input.numbers(input::SECOND)?);
    let found = welch_t(&a, &b, input.tail()?, input.confidence()?)?;
    Ok(json!({
        "t": found.t, "statistic": found.t, "df": found.df, "p": found.p, "p_value": found.p,
        "difference": found.difference, "ci": ends(found.interval),
    }))
}

fn asked_method(input: &Input<'_>) -> Result<Method, Refusal> {
    match input.word(&["method"])?.as_deref() {
        None | Some("auto") => Ok(Method::Auto),
        Some("exact") => Ok(Method::Exact),
        Some("asymptotic" | "normal") => Ok(Method::Asymptotic),
        Some(_) => Err(input::wrong("method", "exact, asymptotic or auto")),
    }
}

fn ranks(input: &Input<'_>, method: Method) -> Answer {
    let (a, b) = (input.numbers(input::FIRST)?, input.numbers(input::SECOND)?);
    let continuity = input.flag(&["continuity", "use_continuity", "correct"])?.unwrap_or(true);
    let found = mann_whitney(&a, &b, input.tail()?, method, continuity)?;
    let pairs = a.len() as f64 * b.len() as f64;
    Ok(json!({
        "u": found.u, "statistic": found.u, "u2": pairs - found.u, "p": found.p, "p_value": found.p,
        "method": found.method, "effect": found.effect,
    }))
}

fn fisher(input: &Input<'_>) -> Answer {
    let found = fisher_exact(input.table()?, input.tail()?)?;
    Ok(json!({ "odds_ratio": found.odds_ratio, "p": found.p, "p_value": found.p }))
}

fn proportions(input: &Input<'_>) -> Answer {
    let [(x1, n1), (x2, n2)] = input.two_counts()?.ok_or(Refusal::Missing("x1, n1, x2, n2"))?;
    let (one, other) = (Share::new(x1, n1)?, Share::new(x2, n2)?);
    let found = two_proportions(one, other, input.tail()?, input.confidence()?)?;
    Ok(json!({
        "z": found.z, "statistic": found.z, "p": found.p, "p_value": found.p,
        "p1": one.value(), "p2": other.value(), "difference": found.difference,
        "ci": ends(found.interval), "ci_newcombe": ends(found.interval_newcombe),
    }))
}

fn share(input: &Input<'_>, of: fn(Share, f64) -> Result<Interval, Problem>) -> Answer {
    let share = Share::new(input.count(input::EVENTS)?, input.count(input::TRIALS)?)?;
    let interval = of(share, input.confidence()?)?;
    Ok(json!({
        "estimate": share.value(), "ci": ends(interval), "low": interval.low, "high": interval.high,
        "lower": interval.low, "upper": interval.high,
    }))
}

fn effect(input: &Input<'_>) -> Answer {
    let found = effect_size(&input.numbers(input::FIRST)?, &input.numbers(input::SECOND)?)?;
    Ok(json!({ "d": found.d, "g": found.g, "cohens_d": found.d, "hedges_g": found.g }))
}

/// With `n` the power it has, else the size that reaches `power`.
fn power(input: &Input<'_>) -> Answer {
    let n = input.number(&["n", "n1", "nobs1", "n_per_group", "n_per_arm"])?;
    let n2 = input.number(&["n2", "nobs2"])?;
    let ratio = match (n, n2) {
        (Some(n), Some(n2)) => n2 / n,
        _ => input.number(&["ratio"])?.unwrap_or(1.0),
    };
    let alpha = input.number(&["alpha", "sig_level"])?.unwrap_or(0.05);
    let design = Design::new(told_apart(input)?, alpha, input.tail()?, ratio)?;
    match n {
        Some(n) => Ok(json!({ "power": design.power(n)? })),
        None => {
            let wanted = input.number(&["power", "target_power"])?.unwrap_or(0.8);
            let size = design.sample_size(wanted)?;
            let total = size.n.saturating_add(size.n2);
            Ok(json!({
                "n": size.n, "n_exact": size.n_exact, "n_per_group": size.n, "n1": size.n, "n2": size.n2,
                "n_total": total,
            }))
        }
    }
}

fn told_apart(input: &Input<'_>) -> Result<Effect, Refusal> {
    let means = (input.number(&["mean1"])?, input.number(&["mean2"])?, input.number(&["sd", "std"])?);
    let d = match means {
        (Some(one), Some(other), Some(spread)) => Some((one - other) / spread),
        _ => input.number(&["d", "effect_size", "effect", "cohens_d"])?,
    };
    if let Some(d) = d {
        return Ok(Effect::Means { d });
    }
    let p1 = input.number(&["p1", "baseline", "p_a", "control"])?;
    let p2 = input.number(&["p2", "p_b", "treatment"])?;
    let by = match input.word(&["method"])?.as_deref() {
        None | Some("normal") => Approximation::Normal,
        Some("arcsine") => Approximation::Arcsine,
        Some(_) => return Err(input::wrong("method", "normal or arcsine")),
    };
    match (p1, p2) {
        (Some(p1), Some(p2)) => Ok(Effect::Proportions { p1, p2, by }),
        _ => Err(Refusal::Missing("p1 and p2, or d")),
    }
}

fn chi_square(input: &Input<'_>) -> Answer {
    let counts = input.counts(&["observed", "counts", "obs", "n", "values"])?;
    let shares = input.maybe_numbers(&[
        "expected",
        "expected_ratio",
        "ratio",
        "ratios",
        "shares",
        "weights",
        "exp",
        "f_exp",
    ])?;
    let found = goodness_of_fit(&counts, shares.as_deref())?;
    let below = input.number(&["alpha"])?.unwrap_or(MISMATCH_BELOW);
    Ok(json!({
        "chi_square": found.chi_square, "statistic": found.chi_square, "df": found.df, "p": found.p,
        "p_value": found.p, "mismatch": found.p < below,
    }))
}

fn adjusted(input: &Input<'_>, by: fn(&[f64]) -> Result<Vec<f64>, Problem>) -> Answer {
    let p_values = input.numbers(&["p", "p_values", "pvalues", "ps", "pvals", "values"])?;
    let alpha = input.number(&["alpha", "q"])?.unwrap_or(0.05);
    let adjusted = by(&p_values)?;
    let rejected: Vec<_> = adjusted.iter().map(|p| *p <= alpha).collect();
    Ok(json!({ "adjusted": adjusted, "rejected": rejected }))
}

fn posterior(input: &Input<'_>) -> Answer {
    let confidence = input.confidence()?;
    let told = |beta: Beta| -> Answer {
        Ok(json!({
            "alpha": beta.alpha(), "beta": beta.beta(), "mean": beta.mean(), "variance": beta.variance(),
            "sd": beta.variance().sqrt(), "ci": ends(beta.interval(confidence)?),
        }))
    };
    let Some((a, b)) = input.two_betas()? else {
        return told(input.beta()?);
    };
    let b_exceeds = b.exceeds(a);
    Ok(json!({
        "a": told(a)?, "b": told(b)?, "p_b_greater": b_exceeds, "p_a_greater": a.exceeds(b),
        "prob_b_greater": b_exceeds,
    }))
}

fn brier_score(input: &Input<'_>) -> Answer {
    let found = brier(&input.numbers(input::SCORES)?, &input.flags(input::OUTCOMES)?)?;
    Ok(json!({
        "brier": found.brier, "skill": found.skill, "brier_skill": found.skill, "base_rate": found.base_rate,
    }))
}

/// An infinite end is null.
fn ends(interval: Interval) -> [f64; 2] {
    [interval.low, interval.high]
}
