//! A database of opencode's form, read beside a client that writes it.

use rusqlite::Connection;
use shim_core::clients::opencode::Table;

use super::{Opencode, OpencodeError, Stamp};

const SCHEMA: &str = "
    CREATE TABLE session (id TEXT PRIMARY KEY, parent_id TEXT, directory TEXT NOT NULL, title TEXT NOT NULL,
        time_created INTEGER NOT NULL, time_updated INTEGER NOT NULL);
    CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT NOT NULL, time_created INTEGER NOT NULL,
        time_updated INTEGER NOT NULL, data TEXT NOT NULL);
    CREATE TABLE part (id TEXT PRIMARY KEY, message_id TEXT NOT NULL, session_id TEXT NOT NULL,
        time_created INTEGER NOT NULL, time_updated INTEGER NOT NULL, data TEXT NOT NULL);
    INSERT INTO session VALUES ('ses_1', NULL, '/work', 'A title', 1, 2);
    INSERT INTO message VALUES ('msg_1', 'ses_1', 1, 3, '{\"role\":\"user\"}');
    INSERT INTO part VALUES ('prt_1', 'msg_1', 'ses_1', 1, 4, '{\"type\":\"text\",\"text\":\"ä\"}');";

struct Place(tempfile::TempDir);

impl Place {
    fn with(schema: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.own().execute_batch(&format!("PRAGMA journal_mode=WAL; {schema}")).unwrap();
        place
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("opencode.db")
    }

    fn own(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

#[test]
fn rows_come_as_they_stand_and_a_change_shows_in_the_stamp() {
    let place = Place::with(SCHEMA);
    let chats = Opencode::open(&place.path()).unwrap();
    let sessions = chats.sessions().unwrap();
    assert_eq!((sessions.len(), sessions[0].directory.as_str()), (1, "/work"));
    let before = chats.stamp("ses_1").unwrap().unwrap();
    assert_eq!(before, Stamp { time_updated: 2, changes: 7 });
    assert_eq!(chats.stamp("ses_2").unwrap(), None);
    let ids: Vec<_> = chats.marks("ses_1").unwrap().into_iter().map(|mark| mark.id).collect();
    assert_eq!(ids, ["ses_1", "msg_1", "prt_1"]);
    let part = chats.row(Table::Part, "prt_1").unwrap().unwrap();
    assert_eq!((part.role.as_deref(), part.mark.bytes), (Some("user"), 27));
    assert_eq!(part.data.as_deref(), Some("{\"type\":\"text\",\"text\":\"ä\"}"));
    place.own().execute("UPDATE part SET time_updated = 9", []).unwrap();
    assert_ne!(chats.stamp("ses_1").unwrap().unwrap(), before);
}

#[test]
fn where_the_client_counts_its_changes_its_count_is_the_stamp() {
    let place = Place::with(SCHEMA);
    let counted = "CREATE TABLE event_sequence (aggregate_id TEXT PRIMARY KEY, seq INTEGER NOT NULL);
                   INSERT INTO event_sequence VALUES ('ses_1', 41);";
    place.own().execute_batch(counted).unwrap();
    let chats = Opencode::open(&place.path()).unwrap();
    assert_eq!(chats.stamp("ses_1").unwrap().unwrap().changes, 41);
}

#[test]
fn a_database_of_another_form_is_refused_in_words() {
    let unfinished = Place::with("CREATE TABLE other (id TEXT);");
    assert!(matches!(Opencode::open(&unfinished.path()), Err(OpencodeError::Empty { .. })));
    for schema in [
        "CREATE TABLE session (id TEXT);".to_owned(),
        SCHEMA.replace(
            "data TEXT NOT NULL);\n    INSERT INTO session",
            "text TEXT NOT NULL);\n    INSERT INTO session",
        ),
    ] {
        let place = Place::with(schema.split("INSERT").next().unwrap());
        let error = Opencode::open(&place.path()).err().unwrap();
        assert!(matches!(error, OpencodeError::OtherVersion { .. }), "{error}");
        assert!(error.to_string().contains("has no column"), "{error}");
    }
}

#[test]
fn a_damaged_file_is_told_and_left_as_it_is() {
    let place = Place::with(SCHEMA);
    std::fs::remove_file(place.path()).unwrap();
    std::fs::write(place.path(), "this was a database once, or was it not? ".repeat(200)).unwrap();
    let before = std::fs::read(place.path()).unwrap();
    let error = Opencode::open(&place.path()).err().unwrap();
    assert!(matches!(error, OpencodeError::Unreadable { .. }), "{error}");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_client_that_writes_is_never_held_up_and_a_locked_database_is_told() {
    let place = Place::with(SCHEMA);
    let chats = Opencode::open(&place.path()).unwrap();
    let writer = place.own();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE session SET time_updated = 77;").unwrap();
    assert_eq!(chats.stamp("ses_1").unwrap().unwrap().time_updated, 2);
    writer.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    assert_eq!(chats.stamp("ses_1").unwrap().unwrap().time_updated, 77);
    drop((chats, writer));
    let holder = place.own();
    holder
        .execute_batch("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE session SET time_updated = 8;")
        .unwrap();
    let error = Opencode::open(&place.path()).err().unwrap();
    assert!(matches!(error, OpencodeError::Busy { .. }), "{error}");
}
