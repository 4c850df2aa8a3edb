//! Snapshots of real repositories with the real git: everything is in them, and nothing of the user's is touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::AtomicBool,
    time::Duration,
};

use shim_core::checkpoints::snapshots::{SnapshotPace, WhyLeftOut};

use super::{Taken, Wanted, let_go, take};
use crate::snapshots::git::{Git, GitError, find};

const REFERENCE: &str = "refs/shim/test/1";

/// A folder with repositories, and a home of its own for the user's git.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn repository(&self, options: &[&str]) -> Repository<'_> {
        let repository = Repository { place: self, top: self.path("a b ü") };
        fs::create_dir_all(&repository.top).unwrap();
        repository.git(&[&["init", "-q"], options].concat());
        repository
    }
}

struct Repository<'a> {
    place: &'a Place,
    top: PathBuf,
}

impl Repository<'_> {
    fn output(&self, args: &[&str]) -> std::process::Output {
        let identity =
            ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main"];
        Command::new("git")
            .args(identity)
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .current_dir(&self.top)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.place.path("home"))
            .output()
            .unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// A repository with one commit.
    fn begun(self) -> Self {
        for (name, text) in
            [("one", "1"), ("deep/er/two", "2"), ("three", "3"), (".gitignore", "ignored/\n*.log\n")]
        {
            self.write(name, text);
        }
        self.commit("first");
        self
    }

    fn worktree(&self, at: PathBuf) -> Repository<'_> {
        Repository { place: self.place, top: at }
    }

    fn take_with(&self, pace: &SnapshotPace, last: Option<(&str, Option<&str>)>) -> Result<Taken, GitError> {
        let (top, git_folder) = find(&self.top).expect("a repository");
        let index = self.place.path("shim.index");
        let wanted =
            Wanted { folder: &self.top, reference: REFERENCE, message: "kept", index: &index, pace, last };
        let taken = take(&top, &git_folder, &wanted, &AtomicBool::new(false));
        assert!(
            !index.exists() && !index.with_extension("names").exists(),
            "SHIM's own index is cleared away"
        );
        taken
    }

    fn take(&self) -> Taken {
        self.take_with(&SnapshotPace::default(), None).unwrap()
    }

    /// All that a user has in a repository and that a snapshot must leave alone.
    fn users_own(&self) -> BTreeMap<String, String> {
        let (_, git_folder) = find(&self.top).unwrap();
        let mut own = BTreeMap::new();
        let meta = fs::metadata(git_folder.join("index"));
        own.insert("index age".to_owned(), format!("{:?}", meta.and_then(|meta| meta.modified()).ok()));
        for file in ["index", "HEAD", "config", "packed-refs", "MERGE_HEAD", "logs/HEAD", "ORIG_HEAD"] {
            own.insert(file.to_owned(), format!("{:?}", fs::read(git_folder.join(file)).ok()));
        }
        let entries = |folder: &Path| {
            let names = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name());
            format!("{:?}", names.collect::<BTreeSet<_>>())
        };
        own.insert("hooks".to_owned(), entries(&git_folder.join("hooks")));
        own.insert("git folder".to_owned(), entries(&git_folder));
        let refs = self.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        let refs: Vec<_> = refs.lines().filter(|line| !line.starts_with("refs/shim/")).collect();
        own.insert("refs".to_owned(), refs.join("\n"));
        own.insert("stash".to_owned(), self.git(&["stash", "list"]));
        own.insert(
            "status".to_owned(),
            self.git(&[
                "-c",
                "core.fsmonitor=false",
                "--no-optional-locks",
                "status",
                "--porcelain=v2",
                "--branch",
                "-uall",
            ]),
        );
        own
    }

    /// The files of a commit, with their bytes.
    fn files_of(&self, commit: &str) -> BTreeMap<String, String> {
        let listed = self.output(&["ls-tree", "-r", "-z", commit]).stdout;
        let lines = listed.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let each = lines.map(|line| {
            let (about, name) = std::str::from_utf8(line).unwrap().split_once('\t').unwrap();
            let words: Vec<_> = about.split(' ').collect();
            let text = match words[1] {
                "blob" => {
                    String::from_utf8_lossy(&self.output(&["cat-file", "blob", words[2]]).stdout).into_owned()
                }
                _ => format!("commit {}", words[2]),
            };
            (name.to_owned(), format!("{} {text}", words[0]))
        });
        each.collect()
    }
}

/// Takes a snapshot, and checks that it holds these files and that nothing of the user's changed.
#[track_caller]
fn holds(repository: &Repository<'_>, files: &[(&str, &str)]) -> Taken {
    let before = repository.users_own();
    let taken = repository.take();
    assert_eq!(repository.users_own(), before);
    let commit = taken.commit.as_deref().expect("a new one");
    assert_eq!(repository.git(&["rev-parse", REFERENCE]), commit);
    let expected = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    assert_eq!(repository.files_of(commit), expected.collect::<BTreeMap<_, _>>());
    repository.git(&["fsck", "--strict"]);
    taken
}

const IGNORES: (&str, &str) = (".gitignore", "100644 ignored/\n*.log\n");

#[test]
fn all_that_lies_in_the_tree_is_kept_and_what_is_ignored_is_not() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    repository.write("one", "changed");
    repository.write("staged", "s");
    repository.git(&["add", "staged"]);
    repository.write("staged", "staged, then changed");
    repository.write("new folder/ü\n\"x\"", "untracked");
    repository.write("ignored/x", "no");
    repository.write("a.log", "no");
    fs::remove_file(repository.top.join("three")).unwrap();
    repository.write("run", "#!");
    fs::set_permissions(repository.top.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/nowhere/at all", repository.top.join("link")).unwrap();
    let taken = holds(
        &repository,
        &[
            IGNORES,
            ("deep/er/two", "100644 2"),
            ("link", "120000 /nowhere/at all"),
            ("new folder/ü\n\"x\"", "100644 untracked"),
            ("one", "100644 changed"),
            ("run", "100755 #!"),
            ("staged", "100644 staged, then changed"),
        ],
    );
    assert_eq!((taken.files, taken.left_out.len()), (6, 0));
    let commit = taken.commit.unwrap();
    assert_eq!(taken.head, Some(repository.git(&["rev-parse", "HEAD"])));
    assert_eq!(repository.git(&["log", "--format=%an %s", "-1", &commit]), "SHIM kept");
    assert_eq!(repository.git(&["rev-parse", &format!("{commit}^")]), repository.git(&["rev-parse", "HEAD"]));
}

#[test]
fn a_tree_that_is_the_same_makes_no_second_commit() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    let first = repository.take();
    let last = Some((first.tree.as_str(), first.head.as_deref()));
    let again = repository.take_with(&SnapshotPace::default(), last).unwrap();
    assert_eq!((again.commit, again.tree.as_str()), (None, first.tree.as_str()));
    repository.write("one", "more");
    let error = repository.take_with(&SnapshotPace::default(), last).unwrap_err();
    assert!(error.to_string().contains("update-ref"), "a reference is never moved: {error}");
}

#[test]
fn no_hook_filter_or_monitor_of_the_users_is_run() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    let ran = place.path("ran");
    let script = format!("#!/bin/sh\necho \"$0\" >> '{}'\ncat\n", ran.display());
    let program = place.path("program");
    fs::write(&program, &script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for hook in [
        "post-index-change",
        "reference-transaction",
        "pre-auto-gc",
        "post-checkout",
        "pre-commit",
        "post-commit",
    ] {
        fs::copy(&program, repository.top.join(".git/hooks").join(hook)).unwrap();
    }
    repository.write(".gitattributes", "*.bin filter=mark.er\n*.lfs filter=lfs\n");
    for (key, value) in [
        ("filter.mark.er.clean", program.to_str().unwrap()),
        ("filter.mark.er.required", "true"),
        ("filter.lfs.process", program.to_str().unwrap()),
        ("filter.lfs.required", "true"),
        ("core.fsmonitor", program.to_str().unwrap()),
        ("core.untrackedCache", "true"),
        ("core.splitIndex", "true"),
        ("core.logAllRefUpdates", "always"),
        ("core.safecrlf", "true"),
        ("core.autocrlf", "input"),
        ("gc.auto", "1"),
    ] {
        repository.git(&["config", key, value]);
    }
    let _ = fs::remove_file(&ran);
    repository.write("x.bin", "raw");
    repository.write("y.lfs", "raw too");
    repository.write("crlf", "a\r\nb\n");
    let git_files = || fs::read_dir(repository.top.join(".git")).unwrap().count();
    let (files, index) = (git_files(), fs::read(repository.top.join(".git/index")).unwrap());
    let taken = repository.take();
    assert_eq!(fs::read_to_string(&ran).unwrap_or_default(), "", "no program of the user's was run");
    assert_eq!((git_files(), fs::read(repository.top.join(".git/index")).unwrap()), (files, index));
    assert!(!repository.top.join(".git/logs/refs/shim").exists());
    let held = repository.files_of(taken.commit.as_deref().unwrap());
    assert_eq!((held["x.bin"].as_str(), held["y.lfs"].as_str()), ("100644 raw", "100644 raw too"));
}

#[test]
fn a_repository_without_a_commit() {
    let place = Place::new();
    let repository = place.repository(&[]);
    repository.write("one", "1");
    let taken = holds(&repository, &[("one", "100644 1")]);
    assert_eq!(taken.head, None);
    assert_eq!(repository.git(&["rev-list", "--count", REFERENCE]), "1");
}

#[test]
fn a_head_without_a_branch_and_a_shallow_clone() {
    let place = Place::new();
    let origin = place.repository(&[]).begun();
    origin.write("one", "2");
    origin.commit("second");
    let url = format!("file://{}", origin.top.display());
    origin.git(&["clone", "-q", "--depth", "1", &url, place.path("clone").to_str().unwrap()]);
    let clone = origin.worktree(place.path("clone"));
    clone.git(&["checkout", "-q", "--detach"]);
    clone.write("new", "n");
    let files = [
        IGNORES,
        ("deep/er/two", "100644 2"),
        ("new", "100644 n"),
        ("one", "100644 2"),
        ("three", "100644 3"),
    ];
    holds(&clone, &files);
}

#[test]
fn a_merge_under_way_with_conflicts() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    repository.git(&["checkout", "-q", "-b", "side"]);
    repository.write("one", "theirs");
    fs::remove_file(repository.top.join("three")).unwrap();
    repository.commit("side");
    repository.git(&["checkout", "-q", "main"]);
    repository.write("one", "ours");
    repository.write("three", "ours too");
    repository.commit("main");
    assert!(!repository.output(&["merge", "side"]).status.success());
    let text = fs::read_to_string(repository.top.join("one")).unwrap();
    assert!(text.contains("<<<<<<<"));
    let one = format!("100644 {text}");
    let files = [IGNORES, ("deep/er/two", "100644 2"), ("one", one.as_str()), ("three", "100644 ours too")];
    holds(&repository, &files);
}

#[test]
fn a_linked_worktree_keeps_its_own_tree() {
    let place = Place::new();
    let main = place.repository(&[]).begun();
    let at = place.path("linked");
    main.git(&["worktree", "add", "-q", "-b", "topic", at.to_str().unwrap()]);
    let linked = main.worktree(at);
    main.write("only in main", "m");
    linked.write("only here", "l");
    let files = [
        IGNORES,
        ("deep/er/two", "100644 2"),
        ("one", "100644 1"),
        ("only here", "100644 l"),
        ("three", "100644 3"),
    ];
    holds(&linked, &files);
}

#[test]
fn repositories_within_are_noted_and_not_entered() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    let other = repository.worktree(place.path("other"));
    fs::create_dir(&other.top).unwrap();
    other.git(&["init", "-q"]);
    other.write("inner", "i");
    other.commit("inner");
    repository.git(&["submodule", "add", "-q", other.top.to_str().unwrap(), "sub"]);
    repository.commit("with a submodule");
    let at = repository.git(&["rev-parse", "HEAD:sub"]);
    let sub = repository.worktree(repository.top.join("sub"));
    sub.write("inner", "changed");
    sub.write("more", "untracked");
    sub.commit("further");
    fs::create_dir(repository.top.join("nested")).unwrap();
    let nested = repository.worktree(repository.top.join("nested"));
    nested.git(&["init", "-q"]);
    nested.write("x", "x");
    nested.commit("nested");
    let module = fs::read_to_string(repository.top.join(".gitmodules")).unwrap();
    let (module, at) = (format!("100644 {module}"), format!("160000 commit {at}"));
    let taken = holds(
        &repository,
        &[
            IGNORES,
            (".gitmodules", &module),
            ("deep/er/two", "100644 2"),
            ("one", "100644 1"),
            ("sub", &at),
            ("three", "100644 3"),
        ],
    );
    let left: BTreeMap<_, _> = taken.left_out.iter().map(|left| (left.path.as_str(), left.why)).collect();
    let expected = [("nested/", WhyLeftOut::Repository), ("sub", WhyLeftOut::Submodule)];
    assert_eq!(left, BTreeMap::from(expected));
}

#[test]
fn a_sparse_checkout_keeps_what_is_not_checked_out() {
    for index in ["--sparse-index", "--no-sparse-index"] {
        let place = Place::new();
        let repository = place.repository(&[]).begun();
        repository.write("far/away", "f");
        repository.commit("far");
        repository.git(&["sparse-checkout", "set", "--cone", index, "deep"]);
        assert!(!repository.top.join("far").exists());
        repository.write("deep/new", "n");
        let files = [
            IGNORES,
            ("deep/er/two", "100644 2"),
            ("deep/new", "100644 n"),
            ("far/away", "100644 f"),
            ("one", "100644 1"),
            ("three", "100644 3"),
        ];
        holds(&repository, &files);
    }
}

#[test]
fn repositories_of_other_formats() {
    for format in ["--object-format=sha256", "--ref-format=reftable"] {
        let place = Place::new();
        let repository = place.repository(&[format]).begun();
        repository.write("new", "n");
        let files = [
            IGNORES,
            ("deep/er/two", "100644 2"),
            ("new", "100644 n"),
            ("one", "100644 1"),
            ("three", "100644 3"),
        ];
        let taken = holds_by_program(&repository, &files);
        assert_eq!(taken.head, Some(repository.git(&["rev-parse", "HEAD"])), "{format}");
        assert_eq!(repository.git(&["rev-list", "--count", REFERENCE]), "2");
    }
}

/// The same where the references lie in files of another form, which change with SHIM's own.
fn holds_by_program(repository: &Repository<'_>, files: &[(&str, &str)]) -> Taken {
    let own = || {
        let own = repository.users_own();
        ["index", "index age", "HEAD", "config", "refs", "stash", "status"].map(|key| own[key].clone())
    };
    let before = own();
    let taken = repository.take();
    assert_eq!(own(), before);
    let expected = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    assert_eq!(repository.files_of(REFERENCE), expected.collect::<BTreeMap<_, _>>());
    taken
}

#[test]
fn files_in_the_place_of_folders_and_folders_in_the_place_of_files() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    fs::remove_file(repository.top.join("one")).unwrap();
    repository.write("one/inner", "i");
    fs::remove_dir_all(repository.top.join("deep")).unwrap();
    let elsewhere = place.path("elsewhere");
    fs::create_dir_all(elsewhere.join("er")).unwrap();
    fs::write(elsewhere.join("er/two"), "of another folder").unwrap();
    symlink(&elsewhere, repository.top.join("deep")).unwrap();
    let link = format!("120000 {}", elsewhere.display());
    let files = [IGNORES, ("deep", link.as_str()), ("one/inner", "100644 i"), ("three", "100644 3")];
    holds(&repository, &files);
}

#[test]
fn what_is_too_large_or_no_file_is_left_out_and_named() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    repository.write("large", &"x".repeat(2000));
    repository.write("three", &"y".repeat(2000));
    repository.write("small", "s");
    let pipe = repository.top.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pace = SnapshotPace { file_bytes_max: 1000, ..SnapshotPace::default() };
    let taken = repository.take_with(&pace, None).unwrap();
    let left: Vec<_> = taken.left_out.iter().map(|left| (left.path.as_str(), left.why, left.bytes)).collect();
    assert_eq!(left, [("large", WhyLeftOut::TooLarge, 2000), ("three", WhyLeftOut::TooLarge, 2000)]);
    let held = repository.files_of(taken.commit.as_deref().unwrap());
    assert_eq!((held.contains_key("large"), held["small"].as_str()), (false, "100644 s"));

    let pace = SnapshotPace { bytes_max: 10, ..SnapshotPace::default() };
    let error = repository.take_with(&pace, None).unwrap_err();
    assert!(error.to_string().contains("checkpoints.snapshot_mib"), "{error}");
}

#[test]
fn time_and_the_engines_end_break_it_off() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    let pace = SnapshotPace { time_max: Duration::ZERO, ..SnapshotPace::default() };
    let before = repository.users_own();
    assert!(matches!(repository.take_with(&pace, None), Err(GitError::TimeUp(_))));
    let stop = AtomicBool::new(true);
    let git = Git::new(&repository.top, Duration::from_secs(60), &stop);
    assert!(matches!(git.text(&["status"]), Err(GitError::Stopped)));
    assert_eq!(repository.users_own(), before);
}

#[test]
fn a_repository_that_takes_nothing_is_left_as_it_is() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    repository.write("one", "changed");
    // Also true for a user who may write everywhere.
    fs::write(repository.top.join(".git/refs/shim"), "in the way").unwrap();
    let before = repository.users_own();
    let error = repository.take_with(&SnapshotPace::default(), None).unwrap_err();
    assert!(matches!(error, GitError::Failed { .. }), "{error}");
    assert_eq!(repository.users_own(), before);
}

#[test]
fn a_reference_is_let_go_once_and_only_shims_own() {
    let place = Place::new();
    let repository = place.repository(&[]).begun();
    repository.take();
    let stop = AtomicBool::new(false);
    for _ in 0..2 {
        let_go(&repository.top, REFERENCE, &stop).unwrap();
        assert_eq!(repository.git(&["for-each-ref", "refs/shim"]), "");
    }
    let_go(&repository.top, "refs/heads/main", &stop).unwrap();
    assert_eq!(repository.git(&["branch", "--list"]), "* main");
    let_go(&place.path("gone"), REFERENCE, &stop).unwrap();
}

#[test]
fn a_bare_repository_and_no_repository_have_no_tree() {
    let place = Place::new();
    let repository = place.repository(&["--bare"]);
    assert_eq!(find(&repository.top), None);
    assert_eq!(find(&place.path("home")), None);
}
