//! The rules of this house that a machine can check, over every file that git knows or would add.
//! Each break is printed as `path:line: rule`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

#[path = "tidy/crates.rs"]
mod crates;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

#[test]
fn every_file_keeps_the_rules() {
    let root = root().unwrap();
    let mut violations = Vec::new();
    for path in files(&root).unwrap() {
        // A picture or a sample of broken bytes is no text, and no rule is about it.
        if let Ok(text) = std::fs::read_to_string(root.join(&path)) {
            violations.extend(rules::check(&rules::File { path: &path, text: &text }));
        }
    }
    report(violations);
}

#[test]
fn crates_use_only_what_lies_below_them() {
    let root = root().unwrap();
    let output =
        output(Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]), &root);
    let metadata = serde_json::from_slice(&output.unwrap()).unwrap();
    report(crates::check(&metadata, &root).unwrap());
}

/// `docs/clients.md` names the test that shows each cell, as `file below tests::test`.
#[test]
fn every_test_that_the_table_of_clients_names_exists() {
    let root = root().unwrap();
    let table = std::fs::read_to_string(root.join("docs/clients.md")).unwrap();
    let named: Vec<_> =
        table.split('`').skip(1).step_by(2).filter_map(|word| word.split_once("::")).collect();
    assert!(named.len() > 20, "the table names its tests");
    for (file, test) in named {
        let path = root.join("tests").join(format!("{file}.rs"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text.contains(&format!("fn {test}(")),
            "{} has no test {test}, which docs/clients.md names",
            path.display()
        );
    }
}

#[test]
fn what_the_documents_name_is_there() {
    let root = root().unwrap();
    let files = files(&root).unwrap();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let settings = texts(&files, "src-tauri/core/src/settings/", &read);
    let tree = documents::Tree { files: &files, read: &read, settings: &settings };
    let mut violations = Vec::new();
    for path in files.iter().filter(|path| documents::is_document(path)) {
        violations.extend(documents::check(&rules::File { path, text: &read(path) }, &tree));
    }
    report(violations);
}

#[test]
fn every_table_of_the_database_is_told_in_the_privacy_page() {
    let root = root().unwrap();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let migrations = texts(&files(&root).unwrap(), "src-tauri/store/src/migrations/", &read);
    let privacy = read("docs/privacy.md");
    assert!(migrations.contains("CREATE TABLE chat "), "the migrations are read");
    assert_eq!(documents::unnamed_tables(&migrations, &privacy), [""; 0], "not in docs/privacy.md");
}

/// What stands in all files of a folder.
fn texts(files: &[String], folder: &str, read: &dyn Fn(&str) -> String) -> String {
    files.iter().filter(|path| path.starts_with(folder)).map(|path| read(path)).collect()
}

fn root() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?)
}

/// Tracked files, and new ones that are not ignored.
fn files(root: &Path) -> Result<Vec<String>> {
    let safe = format!("safe.directory={}", root.display());
    let mut git = Command::new("git");
    git.args(["-c", &safe, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = String::from_utf8(output(&mut git, root)?)?;
    let files: Vec<_> = listed.split_terminator('\0').map(str::to_owned).collect();
    ensure!(files.iter().any(|path| path == "Cargo.toml"), "git lists no Cargo.toml in {}", root.display());
    Ok(files)
}

fn output(command: &mut Command, root: &Path) -> Result<Vec<u8>> {
    let output = command.current_dir(root).output().with_context(|| format!("{command:?} did not start"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

#[track_caller]
fn report(mut violations: Vec<rules::Violation>) {
    violations.sort();
    for found in &violations {
        println!("{}:{}: {}", found.path, found.line, found.rule);
    }
    assert!(violations.is_empty(), "{} rules are broken; each is printed above", violations.len());
}
