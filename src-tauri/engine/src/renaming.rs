//! A chat's records under another session id.

use std::io::Write;

/// Writes the same records under another session id, across the borders of pieces. Both ids have the
/// same length, so offsets stay.
pub struct Renaming {
    /// What stands for the old id, and what is written in its place.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    carry: Vec<u8>,
}

impl Renaming {
    pub fn new(fields: &[&str], old: &str, new: &str) -> Self {
        let pair = |field: &&str| {
            (format!("\"{field}\":\"{old}\"").into_bytes(), format!("\"{field}\":\"{new}\"").into_bytes())
        };
        Self { pairs: fields.iter().map(pair).collect(), carry: Vec::new() }
    }

    pub fn write(&mut self, bytes: &[u8], out: &mut impl Write) -> std::io::Result<()> {
        self.carry.extend_from_slice(bytes);
        let mut from = 0;
        while let Some((at, old, new)) = self.first_from(from) {
            out.write_all(self.carry.get(from..at).unwrap_or_default())?;
            out.write_all(new)?;
            from = at + old.len();
        }
        // What may be the beginning of a find waits for the next piece.
        let longest = self.pairs.iter().map(|(old, _)| old.len()).max().unwrap_or(1);
        let keep = self.carry.len().saturating_sub(longest - 1).max(from);
        out.write_all(self.carry.get(from..keep).unwrap_or_default())?;
        self.carry.drain(..keep);
        Ok(())
    }

    fn first_from(&self, from: usize) -> Option<(usize, &[u8], &[u8])> {
        let rest = self.carry.get(from..)?;
        let found = self.pairs.iter().filter_map(|(old, new)| {
            Some((from + memchr::memmem::find(rest, old)?, old.as_slice(), new.as_slice()))
        });
        found.min_by_key(|(at, ..)| *at)
    }

    pub fn finish(self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.carry)
    }
}

/// All of it at once.
pub fn renamed(bytes: &[u8], fields: &[&str], old: &str, new: &str) -> std::io::Result<Vec<u8>> {
    let (mut renaming, mut out) = (Renaming::new(fields, old, new), Vec::with_capacity(bytes.len()));
    renaming.write(bytes, &mut out)?;
    renaming.finish(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{Renaming, renamed};

    #[test]
    fn the_session_is_renamed_wherever_the_pieces_are_cut() {
        let text = br#"{"sessionId":"aaaa","x":"aaaa"}{"sessionId":"aaaa"}"sessionId":"aaab"#;
        let expected = br#"{"sessionId":"bbbb","x":"aaaa"}{"sessionId":"bbbb"}"sessionId":"aaab"#;
        assert_eq!(renamed(text, &["sessionId"], "aaaa", "bbbb").unwrap(), expected);
        for at in 0..text.len() {
            let (mut renaming, mut out) = (Renaming::new(&["sessionId"], "aaaa", "bbbb"), Vec::new());
            renaming.write(&text[..at], &mut out).unwrap();
            renaming.write(&text[at..], &mut out).unwrap();
            renaming.finish(&mut out).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected), "cut at {at}");
        }
    }
}
