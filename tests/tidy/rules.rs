//! The rules a file can break, one function each. What a rule is for stands in `docs/ARCHITECTURE.md`
//! (invariants) and in the rule's own text, which is what a person reads when it is broken.

use crate::source::{Source, is_word, item_end, line_of};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// Of a test: one check with many rows is longer than a function, and reads well.
const TEST_LINES_MAX: usize = 110;
const HEADER_LINES_MAX: usize = 8;
const ARCHITECTURE_LINES_MAX: usize = 250;

pub struct File<'a> {
    /// From the repository's root, with `/`.
    pub path: &'a str,
    pub text: &'a str,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub path: String,
    pub line: usize,
    pub rule: String,
}

/// All that is wrong with one file.
pub fn check(file: &File<'_>) -> Vec<Violation> {
    let mut found = Found { path: file.path, violations: Vec::new() };
    name(file, &mut found);
    place(file, &mut found);
    length(file, &mut found);
    unnumbered_reminders(file, &mut found);
    machine_paths(file, &mut found);
    if file.path.ends_with(".rs") {
        let source = Source::read(file.text);
        header(file, &mut found);
        functions(file, &source, &mut found);
        core_is_pure(file, &source, &mut found);
        sql_in_store(file, &source, &mut found);
        tauri_in_shell(file, &source, &mut found);
        no_panics(file, &source, &mut found);
        no_string_errors(file, &source, &mut found);
        no_detached_spawns(file, &source, &mut found);
    } else {
        tauri_behind_host(file, &mut found);
    }
    if file.path.ends_with("Cargo.toml") {
        lints(file, &mut found);
    }
    found.violations.dedup();
    found.violations
}

struct Found<'a> {
    path: &'a str,
    violations: Vec<Violation>,
}

impl Found<'_> {
    fn add(&mut self, line: usize, rule: impl Into<String>) {
        self.violations.push(Violation { path: self.path.to_owned(), line, rule: rule.into() });
    }
}

/// Written by a tool or by a client, not by us.
fn is_foreign(path: &str) -> bool {
    path.starts_with("tests/data/")
        || path.starts_with("ui/src/bindings/")
        || path.ends_with("Cargo.lock")
        || path.ends_with("package-lock.json")
}

/// Tests, and what only tests use.
fn is_test_file(path: &str) -> bool {
    (path.starts_with("tests/") && !path.starts_with("tests/standin/src/"))
        || ["/tests/", "/tests.rs", "_tests.rs"].iter().any(|part| path.contains(part))
}

fn name(file: &File<'_>, found: &mut Found<'_>) {
    const BANNED: [&str; 10] =
        ["manager", "service", "helper", "helpers", "util", "utils", "misc", "common", "processor", "mod"];
    let base = file.path.rsplit('/').next().unwrap_or(file.path);
    let stem = base.split('.').next().unwrap_or(base);
    if is_code(file.path) && stem.split(['-', '_']).any(|word| BANNED.contains(&word.to_lowercase().as_str()))
    {
        found.add(1, format!("a file is named after what users know, not `{base}`"));
    }
    if [".bak", ".orig", ".rej", "~", ".tmp"].iter().any(|end| base.ends_with(end)) {
        found.add(1, "no back-up copies in the repository");
    }
}

fn is_code(path: &str) -> bool {
    [".rs", ".ts", ".js", ".mjs", ".svelte", ".css", ".sh", ".sql"].iter().any(|end| path.ends_with(end))
}

fn place(file: &File<'_>, found: &mut Found<'_>) {
    // `deploy` is for Prometheus and Grafana: neither built nor installed, and named by who runs them.
    const FOLDERS: [&str; 6] = ["src-tauri", "ui", "icons", "tests", "docs", "deploy"];
    const FILES: [&str; 8] = [
        "Cargo.toml",
        "Cargo.lock",
        "tauri.conf.json",
        "README.md",
        "LICENSE",
        "clippy.toml",
        "rustfmt.toml",
        "deny.toml",
    ];
    let known = match file.path.split_once('/') {
        Some((folder, _)) => folder.starts_with('.') || FOLDERS.contains(&folder),
        None => {
            file.path.starts_with('.') || FILES.contains(&file.path) || file.path == "rust-toolchain.toml"
        }
    };
    if !known {
        found.add(
            1,
            "the top level holds only what design names: src-tauri, ui, icons, tests, docs, deploy and settings",
        );
    }
}

fn length(file: &File<'_>, found: &mut Found<'_>) {
    let lines = file.text.lines().count();
    if is_code(file.path) && !is_foreign(file.path) && lines > FILE_LINES_MAX {
        found.add(lines, format!("a file of {lines} lines is two files (limit {FILE_LINES_MAX})"));
    }
    if file.path == "docs/ARCHITECTURE.md" && lines > ARCHITECTURE_LINES_MAX {
        found.add(lines, format!("at most {ARCHITECTURE_LINES_MAX} lines, so that it is read"));
    }
}

fn unnumbered_reminders(file: &File<'_>, found: &mut Found<'_>) {
    const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    if is_foreign(file.path) {
        return;
    }
    for (at, line) in file.text.lines().enumerate() {
        for mark in MARKS {
            let numbered = |tail: &str| {
                let tail = tail.trim_start_matches(['(', ' ', ':']);
                tail.strip_prefix('#').is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
            };
            if words(line, mark).any(|end| !numbered(line.get(end..).unwrap_or(""))) {
                found.add(at + 1, format!("`{mark}` names its issue (`{mark} #12`) or is done"));
            }
        }
    }
}

/// Offsets just after each occurrence of `word` that is not part of a longer word.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).filter_map(move |(at, _)| {
        let end = at + word.len();
        let before = text.get(..at).and_then(|t| t.chars().next_back()).is_some_and(is_word);
        let after = text.get(end..).and_then(|t| t.chars().next()).is_some_and(is_word);
        (!before && !after).then_some(end)
    })
}

fn machine_paths(file: &File<'_>, found: &mut Found<'_>) {
    const MACHINE: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    /// Names that stand for anybody.
    const ANYBODY: [&str; 5] = ["u", "user", "you", "me", "ada"];
    for (at, line) in file.text.lines().enumerate() {
        let starts = |start: usize| {
            !line
                .get(..start)
                .and_then(|t| t.chars().next_back())
                .is_some_and(|c| is_word(c) || "./*}~-".contains(c))
        };
        for path in MACHINE {
            if line.match_indices(path).any(|(start, _)| starts(start)) {
                found.add(at + 1, format!("`{path}` is one machine's path"));
            }
        }
        for (start, home) in line.match_indices("/home/") {
            let who = line.get(start + home.len()..).unwrap_or("");
            let who = who.split(|c: char| !is_word(c)).next().unwrap_or("");
            if starts(start) && who.starts_with(|c: char| c.is_ascii_lowercase()) && !ANYBODY.contains(&who) {
                found.add(at + 1, format!("`/home/{who}` is one person's path; `/home/user` stands for any"));
            }
        }
    }
}

fn header(file: &File<'_>, found: &mut Found<'_>) {
    match file.text.lines().take_while(|line| line.starts_with("//!")).count() {
        0 => found.add(1, "a file opens with one to five `//!` lines: what it is, and what it never does"),
        1..=HEADER_LINES_MAX => {}
        lines => {
            found.add(lines, format!("a header of {lines} lines is a document (limit {HEADER_LINES_MAX})"))
        }
    }
}

fn functions(file: &File<'_>, source: &Source, found: &mut Found<'_>) {
    for end in words(&source.code, "fn") {
        let first = line_of(&source.code, end);
        let lines = line_of(&source.code, item_end(&source.code, end)) + 1 - first;
        let rest = source.code.get(end..).unwrap_or("").trim_start();
        let name = rest.split(|c| !is_word(c)).next().unwrap_or("");
        let test = is_test_file(file.path) || source.is_test(first);
        let limit = if test { TEST_LINES_MAX } else { FUNCTION_LINES_MAX };
        if !name.is_empty() && lines > limit {
            found.add(first, format!("`{name}` has {lines} lines: it is two functions (limit {limit})"));
        }
    }
}

fn core_is_pure(file: &File<'_>, source: &Source, found: &mut Found<'_>) {
    const BANNED: [&str; 10] = [
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "std::env",
        "SystemTime",
        "Instant",
        "tokio",
        "rand",
        "uuid",
    ];
    if !file.path.starts_with("src-tauri/core/") {
        return;
    }
    for (line, path) in paths(&source.code) {
        let segments: Vec<_> = path.split("::").collect();
        let hit = BANNED.iter().find(|banned| {
            let wanted: Vec<_> = banned.split("::").collect();
            match wanted.as_slice() {
                [item] if item.starts_with(char::is_uppercase) => segments.contains(item),
                [_] if segments.len() == 1 => false,
                wanted => segments.starts_with(wanted),
            }
        });
        if let Some(banned) = hit {
            found.add(
                line,
                format!("core does no IO, knows no clock, no randomness, no async: not `{banned}`"),
            );
        }
    }
}

/// Every `a::b::c` path in the code, with those in `use` trees written out.
fn paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(tail) = code.get(at..).filter(|tail| !tail.is_empty()) {
        let start_of_word = !code.get(..at).and_then(|t| t.chars().next_back()).is_some_and(is_word);
        if start_of_word && let Some(tree) = tail.strip_prefix("use ") {
            let end = tree.find(';').unwrap_or(tree.len());
            let tree: String = tree.get(..end).unwrap_or("").chars().filter(|c| !c.is_whitespace()).collect();
            paths.extend(expand("", &tree).into_iter().map(|path| (line_of(code, at), path)));
            at += "use ".len() + end;
        } else if start_of_word && tail.starts_with(is_word) {
            let end = tail.find(|c| !is_word(c) && c != ':').unwrap_or(tail.len());
            paths.push((line_of(code, at), tail.get(..end).unwrap_or("").trim_end_matches(':').to_owned()));
            at += end;
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    paths
}

/// Writes out a `use` tree without blanks: `std::{fs,io::{self}}` is `std::fs`, `std::io::self`.
fn expand(prefix: &str, tree: &str) -> Vec<String> {
    let Some((head, group)) = tree.split_once('{') else {
        return vec![format!("{prefix}{tree}")];
    };
    let prefix = format!("{prefix}{head}");
    let inner = group.strip_suffix('}').unwrap_or(group);
    let mut depth = 0_usize;
    let branches = inner.split(move |c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    branches.filter(|branch| !branch.is_empty()).flat_map(|branch| expand(&prefix, branch)).collect()
}

fn sql_in_store(file: &File<'_>, source: &Source, found: &mut Found<'_>) {
    const STATEMENTS: [(&str, &str); 9] = [
        ("SELECT ", ""),
        ("INSERT ", "INTO "),
        ("UPDATE ", " SET "),
        ("DELETE ", "FROM "),
        ("CREATE ", ""),
        ("ALTER ", "TABLE "),
        ("DROP ", ""),
        ("PRAGMA ", ""),
        ("VACUUM", ""),
    ];
    let house = file.path.starts_with("src-tauri/") && !file.path.starts_with("src-tauri/store/");
    for literal in source.strings.iter().filter(|_| house) {
        let text = literal.text.trim_start();
        if STATEMENTS.iter().any(|(verb, object)| text.starts_with(verb) && text.contains(object)) {
            found.add(literal.line, "SQL stands only in src-tauri/store");
        }
    }
}

fn tauri_in_shell(file: &File<'_>, source: &Source, found: &mut Found<'_>) {
    let own = file.path.starts_with("src-tauri/shell/") || file.path == "src-tauri/build.rs";
    for (line, path) in paths(&source.code).into_iter().filter(|_| !own) {
        if path.split_once("::").is_some_and(|(root, _)| root == "tauri" || root.starts_with("tauri_")) {
            found.add(line, "only src-tauri/shell and src-tauri/build.rs know Tauri");
        }
    }
}

fn tauri_behind_host(file: &File<'_>, found: &mut Found<'_>) {
    if !file.path.starts_with("ui/src/") || file.path.starts_with("ui/src/host/") {
        return;
    }
    for (at, line) in file.text.lines().enumerate() {
        if line.contains("@tauri-apps") {
            found.add(at + 1, "only ui/src/host knows Tauri");
        }
    }
}

fn no_panics(file: &File<'_>, source: &Source, found: &mut Found<'_>) {
    const CALLS: [&str; 7] =
        [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "dbg!(", "allow(clippy::"];
    if is_test_file(file.path) {
        return;
    }
    for (line, code) in source.lines().filter(|(line, _)| !source.is_test(*line)) {
        if let Some(call) = CALLS.iter().find(|call| code.contains(*call)) {
            found.add(line, format!("no panic outside tests, and no lint switched off: `{call}`"));
        }
    }
}

fn no_string_errors(file: &File<'_>, source: &Source, found: &mut Found<'_>) {
    if is_test_file(file.path) {
        return;
    }
    for (line, code) in source.lines().filter(|(line, _)| !source.is_test(*line)) {
        if code.contains("Result<") && code.contains(", String>") && !code.contains("Map<") {
            found.add(line, "an error is a type, never `Result<_, String>`");
        }
    }
}

/// A spawned task or thread whose handle is thrown away where it is made.
fn no_detached_spawns(file: &File<'_>, source: &Source, found: &mut Found<'_>) {
    const SPAWNERS: [&str; 5] = ["tokio::", "task::", "tokio::task::", "thread::", "std::thread::"];
    if is_test_file(file.path) {
        return;
    }
    for (at, _) in source.code.match_indices("spawn") {
        let line = line_of(&source.code, at);
        let start = source.code.get(..at).and_then(|t| t.rfind([';', '{', '}'])).map_or(0, |n| n + 1);
        let statement = source.code.get(start..at).is_some_and(|before| SPAWNERS.contains(&before.trim()));
        let call = source.code.get(at..item_end(&source.code, at)).unwrap_or("");
        if statement && !source.is_test(line) && call.ends_with(");") && !call.contains(").") {
            found.add(line, "every task is owned and ends at shutdown: keep the handle of what is spawned");
        }
    }
}

fn lints(file: &File<'_>, found: &mut Found<'_>) {
    let shared = file.text.lines().skip_while(|line| line.trim() != "[lints]").nth(1);
    if file.path != "tests/fuzz/Cargo.toml" && shared.map(str::trim) != Some("workspace = true") {
        found.add(1, "every crate takes the workspace's lints: `[lints]`, `workspace = true`");
    }
}

#[cfg(test)]
mod tests {
    use super::{File, check};

    /// Lines and words of the rules that `text`, standing at `path`, breaks.
    fn broken(path: &str, text: &str) -> Vec<(usize, String)> {
        check(&File { path, text }).into_iter().map(|v| (v.line, v.rule)).collect()
    }

    #[track_caller]
    fn breaks(path: &str, text: &str, line: usize, words: &str) {
        let found = broken(path, text);
        assert!(
            found.len() == 1 && found[0].0 == line && found[0].1.contains(words),
            "{path}: {text}\n{found:?}"
        );
    }

    const CORE: &str = "src-tauri/core/src/a.rs";
    const ENGINE: &str = "src-tauri/engine/src/a.rs";

    #[test]
    fn good_files_break_nothing() {
        for (path, text) in [
            (CORE, "//! A.\nuse std::{fmt, time::Duration};\nfn operand() -> Duration { Duration::ZERO }\n"),
            (ENGINE, "//! A.\nuse std::fs;\n// the words unwrap() and SELECT in a comment\nfn a() {}\n"),
            (ENGINE, "//! A.\nlet task = tokio::spawn(async {});\nset.spawn(async {});\n"),
            (ENGINE, "//! A.\nfn a() -> JoinHandle { thread::spawn(|| {}) }\n"),
            (ENGINE, "//! A.\n#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap(); }\n}\n"),
            ("src-tauri/store/src/a.rs", "//! A.\nconst Q: &str = \"SELECT 1\";\n"),
            ("src-tauri/shell/app.rs", "//! A.\nuse tauri::App;\n"),
            ("ui/src/host/tauri.ts", "import x from '@tauri-apps/api';\n"),
            ("tests/it/a.rs", "//! A.\nfn a() { b.unwrap(); }\n"),
            ("README.md", "Your chats stay in /home/user/.local; https://a.b/work/x; \n"),
        ] {
            assert_eq!(broken(path, text), [], "{path}: {text}");
        }
    }

    #[test]
    fn names_and_places() {
        breaks("src-tauri/engine/src/chat_manager.rs", "//! A.\n", 1, "named after");
        breaks("src-tauri/engine/src/clients/mod.rs", "//! A.\n", 1, "named after");
        breaks("ui/src/utils.ts", "", 1, "named after");
        breaks("docs/old.md.bak", "", 1, "back-up");
        breaks("STATUS.md", "", 1, "top level");
        breaks("scripts/x.py", "", 1, "top level");
    }

    #[test]
    fn lengths() {
        breaks("ui/src/a.ts", &"x\n".repeat(801), 801, "two files");
        breaks("docs/ARCHITECTURE.md", &"x\n".repeat(251), 251, "at most 250");
        breaks(
            ENGINE,
            &format!("//! A.\n\nfn long() {{\n{}}}\n", "    x;\n".repeat(69)),
            3,
            "`long` has 71 lines",
        );
        breaks(ENGINE, &"//! A.\n".repeat(9), 9, "header");
        breaks(ENGINE, "fn a() {}\n", 1, "opens with");
    }

    #[test]
    fn core_reaches_for_nothing_outside() {
        breaks(CORE, "//! A.\nuse std::{\n    fmt,\n    fs::{self, File},\n};\n", 2, "std::fs");
        breaks(CORE, "//! A.\nfn a() { std::thread::yield_now() }\n", 2, "std::thread");
        breaks(CORE, "//! A.\nuse std::time::{Duration, Instant};\n", 2, "Instant");
        breaks(CORE, "//! A.\nasync fn a() { tokio::task::yield_now().await }\n", 2, "tokio");
    }

    #[test]
    fn sql_and_tauri_stay_where_they_belong() {
        breaks(ENGINE, "//! A.\n\nconst Q: &str = \"SELECT id FROM chats\";\n", 3, "SQL");
        breaks(ENGINE, "//! A.\nconst Q: &str = r#\"\n  UPDATE chats SET a = 1\"#;\n", 2, "SQL");
        breaks(ENGINE, "//! A.\nfn a(app: &tauri::AppHandle) {}\n", 2, "Tauri");
        breaks("ui/src/App.svelte", "<script>\nimport { invoke } from '@tauri-apps/api/core';\n", 2, "Tauri");
    }

    #[test]
    fn nothing_panics_and_nothing_is_thrown_away() {
        breaks(ENGINE, "//! A.\nfn a() { b.unwrap(); }\n", 2, "no panic");
        breaks(ENGINE, "//! A.\nfn a() {\n    b\n        .expect(\"b\");\n}\n", 4, "no panic");
        breaks(ENGINE, "//! A.\n#[allow(clippy::unwrap_used)]\nfn a() {}\n", 2, "no lint switched off");
        breaks(ENGINE, "//! A.\nfn a() -> Result<(), String> {}\n", 2, "an error is a type");
        breaks(ENGINE, "//! A.\nfn a() {\n    tokio::spawn(async {\n        b;\n    });\n}\n", 3, "owned");
        breaks("src-tauri/x/Cargo.toml", "[package]\nname = \"x\"\n", 1, "lints");
    }

    #[test]
    fn reminders_and_machine_paths() {
        for mark in [concat!("TO", "DO"), concat!("FIX", "ME")] {
            breaks(ENGINE, &format!("//! A.\n// {mark}: later\n"), 2, "names its issue");
            assert_eq!(broken(ENGINE, &format!("//! A.\n// {mark} #12: later\n")), []);
        }
        for path in [concat!("/wo", "rk/a"), concat!("/ro", "ot/.claude"), concat!("/ho", "me/eve/x")] {
            breaks("README.md", &format!("a\nSee {path}.\n"), 2, "path");
        }
    }
}
