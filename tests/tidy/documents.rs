//! Whether what the documents name is there: the files and headings they link to, the paths, settings and
//! tables they mention. Words in a block of code are not looked at.

use crate::rules::{File, Violation};

/// How a path of the repository begins.
const FOLDERS: [&str; 9] =
    ["src-tauri", "ui", "icons", "tests", "docs", "deploy", ".github", ".ci", ".cargo"];
/// Crates, which documents name without the folders that they lie in: `core/crashes.rs`.
const CRATES: [&str; 7] = ["core", "store", "api", "engine", "cli", "shell", "xtask"];
/// Made by runs, and known to no repository.
const MADE: [&str; 1] = ["tests/out"];
/// Ends of file names, which look like a setting's.
const ENDS: [&str; 8] = ["db", "json", "log", "md", "rs", "toml", "ts", "txt"];

pub fn is_document(path: &str) -> bool {
    path == "README.md"
        || path == "deploy/README.md"
        || path.strip_prefix("docs/").is_some_and(|name| name.ends_with(".md"))
}

/// What the documents are held against.
pub struct Tree<'a> {
    pub files: &'a [String],
    pub read: &'a dyn Fn(&str) -> String,
    /// The source in which every setting is named.
    pub settings: &'a str,
}

impl Tree<'_> {
    fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let is_it = |rest: &str| rest.is_empty() || rest.starts_with('/');
        self.files.iter().any(|file| file.strip_prefix(path).is_some_and(is_it))
    }
}

/// All that one document names and that is not there.
pub fn check(file: &File<'_>, tree: &Tree<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (line, text) in prose(file.text) {
        let broken = links(text).filter_map(|target| broken_link(file.path, target, tree));
        let words = text.split('`').skip(1).step_by(2);
        let missing = words.filter_map(|word| missing_path(word, tree).or(unknown_setting(word, tree)));
        let rules = broken.chain(missing);
        found.extend(rules.map(|rule| Violation { path: file.path.to_owned(), line, rule }));
    }
    found
}

/// Tables of the migrations that a document does not name.
pub fn unnamed_tables<'a>(migrations: &'a str, document: &str) -> Vec<&'a str> {
    let after = |words: &'a str| {
        migrations.split(words).skip(1).filter_map(|rest| rest.split([' ', ';', '\n']).next())
    };
    let renamed: Vec<_> = migrations
        .lines()
        .filter(|line| line.contains(" RENAME TO "))
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    // One that takes the place of a table that was dropped has that table's name.
    let new_names: Vec<_> = after(" RENAME TO ").collect();
    let dropped: Vec<_> = after("DROP TABLE ").filter(|table| !new_names.contains(table)).collect();
    let standing =
        after("CREATE TABLE ").filter(|table| !renamed.contains(table) && !dropped.contains(table));
    standing.filter(|table| !document.contains(&format!("`{table}`"))).collect()
}

/// Lines with their numbers, without blocks of code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((at + 1, line))
    })
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split('`').step_by(2).flat_map(|plain| plain.split("](").skip(1));
    targets.filter_map(|rest| Some(rest.split_once(')')?.0))
}

fn broken_link(from: &str, target: &str, tree: &Tree<'_>) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { from.to_owned() } else { beside(from, path) };
    if !tree.holds(&path) {
        return Some(format!("the link `{target}` leads nowhere: there is no {path}"));
    }
    let text = (tree.read)(&path);
    let mut headings = prose(&text).filter_map(|(_, line)| line.strip_prefix('#')).map(slug);
    let is_there = heading.is_empty() || headings.any(|known| known == heading);
    (!is_there).then(|| format!("the link `{target}` leads nowhere: {path} has no such heading"))
}

/// A path as a document means it that lies at `from`.
fn beside(from: &str, path: &str) -> String {
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A heading as GitHub and others name it in an address.
fn slug(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim();
    let letters = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    letters.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

fn missing_path(word: &str, tree: &Tree<'_>) -> Option<String> {
    let (first, rest) = word.split_once('/')?;
    // A pattern, a command, or the name of a test.
    if word.contains(|c: char| c.is_whitespace() || "*<>{}…~$=:".contains(c)) {
        return None;
    }
    let is_there = if FOLDERS.contains(&first) {
        tree.holds(word) || MADE.contains(&word.trim_end_matches('/'))
    } else if CRATES.contains(&first) {
        ["src/", ""].iter().any(|sources| tree.holds(&format!("src-tauri/{first}/{sources}{rest}")))
    } else {
        true
    };
    (!is_there).then(|| format!("there is no `{word}`"))
}

fn unknown_setting(word: &str, tree: &Tree<'_>) -> Option<String> {
    let key = word.split(" = ").next().unwrap_or(word);
    let (group, name) = key.split_once('.')?;
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let is_key = is_plain(group) && is_plain(name) && !ENDS.contains(&name);
    let is_of_a_group = || tree.settings.contains(&format!("\"{group}."));
    let is_known = || tree.settings.contains(&format!("\"{key}\""));
    (is_key && is_of_a_group() && !is_known()).then(|| format!("there is no setting `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::{Tree, check, unnamed_tables};
    use crate::rules::File;

    fn broken(text: &str) -> Vec<(usize, String)> {
        let files = ["README.md", "docs/a.md", "docs/b.png", "src-tauri/core/src/crashes.rs", "ui/src/x.ts"];
        let files = files.map(str::to_owned);
        let other = "## What it is, and why\n";
        let read = |path: &str| String::from(if path == "docs/a.md" { text } else { other });
        let tree = Tree { files: &files, read: &read, settings: r#"name: "journal.keep_days","# };
        let found = check(&File { path: "docs/a.md", text }, &tree);
        found.into_iter().map(|found| (found.line, found.rule)).collect()
    }

    #[test]
    fn what_is_there_breaks_nothing() {
        for text in [
            "[a](../README.md), ![b](b.png), [`c`](../README.md#what-it-is-and-why), [d](https://x.org/y)",
            "# One `word`\n\nSee [above](#one-word).",
            "`docs/b.png`, `core/crashes.rs`, `src-tauri/core/src`, `ui/`, `tests/out`, `~/.claude/x`, `a/b`",
            "`core/*.rs`, `tests/it/a::b`, `docs/<name>.md`, `cd docs/c`",
            "`journal.keep_days = 3`, `journal.rs`, `moon.phase`",
            "```\n[a](gone.md) `docs/gone.md`\n```",
        ] {
            assert_eq!(broken(text), [], "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_named_with_its_line() {
        for (text, rule) in [
            ("\n[a](gone.md)", "the link `gone.md` leads nowhere: there is no docs/gone.md"),
            ("\n![a](../b.png)", "the link `../b.png` leads nowhere: there is no b.png"),
            (
                "\n[a](../README.md#when)",
                "the link `../README.md#when` leads nowhere: README.md has no such heading",
            ),
            ("\n[a](#two)", "the link `#two` leads nowhere: docs/a.md has no such heading"),
            ("\n| `docs/gone.md` |", "there is no `docs/gone.md`"),
            ("\n`core/gone.rs`", "there is no `core/gone.rs`"),
            ("\n`src-tauri/core/crashes.rs`", "there is no `src-tauri/core/crashes.rs`"),
            ("\n`journal.days = 3`", "there is no setting `journal.days`"),
        ] {
            assert_eq!(broken(text), [(2, rule.to_owned())], "{text}");
        }
    }

    #[test]
    fn a_table_that_no_document_names_is_told() {
        let migrations = "CREATE TABLE chat (\n);\nCREATE TABLE chat_new (\n);\nDROP TABLE chat;\n\
                          ALTER TABLE chat_new RENAME TO chat;\nCREATE TABLE home (\n);\n\
                          CREATE TABLE gone (\n);\nDROP TABLE gone;\n";
        assert_eq!(unnamed_tables(migrations, "`chat` and `home`"), [""; 0]);
        assert_eq!(unnamed_tables(migrations, "`chat`, at home"), ["home"]);
    }
}
