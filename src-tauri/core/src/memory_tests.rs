//! Memory that runs out is told in time; what only moves is not.

use std::time::Duration;

use super::{Level, Memory, Thresholds, heap_of, v8_heap};

const MIB: f64 = 1024.0 * 1024.0;
const LIMIT: u64 = 4096 * 1024 * 1024;

/// Reads for so many minutes, each 5 s, bytes as `at` says by the second; gives the words said, with the minute.
fn said(minutes: u32, at: impl Fn(f64) -> f64) -> Vec<(u32, Level)> {
    let mut memory = Memory::default();
    let words = (0..minutes * 12).filter_map(|n| {
        let second = f64::from(n) * 5.0;
        let word = memory.look(second, at(second).max(0.0) as u64, LIMIT, &Thresholds::default())?;
        Some((n / 12, word.level))
    });
    words.collect()
}

#[test]
fn a_steady_rise_is_told_half_an_hour_ahead_and_again_when_it_is_near() {
    // 1 MiB a second from 500 MiB: 4096 is reached after 59.9 minutes.
    let words = said(59, |second| (500.0 + second) * MIB);
    assert_eq!(words, [(30, Level::Warn), (55, Level::Critical)]);
}

#[test]
fn a_leap_near_the_limit_is_told_at_once() {
    let words = said(30, |second| if second < 600.0 { 400.0 * MIB } else { 3700.0 * MIB });
    assert_eq!(words.first(), Some(&(10, Level::Warn)));
    let words = said(12, |second| if second < 600.0 { 400.0 * MIB } else { 4000.0 * MIB });
    assert_eq!(words, [(10, Level::Critical)]);
}

#[test]
fn what_does_not_run_out_is_not_told() {
    let saw = |second: f64| (300.0 + second % 90.0 * 12.0) * MIB;
    let start = |second: f64| (200.0 + (second * 10.0).min(150.0)) * MIB;
    let slow = |second: f64| (300.0 + second * 0.05) * MIB;
    let falling = |second: f64| (3000.0 - second * 0.5) * MIB;
    let spike = |second: f64| if second == 1500.0 { 3000.0 * MIB } else { 300.0 * MIB };
    assert_eq!(said(60, saw), [], "a heap that is collected");
    assert_eq!(said(60, start), [], "a start");
    assert_eq!(said(60, slow), [], "3 MiB a minute");
    assert_eq!(said(60, falling), [], "memory that is given back");
    assert_eq!(said(60, spike), [], "one reading out of line");
}

#[test]
fn a_level_that_flutters_is_told_once_in_a_while() {
    let words = said(61, |second| if second as u64 % 20 < 10 { 3400.0 * MIB } else { 3550.0 * MIB });
    assert_eq!(words.iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [0, 30, 60]);
}

#[test]
fn one_reading_out_of_line_does_not_change_the_slope() {
    let mut memory = Memory::default();
    for n in 0..40_u32 {
        let second = f64::from(n) * 15.0;
        let bytes = if n == 20 { 9000.0 } else { 500.0 + second };
        memory.look(second, (bytes * MIB) as u64, LIMIT, &Thresholds::default());
    }
    let slope = memory.slope().unwrap() / MIB;
    assert!((slope - 1.0).abs() < 0.02, "{slope}");
}

#[test]
fn how_long_is_left_is_told() {
    let mut memory = Memory::default();
    let words: Vec<_> = (0..120_u32)
        .filter_map(|n| {
            let second = f64::from(n) * 15.0;
            memory.look(second, ((2500.0 + second) * MIB) as u64, LIMIT, &Thresholds::default())
        })
        .collect();
    let left = words[0].left.unwrap();
    assert!(left > Duration::from_secs(1400) && left < Duration::from_secs(1600), "{left:?}");
}

#[test]
fn a_heaps_limit_is_read_from_the_programs_words() {
    for (words, heap) in [
        (vec!["node", "gemini.js"], None),
        (vec!["node", "--max-old-space-size=8192", "gemini.js"], Some(8192 << 20)),
        (vec!["--enable-source-maps --max-old-space-size=2048"], Some(2048 << 20)),
        (vec!["--max_old_space_size=100", "--max-old-space-size=200"], Some(200 << 20)),
        (vec!["--max-old-space-size=much", "--max-old-space-size=0"], None),
    ] {
        assert_eq!(heap_of(words.iter().copied()), heap, "{words:?}");
    }
    let gib = |n: u64| n << 30;
    assert_eq!([gib(1), gib(8), gib(16), gib(64)].map(v8_heap), [512 << 20, gib(2), gib(4), gib(4)]);
}
