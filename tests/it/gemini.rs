//! The kill matrix of Gemini CLI: it keeps no note of a running chat, loses a running tool's call, and leaves every
//! tool running. SHIM tells what was cut all the same, and brings it back once.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use shim_standin::{
    Request,
    client::{Gemini, GeminiStart, Signal, Terminals, is_alive, wait},
};

use crate::{
    receipts::{FIRST_ANSWER, How, SLOW_ANSWER, only_window, pid_of, says, shows, the_tool_ran_once},
    world::{WAIT, World},
};

const COMMAND: &str = "echo x >> ran.txt; echo begin > b.txt; sleep 600; echo end > e.txt";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Answer,
    /// In a tool that came without a word.
    Tool,
    /// In a tool that came behind words: on disk they look like a whole answer.
    ToolBehindWords,
}

/// A chat with one complete turn, cut in its second.
struct Cut {
    world: World,
    session_id: String,
    cwd: PathBuf,
    settings: Vec<u8>,
}

fn world() -> World {
    let mut world = World::furnished(|home, api| home.with_gemini(api).unwrap());
    let path = world.home.gemini_home().join("settings.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let hook = json!({"hooks": [{"type": "command", "command": "echo ran >> ~/hooks.txt"}]});
    settings["hooks"] = json!({"SessionStart": [hook]});
    fs::write(path, settings.to_string()).unwrap();
    world.start_shim();
    world
}

fn id(session_id: &str) -> String {
    format!("gemini:{session_id}")
}

fn play(world: &World, start: &GeminiStart) -> String {
    Gemini::play(&world.home, start, WAIT).unwrap()
}

/// Plays a chat to the moment, its client running.
fn running(moment: Moment) -> (Cut, Gemini) {
    let world = world();
    let cwd = world.home.project("a projéct").unwrap();
    let first = GeminiStart::new(&cwd, format!("Remember BANANA.\n@@text {FIRST_ANSWER}"));
    let session_id = play(&world, &first);
    let tool = format!("@@tool run_shell_command {}", json!({ "command": COMMAND }));
    let script = match moment {
        Moment::Answer => SLOW_ANSWER.to_owned(),
        Moment::Tool => format!("{tool}\n@@text it went"),
        Moment::ToolBehindWords => format!("@@text here it goes\n{tool}\n@@text it went"),
    };
    let start = GeminiStart::new(&cwd, script).resuming(&session_id);
    let chat = Gemini::start(&world.home, &start, WAIT).unwrap();
    match moment {
        Moment::Answer => chat.wait_for_words(WAIT, 5).unwrap(),
        Moment::Tool | Moment::ToolBehindWords => {
            wait(WAIT, "the tool to begin", || world.sleeps().then_some(())).unwrap();
        }
    }
    assert_eq!(world.wait_for_state(&id(&session_id), "working")["pid"], chat.pid, "{}", world.log());
    let settings = fs::read(world.home.gemini_home().join("settings.json")).unwrap();
    (Cut { world, session_id, cwd, settings }, chat)
}

/// Plays a chat to the moment and ends its client.
fn cut(moment: Moment, end: impl FnOnce(&Gemini)) -> Cut {
    let (cut, mut chat) = running(moment);
    end(&chat);
    chat.launcher.wait_for_exit(WAIT).unwrap();
    wait(WAIT, "the client to be gone", || (!is_alive(chat.pid)).then_some(())).unwrap();
    cut
}

impl Cut {
    fn id(&self) -> String {
        id(&self.session_id)
    }

    /// The verdict, and the journal byte for byte.
    #[track_caller]
    fn is_a_crash(&self, in_turn: &str, in_flight: &Value) {
        let crash = self.world.wait_for_crash(&self.id());
        let verdict = (&crash["kind"], &crash["in_turn"], &crash["in_flight"]);
        assert_eq!(verdict, (&json!("killed"), &json!(in_turn), in_flight), "{crash}");
        assert_eq!(self.world.chat(&self.id())["state"], "crashed");
        self.world.wait_until_kept(&self.id());
    }

    /// Brings the chat back and checks all that the receipt claims, and what the model was told.
    #[track_caller]
    fn comes_back(&self, how: How, told: &[&str]) {
        let world = &self.world;
        let (asked, turns) = (world.asked(), world.chat(&self.id())["turns"].clone());
        let receipt = world.restore(&self.id(), how.options());
        self.check_receipt(&receipt, &turns);
        if let How::TerminalIdle = how {
            self.waits_for_its_user(asked);
        }
        let request = self.wait_for_request(asked);
        for words in [FIRST_ANSWER, "SHIM restored this chat"].iter().chain(told) {
            assert!(request.text().contains(words), "the model was not told {words:?}: {}", request.text());
        }
        let hooks = fs::read_to_string(world.home.folder().join("hooks.txt")).unwrap();
        assert_eq!(hooks.lines().count(), 3, "the user's own hook ran at each start");
        let settled = wait(WAIT, "the turn to be complete", || {
            matches!(world.chat(&self.id())["state"].as_str(), Some("idle" | "ended")).then_some(())
        });
        settled.unwrap_or_else(|error| panic!("{error}: {}\n{}", world.chat(&self.id()), world.log()));
        world.is_resolved_by(&self.id(), &receipt);
        assert_eq!(fs::read(world.home.gemini_home().join("settings.json")).unwrap(), self.settings);
        world.wait_until_kept(&self.id());
    }

    #[track_caller]
    fn check_receipt(&self, receipt: &Value, turns: &Value) {
        self.world.is_whole(receipt, turns);
        let told = |key: &str| receipt[key].clone();
        assert!(told("turns_after").as_u64() >= turns.as_u64(), "{receipt}");
        assert_eq!(
            (told("chat"), told("cwd"), told("permission_mode")),
            (json!(self.id()), json!(self.cwd), json!("yolo")),
            "{receipt}"
        );
        let came_and_went = told("pid").is_null();
        let workers = self.world.home.gemini_workers(&self.cwd);
        if came_and_went {
            assert_eq!(told("processes"), json!(0), "{receipt}");
        } else {
            assert_eq!(told("processes"), json!(1), "{receipt}");
            assert!(workers.iter().all(|worker| *worker == pid_of(receipt)), "{workers:?}: {receipt}");
        }
    }

    fn wait_for_request(&self, number: u64) -> Request {
        let such =
            |request: &Request| request.number > number && request.path.contains("streamGenerateContent");
        let asked = self.world.standin.wait_for(WAIT, such);
        asked.unwrap_or_else(|error| panic!("{error}\n{}", self.world.log()))
    }

    /// A chat restored idle asks nothing of the model until its user does.
    #[track_caller]
    fn waits_for_its_user(&self, asked: u64) {
        let world = &self.world;
        let terminals = Terminals::new(&world.home);
        let window = only_window(&terminals);
        shows(&terminals, &window, "Type your message");
        assert_eq!(world.asked(), asked, "nothing was asked of the model yet");
        world.wait_for_state(&self.id(), "idle");
        says(&terminals, &window, "what now", || world.asked() > asked);
    }

    /// The tool ran once, never to its end, and nothing of it is left.
    #[track_caller]
    fn the_tool_ran_once(&self) {
        let left = self.world.home.gemini_tools(&self.cwd);
        the_tool_ran_once(&self.cwd, &left);
        assert!(left.is_empty(), "{left:?}");
    }
}

fn in_flight() -> Value {
    json!([{"tool": "run_shell_command", "input": {"command": COMMAND}}])
}

#[test]
fn killed_in_mid_answer() {
    let cut = cut(Moment::Answer, |chat| chat.signal(Signal::KILL));
    cut.is_a_crash("answer", &json!([]));
    cut.comes_back(How::HeadlessContinue, &["Your last answer was cut"]);
}

#[test]
fn killed_in_mid_answer_restored_in_a_terminal() {
    let cut = cut(Moment::Answer, |chat| chat.signal_group(Signal::KILL));
    cut.is_a_crash("answer", &json!([]));
    cut.comes_back(How::TerminalIdle, &["Your last answer was cut", "what now"]);
}

#[test]
fn asked_to_end_in_mid_answer() {
    let cut = cut(Moment::Answer, |chat| chat.signal_group(Signal::TERM));
    cut.is_a_crash("answer", &json!([]));
    cut.comes_back(How::TerminalContinue, &["Your last answer was cut"]);
}

#[test]
fn killed_in_mid_tool() {
    let cut = cut(Moment::ToolBehindWords, |chat| chat.signal_group(Signal::KILL));
    assert!(!cut.world.home.gemini_tools(&cut.cwd).is_empty(), "the tool outlives its client");
    cut.is_a_crash("tool", &in_flight());
    cut.comes_back(How::HeadlessContinue, &["In flight when it died", COMMAND, "Do not run these again"]);
    cut.the_tool_ran_once();
}

#[test]
fn killed_in_mid_tool_restored_in_a_terminal() {
    let cut = cut(Moment::Tool, |chat| chat.signal(Signal::KILL));
    cut.is_a_crash("tool", &in_flight());
    cut.comes_back(How::TerminalIdle, &["In flight when it died", "Do not run these again", "what now"]);
    cut.the_tool_ran_once();
}

#[test]
fn asked_to_end_in_mid_tool_going_on_in_a_terminal() {
    let cut = cut(Moment::ToolBehindWords, |chat| chat.signal(Signal::TERM));
    cut.is_a_crash("tool", &in_flight());
    cut.comes_back(How::TerminalContinue, &["In flight when it died", "Do not run these again"]);
    cut.the_tool_ran_once();
}

/// Nothing names the chat that a tool belongs to: it is told by when the tool was started.
#[test]
fn what_one_chat_left_running_is_not_another_chats() {
    let cut = cut(Moment::ToolBehindWords, |chat| chat.signal_group(Signal::KILL));
    cut.is_a_crash("tool", &in_flight());
    let other = play(&cut.world, &GeminiStart::new(&cut.cwd, "another in the same directory"));
    cut.world.wait_for_state(&id(&other), "ended");
    assert_eq!(cut.world.crashes_of(&id(&other)), Vec::<Value>::new());
    let receipt = cut.world.restore(&id(&other), &["--headless", "--continue"]);
    assert_eq!(receipt["ok"], true, "{receipt}");
    assert!(!cut.world.home.gemini_tools(&cut.cwd).is_empty(), "the other chat's tool is left alone");
    let receipt = cut.world.restore(&cut.id(), &["--headless", "--continue"]);
    assert_eq!(receipt["ok"], true, "{receipt}\n{}", cut.world.log());
    cut.the_tool_ran_once();
}

/// What the user started is only a launcher: without it the chat lives on, and is left alone.
#[test]
fn the_death_of_the_launcher_is_no_crash_and_the_living_are_not_restored() {
    let (cut, mut chat) = running(Moment::Answer);
    chat.signal_launcher(Signal::TERM);
    chat.signal_launcher(Signal::KILL);
    chat.launcher.wait_for_exit(WAIT).unwrap();
    assert!(is_alive(chat.pid), "the client outlives its launcher");
    let receipt = cut.world.restore(&cut.id(), &["--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["refused"]["reason"]),
        (&json!(false), &json!("still_alive")),
        "{receipt}"
    );
    let state = cut.world.chat(&cut.id());
    assert_eq!((&state["state"], &state["pid"]), (&json!("working"), &json!(chat.pid)), "{state}");
    assert_eq!(cut.world.crashes_of(&cut.id()), Vec::<Value>::new());
    assert_eq!(cut.world.home.gemini_workers(&cut.cwd), [chat.pid]);
}

#[test]
fn clean_ends_are_no_crashes() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    let tool = "@@tool run_shell_command {\"command\": \"echo x >> ran.txt\"}\n@@text done";
    let headless = play(&world, &GeminiStart::new(&cwd, tool));
    let start = GeminiStart::new(&cwd, "hello there");
    let terminals = Terminals::new(&world.home);
    Gemini::open(&terminals, &world.home.gemini(), &start).unwrap();
    let window = &start.session_id;
    shows(&terminals, window, "You said: hello there");
    world.wait_for_state(&id(window), "idle");
    says(&terminals, window, "/quit", || terminals.screen(window).is_err());
    for session_id in [&headless, window] {
        let chat = world.wait_for_state(&id(session_id), "ended");
        assert_eq!((&chat["turns"], &chat["cwd"]), (&json!(1), &json!(cwd)), "{chat}");
        assert_eq!(world.crashes_of(&id(session_id)), Vec::<Value>::new());
        world.wait_until_kept(&id(session_id));
    }
    let receipt = world.restore(&id(&headless), &["--headless", "--idle"]);
    assert_eq!(receipt["refused"]["reason"], "unsupported", "{receipt}");
}

/// The client tells nobody that its user began another chat in the same window.
#[test]
fn a_user_who_begins_another_chat_is_followed() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    let start = GeminiStart::new(&cwd, "hello there");
    let terminals = Terminals::new(&world.home);
    Gemini::open(&terminals, &world.home.gemini(), &start).unwrap();
    let window = &start.session_id;
    let screen_shows = |words: &str| terminals.screen(window).unwrap().contains(words);
    shows(&terminals, window, "You said: hello there");
    let first = world.wait_for_state(&id(window), "idle");
    says(&terminals, window, "/clear", || !screen_shows("hello there"));
    says(&terminals, window, "@@slow 2000 0.05", || screen_shows("word5"));
    world.wait_for_state(&id(window), "ended");
    let chats = world.json(&["chats"]);
    let second = chats.as_array().unwrap().iter().find(|chat| chat["id"] != id(window)).unwrap();
    assert_eq!((&second["state"], &second["pid"]), (&json!("working"), &first["pid"]), "{chats}");
    let second = second["id"].as_str().unwrap();
    shim_standin::client::send(u32::try_from(first["pid"].as_u64().unwrap()).unwrap(), Signal::KILL);
    assert_eq!(world.wait_for_crash(second)["in_turn"], "answer");
    assert_eq!(world.crashes_of(&id(window)), Vec::<Value>::new());
}

#[test]
fn a_fork_leaves_the_original_as_it_is() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    let session_id = play(&world, &GeminiStart::new(&cwd, format!("first\n@@text {FIRST_ANSWER}")));
    world.wait_for_state(&id(&session_id), "ended");
    world.wait_until_kept(&id(&session_id));
    let checkpoint = newest_checkpoint(&world, &session_id);
    play(&world, &GeminiStart::new(&cwd, "second\n@@text later").resuming(&session_id));
    world.wait_for_state(&id(&session_id), "ended");
    let (before, asked) = (world.transcript(&id(&session_id)), world.asked());
    let options = ["--checkpoint", &checkpoint, "--headless", "--continue"];
    let receipt = world.restore(&id(&session_id), &options);
    assert_eq!((&receipt["ok"], &receipt["fork_of"]), (&json!(true), &json!(id(&session_id))), "{receipt}");
    assert_eq!((&receipt["turns_before"], &receipt["turns_lost"]), (&json!(1), &json!(0)), "{receipt}");
    let fork = receipt["chat"].as_str().unwrap().to_owned();
    assert_ne!(fork, id(&session_id));
    let such = |request: &Request| request.number > asked && request.prompt().contains("SHIM restored");
    let text = world.standin.wait_for(WAIT, such).unwrap().text();
    assert!(text.contains(FIRST_ANSWER) && !text.contains("later"), "{text}");
    world.wait_for_state(&fork, "ended");
    assert_eq!(world.transcript(&id(&session_id)), before, "the original is as it was");
    assert_eq!(world.chat(&fork)["turns"], 2, "{}", world.chat(&fork));
    world.wait_until_kept(&fork);
}

fn newest_checkpoint(world: &World, session_id: &str) -> String {
    let checkpoints = world.json(&["checkpoints", &id(session_id)]);
    let ids = checkpoints.as_array().unwrap().iter().filter_map(|point| point["id"].as_i64());
    ids.max().unwrap_or_else(|| panic!("no checkpoint: {checkpoints}")).to_string()
}

/// Each resume leaves a file without messages beside the chat's own. At the next start of another chat the client
/// takes it for damaged, and deletes every file of that chat.
#[test]
fn a_chat_that_the_client_deleted_is_put_back() {
    let world = world();
    let cwd = world.home.project("p").unwrap();
    let session_id = play(&world, &GeminiStart::new(&cwd, format!("first\n@@text {FIRST_ANSWER}")));
    world.wait_for_state(&id(&session_id), "ended");
    world.wait_until_kept(&id(&session_id));
    let (path, bytes) = (world.home.gemini_chat(&session_id).unwrap(), world.transcript(&id(&session_id)));
    let head: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').take(2).flatten().copied().collect();
    let beside = format!("session-2026-01-01T00-00-{}.jsonl", &session_id[..8]);
    fs::write(path.with_file_name(beside), head).unwrap();
    tidy_up(&world);
    play(&world, &GeminiStart::new(&cwd, "another"));
    assert!(!path.exists(), "the client's own tidying deletes the chat");
    assert_eq!(world.export(&id(&session_id), &[]), bytes, "the journal has it");
    let asked = world.asked();
    let receipt = world.restore(&id(&session_id), &["--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["turns_lost"]),
        (&json!(true), &json!(0)),
        "{receipt}\n{}",
        world.log()
    );
    let such = |request: &Request| request.number > asked && request.text().contains(FIRST_ANSWER);
    world.standin.wait_for(WAIT, such).unwrap();
    world.wait_for_state(&id(&session_id), "ended");
    assert!(begins_with(&path, &bytes), "what was there before is there again");
    world.wait_until_kept(&id(&session_id));
}

/// Lets the client tidy up its chats, as it does unless it is told otherwise.
fn tidy_up(world: &World) {
    let path = world.home.gemini_home().join("settings.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    settings["general"].as_object_mut().unwrap().remove("sessionRetention");
    fs::write(path, settings.to_string()).unwrap();
}

fn begins_with(path: &Path, bytes: &[u8]) -> bool {
    fs::read(path).unwrap().starts_with(bytes)
}
