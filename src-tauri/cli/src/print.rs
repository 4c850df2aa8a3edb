//! How things are printed: JSON as it goes over the wire, or tables for a person.

use serde::Serialize;
use shim_api::timeline::Point;
use shim_core::{chats::ChatState, time::Timestamp};

pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    say!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Columns as wide as their widest cell; the last one runs free.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded: Vec<_> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        say!("{}", padded.join("  ").trim_end());
    };
    line(&head.iter().map(|cell| cell.to_uppercase()).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
}

pub fn state(text: &str) -> anyhow::Result<ChatState> {
    let names: Vec<_> = ChatState::ALL.iter().map(|state| state.name()).collect();
    ChatState::from_name(text).ok_or_else(|| anyhow::anyhow!("one of {}", names.join(", ")))
}

/// A place in a chat's journal, as `shim chat --places` shows it.
pub fn point(text: &str) -> anyhow::Result<Point> {
    let parsed = text.split_once(':').and_then(|(generation, offset)| {
        Some(Point { generation: generation.parse().ok()?, offset: offset.parse().ok()? })
    });
    parsed.ok_or_else(|| {
        anyhow::anyhow!("a place is GENERATION:BYTE, such as 1:20480; `shim chat ID --places` shows them")
    })
}

/// A time as a person reads it: to the second.
pub fn time(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or(text.clone(), |seconds| seconds.replace('T', " "))
}

pub fn bytes(count: u64) -> String {
    let mut amount = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if amount < 1024.0 || unit == "GiB" {
            return if unit == "B" { format!("{count} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{count} B")
}

pub fn cut(text: &str, characters: usize) -> String {
    shim_core::clients::shorten(text, characters)
}

#[cfg(test)]
mod tests {
    use super::{Point, bytes, point};

    #[test]
    fn a_place_is_read_as_it_is_shown() {
        assert_eq!(point("2:20480").unwrap(), Point { generation: 2, offset: 20480 });
        for wrong in ["", "2", "2:", ":7", "2:-1", "a:1", "1:2:3"] {
            assert!(point(wrong).unwrap_err().to_string().contains("--places"), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (3 << 30, "3.0 GiB"),
            (5000 << 30, "5000.0 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
