-- What the policy remembers of a chat. JSON of shim_core::policy::Memory.
CREATE TABLE policy_memory (
    chat_id TEXT    NOT NULL PRIMARY KEY,
    touched INTEGER NOT NULL,
    memory  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Restores of many chats. `boot` is the life of the machine it was begun in; JSON of shim_core::fleet::Fleet.
CREATE TABLE fleet (
    id    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    boot  TEXT    NOT NULL,
    over  INTEGER NOT NULL,
    fleet TEXT    NOT NULL
) STRICT;

-- What was ended on its user's word. `receipt` is JSON of shim_api::stopping::Stopped.
CREATE TABLE stop (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    chat_id TEXT    NOT NULL,
    receipt TEXT    NOT NULL
) STRICT;

-- What an engine could not judge any more when the system went down: JSON of one chat's last moment each.
CREATE TABLE last_moment (
    id     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    boot   TEXT    NOT NULL,
    moment TEXT    NOT NULL
) STRICT;
