//! Chats: what their transcripts say of them, and how their processes were started.

use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use shim_core::{chats::ChatId, digest::Digest, time::Timestamp};

use crate::{connection::StoreError, journal::read_chat_id, writer::Batch};

#[derive(Clone, Debug, PartialEq)]
pub struct ChatRow {
    pub id: ChatId,
    pub digest: Digest,
    pub last_activity: Timestamp,
    /// A name the user gave the chat.
    pub name: Option<String>,
}

/// How a chat's process was started. Holds no keys or tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub program: Option<String>,
    /// Flags that are given again, such as `--model`.
    pub flags: Vec<String>,
    /// Settings in the environment that are given again, none of them secret.
    pub environment: Vec<(String, String)>,
    /// The client's own folder, such as `~/.claude`.
    pub client_home: Option<String>,
    pub cwd: Option<String>,
    /// Without a terminal.
    #[serde(default)]
    pub headless: bool,
}

impl Batch<'_> {
    pub fn put_chat(&self, chat: &ChatRow) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO chat (id, digest, last_activity, name) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (id) DO UPDATE SET digest = ?2, last_activity = ?3, name = coalesce(?4, name)",
            )?
            .execute(params![chat.id.as_str(), json(&chat.digest), chat.last_activity.ms(), chat.name])?;
        Ok(())
    }

    pub fn chats(&self) -> Result<Vec<ChatRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, digest, last_activity, name FROM chat ORDER BY last_activity DESC")?;
        let rows = statement.query_map([], read_chat)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is stored of a chat's transcript; `None` when nothing is, or only in words of another version.
    pub fn digest(&self, chat: &ChatId) -> Result<Option<Digest>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT digest FROM chat WHERE id = ?1")?;
        let text: Option<String> = statement.query_row([chat.as_str()], |row| row.get(0)).optional()?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub fn put_launch(&self, chat: &ChatId, launch: &Launch) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO launch (chat_id, launch) VALUES (?1, ?2) ON CONFLICT (chat_id) DO UPDATE SET launch = ?2",
            )?
            .execute(params![chat.as_str(), json(launch)])?;
        Ok(())
    }

    pub fn launch(&self, chat: &ChatId) -> Result<Option<Launch>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT launch FROM launch WHERE chat_id = ?1")?;
        let text: Option<String> = statement.query_row([chat.as_str()], |row| row.get(0)).optional()?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

/// A digest that this version cannot read is made anew from the journal.
fn read_chat(row: &Row<'_>) -> rusqlite::Result<ChatRow> {
    let digest: String = row.get(1)?;
    Ok(ChatRow {
        id: read_chat_id(row, 0)?,
        digest: serde_json::from_str(&digest).unwrap_or_default(),
        last_activity: Timestamp::from_ms(row.get(2)?),
        name: row.get(3)?,
    })
}

/// Our own plain types always have a JSON form.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
