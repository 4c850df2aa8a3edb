//! Processes that held a chat when it was last looked at.

use rusqlite::params;
use shim_core::{
    chats::{ChatId, ProcessKey},
    clients::Registration,
    time::Timestamp,
};

use crate::{chats::json, connection::StoreError, writer::Batch};

/// Holders kept; a machine runs fewer chats at once.
const HOLDERS_MAX: u32 = 1000;

impl Batch<'_> {
    /// Keeps who holds a chat, in place of who held it before.
    pub fn put_holder(&self, mark: &[u8], holder: &Registration, at: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO holder (chat_id, pid, start, at, mark, registration) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (chat_id) DO UPDATE SET pid = excluded.pid, start = excluded.start,
             at = excluded.at, mark = excluded.mark, registration = excluded.registration",
            params![
                holder.chat().as_str(),
                holder.process.pid,
                holder.process.start,
                at.ms(),
                mark,
                json(holder)
            ],
        )?;
        self.connection.execute(
            "DELETE FROM holder WHERE chat_id IN (SELECT chat_id FROM holder ORDER BY at DESC LIMIT -1 OFFSET ?1)",
            [HOLDERS_MAX],
        )?;
        Ok(())
    }

    /// Another that holds the chat by now is left.
    pub fn drop_holder(&self, chat: &ChatId, process: &ProcessKey) -> Result<(), StoreError> {
        self.connection.execute(
            "DELETE FROM holder WHERE chat_id = ?1 AND pid = ?2 AND start = ?3",
            params![chat.as_str(), process.pid, process.start],
        )?;
        Ok(())
    }

    /// Whether a crash of the chat was noticed then or later.
    pub fn crashed_since(&self, chat: &ChatId, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM crash WHERE chat_id = ?1 AND detected_at >= ?2)";
        Ok(self.connection.query_row(sql, params![chat.as_str(), at.ms()], |row| row.get(0))?)
    }

    /// Each with its mark. What cannot be read any more is left out.
    pub fn holders(&self) -> Result<Vec<(Vec<u8>, Registration)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT mark, registration FROM holder")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let rows: Vec<(Vec<u8>, String)> = rows.collect::<Result<_, _>>()?;
        Ok(rows
            .into_iter()
            .filter_map(|(mark, text)| Some((mark, serde_json::from_str(&text).ok()?)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shim_core::chats::Client;

    use super::*;
    use crate::{Store, Urgency};

    fn holder(session_id: &str, pid: u32) -> Registration {
        Registration::new(Client::Codex, ProcessKey { pid, start: "7".to_owned() }, session_id)
    }

    #[test]
    fn the_last_holder_of_a_chat_is_kept_and_only_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("shim.db"), Duration::from_millis(2)).unwrap();
        let (before, after) = (holder("a", 1), holder("a", 2));
        for (at, holder) in [(1, before.clone()), (2, after.clone())] {
            let put = move |store: &Batch<'_>| store.put_holder(b"/l\xff", &holder, Timestamp::from_ms(at));
            store.write(Urgency::AtOnce, put).unwrap();
        }
        let drop = |holder: &Registration| {
            let (chat, process) = (holder.chat(), holder.process.clone());
            store.write(Urgency::AtOnce, move |store| store.drop_holder(&chat, &process)).unwrap();
        };
        drop(&before);
        assert_eq!(store.read(|store| store.holders()).unwrap(), [(b"/l\xff".to_vec(), after.clone())]);
        drop(&after);
        assert_eq!(store.read(|store| store.holders()).unwrap(), []);
    }

    #[test]
    fn the_oldest_beyond_the_limit_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("shim.db"), Duration::from_millis(2)).unwrap();
        let put_all = |store: &Batch<'_>| {
            (0..HOLDERS_MAX + 5).try_for_each(|n| {
                store.put_holder(b"/l", &holder(&n.to_string(), n + 1), Timestamp::from_ms(i64::from(n)))
            })
        };
        store.write(Urgency::AtOnce, put_all).unwrap();
        let kept = store.read(|store| store.holders()).unwrap();
        assert_eq!(kept.len(), HOLDERS_MAX as usize);
        assert!(kept.iter().all(|(_, holder)| holder.process.pid > 5), "the newest stay");
    }
}
