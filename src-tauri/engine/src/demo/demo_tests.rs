//! The recorded week against what a demo shows of it, and the folders that become a demo.

use std::collections::{BTreeMap, BTreeSet};

use shim_core::{
    chats::{ChatState, Client},
    crashes::CrashKind,
};

use super::{SETTINGS, answers, make, read, week};
use crate::home::Home;

#[test]
fn the_week_has_all_clients_all_states_and_crashes_of_every_kind() {
    let week = week::week().unwrap();
    let clients: BTreeSet<_> = week.chats.iter().map(|chat| chat.client).collect();
    assert_eq!(clients.into_iter().collect::<Vec<_>>(), Client::ALL);
    let states: BTreeSet<_> = week.chats.iter().map(|chat| chat.state).collect();
    assert_eq!(states.into_iter().collect::<Vec<_>>(), ChatState::ALL);
    let kinds = week.chats.iter().flat_map(|chat| &chat.crashes).map(|befell| befell.kind);
    let kinds: Vec<_> = kinds.collect();
    assert!(CrashKind::ALL.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    for chat in &week.chats {
        let (_, said) = week.said(chat);
        assert_eq!(said.len(), chat.turns, "all that was to be said was");
        assert!(chat.began > chat.ended && chat.began < 7 * 24 * 60);
        assert!(chat.crashes.iter().all(|befell| befell.turn < chat.turns.max(1)));
    }
}

#[test]
fn what_is_written_reads_as_real_transcripts_do() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path()).unwrap();
    let home = Home::open(folder.path()).unwrap();
    let (chats, crashes) = home.store.read(|store| Ok((store.chats()?, store.crashes()?))).unwrap();
    let week = week::week().unwrap();
    assert_eq!(chats.len(), week.chats.len());
    let mut turns = BTreeMap::<_, u64>::new();
    for chat in chats.iter().filter(|chat| chat.id.client() != Client::ClaudeDesktop) {
        let digest = &chat.digest;
        *turns.entry(chat.id.client()).or_default() += digest.turns;
        assert_eq!(digest.unreadable, 0, "{}", chat.id);
        assert!(digest.title().is_some() && digest.tokens > 0 && digest.cwd.is_some(), "{digest:?}");
        // opencode does not say how much its model's context holds.
        let knows = chat.id.client() != Client::Opencode;
        let share = digest.context_used(chat.id.client());
        assert_eq!(share.is_some_and(|share| share > 0.0), knows, "{}", chat.id);
    }
    assert!(turns.values().sum::<u64>() > 350 && turns.len() == 4, "{turns:?}");
    // Each crash is judged as it was told, and the newest has the highest number.
    let told = week.chats.iter().flat_map(|chat| &chat.crashes).map(|befell| befell.kind.name());
    let (mut told, mut judged): (Vec<_>, Vec<_>) =
        (told.collect(), crashes.iter().map(|crash| crash.kind.name()).collect());
    told.sort_unstable();
    judged.sort_unstable();
    assert_eq!(judged, told);
    assert!(crashes.iter().all(|crash| !crash.evidence.is_empty()));
    assert!(crashes.is_sorted_by(|newer, older| newer.detected_at >= older.detected_at));
    assert_eq!(home.store.read(|store| store.verify()).unwrap().damaged, []);
}

#[test]
fn only_a_new_or_empty_folder_or_a_demos_own_becomes_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("theirs.txt");
    std::fs::write(&theirs, "mine").unwrap();
    let error = make(folder.path()).unwrap_err().to_string();
    assert!(error.contains("no folder of a demo"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let new = folder.path().join("new");
    make(&new).unwrap();
    // What somebody put beside it stays when it is made anew; settings are a demo's own.
    std::fs::write(new.join("note.txt"), "mine").unwrap();
    std::fs::write(new.join("config.toml"), "desktop.theme = 3\n").unwrap();
    make(&new).unwrap();
    assert!(new.join("note.txt").exists());
    assert_eq!(std::fs::read_to_string(new.join("config.toml")).unwrap(), SETTINGS);
    assert!(read(&new).is_some() && read(folder.path()).is_none());
    let _held = Home::open(&new).unwrap();
    assert!(make(&new).unwrap_err().to_string().contains("another engine"), "one that runs is left alone");
}

#[test]
fn a_demo_answers_what_only_shows() {
    for (is_get, path, answered) in [
        (true, "/api/status", true),
        (true, "/chats", true),
        (true, "/api/examine", false),
        (false, "/api/settings", true),
        (false, "/stop", true),
        (false, "/api/chat/stop", false),
        (false, "/api/restore", false),
        (false, "/install", false),
    ] {
        assert_eq!(answers(is_get, path), answered, "{path}");
    }
}

#[test]
fn a_folder_with_another_programs_demo_json_is_left_as_it_is() {
    for text in ["{\"a\": 1}", "not even json", ""] {
        let folder = tempfile::tempdir().unwrap();
        let files = [("demo.json", text), ("config.toml", "mine = true")];
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        assert!(make(folder.path()).is_err());
        for (name, text) in files {
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), text);
        }
    }
}
