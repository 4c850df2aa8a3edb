//! One JSON object in, one out: how whoever judges from outside is answered, line by line.

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value, json};

/// Each answer is flushed before the next line is read; a line that is longer than `most` bytes, or is no text, is
/// answered with an error and passed over. A reader that went away ends it, and is no failure.
pub fn answer_lines(
    asked: &mut impl BufRead,
    told: &mut impl Write,
    most: u64,
    mut answer: impl FnMut(&str) -> Value,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let answer = match asked.take(most).read_until(b'\n', &mut line)? {
            0 => return Ok(()),
            _ if line.trim_ascii().is_empty() => continue,
            read if read as u64 == most && !line.ends_with(b"\n") => {
                skip_line(asked)?;
                json!({ "error": format!("a line is longer than {most} bytes") })
            }
            _ => match std::str::from_utf8(&line) {
                Ok(line) => answer(line),
                Err(error) => json!({ "error": format!("not UTF-8: {error}") }),
            },
        };
        match writeln!(told, "{answer}").and_then(|()| told.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
}

/// What is left of a line, piece by piece.
fn skip_line(asked: &mut impl BufRead) -> io::Result<()> {
    loop {
        let piece = asked.fill_buf()?;
        let (length, is_end) = match piece.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (piece.len(), piece.is_empty()),
        };
        asked.consume(length);
        if is_end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{answer_lines, json};

    #[test]
    fn each_line_is_answered_whatever_stood_in_those_before() {
        let mut asked = b"\none\n\xff\n".to_vec();
        asked.resize(asked.len() + 1009, b'x');
        asked.extend_from_slice(b"\ntwo");
        let mut told = Vec::new();
        answer_lines(&mut asked.as_slice(), &mut told, 100, |line| json!(line.trim())).unwrap();
        let told = String::from_utf8(told).unwrap();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        for (line, words) in lines.iter().zip(["\"one\"", "not UTF-8", "longer than 100", "\"two\""]) {
            assert!(line.contains(words), "{line}");
        }
    }
}
