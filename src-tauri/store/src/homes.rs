//! Client folders seen before.

use rusqlite::params;
use shim_core::chats::Client;

use crate::{connection::StoreError, writer::Batch};

impl Batch<'_> {
    pub fn put_home(&self, client: Client, path: &[u8]) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO home (client, path) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![client.name(), path],
        )?;
        Ok(())
    }

    pub fn homes(&self, client: Client) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT path FROM home WHERE client = ?1")?;
        let rows = statement.query_map([client.name()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
