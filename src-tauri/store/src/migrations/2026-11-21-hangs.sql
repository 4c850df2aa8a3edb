-- A process dies once, and may hang several times before: each time is a crash of its own.
CREATE TABLE crash_with_hangs (
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
    -- When a hang began, in milliseconds since 1970; 0 of a death.
    episode           INTEGER NOT NULL,
    -- Whether the process is known to be gone.
    ended             INTEGER NOT NULL,
    UNIQUE (chat_id, pid, start, episode)
) STRICT;

INSERT INTO crash_with_hangs (id, chat_id, pid, start, kind, in_turn, in_flight, evidence, happened_at, detected_at,
                              detected_after_ms, seen_live, resolved, episode, ended)
SELECT id, chat_id, pid, start, kind, in_turn, in_flight, evidence, happened_at, detected_at,
       detected_after_ms, seen_live, resolved,
       CASE kind WHEN 'hung' THEN happened_at ELSE 0 END,
       CASE kind WHEN 'hung' THEN 0 ELSE 1 END
FROM crash;

DROP TABLE crash;
ALTER TABLE crash_with_hangs RENAME TO crash;
