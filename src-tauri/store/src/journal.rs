//! Watched files and their bytes: compressed, checksummed, never taken back.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use rusqlite::{OptionalExtension, Row, params};
use shim_core::{chats::ChatId, journal::Known};

use crate::{connection::StoreError, writer::Batch};

/// Bytes of a file per chunk, at most. One chunk is what a reader holds in memory.
pub const CHUNK_BYTES_MAX: usize = 512 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub i64);

/// A watched file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub id: StreamId,
    pub chat: ChatId,
    /// Empty for the chat's own transcript.
    pub sub_agent: String,
    pub path: Vec<u8>,
    pub generation: i64,
    pub known: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    pub generation: i64,
    pub bytes: u64,
}

/// A chunk whose bytes are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub chat: ChatId,
    pub generation: i64,
    pub offset: u64,
    pub why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub chunks: u64,
    pub bytes: u64,
    pub damaged: Vec<Damage>,
}

/// Pieces up to this size are what a live chat appends: few, and worth the time to make them small, since
/// every byte is written twice. Larger ones come from indexing, where speed counts.
const LIVE_BYTES_MAX: usize = 128 * 1024;

/// Bytes ready to be journaled.
pub struct Piece {
    offset: u64,
    bytes: u64,
    crc32: u32,
    compressed: Vec<u8>,
}

/// Compresses bytes for `append`; used by the caller, so that the writer only writes. Kept from piece to piece: what a
/// compressor works with is large, and the allocator would keep as much again between the pieces.
pub struct Packer {
    live: ZlibEncoder<Vec<u8>>,
    indexing: ZlibEncoder<Vec<u8>>,
}

impl Default for Packer {
    fn default() -> Self {
        let encoder = |level| ZlibEncoder::new(Vec::new(), level);
        Self { live: encoder(Compression::default()), indexing: encoder(Compression::fast()) }
    }
}

impl Packer {
    /// `bytes` are those at `offset` of the file; at most [`CHUNK_BYTES_MAX`] of them.
    pub fn pack(&mut self, offset: u64, bytes: &[u8]) -> Result<Piece, StoreError> {
        let encoder = if bytes.len() <= LIVE_BYTES_MAX { &mut self.live } else { &mut self.indexing };
        *encoder.get_mut() = Vec::with_capacity(bytes.len() / 4 + 64);
        let packed = encoder.write_all(bytes).and_then(|()| encoder.reset(Vec::new()));
        let compressed =
            packed.map_err(|error| StoreError::Checksum(format!("compression failed: {error}")))?;
        Ok(Piece { offset, bytes: bytes.len() as u64, crc32: crc32fast::hash(bytes), compressed })
    }
}

impl Batch<'_> {
    /// The file's stream, made when it is new.
    pub fn stream(&self, chat: &ChatId, sub_agent: &str, path: &[u8]) -> Result<Stream, StoreError> {
        if let Some(stream) = self.stream_at(path)? {
            return Ok(stream);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO stream (chat_id, sub_agent, path, generation, file_number, modified_ns)
                 VALUES (?1, ?2, ?3, 1, 0, '0')",
            )?
            .execute(params![chat.as_str(), sub_agent, path])?;
        Ok(Stream {
            id: StreamId(self.connection.last_insert_rowid()),
            chat: chat.clone(),
            sub_agent: sub_agent.to_owned(),
            path: path.to_owned(),
            generation: 1,
            known: Known::default(),
        })
    }

    pub fn stream_at(&self, path: &[u8]) -> Result<Option<Stream>, StoreError> {
        self.one_stream("WHERE path = ?1", params![path])
    }

    /// The chat's own transcript.
    pub fn main_stream(&self, chat: &ChatId) -> Result<Option<Stream>, StoreError> {
        self.one_stream(
            "WHERE chat_id = ?1 AND sub_agent = '' ORDER BY id DESC LIMIT 1",
            params![chat.as_str()],
        )
    }

    /// Every transcript of the chat's own that was ever seen.
    pub fn main_streams(&self, chat: &ChatId) -> Result<Vec<Stream>, StoreError> {
        let sql = format!("{STREAM_COLUMNS} WHERE chat_id = ?1 AND sub_agent = '' ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([chat.as_str()], read_stream)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn one_stream(&self, which: &str, params: impl rusqlite::Params) -> Result<Option<Stream>, StoreError> {
        let sql = format!("{STREAM_COLUMNS} {which}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params, read_stream).optional()?)
    }

    pub fn streams(&self) -> Result<Vec<Stream>, StoreError> {
        let mut statement = self.connection.prepare_cached(STREAM_COLUMNS)?;
        let rows = statement.query_map([], read_stream)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a piece behind what is there. One that would leave a hole is given up: what was before it could
    /// not be written, so the file is to be taken up again from what is there.
    pub fn append(&self, stream: StreamId, generation: i64, piece: &Piece) -> Result<(), StoreError> {
        let end: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT offset + bytes FROM chunk WHERE stream_id = ?1 AND generation = ?2 ORDER BY offset DESC LIMIT 1",
            )?
            .query_row(params![stream.0, generation], |row| row.get(0))
            .optional()?;
        if end.unwrap_or(0).cast_unsigned() != piece.offset {
            return Err(StoreError::Busy);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO chunk (stream_id, generation, offset, bytes, crc32, compressed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                stream.0,
                generation,
                piece.offset.cast_signed(),
                piece.bytes.cast_signed(),
                piece.crc32,
                piece.compressed
            ])?;
        Ok(())
    }

    /// From here on the file's bytes belong to a new generation; the old one stays.
    pub fn begin_generation(&self, stream: StreamId) -> Result<i64, StoreError> {
        self.connection.execute("UPDATE stream SET generation = generation + 1 WHERE id = ?1", [stream.0])?;
        // What was folded from the old bytes says nothing of the new ones.
        self.connection.execute(
            "UPDATE chat SET digest = '' WHERE id = (SELECT chat_id FROM stream WHERE id = ?1 AND sub_agent = '')",
            [stream.0],
        )?;
        Ok(self
            .connection
            .query_row("SELECT generation FROM stream WHERE id = ?1", [stream.0], |row| row.get(0))?)
    }

    /// Remembers what the file looked like when its journal was brought up to date.
    pub fn set_known(&self, stream: StreamId, known: &Known) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE stream SET file_number = ?2, modified_ns = ?3 WHERE id = ?1")?
            .execute(params![stream.0, known.file_number.cast_signed(), known.modified_ns.to_string()])?;
        Ok(())
    }

    /// All generations of a file that the journal holds, oldest first.
    pub fn generations(&self, stream: StreamId) -> Result<Vec<Generation>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT generation, sum(bytes) FROM chunk WHERE stream_id = ?1 GROUP BY generation ORDER BY generation",
        )?;
        let rows = statement.query_map([stream.0], |row| {
            Ok(Generation { generation: row.get(0)?, bytes: row.get::<_, i64>(1)?.cast_unsigned() })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Hands out the bytes from `from` up to `until`, chunk by chunk, each proved by its checksum.
    /// `each` says to stop by returning false. Returns the offset reached.
    pub fn read_journal(
        &self,
        stream: StreamId,
        generation: i64,
        from: u64,
        until: u64,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT offset, bytes, crc32, compressed FROM chunk
             WHERE stream_id = ?1 AND generation = ?2 AND offset > ?5 AND offset < ?4 AND offset + bytes > ?3
             ORDER BY offset",
        )?;
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        // No chunk that begins before can reach so far; to look at each would read them all.
        let earliest = signed(from) - CHUNK_BYTES_MAX as i64;
        let mut rows =
            statement.query(params![stream.0, generation, signed(from), signed(until), earliest])?;
        let mut at = from;
        while let Some(row) = rows.next()? {
            let (offset, bytes) = unpack(row)?;
            if offset > at {
                return Err(StoreError::Checksum(format!("bytes {at} to {offset} are missing")));
            }
            let begin = usize::try_from(at - offset).unwrap_or(usize::MAX);
            let end = usize::try_from(until.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
            let wanted = bytes.get(begin..end).unwrap_or_default();
            at += wanted.len() as u64;
            if !each(wanted) {
                break;
            }
        }
        Ok(at)
    }

    /// Proves every checksum.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        for stream in self.streams()? {
            let mut statement = self.connection.prepare_cached(
                "SELECT offset, bytes, crc32, compressed, generation FROM chunk WHERE stream_id = ?1 ORDER BY generation, offset",
            )?;
            let mut rows = statement.query([stream.id.0])?;
            let mut expected = (0, 0);
            while let Some(row) = rows.next()? {
                verified.chunks += 1;
                let (offset, length, generation): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(4)?);
                if (generation, offset) != expected && (offset != 0 || generation == expected.0) {
                    verified.damaged.push(Damage {
                        chat: stream.chat.clone(),
                        generation,
                        offset: offset.cast_unsigned(),
                        why: "the bytes before it are missing".to_owned(),
                    });
                }
                expected = (generation, offset + length);
                match unpack(row) {
                    Ok((_, bytes)) => verified.bytes += bytes.len() as u64,
                    Err(error) => verified.damaged.push(Damage {
                        chat: stream.chat.clone(),
                        generation: row.get(4)?,
                        offset: row.get::<_, i64>(0)?.cast_unsigned(),
                        why: error.to_string(),
                    }),
                }
            }
        }
        Ok(verified)
    }
}

fn unpack(row: &Row<'_>) -> Result<(u64, Vec<u8>), StoreError> {
    let (offset, length, crc32): (i64, i64, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let compressed = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
    let length = usize::try_from(length).unwrap_or(0).min(CHUNK_BYTES_MAX);
    let mut bytes = Vec::with_capacity(length);
    let read = ZlibDecoder::new(compressed).take(CHUNK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    if read.is_err() || bytes.len() != length || crc32fast::hash(&bytes) != crc32 {
        return Err(StoreError::Checksum(format!("the chunk at {offset} is not what was written")));
    }
    Ok((offset.cast_unsigned(), bytes))
}

/// The last chunk alone tells how long the journal is: to look at all would read much of a long one.
const STREAM_COLUMNS: &str = "SELECT id, chat_id, sub_agent, path, generation, file_number, modified_ns,
    coalesce((SELECT offset + bytes FROM chunk
     WHERE chunk.stream_id = stream.id AND chunk.generation = stream.generation
     ORDER BY offset DESC LIMIT 1), 0) FROM stream";

fn read_stream(row: &Row<'_>) -> rusqlite::Result<Stream> {
    let modified_ns: String = row.get(6)?;
    Ok(Stream {
        id: StreamId(row.get(0)?),
        chat: read_chat_id(row, 1)?,
        sub_agent: row.get(2)?,
        path: row.get(3)?,
        generation: row.get(4)?,
        known: Known {
            bytes: row.get::<_, i64>(7)?.cast_unsigned(),
            file_number: row.get::<_, i64>(5)?.cast_unsigned(),
            modified_ns: modified_ns.parse().unwrap_or(0),
        },
    })
}

/// A chat id column. One that no longer parses means that the row was damaged.
pub fn read_chat_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ChatId> {
    let text: String = row.get(column)?;
    ChatId::parse(&text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            format!("no chat id: {text}").into(),
        )
    })
}
