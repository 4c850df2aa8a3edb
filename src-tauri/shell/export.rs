//! Saving a chat's transcript among its user's downloads: whole, readable by them alone, and never over
//! another file.

use std::{
    io,
    path::{Path, PathBuf},
};

use shim_api::{ApiError, Engine, chats::Chat, error::ErrorCode};
use tauri::{AppHandle, Manager};

/// Characters of the title in a file's name; systems take 255 bytes.
const TITLE_CHARS_MAX: usize = 40;
/// Files of one name beside each other.
const SAME_NAME_MAX: u32 = 999;

/// The user's folder for downloads, else their home.
pub fn folder(app: &AppHandle) -> Result<PathBuf, ApiError> {
    let downloads = app.path().download_dir().ok().filter(|folder| folder.is_dir());
    downloads.or_else(|| app.path().home_dir().ok()).ok_or_else(|| {
        ApiError::new(ErrorCode::Internal, "no folder to save into is known: set HOME".to_owned())
    })
}

/// Where it was saved.
pub fn save(
    engine: &Engine,
    folder: &Path,
    target: &str,
    checkpoint: Option<i64>,
) -> Result<String, ApiError> {
    let chat = engine.chat(target, 1)?.chat;
    let bytes = engine.export(target, checkpoint)?;
    let saved = write(folder, |nth| name(&chat, checkpoint, nth), bytes).map_err(|error| {
        let what = format!("the chat could not be saved in {}: {error}", folder.display());
        ApiError::new(ErrorCode::Internal, what)
    })?;
    Ok(saved.display().to_string())
}

/// A temporary file is private from its start, and takes a name only where none of that name is.
fn write(folder: &Path, name: impl Fn(u32) -> String, mut bytes: impl io::Read) -> io::Result<PathBuf> {
    let mut file = tempfile::Builder::new().prefix(".shim-").suffix(".part").tempfile_in(folder)?;
    io::copy(&mut bytes, &mut file)?;
    file.as_file().sync_all()?;
    for nth in 1..=SAME_NAME_MAX {
        let path = folder.join(name(nth));
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => file = taken.file,
            Err(failed) => return Err(failed.error),
        }
    }
    Err(io::Error::other(format!("{} is there {SAME_NAME_MAX} times already; clear some away", name(1))))
}

/// Such as `Chat Fix the parser to checkpoint 12 (2).jsonl`. Its first word keeps it from being a hidden
/// file, an option, or a name that Windows holds for itself.
fn name(chat: &Chat, checkpoint: Option<i64>, nth: u32) -> String {
    let title = plain(&chat.title);
    let title = if title.is_empty() { plain(&chat.session_id) } else { title };
    let to = checkpoint.map_or_else(String::new, |number| format!(" to checkpoint {number}"));
    let nth = if nth > 1 { format!(" ({nth})") } else { String::new() };
    format!("Chat {title}{to}{nth}.jsonl")
}

fn plain(text: &str) -> String {
    let spaced: String =
        text.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { ' ' }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(TITLE_CHARS_MAX).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use shim_core::{chats::ChatState, time::Timestamp};

    use super::*;
    use crate::samples::chat;

    #[test]
    fn a_file_is_named_as_a_person_would() {
        let named = |title: &str| {
            let chat =
                Chat { title: title.to_owned(), ..chat("s-1", ChatState::Idle, Timestamp::from_ms(0)) };
            name(&chat, None, 1)
        };
        for (title, file) in [
            ("Fix the parser", "Chat Fix the parser.jsonl"),
            ("../../etc/passwd\n", "Chat etc passwd.jsonl"),
            ("a\\b:c*d?\u{202e}", "Chat a b c d.jsonl"),
            ("Übersetze 日本語", "Chat Übersetze 日本語.jsonl"),
            ("…", "Chat s-1.jsonl"),
        ] {
            assert_eq!(named(title), file);
        }
        assert!(named(&"語".repeat(500)).len() < 200);
        let chat = chat("s", ChatState::Idle, Timestamp::from_ms(0));
        assert_eq!(name(&chat, Some(12), 3), "Chat title of s to checkpoint 12 (3).jsonl");
    }

    #[test]
    fn no_file_is_written_over_and_none_is_left_half() {
        let folder = tempfile::tempdir().unwrap();
        let named = |nth: u32| if nth > 1 { format!("a ({nth})") } else { "a".to_owned() };
        let first = write(folder.path(), named, &b"one"[..]).unwrap();
        let second = write(folder.path(), named, &b"two"[..]).unwrap();
        assert_eq!(
            (std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap()),
            (b"one".into(), b"two".into())
        );
        assert_eq!(second, folder.path().join("a (2)"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
        }

        struct Breaks;
        impl io::Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the engine ended"))
            }
        }
        write(folder.path(), named, Breaks).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
