//! Checkpoints: taken at each turn and on request; a restore from one is a fork; a rehearsal changes nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use shim_standin::client::{Headless, Start, wait};

use crate::world::{WAIT, World, id};

/// A chat of three turns: the client is asked three times and ends each time.
fn three_turns(world: &World, cwd: &Path) -> String {
    let session_id = world.finished_chat(cwd, "@@text turn ONE is done");
    for (turn, name) in [(2, "TWO"), (3, "THREE")] {
        one_more(world, cwd, &session_id, &format!("@@text turn {name} is done"));
        wait(WAIT, "the turn to be counted", || (world.chat(&session_id)["turns"] == turn).then_some(()))
            .unwrap();
    }
    world.wait_for_state(&session_id, "ended");
    session_id
}

/// Asks a chat that ended once more, and lets it end.
fn one_more(world: &World, cwd: &Path, session_id: &str, prompt: &str) {
    let mut start = Start::new(cwd, prompt);
    start.session_id = session_id.to_owned();
    start.resume = true;
    assert!(Headless::start(&world.home, &start).unwrap().wait_for_exit(WAIT).unwrap().success());
}

fn checkpoints(world: &World, session_id: &str) -> Vec<Value> {
    world.json(&["checkpoints", &id(session_id)]).as_array().unwrap().clone()
}

fn checkpoint_of_turn(world: &World, session_id: &str, turns: u64) -> Value {
    wait(WAIT, "the turn's checkpoint", || {
        let is_it = |point: &Value| point["turns"] == turns && point["trigger"] == "turn";
        checkpoints(world, session_id).into_iter().find(is_it)
    })
    .unwrap_or_else(|error| panic!("{error}: {:?}", checkpoints(world, session_id)))
}

#[test]
fn a_restore_from_a_checkpoint_is_a_fork_and_leaves_the_original_alone() {
    let world = World::new();
    let session_id = three_turns(&world, &world.home.project("p").unwrap());
    let original = world.transcript(&session_id);
    let checkpoint = checkpoint_of_turn(&world, &session_id, 1);
    let number = checkpoint["id"].to_string();
    let offset = usize::try_from(checkpoint["journal_offset"].as_u64().unwrap()).unwrap();
    assert_eq!(world.export(&session_id, &["--checkpoint", &number]), original[..offset]);

    let receipt = world.restore(&id(&session_id), &["--checkpoint", &number, "--headless"]);
    assert_eq!(
        (
            &receipt["ok"],
            &receipt["fork_of"],
            &receipt["turns_after"],
            &receipt["turns_lost"],
            &receipt["processes"]
        ),
        (&json!(true), &json!(id(&session_id)), &json!(1), &json!(0), &json!(1)),
        "{receipt}\n{}",
        world.log()
    );
    let fork = receipt["chat"].as_str().unwrap().strip_prefix("claude-code:").unwrap().to_owned();
    assert_ne!(fork, session_id);
    let live = world.home.wait_for_status(WAIT, &fork, "idle").unwrap();
    assert_eq!(receipt["pid"], live.pid);
    assert_eq!(world.transcript(&session_id), original, "the original's file is as it was");
    world.wait_until_kept(&session_id);

    // What the fork asks of the model ends with its first turn.
    shim_standin::client::send(live.pid, shim_standin::client::Signal::TERM);
    wait(WAIT, "the fork to end", || world.home.live(&fork).is_none().then_some(())).unwrap();
    let asked = world.asked();
    one_more(&world, &world.home.project("p").unwrap(), &fork, "and now?");
    let text = world.wait_for_request(&fork, asked).text();
    assert!(text.contains("turn ONE") && !text.contains("turn TWO"), "{text}");
    assert_eq!(world.transcript(&session_id), original);
}

/// The point behind the answer that holds these words.
fn point_behind(world: &World, session_id: &str, words: &str) -> String {
    let detail = world.json(&["chat", &id(session_id)]);
    let entries = detail["timeline"].as_array().unwrap();
    let said = |entry: &&Value| entry["kind"] == "answer" && entry["text"].as_str().unwrap().contains(words);
    let point = &entries.iter().find(said).unwrap_or_else(|| panic!("{words}: {entries:?}"))["point"];
    format!("{}:{}", point["generation"], point["offset"])
}

#[test]
fn a_fork_from_any_point_holds_exactly_the_turns_up_to_it() {
    let mut world = World::without_shim();
    let cwd = world.home.project("p").unwrap();
    // Nobody was there to take a checkpoint between the turns.
    let session_id = world.finished_chat(&cwd, "@@text turn ONE is done");
    for name in ["TWO", "THREE"] {
        one_more(&world, &cwd, &session_id, &format!("@@text turn {name} is done"));
    }
    world.start_shim();
    world.wait_for_state(&session_id, "ended");
    world.wait_until_kept(&session_id);
    let original = world.transcript(&session_id);
    let at = point_behind(&world, &session_id, "turn TWO");
    let offset: usize = at.split_once(':').unwrap().1.parse().unwrap();
    let known = checkpoints(&world, &session_id);
    assert!(known.iter().all(|point| point["journal_offset"] != offset), "{at} has none: {known:?}");

    let taken = world.json(&["checkpoint", &id(&session_id), "--at", &at, "--note", "another way"]);
    assert_eq!(
        (&taken["trigger"], &taken["note"], &taken["turns"], &taken["journal_offset"]),
        (&json!("user"), &json!("another way"), &json!(2), &json!(offset)),
        "{taken}"
    );
    assert!(taken["workspace"]["error"].as_str().unwrap().contains("not kept"), "{taken}");
    let number = taken["id"].to_string();
    assert_eq!(world.export(&session_id, &["--checkpoint", &number]), original[..offset]);

    let receipt = world.restore(&id(&session_id), &["--checkpoint", &number, "--headless"]);
    assert_eq!(
        (&receipt["ok"], &receipt["fork_of"], &receipt["turns_after"], &receipt["turns_lost"]),
        (&json!(true), &json!(id(&session_id)), &json!(2), &json!(0)),
        "{receipt}\n{}",
        world.log()
    );
    let fork = receipt["chat"].as_str().unwrap().strip_prefix("claude-code:").unwrap().to_owned();
    let live = world.home.wait_for_status(WAIT, &fork, "idle").unwrap();
    shim_standin::client::send(live.pid, shim_standin::client::Signal::TERM);
    wait(WAIT, "the fork to end", || world.home.live(&fork).is_none().then_some(())).unwrap();
    let asked = world.asked();
    one_more(&world, &cwd, &fork, "and now?");
    let text = world.wait_for_request(&fork, asked).text();
    assert!(text.contains("turn ONE") && text.contains("turn TWO") && !text.contains("turn THREE"), "{text}");
    assert_eq!(world.transcript(&session_id), original, "the original's file is as it was");
}

#[test]
fn a_place_that_is_no_point_of_the_chat_is_refused_with_what_there_is() {
    let world = World::new();
    let session_id = world.finished_chat(&world.home.project("p").unwrap(), "@@text turn ONE is done");
    world.wait_for_state(&session_id, "ended");
    world.wait_until_kept(&session_id);
    let at = point_behind(&world, &session_id, "turn ONE");
    let offset: u64 = at.split_once(':').unwrap().1.parse().unwrap();
    for (at, says) in [
        (format!("1:{}", offset - 1), "within a record"),
        ("1:0".to_owned(), "no point of its journal"),
        ("1:99999999".to_owned(), "no point of its journal"),
        (format!("7:{offset}"), "no generation 7"),
        ("soon".to_owned(), "GENERATION:BYTE"),
    ] {
        let refused = world.shim(&["checkpoint", &id(&session_id), "--at", &at]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && told.contains(says) && told.contains("--places"),
            "{at}: {told}"
        );
    }
    let shown = world.shim(&["chat", &id(&session_id), "--places"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&at), "{shown:?}");
}

#[test]
fn a_checkpoint_on_request_names_its_note_and_the_repositorys_head() {
    let world = World::new();
    let cwd = world.home.project("repo").unwrap();
    for args in [
        &["init", "-q", "-b", "trunk"][..],
        &["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "--allow-empty", "-m", "x"],
    ] {
        assert!(world.home.command("git", &cwd).args(args).status().unwrap().success());
    }
    let head = world.home.command("git", &cwd).args(["rev-parse", "HEAD"]).output().unwrap();
    let head = String::from_utf8(head.stdout).unwrap();
    let session_id = world.finished_chat(&cwd, "@@text turn ONE is done");
    world.wait_for_state(&session_id, "ended");
    let taken = world.json(&["checkpoint", &id(&session_id), "--note", "before the dentist"]);
    assert_eq!(
        (
            &taken["trigger"],
            &taken["note"],
            &taken["turns"],
            &taken["workspace"]["head"],
            &taken["workspace"]["branch"]
        ),
        (&json!("user"), &json!("before the dentist"), &json!(1), &json!(head.trim()), &json!("trunk")),
        "{taken}"
    );
    assert_eq!(taken["journal_offset"], world.transcript(&session_id).len());
    let listed: Vec<_> = checkpoints(&world, &session_id).iter().map(|listed| listed["id"].clone()).collect();
    assert_eq!(listed.last(), Some(&taken["id"]), "{listed:?}");
}

#[test]
fn a_rehearsal_changes_nothing() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let mut chat = Headless::start(&world.home, &Start::new(&cwd, "@@slow 2000 0.1 1")).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    chat.kill().unwrap();
    world.wait_for_crash(&chat.session_id);
    let before = (tree(world.home.folder()), world.asked(), world.home.processes());
    let receipt = world.restore(&chat.session_id, &["--headless", "--dry-run"]);
    assert_eq!(
        (&receipt["ok"], &receipt["dry_run"], &receipt["pid"]),
        (&json!(true), &json!(true), &Value::Null),
        "{receipt}"
    );
    assert!(receipt["steps"].to_string().contains("would start"), "{receipt}");
    assert_eq!((tree(world.home.folder()), world.asked(), world.home.processes()), before);
    assert_eq!(world.chat(&chat.session_id)["state"], "crashed", "a rehearsal resolves nothing");
}

/// Every file below a folder with its bytes; links by where they lead.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            files.extend(tree(&path));
        } else if kind.is_symlink() {
            files.insert(path.clone(), fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
        } else if kind.is_file() {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}
