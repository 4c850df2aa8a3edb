//! The text in which metrics are exposed: read from OpenMetrics 1.0, and written as Prometheus text 0.0.4, which has
//! neither units nor exemplars, and in which an `info` is a gauge.

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A family as it was exposed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Exposed {
    /// As the table names it: with its unit, and without the `_total` of a counter.
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// Empty for a mere number.
    pub unit: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "core.ts")]
pub struct Sample {
    /// The family's, with what it adds for its parts: `_total`, `_info`, `_bucket`, `_sum`, `_count`.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// Reads OpenMetrics. What makes no sense is left out.
pub fn read(text: &str) -> Vec<Exposed> {
    let mut families: Vec<Exposed> = Vec::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# ") {
            let mut words = told.splitn(3, ' ');
            let (Some(what), Some(name)) = (words.next(), words.next()) else { continue };
            let said = words.next().unwrap_or_default().to_owned();
            if families.last().is_none_or(|family| family.name != name) {
                families.push(Exposed { name: name.to_owned(), ..Exposed::default() });
            }
            let Some(family) = families.last_mut() else { continue };
            match what {
                "HELP" => family.help = said,
                "TYPE" => family.kind = said,
                "UNIT" => family.unit = said,
                _ => {}
            }
        } else if let (Some(family), Some(sample)) = (families.last_mut(), sample(line)) {
            family.samples.push(sample);
        }
    }
    families
}

/// `name{label="value"} 1 # {exemplar}`.
fn sample(line: &str) -> Option<Sample> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Labels up to their closing brace, and what follows it.
fn labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let (mut labels, mut rest) = (BTreeMap::new(), text);
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.trim_start_matches(',').split_once("=\"")?;
        let (mut value, mut end, mut escaped) = (String::new(), None, false);
        for (at, c) in after.char_indices() {
            match c {
                _ if escaped => {
                    value.push(if c == 'n' { '\n' } else { c });
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                c => value.push(c),
            }
        }
        labels.insert(name.to_owned(), value);
        rest = after.get(end?..)?;
    }
}

/// Writes Prometheus text 0.0.4, families in the order of their names.
pub fn plain(families: &[Exposed]) -> String {
    let mut sorted: Vec<_> = families.iter().filter(|family| !family.kind.is_empty()).collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for family in sorted {
        let (suffix, kind) = match family.kind.as_str() {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            kind => ("", kind),
        };
        let name = format!("{}{suffix}", family.name);
        // Writing to a text cannot fail.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        for sample in &family.samples {
            let labels: Vec<_> = sample
                .labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{}{labels} {}", sample.name, number(sample.value));
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposed, Sample, plain, read};

    const OPEN: &str = "# HELP shim_b_seconds How long.\n# TYPE shim_b_seconds histogram\n# UNIT shim_b_seconds seconds\n\
        shim_b_seconds_sum{c=\"x\"} 0.5\nshim_b_seconds_count{c=\"x\"} 1\n\
        shim_b_seconds_bucket{le=\"1.0\",c=\"x\"} 1 # {chat=\"c:1\"} 0.5 1700000000.5\nshim_b_seconds_bucket{le=\"+Inf\",c=\"x\"} 1\n\
        # HELP shim_a Crashes.\n# TYPE shim_a counter\nshim_a_total{k=\"say \\\"}\\\\\\n\"} 3\n\
        # HELP shim_build What.\n# TYPE shim_build info\nshim_build_info{version=\"0.1\"} 1\n# EOF\n";

    #[test]
    fn open_metrics_are_read_and_written_as_plain_text() {
        let read = read(OPEN);
        let sample = Sample {
            name: "shim_a_total".to_owned(),
            labels: [("k".to_owned(), "say \"}\\\n".to_owned())].into(),
            value: 3.0,
        };
        assert_eq!(read[0].samples.len(), 4);
        assert_eq!(
            read[1],
            Exposed {
                name: "shim_a".to_owned(),
                kind: "counter".to_owned(),
                unit: String::new(),
                help: "Crashes.".to_owned(),
                samples: vec![sample],
            }
        );
        assert_eq!(
            plain(&read),
            "# HELP shim_a_total Crashes.\n# TYPE shim_a_total counter\nshim_a_total{k=\"say \\\"}\\\\\\n\"} 3\n\
             # HELP shim_b_seconds How long.\n# TYPE shim_b_seconds histogram\nshim_b_seconds_sum{c=\"x\"} 0.5\n\
             shim_b_seconds_count{c=\"x\"} 1\nshim_b_seconds_bucket{c=\"x\",le=\"1.0\"} 1\n\
             shim_b_seconds_bucket{c=\"x\",le=\"+Inf\"} 1\n\
             # HELP shim_build_info What.\n# TYPE shim_build_info gauge\nshim_build_info{version=\"0.1\"} 1\n"
        );
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let read = read(
            "shim_a 1\n# TYPE shim_a gauge\nshim_a\nshim_a{b=\"c} 1\nshim_a{b} 1\nshim_a x\nshim_a -2.5\n# x\n",
        );
        let samples: Vec<_> = read.into_iter().flat_map(|family| family.samples).collect();
        assert_eq!(samples, [Sample { name: "shim_a".to_owned(), labels: [].into(), value: -2.5 }]);
    }
}
