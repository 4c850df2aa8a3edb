//! What a year of the loop must keep to, in few years; `cargo xtask bench --only experiments-year` lives through many.

use std::thread;

use shim_core::experiments::audit::{Audited, Entry, replay};

use crate::year::{CHATS_A_DAY, CRASHES, MIXES, Year};

/// A third of a year: in a debug build a whole one takes half a minute.
const DAYS: u64 = 120;
/// Years of each mix.
const SEEDS: usize = 3;

#[test]
fn it_ends_better_than_it_began() {
    let without = (DAYS * CHATS_A_DAY) as f64 * CRASHES;
    for (first, mix) in (1..).step_by(SEEDS).zip(MIXES) {
        // Luck has much to say in one of them: together they must be better, and none may end worse.
        let years = thread::scope(|scope| {
            let live =
                |seed: u64| Year::new(Audited::default(), seed, mix, false).live(DAYS, |live, _| live).went;
            let years: Vec<_> = (first..).take(SEEDS).map(|seed| scope.spawn(move || live(seed))).collect();
            years.into_iter().map(|year| year.join().unwrap()).collect::<Vec<_>>()
        });
        println!("{}: {years:?}", mix.name);
        let mean = years.iter().map(|went| went.crashes).sum::<u64>() as f64 / SEEDS as f64;
        assert!(mean < 0.85 * without, "{}: {mean} crashes", mix.name);
        for went in years {
            assert!(went.last_rate < CRASHES, "{}: {}", mix.name, went.last_rate);
            assert!(went.totals.deployed >= went.totals.confirmed, "{went:?}");
        }
    }
}

#[test]
fn putting_the_loop_away_at_any_moment_changes_nothing() {
    let whole = Year::new(Audited::default(), 7, MIXES[0], true).live(25, |live, _| live);
    let mut random = fastrand::Rng::with_seed(7);
    let mut kept = serde_json::to_string(&Audited::default()).unwrap();
    let restart = |live: Audited, log: &[Entry]| {
        // The state is kept now and then; the log has what came since.
        if random.u8(0..4) == 0 {
            kept = serde_json::to_string(&live).unwrap();
        }
        let log: Vec<Entry> = serde_json::from_str(&serde_json::to_string(log).unwrap()).unwrap();
        drop(live);
        played(serde_json::from_str(&kept).unwrap(), log)
    };
    let restarted = Year::new(Audited::default(), 7, MIXES[0], true).live(25, restart);
    assert_eq!(restarted.live, whole.live);
    assert_eq!(restarted.went.crashes, whole.went.crashes);
    assert_eq!(restarted.log, whole.log);
    // And the whole log alone gives it too.
    assert_eq!(played(Audited::default(), whole.log), whole.live);
}

fn played(mut from: Audited, log: Vec<Entry>) -> Audited {
    replay(&mut from, log).unwrap();
    from
}
