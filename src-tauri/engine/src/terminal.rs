//! A terminal window to restore a chat in.

use std::{path::Path, process::Command};

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
/// The second is SHIM's own program in a console of its own; Windows 11 shows that in its Terminal.
#[cfg(windows)]
const KNOWN: &[&[&str]] = &[&["wt.exe", "-d", "{cwd}", "{words}"], &["{words}"]];

/// Stands for the words of the command as words of their own.
const WORDS: &str = "{words}";

/// The terminal to use, as program and arguments still to be filled in; `None` when there is none.
pub fn find(settings: &Settings) -> Option<Vec<String>> {
    if let Some(program) = settings.terminal_command.first() {
        return which::which(program).ok().map(|_| settings.terminal_command.clone());
    }
    if !has_display() {
        return None;
    }
    let is_there = |program: &&str| *program == WORDS || which::which(program).is_ok();
    let known = KNOWN.iter().find(|command| command.first().is_some_and(is_there))?;
    Some(known.iter().map(|part| (*part).to_owned()).collect())
}

fn has_display() -> bool {
    !cfg!(all(unix, not(target_os = "macos")))
        || std::env::var_os("DISPLAY").is_some()
        || std::env::var_os("WAYLAND_DISPLAY").is_some()
}

/// The terminal's command, with `words` as what runs in it, in the directory `cwd`.
pub fn command(terminal: &[String], words: &[&str], cwd: &Path) -> Option<Command> {
    let reader = reader(terminal);
    let line = line(reader, words);
    let cwd = cwd.to_string_lossy();
    let fill = |part: &str| part.replace("{command}", &line).replace("{cwd}", &cwd);
    let (program, parts) = terminal.split_first()?;
    let mut command = match program.as_str() {
        WORDS => {
            let (program, words) = words.split_first()?;
            let mut command = Command::new(program);
            command.args(words);
            command
        }
        program => Command::new(fill(program)),
    };
    for part in parts {
        match (part.as_str(), reader) {
            // Windows Terminal takes a semicolon for the end of one of its own commands.
            (WORDS, _) => drop(command.args(words.iter().map(|word| word.replace(';', "\\;")))),
            (part, Reader::Cmd) if part.contains("{command}") => {
                add_raw(&mut command, &format!("\"{}\"", fill(part)))
            }
            (part, Reader::Words) if part.contains("{command}") => add_raw(&mut command, &fill(part)),
            (part, _) => drop(command.arg(fill(part))),
        }
    }
    Some(command)
}

/// One line that runs `words`, for a client's setting. On Windows clients run such lines with Git's `bash`
/// or with `cmd`: double quotes and slashes are what both understand.
pub fn shell_line(words: &[&str]) -> String {
    if cfg!(windows) {
        let slashed: Vec<_> = words.iter().map(|word| word.replace('\\', "/")).collect();
        let slashed: Vec<_> = slashed.iter().map(String::as_str).collect();
        line(Reader::Words, &slashed)
    } else {
        line(Reader::Shell, words)
    }
}

/// Adds to the command line as it stands. Elsewhere than on Windows a program gets words, not a line.
fn add_raw(command: &mut Command, text: &str) {
    #[cfg(windows)]
    std::os::windows::process::CommandExt::raw_arg(command, text);
    #[cfg(not(windows))]
    command.arg(text);
}

/// Who takes the command line apart: that decides how it is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A shell such as `sh`.
    Shell,
    Cmd,
    PowerShell,
    /// A program of Windows, by the rules of its C library.
    Words,
}

/// The last program named before the command, if it is a shell that is known.
fn reader(terminal: &[String]) -> Reader {
    let before = terminal.iter().take_while(|part| !part.contains("{command}"));
    let named = before.filter_map(|part| {
        let name = part.rsplit(['/', '\\']).next().unwrap_or(part).to_ascii_lowercase();
        match name.strip_suffix(".exe").unwrap_or(&name) {
            "cmd" => Some(Reader::Cmd),
            "powershell" | "pwsh" => Some(Reader::PowerShell),
            "sh" | "bash" | "zsh" | "fish" => Some(Reader::Shell),
            _ => None,
        }
    });
    named.last().unwrap_or(if cfg!(windows) { Reader::Words } else { Reader::Shell })
}

fn line(reader: Reader, words: &[&str]) -> String {
    let quote = match reader {
        Reader::Shell => for_shell,
        Reader::Cmd => for_cmd,
        Reader::PowerShell => for_powershell,
        Reader::Words => for_words,
    };
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    // PowerShell would only print a word in quotes.
    let call = if reader == Reader::PowerShell { "& " } else { "" };
    format!("{call}{}", quoted.join(" "))
}

fn for_shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// PowerShell takes curly quotes for straight ones. Its older versions drop a double quote within a word
/// that they hand to a program, unless a backslash stands before it.
fn for_powershell(word: &str) -> String {
    let mut quoted = String::from("'");
    for character in word.chars() {
        match character {
            '\'' | '\u{2018}'..='\u{201b}' => quoted.extend([character, character]),
            '"' => quoted.push_str("\\\""),
            character => quoted.push(character),
        }
    }
    quoted + "'"
}

/// In quotes, where a quote has a backslash before it, and backslashes before a quote are doubled.
fn for_words(word: &str) -> String {
    in_quotes(word, |character| (character == '"').then_some("\\\""))
}

/// As for any program, and so that `cmd` finds no variable and no end of a quoted part in it: a quote is
/// doubled, and after each `%` stands a variable cut to nothing, as in Rust's own library for batch files.
fn for_cmd(word: &str) -> String {
    in_quotes(word, |character| (character == '"').then_some("\"\"")).replace('%', "%%cd:~,%")
}

/// Puts `instead` of a character where it gives something, which begins with a quote or a backslash.
fn in_quotes(word: &str, instead: impl Fn(char) -> Option<&'static str>) -> String {
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for character in word.chars() {
        let Some(text) = instead(character) else {
            backslashes = if character == '\\' { backslashes + 1 } else { 0 };
            quoted.push(character);
            continue;
        };
        quoted.push_str(&"\\".repeat(backslashes));
        quoted.push_str(text);
        backslashes = 0;
    }
    quoted.push_str(&"\\".repeat(backslashes));
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output, Stdio};

    use super::{Reader, command, line, reader};

    fn template(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    fn parts(command: &Command) -> Vec<String> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn who_reads_the_command_is_told_by_what_stands_before_it() {
        for (parts, expected) in [
            (["xterm", "-e", "sh", "-c", "{command}"].as_slice(), Reader::Shell),
            (&["wt.exe", "-d", "{cwd}", "cmd", "/k", "{command}"], Reader::Cmd),
            (&["C:\\Windows\\System32\\CMD.EXE", "/k", "{command}"], Reader::Cmd),
            (&["cmd", "/c", "pwsh.exe", "-NoExit", "-Command", "{command}"], Reader::PowerShell),
            (&["C:/Git/bin/bash.exe", "-c", "{command}"], Reader::Shell),
        ] {
            assert_eq!(reader(&template(parts)), expected, "{parts:?}");
        }
        let default = if cfg!(windows) { Reader::Words } else { Reader::Shell };
        assert_eq!(reader(&template(&["foo", "{command}", "cmd"])), default);
    }

    #[test]
    fn the_command_and_the_directory_are_filled_in() {
        let fill = |terminal: &[&str]| {
            parts(&command(&template(terminal), &["/a b/shim", "launch", "/f;g"], "/x y".as_ref()).unwrap())
        };
        assert_eq!(
            fill(&["term", "--dir={cwd}", "-e", "sh", "-c", "{command}"]),
            ["term", "--dir=/x y", "-e", "sh", "-c", "'/a b/shim' 'launch' '/f;g'"]
        );
        assert_eq!(
            fill(&["wt.exe", "-d", "{cwd}", "{words}"]),
            ["wt.exe", "-d", "/x y", "/a b/shim", "launch", "/f\\;g"]
        );
        assert_eq!(fill(&["{words}"]), ["/a b/shim", "launch", "/f;g"]);
        assert!(command(&[], &["a"], "/".as_ref()).is_none());
    }

    #[test]
    fn each_reader_has_its_own_quotes() {
        let words = [r"C:\R&D 100%\shim.exe", r#"a"b"#, r"c:\", "it\u{2019}s 'x'"];
        for (reader, expected) in [
            (Reader::Words, "\"C:\\R&D 100%\\shim.exe\" \"a\\\"b\" \"c:\\\\\" \"it\u{2019}s 'x'\""),
            (Reader::Cmd, "\"C:\\R&D 100%%cd:~,%\\shim.exe\" \"a\"\"b\" \"c:\\\\\" \"it\u{2019}s 'x'\""),
            (Reader::PowerShell, "& 'C:\\R&D 100%\\shim.exe' 'a\\\"b' 'c:\\' 'it\u{2019}\u{2019}s ''x'''"),
            (Reader::Shell, "'C:\\R&D 100%\\shim.exe' 'a\"b' 'c:\\' 'it\u{2019}s '\\''x'\\'''"),
        ] {
            assert_eq!(line(reader, &words), expected, "{reader:?}");
        }
        // Backslashes before a quote that is put in are doubled as well.
        assert_eq!(line(Reader::Cmd, &["a\\\"b"]), r#""a\\""b""#);
    }

    /// Prints the words it was started with. It is no test: only a test starts it.
    #[test]
    #[ignore = "the program that another test starts in a terminal"]
    fn says_its_words() {
        for word in std::env::args().skip_while(|word| word != "--nocapture").skip(1) {
            println!("\nword {word}");
        }
    }

    /// Words that the program of the test above says it was started with.
    fn said(output: &Output) -> Vec<String> {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = text.lines().filter_map(|line| line.strip_prefix("word "));
        words.map(|word| word.trim_end_matches('\r').to_owned()).collect()
    }

    #[test]
    fn any_words_survive_a_real_shell() {
        // A copy in a folder whose name is hard to quote.
        let folder = tempfile::Builder::new().prefix("R&D 100% (ü) it's ").tempdir().unwrap();
        let program = folder.path().join(format!("a b{}", std::env::consts::EXE_SUFFIX));
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let own = [
            program.to_str().unwrap(),
            "--exact",
            "terminal::tests::says_its_words",
            "--ignored",
            "--nocapture",
        ];
        let terminal: &[&str] =
            if cfg!(windows) { &["cmd.exe", "/d", "/c", "{command}"] } else { &["sh", "-c", "{command}"] };
        for word in [
            "a b",
            "it's",
            "x & echo y",
            "%PATH%",
            "100%",
            "^<|>",
            "(p)",
            "$HOME `x`",
            "q\"q\" & r",
            "c:\\d\\",
            "Ünï",
            "a\\%PATH%",
        ] {
            for terminal in [terminal, &["{words}"]] {
                let words = [own.as_slice(), &[word, "last"]].concat();
                let mut command = command(&template(terminal), &words, folder.path()).unwrap();
                let output = command.stdin(Stdio::null()).output().unwrap();
                assert_eq!(said(&output), [word, "last"], "{terminal:?} {output:?}");
            }
        }
    }
}
