//! Cuts a growing file into whole lines, in bounded memory. The bytes themselves are kept elsewhere.

/// Longest line that is looked into, in bytes. Longer ones are passed over: their bytes are journaled
/// like any others, but nothing is read from them.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One whole line, without its line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than [`LINE_BYTES_MAX`].
    TooLong,
}

#[derive(Clone, Debug, Default)]
pub struct Lines {
    carry: Vec<u8>,
    passing_over: bool,
    /// Bytes handed out as whole lines, line feeds included.
    whole: u64,
    carried: u64,
}

impl Lines {
    /// Starts in a file at a place where a line begins.
    pub fn from_offset(offset: u64) -> Self {
        Self { whole: offset, ..Self::default() }
    }

    /// Offset behind the last whole line.
    pub fn whole_offset(&self) -> u64 {
        self.whole
    }

    /// Takes the next bytes of the file and hands out each line that they complete.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        self.feed_with_ends(bytes, |line, _| each(line));
    }

    /// The same, each line with the offset behind its line feed.
    pub fn feed_with_ends(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>, u64)) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (head, rest) = bytes.split_at(at);
            self.whole += self.carried + at as u64 + 1;
            if self.passing_over || self.carry.len() + at > LINE_BYTES_MAX {
                each(Line::TooLong, self.whole);
            } else if self.carry.is_empty() {
                each(Line::Whole(head), self.whole);
            } else {
                self.carry.extend_from_slice(head);
                each(Line::Whole(&self.carry), self.whole);
            }
            self.reset();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.carried += bytes.len() as u64;
        if self.passing_over {
            return;
        }
        if self.carry.len() + bytes.len() > LINE_BYTES_MAX {
            self.passing_over = true;
            self.carry = Vec::new();
        } else {
            self.carry.extend_from_slice(bytes);
        }
    }

    /// The bytes behind the last line feed: a record in the making, or a torn tail.
    pub fn tail(&self) -> &[u8] {
        &self.carry
    }

    fn reset(&mut self) {
        // A single huge line must not hold its memory for the rest of the file.
        if self.carry.capacity() > 1024 * 1024 {
            self.carry = Vec::new();
        } else {
            self.carry.clear();
        }
        self.carried = 0;
        self.passing_over = false;
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES_MAX, Line, Lines};

    fn cut(chunks: &[&[u8]]) -> (Vec<Option<Vec<u8>>>, u64, Vec<u8>) {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, |line| {
                seen.push(match line {
                    Line::Whole(bytes) => Some(bytes.to_vec()),
                    Line::TooLong => None,
                });
            });
        }
        (seen, lines.whole_offset(), lines.tail().to_vec())
    }

    #[test]
    fn finds_lines_wherever_the_chunks_are_cut() {
        let text = b"one\n\nthree is longer\ntorn";
        let whole = cut(&[text]);
        assert_eq!(whole.0, [Some(b"one".to_vec()), Some(vec![]), Some(b"three is longer".to_vec())]);
        assert_eq!((whole.1, whole.2.as_slice()), (21, b"torn".as_slice()));
        for at in 0..text.len() {
            let (head, rest) = text.split_at(at);
            assert_eq!(cut(&[head, rest]), whole, "cut at {at}");
            let (mut lines, mut ends) = (Lines::from_offset(100), Vec::new());
            for piece in [head, rest] {
                lines.feed_with_ends(piece, |_, end| ends.push(end));
            }
            assert_eq!(ends, [104, 105, 121], "cut at {at}");
        }
    }

    #[test]
    fn passes_over_a_line_that_is_too_long_and_goes_on_after_it() {
        let big = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        let (seen, offset, tail) = cut(&[&big, &big, b"x\nnext\n"]);
        assert_eq!(seen, [None, Some(b"next".to_vec())]);
        assert_eq!(offset, 2 * big.len() as u64 + 2 + 5);
        assert!(tail.is_empty());
    }
}
