//! The port of opencode without a client: paths, changes, command lines.

use std::path::Path;

use shim_core::{chats::ChatId, chats::Client, restore::Then};
use shim_store::{OpencodeSession, OpencodeStamp};

use super::{Opencode, transcripts_in};
use crate::clients::{Change, Input, Port, Start};

fn session(id: &str, parent: Option<&str>) -> OpencodeSession {
    OpencodeSession {
        id: id.to_owned(),
        parent_id: parent.map(str::to_owned),
        directory: "/work".to_owned(),
        time_created: 1,
        stamp: OpencodeStamp::default(),
    }
}

fn start<'a>(
    then: Then,
    headless: bool,
    flags: &'a [String],
    environment: &'a [(String, String)],
) -> Start<'a> {
    Start {
        session_id: "ses_1",
        then,
        headless,
        cut: true,
        tool_in_doubt: false,
        model: Some("p/m"),
        provider: None,
        version: None,
        permission_mode: Some("plan"),
        flags,
        cwd: Path::new("/work"),
        context: "text",
        context_path: Path::new("/shim/restores/7-context.txt"),
        settings_path: Path::new("/shim/restores/7-settings.json"),
        shim: Path::new("/bin/shim"),
        environment,
    }
}

#[test]
fn a_session_is_a_transcript_and_one_that_it_started_its_sub_agent() {
    let sessions = [session("ses_1", None), session("ses_2", Some("ses_1")), session("ses_3", Some("ses_2"))];
    let found = transcripts_in(Path::new("/h/opencode.db"), &sessions);
    let chat = ChatId::new(Client::Opencode, "ses_1");
    assert!(found.iter().all(|(transcript, _)| transcript.chat == chat));
    let agents: Vec<_> = found.iter().map(|(transcript, _)| transcript.sub_agent.as_str()).collect();
    assert_eq!(agents, ["", "ses_2", "ses_3"]);
    let place = Opencode.rows(&found[1].0.path).unwrap();
    assert_eq!((place.database.as_path(), place.session_id.as_str()), (Path::new("/h/opencode.db"), "ses_2"));
    assert_eq!(Opencode.rows(Path::new("/h/opencode.db")), None);
}

#[test]
fn sessions_that_name_each_other_as_parents_are_listed_all_the_same() {
    let sessions = [session("ses_1", Some("ses_2")), session("ses_2", Some("ses_1"))];
    assert_eq!(transcripts_in(Path::new("/h/opencode.db"), &sessions).len(), 2);
}

#[test]
fn a_change_of_the_database_or_its_log_is_one_of_rows() {
    for (path, change) in [
        ("/h/opencode.db", Change::Rows),
        ("/h/opencode.db-wal", Change::Rows),
        ("/h/opencode.db-shm", Change::Nothing),
        ("/h/log/opencode.log", Change::Nothing),
    ] {
        assert_eq!(Opencode.change(Path::new("/h"), Path::new(path)), change, "{path}");
    }
}

#[test]
fn a_start_takes_up_the_chat_with_its_model_agent_and_flags() {
    let flags = ["--pure", "--variant", "high"].map(str::to_owned);
    for (then, headless, line, input) in [
        (Then::Continue, true, "run -s ses_1 -m p/m --agent plan --pure --variant high", true),
        (Then::Idle, false, "-s ses_1 -m p/m --agent plan --pure", false),
        (
            Then::Continue,
            false,
            "--mini -s ses_1 -m p/m --agent plan --pure --prompt Continue from where you left off.",
            false,
        ),
    ] {
        let plan = Opencode.plan(&start(then, headless, &flags, &[]));
        assert_eq!(plan.arguments.join(" "), line);
        assert_eq!(matches!(plan.input, Input::Once(_)), input);
    }
    assert!(Opencode.cannot(&start(Then::Idle, true, &[], &[]), false).is_some());
}

#[test]
fn the_users_own_settings_of_one_process_still_hold() {
    let own = "{\"model\":\"a/b\",\"instructions\":[\"own.md\",\"/shim/restores/3-context.txt\"]}";
    let environment = [("OPENCODE_CONFIG_CONTENT".to_owned(), own.to_owned())];
    let plan = Opencode.plan(&start(Then::Idle, false, &[], &environment));
    let expected = "{\"instructions\":[\"own.md\",\"/shim/restores/7-context.txt\"],\"model\":\"a/b\"}";
    assert_eq!(plan.environment, [("OPENCODE_CONFIG_CONTENT".to_owned(), expected.to_owned())]);
    let broken = [("OPENCODE_CONFIG_CONTENT".to_owned(), "{ // mine".to_owned())];
    assert_eq!(Opencode.plan(&start(Then::Idle, false, &[], &broken)).environment, []);
}

#[test]
fn a_forks_id_is_as_the_client_makes_them() {
    let (one, two) = (Opencode.new_session_id(), Opencode.new_session_id());
    assert_ne!(one, two);
    assert_eq!((one.len(), one.get(..4)), (30, Some("ses_")));
}
