//! The picture of an experiment's evidence: how it came to stand where it does, and the boundaries at which something is
//! decided. Both are drawn as they multiply, since each further chat multiplies evidence.

use plotters::prelude::*;
use shim_api::{ApiError, charts::Chart, error::ErrorCode};
use shim_core::{
    charts::{Row, Table, evidence_over_time},
    experiments::machine::{CONFIRM_E, ROLLBACK_E},
    time::Timestamp,
};

use super::{
    BORDER, FONT_SIZE, LEGEND_HEIGHT, LINE, MUTED, WIDTH, X_LABELS, chart, draw_legend, in_the_pages_colours,
    not_drawn, value_mark,
};
use crate::run::Handle;

const HEIGHT: u32 = 360;
const TITLE: &str = "Evidence";
/// Evidence beyond these is drawn at the edge: it says no more there.
const DRAWN_MIN: f64 = 0.01;
const DRAWN_MAX: f64 = 1e6;
/// The least of a scale's top and bottom, so that little evidence looks like little.
const LOW: f64 = 0.1;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A course that is longer is labelled with days.
const CLOCK_MAX_MS: i64 = 2 * DAY_MS;

/// A half of the picture: what is drawn, and where something is decided.
struct Side {
    series: usize,
    boundary: f64,
    says: String,
}

/// The evidence about one new value of an experiment over time. Moments are labelled as they are so many minutes east of
/// UTC.
pub fn evidence(
    handle: &Handle,
    experiment: u64,
    arm: usize,
    offset_minutes: i32,
) -> Result<Chart, ApiError> {
    let found = handle.call(move |watch| {
        let found = watch.experiments.improvement().experiment(experiment)?;
        let place = arm.checked_sub(1)?;
        let course = found.trials.get(place).map(|trial| trial.course.clone());
        Some((course.unwrap_or_default(), found.trials.len()))
    })?;
    let Some((course, treatments)) = found else {
        let message = format!("there is no experiment {experiment} with a new value {arm}");
        return Err(ApiError::new(ErrorCode::NotFound, message));
    };
    let treatments = u32::try_from(treatments.max(1)).unwrap_or(u32::MAX);
    let table = evidence_over_time(&course);
    let svg =
        lines(&table, CONFIRM_E * f64::from(treatments), ROLLBACK_E, offset_minutes).map_err(not_drawn)?;
    Ok(chart(TITLE, svg, "evidence, outcomes, means", table))
}

/// Above, that it is better, up to where that is confirmed; below, that it is worse, up to where it is rolled back.
fn lines(table: &Table, confirm: f64, roll_back: f64, offset_minutes: i32) -> anyhow::Result<String> {
    let mut drawn = String::new();
    let sides = [
        Side { series: 0, boundary: confirm, says: format!("confirmed at {confirm}") },
        Side { series: 1, boundary: roll_back, says: format!("rolled back at {roll_back}") },
    ];
    {
        let root = SVGBackend::with_string(&mut drawn, (WIDTH, HEIGHT)).into_drawing_area();
        let (legend, area) = root.split_vertically(LEGEND_HEIGHT);
        let names: Vec<_> = table.series.iter().take(sides.len()).cloned().collect();
        draw_legend(&legend, &names)?;
        for (side, part) in sides.iter().zip(area.split_evenly((sides.len(), 1))) {
            draw_side(&part, table, side, offset_minutes)?;
        }
        root.present()?;
    }
    Ok(in_the_pages_colours(&drawn, (WIDTH, HEIGHT), TITLE, table))
}

fn draw_side(area: &super::Area<'_>, table: &Table, side: &Side, offset_minutes: i32) -> anyhow::Result<()> {
    let points = points(&table.rows, side.series);
    let (from, to) = span(&points);
    let top = points.iter().map(|(_, _, value)| *value).fold(side.boundary, f64::max) * 2.0;
    let bottom = points.iter().map(|(_, _, value)| *value).fold(LOW, f64::min);
    let mut chart = ChartBuilder::on(area)
        .margin_right(8)
        .margin_top(8)
        .x_label_area_size(22)
        .y_label_area_size(52)
        .build_cartesian_2d(from..to, (bottom..top).log_scale())?;
    let label = |at: &i64| moment(*at, to - from, offset_minutes);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(X_LABELS)
        .x_label_formatter(&label)
        .y_labels(4)
        .y_label_formatter(&|value: &f64| {
            if *value < 1.0 { format!("{value:.2}") } else { format!("{value:.0}") }
        })
        .axis_style(BORDER)
        .bold_line_style(BORDER)
        .light_line_style(TRANSPARENT)
        .label_style(("inherit", FONT_SIZE).into_font().color(&MUTED))
        .draw()?;
    let boundary = [(from, side.boundary), (to, side.boundary)];
    chart.draw_series(LineSeries::new(boundary, ShapeStyle::from(&MUTED).stroke_width(2)))?;
    let style = ("inherit", FONT_SIZE).into_font().color(&MUTED);
    let (x, y) = chart.backend_coord(&(from, side.boundary));
    let (left, above) = area.get_base_pixel();
    area.draw(&Text::new(side.says.clone(), (x - left + 6, y - above - 15), style))?;
    let mark = RGBColor(LINE, u8::try_from(side.series).unwrap_or(0), 0);
    let line = points.iter().map(|(_, at, value)| (*at, *value));
    chart.draw_series(LineSeries::new(line, ShapeStyle::from(&mark).stroke_width(2)))?;
    let dot = |(row, at, value): &(usize, i64, f64)| {
        Circle::new((*at, *value), 2, value_mark(side.series, *row).filled())
    };
    chart.draw_series(points.iter().map(dot))?;
    Ok(())
}

/// Row, moment and value within what is drawn.
fn points(rows: &[Row], series: usize) -> Vec<(usize, i64, f64)> {
    let point = |(number, row): (usize, &Row)| {
        let at = Timestamp::parse(&row.label)?.ms();
        let value = row.values.get(series).copied().flatten()?;
        Some((number, at, value.clamp(DRAWN_MIN, DRAWN_MAX)))
    };
    rows.iter().enumerate().filter_map(point).collect()
}

/// From the first moment to the last, and never none.
fn span(points: &[(usize, i64, f64)]) -> (i64, i64) {
    let (first, last) = (points.first(), points.last());
    let (from, to) = first.zip(last).map_or((0, 0), |(first, last)| (first.1, last.1));
    (from, to.max(from.saturating_add(MINUTE_MS)))
}

/// A moment of the axis: a time of day, or a day where it spans many.
fn moment(ms: i64, span_ms: i64, offset_minutes: i32) -> String {
    let there = ms.saturating_add(i64::from(offset_minutes) * MINUTE_MS);
    let text = Timestamp::from_ms(there).to_string();
    let part = if span_ms > CLOCK_MAX_MS { 5..10 } else { 11..16 };
    text.get(part).unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use shim_core::experiments::machine::Point;

    use super::*;

    fn point(hours: i64, n: u64, better_e: f64, worse_e: f64) -> Point {
        let at = Timestamp::from_ms(1_796_000_000_000 + hours * 60 * MINUTE_MS);
        Point { at, n: [n, n], means: [0.12, 0.08], better_e, worse_e, ..Point::default() }
    }

    fn course() -> Vec<Point> {
        vec![point(0, 1, 1.0, 1.0), point(30, 20, 3.2, 0.4), point(90, 60, 21.5, 0.000_2)]
    }

    /// Of no outcome, of one, of some, and of evidence that is out of sight.
    pub(in crate::charts) fn pictures() -> Vec<String> {
        let far = vec![point(0, 1, 1.0, 1.0), point(1, 900, 1e300, f64::INFINITY)];
        [Vec::new(), vec![point(0, 1, 1.0, 1.0)], course(), far]
            .iter()
            .map(|course| lines(&evidence_over_time(course), 20.0, 5.0, 0).unwrap())
            .collect()
    }

    fn texts(svg: &str) -> Vec<&str> {
        svg.split("<text ")
            .skip(1)
            .filter_map(|rest| rest.split_once('>')?.1.split("</text>").next())
            .map(str::trim)
            .collect()
    }

    #[test]
    fn both_boundaries_are_named_where_they_are_drawn() {
        for svg in pictures() {
            let said = texts(&svg);
            assert!(said.contains(&"confirmed at 20") && said.contains(&"rolled back at 5"), "{said:?}");
            assert!(said.contains(&"better") && said.contains(&"worse"), "{said:?}");
        }
    }

    #[test]
    fn each_point_says_what_it_is_also_where_it_lies_beyond_the_edge() {
        let svg = lines(&evidence_over_time(&course()), 20.0, 5.0, 0).unwrap();
        let told: Vec<_> =
            svg.split("<title>").skip(2).filter_map(|rest| rest.split("</title>").next()).collect();
        let ends: Vec<_> =
            told.iter().filter_map(|said| said.split_once("Z: ")).map(|(_, said)| said).collect();
        assert_eq!(ends, ["better 1", "better 3.2", "better 21.5", "worse 1", "worse 0.4", "worse 0.0002"]);
    }

    #[test]
    fn days_are_those_of_its_reader_and_a_short_course_has_times() {
        let midnight = Timestamp::parse("2026-11-30T23:30:00.000Z").unwrap().ms();
        assert_eq!(moment(midnight, 9 * DAY_MS, 0), "11-30");
        assert_eq!(moment(midnight, 9 * DAY_MS, 60), "12-01");
        assert_eq!(moment(midnight, 60 * MINUTE_MS, -30), "23:00");
    }
}
