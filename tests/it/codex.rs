//! The kill matrix of Codex: the real client ends in each way it can; SHIM tells what it was, and brings back what died.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use shim_standin::client::{Codex, CodexStart, Signal, Terminals, is_alive, send, wait};

use crate::{
    receipts::{
        FIRST_ANSWER, How, Moment, SLOW_ANSWER, end_of, only_window, pid_of, says, shows, the_tool_ran_once,
    },
    world::{WAIT, World},
};

const TOOL_INPUT: &str = "{\"cmd\": \"echo x >> ran.txt; echo begin > b.txt; sleep 600; echo end > e.txt\", \
    \"yield_time_ms\": 600000}";
/// A hook of the user's own, which must go on working.
const USER_HOOK: &str = "echo ran >> ~/hooks.txt";

fn world() -> World {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    world.home.codex_hook(USER_HOOK).unwrap();
    world.start_shim();
    world
}

/// SHIM's id of a chat.
fn id(thread_id: &str) -> String {
    format!("codex:{thread_id}")
}

fn play(world: &World, start: &CodexStart) -> String {
    Codex::play(&world.home, start, WAIT).unwrap()
}

/// A chat with one complete turn, cut in its second.
struct Cut {
    world: World,
    thread_id: String,
    cwd: PathBuf,
    config: String,
    chat: Codex,
}

/// Plays a chat to the moment, in a world with SHIM.
fn begun(moment: Moment) -> Cut {
    let world = world();
    let cwd = world.home.codex_project("a projéct").unwrap();
    let config = fs::read_to_string(world.home.codex_home().join("config.toml")).unwrap();
    let first = CodexStart::new(&cwd, format!("Remember BANANA.\n@@text {FIRST_ANSWER}"));
    let thread_id = play(&world, &first);
    let script = match moment {
        Moment::Answer => SLOW_ANSWER.to_owned(),
        Moment::Tool => format!("@@text here it goes\n@@tool exec_command {TOOL_INPUT}\n@@text it went"),
    };
    let start = CodexStart::new(&cwd, script).resuming(&thread_id);
    let chat = Codex::start(&world.home, &start, WAIT).unwrap();
    match moment {
        Moment::Answer => drop(world.standin.wait_for_words(WAIT, &thread_id, 5).unwrap()),
        Moment::Tool => wait(WAIT, "the tool to begin and be written down", || {
            let file = String::from_utf8_lossy(&world.transcript(&id(&thread_id))).into_owned();
            (file.contains("\"type\":\"function_call\"") && world.sleeps()).then_some(())
        })
        .unwrap(),
    }
    assert_eq!(world.wait_for_state(&id(&thread_id), "working")["pid"], chat.pid);
    Cut { world, thread_id, cwd, config, chat }
}

fn cut(moment: Moment, signal: Signal) -> Cut {
    let mut cut = begun(moment);
    cut.chat.signal(signal);
    cut.chat.launcher.wait_for_exit(WAIT).unwrap();
    cut
}

impl Cut {
    fn id(&self) -> String {
        id(&self.thread_id)
    }

    /// The verdict, and the journal byte for byte.
    #[track_caller]
    fn is_a_crash(&self, kind: &str, in_turn: &str, in_flight: &Value) {
        self.world.is_a_seen_crash(&self.id(), kind, in_turn, in_flight);
        self.world.wait_until_kept(&self.id());
    }

    /// Brings the chat back and checks all that the receipt claims, and what the model was told.
    #[track_caller]
    fn comes_back(&self, how: How, told: &[&str]) {
        let world = &self.world;
        let (asked, before) = (world.asked(), world.transcript(&self.id()));
        let receipt = world.restore(&self.id(), how.options());
        self.check_receipt(&receipt, how);
        if how != How::HeadlessContinue {
            assert_eq!(world.home.codex_on(&self.thread_id), [pid_of(&receipt)], "{receipt}");
        }
        if how == How::TerminalIdle {
            self.waits_for_its_user(asked);
        }
        let text = world.wait_for_request(&self.thread_id, asked).text();
        for words in [FIRST_ANSWER, "SHIM restored this chat"].iter().chain(told) {
            assert!(text.contains(words), "the model was not told {words:?}: {}", end_of(&text));
        }
        let ended = if how == How::HeadlessContinue { "ended" } else { "idle" };
        let chat = world.wait_for_state(&self.id(), ended);
        wait(WAIT, "the turn to be counted", || (world.chat(&self.id())["turns"] == 2).then_some(()))
            .unwrap_or_else(|error| panic!("{error}: {chat}"));
        world.is_resolved_by(&self.id(), &receipt);
        assert_eq!(world.crashes_of(&self.id()).len(), 1, "no further crash");
        world.wait_until_kept(&self.id());
        assert!(world.transcript(&self.id()).starts_with(&before), "no line was written anew");
        assert_eq!(fs::read_to_string(world.home.codex_home().join("config.toml")).unwrap(), self.config);
        let hooks = fs::read_to_string(world.home.folder().join("hooks.txt")).unwrap();
        assert_eq!(hooks.lines().count(), 3, "the user's own hook ran at each start");
        assert!(
            !world.home.codex_home().join("app-server-daemon").exists(),
            "no background server was started"
        );
    }

    #[track_caller]
    fn check_receipt(&self, receipt: &Value, how: How) {
        self.world.is_whole(receipt, &json!(1));
        let told = |key: &str| receipt[key].clone();
        assert_eq!(
            (told("chat"), told("cwd"), told("model"), told("permission_mode")),
            (json!(self.id()), json!(self.cwd), json!("gpt-5-mock"), json!("never/danger-full-access")),
            "{receipt}"
        );
        // Without a terminal it answers and ends, at times before it was counted.
        let (turns, processes) = (receipt["turns_after"].as_u64(), receipt["processes"].as_u64());
        if how == How::HeadlessContinue {
            assert!(matches!((turns, processes), (Some(1 | 2), Some(0 | 1))), "{receipt}");
        } else {
            assert!(matches!((turns, processes), (Some(1 | 2), Some(1))), "{receipt}");
        }
    }

    /// A chat restored idle asks nothing of the model until its user does.
    #[track_caller]
    fn waits_for_its_user(&self, asked: u64) {
        let world = &self.world;
        let terminals = Terminals::new(&world.home);
        world.wait_for_state(&self.id(), "idle");
        let window = only_window(&terminals);
        shows(&terminals, &window, "BANANA");
        shows(&terminals, &window, "Ask Codex");
        assert_eq!(world.asked(), asked, "nothing was asked of the model yet");
        says(&terminals, &window, "what now?", || world.asked() > asked);
    }

    /// The tool ran once, never to its end, and nothing of it is left.
    #[track_caller]
    fn the_tool_ran_once(&self) {
        the_tool_ran_once(&self.cwd, &self.world.home.tools_of(&self.thread_id));
    }
}

fn command_in_flight() -> Value {
    json!([{"tool": "exec_command", "input": serde_json::from_str::<Value>(TOOL_INPUT).unwrap()}])
}

#[test]
fn codex_killed_in_mid_answer() {
    let cut = cut(Moment::Answer, Signal::KILL);
    cut.is_a_crash("killed", "answer", &json!([]));
    cut.comes_back(How::HeadlessContinue, &["Your last answer was cut", "Continue from where you left off."]);
}

#[test]
fn codex_killed_in_mid_answer_restored_in_a_terminal() {
    let cut = cut(Moment::Answer, Signal::KILL);
    cut.is_a_crash("killed", "answer", &json!([]));
    cut.comes_back(How::TerminalIdle, &["Your last answer was cut", "what now?"]);
}

#[test]
fn codex_killed_in_mid_tool() {
    let cut = cut(Moment::Tool, Signal::KILL);
    assert!(!cut.world.home.tools_of(&cut.thread_id).is_empty(), "the tool outlives its client");
    cut.is_a_crash("killed", "tool", &command_in_flight());
    cut.comes_back(How::HeadlessContinue, &["In flight when it died", "aborted"]);
    cut.the_tool_ran_once();
}

#[test]
fn codex_killed_in_mid_tool_restored_in_a_terminal() {
    let cut = cut(Moment::Tool, Signal::KILL);
    cut.is_a_crash("killed", "tool", &command_in_flight());
    cut.comes_back(How::TerminalIdle, &["In flight when it died", "aborted", "what now?"]);
    cut.the_tool_ran_once();
}

#[test]
fn codex_killed_in_mid_tool_going_on_in_a_terminal() {
    let cut = cut(Moment::Tool, Signal::KILL);
    cut.is_a_crash("killed", "tool", &command_in_flight());
    cut.comes_back(How::TerminalContinue, &["In flight when it died", "aborted"]);
    cut.the_tool_ran_once();
}

/// The client takes no leave of it: as far as can be seen, it was killed.
#[test]
fn codex_asked_to_end_in_mid_answer() {
    let cut = cut(Moment::Answer, Signal::TERM);
    cut.is_a_crash("killed", "answer", &json!([]));
    cut.comes_back(How::TerminalIdle, &["Your last answer was cut", "what now?"]);
}

#[test]
fn codex_asked_to_end_in_mid_tool() {
    let cut = cut(Moment::Tool, Signal::TERM);
    cut.is_a_crash("killed", "tool", &command_in_flight());
    cut.comes_back(How::HeadlessContinue, &["In flight when it died", "aborted"]);
    cut.the_tool_ran_once();
}

#[test]
fn codex_stopped_by_its_user_in_mid_answer_is_no_crash() {
    let cut = cut(Moment::Answer, Signal::INT);
    cut.world.is_a_clean_end(&cut.id());
}

#[test]
fn codex_that_ends_by_itself_is_no_crash() {
    let world = world();
    let cwd = world.home.codex_project("p").unwrap();
    let script = "@@tool exec_command {\"cmd\": \"echo x >> ran.txt\"}\n@@text done";
    let thread_id = play(&world, &CodexStart::new(&cwd, script));
    let chat = wait(WAIT, "the turn to be counted", || {
        Some(world.chat(&id(&thread_id))).filter(|chat| chat["turns"] == 1)
    })
    .unwrap();
    assert_eq!(chat["cwd"], json!(cwd), "{chat}");
    world.wait_for_state(&id(&thread_id), "ended");
    assert_eq!(world.crashes_of(&id(&thread_id)), Vec::<Value>::new());
    world.wait_until_kept(&id(&thread_id));
}

#[test]
fn an_api_that_gives_codex_nothing_is_no_crash() {
    let world = world();
    let start = CodexStart::new(world.home.codex_project("p").unwrap(), "@@error 429");
    let mut launcher = Codex::launch(&world.home, &start).unwrap();
    assert_eq!(launcher.wait_for_exit(WAIT).unwrap().code(), Some(1));
    let events = launcher.events();
    let thread_id = events.iter().find_map(|event| event["thread_id"].as_str()).unwrap();
    world.wait_for_state(&id(thread_id), "ended");
    world.wait_until_kept(&id(thread_id));
    assert_eq!(world.crashes_of(&id(thread_id)), Vec::<Value>::new());
}

/// Its lock alone tells: the process was opened and killed while no engine ran.
#[test]
fn codex_that_no_engine_ever_saw_at_its_prompt_is_missed_all_the_same() {
    let mut world = world();
    let cwd = world.home.codex_project("p").unwrap();
    let thread_id = play(&world, &CodexStart::new(&cwd, format!("@@text {FIRST_ANSWER}")));
    wait(WAIT, "the turn to be counted", || (world.chat(&id(&thread_id))["turns"] == 1).then_some(()))
        .unwrap();
    world.kill_shim();
    let codex = world.home.codex().to_string_lossy().into_owned();
    let words = [&codex, "--no-daemon", "resume", &thread_id].map(str::to_owned);
    Terminals::new(&world.home).run("p", &cwd, &[], &words).unwrap();
    let pid = wait(WAIT, "the chat to be open", || world.home.codex_on(&thread_id).first().copied()).unwrap();
    send(pid, Signal::KILL);
    wait(WAIT, "the client to be gone", || (!is_alive(pid)).then_some(())).unwrap();
    world.start_shim();
    let crash = world.wait_for_crash(&id(&thread_id));
    assert_eq!((&crash["kind"], &crash["in_turn"]), (&json!("killed"), &json!("none")), "{crash}");
    world.json(&["stop", &id(&thread_id), "--yes"]);
    world.kill_shim();
    world.start_shim();
    world.finished_chat(&world.home.project("another").unwrap(), "@@text and some time goes by");
    assert_eq!(world.crashes_of(&id(&thread_id)).len(), 1, "a lock tells of one death");
}

/// It names the chat on its command line, and outlives its client here by a second.
#[test]
fn a_launcher_that_takes_its_time_does_not_stand_in_the_way_of_a_restore() {
    let mut cut = begun(Moment::Answer);
    let launcher = cut.chat.launcher.pid();
    send(launcher, Signal::STOP);
    cut.chat.signal(Signal::KILL);
    cut.world.wait_for_crash(&cut.id());
    let receipt = std::thread::scope(|scope| {
        let restoring = scope.spawn(|| cut.world.restore(&cut.id(), &["--headless", "--continue"]));
        std::thread::sleep(std::time::Duration::from_secs(1));
        send(launcher, Signal::CONT);
        restoring.join().unwrap()
    });
    assert_eq!((&receipt["ok"], &receipt["turns_lost"]), (&json!(true), &json!(0)), "{receipt}");
    cut.chat.launcher.wait_for_exit(WAIT).unwrap();
}

/// The launcher is not the client: it dies, and the chat goes on to its end, unharmed.
#[test]
fn the_death_of_codexs_launcher_is_no_crash() {
    let world = world();
    let cwd = world.home.codex_project("p").unwrap();
    let start = CodexStart::new(&cwd, "@@slow 100 0.05\n@@text and that was it");
    let chat = Codex::start(&world.home, &start, WAIT).unwrap();
    assert_eq!(world.wait_for_state(&id(&chat.thread_id), "working")["pid"], chat.pid);
    send(chat.launcher.pid(), Signal::KILL);
    wait(WAIT, "the launcher to be gone", || (!is_alive(chat.launcher.pid())).then_some(())).unwrap();
    assert!(is_alive(chat.pid), "the client outlives its launcher");
    let receipt = world.restore(&id(&chat.thread_id), &["--headless", "--continue"]);
    assert_eq!(receipt["refused"]["reason"], "still_alive", "{receipt}");
    wait(WAIT, "the client to end", || (!is_alive(chat.pid)).then_some(())).unwrap();
    assert_eq!(world.wait_for_state(&id(&chat.thread_id), "ended")["turns"], 1);
    assert_eq!(world.crashes_of(&id(&chat.thread_id)), Vec::<Value>::new());
}

/// Left to itself the client would take what its settings say by now, and that is more.
#[test]
fn codex_comes_back_with_no_more_rights_than_it_had() {
    let world = world();
    let cwd = world.home.codex_project("p").unwrap();
    let mut start = CodexStart::new(&cwd, SLOW_ANSWER);
    start.args = ["-s", "read-only", "-m", "other-model", "--add-dir", "/usr"].map(str::to_owned).into();
    let mut chat = Codex::start(&world.home, &start, WAIT).unwrap();
    world.standin.wait_for_words(WAIT, &chat.thread_id, 3).unwrap();
    world.wait_for_state(&id(&chat.thread_id), "working");
    chat.signal(Signal::KILL);
    chat.launcher.wait_for_exit(WAIT).unwrap();
    world.wait_for_crash(&id(&chat.thread_id));
    let asked = world.asked();
    let receipt = world.restore(&id(&chat.thread_id), &["--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["model"], &receipt["permission_mode"]),
        (&json!(true), &json!("other-model"), &json!("never/read-only")),
        "{receipt}"
    );
    let request = world.wait_for_request(&chat.thread_id, asked);
    assert_eq!(request.body["model"], "other-model");
    let text = request.text();
    assert!(
        text.contains("`sandbox_mode` is `read-only`") && !text.contains("danger-full-access"),
        "{}",
        end_of(&text)
    );
}

#[test]
fn codex_cut_while_nobody_watched_comes_back() {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    let cwd = world.home.codex_project("p").unwrap();
    let thread_id = play(&world, &CodexStart::new(&cwd, format!("@@text {FIRST_ANSWER}")));
    let script = format!("@@tool exec_command {TOOL_INPUT}");
    let mut chat =
        Codex::start(&world.home, &CodexStart::new(&cwd, script).resuming(&thread_id), WAIT).unwrap();
    wait(WAIT, "the tool to begin", || world.sleeps().then_some(())).unwrap();
    chat.signal(Signal::KILL);
    chat.launcher.wait_for_exit(WAIT).unwrap();
    world.start_shim();
    wait(WAIT, "the chat to be listed", || (world.chat(&id(&thread_id)) != Value::Null).then_some(()))
        .unwrap();
    let asked = world.asked();
    let receipt = world.restore(&id(&thread_id), &["--headless", "--continue"]);
    assert_eq!((&receipt["ok"], &receipt["turns_lost"]), (&json!(true), &json!(0)), "{receipt}");
    let text = world.wait_for_request(&thread_id, asked).text();
    assert!(text.contains("In flight when it died") && text.contains("sleep 600"), "{}", end_of(&text));
    the_tool_ran_once(&cwd, &world.home.tools_of(&thread_id));
}

#[test]
fn codex_cannot_wait_without_a_terminal() {
    let cut = cut(Moment::Answer, Signal::KILL);
    cut.world.wait_for_crash(&cut.id());
    let asked = cut.world.asked();
    let receipt = cut.world.restore(&cut.id(), &["--headless", "--idle"]);
    assert_eq!(receipt["refused"]["reason"], "unsupported", "{receipt}");
    assert!(receipt["refused"]["message"].as_str().unwrap().contains("--continue"), "{receipt}");
    assert_eq!(cut.world.asked(), asked);
    assert!(cut.world.home.codex_on(&cut.thread_id).is_empty());
}

/// A chat in a terminal: killed at its prompt it is a crash between turns; closed by its user it is none.
#[test]
fn codex_in_a_terminal_dies_and_ends() {
    let world = world();
    let cwd = world.home.codex_project("p").unwrap();
    let thread_id = play(&world, &CodexStart::new(&cwd, format!("@@text {FIRST_ANSWER}")));
    let terminals = Terminals::new(&world.home);
    let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let codex = world.home.codex().to_string_lossy().into_owned();
    terminals.run("w", &cwd, &[], &command(&[&codex, "--no-daemon", "resume", &thread_id])).unwrap();
    let live = world.wait_for_state(&id(&thread_id), "idle");
    let pid = u32::try_from(live["pid"].as_u64().unwrap()).unwrap();
    send(pid, Signal::KILL);
    let crash = world.wait_for_crash(&id(&thread_id));
    assert_eq!((&crash["kind"], &crash["in_turn"]), (&json!("killed"), &json!("none")), "{crash}");
    let receipt = world.restore(&id(&thread_id), &["--idle"]);
    assert_eq!((&receipt["ok"], &receipt["processes"]), (&json!(true), &json!(1)), "{receipt}");
    let window = only_window(&terminals);
    shows(&terminals, &window, "Ask Codex");
    wait(WAIT, "the client to close", || {
        terminals.press(&window, &["C-c"]).ok();
        world.home.codex_on(&thread_id).is_empty().then_some(())
    })
    .unwrap();
    world.wait_for_state(&id(&thread_id), "ended");
    assert_eq!(world.crashes_of(&id(&thread_id)).len(), 1, "its user closed it");
}

/// What happens to a chat at its prompt while no engine runs: the next one knows by the lock what it was.
#[test]
fn codex_that_went_from_its_prompt_while_the_engine_was_down_died_or_ended() {
    let mut world = world();
    let terminals = Terminals::new(&world.home);
    let codex = world.home.codex().to_string_lossy().into_owned();
    let mut chats = Vec::new();
    for name in ["killed", "closed"] {
        let cwd = world.home.codex_project(name).unwrap();
        let thread_id = play(&world, &CodexStart::new(&cwd, format!("@@text {FIRST_ANSWER}")));
        let words = [&codex, "--no-daemon", "resume", &thread_id].map(str::to_owned);
        terminals.run(name, &cwd, &[], &words).unwrap();
        let live = world.wait_for_state(&id(&thread_id), "idle");
        chats.push((thread_id, u32::try_from(live["pid"].as_u64().unwrap()).unwrap()));
    }
    let [(killed, pid), (closed, _)] = chats.try_into().unwrap();
    shows(&terminals, "closed", "Ask Codex");
    world.kill_shim();
    send(pid, Signal::KILL);
    wait(WAIT, "the client to close", || {
        Terminals::new(&world.home).press("closed", &["C-c"]).ok();
        (world.home.codex_on(&closed).is_empty() && !is_alive(pid)).then_some(())
    })
    .unwrap();
    world.start_shim();
    let crash = world.wait_for_crash(&id(&killed));
    assert_eq!((&crash["kind"], &crash["in_turn"]), (&json!("killed"), &json!("none")), "{crash}");
    assert!(crash["evidence"].to_string().contains(&format!("no process {pid} exists")), "{crash}");
    world.kill_shim();
    world.start_shim();
    world.wait_for_state(&id(&closed), "ended");
    assert!(world.crashes_of(&id(&closed)).is_empty(), "its user closed it");
    assert_eq!(world.crashes_of(&id(&killed)).len(), 1, "a death is judged once");
}

#[test]
fn a_sub_agent_of_codex_is_no_chat_of_its_own() {
    let world = world();
    let cwd = world.home.codex_project("p").unwrap();
    let script = "@@tool multi_agent_v1__spawn_agent {\"message\": \"@@text the child is done\"}\n\
        @@tool exec_command {\"cmd\": \"sleep 2\"}\n@@text the parent is done";
    let thread_id = play(&world, &CodexStart::new(&cwd, script));
    let asked = world.standin.requests();
    let others = asked.iter().filter_map(|request| request.session_id()).filter(|other| *other != thread_id);
    assert!(others.count() > 0, "a sub-agent asked under an id of its own");
    wait(WAIT, "the turn to be counted", || (world.chat(&id(&thread_id))["turns"] == 1).then_some(()))
        .unwrap();
    world.wait_for_state(&id(&thread_id), "ended");
    let chats = world.json(&["chats"]);
    let chats: Vec<_> = chats.as_array().unwrap().iter().map(|chat| chat["session_id"].clone()).collect();
    assert_eq!(chats, [json!(thread_id)]);
    world.wait_until_kept(&id(&thread_id));
}

#[test]
fn a_fork_of_a_codex_chat_leaves_the_original_alone() {
    let world = world();
    let cwd = world.home.codex_project("p").unwrap();
    let thread_id = three_turns(&world, &cwd);
    let original = world.transcript(&id(&thread_id));
    let checkpoint = wait(WAIT, "the first turn's checkpoint", || {
        let all = world.json(&["checkpoints", &id(&thread_id)]);
        all.as_array().unwrap().iter().find(|checkpoint| checkpoint["turns"] == 1).cloned()
    })
    .unwrap();
    let number = checkpoint["id"].to_string();
    let receipt = world.restore(&id(&thread_id), &["--checkpoint", &number, "--headless", "--continue"]);
    assert_eq!(
        (&receipt["ok"], &receipt["fork_of"], &receipt["turns_lost"]),
        (&json!(true), &json!(id(&thread_id)), &json!(0)),
        "{receipt}\n{}",
        world.log()
    );
    assert_eq!(receipt["last_message_sha256_before"], receipt["last_message_sha256_after"], "{receipt}");
    let fork = receipt["chat"].as_str().unwrap().strip_prefix("codex:").unwrap().to_owned();
    assert_ne!(fork, thread_id);
    let text = world.wait_for_request(&fork, 0).text();
    assert!(text.contains("turn ONE") && !text.contains("turn TWO"), "{}", end_of(&text));
    assert_eq!(world.transcript(&id(&thread_id)), original, "the original's file is as it was");
    wait(WAIT, "the fork's turns", || (world.chat(&id(&fork))["turns"] == 2).then_some(())).unwrap();
}

/// A chat of three turns: the client is asked three times and ends each time.
fn three_turns(world: &World, cwd: &Path) -> String {
    let thread_id = play(world, &CodexStart::new(cwd, "@@text turn ONE is done"));
    for (turn, name) in [(1, "TWO"), (2, "THREE")] {
        wait(WAIT, "the turn to be counted", || (world.chat(&id(&thread_id))["turns"] == turn).then_some(()))
            .unwrap();
        play(world, &CodexStart::new(cwd, format!("@@text turn {name} is done")).resuming(&thread_id));
    }
    wait(WAIT, "the turn to be counted", || (world.chat(&id(&thread_id))["turns"] == 3).then_some(()))
        .unwrap();
    world.wait_for_state(&id(&thread_id), "ended");
    thread_id
}

#[test]
fn a_codex_chat_whose_file_was_deleted_is_put_back() {
    let cut = cut(Moment::Answer, Signal::KILL);
    cut.is_a_crash("killed", "answer", &json!([]));
    let path = cut.world.home.rollout(&cut.thread_id).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(cut.world.export(&cut.id(), &[]), bytes, "the journal outlives the file");
    let asked = cut.world.asked();
    let receipt = cut.world.restore(&cut.id(), &["--headless", "--continue"]);
    assert_eq!((&receipt["ok"], &receipt["turns_lost"]), (&json!(true), &json!(0)), "{receipt}");
    assert!(fs::read(&path).unwrap().starts_with(&bytes), "the client went on behind what was put back");
    assert!(cut.world.wait_for_request(&cut.thread_id, asked).text().contains(FIRST_ANSWER));
}
