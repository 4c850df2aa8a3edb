//! `shim metrics`: what the engine measured of itself.

use shim_api::{
    Engine,
    metrics::{Exposed, Sample},
};

use crate::print;

pub fn metrics(engine: &Engine, json: bool) -> anyhow::Result<()> {
    let mut families = engine.metrics()?;
    families.retain(|family| !family.samples.is_empty());
    families.sort_by(|a, b| a.name.cmp(&b.name));
    if json {
        return print::json(&families);
    }
    let rows: Vec<_> = families.iter().flat_map(rows).collect();
    print::table(&["metric", "of", "value"], &rows);
    Ok(())
}

/// A row for each series; of a histogram how many there were and their mean.
fn rows(family: &Exposed) -> Vec<Vec<String>> {
    let shown = |sample: &&Sample| !sample.name.ends_with("_bucket") && !sample.name.ends_with("_sum");
    let mut rows: Vec<_> = family.samples.iter().filter(shown).map(|sample| row(family, sample)).collect();
    rows.sort();
    rows
}

fn row(family: &Exposed, sample: &Sample) -> Vec<String> {
    let of: Vec<_> = sample.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let sum = family
        .samples
        .iter()
        .find(|other| other.name == format!("{}_sum", family.name) && other.labels == sample.labels);
    let value = match sum {
        Some(sum) if sample.value > 0.0 => {
            format!("{}, mean {:.4} {}", sample.value, sum.value / sample.value, family.unit)
        }
        _ => format!("{} {}", sample.value, family.unit).trim_end().to_owned(),
    };
    vec![family.name.clone(), of.join(" "), value]
}

#[cfg(test)]
mod tests {
    use shim_core::metrics::text::read;

    use super::rows;

    #[test]
    fn a_histogram_is_a_count_and_a_mean() {
        let text = "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\na_seconds_sum{c=\"x\"} 1\n\
                    a_seconds_count{c=\"x\"} 4\na_seconds_bucket{c=\"x\",le=\"+Inf\"} 4\n";
        assert_eq!(rows(&read(text)[0]), [["a_seconds", "c=x", "4, mean 0.2500 seconds"]]);
    }
}
