-- Signals over time. Rows name their chat by a number, since an id is longer than the rest of a row.
CREATE TABLE signal_chat (
    id      INTEGER NOT NULL PRIMARY KEY,
    chat_id TEXT    NOT NULL UNIQUE
) STRICT;

-- `number` counts a chat's own rows, so that the oldest beyond its cap are found without counting.
CREATE TABLE signal (
    id                     INTEGER NOT NULL PRIMARY KEY,
    chat                   INTEGER NOT NULL REFERENCES signal_chat (id),
    number                 INTEGER NOT NULL,
    at                     INTEGER NOT NULL,
    client_version         TEXT,
    tokens                 INTEGER NOT NULL,
    context_used           REAL,
    tokens_per_message     REAL,
    messages               INTEGER NOT NULL,
    tool_calls             INTEGER NOT NULL,
    calls_since_checkpoint INTEGER NOT NULL,
    messages_per_minute    REAL    NOT NULL,
    age_seconds            REAL,
    since_answer_seconds   REAL,
    latency_seconds        REAL,
    latency_trend          REAL,
    failure_rate           REAL,
    failures_in_a_row      INTEGER NOT NULL,
    recent_errors          TEXT    NOT NULL,
    rss_bytes              INTEGER,
    rss_slope              REAL,
    cpu                    REAL,
    transcript_growth      REAL    NOT NULL,
    transcript_bytes       INTEGER NOT NULL,
    memory_pressure        REAL,
    UNIQUE (chat, number)
) STRICT;
