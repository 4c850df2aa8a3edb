-- The process that held a chat when it was last looked at, of clients whose mark on disk does not say who and since when.
-- `mark` is the file's path in bytes of the system; `registration` is JSON of shim_core::clients::Registration.
CREATE TABLE holder (
    chat_id      TEXT    NOT NULL PRIMARY KEY,
    pid          INTEGER NOT NULL,
    start        TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    mark         BLOB    NOT NULL,
    registration TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
