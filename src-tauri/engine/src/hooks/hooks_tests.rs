//! Messages on disk: left, taken up, bounded, hostile.

use std::fs;

use shim_core::{
    chats::{ChatId, Client, ProcessKey},
    hooks::{Meaning, Note},
    time::Timestamp,
};

use super::{
    CONTEXTS_FOLDER, HEARD_MAX, HeardChats, NOTES_FOLDER, NOTES_MAX, Standing, leave, take_context,
    take_notes,
};

fn note(event: &str, at: i64) -> Note {
    Note {
        at: Timestamp::from_ms(at),
        client: Client::ClaudeCode,
        event: event.to_owned(),
        session_id: "s-1".to_owned(),
        process: Some(ProcessKey { pid: 7, start: "70".to_owned() }),
        cwd: Some("/w".to_owned()),
        transcript_path: None,
        transcript_bytes: None,
        detail: Some("other".to_owned()),
    }
}

#[test]
fn notes_are_taken_up_once_and_in_order() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(take_notes(home.path()), []);
    for at in [30, 10, 20] {
        leave(home.path(), &note("Stop", at)).unwrap();
    }
    let taken: Vec<_> = take_notes(home.path()).iter().map(|note| note.at.ms()).collect();
    assert_eq!(taken, [10, 20, 30]);
    assert_eq!(take_notes(home.path()), []);
}

#[test]
fn the_oldest_notes_go_when_too_many_wait() {
    let home = tempfile::tempdir().unwrap();
    for at in 0..NOTES_MAX + 20 {
        leave(home.path(), &note("Stop", i64::try_from(at).unwrap())).unwrap();
    }
    let taken = take_notes(home.path());
    assert_eq!((taken.len(), taken.first().map(|note| note.at.ms())), (NOTES_MAX, Some(20)));
}

#[test]
fn hostile_files_among_the_notes_are_taken_away_or_passed_over() {
    let home = tempfile::tempdir().unwrap();
    leave(home.path(), &note("Stop", 1)).unwrap();
    let folder = home.path().join(NOTES_FOLDER);
    fs::create_dir(folder.join("000-folder.json")).unwrap();
    fs::write(folder.join("000-empty.json"), b"").unwrap();
    fs::write(folder.join("000-broken.json"), b"{\"at\": \xff").unwrap();
    fs::write(folder.join("000-large.json"), vec![b' '; 1 << 20]).unwrap();
    fs::write(folder.join("000-half.new"), b"{").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/zero", folder.join("000-endless.json")).unwrap();
    assert_eq!(take_notes(home.path()).len(), 1);
    let left: Vec<_> = super::names(&folder);
    assert_eq!(left.len(), 2, "the folder, and what may still be written: {left:?}");
}

#[test]
fn a_context_is_handed_out_once_and_only_to_its_chat() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(CONTEXTS_FOLDER);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("codex-s-1.txt"), "it was cut").unwrap();
    assert_eq!(take_context(home.path(), Client::Gemini, "s-1"), None);
    assert_eq!(take_context(home.path(), Client::Codex, "../contexts/codex-s-1"), None);
    assert_eq!(take_context(home.path(), Client::Codex, "s-1").as_deref(), Some("it was cut"));
    assert_eq!(take_context(home.path(), Client::Codex, "s-1"), None);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn what_hooks_told_is_kept_by_chat_and_bounded() {
    let mut heard = HeardChats::default();
    let chat = |name: usize| ChatId::new(Client::ClaudeCode, &format!("s-{name}"));
    let at = Timestamp::from_ms;
    for (event, when, standing) in [
        (Meaning::Began, 1, Standing::AtRest { since: at(1) }),
        (Meaning::Asked, 2, Standing::Working { since: at(2) }),
        (Meaning::Compacts, 3, Standing::Working { since: at(2) }),
        (Meaning::Waits, 4, Standing::Waiting { since: at(4) }),
        (Meaning::Answered, 5, Standing::AtRest { since: at(5) }),
        (Meaning::Ended, 6, Standing::Ended { at: at(6), reason: Some("other".to_owned()) }),
    ] {
        assert_eq!(heard.take_in(&chat(0), &note("x", when), event).standing, standing);
    }
    assert_eq!(heard.get(&chat(0)).unwrap().process.as_ref().map(|process| process.pid), Some(7));
    for name in 1..=HEARD_MAX {
        heard.take_in(&chat(name), &note("x", 100), Meaning::Began);
    }
    assert_eq!((heard.0.len(), heard.get(&chat(0))), (HEARD_MAX, None));
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_above_is_the_one_that_started_this_one() {
    let above = super::above();
    assert_eq!(above.first().map(|(process, _)| process.pid), Some(std::os::unix::process::parent_id()));
}
