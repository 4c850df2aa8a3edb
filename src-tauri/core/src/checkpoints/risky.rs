//! Which tool calls may destroy what no tool brings back: by patterns over the commands they run. Reads the words
//! of a command, and never runs or expands anything.

use serde_json::Value;

use crate::crashes::ToolCall;

/// What is looked for where nothing else is set.
pub const DEFAULT: [&str; 30] = [
    "rm -rf",
    "rm -r",
    "git reset --hard",
    "git clean -f",
    "git push --force",
    "git push -f",
    "git push --force-with-lease",
    "git checkout --",
    "git checkout .",
    "git restore",
    "git branch -D",
    "git stash drop",
    "git stash clear",
    "git rebase",
    "git filter-branch",
    "git filter-repo",
    "drop table",
    "drop database",
    "truncate table",
    "delete from",
    "terraform apply",
    "terraform destroy",
    "kubectl delete",
    "docker system prune",
    "docker volume rm",
    "mkfs",
    "dd of=",
    "shred",
    "find -delete",
    "Remove-Item -Recurse",
];

/// Longest command that is looked into, in bytes.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// What a tool call is matched against: the words of a command in their order, or the name of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The first word as it stands in a command, the others behind it within the same statement. Single-dash
    /// letters may be written apart or together and in any order: `-rf` is in `-fvr` and in `-r -f`.
    Words(Vec<String>),
    /// `tool:NAME`; one `*` at its end stands for anything.
    Tool(String),
}

impl Pattern {
    /// `None` for a text without a word.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(name) = text.trim().strip_prefix("tool:") {
            return (!name.trim().is_empty()).then(|| Self::Tool(name.trim().to_owned()));
        }
        // Letters after one dash are told apart by their case: `-d` and `-D` are two things.
        let words: Vec<_> = text.split_whitespace().map(folded).collect();
        (!words.is_empty()).then_some(Self::Words(words))
    }

    /// What of the call it found.
    pub fn matches(&self, call: &ToolCall) -> Option<String> {
        match self {
            Self::Tool(name) => {
                let found = match name.strip_suffix('*') {
                    Some(start) => call.tool.starts_with(start),
                    None => call.tool == *name,
                };
                found.then(|| call.tool.clone())
            }
            Self::Words(words) => {
                let command = command(call)?;
                statements(&command).into_iter().any(|statement| holds(&statement, words)).then_some(command)
            }
        }
    }
}

/// What makes a call risky, by any of these patterns.
pub fn command_of(patterns: &[Pattern], call: &ToolCall) -> Option<String> {
    patterns.iter().find_map(|pattern| pattern.matches(call))
}

/// The command of a call that makes a commit.
pub fn commit(call: &ToolCall) -> Option<String> {
    let words = ["git", "commit"].map(str::to_owned);
    let command = command(call)?;
    let commits = |statement: &Vec<String>| {
        holds(statement, &words) && !statement.iter().any(|word| word == "--dry-run")
    };
    statements(&command).iter().any(commits).then_some(command)
}

/// What a call runs in a shell, whatever the client calls the tool and its argument.
fn command(call: &ToolCall) -> Option<String> {
    const KEYS: [&str; 4] = ["command", "cmd", "script", "query"];
    let of = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        // A program and its arguments.
        Value::Array(words) => Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
            .filter(|c| !c.is_empty()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    let command = KEYS.iter().find_map(|key| of(call.input.get(key)?));
    command.filter(|command| command.len() <= COMMAND_BYTES_MAX)
}

/// The words of each statement. Quotes are no borders of statements, so that what a shell hands on to another
/// program is seen too.
fn statements(command: &str) -> Vec<Vec<String>> {
    let statement = |text: &str| {
        let words = text.split(|c: char| c.is_whitespace() || "\"'`(){}$".contains(c));
        words.filter(|word| !word.is_empty()).map(folded).collect::<Vec<_>>()
    };
    command.split([';', '|', '&', '\n']).map(statement).collect()
}

/// In small letters, but for the letters of a flag.
fn folded(word: &str) -> String {
    if word.starts_with('-') && !word.starts_with("--") && word.len() <= 4 {
        word.to_owned()
    } else {
        word.to_lowercase()
    }
}

fn holds(statement: &[String], pattern: &[String]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return false };
    let starts = statement.iter().enumerate().filter(|(_, word)| is_program(word, first));
    starts.map(|(at, _)| statement.get(at + 1..).unwrap_or_default()).any(|behind| {
        let letters: String =
            behind.iter().filter(|word| is_letters(word)).flat_map(|word| word.chars().skip(1)).collect();
        let mut plain = behind.iter();
        rest.iter().all(|wanted| {
            if is_letters(wanted) {
                // `-R` is `-r` for the programs that have both; a lone letter must be met as it is.
                wanted
                    .chars()
                    .skip(1)
                    .all(|letter| letters.contains(letter) || (letter == 'r' && letters.contains('R')))
                    || behind.contains(wanted)
            } else if wanted.starts_with('-') && wanted != "--" {
                behind.contains(wanted)
            } else if wanted.ends_with('=') {
                behind.iter().any(|word| word.starts_with(wanted))
            } else {
                plain.any(|word| word == wanted)
            }
        })
    })
}

/// `/bin/rm` is `rm`.
fn is_program(word: &str, name: &str) -> bool {
    word == name || word.rsplit(['/', '\\']).next() == Some(name)
}

/// A flag of letters behind one dash, as `-rf`; long words behind one dash are names.
fn is_letters(word: &str) -> bool {
    word.len() <= 4
        && word.len() > 1
        && word.starts_with('-')
        && word.chars().skip(1).all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{DEFAULT, Pattern, commit};
    use crate::crashes::ToolCall;

    fn call(tool: &str, input: Value) -> ToolCall {
        ToolCall { tool: tool.to_owned(), input }
    }

    fn is_risky(command: &str) -> bool {
        let call = call("Bash", json!({"command": command}));
        DEFAULT.iter().filter_map(|text| Pattern::read(text)).any(|pattern| pattern.matches(&call).is_some())
    }

    #[test]
    fn commands_that_destroy_are_told_from_those_that_do_not() {
        for command in [
            "rm -rf build",
            "cd x && sudo /bin/rm -fr 'a b'",
            "rm -r -f x",
            "rm -Rf x",
            "git reset --hard HEAD~3",
            "git -C sub reset --hard",
            "git push origin main --force",
            "git push -f",
            "psql -c \"drop table users\"",
            "echo 'DROP  TABLE x' | sqlite3 a.db",
            "terraform apply -auto-approve",
            "git checkout -- src",
            "git clean -fdx",
            "git branch -D topic",
            "dd if=/dev/zero of=/dev/sda",
            "find . -name '*.o' -delete",
            "bash -c 'rm -rf x'",
            "true\nrm -rf y",
        ] {
            assert!(is_risky(command), "{command}");
        }
        for command in [
            "rm file",
            "ls -rf",
            "cargo build && ls",
            "git reset HEAD x",
            "git push",
            "git branch -d topic",
            "echo farm -rf",
            "git commit -m 'a reset'; ls --hard",
            "grep drop table.txt",
            "terraform plan",
            "git checkout main",
            "",
        ] {
            assert!(!is_risky(command), "{command}");
        }
    }

    #[test]
    fn the_command_is_found_in_every_clients_words() {
        let pattern = Pattern::read("rm -rf").unwrap();
        for found in [
            call("shell", json!({"command": ["bash", "-lc", "rm -rf x"]})),
            call("exec_command", json!({"cmd": "rm -rf x"})),
            call("run_shell_command", json!({"command": "rm -rf x"})),
        ] {
            assert!(pattern.matches(&found).is_some(), "{found:?}");
        }
        for other in [Value::Null, json!(7), json!({"command": {"rm": "-rf"}}), json!({"path": "rm -rf"})] {
            assert_eq!(pattern.matches(&call("Bash", other)), None);
        }
    }

    #[test]
    fn a_tool_can_be_named() {
        let pattern = Pattern::read(" tool:mcp__db__* ").unwrap();
        assert!(pattern.matches(&call("mcp__db__drop", Value::Null)).is_some());
        assert!(pattern.matches(&call("mcp__dbx", Value::Null)).is_none());
        assert_eq!((Pattern::read("  "), Pattern::read("tool: ")), (None, None));
    }

    #[test]
    fn a_commit_is_told() {
        for (command, is) in [
            ("git commit -m x", true),
            ("git add -A && git -c user.name=a commit -qm x", true),
            ("git commit --dry-run", false),
            ("git log --grep=commit", false),
        ] {
            assert_eq!(commit(&call("Bash", json!({"command": command}))).is_some(), is, "{command}");
        }
    }
}
