//! A year of the loop, many times: crashes of a year in which ideas were tried, against one in which nothing was. The
//! world is that of `tests/sim.rs`, the decisions are the engine's own.

#[path = "../../../../tests/sim/year.rs"]
mod world;

use std::thread;

use anyhow::{Context, Result};
use shim_core::experiments::audit::Audited;

use self::world::{CHATS_A_DAY, CRASHES, EFFECT, MIXES, Mix, Went, Year};
use crate::{
    Bench,
    figures::{Bound, Figure},
};

const DAYS: u64 = 365;
const THREADS: u64 = 2;
/// Crashes of a year at most, by mix: what a simulation of the rules alone came to before they were built.
const CRASHES_MAX: [f64; 3] = [620.0, 800.0, 830.0];

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let runs = bench.count(60, 4) as u64;
    let mut figures = Vec::new();
    for (mix, most) in MIXES.into_iter().zip(CRASHES_MAX) {
        let years = years(mix, runs)?;
        let name = |what: &str| format!("year {}: {what}", mix.name);
        let mean = |of: &dyn Fn(&Went) -> f64| years.iter().map(of).sum::<f64>() / years.len().max(1) as f64;
        let worst = years.iter().map(|went| went.last_rate).fold(0.0, f64::max);
        let crashes = Figure::value(&name("crashes"), "a year", mean(&|went| went.crashes as f64));
        let totals = |of: &dyn Fn(&Went) -> u64| mean(&|went| of(went) as f64);
        figures.push(crashes.within(Bound::AtMost(most), Bound::AtMost(most)).note(format!(
            "{runs} years of {} chats at {:.0} % crashes ({:.0} without the loop); of 100 ideas {} help, {} harm, the rest does \
             nothing; an effect multiplies by e^±{}..{}; begun {:.1}, deployed {:.1} (of them harmful {:.2}), confirmed \
             {:.1} (of them no better {:.2}), rolled back {:.1} (bounds {:.1}), inconclusive {:.1}; most crashes in one year {}",
            DAYS * CHATS_A_DAY,
            CRASHES * 100.0,
            (DAYS * CHATS_A_DAY) as f64 * CRASHES,
            mix.helps,
            mix.harms,
            EFFECT.0,
            EFFECT.1,
            totals(&|went| went.totals.begun),
            totals(&|went| went.totals.deployed),
            totals(&|went| went.harmful),
            totals(&|went| went.totals.confirmed),
            totals(&|went| went.wrongly_confirmed),
            totals(&|went| went.totals.rolled_back),
            totals(&|went| went.totals.violations),
            totals(&|went| went.totals.inconclusive),
            years.iter().map(|went| went.crashes).max().unwrap_or(0),
        )));
        let rate = Figure::value(&name("rate at its end"), "%", mean(&|went| went.last_rate) * 100.0);
        figures.push(rate.within(Bound::AtMost(CRASHES * 100.0), Bound::AtMost(CRASHES * 100.0)));
        let worst = Figure::value(&name("worst rate at its end"), "%", worst * 100.0);
        figures.push(worst.within(Bound::AtMost(CRASHES * 100.0), Bound::AtMost(CRASHES * 100.0)));
    }
    Ok(figures)
}

fn years(mix: Mix, runs: u64) -> Result<Vec<Went>> {
    let of_thread = move |first: u64| -> Vec<Went> {
        let seeds = (1..=runs).skip(first as usize).step_by(THREADS as usize);
        seeds
            .map(|seed| Year::new(Audited::default(), seed, mix, false).live(DAYS, |live, _| live).went)
            .collect()
    };
    let threads: Vec<_> = (0..THREADS).map(|first| thread::spawn(move || of_thread(first))).collect();
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread.join().ok().context("a year broke off")?);
    }
    Ok(all)
}
