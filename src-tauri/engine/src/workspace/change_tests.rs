//! Bringing a tree from one state to another: what no snapshot holds is never lost, and nothing outside is touched.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::AtomicBool,
    time::Duration,
};

use shim_api::workspace::Change;

use super::{Differs, apply, between, refuse_what_would_be_lost};
use crate::snapshots::git::Git;

fn git(top: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(top)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A repository whose tree is as its second commit, and the ids of both.
fn two_states(first: &[(&str, &str)], second: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf, [String; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap().join("r");
    fs::create_dir(&top).unwrap();
    git(&top, &["init", "-q"]);
    let commits = [first, second].map(|files| {
        git(&top, &["rm", "-rq", "--ignore-unmatch", "."]);
        for (name, text) in files {
            let path = top.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        git(&top, &["add", "-A", "-f"]);
        git(&top, &["commit", "-q", "-m", "x"]);
        git(&top, &["rev-parse", "HEAD"])
    });
    (folder, top, commits)
}

/// Brings the tree back to the first state, unless something would be lost.
fn back(top: &Path, commits: &[String; 2]) -> Result<Vec<Differs>, String> {
    let stop = AtomicBool::new(false);
    let index = top.parent().unwrap().join("index");
    let git = Git::new(top, Duration::from_secs(60), &stop).with_index(&index);
    let differs = between(&git, &commits[1], &commits[0]).unwrap();
    refuse_what_would_be_lost(top, &differs).map_err(|lost| lost.to_string())?;
    apply(&git, top, &commits[0], &index, &differs).map_err(|error| error.to_string())?;
    Ok(differs)
}

fn read(top: &Path, name: &str) -> Option<String> {
    fs::read_to_string(top.join(name)).ok()
}

#[test]
fn files_come_change_and_go_and_the_users_index_stays() {
    let (_folder, top, commits) = two_states(
        &[("same", "s"), ("changed ü\n", "1"), ("gone/deep/er", "g"), ("was file", "f"), ("was/folder", "d")],
        &[("same", "s"), ("changed ü\n", "2"), ("new/x", "n"), ("was file/inner", "i"), ("was", "w")],
    );
    let before = fs::read(top.join(".git/index")).unwrap();
    let differs = back(&top, &commits).unwrap();
    let count = |change| differs.iter().filter(|one| one.change == change).count();
    assert_eq!([count(Change::Appears), count(Change::Changes), count(Change::Removed)], [3, 1, 3]);
    for (name, text) in [
        ("same", Some("s")),
        ("changed ü\n", Some("1")),
        ("gone/deep/er", Some("g")),
        ("was file", Some("f")),
        ("was/folder", Some("d")),
        ("new/x", None),
    ] {
        assert_eq!(read(&top, name).as_deref(), text, "{name}");
    }
    assert!(!top.join("new").exists(), "a folder that holds nothing goes too");
    assert_eq!(fs::read(top.join(".git/index")).unwrap(), before);
}

#[test]
fn what_no_snapshot_holds_is_not_overwritten() {
    let first = [("a", "1"), ("b/c", "1")];
    let prepare: [fn(&Path); 4] = [
        |top| fs::write(top.join("a"), "ignored").unwrap(),
        |top| fs::write(top.join("b"), "ignored").unwrap(),
        |top| {
            fs::create_dir(top.join("a")).unwrap();
            fs::write(top.join("a/ignored"), "x").unwrap();
        },
        |top| symlink("/nowhere", top.join("b")).unwrap(),
    ];
    for (number, prepare) in prepare.iter().enumerate() {
        let (_folder, top, commits) = two_states(&first, &[("other", "2")]);
        prepare(&top);
        let why = back(&top, &commits).unwrap_err();
        assert!(why.contains("no snapshot holds it"), "{number}: {why}");
        assert_eq!(read(&top, "other").as_deref(), Some("2"), "{number}: nothing was changed");
    }
}

#[test]
fn nothing_is_removed_through_a_link() {
    let (folder, top, commits) = two_states(&[("x", "1")], &[("x", "1"), ("linked/outside", "2")]);
    let outside = folder.path().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("outside"), "the user's").unwrap();
    fs::remove_dir_all(top.join("linked")).unwrap();
    symlink(&outside, top.join("linked")).unwrap();
    back(&top, &commits).unwrap();
    assert_eq!(read(&outside, "outside").as_deref(), Some("the user's"));
}
