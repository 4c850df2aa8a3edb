-- What the loop of experiments was told, and what it decided: assignments, exposures, outcomes, the user's words. JSON
-- of shim_core::experiments::audit::Entry. `decided` counts decisions, which are kept longest.
CREATE TABLE experiment_log (
    number  INTEGER NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    decided INTEGER NOT NULL,
    entry   TEXT    NOT NULL
) STRICT;

CREATE INDEX experiment_log_decided ON experiment_log (number) WHERE decided > 0;

-- The loop's state after the entry `number`: JSON of shim_core::experiments::audit::Audited.
CREATE TABLE experiment_state (
    only   INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    number INTEGER NOT NULL,
    state  TEXT    NOT NULL
) STRICT;
