//! Many tests at once: p values made larger by as much as looking at many of them asks for.

use super::{Problem, finite};

/// Adjusted p values in the order they came; below α, the chance that any of those is false stays below α: S. Holm,
/// Scand. J. Statistics 6 (1979) 65-70.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Problem> {
    let count = p_values.len() as f64;
    let ascending = order(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, (at, p)) in ascending.into_iter().enumerate() {
        largest = largest.max((count - rank as f64) * p).min(1.0);
        adjusted.get_mut(at).into_iter().for_each(|place| *place = largest);
    }
    Ok(adjusted)
}

/// Adjusted p values in the order they came (q values); among those below α the expected share of false ones stays
/// below α: Y. Benjamini, Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, Problem> {
    let count = p_values.len() as f64;
    let ascending = order(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, (at, p)) in ascending.into_iter().enumerate().rev() {
        least = least.min(count * p / (rank as f64 + 1.0));
        adjusted.get_mut(at).into_iter().for_each(|place| *place = least);
    }
    Ok(adjusted)
}

/// The smallest first, with where each came from.
fn order(p_values: &[f64]) -> Result<Vec<(usize, f64)>, Problem> {
    finite("p", p_values, 1)?;
    if let Some(value) = p_values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Problem::OutOfRange { what: "p", value: *value, wanted: "from 0 to 1" });
    }
    let mut ascending: Vec<_> = p_values.iter().copied().enumerate().collect();
    ascending.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    Ok(ascending)
}
