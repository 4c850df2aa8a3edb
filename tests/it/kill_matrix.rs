//! The kill matrix: a real client ends in each way it can, in the middle of a turn or between two; SHIM tells
//! what it was, and brings back what died.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use shim_standin::client::{Headless, Signal, Start, Terminals, is_alive, wait};

use crate::{
    receipts::{
        FIRST_ANSWER, How, Moment, SLOW_ANSWER, end_of, only_window, pid_of, says, shows, the_tool_ran_once,
    },
    world::{WAIT, World, id},
};

const TOOL_INPUT: &str =
    "{\"command\": \"echo x >> ran.txt; echo begin > b.txt; sleep 600; echo end > e.txt\"}";
/// The user's own settings: a hook that must go on working, and whose file must stay as it is.
const USER_SETTINGS: &str = r#"{ "skipDangerousModePermissionPrompt": true,
  "hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "echo ran >> ~/hooks.txt"}]}]} }
"#;

/// A chat with one complete turn, cut in its second.
struct Cut {
    world: World,
    session_id: String,
    cwd: PathBuf,
    settings: PathBuf,
}

/// Plays a chat to the moment and sends the signal.
fn cut(moment: Moment, signal: Signal) -> Cut {
    let world = World::new();
    let settings = world.home.config().join("settings.json");
    fs::write(&settings, USER_SETTINGS).unwrap();
    let cwd = world.home.project("a projéct").unwrap();
    let session_id = world.finished_chat(&cwd, &format!("Remember BANANA.\n@@text {FIRST_ANSWER}"));
    let script = match moment {
        Moment::Answer => SLOW_ANSWER.to_owned(),
        Moment::Tool => format!("@@text here it goes\n@@tool Bash {TOOL_INPUT}\n@@text it went"),
    };
    let mut start = Start::new(&cwd, script);
    start.session_id.clone_from(&session_id);
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    match moment {
        Moment::Answer => chat.wait_for_words(WAIT, 5).unwrap(),
        // The client starts a tool before it has written down that it does.
        Moment::Tool => wait(WAIT, "the tool to begin and be written down", || {
            let file = String::from_utf8_lossy(&world.transcript(&session_id)).into_owned();
            (file.contains("\"type\":\"tool_use\"") && cwd.join("b.txt").exists()).then_some(())
        })
        .unwrap(),
    }
    assert_eq!(world.wait_for_state(&session_id, "working")["pid"], chat.pid());
    chat.signal(signal);
    chat.wait_for_exit(WAIT).unwrap();
    Cut { world, session_id, cwd, settings }
}

impl Cut {
    /// The verdict, and the journal byte for byte.
    #[track_caller]
    fn is_a_crash(&self, kind: &str, in_turn: &str, in_flight: &Value) {
        self.world.is_a_seen_crash(&self.session_id, kind, in_turn, in_flight);
        self.world.wait_until_kept(&self.session_id);
    }

    /// Brings the chat back and checks all that the receipt claims, and what the model was told.
    #[track_caller]
    fn comes_back(&self, how: How, told: &[&str]) {
        let world = &self.world;
        let asked = world.asked();
        let receipt = world.restore(&id(&self.session_id), how.options());
        self.check_receipt(&receipt);
        let pid = pid_of(&receipt);
        assert_eq!(world.home.clients_on(&self.session_id), [pid], "{receipt}");
        if let How::TerminalIdle = how {
            self.waits_for_its_user(asked);
        }
        let request = world.wait_for_request(&self.session_id, asked);
        let text = request.text();
        for words in [FIRST_ANSWER, "SHIM restored this chat"].iter().chain(told) {
            assert!(text.contains(words), "the model was not told {words:?}: {}", end_of(&text));
        }
        let hooks = fs::read_to_string(world.home.folder().join("hooks.txt")).unwrap();
        assert_eq!(hooks.lines().count(), 3, "the user's own hook ran at each start");
        world.home.wait_for_status(WAIT, &self.session_id, "idle").unwrap_or_else(|error| {
            let asked = world.standin.requests_of(&self.session_id);
            let last: Vec<_> =
                asked.iter().map(|request| (request.number, request.prompt(), request.answer)).collect();
            panic!("{error}: {last:?}")
        });
        assert_eq!(world.home.clients_on(&self.session_id), [pid], "one process, the one of the receipt");
        world.is_resolved_by(&self.session_id, &receipt);
        assert_eq!(fs::read_to_string(&self.settings).unwrap(), USER_SETTINGS);
        world.wait_until_kept(&self.session_id);
    }

    #[track_caller]
    fn check_receipt(&self, receipt: &Value) {
        self.world.is_whole(receipt, &json!(1));
        let told = |key: &str| receipt[key].clone();
        assert_eq!(
            (told("chat"), told("processes"), told("turns_after"), told("cwd"), told("permission_mode")),
            (json!(id(&self.session_id)), json!(1), json!(1), json!(self.cwd), json!("bypassPermissions")),
            "{receipt}"
        );
    }

    /// A chat restored idle asks nothing of the model until its user does.
    #[track_caller]
    fn waits_for_its_user(&self, asked: u64) {
        let world = &self.world;
        let terminals = Terminals::new(&world.home);
        world.home.wait_for_status(WAIT, &self.session_id, "idle").unwrap();
        let window = only_window(&terminals);
        shows(&terminals, &window, "BANANA");
        assert_eq!(world.asked(), asked, "nothing was asked of the model yet");
        says(&terminals, &window, "what now?", || world.asked() > asked);
    }

    /// The tool ran once, never to its end, and nothing of it is left.
    #[track_caller]
    fn the_tool_ran_once(&self) {
        the_tool_ran_once(&self.cwd, &self.world.home.tools_of(&self.session_id));
    }
}

fn bash_in_flight() -> Value {
    json!([{"tool": "Bash", "input": serde_json::from_str::<Value>(TOOL_INPUT).unwrap()}])
}

#[test]
fn killed_in_mid_answer() {
    let cut = cut(Moment::Answer, Signal::KILL);
    cut.is_a_crash("killed", "answer", &json!([]));
    cut.comes_back(How::HeadlessContinue, &["Your last answer was cut"]);
}

#[test]
fn killed_in_mid_answer_restored_in_a_terminal() {
    let cut = cut(Moment::Answer, Signal::KILL);
    cut.is_a_crash("killed", "answer", &json!([]));
    cut.comes_back(How::TerminalIdle, &["Your last answer was cut", "what now?"]);
}

#[test]
fn killed_in_mid_tool() {
    let cut = cut(Moment::Tool, Signal::KILL);
    assert!(!cut.world.home.tools_of(&cut.session_id).is_empty(), "the tool outlives its client");
    cut.is_a_crash("killed", "tool", &bash_in_flight());
    cut.comes_back(How::HeadlessContinue, &["In flight when it died", "[Tool call interrupted"]);
    cut.the_tool_ran_once();
}

#[test]
fn killed_in_mid_tool_restored_in_a_terminal() {
    let cut = cut(Moment::Tool, Signal::KILL);
    cut.is_a_crash("killed", "tool", &bash_in_flight());
    cut.comes_back(How::TerminalIdle, &["In flight when it died", "[Tool call interrupted", "what now?"]);
    cut.the_tool_ran_once();
}

#[test]
fn killed_in_mid_tool_going_on_in_a_terminal() {
    let cut = cut(Moment::Tool, Signal::KILL);
    cut.is_a_crash("killed", "tool", &bash_in_flight());
    cut.comes_back(How::TerminalContinue, &["In flight when it died", "[Tool call interrupted"]);
    cut.the_tool_ran_once();
}

#[test]
fn asked_to_end_in_mid_answer() {
    let cut = cut(Moment::Answer, Signal::TERM);
    cut.is_a_crash("exited", "answer", &json!([]));
    cut.comes_back(How::TerminalIdle, &["Your last answer was cut", "what now?"]);
}

/// The client ends the tool itself. Most times it also writes down that it did; then nothing was in flight.
#[test]
fn asked_to_end_in_mid_tool() {
    let cut = cut(Moment::Tool, Signal::TERM);
    let file = String::from_utf8_lossy(&cut.world.transcript(&cut.session_id)).into_owned();
    if file.contains("\"tool_result\"") {
        cut.is_a_crash("exited", "answer", &json!([]));
        cut.comes_back(How::HeadlessContinue, &["Exit code 137"]);
    } else {
        cut.is_a_crash("exited", "tool", &bash_in_flight());
        cut.comes_back(How::HeadlessContinue, &["In flight when it died", "[Tool call interrupted"]);
    }
    cut.the_tool_ran_once();
}

#[test]
fn terminal_closed_in_mid_answer() {
    let cut = cut(Moment::Answer, Signal::HUP);
    cut.is_a_crash("exited", "answer", &json!([]));
    cut.comes_back(How::HeadlessContinue, &["Your last answer was cut"]);
}

#[test]
fn stopped_by_the_user_in_mid_answer_is_no_crash() {
    let cut = cut(Moment::Answer, Signal::INT);
    cut.world.is_a_clean_end(&cut.session_id);
}

#[test]
fn a_clean_exit_is_no_crash() {
    let world = World::new();
    let cwd = world.home.project("p").unwrap();
    let session_id =
        world.finished_chat(&cwd, "@@tool Bash {\"command\": \"echo x >> ran.txt\"}\n@@text done");
    let chat = world.wait_for_state(&session_id, "ended");
    assert_eq!((&chat["turns"], &chat["cwd"]), (&json!(1), &json!(cwd)), "{chat}");
    assert_eq!(world.crashes_of(&session_id), Vec::<Value>::new());
    world.wait_until_kept(&session_id);
}

#[test]
fn an_api_that_gives_nothing_is_no_crash() {
    let world = World::new();
    let mut start = Start::new(world.home.project("p").unwrap(), "@@error 529");
    start.environment.push(("CLAUDE_CODE_MAX_RETRIES".to_owned(), "1".to_owned()));
    let mut chat = Headless::start(&world.home, &start).unwrap();
    assert_eq!(chat.wait_for_exit(WAIT).unwrap().code(), Some(1));
    world.wait_for_state(&start.session_id, "ended");
    assert_eq!(world.crashes_of(&start.session_id), Vec::<Value>::new());
    world.wait_until_kept(&start.session_id);
}

/// The process that started the client dies with it reading: the client goes on to its end all the same.
#[test]
fn the_death_of_its_parent_is_no_crash() {
    let world = World::new();
    let start = Start::new(world.home.project("p").unwrap(), "@@slow 60 0.05\n@@text and that was it");
    let script = "exec 3< <(exec \"$@\"); read -r line <&3; kill -9 $$";
    let mut command = world.home.command("bash", &start.cwd);
    command.args(["-c", script, "bash"]).arg(world.home.claude()).args(start.headless_args());
    let mut parent = run_quietly(&mut command);
    let client = world.home.wait_for_status(WAIT, &start.session_id, "busy").unwrap();
    assert!(!parent.wait().unwrap().success());
    assert!(is_alive(client.pid), "the client outlives its parent");
    wait(WAIT, "the client to end", || (!is_alive(client.pid)).then_some(())).unwrap();
    let chat = world.wait_for_state(&start.session_id, "ended");
    assert_eq!(chat["turns"], 1, "{chat}");
    assert_eq!(world.crashes_of(&start.session_id), Vec::<Value>::new());
    world.wait_until_kept(&start.session_id);
}

fn run_quietly(command: &mut Command) -> std::process::Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
