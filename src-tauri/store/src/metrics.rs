//! What is counted over all that was kept: crashes and receipts, which nothing ever drops.

use shim_core::{chats::ChatId, crashes::CrashKind};

use crate::{connection::StoreError, journal::read_chat_id, writer::Batch};

/// A crash as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedCrash {
    pub chat: ChatId,
    pub kind: CrashKind,
    pub detected_after_ms: u64,
    pub seen_live: bool,
    /// Of a crash whose notes are gone, none.
    pub client_version: Option<String>,
}

/// A receipt, and the version of the client that wrote its chat last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedRestore {
    /// JSON, as it goes over the wire.
    pub receipt: String,
    pub client_version: Option<String>,
}

impl Batch<'_> {
    /// All crashes, the newest first.
    pub fn counted_crashes(&self, mut count: impl FnMut(CountedCrash)) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT chat_id, kind, detected_after_ms, seen_live, client_version
             FROM crash LEFT JOIN crash_note ON crash_id = id ORDER BY id DESC",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let kind: String = row.get(1)?;
            count(CountedCrash {
                chat: read_chat_id(row, 0)?,
                kind: CrashKind::from_name(&kind).unwrap_or(CrashKind::Killed),
                detected_after_ms: row.get::<_, i64>(2)?.cast_unsigned(),
                seen_live: row.get(3)?,
                client_version: row.get(4)?,
            });
        }
        Ok(())
    }

    /// All receipts, the newest first. Of those that are not written yet, none.
    pub fn counted_restores(&self, mut count: impl FnMut(CountedRestore)) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT receipt, json_extract(digest, '$.version') FROM restore
             LEFT JOIN chat ON chat.id = restore.chat_id WHERE receipt <> '' ORDER BY restore.id DESC",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            count(CountedRestore { receipt: row.get(0)?, client_version: row.get(1)? });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shim_core::{
        chats::{ChatId, Client, ProcessKey},
        crashes::{CrashKind, InTurn},
        digest::Digest,
        fingerprints::Noted,
        supervisor::NewCrash,
        time::Timestamp,
    };

    use super::{CountedCrash, CountedRestore};
    use crate::{ChatRow, Store, Urgency};

    #[test]
    fn what_was_kept_is_counted_with_its_client_s_version() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("shim.db"), Duration::ZERO).unwrap();
        let (chat, at) = (ChatId::new(Client::Codex, "1"), Timestamp::from_ms(1000));
        let crash = NewCrash {
            chat: chat.clone(),
            process: ProcessKey { pid: 7, start: "1".to_owned() },
            kind: CrashKind::Killed,
            in_turn: InTurn::None,
            in_flight: Vec::new(),
            evidence: Vec::new(),
            happened_at: at,
            seen_live: true,
        };
        let mut digest = Digest::default();
        digest.version = Some("2.0".to_owned());
        let row = ChatRow { id: chat.clone(), digest, last_activity: at, name: None };
        let asked = chat.clone();
        let written = store.write(Urgency::AtOnce, move |store| {
            store.put_chat(&row)?;
            let id = store.record_crash(&crash, Timestamp::from_ms(1005))?.unwrap();
            let noted = Noted { client_version: Some("1.9".to_owned()), ..Noted::default() };
            store.note_crash(id, &noted)?;
            store.new_restore(&asked, None, at)?;
            let number = store.new_restore(&asked, Some(id), at)?;
            store.put_receipt(number, "{}")
        });
        written.unwrap();
        let (mut crashes, mut restores) = (Vec::new(), Vec::new());
        let read = store.read(|store| {
            store.counted_crashes(|crash| crashes.push(crash))?;
            store.counted_restores(|restore| restores.push(restore))
        });
        read.unwrap();
        let version = Some("1.9".to_owned());
        let kind = CrashKind::Killed;
        assert_eq!(
            crashes,
            [CountedCrash { chat, kind, detected_after_ms: 5, seen_live: true, client_version: version }]
        );
        let version = Some("2.0".to_owned());
        assert_eq!(restores, [CountedRestore { receipt: "{}".to_owned(), client_version: version }]);
    }
}
