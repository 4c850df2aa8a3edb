//! What every process rests on, factor by factor: where the outcome does not depend on the arm, what one
//! outcome is expected to add is nothing. How the processes do over many sessions shows `cargo xtask bench experiments`.

use proptest::prelude::*;

use super::{Bound, EffectKind, Evidence, Limit, Outcome, Scale};

fn grown(evidence: &Evidence, treated: bool, share: f64, value: f64, risk: Option<f64>) -> Evidence {
    let mut evidence = evidence.clone();
    evidence.observe(&Outcome { treated, share, value, risk });
    evidence
}

/// Some history, by its numbers.
fn history(scale: Scale, seed: u64, sessions: usize) -> Evidence {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut evidence = Evidence::new(scale, true);
    for _ in 0..sessions {
        let share = 0.1 + 0.8 * random.f64();
        let treated = random.f64() < share;
        let value = match scale {
            Scale::Binary => f64::from(u8::from(random.f64() < 0.2)),
            Scale::Positive => random.f64() / random.f64(),
        };
        let risk = random.bool().then(|| random.f64());
        evidence.observe(&Outcome { treated, share, value, risk });
    }
    evidence
}

proptest! {
    #[test]
    fn an_outcome_that_does_not_depend_on_the_arm_adds_nothing_in_expectation(
        seed in 0..1000_u64, sessions in 0..40_usize, share in 0.01..0.99, value in 0.0..1.0,
        risk in proptest::option::of(0.0..1.0), positive: bool,
    ) {
        let (scale, value) = if positive { (Scale::Positive, value * 30.0) } else { (Scale::Binary, value) };
        let evidence = history(scale, seed, sessions);
        let treated = grown(&evidence, true, share, value, risk);
        let control = grown(&evidence, false, share, value, risk);
        for e in [Evidence::better_e, Evidence::worse_e] {
            let expected = share * e(&treated) + (1.0 - share) * e(&control);
            prop_assert!((expected / e(&evidence) - 1.0).abs() < 1e-9, "{expected} after {}", e(&evidence));
        }
    }

    #[test]
    fn a_kept_limit_adds_nothing_in_expectation(limit in 0.01..0.9, share_of_it in 0.0..1.0, broken in 0..9_u32) {
        let rate = limit * share_of_it;
        for (limit, one, zero, rate) in [
            (Limit::MeanAtMost(limit), 1.0, 0.0, rate),
            (Limit::RateAtLeast(1.0 - limit), 0.0, 1.0, rate),
            (Limit::ShareAbove { value: 0.1, share: limit }, 0.2, 0.1, rate),
        ] {
            let mut bound = Bound::new(limit);
            (0..broken).for_each(|_| bound.observe(one));
            let after = |value| {
                let mut bound = bound.clone();
                bound.observe(value);
                bound.e()
            };
            let expected = rate * after(one) + (1.0 - rate) * after(zero);
            prop_assert!(expected <= bound.e() * (1.0 + 1e-12), "{limit:?}: {expected} after {}", bound.e());
        }
    }

    #[test]
    fn what_is_kept_comes_back_to_the_bit(seed in 0..1000_u64, sessions in 0..80_usize, positive: bool) {
        let evidence = history(if positive { Scale::Positive } else { Scale::Binary }, seed, sessions);
        let kept = serde_json::to_string(&evidence).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Evidence>(&kept).unwrap(), &evidence);
        prop_assert!(kept.len() < 32_000, "{} bytes", kept.len());
    }
}

#[test]
fn before_any_outcome_nothing_is_known() {
    let evidence = Evidence::new(Scale::Binary, true);
    for (is, known) in [
        (evidence.better_e(), 1.0),
        (evidence.worse_e(), 1.0),
        (evidence.p_better(), 0.5),
        (evidence.p_worse(), 0.5),
    ] {
        assert!((is - known).abs() < 1e-9, "{is}, and not {known}");
    }
    assert_eq!(evidence.effect(), None);
}

/// Where each arm of 400 sessions had 40 and 80 events the posterior is that of a normal approximation: a log odds
/// ratio of .811 with a standard error of .208, shrunk by the prior to .600 with .179.
#[test]
fn the_posterior_shrinks_what_was_seen() {
    let (n, events) = (400, [40, 80]);
    let mut evidence = Evidence::new(Scale::Binary, true);
    for session in 0..n {
        for (treated, events) in [(false, events[0]), (true, events[1])] {
            let value = f64::from(u8::from((session * events) % n < events));
            evidence.observe(&Outcome { treated, share: 0.5, value, risk: None });
        }
    }
    assert_eq!(evidence.arms().map(|arm| (arm.n, arm.events())), [(400, 40.0), (400, 80.0)]);
    // Φ(-.600 / .179)
    assert!((evidence.p_better() - 0.0004).abs() < 0.0004, "{}", evidence.p_better());
    assert!((evidence.p_better() + evidence.p_worse() - 1.0).abs() < 1e-12);
    let effect = evidence.effect().unwrap();
    assert_eq!(effect.kind, EffectKind::Difference);
    assert!((effect.estimate - 0.1).abs() < 0.01 && effect.low < 0.1 && effect.high > 0.1, "{effect:?}");
    assert!(effect.low > 0.0, "{effect:?}");
}

#[test]
fn what_is_no_outcome_is_left_out() {
    let evidence = history(Scale::Binary, 1, 20);
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(grown(&evidence, true, 0.5, value, None), evidence);
    }
    for share in [0.0, 1.0, f64::NAN] {
        let counted = grown(&evidence, true, share, 1.0, None);
        assert_eq!(counted.arms()[1].n, evidence.arms()[1].n + 1);
        assert_eq!((counted.better_e(), counted.effect()), (evidence.better_e(), evidence.effect()));
    }
}

#[test]
fn without_end_an_e_value_is_a_number() {
    let mut evidence = Evidence::new(Scale::Binary, true);
    let mut bound = Bound::new(Limit::MeanAtMost(0.0));
    for session in 0..20_000 {
        let treated = session % 2 == 0;
        evidence.observe(&Outcome { treated, share: 0.5, value: f64::from(u8::from(treated)), risk: None });
        bound.observe(1.0);
    }
    assert!(evidence.worse_e() > 1e200 && evidence.worse_e().is_finite());
    assert!(evidence.better_e() >= 0.0 && (evidence.p_worse() - 1.0).abs() < 1e-12);
    assert!(bound.e() > 1e200 && bound.e().is_finite());
}
