-- What is noted of a crash beside its verdict; null where it is not known.
CREATE TABLE crash_note (
    crash_id       INTEGER NOT NULL PRIMARY KEY,
    client_version TEXT,
    last_tool      TEXT,
    memory_bytes   INTEGER,
    message        TEXT
) STRICT;
