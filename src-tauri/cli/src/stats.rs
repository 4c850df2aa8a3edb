//! `shim stats --jsonl`: statistics for whoever asks, a line in and a line out. Needs no engine and keeps nothing.

use std::{io, process::ExitCode};

use shim_core::statistics::asked;

use crate::jsonl::answer_lines;

/// Longest line that is read: two samples of as many numbers as are taken.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub fn run() -> anyhow::Result<ExitCode> {
    answer_lines(&mut io::stdin().lock(), &mut io::stdout().lock(), LINE_BYTES_MAX, asked::answer)?;
    Ok(ExitCode::SUCCESS)
}
