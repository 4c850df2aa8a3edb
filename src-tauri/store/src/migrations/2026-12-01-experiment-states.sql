-- The loop's state after the entry `number`: JSON of shim_core::experiments::audit::Audited, by the rules of
-- shim_core::experiments::audit::RULES. The newest is where an engine goes on; from a `base` the log can be played.
CREATE TABLE experiment_states (
    number INTEGER NOT NULL PRIMARY KEY,
    rules  INTEGER NOT NULL,
    base   INTEGER NOT NULL,
    state  TEXT    NOT NULL
) STRICT;

INSERT INTO experiment_states (number, rules, base, state) SELECT number, 0, 1, state FROM experiment_state;

DROP TABLE experiment_state;
