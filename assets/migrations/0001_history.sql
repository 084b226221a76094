-- Version 1. This file is never edited; a change is a new file with the next number.
--
-- `key` of an item is its session's `n` times 2^40 plus the item's id, so that the items of a
-- session lie side by side and one b-tree serves both the writer and the pager.

PRAGMA application_id = 0x62646F67; -- "bdog"

CREATE TABLE session_id (
    n  INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE session (
    n                  INTEGER PRIMARY KEY REFERENCES session_id (n),
    backend_session_id TEXT,
    title              TEXT NOT NULL,
    own_title          TEXT,                -- the person's; wins over `title`
    workspace          TEXT NOT NULL,
    cwd                TEXT NOT NULL,
    branch             TEXT NOT NULL,
    spec               TEXT NOT NULL,       -- JSON
    backend            TEXT NOT NULL,
    agent              TEXT NOT NULL,
    started_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    turns              INTEGER NOT NULL,
    messages           INTEGER NOT NULL,
    usage              TEXT NOT NULL,       -- JSON
    last_state         TEXT NOT NULL,
    forked_from        TEXT
) STRICT;
CREATE INDEX session_newest ON session (updated_at);
CREATE INDEX session_of_workspace ON session (workspace, updated_at);
CREATE INDEX session_of_backend ON session (backend_session_id);

-- The cost of a session at the end of each quarter of an hour in which it changed.
CREATE TABLE spend (
    session INTEGER NOT NULL REFERENCES session_id (n),
    slot    INTEGER NOT NULL,
    cost    REAL NOT NULL,
    PRIMARY KEY (session, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX spend_newest ON spend (slot, session);

-- Sessions that an engine has open now.
CREATE TABLE opened (
    session        INTEGER PRIMARY KEY REFERENCES session_id (n),
    engine_pid     INTEGER NOT NULL,
    engine_started INTEGER NOT NULL,
    agent_pid      INTEGER,
    at             INTEGER NOT NULL
) STRICT;

CREATE TABLE line (
    n       INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session_id (n),
    at      INTEGER NOT NULL,
    way     INTEGER NOT NULL,               -- 0 to the agent, 1 from it
    line    TEXT NOT NULL
) STRICT;
CREATE INDEX line_of_session ON line (session);

CREATE TABLE item (
    key  INTEGER PRIMARY KEY,
    open INTEGER NOT NULL,
    doc  INTEGER,                           -- its row in `doc`, once it is searched
    body TEXT NOT NULL                      -- JSON
) STRICT;
CREATE INDEX item_open ON item (key) WHERE open = 1;

-- What an open item's text has grown by since it was stored.
CREATE TABLE tail (
    key  INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (key, seq)
) STRICT, WITHOUT ROWID;

-- What is searched: the words of closed items, in the order in which they were closed. Those up to
-- `indexed.upto` are in `search`; the others follow in larger steps.
CREATE TABLE doc (
    n     INTEGER PRIMARY KEY,
    key   INTEGER NOT NULL,
    words TEXT NOT NULL
) STRICT;
CREATE TABLE indexed (upto INTEGER NOT NULL) STRICT;
INSERT INTO indexed VALUES (0);
CREATE VIRTUAL TABLE search USING fts5 (
    words, content = 'doc', content_rowid = 'n', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE ask (
    session  INTEGER NOT NULL REFERENCES session_id (n),
    asked_at INTEGER NOT NULL,
    id       INTEGER NOT NULL,
    body     TEXT NOT NULL,                 -- JSON
    ended_at INTEGER,
    outcome  TEXT,
    answer   TEXT,                          -- JSON
    PRIMARY KEY (session, asked_at, id)
) STRICT;

CREATE TABLE lease (
    workspace TEXT NOT NULL,
    path      TEXT NOT NULL,
    owner     TEXT NOT NULL,
    state     TEXT NOT NULL,
    since     INTEGER NOT NULL,
    until     INTEGER,
    reason    TEXT NOT NULL,
    pid       INTEGER,
    PRIMARY KEY (workspace, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE knows (
    workspace TEXT NOT NULL,
    owner     TEXT NOT NULL,
    path      TEXT NOT NULL,
    hash      TEXT NOT NULL,
    seen      TEXT NOT NULL,
    PRIMARY KEY (workspace, owner, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE decision (
    n         INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    at        INTEGER NOT NULL,
    owner     TEXT NOT NULL,
    path      TEXT NOT NULL,
    tool      TEXT NOT NULL,
    code      TEXT NOT NULL,
    text      TEXT NOT NULL
) STRICT;
CREATE INDEX decision_of_workspace ON decision (workspace);

CREATE TABLE change (
    n         INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    at        INTEGER NOT NULL,
    owner     TEXT NOT NULL,
    path      TEXT NOT NULL,
    before    TEXT,
    after     TEXT,
    over      TEXT
) STRICT;
CREATE INDEX change_of_workspace ON change (workspace);

CREATE TABLE blob (
    hash  TEXT NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE bench (
    workspace TEXT PRIMARY KEY,
    saved_at  INTEGER NOT NULL,
    sessions  TEXT NOT NULL,                -- JSON
    layout    TEXT NOT NULL                 -- JSON
) STRICT, WITHOUT ROWID;
