-- A chat and what its transcript says of it. The digest is JSON of shim_core::digest::Digest.
CREATE TABLE chat (
    id            TEXT    NOT NULL PRIMARY KEY,
    digest        TEXT    NOT NULL,
    last_activity INTEGER NOT NULL,
    name          TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX chat_by_activity ON chat (last_activity);

-- How the chat's process was started, without secrets, so that it can be started the same way again.
CREATE TABLE launch (
    chat_id TEXT NOT NULL PRIMARY KEY,
    launch  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A watched file. `sub_agent` is empty for the chat's own transcript.
CREATE TABLE stream (
    id          INTEGER NOT NULL PRIMARY KEY,
    chat_id     TEXT    NOT NULL,
    sub_agent   TEXT    NOT NULL,
    path        BLOB    NOT NULL UNIQUE,
    generation  INTEGER NOT NULL,
    file_number INTEGER NOT NULL,
    modified_ns TEXT    NOT NULL
) STRICT;

CREATE INDEX stream_by_chat ON stream (chat_id, sub_agent);

-- The bytes of one generation of a file, in pieces. Nothing but this table is touched when a file grows.
CREATE TABLE chunk (
    stream_id   INTEGER NOT NULL REFERENCES stream (id),
    generation  INTEGER NOT NULL,
    offset      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    crc32       INTEGER NOT NULL,
    compressed  BLOB    NOT NULL,
    PRIMARY KEY (stream_id, generation, offset)
) STRICT, WITHOUT ROWID;

CREATE TABLE crash (
    id                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    chat_id           TEXT    NOT NULL,
    pid               INTEGER NOT NULL,
    start             TEXT    NOT NULL,
    kind              TEXT    NOT NULL,
    in_turn           TEXT    NOT NULL,
    in_flight         TEXT    NOT NULL,
    evidence          TEXT    NOT NULL,
    happened_at       INTEGER NOT NULL,
    detected_at       INTEGER NOT NULL,
    detected_after_ms INTEGER NOT NULL,
    seen_live         INTEGER NOT NULL,
    resolved          INTEGER NOT NULL,
    UNIQUE (chat_id, pid, start)
) STRICT;

CREATE TABLE checkpoint (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    chat_id    TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    cause      TEXT    NOT NULL,
    note       TEXT,
    turns      INTEGER NOT NULL,
    tokens     INTEGER NOT NULL,
    stream_id  INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    offset     INTEGER NOT NULL,
    head       TEXT,
    branch     TEXT,
    todos      TEXT    NOT NULL,
    took_us    INTEGER NOT NULL
) STRICT;

CREATE INDEX checkpoint_by_chat ON checkpoint (chat_id, id);

-- Receipts, refused and failed ones too. `receipt` is JSON of shim_api::restore::Receipt.
CREATE TABLE restore (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    chat_id  TEXT    NOT NULL,
    crash_id INTEGER,
    at       INTEGER NOT NULL,
    started  INTEGER NOT NULL,
    receipt  TEXT    NOT NULL
) STRICT;

CREATE INDEX restore_by_chat ON restore (chat_id, id);
CREATE INDEX restore_by_crash ON restore (crash_id, id);

-- Client folders that were seen once, so that a death is found after a restart too.
CREATE TABLE home (
    client TEXT NOT NULL,
    path   BLOB NOT NULL,
    PRIMARY KEY (client, path)
) STRICT, WITHOUT ROWID;

-- What retention dropped, said to the user.
CREATE TABLE dropped (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    chat_id TEXT    NOT NULL,
    title   TEXT    NOT NULL,
    bytes   INTEGER NOT NULL,
    why     TEXT    NOT NULL
) STRICT;
