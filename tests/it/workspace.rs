//! The working tree of a real chat: kept with its checkpoints, put into a worktree, put back in place and undone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use shim_standin::client::{Codex, CodexStart, Headless, Start, wait};

use crate::world::{WAIT, World, id};

pub fn git(world: &World, cwd: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let output = world.home.command("git", cwd).args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A project under git with one commit.
pub fn repository(world: &World) -> PathBuf {
    let cwd = world.home.project("a projéct").unwrap();
    git(world, &cwd, &["init", "-q", "-b", "trunk"]);
    fs::write(cwd.join("kept.txt"), "as committed\n").unwrap();
    fs::write(cwd.join("gone.txt"), "to be removed\n").unwrap();
    fs::write(cwd.join(".gitignore"), "*.secret\n").unwrap();
    git(world, &cwd, &["add", "-A"]);
    git(world, &cwd, &["commit", "-q", "-m", "first"]);
    cwd
}

pub fn checkpoints(world: &World, session_id: &str) -> Vec<Value> {
    world.json(&["checkpoints", &id(session_id)]).as_array().unwrap().clone()
}

/// The first checkpoint of this reason whose working tree came to this state.
pub fn kept(world: &World, session_id: &str, trigger: &str, state: &str) -> Value {
    wait(WAIT, &format!("a {trigger} checkpoint whose tree is {state}"), || {
        let is_it = |point: &Value| point["trigger"] == trigger && point["workspace"]["state"] == state;
        checkpoints(world, session_id).into_iter().find(is_it)
    })
    .unwrap_or_else(|error| panic!("{error}: {:?}\n{}", checkpoints(world, session_id), world.log()))
}

/// What a user has in the repository beside SHIM's references.
pub fn users_own(world: &World, cwd: &Path) -> (Vec<u8>, String, String) {
    let refs = git(world, cwd, &["for-each-ref"]);
    let refs = refs.lines().filter(|line| !line.contains("refs/shim/")).collect::<Vec<_>>().join("\n");
    let status = git(world, cwd, &["--no-optional-locks", "status", "--porcelain", "--branch", "-uall"]);
    (fs::read(cwd.join(".git/index")).unwrap(), refs, status)
}

pub fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let each = entries.filter(|path| path.is_file()).map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    });
    each.filter(|(name, _)| name != ".git").collect()
}

/// A chat that edits the files of a repository by its tools and is killed in one.
fn cut_at_work(world: &World, cwd: &Path) -> String {
    let new = cwd.join("new ü.txt");
    let write = json!({"file_path": new, "content": "written by the chat\n"});
    let edit = json!({"command": "echo changed > kept.txt; rm gone.txt; echo s > key.secret"});
    let script = format!(
        "@@tool Write {write}\n@@tool Bash {edit}\n@@tool Bash {{\"command\": \"echo b > begun; sleep 600; echo e > end\"}}"
    );
    let mut chat = Headless::start(&world.home, &Start::new(cwd, script)).unwrap();
    wait(WAIT, "the tool to begin", || cwd.join("begun").exists().then_some(())).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&world.transcript(&chat.session_id)))
    });
    world.wait_for_state(&chat.session_id, "working");
    chat.kill().unwrap();
    world.wait_for_crash(&chat.session_id);
    chat.session_id.clone()
}

#[test]
fn the_tree_of_a_chat_that_crashed_is_kept_and_comes_back() {
    let world = World::new();
    let cwd = repository(&world);
    let session_id = cut_at_work(&world, &cwd);
    let before = users_own(&world, &cwd);
    let crash = kept(&world, &session_id, "crash", "kept");
    assert_eq!(users_own(&world, &cwd), before);
    let number = crash["id"].to_string();

    let shown = world.json(&["workspace", &number]);
    assert_eq!(shown["commit"], crash["workspace"]["snapshot"], "{shown}");
    assert!(shown["reference"].as_str().unwrap().starts_with("refs/shim/"), "{shown}");
    let changed: Vec<_> = shown["changes"]["files"].as_array().unwrap().iter().map(|f| &f["path"]).collect();
    assert_eq!(changed, ["begun", "gone.txt", "kept.txt", "new ü.txt"], "{shown}");

    let into = world.root().join("brought back");
    let done = world.json(&["workspace", &number, "--worktree", into.to_str().unwrap()]);
    assert_eq!(done["folder"], into.to_str().unwrap(), "{done}");
    let expected = BTreeMap::from(
        [
            (".gitignore", "*.secret\n"),
            ("begun", "b\n"),
            ("kept.txt", "changed\n"),
            ("new ü.txt", "written by the chat\n"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned())),
    );
    assert_eq!(files(&into), expected);
    assert_eq!(git(&world, &into, &["status", "--porcelain"]), "");
    git(&world, &cwd, &["worktree", "remove", into.to_str().unwrap()]);

    puts_back_in_place(&world, &cwd, &number, &expected);
    world.is_sound();
}

fn puts_back_in_place(world: &World, cwd: &Path, number: &str, expected: &BTreeMap<String, String>) {
    fs::write(cwd.join("kept.txt"), "spoiled\n").unwrap();
    fs::write(cwd.join("gone.txt"), "here again\n").unwrap();
    fs::write(cwd.join("later.txt"), "made later\n").unwrap();
    fs::remove_file(cwd.join("new ü.txt")).unwrap();
    let (spoiled, index) = (files(cwd), fs::read(cwd.join(".git/index")).unwrap());

    let shown = world.shim(&["workspace", number, "--in-place"]);
    let said = String::from_utf8_lossy(&shown.stdout);
    for words in ["would change  kept.txt", "would go      later.txt", "would appear  new ü.txt", "add --yes"]
    {
        assert!(said.contains(words), "{words}: {shown:?}");
    }
    assert_eq!(files(cwd), spoiled, "without consent nothing is changed");

    let done = world.json(&["workspace", number, "--in-place", "--yes"]);
    assert_eq!(done["changes"]["total"], 4, "{done}");
    let mut now = expected.clone();
    now.insert("key.secret".to_owned(), "s\n".to_owned());
    assert_eq!(files(cwd), now, "what is ignored stays as it was");
    let undo = done["undo"].to_string();
    let undone = world.json(&["workspace", &undo, "--in-place", "--yes"]);
    assert_eq!(undone["changes"]["total"], 4, "{undone}");
    assert_eq!(files(cwd), spoiled);
    assert_eq!(fs::read(cwd.join(".git/index")).unwrap(), index, "the user's index was never touched");
}

/// git was told not to look at them: what is on disk is in no tree.
#[test]
fn files_that_git_was_told_to_skip_are_left_alone() {
    let world = World::new();
    let cwd = repository(&world);
    let write = |name: &str, text: &str| fs::write(cwd.join(name), text).unwrap();
    ["skipped.yml", "assumed.yml"].iter().for_each(|name| write(name, "first\n"));
    git(&world, &cwd, &["add", "-A"]);
    git(&world, &cwd, &["commit", "-q", "-m", "settings"]);
    let session_id = world.finished_chat(&cwd, "@@text done");
    world.json(&["checkpoint", &id(&session_id)]);
    let point = kept(&world, &session_id, "user", "kept");
    ["skipped.yml", "assumed.yml", "kept.txt"].iter().for_each(|name| write(name, "second\n"));
    git(&world, &cwd, &["commit", "-q", "-a", "-m", "later"]);
    git(&world, &cwd, &["update-index", "--skip-worktree", "skipped.yml"]);
    git(&world, &cwd, &["update-index", "--assume-unchanged", "assumed.yml"]);
    ["skipped.yml", "assumed.yml"].iter().for_each(|name| write(name, "password\n"));
    let done = world.json(&["workspace", &point["id"].to_string(), "--in-place", "--yes"]);
    assert_eq!(done["left_alone"], json!(["assumed.yml", "skipped.yml"]), "{done}");
    let now = files(&cwd);
    assert_eq!((&*now["skipped.yml"], &*now["assumed.yml"]), ("password\n", "password\n"));
    assert_eq!(now["kept.txt"], "as committed\n", "what git looks at is put back");
}

#[test]
fn nothing_is_changed_under_a_chat_that_works_there() {
    let world = World::new();
    let cwd = repository(&world);
    let session_id = world.finished_chat(&cwd, "@@text one");
    world.wait_for_state(&session_id, "ended");
    world.json(&["checkpoint", &id(&session_id)]);
    let number = kept(&world, &session_id, "user", "kept")["id"].to_string();
    fs::write(cwd.join("kept.txt"), "other\n").unwrap();
    let mut other = Headless::start(&world.home, &Start::new(&cwd, "@@slow 2000 0.1 1")).unwrap();
    other.wait_for_words(WAIT, 3).unwrap();
    world.wait_for_state(&other.session_id, "working");
    let refused = world.shim(&["workspace", &number, "--in-place", "--yes"]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && why.contains("close it first"), "{refused:?}");
    assert_eq!(fs::read_to_string(cwd.join("kept.txt")).unwrap(), "other\n");
    other.kill().unwrap();
}

#[test]
fn a_risky_call_and_a_commit_have_checkpoints_of_their_own() {
    let mut world = World::without_shim();
    world.settings(
        "checkpoints.gap_high_seconds = 0\ncheckpoints.gap_middle_seconds = 0\nwatch.sweep_seconds = 1",
    );
    world.start_shim();
    let cwd = repository(&world);
    git(&world, &cwd, &["config", "user.name", "t"]);
    git(&world, &cwd, &["config", "user.email", "t@example.org"]);
    let session_id = world.finished_chat(
        &cwd,
        "@@tool Bash {\"command\": \"sleep 2; rm -rf build\"}\n@@tool Bash {\"command\": \"git commit -q --allow-empty -m done\"}\n@@text done",
    );
    world.wait_for_state(&session_id, "ended");
    let found = |trigger: &str| {
        wait(WAIT, trigger, || {
            let stands = |point: &Value| {
                point["trigger"] == trigger || point["also"].as_array().unwrap().contains(&json!(trigger))
            };
            checkpoints(&world, &session_id).into_iter().find(stands)
        })
        .unwrap_or_else(|error| panic!("{error}: {:?}", checkpoints(&world, &session_id)))
    };
    let risky = found("risky");
    assert_eq!(risky["note"], "sleep 2; rm -rf build", "{risky}");
    assert_eq!(risky["turns"], 0, "while the turn was under way: {risky}");
    found("milestone");
    found("session_start");
    found("session_end");
    let shown = world.shim(&["checkpoints", &id(&session_id)]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("risky") && shown.contains("FILES KEPT"), "{shown}");
}

/// Where hooks are installed the call waits: the tree is kept as it was before, however fast the command is.
#[test]
fn with_hooks_a_risky_call_waits_until_what_it_removes_is_kept() {
    let world = World::new();
    fs::write(world.home.config().join("settings.json"), "{\"skipDangerousModePermissionPrompt\": true}")
        .unwrap();
    let installed = world.json(&["install", "hooks", "--client", "claude-code"]);
    assert_eq!(installed[0]["outcome"], "written", "{installed}");
    let cwd = repository(&world);
    let round = |text: &str| {
        let make = json!({"command": format!("mkdir build && echo {text} > build/a.txt")});
        format!("@@tool Bash {make}\n@@tool Bash {{\"command\": \"rm -rf build\"}}\n")
    };
    let script = format!("{}{}@@text done", round("one"), round("two"));
    let session_id = world.finished_chat(&cwd, &script);
    assert!(!cwd.join("build").exists(), "the calls were made");
    world.wait_for_state(&session_id, "ended");
    let risky = |point: &Value| point["note"] == "rm -rf build";
    let points: Vec<_> = checkpoints(&world, &session_id).into_iter().filter(risky).collect();
    assert_eq!(points.len(), 2, "one for each call: {points:#?}\n{}", world.log());
    let held: Vec<_> = points
        .iter()
        .map(|point| {
            assert_eq!((&point["trigger"], &point["workspace"]["state"]), (&json!("risky"), &json!("kept")));
            let commit = point["workspace"]["snapshot"].as_str().unwrap();
            git(&world, &cwd, &["show", &format!("{commit}:build/a.txt")])
        })
        .collect();
    assert_eq!(held, ["one\n", "two\n"]);
    world.is_sound();
}

#[test]
fn with_trusted_hooks_a_risky_call_of_codex_waits_too() {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    let cwd = world.home.codex_project("p").unwrap();
    let installed = world.json(&["install", "hooks", "--client", "codex"]);
    assert_eq!(installed[0]["outcome"], "written", "{installed}");
    crate::hooks::trust(&world);
    world.start_shim();
    git(&world, &cwd, &["init", "-q", "-b", "trunk"]);
    fs::create_dir(cwd.join("build")).unwrap();
    fs::write(cwd.join("build/a.txt"), "one\n").unwrap();
    // Codex itself forbids `rm -f` to a chat that nobody sits before.
    let script = "@@tool exec_command {\"cmd\": \"rm -r build\"}\n@@text done";
    let thread_id = Codex::play(&world.home, &CodexStart::new(&cwd, script), WAIT).unwrap();
    assert!(!cwd.join("build").exists(), "the call was made");
    let chat = format!("codex:{thread_id}");
    world.wait_for_state(&chat, "ended");
    let points: Vec<_> =
        checkpoints(&world, &chat).into_iter().filter(|point| point["note"] == "rm -r build").collect();
    // At times the transcript tells of the call a moment before the hook does. The call waits for the last.
    assert!(matches!(points.len(), 1 | 2), "{points:#?}\n{}", world.log());
    let commits = points.iter().filter_map(|point| point["workspace"]["snapshot"].as_str());
    let held: Vec<_> =
        commits.map(|commit| git(&world, &cwd, &["show", &format!("{commit}:build/a.txt")])).collect();
    assert!(!held.is_empty() && held.iter().all(|text| text == "one\n"), "{held:?}: {points:#?}");
}

#[test]
fn without_a_repository_the_files_that_were_written_are_listed() {
    let world = World::new();
    let cwd = world.home.project("plain").unwrap();
    let write = json!({"file_path": cwd.join("a.txt"), "content": "abc"});
    let session_id = world.finished_chat(&cwd, &format!("@@tool Write {write}\n@@text done"));
    world.wait_for_state(&session_id, "ended");
    world.json(&["checkpoint", &id(&session_id)]);
    let number = kept(&world, &session_id, "user", "listed")["id"].to_string();
    fs::write(cwd.join("a.txt"), "abcd").unwrap();
    let shown = world.json(&["workspace", &number]);
    assert_eq!(
        shown["listed"],
        json!([{"path": cwd.join("a.txt"), "bytes": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]),
        "{shown}"
    );
    assert_eq!(shown["changes"]["files"][0]["change"], "changes", "{shown}");
    let refused = world.shim(&["workspace", &number, "--in-place", "--yes"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("only a list"), "{refused:?}");
}
