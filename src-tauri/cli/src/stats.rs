//! `shim stats --jsonl`: statistics for whoever asks, a line in and a line out. Needs no engine and keeps nothing.

use std::{
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};

use serde_json::json;
use shim_core::statistics::asked;

/// Longest line that is read: two samples of as many numbers as are taken.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub fn run() -> anyhow::Result<ExitCode> {
    answer_lines(&mut io::stdin().lock(), &mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Each answer is flushed before the next line is read. A reader that went away ends it, and is no failure.
fn answer_lines(asked: &mut impl BufRead, told: &mut impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let answer = match asked.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? {
            0 => return Ok(()),
            _ if line.trim_ascii().is_empty() => continue,
            read if read as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") => {
                skip_line(asked)?;
                json!({ "error": format!("a line is longer than {LINE_BYTES_MAX} bytes") })
            }
            _ => answer(&line),
        };
        match writeln!(told, "{answer}").and_then(|()| told.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
}

fn answer(line: &[u8]) -> serde_json::Value {
    match std::str::from_utf8(line) {
        Ok(line) => asked::answer(line),
        Err(error) => json!({ "error": format!("not UTF-8: {error}") }),
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
    use super::{LINE_BYTES_MAX, answer_lines};

    #[test]
    fn each_line_is_answered_whatever_stood_in_those_before() {
        let mut asked = b"\n{\"op\":\"wilson\",\"in\":{\"x\":0,\"n\":1}}\n\xff\n".to_vec();
        asked.resize(asked.len() + usize::try_from(LINE_BYTES_MAX).unwrap() + 9, b'x');
        asked.extend_from_slice(b"\n{\"op\":\"nothing\"}");
        let mut told = Vec::new();
        answer_lines(&mut asked.as_slice(), &mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        for (line, words) in lines.iter().zip(["\"out\"", "not UTF-8", "longer than", "\"unsupported\":true"])
        {
            assert!(line.contains(words), "{line}");
        }
    }
}
