//! Reads what strace recorded: the calls that change files in one folder, in their order.

use std::{
    collections::HashMap,
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// `None` is where the file stood: behind its end.
    Write {
        path: PathBuf,
        offset: Option<usize>,
        bytes: Vec<u8>,
    },
    Truncate {
        path: PathBuf,
        length: usize,
    },
    /// Of a file or of its folder.
    Sync {
        path: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
}

impl Call {
    fn path(&self) -> &Path {
        match self {
            Self::Write { path, .. }
            | Self::Truncate { path, .. }
            | Self::Sync { path }
            | Self::Unlink { path } => path,
        }
    }
}

/// The calls on files in `folder` and on the folder itself.
pub fn read(text: &str, folder: &Path) -> Vec<Call> {
    // A call that another thread's came between is told in two lines.
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(process, first);
            continue;
        }
        let whole = match (rest.strip_prefix("<... "), begun.get(process)) {
            (Some(second), Some(first)) => {
                format!("{first}{}", second.split_once("resumed>").map_or("", |(_, after)| after))
            }
            _ => rest.to_owned(),
        };
        calls.extend(call(&whole).filter(|call| call.path().starts_with(folder)));
    }
    calls
}

fn call(text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let words: Vec<_> = arguments.split(", ").collect();
    let file = || {
        Some(PathBuf::from(OsString::from_vec(unescape(
            words.first()?.split_once('<')?.1.strip_suffix('>')?,
        ))))
    };
    let named = |word: &str| {
        Some(PathBuf::from(OsString::from_vec(unescape(word.strip_prefix('"')?.strip_suffix('"')?))))
    };
    let bytes = || Some(unescape(words.get(1)?.strip_prefix('"')?.strip_suffix('"')?));
    match name {
        "pwrite64" => {
            Some(Call::Write { path: file()?, offset: words.get(3)?.parse().ok(), bytes: bytes()? })
        }
        "write" => Some(Call::Write { path: file()?, offset: None, bytes: bytes()? }),
        "ftruncate" => Some(Call::Truncate { path: file()?, length: words.get(1)?.parse().ok()? }),
        "fsync" | "fdatasync" => Some(Call::Sync { path: file()? }),
        "unlink" => Some(Call::Unlink { path: named(words.first()?)? }),
        "unlinkat" => Some(Call::Unlink { path: named(words.get(1)?)? }),
        // The store renames nothing.
        "rename" | "renameat" | "renameat2" => panic!("a rename is not played: {text}"),
        _ => None,
    }
}

/// `\x53\x51…`; what is not written so stands for itself.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some(first) = rest.first() {
        let hex = rest.strip_prefix(b"\\x").and_then(|hex| hex.get(..2));
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = &rest[1..];
            }
        }
    }
    bytes
}
