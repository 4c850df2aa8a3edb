-- A training of one client's model: what was learned and whether it is in use. `model` is JSON of
-- shim_core::prediction::model::Model, null where nothing could be fitted; `verdict` of …::training::Verdict.
CREATE TABLE prediction_model (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    client   TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    standing TEXT    NOT NULL,
    verdict  TEXT    NOT NULL,
    model    TEXT
) STRICT;

CREATE INDEX prediction_model_by_client ON prediction_model (client, id);

-- A process that was predicted. Predictions name it by a number, since its key is longer than the rest of a row.
CREATE TABLE prediction_process (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    client  TEXT    NOT NULL,
    chat_id TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    start   TEXT    NOT NULL,
    UNIQUE (chat_id, pid, start)
) STRICT;

-- `model` is 0 for the zones. `outcome` is null before the horizon is over.
CREATE TABLE prediction (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    process     INTEGER NOT NULL REFERENCES prediction_process (id),
    at          INTEGER NOT NULL,
    probability REAL    NOT NULL,
    alarm       INTEGER NOT NULL,
    acted       INTEGER NOT NULL,
    model       INTEGER NOT NULL,
    outcome     TEXT
) STRICT;

CREATE INDEX prediction_by_process ON prediction (process, at);
CREATE INDEX prediction_unsettled ON prediction (at) WHERE outcome IS NULL;

-- This machine's own secret, by which it is drawn which alarms take no action.
CREATE TABLE prediction_salt (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    salt TEXT    NOT NULL
) STRICT;
