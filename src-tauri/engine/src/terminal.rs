//! A terminal window to restore a chat in.

use std::path::Path;

use shim_core::settings::Settings;

/// Terminals by how they take a command, in the order they are looked for. The desktop's own choice first.
#[cfg(all(unix, not(target_os = "macos")))]
const KNOWN: &[&[&str]] = &[
    &["x-terminal-emulator", "-e", "sh", "-c", "{command}"],
    &["gnome-terminal", "--working-directory={cwd}", "--", "sh", "-c", "{command}"],
    &["konsole", "--workdir", "{cwd}", "-e", "sh", "-c", "{command}"],
    &["xfce4-terminal", "--working-directory={cwd}", "-x", "sh", "-c", "{command}"],
    &["kitty", "--directory", "{cwd}", "sh", "-c", "{command}"],
    &["alacritty", "--working-directory", "{cwd}", "-e", "sh", "-c", "{command}"],
    &["wezterm", "start", "--cwd", "{cwd}", "--", "sh", "-c", "{command}"],
    &["foot", "-D", "{cwd}", "sh", "-c", "{command}"],
    &["tilix", "-w", "{cwd}", "-e", "{command}"],
    &["xterm", "-e", "sh", "-c", "{command}"],
];
#[cfg(target_os = "macos")]
const KNOWN: &[&[&str]] = &[&[
    "osascript",
    "-e",
    "on run argv",
    "-e",
    "tell application \"Terminal\" to do script (item 1 of argv)",
    "-e",
    "tell application \"Terminal\" to activate",
    "-e",
    "end run",
    "{command}",
]];
#[cfg(windows)]
const KNOWN: &[&[&str]] = &[
    &["wt.exe", "-d", "{cwd}", "cmd", "/c", "{command}"],
    &["cmd.exe", "/c", "start", "\"SHIM\"", "cmd", "/c", "{command}"],
];

/// The terminal to use, as program and arguments still to be filled in; `None` when there is none.
pub fn find(settings: &Settings) -> Option<Vec<String>> {
    if let Some(program) = settings.terminal_command.first() {
        return which::which(program).ok().map(|_| settings.terminal_command.clone());
    }
    if !has_display() {
        return None;
    }
    let known =
        KNOWN.iter().find(|command| command.first().is_some_and(|program| which::which(program).is_ok()))?;
    Some(known.iter().map(|part| (*part).to_owned()).collect())
}

fn has_display() -> bool {
    !cfg!(all(unix, not(target_os = "macos")))
        || std::env::var_os("DISPLAY").is_some()
        || std::env::var_os("WAYLAND_DISPLAY").is_some()
}

/// Fills in the client's command line and directory.
pub fn fill(terminal: &[String], command_line: &str, cwd: &Path) -> Vec<String> {
    let cwd = cwd.to_string_lossy();
    terminal.iter().map(|part| part.replace("{command}", command_line).replace("{cwd}", &cwd)).collect()
}

/// One shell line that runs `words`.
pub fn shell_line(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    quoted.join(" ")
}

#[cfg(not(windows))]
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(windows)]
fn quote(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\\\""))
}

#[cfg(all(test, unix))]
mod tests {
    use super::{fill, shell_line};

    #[test]
    fn any_words_survive_the_shell() {
        let words = ["a b", "it's", "$HOME `x`", "\"q\"", "Ünï\n2"];
        let line = format!("printf '%s|' {}", shell_line(&words));
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words.map(|word| format!("{word}|")).concat());
    }

    #[test]
    fn the_command_and_the_directory_are_filled_in() {
        let terminal = ["term", "--dir={cwd}", "-e", "{command}"].map(String::from);
        let filled = fill(&terminal, "'a' 'b'", "/x y".as_ref());
        assert_eq!(filled, ["term", "--dir=/x y", "-e", "'a' 'b'"]);
    }
}
