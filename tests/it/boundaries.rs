//! SHIM itself dies at every boundary of an effect, in the middle of a death or of a restore of a real chat. What it
//! left half done its next start finishes or undoes: one crash, one receipt, one process, one run of the tool.

mod beside;
mod files;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use shim_engine::BOUNDARIES;
use shim_standin::client::{Headless, Signal, Start, send, wait};

use crate::{
    receipts::{FIRST_ANSWER, the_tool_ran_once},
    world::{WAIT, World, id},
};

const TOOL: &str =
    "@@tool Bash {\"command\": \"echo x >> ran.txt; echo begin > b.txt; sleep 600; echo end > e.txt\"}";
/// Boundaries that are come by more than once: also the later times.
const LATER: [&str; 6] = [
    "commit.before 2",
    "commit.after 2",
    "commit.before 4",
    "commit.after 4",
    "journal.piece.after 2",
    "commit.after 7",
];
/// Worlds that share the boundaries.
const WORLDS: usize = 3;

/// When the engine is told where to die.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Armed {
    /// Before the turn that is cut.
    Turn,
    /// Before the client is killed.
    Death,
    /// Before the chat is restored.
    Restore,
}

fn armed(boundary: &str) -> Armed {
    match boundary.split('.').next() {
        Some("journal") => Armed::Turn,
        Some("crash" | "checkpoint") => Armed::Death,
        Some("commit") if boundary.ends_with('4') || boundary.ends_with('7') => Armed::Restore,
        Some("commit") => Armed::Death,
        _ => Armed::Restore,
    }
}

/// A chat with one whole turn, and one that is cut in a tool.
struct Cut {
    session_id: String,
    cwd: PathBuf,
    boundary: &'static str,
}

impl Cut {
    fn begin(world: &mut World, boundary: &'static str) -> Self {
        println!("{boundary}");
        let cwd = world.home.project(&boundary.replace(['.', ' '], "-")).unwrap();
        let session_id = world.finished_chat(&cwd, &format!("Remember BANANA.\n@@text {FIRST_ANSWER}"));
        let cut = Self { session_id, cwd, boundary };
        cut.arm(world, Armed::Turn);
        let mut start = Start::new(&cut.cwd, format!("@@text here it goes\n{TOOL}\n@@text it went"));
        start.session_id.clone_from(&cut.session_id);
        start.resume = true;
        let mut chat = Headless::start(&world.home, &start).unwrap();
        wait(WAIT, "the tool to begin and be written down", || {
            let file = String::from_utf8_lossy(&world.transcript(&cut.session_id)).into_owned();
            (file.contains("\"type\":\"tool_use\"") && cut.cwd.join("b.txt").exists()).then_some(())
        })
        .unwrap();
        if armed(boundary) != Armed::Turn {
            world.wait_for_state(&cut.session_id, "working");
        }
        cut.arm(world, Armed::Death);
        chat.signal(Signal::KILL);
        chat.wait_for_exit(WAIT).unwrap();
        cut
    }

    fn arm(&self, world: &World, now: Armed) {
        if armed(self.boundary) == now {
            fs::write(world.die_at(), self.boundary).unwrap();
        }
    }

    /// Lets the engine die in the restore, if it has not before.
    fn restore_under_way(&self, world: &World) {
        if armed(self.boundary) != Armed::Restore {
            return;
        }
        world.wait_for_crash(&self.session_id);
        if self.boundary.starts_with("restore.transcript") {
            world.wait_until_kept(&self.session_id);
            fs::remove_file(world.home.transcript(&self.session_id).unwrap()).unwrap();
        }
        self.arm(world, Armed::Restore);
        // The engine dies before it answers, or right behind its answer.
        let _ = world.shim(&["restore", &id(&self.session_id), "--headless", "--continue", "--json"]);
    }

    fn is_finished_or_undone(&self, world: &World) {
        let crash = world.wait_for_crash(&self.session_id);
        let verdict = (&crash["kind"], &crash["in_turn"]);
        assert_eq!(verdict, (&json!("killed"), &json!("tool")), "{}: {crash}", self.boundary);
        if self.boundary.starts_with("restore.") && self.boundary != "restore.before" {
            assert!(crash["restore"].is_object(), "{}: no receipt: {crash}", self.boundary);
        }
        wait(WAIT, "the crash's checkpoint", || {
            let all = world.json(&["checkpoints", &id(&self.session_id)]);
            all.as_array().unwrap().iter().any(|point| point["trigger"] == "crash").then_some(())
        })
        .unwrap_or_else(|error| panic!("{}: {error}", self.boundary));
        self.comes_back_once(world);
        the_tool_ran_once(&self.cwd, &world.home.tools_of(&self.session_id));
        assert!(String::from_utf8_lossy(&world.transcript(&self.session_id)).contains(FIRST_ANSWER));
        assert_eq!(world.crashes_of(&self.session_id).len(), 1, "{}: recorded once", self.boundary);
        world.is_sound();
    }

    /// The restore that died started a process, or another restore does: in the end there is one.
    fn comes_back_once(&self, world: &World) {
        let receipt = world.restore(&id(&self.session_id), &["--headless", "--continue"]);
        let came = (&receipt["ok"], &receipt["turns_lost"]) == (&json!(true), &json!(0));
        let lives = receipt["refused"]["reason"] == "still_alive";
        assert!(came || lives, "{}: {receipt}\n{}", self.boundary, world.log());
        let clients = wait(WAIT, "the chat to have its process", || {
            Some(world.home.clients_on(&self.session_id)).filter(|clients| !clients.is_empty())
        });
        assert_eq!(clients.unwrap().len(), 1, "{}: {receipt}", self.boundary);
        let resolved = wait(WAIT, "the crash to be history", || {
            (world.wait_for_crash(&self.session_id)["resolved"] == true).then_some(())
        });
        resolved.unwrap_or_else(|error| panic!("{}: {error}", self.boundary));
    }

    /// Room for the next.
    fn end(&self, world: &World) {
        world.home.clients_on(&self.session_id).into_iter().for_each(|pid| {
            send(pid, Signal::KILL);
        });
        wait(WAIT, "the client to be gone", || {
            world.home.clients_on(&self.session_id).is_empty().then_some(())
        })
        .unwrap();
    }
}

fn dies_at_each(share: usize) {
    let mut world = World::new();
    let all = BOUNDARIES.iter().chain(&LATER).skip(share).step_by(WORLDS);
    for &boundary in all {
        let cut = Cut::begin(&mut world, boundary);
        cut.restore_under_way(&world);
        // One that is never come by fails here: the engine lives on.
        world.shim_dies();
        fs::remove_file(world.die_at()).unwrap();
        world.start_shim();
        cut.is_finished_or_undone(&world);
        cut.end(&world);
    }
    let log = world.whole_log();
    assert!(log.contains("dies at"), "the deaths were those that were asked for");
}

#[test]
fn shim_dies_at_each_boundary_of_an_effect_first_share() {
    dies_at_each(0);
}

#[test]
fn shim_dies_at_each_boundary_of_an_effect_second_share() {
    dies_at_each(1);
}

#[test]
fn shim_dies_at_each_boundary_of_an_effect_third_share() {
    dies_at_each(2);
}

/// A receipt of a restore whose engine died says so.
#[test]
fn the_receipt_of_a_restore_that_died_with_shim_says_how_far_it_came() {
    let mut world = World::new();
    for (boundary, says) in [
        ("restore.allowed", "before anything was started"),
        ("restore.start.spawned", "after the client was started"),
    ] {
        let cut = Cut::begin(&mut world, boundary);
        cut.restore_under_way(&world);
        world.shim_dies();
        fs::remove_file(world.die_at()).unwrap();
        world.start_shim();
        let receipt = world.wait_for_crash(&cut.session_id)["restore"].clone();
        let last = receipt["steps"].as_array().and_then(|steps| steps.last()).cloned().unwrap_or_default();
        assert_eq!((&receipt["ok"], &last["step"]), (&json!(false), &json!("engine")), "{receipt}");
        let detail = last["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(says), "{receipt}");
        assert_ne!(receipt["crash"], Value::Null);
        cut.end(&world);
    }
}
