//! What the port makes of paths, and how it starts the client again.

use std::path::{Path, PathBuf};

use shim_core::{chats::ChatId, restore::Then};

use super::{Codex, Whose, has_background_server, hook, read_whose, whose};
use crate::clients::{Change, Input, Port, Start, Transcript};

const ID: &str = "01a1fb9a-1524-7d42-9f59-356725d1b41f";

fn start<'a>(flags: &'a [String], headless: bool, then: Then) -> Start<'a> {
    Start {
        session_id: ID,
        then,
        headless,
        cut: true,
        tool_in_doubt: false,
        model: Some("m1"),
        provider: Some("mock"),
        version: Some("0.169.0"),
        permission_mode: Some("on-request/workspace-write"),
        flags,
        cwd: Path::new("/p"),
        context: "SHIM restored this chat.",
        context_path: Path::new("/s/1-context.txt"),
        settings_path: Path::new("/s/1-settings.json"),
        shim: Path::new("/bin/shim"),
        environment: &[],
    }
}

#[test]
fn a_path_tells_what_it_is() {
    let home = Path::new("/h/.codex");
    let rollout = format!("rollout-2026-11-21T00-55-41-{ID}.jsonl");
    let transcript = |path: PathBuf| {
        Change::Transcript(Transcript {
            path,
            chat: ChatId::parse(&format!("codex:{ID}")).unwrap(),
            sub_agent: String::new(),
        })
    };
    for (path, expected) in [
        (format!("sessions/2026/11/21/{rollout}"), None),
        (format!("archived_sessions/{rollout}"), None),
        (format!("thread-writer-locks/{ID}.lock"), Some(Change::Processes)),
        (format!("sessions/{rollout}"), Some(Change::Nothing)),
        (rollout.clone(), Some(Change::Nothing)),
        ("sessions/2026/11/21/notes.jsonl".to_owned(), Some(Change::Nothing)),
        ("state_5.sqlite".to_owned(), Some(Change::Nothing)),
    ] {
        let path = home.join(path);
        let expected = expected.unwrap_or_else(|| transcript(path.clone()));
        assert_eq!(Codex.change(home, &path), expected, "{}", path.display());
    }
}

#[test]
fn a_headless_start_says_what_was_in_flight_and_keeps_the_policies() {
    let flags = ["--add-dir", "/x", "--search", "-c", "sandbox_mode=\"danger-full-access\"", "-c", "a.b=1"]
        .map(str::to_owned);
    let plan = Codex.plan(&start(&flags, true, Then::Continue));
    let expected = [
        "exec",
        "--add-dir",
        "/x",
        "-c",
        "a.b=1",
        "-c",
        "approval_policy=\"on-request\"",
        "-c",
        "sandbox_mode=\"workspace-write\"",
        "-c",
        "model_provider=\"mock\"",
        "-m",
        "m1",
        "resume",
        "--json",
        "--skip-git-repo-check",
        ID,
        "-",
    ];
    assert_eq!(plan.arguments, expected);
    let said = "SHIM restored this chat.\n\nContinue from where you left off.";
    assert_eq!(plan.input, Input::Once(said.into()));
}

#[test]
fn a_start_in_a_terminal_is_told_by_a_hook_of_its_own() {
    let given = start(&[], false, Then::Continue);
    let plan = Codex.plan(&given);
    let [hook, trust] = hook(&given);
    assert_eq!(plan.arguments[..2], ["resume", "--no-daemon"]);
    assert!(plan.arguments.contains(&hook) && plan.arguments.contains(&trust), "{:?}", plan.arguments);
    assert_eq!(plan.arguments[plan.arguments.len() - 2..], [ID, "Continue from where you left off."]);
    let idle = Codex.plan(&start(&[], false, Then::Idle));
    assert_eq!(idle.arguments.last().map(String::as_str), Some(ID));
    // Given again, what a restore gave itself is not given twice.
    let again = Codex.plan(&start(&plan.arguments[2..plan.arguments.len() - 4], false, Then::Continue));
    assert_eq!(again.arguments, plan.arguments);
}

#[test]
fn there_is_no_waiting_without_a_terminal() {
    for (headless, then, refused) in
        [(true, Then::Idle, true), (true, Then::Continue, false), (false, Then::Idle, false)]
    {
        assert_eq!(Codex.cannot(&start(&[], headless, then), false).is_some(), refused);
    }
}

#[test]
fn only_versions_with_a_background_server_are_told_to_do_without() {
    for (version, expected) in [
        (None, true),
        (Some("0.169.0"), true),
        (Some("0.98.1"), false),
        (Some("1.0"), true),
        (Some("odd"), true),
    ] {
        assert_eq!(has_background_server(version), expected, "{version:?}");
    }
}

#[test]
fn a_rollout_is_nobodys_until_its_first_line_says_whose() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("rollout-2026-11-21T00-55-41-{ID}.jsonl"));
    assert_eq!(whose(&path), Whose::OwnChat);
    let sub_agent = format!(r#"{{"payload":{{"session_id":"{ID}","parent_thread_id":"{ID}","#);
    for (begins, expected) in [
        ("", Whose::Unsaid),
        (r#"{"payload":{"session_id""#, Whose::Unsaid),
        ("{}\n", Whose::OwnChat),
        (&format!("{{\"x\":\"{}", "y".repeat(2000)), Whose::OwnChat),
        (&sub_agent, Whose::SubAgentOf(ID.to_owned())),
    ] {
        std::fs::write(&path, begins).unwrap();
        assert_eq!(read_whose(&path), expected, "{begins}");
    }
    // A first line that was read once is not read again.
    assert_eq!(whose(&path), Whose::SubAgentOf(ID.to_owned()));
    std::fs::write(&path, "{}\n").unwrap();
    assert_eq!(whose(&path), Whose::SubAgentOf(ID.to_owned()));
}
