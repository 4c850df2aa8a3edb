-- Reasons that came too soon for a checkpoint of their own: a JSON list of names.
ALTER TABLE checkpoint ADD COLUMN also TEXT;

-- The workspace as it was kept with the checkpoint; several may share one.
ALTER TABLE checkpoint ADD COLUMN snapshot_id INTEGER;

CREATE INDEX checkpoint_by_snapshot ON checkpoint (snapshot_id) WHERE snapshot_id IS NOT NULL;

-- A chat's workspace at one moment: a commit in its repository, or a list of files. `folder` is the top of the
-- repository, or the folder of the chat. Written before anything is done in the repository.
CREATE TABLE snapshot (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    chat_id   TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    state     TEXT    NOT NULL,
    folder    BLOB    NOT NULL,
    reference TEXT    NOT NULL,
    commit_id TEXT,
    tree_id   TEXT,
    head      TEXT,
    files     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    left_out  TEXT    NOT NULL,
    listed    TEXT    NOT NULL,
    error     TEXT,
    took_us   INTEGER NOT NULL
) STRICT;

CREATE INDEX snapshot_by_chat ON snapshot (chat_id, id);
