//! What charts show: numbers by day, or from moment to moment. Drawn elsewhere; a picture that is to stand by itself
//! gets its colours here.

use crate::{crashes::CrashKind, experiments::machine::Point, signals::Signals, time::Timestamp};

/// Series of one chart: as many colours as are told apart.
pub const SERIES_MAX: usize = 6;
/// Moments of one chart.
const MOMENTS_MAX: i64 = 240;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub series: Vec<String>,
    /// Oldest first.
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub label: String,
    /// In the order of the series; `None` where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// Crashes of the last days by day and kind, days as they are so many minutes east of UTC. The most frequent kinds are
/// told one by one, the others together.
pub fn crashes_by_day(
    crashes: &[(Timestamp, CrashKind)],
    days: u32,
    offset_minutes: i32,
    now: Timestamp,
) -> Table {
    let day_of =
        |at: Timestamp| at.ms().saturating_add(i64::from(offset_minutes) * MINUTE_MS).div_euclid(DAY_MS);
    let today = day_of(now);
    let first = today.saturating_sub(i64::from(days) - 1);
    let shown: Vec<_> = crashes
        .iter()
        .map(|(at, kind)| (day_of(*at), *kind))
        .filter(|(day, _)| (first..=today).contains(day))
        .collect();
    let count = |kind: CrashKind| shown.iter().filter(|(_, of)| *of == kind).count();
    let mut kinds: Vec<_> = CrashKind::ALL.into_iter().filter(|kind| count(*kind) > 0).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(count(*kind)));
    let others = if kinds.len() > SERIES_MAX { kinds.split_off(SERIES_MAX - 1) } else { Vec::new() };
    let mut groups: Vec<(&str, Vec<CrashKind>)> =
        kinds.into_iter().map(|kind| (kind.name(), vec![kind])).collect();
    if !others.is_empty() {
        groups.push(("others", others));
    }
    let row = |day: i64| Row {
        label: date(day),
        values: groups
            .iter()
            .map(|(_, kinds)| {
                let of_day = shown.iter().filter(|(at, kind)| *at == day && kinds.contains(kind));
                Some(of_day.count() as f64)
            })
            .collect(),
    };
    Table {
        rows: (first..=today).map(row).collect(),
        series: groups.iter().map(|(name, _)| (*name).to_owned()).collect(),
    }
}

/// The date of a day since 1970.
pub(crate) fn date(day: i64) -> String {
    let text = Timestamp::from_ms(day.saturating_mul(DAY_MS)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// A chat's memory in megabytes and its context in per cent, in equal steps up to now: of each step the most memory, and
/// the context that was measured last.
pub fn signals_over_time(history: &[Signals], minutes: u64, now: Timestamp) -> Table {
    let minutes = i64::try_from(minutes).unwrap_or(i64::MAX / MINUTE_MS).max(1);
    let step = minutes.unsigned_abs().div_ceil(MOMENTS_MAX.unsigned_abs()).cast_signed();
    let (steps, step) = (minutes.unsigned_abs().div_ceil(step.unsigned_abs()), step * MINUTE_MS);
    let begin = now.ms().saturating_sub(steps.cast_signed().saturating_mul(step));
    let row = |number: u64| {
        let from = begin.saturating_add(number.cast_signed() * step);
        let until = from.saturating_add(step);
        let measured = || history.iter().filter(|signals| signals.at.ms() > from && signals.at.ms() <= until);
        let memory = measured().filter_map(|signals| signals.rss_bytes).max();
        let context = measured().filter_map(|signals| signals.context_used).next_back();
        let round = |value: f64| (value * 10.0).round() / 10.0;
        Row {
            label: Timestamp::from_ms(until).to_string(),
            values: vec![
                memory.map(|bytes| round(bytes as f64 / 1e6)),
                context.map(|share| round(share * 100.0)),
            ],
        }
    };
    Table { series: vec!["memory".to_owned(), "context".to_owned()], rows: (0..steps).map(row).collect() }
}

/// How the evidence about one new value came to stand where it does: that it is better, that it is worse, then the
/// outcomes of the old value and of the new one, and their means.
pub fn evidence_over_time(course: &[Point]) -> Table {
    let row = |point: &Point| {
        let ([old, new], [old_mean, new_mean]) = (point.n, point.means);
        let values = [point.better_e, point.worse_e, old as f64, new as f64, old_mean, new_mean];
        Row { label: point.at.to_string(), values: values.map(significant).to_vec() }
    };
    let series = ["better", "worse", "old_outcomes", "new_outcomes", "old_mean", "new_mean"];
    Table { series: series.map(str::to_owned).to_vec(), rows: course.iter().map(row).collect() }
}

/// To three figures below 100, to whole ones above; `None` of what is no number.
fn significant(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    let figures = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let scale = 10_f64.powf((2.0 - figures).clamp(0.0, 12.0));
    Some((value * scale).round() / scale)
}

/// The page's tokens, and the colours of a picture that stands by itself: on white, each with a contrast of 3 to 1.
const LIGHT: [(&str, &str); 9] = [
    ("var(--chart-1)", "#2f6fb0"),
    ("var(--chart-2)", "#c4572a"),
    ("var(--chart-3)", "#3d8447"),
    ("var(--chart-4)", "#8a55a8"),
    ("var(--chart-5)", "#9a7408"),
    ("var(--chart-6)", "#5f6b73"),
    ("var(--text-muted)", "#5b6068"),
    ("var(--border)", "#d4d7dc"),
    ("var(--surface)", "#ffffff"),
];

/// A chart as a file of its own: with colours, a ground and a size, and nothing that a page would have to give.
pub fn standing_alone(svg: &str) -> String {
    let mut alone = svg.replace("\"inherit\"", "\"sans-serif\"");
    for (token, colour) in LIGHT {
        alone = alone.replace(token, colour);
    }
    // The ground lies under all that is drawn: right behind the opening element.
    match alone.find('>') {
        Some(at) => {
            let (head, rest) = alone.split_at(at + 1);
            format!("{head}\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>{rest}")
        }
        None => alone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn counts(table: &Table) -> Vec<(String, Vec<f64>)> {
        let of = |row: &Row| (row.label.clone(), row.values.iter().map(|value| value.unwrap()).collect());
        table.rows.iter().map(of).collect()
    }

    #[test]
    fn evidence_is_told_with_what_it_rests_on() {
        let point = |minutes: i64, n, means, better_e, worse_e| Point {
            at: Timestamp::from_ms(minutes * MINUTE_MS),
            n,
            means,
            better_e,
            worse_e,
            ..Point::default()
        };
        let course = [
            point(0, [1, 0], [0.0, 0.0], 1.0, 1.0),
            point(90, [40, 21], [0.123_46, 0.047_62], 1234.56, 0.001_234_5),
            point(95, [40, 22], [0.1, 0.0], f64::INFINITY, f64::NAN),
        ];
        let table = evidence_over_time(&course);
        assert_eq!(table.series, ["better", "worse", "old_outcomes", "new_outcomes", "old_mean", "new_mean"]);
        let rows: Vec<_> = table.rows.iter().map(|row| (row.label.as_str(), row.values.clone())).collect();
        let some = |values: [f64; 6]| values.map(Some).to_vec();
        assert_eq!(
            rows,
            [
                ("1970-01-01T00:00:00.000Z", some([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])),
                ("1970-01-01T01:30:00.000Z", some([1235.0, 0.001_23, 40.0, 21.0, 0.123, 0.047_6])),
                ("1970-01-01T01:35:00.000Z", vec![None, None, Some(40.0), Some(22.0), Some(0.1), Some(0.0)]),
            ]
        );
    }

    #[test]
    fn a_crash_counts_on_the_day_it_was_where_its_reader_is() {
        let crashes = [
            (at("2026-11-27T23:59:59.999Z"), CrashKind::Killed),
            (at("2026-11-28T00:00:00.000Z"), CrashKind::Killed),
            (at("2026-11-28T22:30:00.000Z"), CrashKind::Hung),
            (at("2026-11-28T22:59:59.999Z"), CrashKind::Killed),
        ];
        let now = at("2026-11-28T23:30:00.000Z");
        for (offset, expected) in [
            (0, [("2026-11-27", [1.0, 0.0]), ("2026-11-28", [2.0, 1.0])]),
            (60, [("2026-11-28", [3.0, 1.0]), ("2026-11-29", [0.0, 0.0])]),
            (90, [("2026-11-28", [2.0, 0.0]), ("2026-11-29", [1.0, 1.0])]),
            (-60, [("2026-11-27", [2.0, 0.0]), ("2026-11-28", [1.0, 1.0])]),
            (-14 * 60, [("2026-11-27", [2.0, 0.0]), ("2026-11-28", [1.0, 1.0])]),
        ] {
            let table = crashes_by_day(&crashes, 2, offset, now);
            assert_eq!(table.series, ["killed", "hung"], "{offset}");
            let expected = expected.map(|(label, values)| (label.to_owned(), values.to_vec()));
            assert_eq!(counts(&table), expected, "{offset}");
        }
    }

    #[test]
    fn only_the_days_asked_for_are_shown_and_what_lies_ahead_is_not() {
        let now = at("2026-03-01T12:00:00.000Z");
        let crashes = [
            (at("2026-02-27T12:00:00.000Z"), CrashKind::Torn),
            (at("2026-02-28T12:00:00.000Z"), CrashKind::Exited),
            (at("2026-03-02T12:00:00.000Z"), CrashKind::Hung),
        ];
        let table = crashes_by_day(&crashes, 2, 0, now);
        assert_eq!(table.series, ["exited"]);
        assert_eq!(
            counts(&table),
            [("2026-02-28".to_owned(), vec![1.0]), ("2026-03-01".to_owned(), vec![0.0])]
        );
        assert_eq!(crashes_by_day(&[], 366, 0, now).rows.len(), 366);
    }

    #[test]
    fn the_rarest_kinds_are_counted_together_where_there_are_too_many() {
        let now = at("2026-03-01T12:00:00.000Z");
        let crashes: Vec<_> = CrashKind::ALL
            .iter()
            .enumerate()
            .flat_map(|(rank, kind)| vec![(now, *kind); CrashKind::ALL.len() - rank])
            .collect();
        let table = crashes_by_day(&crashes, 1, 0, now);
        assert_eq!(table.series.len(), SERIES_MAX);
        assert_eq!(table.series.last().map(String::as_str), Some("others"));
        let all: f64 = table.rows.iter().flat_map(|row| &row.values).flatten().sum();
        assert_eq!(all, crashes.len() as f64, "none is left out");
    }

    #[test]
    fn each_step_tells_what_was_measured_in_it_and_a_gap_is_one() {
        let now = at("2026-03-01T12:00:00.000Z");
        let measured = |ms: i64, rss: u64, context: f64| Signals {
            at: Timestamp::from_ms(now.ms() - ms),
            rss_bytes: Some(rss),
            context_used: Some(context),
            ..Signals::default()
        };
        let history = [
            measured(4 * MINUTE_MS, 900, 0.9),
            measured(3 * MINUTE_MS - 1, 200_000_000, 0.1),
            measured(2 * MINUTE_MS, 150_060_000, 0.204),
            measured(0, 1_000_000, 0.5),
        ];
        let table = signals_over_time(&history, 3, now);
        let rows: Vec<_> = table.rows.iter().map(|row| (row.label.as_str(), row.values.clone())).collect();
        assert_eq!(
            rows,
            [
                ("2026-03-01T11:58:00.000Z", vec![Some(200.0), Some(20.4)]),
                ("2026-03-01T11:59:00.000Z", vec![None, None]),
                ("2026-03-01T12:00:00.000Z", vec![Some(1.0), Some(50.0)]),
            ]
        );
        for minutes in [1, 240, 241, 365 * 24 * 60] {
            let rows = signals_over_time(&history, minutes, now).rows;
            assert!(!rows.is_empty() && rows.len() <= 240, "{minutes}: {}", rows.len());
            assert_eq!(rows.last().map(|row| row.label.clone()), Some(now.to_string()));
        }
    }
}
