//! A measured figure beside its budget and its aim, as a JSON line and as a row of a table.

use serde_json::{Value, json};

pub struct Figure {
    name: String,
    unit: &'static str,
    measured: Measured,
    budget: Bound,
    aim: Bound,
    note: String,
}

enum Measured {
    Samples { n: usize, p50: f64, p99: f64, max: f64 },
    Value(f64),
    Failed,
}

/// What a figure should keep to.
#[derive(Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// Of many samples.
    P99(f64),
    P50AndP99(f64, f64),
    /// Shown beside others; no budget of its own.
    None,
}

impl Figure {
    /// A figure of many samples.
    pub fn samples(name: &str, unit: &'static str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let (Some(p50), Some(p99), Some(max)) =
            (percentile(&samples, 50), percentile(&samples, 99), samples.last().copied())
        else {
            return Self::failed(name, &anyhow::anyhow!("no sample was taken"));
        };
        Self::new(name, unit, Measured::Samples { n: samples.len(), p50, p99, max })
    }

    pub fn value(name: &str, unit: &'static str, value: f64) -> Self {
        Self::new(name, unit, Measured::Value(value))
    }

    pub fn failed(name: &str, error: &anyhow::Error) -> Self {
        Self::new(name, "", Measured::Failed).note(format!("not measured: {error:#}"))
    }

    fn new(name: &str, unit: &'static str, measured: Measured) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            measured,
            budget: Bound::None,
            aim: Bound::None,
            note: String::new(),
        }
    }

    pub fn within(mut self, budget: Bound, aim: Bound) -> Self {
        (self.budget, self.aim) = (budget, aim);
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// `aim`, `budget` or `missed`; nothing where there is no budget.
    fn met(&self) -> &'static str {
        match (&self.measured, self.budget) {
            (Measured::Failed, _) => "not measured",
            (_, Bound::None) => "",
            (measured, _) if self.aim.is_kept_by(measured) => "aim",
            (measured, budget) if budget.is_kept_by(measured) => "budget",
            _ => "MISSED",
        }
    }

    pub fn json(&self) -> Value {
        let mut line = json!({
            "name": self.name, "unit": self.unit, "budget": self.budget.text(), "aim": self.aim.text(),
            "met": self.met(), "note": self.note,
        });
        let numbers = match self.measured {
            Measured::Samples { n, p50, p99, max } => {
                json!({ "n": n, "p50": round(p50), "p99": round(p99), "max": round(max) })
            }
            Measured::Value(value) => json!({ "value": round(value) }),
            Measured::Failed => json!({}),
        };
        if let (Value::Object(line), Value::Object(numbers)) = (&mut line, numbers) {
            line.extend(numbers);
        }
        line
    }

    fn row(&self) -> [String; 6] {
        let numbers = match self.measured {
            Measured::Samples { n, p50, p99, max } => {
                format!("p50 {}  p99 {}  max {}  (n {n})", round(p50), round(p99), round(max))
            }
            Measured::Value(value) => round(value).to_string(),
            Measured::Failed => "-".to_owned(),
        };
        let met = self.met().to_owned();
        [self.name.clone(), numbers, self.unit.to_owned(), self.budget.text(), self.aim.text(), met]
    }
}

impl Bound {
    fn is_kept_by(self, measured: &Measured) -> bool {
        match (self, measured) {
            (Self::AtMost(limit), Measured::Value(value)) => *value <= limit,
            (Self::AtLeast(limit), Measured::Value(value)) => *value >= limit,
            (Self::AtMost(limit), Measured::Samples { max, .. }) => *max <= limit,
            (Self::P99(limit), Measured::Samples { p99, .. }) => *p99 <= limit,
            (Self::P50AndP99(half, most), Measured::Samples { p50, p99, .. }) => *p50 <= half && *p99 <= most,
            _ => false,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::P99(limit) => format!("p99 ≤ {limit}"),
            Self::P50AndP99(half, most) => format!("p50 ≤ {half}, p99 ≤ {most}"),
            Self::None => String::new(),
        }
    }
}

/// The nearest-rank percentile of sorted samples.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Three decimals for small figures, one for large ones.
fn round(value: f64) -> f64 {
    let scale = if value.abs() < 10.0 { 1000.0 } else { 10.0 };
    (value * scale).round() / scale
}

/// All figures, with the notes below.
pub fn table(figures: &[Figure]) -> String {
    let head = ["figure", "measured", "unit", "budget", "aim", "met"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(figures.iter().map(Figure::row)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let notes = figures.iter().filter(|figure| !figure.note.is_empty());
    let notes = notes.map(|figure| format!("{}: {}", figure.name, figure.note));
    rows.iter().map(line).chain(notes).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Bound, Figure};

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let samples = (1..=200).rev().map(f64::from).collect();
        let figure =
            Figure::samples("lag", "ms", samples).within(Bound::P99(200.0), Bound::P50AndP99(100.0, 150.0));
        let line = figure.json();
        let read = ["n", "p50", "p99", "max"].map(|key| line[key].as_f64().unwrap());
        assert_eq!(read, [200.0, 100.0, 198.0, 200.0]);
        assert_eq!(line["met"], "budget");
    }

    #[test]
    fn a_figure_is_told_from_its_aim_and_its_budget() {
        for (value, met) in [(0.5, "aim"), (1.2, "budget"), (1.6, "MISSED")] {
            let figure = Figure::value("writes", "x", value).within(Bound::AtMost(1.5), Bound::AtMost(1.1));
            assert_eq!(figure.json()["met"], met);
        }
        assert_eq!(Figure::samples("none", "ms", Vec::new()).json()["met"], "not measured");
    }
}
