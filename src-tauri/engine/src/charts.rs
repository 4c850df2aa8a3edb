//! Charts as SVG in the page's own colours: plotters draws with marked colours, and each mark becomes a token of the
//! page, with a tooltip where it stands for a number. No colour, style or script is left in what is handed out.

mod evidence;

use plotters::{coord::Shift, prelude::*, style::text_anchor};
use shim_api::{
    ApiError,
    charts::{Chart, ChartRow},
    error::ErrorCode,
};
use shim_core::{
    charts::{Row, SERIES_MAX, Table, crashes_by_day, signals_over_time},
    chats::ChatId,
    time::Timestamp,
};

use crate::{
    run::{Handle, now},
    views,
};

pub use self::evidence::evidence;

const WIDTH: u32 = 720;
const CRASHES_HEIGHT: u32 = 240;
const SIGNALS_HEIGHT: u32 = 320;
/// What plotters calls a size of 12 is 9.7 pixels.
const FONT_SIZE: u32 = 15;
const LEGEND_HEIGHT: i32 = 24;
/// Width of a letter of the legend, about.
const LETTER_WIDTH: i32 = 7;
/// Bars this many and more touch.
const BARS_APART_MAX: usize = 120;
const X_LABELS: usize = 8;

/// Marks: the first byte says what a colour stands for, the others which.
const ROLE: u8 = 0xd0;
const LINE: u8 = 0xe0;
/// With the series in its low half; the other two bytes are the row.
const VALUE: u8 = 0xf0;
const MUTED: RGBColor = RGBColor(ROLE, 0, 0);
const BORDER: RGBColor = RGBColor(ROLE, 0, 1);

/// Crashes of the last days, by day and kind.
pub fn crashes(handle: &Handle, days: u32, offset_minutes: i32) -> Result<Chart, ApiError> {
    let rows = handle.home.store.read(|store| store.crashes()).map_err(views::store_error)?;
    let crashes: Vec<_> = rows.into_iter().map(|row| (row.happened_at, row.kind)).collect();
    let table = crashes_by_day(&crashes, days, offset_minutes, now());
    let svg = crash_bars(&table).map_err(not_drawn)?;
    Ok(chart("Crashes by day", svg, "crashes", table))
}

/// A chat's memory and context over the last minutes.
pub fn signals(handle: &Handle, chat: &ChatId, minutes: u64) -> Result<Chart, ApiError> {
    let at = now();
    let span = i64::try_from(minutes).unwrap_or(i64::MAX).saturating_mul(60_000);
    let since = Timestamp::from_ms(at.ms().saturating_sub(span));
    let history =
        handle.home.store.read(|store| store.signals(chat, since, at)).map_err(views::store_error)?;
    let table = signals_over_time(&history, minutes, at);
    let svg = signal_lines(&table).map_err(not_drawn)?;
    Ok(chart("Memory and context", svg, "MB, % of the context", table))
}

fn chart(title: &str, svg: String, unit: &str, table: Table) -> Chart {
    let rows = table.rows.into_iter().map(|row| ChartRow { label: row.label, values: row.values });
    Chart { title: title.to_owned(), svg, unit: unit.to_owned(), series: table.series, rows: rows.collect() }
}

fn not_drawn(error: anyhow::Error) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("the chart could not be drawn: {error}"))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A bar a day, its kinds on top of each other.
fn crash_bars(table: &Table) -> anyhow::Result<String> {
    let mut drawn = String::new();
    {
        let root = SVGBackend::with_string(&mut drawn, (WIDTH, CRASHES_HEIGHT)).into_drawing_area();
        let (legend, area) = root.split_vertically(LEGEND_HEIGHT);
        draw_legend(&legend, &table.series)?;
        let days = i32::try_from(table.rows.len()).unwrap_or(i32::MAX);
        let count = |value: &Option<f64>| value.unwrap_or(0.0) as u32;
        let most =
            table.rows.iter().map(|row| row.values.iter().map(count).sum::<u32>()).max().unwrap_or(0).max(1);
        let mut chart = ChartBuilder::on(&area)
            .margin_right(8)
            .margin_top(8)
            .x_label_area_size(26)
            .y_label_area_size(36)
            .build_cartesian_2d((0..days - 1).into_segmented(), 0..most)?;
        let label = |at: &SegmentValue<i32>| match at {
            SegmentValue::CenterOf(day) | SegmentValue::Exact(day) => {
                let row = usize::try_from(*day).ok().and_then(|day| table.rows.get(day));
                row.and_then(|row| row.label.get(5..)).unwrap_or_default().to_owned()
            }
            SegmentValue::Last => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(X_LABELS)
            .x_label_formatter(&label)
            .y_labels(5)
            .axis_style(BORDER)
            .bold_line_style(BORDER)
            .light_line_style(TRANSPARENT)
            .label_style(("inherit", FONT_SIZE).into_font().color(&MUTED))
            .draw()?;
        let apart = u32::from(table.rows.len() < BARS_APART_MAX);
        for (number, day) in (0..days).enumerate() {
            let mut below = 0;
            let values = table.rows.get(number).map(|row| row.values.as_slice()).unwrap_or_default();
            for (series, value) in values.iter().enumerate().filter(|(_, value)| count(value) > 0) {
                let corners =
                    [(SegmentValue::Exact(day), below), (SegmentValue::Exact(day + 1), below + count(value))];
                let mut bar = Rectangle::new(corners, value_mark(series, number).filled());
                bar.set_margin(0, 0, apart, apart);
                chart.draw_series([bar])?;
                below += count(value);
            }
        }
        root.present()?;
    }
    Ok(in_the_pages_colours(&drawn, (WIDTH, CRASHES_HEIGHT), "Crashes by day", table))
}

/// A line for each series, each over a scale of its own.
fn signal_lines(table: &Table) -> anyhow::Result<String> {
    let mut drawn = String::new();
    {
        let root = SVGBackend::with_string(&mut drawn, (WIDTH, SIGNALS_HEIGHT)).into_drawing_area();
        let (legend, area) = root.split_vertically(LEGEND_HEIGHT);
        draw_legend(&legend, &table.series)?;
        let parts = area.split_evenly((table.series.len().max(1), 1));
        for (series, part) in parts.iter().enumerate().take(table.series.len()) {
            draw_line(part, table, series)?;
        }
        root.present()?;
    }
    Ok(in_the_pages_colours(&drawn, (WIDTH, SIGNALS_HEIGHT), "Memory and context", table))
}

fn draw_line(area: &Area<'_>, table: &Table, series: usize) -> anyhow::Result<()> {
    let value = |row: &Row| row.values.get(series).copied().flatten();
    let most = table.rows.iter().filter_map(value).fold(1.0, f64::max);
    let last = i32::try_from(table.rows.len()).unwrap_or(i32::MAX) - 1;
    let mut chart = ChartBuilder::on(area)
        .margin_right(8)
        .margin_top(8)
        .x_label_area_size(22)
        .y_label_area_size(52)
        .build_cartesian_2d(0..last.max(1), 0.0..most * 1.1)?;
    let label = |at: &i32| {
        let row = usize::try_from(*at).ok().and_then(|at| table.rows.get(at));
        row.and_then(|row| row.label.get(11..16)).unwrap_or_default().to_owned()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(X_LABELS)
        .x_label_formatter(&label)
        .y_labels(4)
        .y_label_formatter(&|value: &f64| format!("{value:.0}"))
        .axis_style(BORDER)
        .bold_line_style(BORDER)
        .light_line_style(TRANSPARENT)
        .label_style(("inherit", FONT_SIZE).into_font().color(&MUTED))
        .draw()?;
    let mark = RGBColor(LINE, u8::try_from(series).unwrap_or(0), 0);
    let points: Vec<(usize, Option<f64>)> = table.rows.iter().map(value).enumerate().collect();
    for run in points.chunk_by(|one, next| one.1.is_some() == next.1.is_some()) {
        let run: Vec<_> =
            run.iter().filter_map(|(at, value)| Some((*at, i32::try_from(*at).ok()?, (*value)?))).collect();
        if run.is_empty() {
            continue;
        }
        let line = run.iter().map(|(_, at, value)| (*at, *value));
        chart.draw_series(LineSeries::new(line, ShapeStyle::from(&mark).stroke_width(2)))?;
        let dots = run
            .iter()
            .map(|(row, at, value)| Circle::new((*at, *value), 2, value_mark(series, *row).filled()));
        chart.draw_series(dots)?;
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, series: &[String]) -> anyhow::Result<()> {
    let middle = text_anchor::Pos::new(text_anchor::HPos::Left, text_anchor::VPos::Center);
    let style = ("inherit", FONT_SIZE).into_font().color(&MUTED).pos(middle);
    let mut x = 36;
    for (number, name) in series.iter().enumerate() {
        let mark = RGBColor(LINE, u8::try_from(number).unwrap_or(0), 0);
        area.draw(&Rectangle::new([(x, 7), (x + 10, 17)], mark.filled()))?;
        let name = name.replace('_', " ");
        let wide = i32::try_from(name.chars().count()).unwrap_or(0) * LETTER_WIDTH;
        area.draw(&Text::new(name, (x + 16, 12), style.clone()))?;
        x += wide + 34;
    }
    Ok(())
}

fn value_mark(series: usize, row: usize) -> RGBColor {
    let series = u8::try_from(series.min(SERIES_MAX - 1)).unwrap_or(0);
    let [high, low] = u16::try_from(row).unwrap_or(u16::MAX).to_be_bytes();
    RGBColor(VALUE | series, high, low)
}

/// What plotters drew, with the page's tokens for its marks, tooltips, a name, and no size of its own.
fn in_the_pages_colours(drawn: &str, (width, height): (u32, u32), title: &str, table: &Table) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n",
        escaped(title)
    );
    let body = drawn.split_once('>').map(|(_, body)| body).unwrap_or_default();
    let mut rest = body.trim_start();
    while let Some((before, element)) = rest.split_once("=\"#") {
        let (mark, behind) = element.split_at_checked(6).unwrap_or((element, ""));
        let (token, told) = meaning(mark, table);
        svg.push_str(before);
        svg.push_str("=\"");
        svg.push_str(&token);
        rest = behind;
        if let Some(told) = told
            && let Some((attributes, after)) = rest.split_once("/>")
        {
            let name = before.rsplit_once('<').map_or("", |(_, name)| name);
            let name = name.split_whitespace().next().unwrap_or("g");
            svg.push_str(&format!("{attributes}><title>{}</title></{name}>", escaped(&told)));
            rest = after;
        }
    }
    svg.push_str(rest);
    svg
}

/// The token that a marked colour stands for, and what is told of a value.
fn meaning(mark: &str, table: &Table) -> (String, Option<String>) {
    let [_, first, second, third] = u32::from_str_radix(mark, 16).unwrap_or(0).to_be_bytes();
    let row = usize::from(u16::from_be_bytes([second, third]));
    let token = |series: u8| format!("var(--chart-{})", u32::from(series) % SERIES_MAX as u32 + 1);
    match first & 0xf0 {
        VALUE => {
            let series = first & 0x0f;
            (token(series), tooltip(table, usize::from(series), row))
        }
        LINE => (token(second), None),
        _ if (first, third) == (ROLE, 1) => ("var(--border)".to_owned(), None),
        _ => ("var(--text-muted)".to_owned(), None),
    }
}

fn tooltip(table: &Table, series: usize, row: usize) -> Option<String> {
    let (name, row) = (table.series.get(series)?, table.rows.get(row)?);
    let value = row.values.get(series).copied().flatten()?;
    Some(format!("{}: {} {value}", row.label, name.replace('_', " ")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(series: &[&str], rows: &[(&str, &[Option<f64>])]) -> Table {
        Table {
            series: series.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows
                .iter()
                .map(|(label, values)| Row { label: (*label).to_owned(), values: values.to_vec() })
                .collect(),
        }
    }

    fn of_days() -> Table {
        table(
            &["killed", "out_of_memory"],
            &[
                ("2026-11-28", &[Some(2.0), Some(1.0)]),
                ("2026-11-29", &[Some(0.0), Some(0.0)]),
                ("2026-11-30", &[Some(1.0), Some(0.0)]),
            ],
        )
    }

    fn of_moments() -> Table {
        table(
            &["memory", "context"],
            &[
                ("2026-11-30T10:00:00.000Z", &[Some(210.0), Some(10.0)]),
                ("2026-11-30T10:01:00.000Z", &[Some(220.5), None]),
                ("2026-11-30T10:02:00.000Z", &[None, None]),
                ("2026-11-30T10:03:00.000Z", &[Some(230.0), Some(12.0)]),
            ],
        )
    }

    /// Every picture, also of nothing and of much.
    fn pictures() -> Vec<String> {
        let many: Vec<_> = (0..366).map(|day| format!("2026-{day}")).collect();
        let rows: Vec<(&str, &[Option<f64>])> =
            many.iter().map(|label| (label.as_str(), [Some(1e5); 6].as_slice())).collect();
        let names = ["a", "b", "c", "d", "e", "others"];
        vec![
            crash_bars(&of_days()).unwrap(),
            crash_bars(&table(&[], &[("2026-11-30", &[])])).unwrap(),
            crash_bars(&table(&names, &rows)).unwrap(),
            signal_lines(&of_moments()).unwrap(),
            signal_lines(&table(&["memory", "context"], &[("2026-11-30T10:00:00.000Z", &[None, None])]))
                .unwrap(),
        ]
        .into_iter()
        .chain(evidence::tests::pictures())
        .collect()
    }

    #[test]
    fn crashes_are_drawn_as_stacked_bars_with_a_tooltip_each() {
        insta::with_settings!({ snapshot_path => "charts", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("crashes", crash_bars(&of_days()).unwrap());
        });
    }

    #[test]
    fn no_colour_style_or_size_is_left_and_what_is_drawn_is_well_formed() {
        for svg in pictures() {
            for banned in ["#", "style=", "rgb(", "<script", " width=\"720\"", "http://www.w3.org/1999"] {
                assert!(!svg.contains(banned), "{banned}: {svg}");
            }
            for attribute in ["fill=\"", "stroke=\""] {
                for value in svg.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                    assert!(value == "none" || value.starts_with("var(--"), "{attribute}{value}");
                }
            }
            let elements = svg.matches('<').count() - svg.matches("</").count();
            let closed = svg.matches("</").count() + svg.matches("/>").count();
            assert_eq!(elements, closed, "{svg}");
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        }
    }

    #[test]
    fn every_value_has_its_tooltip() {
        let svg = signal_lines(&of_moments()).unwrap();
        let told: Vec<_> =
            svg.split("<title>").skip(2).filter_map(|rest| rest.split("</title>").next()).collect();
        assert_eq!(
            told,
            [
                "2026-11-30T10:00:00.000Z: memory 210",
                "2026-11-30T10:01:00.000Z: memory 220.5",
                "2026-11-30T10:03:00.000Z: memory 230",
                "2026-11-30T10:00:00.000Z: context 10",
                "2026-11-30T10:03:00.000Z: context 12"
            ]
        );
    }

    #[test]
    fn a_picture_that_stands_alone_needs_no_page() {
        for svg in pictures() {
            let alone = shim_core::charts::standing_alone(&svg);
            assert!(!alone.contains("var(") && !alone.contains("inherit"), "{alone}");
        }
    }
}
