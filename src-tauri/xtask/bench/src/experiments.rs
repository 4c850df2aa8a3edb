//! How often experiments are judged wrongly and how soon rightly: seeded runs of the very code that judges
//! them, each looked at after every session. No clock, no process: the same figures on every machine.

mod runs;
mod worlds;

use anyhow::Result;
use shim_core::experiments::{
    contest::{Decision, Levels},
    evidence::Scale,
};

use self::{
    runs::{Run, alarms, misses, several, share, stopped},
    worlds::{Arms, Risks, World},
};
use crate::{
    Bench,
    figures::{Bound, Figure},
};

/// Runs of a row: the standard error of a share is at most .008, of one near .05 it is .0035.
const RUNS: usize = 4000;
const QUICK_RUNS: usize = 300;
/// Ranks are slower to tell than rates.
const RUNS_OF_SECONDS: usize = 1000;
const QUICK_RUNS_OF_SECONDS: usize = 60;

const ALPHA: f64 = 0.05;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let many = bench.count(RUNS, QUICK_RUNS);
    let fewer = bench.count(RUNS_OF_SECONDS, QUICK_RUNS_OF_SECONDS);
    let parts =
        [nulls(many), gains(many), covariate(many), harm(many), bounds(), seconds(fewer), arms(fewer)];
    Ok(parts.into_iter().flatten().collect())
}

/// What is to be run, in strict mode.
fn strict(world: World, sessions: u32, runs: usize) -> Vec<Run> {
    runs::all(&runs::Setup::new(world, Levels::strict(ALPHA), sessions), runs)
}

fn nulls(runs: usize) -> Vec<Figure> {
    let of = |name: &str, world: World| {
        let runs = strict(world, 2700, runs);
        share_of(&format!("false verdicts, {name}, 2700 sessions"), &runs, Bound::AtMost(0.05), |run| {
            run.decision != Decision::Continue
        })
    };
    vec![
        of("both arms 12 %", World::rates(0.12, 0.12)),
        of("drifting 6→18 %", World::of(Arms::Drift)),
        of("cycling 5/25 %", World::of(Arms::Cycle)),
        of("share 10→25→50 % under drift", World::of(Arms::Drift).ramped()),
        of("risks of AUC .91", Risks::telling(0.91, [0.12, 0.12]).world()),
        of("risks that mean nothing", World::rates(0.12, 0.12).with_empty_risks()),
    ]
}

fn gains(runs: usize) -> Vec<Figure> {
    let small = strict(World::rates(0.12, 0.08), 2700, runs);
    let large = strict(World::rates(0.12, 0.04), 900, runs);
    let mut figures = power("power 12→8 %", &small, [0.26, 0.73]);
    figures.push(share_of("power 12→4 %, 900 sessions", &large, Bound::AtLeast(0.955), shipped));
    let mean = large.iter().map(|run| f64::from(run.sessions)).sum::<f64>() / large.len() as f64;
    figures
        .push(Figure::value("mean sessions at 12→4 %", "", mean).within(Bound::AtMost(380.0), Bound::None));
    figures
}

fn covariate(runs: usize) -> Vec<Figure> {
    let exact = Risks::telling(0.91, [0.12, 0.08]);
    let halved = Risks::of_odds_ratio(0.91, 0.12, 0.5);
    let mut figures =
        power("power 12→8 %, risk of AUC .91", &strict(exact.world(), 2700, runs), [0.34, 0.91]);
    let name = format!("power 12→{:.1} % (odds halved), risk of AUC .91", 100.0 * halved.rates()[1]);
    figures.extend(power(&name, &strict(halved.world(), 2700, runs), [0.34, 0.91]));
    let unused = strict(halved.world().without_risks(), 2700, runs);
    figures.extend(power("the same without the risk", &unused, [0.0, 0.0]));
    figures
}

/// At 900 and at 2700 sessions: a look does not know how many will follow.
fn power(name: &str, runs: &[Run], least: [f64; 2]) -> Vec<Figure> {
    let at = |sessions: u32, least: f64| {
        let bound = if least > 0.0 { Bound::AtLeast(least) } else { Bound::None };
        share_of(&format!("{name}, {sessions} sessions"), runs, bound, |run| {
            shipped(run) && run.sessions <= sessions
        })
    };
    vec![at(900, least[0]), at(2700, least[1])]
}

fn harm(runs: usize) -> Vec<Figure> {
    let of = |rate: f64| {
        let world = World::rates(0.12, rate);
        runs::all(&runs::Setup::new(world, Levels::lenient(ALPHA), 900), runs)
    };
    let some = of(0.18);
    let back = |run: &Run| run.decision == Decision::RollBack;
    let mut figures = vec![
        share_of("12→18 % rolled back, 900 sessions", &some, Bound::AtLeast(0.78), back),
        share_of("12→18 % wrongly shipped", &some, Bound::AtMost(0.003), shipped),
    ];
    for (rate, most) in [(0.30, 57.0), (0.60, 16.0)] {
        let name = format!("median sessions at 12→{:.0} %", 100.0 * rate);
        figures.push(median_of(&name, stopped(&of(rate), back), most));
    }
    figures
}

fn bounds() -> Vec<Figure> {
    let of = |rate: f64| alarms(rate, 0.10, ALPHA, 450);
    let safe = of(0.08).pop().unwrap_or_default();
    let mut figures = vec![
        Figure::value("bound 10 %: false alarm at 8 %", "share", safe)
            .within(Bound::AtMost(0.01), Bound::None)
            .note("exact, 450 sessions"),
    ];
    for (rate, most) in [(0.18, 111.0), (0.30, 23.0), (0.60, 4.0)] {
        let median =
            of(rate).iter().position(|chance| *chance >= 0.5).map_or(f64::INFINITY, |n| n as f64 + 1.0);
        figures.push(
            Figure::value(
                &format!("bound 10 %: median sessions at {:.0} %", 100.0 * rate),
                "sessions",
                median,
            )
            .within(Bound::AtMost(most), Bound::None)
            .note("exact"),
        );
    }
    figures
}

fn seconds(runs: usize) -> Vec<Figure> {
    let of = |world: World| {
        let setup = runs::Setup::new(world, Levels::strict(ALPHA), 600);
        runs::all(&runs::Setup { scale: Scale::Positive, ..setup }, runs)
    };
    let mut figures = Vec::new();
    for (name, arms) in [
        ("lognormal", Arms::Lognormal { ratio: 1.0 }),
        ("of infinite mean", Arms::HeavyTailed { ratio: 1.0 }),
        ("drifting tenfold", Arms::DriftingSeconds),
        ("counts, mostly 0", Arms::Counts { ratio: 1.0 }),
    ] {
        let name = format!("false verdicts, seconds {name}, 600 sessions");
        let verdict = |run: &Run| run.decision != Decision::Continue;
        figures.push(share_of(&name, &of(World::of(arms)), Bound::AtMost(0.05), verdict));
    }
    for (name, arms) in [
        ("lognormal", Arms::Lognormal { ratio: 0.7 }),
        ("of infinite mean", Arms::HeavyTailed { ratio: 0.7 }),
    ] {
        let name = format!("power, seconds {name} × .7, 600 sessions");
        figures.push(share_of(&name, &of(World::of(arms)), Bound::None, shipped));
    }
    for (name, world, scale) in [
        ("difference 12→8 %", World::rates(0.12, 0.08), Scale::Binary),
        ("ratio .7", World::of(Arms::Lognormal { ratio: 0.7 }), Scale::Positive),
    ] {
        let setup = runs::Setup { scale, ..runs::Setup::new(world, Levels::strict(ALPHA), 600) };
        let missed = misses(&setup, if scale == Scale::Binary { -0.04 } else { 0.7 }, runs);
        let name = format!("intervals that ever missed: {name}");
        figures.push(share_figure(&name, missed, runs).within(Bound::AtMost(0.05), Bound::None));
    }
    figures
}

/// Three treatments against a control.
fn arms(runs: usize) -> Vec<Figure> {
    let of = |rates: [f64; 4], levels: Levels| several(&rates, levels, 2700, runs);
    let null = of([0.12; 4], Levels::strict(ALPHA));
    let mixed = of([0.12, 0.06, 0.12, 0.30], Levels::lenient(ALPHA));
    let any = |run: &Run| matches!(run.decision, Decision::Ship(_)) || run.dropped;
    vec![
        share_of("four arms alike: any false verdict, 2700 sessions", &null, Bound::AtMost(0.05), any),
        share_of("four arms 12/6/12/30 %: the best is shipped", &mixed, Bound::None, |run| {
            run.decision == Decision::Ship(1)
        }),
        share_of(
            "four arms 12/6/12/30 %: another is shipped",
            &mixed,
            Bound::AtMost(0.05),
            |run| matches!(run.decision, Decision::Ship(arm) if arm != 1),
        ),
    ]
}

fn shipped(run: &Run) -> bool {
    matches!(run.decision, Decision::Ship(_))
}

fn share_of(name: &str, runs: &[Run], bound: Bound, of: impl Fn(&Run) -> bool) -> Figure {
    let count = runs.iter().filter(|run| of(run)).count();
    share_figure(name, count, runs.len()).within(bound, Bound::None)
}

fn share_figure(name: &str, count: usize, of: usize) -> Figure {
    let (share, error) = share(count, of);
    Figure::value(name, "share", share).note(format!("standard error {error:.4}, {of} runs"))
}

fn median_of(name: &str, mut sessions: Vec<u32>, most: f64) -> Figure {
    sessions.sort_unstable();
    let median = sessions.get(sessions.len() / 2).copied().unwrap_or(u32::MAX);
    Figure::value(name, "sessions", f64::from(median)).within(Bound::AtMost(most), Bound::None)
}

#[cfg(test)]
mod tests {
    use super::{Decision, Levels, Run, World, alarms, runs, share, shipped, strict, worlds::Risks};

    /// Whether a share of few runs can be that of many: within four standard errors.
    #[track_caller]
    fn check(name: &str, runs: &[Run], of: impl Fn(&Run) -> bool, [least, most]: [f64; 2]) {
        let (found, _) = share(runs.iter().filter(|run| of(run)).count(), runs.len());
        let error = |truth: f64| 4.0 * (truth * (1.0 - truth) / runs.len() as f64).sqrt();
        assert!(found >= least - error(least) && found <= most + error(most), "{name}: {found}");
    }

    #[test]
    fn experiments_are_judged_as_the_figures_say() {
        let verdict = |run: &Run| run.decision != Decision::Continue;
        check("alike", &strict(World::rates(0.12, 0.12), 900, 200), verdict, [0.0, 0.05]);
        check("12→4 %", &strict(World::rates(0.12, 0.04), 900, 100), shipped, [0.955, 1.0]);
        let risks = Risks::telling(0.91, [0.12, 0.08]);
        check("risk", &strict(risks.world(), 900, 100), shipped, [0.34, 1.0]);
        let setup = runs::Setup::new(World::rates(0.12, 0.18), Levels::lenient(0.05), 900);
        check("harm", &runs::all(&setup, 100), |run| run.decision == Decision::RollBack, [0.78, 1.0]);
    }

    #[test]
    fn a_bound_is_judged_as_the_figures_say() {
        let alarmed = |rate: f64, by: usize| alarms(rate, 0.10, 0.05, by)[by - 1];
        assert!(alarmed(0.08, 450) <= 0.01);
        for (rate, by) in [(0.18, 111), (0.30, 23), (0.60, 4)] {
            assert!(alarmed(rate, by) >= 0.5, "{rate}");
        }
    }
}
