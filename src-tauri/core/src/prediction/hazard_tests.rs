//! The learner against coefficients that others published, against other programs on the same rows, and
//! against rows made to break it.

use proptest::prelude::*;

use super::{Fit, FitError, Link, Prior, Rows, fit, log_likelihood, probability};

const ORINGS: &str = include_str!("../../../../tests/data/prediction/orings.csv");
const BEETLES: &str = include_str!("../../../../tests/data/prediction/beetles.csv");
const ROSSI: &str = include_str!("../../../../tests/data/prediction/rossi.csv");

/// The rows of a file, without its notes and its heading.
fn table(text: &str) -> Vec<Vec<f64>> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect()
}

fn unpenalised(rows: &Rows, link: Link) -> Fit {
    fit(rows, link, &Prior::none(rows.width), || true).unwrap()
}

#[track_caller]
fn agrees(found: &[f64], wanted: &[f64], relative: f64) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= relative * wanted.abs(), "{found} is not {wanted}");
    }
}

fn orings() -> Rows {
    let mut rows = Rows::new(2);
    for line in table(ORINGS) {
        rows.push(&[1.0, line[0]], 0.0, 1.0, line[1] == 1.0).unwrap();
    }
    rows
}

fn beetles() -> Rows {
    let mut rows = Rows::new(2);
    for line in table(BEETLES) {
        let (dose, all, killed) = (line[0], line[1], line[2]);
        rows.push(&[1.0, dose], 0.0, killed, true).unwrap();
        rows.push(&[1.0, dose], 0.0, all - killed, false).unwrap();
    }
    rows
}

/// One row for each week that a man was still free at the start of: in which week, arrested in it, covariates.
fn weeks() -> Vec<(u32, bool, [f64; 7])> {
    let men = table(ROSSI);
    let weeks = men.iter().flat_map(|man| {
        let (last, arrested) = (man[0] as u32, man[1] == 1.0);
        let covariates: [f64; 7] = man[2..9].try_into().unwrap();
        (1..=last).map(move |week| (week, arrested && week == last, covariates))
    });
    weeks.collect()
}

#[test]
fn the_orings_give_the_published_logit() {
    assert_eq!(orings().len(), 23);
    let found = unpenalised(&orings(), Link::Logit);
    // As printed: 15.0429 and -0.2322.
    assert!((found.coefficients[0] - 15.0429).abs() < 0.000_05, "{found:?}");
    assert!((found.coefficients[1] + 0.2322).abs() < 0.000_05, "{found:?}");
    // statsmodels 0.15.0.
    agrees(&found.coefficients, &[15.042901647702, -0.232162744219], 1e-9);
    agrees(&[found.log_likelihood], &[-10.157596343933], 1e-9);
}

#[test]
fn the_beetles_give_both_published_fits() {
    let found = unpenalised(&beetles(), Link::Logit);
    agrees(&found.coefficients, &[-60.717455, 34.270326], 1e-7);
    let found = unpenalised(&beetles(), Link::Cloglog);
    assert!((found.coefficients[0] + 39.572).abs() < 0.0005, "{found:?}");
    assert!((found.coefficients[1] - 22.041).abs() < 0.0005, "{found:?}");
    agrees(&found.coefficients, &[-39.572310606138, 22.041169820758], 1e-9);
}

/// A week is to a man what a minute is to a chat.
#[test]
fn weeks_of_freedom_give_the_discrete_time_hazard_of_another_program() {
    let mut rows = Rows::new(9);
    for (week, arrested, covariates) in weeks() {
        let numbers: Vec<_> = [1.0].into_iter().chain(covariates).chain([f64::from(week).ln()]).collect();
        rows.push(&numbers, 0.0, 1.0, arrested).unwrap();
    }
    assert_eq!(rows.len(), 19_809);
    let found = unpenalised(&rows, Link::Cloglog);
    // statsmodels 0.15.0, GLM, binomial with CLogLog, on the same person-weeks.
    let wanted = [
        -5.169211593423,
        -0.381857188204,
        -0.057238114363,
        0.315117091882,
        -0.148702013842,
        -0.436647241145,
        -0.083098308092,
        0.092234655307,
        0.372422523863,
    ];
    agrees(&found.coefficients, &wanted, 1e-8);
    agrees(&[found.log_likelihood], &[-680.9529092775283], 1e-10);
}

/// With a level of its own for each week, the coefficients are those of grouped proportional hazards: the
/// published Cox fit, but for its way with ties.
#[test]
fn with_a_level_for_each_week_the_published_cox_fit_comes_out() {
    let weeks = weeks();
    let mut with_arrests: Vec<_> = weeks.iter().filter(|row| row.1).map(|row| row.0).collect();
    with_arrests.dedup();
    with_arrests.sort_unstable();
    with_arrests.dedup();
    let levels = with_arrests.len();
    let mut rows = Rows::new(levels + 7);
    for (week, arrested, covariates) in weeks {
        // A week without an arrest says nothing but that its level is low without end.
        let Ok(level) = with_arrests.binary_search(&week) else { continue };
        let mut numbers = vec![0.0; levels];
        numbers[level] = 1.0;
        numbers.extend(covariates);
        rows.push(&numbers, 0.0, 1.0, arrested).unwrap();
    }
    let found = unpenalised(&rows, Link::Cloglog).coefficients.split_off(levels);
    let published = [-0.3794, -0.0574, 0.3139, -0.1498, -0.4337, -0.0849, 0.0915];
    for (found, published) in found.iter().zip(published) {
        assert!((found - published).abs() < 0.001, "{found} is not {published}");
    }
    let other = [
        -0.380172367871,
        -0.057546499213,
        0.314299846912,
        -0.149587786836,
        -0.434095487088,
        -0.085142609986,
        0.091769415243,
    ];
    agrees(&found, &other, 1e-6);
}

/// The weeks with covariates of mean 0 and variance 1, and a constant before them.
fn standardised_weeks() -> Rows {
    let weeks = weeks();
    let count = weeks.len() as f64;
    let mean: Vec<f64> = (0..7).map(|at| weeks.iter().map(|row| row.2[at]).sum::<f64>() / count).collect();
    let deviation: Vec<f64> = (0..7)
        .map(|at| (weeks.iter().map(|row| (row.2[at] - mean[at]).powi(2)).sum::<f64>() / count).sqrt())
        .collect();
    let mut rows = Rows::new(8);
    for (_, arrested, covariates) in weeks {
        let scaled = (0..7).map(|at| (covariates[at] - mean[at]) / deviation[at]);
        let numbers: Vec<_> = [1.0].into_iter().chain(scaled).collect();
        rows.push(&numbers, 0.0, 1.0, arrested).unwrap();
    }
    rows
}

#[test]
fn a_penalised_fit_is_that_of_scikit_learn() {
    let rows = standardised_weeks();
    // scikit-learn 1.9.1, LogisticRegression(C=1/25, solver="newton-cholesky", tol=1e-14).
    let wanted = [
        -5.252019636502,
        -0.151213260035,
        -0.251587629959,
        0.077804732753,
        -0.092737499232,
        -0.116272012355,
        -0.030568945563,
        0.204438445288,
    ];
    let mut prior = Prior { centre: vec![0.0; 8], strength: vec![25.0; 8] };
    prior.strength[0] = 0.0;
    let found = fit(&rows, Link::Logit, &prior, || true).unwrap();
    agrees(&found.coefficients, &wanted, 1e-6);
}

#[test]
fn a_fit_pulled_towards_a_centre_is_that_of_a_general_optimiser() {
    let prior = Prior {
        centre: vec![-5.0, 0.5, -0.5, 0.0, 0.0, -0.25, 0.0, 0.25],
        strength: vec![1.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0],
    };
    // scipy 1.17.1, BFGS on the penalised complementary log-log likelihood, gradient below 1e-5.
    let wanted = [
        -5.293267664,
        -0.12542338323,
        -0.369176299467,
        0.088866836026,
        -0.057798451117,
        -0.157765076222,
        -0.034336966628,
        0.234082866157,
    ];
    let found = fit(&standardised_weeks(), Link::Cloglog, &prior, || true).unwrap();
    agrees(&found.coefficients, &wanted, 1e-5);
}

#[test]
fn rows_told_apart_wholly_are_refused_without_a_penalty_and_fitted_with_one() {
    for link in [Link::Logit, Link::Cloglog] {
        let mut rows = Rows::new(2);
        for n in -5_i32..=5 {
            rows.push(&[1.0, f64::from(n) + 0.5], 0.0, 1.0, n >= 0).unwrap();
        }
        let alone = fit(&rows, link, &Prior::none(2), || true);
        assert!(alone.is_err(), "{alone:?}");
        let prior = Prior { centre: vec![0.0; 2], strength: vec![1.0; 2] };
        let found = fit(&rows, link, &prior, || true).unwrap();
        assert!(found.coefficients[1] > 0.1 && found.coefficients[1] < 5.0, "{found:?}");
    }
}

#[test]
fn without_a_row_the_fit_is_what_was_believed() {
    let prior = Prior { centre: vec![-7.0, 2.0, 1.0], strength: vec![1.0, 8.0, 8.0] };
    let found = fit(&Rows::new(3), Link::Cloglog, &prior, || true).unwrap();
    assert_eq!(found.coefficients, prior.centre);
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let mut twice = Rows::new(2);
    for n in 0..9 {
        twice.push(&[1.0, 1.0], 0.0, 1.0, n % 3 == 0).unwrap();
    }
    assert_eq!(fit(&twice, Link::Logit, &Prior::none(2), || true), Err(FitError::Undetermined));
    assert_eq!(fit(&twice, Link::Logit, &Prior::none(2), || false), Err(FitError::Stopped));
    assert_eq!(
        fit(&twice, Link::Logit, &Prior::none(3), || true),
        Err(FitError::Width { wanted: 2, found: 3 })
    );
    assert_eq!(twice.push(&[1.0, f64::NAN], 0.0, 1.0, true), Err(FitError::NotFinite));
    assert_eq!(twice.push(&[1.0], 0.0, 1.0, true), Err(FitError::Width { wanted: 2, found: 1 }));
}

prop_compose! {
    fn any_rows()(
        rows in prop::collection::vec(
            (prop::array::uniform3(-8.0..8.0_f64), -6.0..6.0_f64, 0.0..40.0_f64, any::<bool>()),
            0..40,
        )
    ) -> Rows {
        let mut all = Rows::new(4);
        for (numbers, offset, weight, yes) in rows {
            let numbers: Vec<_> = [1.0].into_iter().chain(numbers).collect();
            all.push(&numbers, offset, weight, yes).unwrap();
        }
        all
    }
}

fn any_link() -> impl Strategy<Value = Link> {
    prop_oneof![Just(Link::Logit), Just(Link::Cloglog)]
}

proptest! {
    #[test]
    fn a_penalised_fit_is_always_found_and_is_a_summit(
        rows in any_rows(), link in any_link(), strength in 0.05..50.0_f64,
    ) {
        let prior = Prior { centre: vec![-6.0, 1.0, 0.0, 0.0], strength: vec![strength; 4] };
        let found = fit(&rows, link, &prior, || true).unwrap();
        let height = |at: &[f64]| log_likelihood(&rows, link, at) - prior.cost(at);
        let top = height(&found.coefficients);
        prop_assert!(top.is_finite());
        for at in 0..4 {
            for away in [-1e-2, 1e-2] {
                let mut beside = found.coefficients.clone();
                beside[at] += away;
                prop_assert!(height(&beside) <= top + 1e-7 * (1.0 + top.abs()), "{beside:?} is higher");
            }
        }
    }

    #[test]
    fn the_stronger_the_belief_the_nearer_the_fit(rows in any_rows(), link in any_link()) {
        let centre = vec![-6.0, 1.0, 0.0, 0.0];
        let mut last = f64::INFINITY;
        for strength in [0.1, 1.0, 10.0, 100.0, 1000.0] {
            let prior = Prior { centre: centre.clone(), strength: vec![strength; 4] };
            let found = fit(&rows, link, &prior, || true).unwrap();
            let away: f64 = found.coefficients.iter().zip(&centre).map(|(a, b)| (a - b).powi(2)).sum();
            prop_assert!(away <= last * (1.0 + 1e-6) + 1e-9, "{away} > {last} at {strength}");
            last = away;
        }
    }

    #[test]
    fn a_probability_is_one_whatever_it_is_of(eta in any::<f64>(), link in any_link()) {
        let p = probability(link, eta);
        prop_assert!((0.0..=1.0).contains(&p), "{p}");
    }
}
