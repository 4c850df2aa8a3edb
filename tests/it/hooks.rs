//! What a real Claude Code tells through the hooks that `shim install hooks` wrote: with an engine and
//! without one, beside the user's own hooks, and never in a client's way.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{ChildStdin, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use shim_standin::client::{Codex, CodexStart, Gemini, GeminiStart, Headless, Signal, Start, wait};

use crate::world::{WAIT, World, id};

/// The user's own settings.
const USER_SETTINGS: &str = r#"{ "skipDangerousModePermissionPrompt": true,
  "hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "echo ran >> ~/hooks.txt"}]}]} }
"#;

fn with_hooks(world: &World) {
    fs::write(world.home.config().join("settings.json"), USER_SETTINGS).unwrap();
    let done = world.json(&["install", "hooks", "--client", "claude-code"]);
    assert_eq!(done[0]["outcome"], "written", "{done}");
}

/// What waits for an engine, oldest first.
fn notes(world: &World) -> Vec<Value> {
    let entries = fs::read_dir(world.shim_home.join("hooks")).into_iter().flatten().map(Result::unwrap);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

fn events(notes: &[Value]) -> Vec<&str> {
    notes.iter().map(|note| note["event"].as_str().unwrap()).collect()
}

/// Goes on with a chat in one more turn.
fn go_on(world: &World, cwd: &Path, session_id: &str, prompt: &str) {
    let mut start = Start::new(cwd, prompt);
    session_id.clone_into(&mut start.session_id);
    start.resume = true;
    let mut chat = Headless::start(&world.home, &start).unwrap();
    assert!(chat.wait_for_exit(WAIT).unwrap().success(), "{}", chat.complaints());
}

#[test]
fn a_chat_leaves_word_where_the_next_engine_finds_it() {
    let mut world = World::without_shim();
    with_hooks(&world);
    let cwd = world.home.project("a projéct").unwrap();
    let start = Start::new(&cwd, "@@text done");
    let mut chat = Headless::start(&world.home, &start).unwrap();
    let pid = chat.pid();
    assert!(chat.wait_for_exit(WAIT).unwrap().success());
    assert_eq!(chat.complaints(), "");
    let told = notes(&world);
    assert_eq!(events(&told), ["SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"], "{told:#?}");
    let transcript = world.home.transcript(&start.session_id).unwrap();
    for note in &told {
        assert_eq!(note["session_id"], start.session_id.as_str(), "{note}");
        assert_eq!(note["process"]["pid"], pid, "the client itself, not its shell: {note}");
        assert_eq!(note["cwd"], cwd.to_str().unwrap(), "{note}");
        assert_eq!(note["transcript_path"], transcript.to_str().unwrap(), "{note}");
    }
    assert_eq!((&told[0]["detail"], &told[3]["detail"]), (&"startup".into(), &"other".into()));
    let ran = fs::read_to_string(world.home.folder().join("hooks.txt")).unwrap();
    assert_eq!(ran.lines().count(), 1, "the user's own hook");

    let before = world.transcript(&start.session_id);
    go_on(&world, &cwd, &start.session_id, "/compact");
    assert!(events(&notes(&world)).contains(&"PreCompact"), "{:#?}", notes(&world));
    world.start_shim();
    wait(WAIT, "the engine to take the messages up", || notes(&world).is_empty().then_some(())).unwrap();
    world.wait_for_state(&start.session_id, "ended");
    assert_eq!(world.crashes_of(&start.session_id), Vec::<Value>::new());
    stands_before_the_compaction(&world, &start.session_id, &before);
}

/// A checkpoint holds all that was said, and nothing of the summary.
fn stands_before_the_compaction(world: &World, session_id: &str, before: &[u8]) {
    let checkpoint = wait(WAIT, "the checkpoint", || {
        let all = world.json(&["checkpoints", &id(session_id)]);
        all.as_array().unwrap().iter().find(|checkpoint| checkpoint["trigger"] == "compaction").cloned()
    });
    let checkpoint = checkpoint.unwrap_or_else(|error| panic!("{error}\n{}", world.log()));
    assert_eq!(checkpoint["turns"], 1, "{checkpoint}");
    let kept = world.export(session_id, &["--checkpoint", &checkpoint["id"].to_string()]);
    assert!(kept.starts_with(before), "all that was said before");
    let summary = kept[before.len()..].windows(16).any(|part| part == b"isCompactSummary");
    assert!(!summary, "and nothing of the summary");
}

#[test]
fn a_checkpoint_is_taken_before_a_compaction_and_holds_what_was_said() {
    let world = World::new();
    with_hooks(&world);
    let cwd = world.home.project("p").unwrap();
    let session_id = world.finished_chat(&cwd, "Remember BANANA.\n@@text I shall");
    let before = world.transcript(&session_id);
    go_on(&world, &cwd, &session_id, "/compact keep the word");
    stands_before_the_compaction(&world, &session_id, &before);
    world.wait_for_state(&session_id, "ended");
    world.is_sound();
}

#[test]
fn a_context_that_waits_for_a_chat_reaches_its_model_once() {
    let world = World::without_shim();
    with_hooks(&world);
    let cwd = world.home.project("p").unwrap();
    let session_id = world.finished_chat(&cwd, "@@text one");
    let contexts = world.shim_home.join("contexts");
    fs::create_dir_all(&contexts).unwrap();
    fs::write(contexts.join(format!("claude-code-{session_id}.txt")), "The pump \"AX-7\" was\nhalf open.")
        .unwrap();
    let asked = world.asked();
    go_on(&world, &cwd, &session_id, "@@text two");
    let request = world.wait_for_request(&session_id, asked);
    assert!(request.text().contains("The pump \"AX-7\" was\nhalf open."), "{}", request.text());
    assert_eq!(fs::read_dir(&contexts).unwrap().count(), 0);
}

#[test]
fn a_killed_chat_is_still_a_crash_and_tells_what_was_cut_when_its_user_takes_it_up() {
    let world = World::new();
    with_hooks(&world);
    let cwd = world.home.project("p").unwrap();
    let start = Start::new(&cwd, "@@slow 2000 0.05 1");
    let mut chat = Headless::start(&world.home, &start).unwrap();
    chat.wait_for_words(WAIT, 3).unwrap();
    chat.signal(Signal::KILL);
    chat.wait_for_exit(WAIT).unwrap();
    let crash = world.wait_for_crash(&start.session_id);
    assert_eq!((&crash["kind"], &crash["in_turn"]), (&"killed".into(), &"answer".into()), "{crash}");
    let asked = world.asked();
    go_on(&world, &cwd, &start.session_id, "@@text two");
    let request = world.wait_for_request(&start.session_id, asked);
    for words in ["SHIM saw this chat's process die", "Your last answer was cut"] {
        assert!(request.text().contains(words), "{words}: {}", request.text());
    }
}

/// Trusts every hook of SHIM's, as its user does in the client's `/hooks`.
pub fn trust(world: &World) {
    let file = world.home.codex_home().join("hooks.json");
    let hooks: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let mut config = fs::OpenOptions::new().append(true).open(file.with_file_name("config.toml")).unwrap();
    for (event, groups) in hooks["hooks"].as_object().unwrap() {
        let last = groups.as_array().unwrap().len() - 1;
        let command = &groups[last]["hooks"][0]["command"];
        let event = match event.as_str() {
            "SessionStart" => "session_start",
            "UserPromptSubmit" => "user_prompt_submit",
            "PreToolUse" => "pre_tool_use",
            "PreCompact" => "pre_compact",
            "Stop" => "stop",
            _ => "session_end",
        };
        let identity = format!(
            r#"{{"event_name":"{event}","hooks":[{{"async":false,"command":{command},"timeout":3,"type":"command"}}]}}"#
        );
        let hash = shim_core::digest::sha256(&identity);
        let key = serde_json::to_string(&format!("{}:{event}:{last}:0", file.display())).unwrap();
        writeln!(config, "\n[hooks.state.{key}]\ntrusted_hash = \"sha256:{hash}\"").unwrap();
    }
}

#[test]
fn codex_tells_what_it_does_once_its_user_trusted_the_hooks() {
    let world = World::furnished(|home, api| home.with_codex(api).unwrap());
    world.home.codex_hook("echo ran >> ~/hooks.txt").unwrap();
    let cwd = world.home.codex_project("a projéct").unwrap();
    let done = world.json(&["install", "hooks", "--client", "codex"]);
    assert_eq!(done[0]["outcome"], "written", "{done}");
    let start = CodexStart::new(&cwd, "@@text one");
    Codex::play(&world.home, &start, WAIT).unwrap();
    assert_eq!(notes(&world), Vec::<Value>::new(), "a hook that is not trusted is not run");
    let doctor = || {
        let findings = world.json(&["doctor"]);
        let found = findings.as_array().unwrap().iter().find(|finding| finding["what"] == "codex hooks");
        found.unwrap()["found"].as_str().unwrap().to_owned()
    };
    assert!(
        doctor().contains("SessionStart, UserPromptSubmit, PreToolUse, PreCompact, Stop, SessionEnd"),
        "{}",
        doctor()
    );

    trust(&world);
    assert!(doctor().contains("installed in"), "{}", doctor());
    let chat = Codex::start(&world.home, &CodexStart::new(&cwd, "@@slow 20 0.1 1"), WAIT).unwrap();
    let (pid, thread_id, mut launcher) = (chat.pid, chat.thread_id, chat.launcher);
    assert!(launcher.wait_for_exit(WAIT).unwrap().success(), "{}", launcher.complaints());
    let told = notes(&world);
    assert_eq!(events(&told), ["SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"], "{told:#?}");
    for note in &told {
        assert_eq!(
            (&note["session_id"], &note["process"]["pid"]),
            (&json!(thread_id), &json!(pid)),
            "{note}"
        );
    }
    let ran = fs::read_to_string(world.home.folder().join("hooks.txt")).unwrap();
    assert_eq!(ran.lines().count(), 2, "the user's own hook, at both starts");

    let contexts = world.shim_home.join("contexts");
    fs::create_dir_all(&contexts).unwrap();
    fs::write(contexts.join(format!("codex-{thread_id}.txt")), "The pump was half open.").unwrap();
    Codex::play(&world.home, &CodexStart::new(&cwd, "@@text two").resuming(&thread_id), WAIT).unwrap();
    let asked = world.standin.requests();
    let heard = asked.iter().any(|request| request.body.to_string().contains("The pump was half open."));
    assert!(heard && fs::read_dir(&contexts).unwrap().count() == 0);
}

#[test]
fn gemini_tells_what_it_does_beside_the_users_own_hook() {
    let world = World::furnished(|home, api| home.with_gemini(api).unwrap());
    let path = world.home.gemini_home().join("settings.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let own = json!({"hooks": [{"type": "command", "command": "echo ran >> ~/hooks.txt"}]});
    settings["hooks"] = json!({"SessionStart": [own]});
    let before = format!("// mine\n{settings:#}");
    fs::write(&path, &before).unwrap();
    let done = world.json(&["install", "hooks", "--client", "gemini"]);
    assert_eq!(done[0]["outcome"], "written", "{done}");

    let cwd = world.home.project("a projéct").unwrap();
    let contexts = world.shim_home.join("contexts");
    fs::create_dir_all(&contexts).unwrap();
    let start = GeminiStart::new(&cwd, "@@slow 20 0.1 1");
    let id = &start.session_id;
    fs::write(contexts.join(format!("gemini-{id}.txt")), "The pump was half open.").unwrap();
    let chat = Gemini::start(&world.home, &start, WAIT).unwrap();
    let (pid, mut launcher) = (chat.pid, chat.launcher);
    assert!(launcher.wait_for_exit(WAIT).unwrap().success(), "{}", launcher.complaints());
    let told = notes(&world);
    assert_eq!(events(&told), ["SessionStart", "BeforeAgent", "AfterAgent", "SessionEnd"], "{told:#?}");
    for note in &told {
        assert_eq!((&note["session_id"], &note["process"]["pid"]), (&json!(id), &json!(pid)), "{note}");
    }
    let ran = fs::read_to_string(world.home.folder().join("hooks.txt")).unwrap();
    assert_eq!(ran.lines().count(), 1, "the user's own hook");
    let asked = world.standin.requests();
    let heard = asked.iter().any(|request| request.body.to_string().contains("The pump was half open."));
    assert!(heard && fs::read_dir(&contexts).unwrap().count() == 0);
    world.json(&["uninstall", "hooks", "--client", "gemini"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

fn hook(world: &World, args: &[&str], stdin: impl FnOnce(ChildStdin)) -> Output {
    let mut command = world.shim_command(&[&["hook"][..], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    stdin(child.stdin.take().unwrap());
    child.wait_with_output().unwrap()
}

#[test]
fn whatever_a_client_says_a_hook_succeeds_and_says_nothing() {
    let world = World::of_files();
    let silent = |output: Output| {
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
    };
    let stop = ["Stop", "--client", "claude-code"];
    for said in [
        &b""[..],
        b"\xff\xfe{",
        b"[]",
        b"null",
        b"{\"session_id\": 7}",
        b"{\"session_id\": \"../../x\"}",
        b"{\"session_id\": \"\", \"prompt\": {\"a\": [",
    ] {
        silent(hook(&world, &stop, |mut stdin| {
            let _ = stdin.write_all(said);
        }));
    }
    assert_eq!(notes(&world), Vec::<Value>::new());
    let large = format!("{{\"prompt\": \"{}\", \"session_id\": \"s\", \"cwd\": [1]}}", "x".repeat(8 << 20));
    silent(hook(&world, &stop, |mut stdin| {
        let _ = stdin.write_all(large.as_bytes());
    }));
    assert_eq!(notes(&world).len(), 1);

    // A client that never closes its end, and a data folder that cannot be.
    let (sender, kept) = std::sync::mpsc::channel();
    silent(hook(&world, &stop, |stdin| sender.send(stdin).unwrap()));
    drop(kept);
    fs::write(world.root().join("a file"), "").unwrap();
    let nowhere = world.root().join("a file/home");
    let args = ["Stop", "--client", "claude-code", "--home", nowhere.to_str().unwrap()];
    silent(hook(&world, &args, |mut stdin| {
        let _ = stdin.write_all(b"{\"session_id\": \"s\"}");
    }));
    // One that does not wait for an answer.
    let mut gone = world.shim_command(&["hook", "SessionStart", "--client", "claude-code"]);
    let mut child = gone.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"{\"session_id\": \"t\"}").unwrap();
    let status = wait(Duration::from_secs(30), "the hook", || child.try_wait().unwrap()).unwrap();
    assert!(status.success());
}

/// Only a risky call asks an engine, and one that never answers holds it up for a bounded time.
#[test]
fn a_tool_call_goes_its_way_whatever_the_engine_does() {
    let world = World::of_files();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    port.set_nonblocking(true).unwrap();
    let engine = shim_api::home::EngineFile {
        port: port.local_addr().unwrap().port(),
        token: "t".to_owned(),
        pid: 1,
        version: "0".to_owned(),
        started_at: shim_core::time::Timestamp::from_ms(0),
    };
    let call = |command: &str| {
        let told = json!({"session_id": "s", "tool_name": "Bash", "tool_input": {"command": command}});
        let output = hook(&world, &["PreToolUse", "--client", "claude-code"], |mut stdin| {
            stdin.write_all(told.to_string().as_bytes()).unwrap();
        });
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
    };
    call("rm -rf build");
    fs::write(world.shim_home.join("engine.json"), serde_json::to_vec(&engine).unwrap()).unwrap();
    call("ls build");
    assert!(port.accept().is_err(), "a harmless call asks nobody");
    call("rm -rf build");
    assert!(port.accept().is_ok(), "a risky one does");
    world.settings("checkpoints.risky = [\"ls\"]");
    call("rm -rf build");
    assert!(port.accept().is_err(), "the list is the user's");
    call("ls build");
    assert!(port.accept().is_ok());
    assert_eq!(notes(&world), Vec::<Value>::new(), "calls are not noted");
}
