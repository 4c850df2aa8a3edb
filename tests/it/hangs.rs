//! Live chats that hang, run into a limit or wait for their user, with real clients: what hangs is told with its
//! evidence and is over when it moves; what only takes long is left alone. Times are set short.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use serde_json::{Value, json};
use shim_standin::client::{Codex, CodexStart, Headless, MemoryGroup, Signal, Start, Terminals, send, wait};

use crate::{
    receipts::shows,
    world::{WAIT, World, id},
};

const SHORT: &str = "hang = { spin_seconds = 20, silent_seconds = 20, stopped_seconds = 10, readings = 3, after_wake_seconds = 0 }\n\
    prompt.notice_minutes = 1";
/// Slow once: a client that asks again is answered at once.
const SLOW_ANSWER: &str = "@@slow 4000 0.05 1";

fn world() -> World {
    let mut world = World::alone();
    world.settings(SHORT);
    world.start_shim();
    world
}

fn answering(world: &World, cwd: &Path, script: &str, words: u64) -> Headless {
    let chat = Headless::start(&world.home, &Start::new(cwd, script)).unwrap();
    chat.wait_for_words(WAIT, words).unwrap();
    chat
}

/// The open hang of a chat, with what is true of each.
#[track_caller]
fn hang(world: &World, session_id: &str, form: &str, number: usize) -> Value {
    let chat = world.wait_for_state(session_id, "hung");
    assert_eq!(chat["suspicion"]["form"], form, "{chat}");
    let crashes = world.crashes_of(session_id);
    assert_eq!(crashes.len(), number, "{crashes:?}");
    let crash = crashes[0].clone();
    let verdict = (&crash["kind"], &crash["seen_live"], &crash["resolved"], &chat["open_crash"]);
    assert_eq!(verdict, (&json!("hung"), &json!(true), &json!(false), &crash["id"]), "{crash}");
    crash
}

fn says(crash: &Value, source: &str) -> String {
    let evidence = crash["evidence"].as_array().unwrap().iter().filter(|one| one["source"] == source);
    evidence.map(|one| one["says"].as_str().unwrap()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_client_that_is_stopped_hangs_until_it_goes_on_and_is_one_crash_when_it_is_killed() {
    let world = world();
    let cwd = world.home.project("stopped").unwrap();
    let mut chat = answering(&world, &cwd, SLOW_ANSWER, 5);
    let session_id = chat.session_id.clone();
    world.wait_for_state(&session_id, "working");
    chat.signal(Signal::STOP);
    let first = hang(&world, &session_id, "stopped", 1);
    assert_eq!(first["in_turn"], "answer", "{first}");
    assert!(says(&first, "process").contains("stopped by a signal"), "{first}");
    chat.signal(Signal::CONT);
    world.wait_for_state(&session_id, "working");
    assert_eq!(world.crashes_of(&session_id)[0]["resolved"], true);
    chat.signal(Signal::STOP);
    let second = hang(&world, &session_id, "stopped", 2);
    assert_ne!(second["id"], first["id"]);
    chat.kill().unwrap();
    let crashed = world.wait_for_state(&session_id, "crashed");
    assert_eq!(crashed["open_crash"], second["id"], "its death is no crash of its own");
    assert_eq!(world.crashes_of(&session_id).len(), 2);
    let receipt = world.restore(&id(&session_id), &["--headless", "--continue"]);
    assert_eq!((&receipt["ok"], &receipt["turns_lost"]), (&json!(true), &json!(0)), "{receipt}");
    world.home.wait_for_status(WAIT, &session_id, "idle").unwrap();
    let resolved: Vec<_> =
        world.crashes_of(&session_id).iter().map(|crash| crash["resolved"].clone()).collect();
    assert_eq!(resolved, [true, true]);
}

#[test]
fn a_hang_outlives_an_engine() {
    let mut world = world();
    let cwd = world.home.project("stopped").unwrap();
    let chat = answering(&world, &cwd, SLOW_ANSWER, 5);
    let session_id = chat.session_id.clone();
    world.wait_for_state(&session_id, "working");
    chat.signal(Signal::STOP);
    let found = hang(&world, &session_id, "stopped", 1);
    world.kill_shim();
    world.start_shim();
    let again = world.wait_for_state(&session_id, "hung");
    assert_eq!(again["open_crash"], found["id"]);
    chat.signal(Signal::CONT);
    world.wait_for_state(&session_id, "working");
    let crashes = world.crashes_of(&session_id);
    assert_eq!((crashes.len(), &crashes[0]["resolved"]), (1, &json!(true)));
}

/// Beside a chat that hangs are others that only take long, all of them longer at it.
#[test]
fn an_answer_that_never_comes_hangs_and_what_takes_long_does_not() {
    let world = world();
    let project = |name: &str| world.home.project(name).unwrap();
    let terminals = Terminals::new(&world.home);
    let ask = "@@tool Bash {\"command\": \"touch made\", \"description\": \"make\"}\n@@text done";
    let asking = Start { permission_mode: "default".to_owned(), ..Start::new(project("asks"), ask) };
    terminals.start(&asking).unwrap();
    let slow = answering(&world, &project("slow"), "@@slow 4000 4", 2);
    let tool = "@@tool Bash {\"command\": \"echo begin; sleep 600; echo end\"}";
    let tooling = Headless::start(&world.home, &Start::new(project("tool"), tool)).unwrap();
    wait(WAIT, "the tool to run", || world.sleeps().then_some(())).unwrap();
    world.wait_for_state(&asking.session_id, "waiting");
    let silent = answering(&world, &project("silent"), "@@slow 3 0.1\n@@stall 3600", 3);
    let crash = hang(&world, &silent.session_id, "silent", 1);
    assert_eq!((&crash["in_turn"], &crash["in_flight"]), (&json!("answer"), &json!([])), "{crash}");
    assert!(says(&crash, "network").contains("took nothing over its connections"), "{crash}");
    assert!(says(&crash, "transcript").contains("nothing was written"), "{crash}");
    wait(WAIT, "the prompt to be told", || world.whole_log().contains("Waits {").then_some(())).unwrap();
    for (chat, state) in
        [(&asking.session_id, "waiting"), (&slow.session_id, "working"), (&tooling.session_id, "working")]
    {
        let shown = world.chat(chat);
        assert_eq!(
            (&shown["state"], &shown["suspicion"]),
            (&json!(state), &Value::Null),
            "{shown}\n{}",
            world.log()
        );
        assert_eq!(world.crashes_of(chat), Vec::<Value>::new());
    }
    assert_eq!(world.whole_log().matches("Waits {").count(), 1);
    assert_eq!(world.chat(&silent.session_id)["state"], "hung");
}

#[test]
fn a_stopped_codex_hangs_until_it_goes_on() {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    world.settings(SHORT);
    world.start_shim();
    let cwd = world.home.codex_project("stopped").unwrap();
    let chat = Codex::start(&world.home, &CodexStart::new(&cwd, SLOW_ANSWER), WAIT).unwrap();
    let shim_id = format!("codex:{}", chat.thread_id);
    world.standin.wait_for_words(WAIT, &chat.thread_id, 5).unwrap();
    world.wait_for_state(&shim_id, "working");
    send(chat.pid, Signal::STOP);
    let crash = hang(&world, &shim_id, "stopped", 1);
    assert_eq!(crash["in_turn"], "answer", "{crash}");
    send(chat.pid, Signal::CONT);
    world.wait_for_state(&shim_id, "working");
    assert_eq!(world.crashes_of(&shim_id)[0]["resolved"], true);
}

/// A model that cannot be reached is asked again and again, with longer and longer pauses: longer altogether than
/// silence may last.
#[test]
fn a_client_that_tries_its_model_again_does_not_hang() {
    let mut world = World::alone();
    world.settings(
        "hang = { spin_seconds = 20, silent_seconds = 75, stopped_seconds = 10, readings = 3, after_wake_seconds = 0 }",
    );
    world.start_shim();
    let cwd = world.home.project("again").unwrap();
    let chat = Headless::start(&world.home, &Start::new(&cwd, "@@error 529 8\n@@text there it is")).unwrap();
    let session_id = chat.session_id.clone();
    wait(WAIT * 4, "nine tries", || {
        let shown = world.chat(&session_id);
        assert_ne!(shown["state"], "hung", "{shown}");
        (world.standin.requests_of(&session_id).len() >= 9).then_some(())
    })
    .unwrap();
    wait(WAIT, "the turn to be counted", || (world.chat(&session_id)["turns"] == 1).then_some(())).unwrap();
    assert_eq!(world.crashes_of(&session_id), Vec::<Value>::new());
}

/// Nothing outside of it tells that it asks: a call in flight that nothing runs for is left alone.
#[test]
fn a_codex_that_asks_its_user_does_not_hang() {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    world.settings(SHORT);
    world.start_shim();
    let cwd = world.home.codex_project("asks").unwrap();
    let terminals = Terminals::new(&world.home);
    let codex = world.home.codex().to_string_lossy().into_owned();
    let call =
        json!({"cmd": "touch made", "sandbox_permissions": "require_escalated", "justification": "it must"});
    let prompt = format!("@@tool exec_command {call}\n@@text done");
    let words =
        [&codex, "--no-daemon", "-a", "on-request", "-s", "workspace-write", &prompt].map(str::to_owned);
    terminals.run("asks", &cwd, &[], &words).unwrap();
    shows(&terminals, "asks", "Would you like to run");
    let asking = wait(WAIT, "the chat to be known", || {
        let chats = world.json(&["chats"]);
        chats.as_array()?.first().cloned()
    })
    .unwrap();
    let asking = asking["id"].as_str().unwrap().to_owned();
    let cwd = world.home.codex_project("silent").unwrap();
    let silent =
        Codex::start(&world.home, &CodexStart::new(&cwd, "@@slow 3 0.1\n@@stall 3600"), WAIT).unwrap();
    let crash = hang(&world, &format!("codex:{}", silent.thread_id), "silent", 1);
    assert!(says(&crash, "network").contains("took nothing over its connections"), "{crash}");
    let chat = world.chat(&asking);
    assert_eq!((&chat["state"], &chat["suspicion"]), (&json!("working"), &Value::Null), "{chat}");
    assert_eq!(world.crashes_of(&asking), Vec::<Value>::new());
    assert!(!cwd.join("made").exists());
    terminals.press("asks", &["y"]).unwrap();
    world.wait_for_state(&asking, "idle");
}

/// No real client can be made to spin: a shell that does stands for one, with the files a client would have.
#[test]
fn a_process_that_spins_hangs() {
    let world = world();
    let spinning = Spinning::start(&world);
    let crash = hang(&world, SPINNING, "spin", 1);
    assert!(says(&crash, "process").contains("% of a processor core"), "{crash}");
    spinning.writes(&world);
    world.wait_for_state(SPINNING, "working");
    assert_eq!(world.crashes_of(SPINNING)[0]["resolved"], true);
}

const SPINNING: &str = "33333333-0000-4000-8000-000000000003";

struct Spinning(Child);

impl Spinning {
    fn start(world: &World) -> Self {
        let cwd = world.home.project("spins").unwrap();
        // Before others, where that is allowed: on a machine that is busy with tests it would be starved, not spinning.
        let mut command = world.home.command("nice", &cwd);
        command.args(["-n", "-19", "sh", "-c", "while :; do :; done"]);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let spinning = Self(child);
        spinning.writes(world);
        let stat = fs::read_to_string(format!("/proc/{}/stat", spinning.0.id())).unwrap();
        let start = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
        let registry = json!({ "pid": spinning.0.id(), "sessionId": SPINNING, "cwd": cwd, "procStart": start,
            "version": "2.1.329", "status": "busy", "startedAt": 1, "updatedAt": 1 });
        let sessions = world.home.config().join("sessions");
        fs::create_dir_all(&sessions).unwrap();
        fs::write(sessions.join(format!("{}.json", spinning.0.id())), registry.to_string()).unwrap();
        spinning
    }

    /// A prompt without an answer, once more.
    fn writes(&self, world: &World) {
        let folder = world.home.config().join("projects/spins");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{SPINNING}.jsonl"));
        let before = fs::read_to_string(&file).unwrap_or_default();
        let number = before.lines().count();
        let record = json!({ "type": "user", "uuid": format!("u{number}"), "sessionId": SPINNING,
            "timestamp": "2026-11-21T00:00:00.000Z", "message": { "role": "user", "content": "go" } });
        fs::write(file, format!("{before}{record}\n")).unwrap();
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_usage_limit_is_shown_with_its_end_and_is_no_crash() {
    let mut world = World::furnished(|home, api| home.with_codex(api).unwrap());
    world.start_shim();
    // As with a subscription: only then does the client tell when the limit ends.
    let login = [("ANTHROPIC_API_KEY", ""), ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-stand-in")];
    let environment = login.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let cwd = world.home.project("limited").unwrap();
    let start = Start { environment, ..Start::new(&cwd, "@@limit 3600") };
    let mut chat = Headless::start(&world.home, &start).unwrap();
    assert!(!chat.wait_for_exit(WAIT).unwrap().success());
    let codex = CodexStart::new(world.home.codex_project("limited").unwrap(), "@@limit 3600");
    let mut codex = Codex::start(&world.home, &codex, WAIT).unwrap();
    codex.launcher.wait_for_exit(WAIT).unwrap();
    let codex_id = format!("codex:{}", codex.thread_id);
    for (chat, words) in [(&start.session_id, "hit your 5-hour limit"), (&codex_id, "hit your usage limit")] {
        let shown = wait(WAIT, "the limit to be shown", || {
            let shown = world.chat(chat);
            (!shown["limit"].is_null()).then_some(shown)
        })
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", world.chat(chat), world.log()));
        assert!(shown["limit"]["message"].as_str().unwrap().contains(words), "{shown}");
        assert!(shown["limit"]["resets_at"].is_string(), "{shown}");
        assert_eq!(world.wait_for_state(chat, "ended")["open_crash"], Value::Null);
        assert_eq!(world.crashes_of(chat), Vec::<Value>::new());
        let printed = world.shim(&["chat", &id(chat)]);
        assert!(
            String::from_utf8_lossy(&printed.stdout).contains("waits for a usage limit (until "),
            "{printed:?}"
        );
    }
    let rehearsal = world.restore(&id(&start.session_id), &["--headless", "--dry-run"]);
    let steps = rehearsal["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["step"] == "limit"), "{rehearsal}");
}

#[test]
fn a_client_that_the_system_starves_is_out_of_memory() {
    let Some(group) = MemoryGroup::make() else {
        eprintln!("no memory group may be made here: not tried");
        return;
    };
    let world = World::new();
    let cwd = world.home.project("starved").unwrap();
    let mut chat = answering(&world, &cwd, SLOW_ANSWER, 5);
    let session_id = chat.session_id.clone();
    world.wait_for_state(&session_id, "working");
    group.starve(chat.pid()).unwrap();
    chat.wait_for_exit(WAIT).unwrap();
    let crash = world.wait_for_crash(&session_id);
    assert_eq!((&crash["kind"], &crash["in_turn"]), (&json!("out_of_memory"), &json!("answer")), "{crash}");
    assert!(says(&crash, "memory").contains("for lack of memory"), "{crash}");
    let receipt = world.restore(&id(&session_id), &["--headless", "--continue"]);
    assert_eq!(receipt["ok"], true, "{receipt}");
}

/// Ctrl-Z is its user's own doing: the shell goes on with it at their word.
#[test]
fn a_client_that_its_user_put_aside_does_not_hang() {
    let world = world();
    let cwd = world.home.project("aside").unwrap();
    let terminals = Terminals::new(&world.home);
    terminals.run("shell", &cwd, &[], &["bash".to_owned(), "--norc".to_owned(), "-i".to_owned()]).unwrap();
    let aside = Start::new(&cwd, "");
    let line = format!(
        "claude --session-id {} --permission-mode bypassPermissions '@@slow 4000 0.05'",
        aside.session_id
    );
    terminals.type_text("shell", &line).unwrap();
    terminals.press("shell", &["Enter"]).unwrap();
    world.standin.wait_for_words(WAIT, &aside.session_id, 5).unwrap();
    world.wait_for_state(&aside.session_id, "working");
    terminals.press("shell", &["C-z"]).unwrap();
    let state = |pid: u64| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
    };
    let pid = world.chat(&aside.session_id)["pid"].as_u64().unwrap();
    wait(WAIT, "the client to be put aside", || (state(pid) == Some('T')).then_some(())).unwrap();
    let stopped = answering(&world, &world.home.project("stopped").unwrap(), SLOW_ANSWER, 5);
    world.wait_for_state(&stopped.session_id, "working");
    stopped.signal(Signal::STOP);
    hang(&world, &stopped.session_id, "stopped", 1);
    let shown = world.chat(&aside.session_id);
    assert_eq!((&shown["state"], &shown["suspicion"]), (&json!("working"), &Value::Null), "{shown}");
    assert_eq!(world.crashes_of(&aside.session_id), Vec::<Value>::new());
    assert_eq!(state(pid), Some('T'));
    stopped.signal(Signal::CONT);
}
