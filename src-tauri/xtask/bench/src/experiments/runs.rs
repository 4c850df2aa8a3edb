//! Many runs of one experiment, each from a seed of its own, over all cores.

use std::{num::NonZero, thread};

use shim_core::experiments::{
    contest::{Contest, Decision, Levels},
    evidence::{Bound, Evidence, Limit, Scale},
};

use super::worlds::World;

/// The first seed; chosen after everything that is measured was fixed.
const SEED: u64 = 2_026_113_023;
/// Sessions between two looks at an interval.
const LOOK_EVERY: u32 = 10;

pub struct Setup {
    pub world: World,
    pub levels: Levels,
    pub scale: Scale,
    pub sessions: u32,
}

impl Setup {
    pub fn new(world: World, levels: Levels, sessions: u32) -> Self {
        Self { world, levels, scale: Scale::Binary, sessions }
    }
}

/// What came of a run.
#[derive(Clone, Copy)]
pub struct Run {
    pub decision: Decision,
    /// Until it was decided, or all there were.
    pub sessions: u32,
    /// Whether any arm was dropped.
    pub dropped: bool,
}

/// Runs until it is decided; looks after every session.
pub fn all(setup: &Setup, runs: usize) -> Vec<Run> {
    repeated(runs, |random| one(setup, random, |_, _| ()))
}

fn one(setup: &Setup, random: &mut fastrand::Rng, mut look: impl FnMut(u32, &Contest)) -> Run {
    let mut contest = Contest::of_two(setup.levels, setup.scale);
    for session in 0..setup.sessions {
        let share = setup.world.share(session, setup.sessions);
        let treated = random.f64() < share;
        let (value, risk) = setup.world.outcome(treated, session, setup.sessions, random);
        let decision = contest.observe(usize::from(treated), &[1.0 - share, share], value, risk);
        look(session, &contest);
        if decision != Decision::Continue {
            return Run { decision, sessions: session + 1, dropped: decision == Decision::RollBack };
        }
    }
    Run { decision: Decision::Continue, sessions: setup.sessions, dropped: false }
}

/// Runs whose interval was wrong at any look.
pub fn misses(setup: &Setup, truth: f64, runs: usize) -> usize {
    // Never decided, so that intervals are looked at to the end.
    let levels = Levels { ship: f64::MIN_POSITIVE, roll_back: f64::MIN_POSITIVE, together: false };
    let setup = Setup { levels, ..*setup };
    let missed = repeated(runs, |random| {
        let mut missed = false;
        one(&setup, random, |session, contest| {
            if session % LOOK_EVERY == 0 {
                let interval = contest.evidence().next().and_then(Evidence::effect);
                missed |= interval.is_some_and(|its| truth < its.low || truth > its.high);
            }
        });
        missed
    });
    missed.into_iter().filter(|missed| *missed).count()
}

/// An experiment with as many arms as rates; the first is the control's.
pub fn several(rates: &[f64], levels: Levels, sessions: u32, runs: usize) -> Vec<Run> {
    repeated(runs, |random| {
        let mut contest = Contest::new(levels, rates.len() - 1, &Evidence::new(Scale::Binary, true));
        for session in 0..sessions {
            let open = contest.open();
            let count = open.iter().filter(|open| **open).count();
            let shares: Vec<_> =
                open.iter().map(|open| if *open { 1.0 / count as f64 } else { 0.0 }).collect();
            let nth = random.usize(0..count);
            let arm = open.iter().enumerate().filter(|(_, open)| **open).nth(nth).map_or(0, |(arm, _)| arm);
            let rate = rates.get(arm).copied().unwrap_or(0.0);
            let value = f64::from(u8::from(random.f64() < rate));
            let decision = contest.observe(arm, &shares, value, None);
            if decision != Decision::Continue {
                return Run { decision, sessions: session + 1, dropped: contest.open().contains(&false) };
            }
        }
        let dropped = contest.open().contains(&false);
        Run { decision: Decision::Continue, sessions, dropped }
    })
}

/// The chance that a limit on a rate was found broken by then, after each session. It is exact: what the bets
/// have become depends on how many values were 1, not on their order.
pub fn alarms(rate: f64, limit: f64, alpha: f64, sessions: usize) -> Vec<f64> {
    // How likely so many values of 1 are, without an alarm so far.
    let mut chances = vec![1.0];
    let (mut fewest, mut alarmed) = (0, 0.0);
    let after = |n: usize| {
        let stays = chances.iter().map(|chance| chance * (1.0 - rate)).chain([0.0]);
        let rises = std::iter::once(0.0).chain(chances.iter().map(|chance| chance * rate));
        chances = stays.zip(rises).map(|(stays, rises)| stays + rises).collect();
        while fewest <= n && !is_broken(limit, alpha, fewest, n) {
            fewest += 1;
        }
        alarmed += chances.iter_mut().skip(fewest).map(std::mem::take).sum::<f64>();
        alarmed
    };
    (1..=sessions).map(after).collect()
}

fn is_broken(limit: f64, alpha: f64, ones: usize, of: usize) -> bool {
    let mut bound = Bound::new(Limit::MeanAtMost(limit));
    (0..of).for_each(|n| bound.observe(f64::from(u8::from(n < ones))));
    bound.e() >= 1.0 / alpha
}

/// Sessions of the runs that ended so.
pub fn stopped(runs: &[Run], so: impl Fn(&Run) -> bool) -> Vec<u32> {
    runs.iter().map(|run| if so(run) { run.sessions } else { u32::MAX }).collect()
}

/// A share, and its standard error.
pub fn share(count: usize, of: usize) -> (f64, f64) {
    let of = of.max(1) as f64;
    let share = count as f64 / of;
    (share, (share * (1.0 - share) / of).sqrt())
}

fn repeated<T: Send>(runs: usize, run: impl Fn(&mut fastrand::Rng) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let run = &run;
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = (thread..runs).step_by(threads);
                scope.spawn(move || {
                    seeds
                        .map(|seed| run(&mut fastrand::Rng::with_seed(SEED + seed as u64)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        // A run that panics is a fault of the benchmark: its runs are missing, and the figures with them.
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}
