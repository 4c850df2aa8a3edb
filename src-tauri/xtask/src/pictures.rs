//! `cargo xtask pictures`: the guide's pictures, as the end-to-end tests made them last.

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{repository, say};

const MADE_IN: &str = "tests/out";
const KEPT_IN: &str = "docs/pictures";
/// A picture's name among those that the tests make, and in the guide.
const PICTURES: [(&str, &str); 6] = [
    ("home-light-1280", "home"),
    ("chat-dark-1280", "chat"),
    ("crash-history-light", "crashes"),
    ("receipt-light-1280", "receipt"),
    ("health-dark-1280", "health"),
    ("search-light-1280", "search"),
];

pub fn run() -> Result<ExitCode> {
    let root = repository::root()?;
    let (made, kept) = (root.join(MADE_IN), root.join(KEPT_IN));
    fs::create_dir_all(&kept).with_context(|| format!("{} cannot be made", kept.display()))?;
    for (from, to) in PICTURES {
        let (from, to) = (made.join(format!("{from}.png")), kept.join(format!("{to}.png")));
        fs::copy(&from, &to).with_context(|| {
            format!("{} cannot be had: run `cargo xtask test desktop` first", from.display())
        })?;
        say(&format!("{} is new", to.display()));
    }
    Ok(ExitCode::SUCCESS)
}
