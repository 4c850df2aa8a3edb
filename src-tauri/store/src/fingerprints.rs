//! What is noted of crashes beside their verdicts, so that those that look alike are told as one.

use rusqlite::params;
use shim_core::{
    crashes::CrashKind,
    fingerprints::{Noted, Traits},
    time::Timestamp,
};

use crate::{connection::StoreError, journal::read_chat_id, writer::Batch};

/// Notes that are kept: those of the newest crashes. A machine on which chats die ten times a day fills it in years.
const NOTES_MAX: u32 = 10_000;

impl Batch<'_> {
    pub fn note_crash(&self, crash: i64, noted: &Noted) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO crash_note (crash_id, client_version, last_tool, memory_bytes, message)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                crash,
                noted.client_version,
                noted.last_tool,
                noted.memory_bytes.map(u64::cast_signed),
                noted.message,
            ])?;
        self.connection.execute(
            "DELETE FROM crash_note WHERE crash_id <= (SELECT max(crash_id) FROM crash_note) - ?1",
            [NOTES_MAX],
        )?;
        Ok(())
    }

    /// What is known of each crash, and when it happened. One recorded before notes were taken has its kind only.
    pub fn crash_traits(&self) -> Result<Vec<(Traits, Timestamp)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT chat_id, kind, happened_at, client_version, last_tool, memory_bytes, message
             FROM crash LEFT JOIN crash_note ON crash_id = id ORDER BY id DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([NOTES_MAX], |row| {
            let kind: String = row.get(1)?;
            let noted = Noted {
                client_version: row.get(3)?,
                last_tool: row.get(4)?,
                memory_bytes: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
                message: row.get(6)?,
            };
            let kind = CrashKind::from_name(&kind).unwrap_or(CrashKind::Killed);
            let traits = Traits::of(read_chat_id(row, 0)?.client(), kind, noted);
            Ok((traits, Timestamp::from_ms(row.get(2)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shim_core::{
        chats::{ChatId, Client, ProcessKey},
        crashes::InTurn,
        fingerprints::MemoryClass,
        supervisor::NewCrash,
    };

    use super::*;
    use crate::{Store, Urgency};

    #[test]
    fn a_crash_is_told_with_what_was_noted_of_it_and_an_older_one_by_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("shim.db"), Duration::from_millis(2)).unwrap();
        let crash = |pid: u32| NewCrash {
            chat: ChatId::new(Client::Codex, "t"),
            process: ProcessKey { pid, start: "7".to_owned() },
            kind: CrashKind::Exited,
            in_turn: InTurn::Answer,
            in_flight: Vec::new(),
            evidence: Vec::new(),
            happened_at: Timestamp::from_ms(i64::from(pid)),
            seen_live: true,
        };
        let (first, second) = (crash(1), crash(2));
        let noted = Noted {
            client_version: Some("0.169.0".to_owned()),
            last_tool: Some("exec_command".to_owned()),
            memory_bytes: Some(700 << 20),
            message: Some("status 529 after 12 tries".to_owned()),
        };
        store
            .write(Urgency::AtOnce, move |store| {
                store.record_crash(&first, Timestamp::from_ms(9))?;
                let id = store.record_crash(&second, Timestamp::from_ms(9))?;
                store.note_crash(id.unwrap_or_default(), &noted)
            })
            .unwrap();
        let found = store.read(|store| store.crash_traits()).unwrap();
        let bare = Traits::of(Client::Codex, CrashKind::Exited, Noted::default());
        let full = Traits {
            client_version: Some("0.169.0".to_owned()),
            last_tool: Some("exec_command".to_owned()),
            memory: Some(MemoryClass::Below1Gb),
            message: Some("status # after # tries".to_owned()),
            ..bare.clone()
        };
        assert_eq!(found, [(full, Timestamp::from_ms(2)), (bare, Timestamp::from_ms(1))]);
    }
}
