-- Version 6. This file is never edited; a change is a new file with the next number.
--
-- The journal and what agents know spoke of everything in full: each row, and each index over it,
-- repeated paths and names, and hashes put it on a page of its own. They have numbers now. Numbers
-- grow with time, so that what comes together lies together.

-- Workspaces, sessions, owners, names of agents, paths. Few, and never forgotten.
CREATE TABLE name (
    n    INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO name (text)
    SELECT workspace FROM knows UNION SELECT owner FROM knows UNION SELECT path FROM knows
    UNION SELECT workspace FROM changes UNION SELECT session FROM changes
    UNION SELECT owner FROM changes UNION SELECT agent FROM changes UNION SELECT path FROM changes
    UNION SELECT origin FROM changes WHERE origin IS NOT NULL
    UNION SELECT over FROM changes WHERE over IS NOT NULL
    UNION SELECT workspace FROM proposal UNION SELECT session FROM proposal
    UNION SELECT owner FROM proposal UNION SELECT agent FROM proposal
    UNION SELECT path FROM proposal;

-- The hashes of contents, whether they are stored or not. One that nothing names is forgotten by
-- pruning. A hash that is none stays what it is: the row that names it is not understood then,
-- which is not the same as "nothing was there".
CREATE TABLE content (
    n    INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE
) STRICT;
INSERT OR IGNORE INTO content (hash)
    SELECT coalesce(unhex(hash), CAST(hash AS BLOB)) FROM blob ORDER BY rowid;
INSERT OR IGNORE INTO content (hash)
    SELECT coalesce(unhex(hash), CAST(hash AS BLOB)) FROM (
        SELECT before AS hash FROM changes WHERE before IS NOT NULL
        UNION SELECT after FROM changes WHERE after IS NOT NULL
        UNION SELECT hash FROM proposal
        UNION SELECT base FROM proposal WHERE base IS NOT NULL
        UNION SELECT hash FROM knows);

-- `bytes` comes last: whoever looks at the other columns does not read it.
CREATE TABLE blob_6 (
    content INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,               -- when it was last stored
    room    INTEGER NOT NULL,               -- the bytes that it takes
    form    INTEGER NOT NULL,               -- 0: in `bytes`; 1: in a file
    bytes   BLOB NOT NULL
) STRICT;
INSERT OR IGNORE INTO blob_6
    SELECT c.n, b.at, b.room, b.form, b.bytes FROM blob AS b
    JOIN content AS c ON c.hash = coalesce(unhex(b.hash), CAST(b.hash AS BLOB)) ORDER BY b.rowid;
DROP TABLE blob;
ALTER TABLE blob_6 RENAME TO blob;

CREATE TABLE knows_6 (
    workspace INTEGER NOT NULL,
    owner     INTEGER NOT NULL,
    path      INTEGER NOT NULL,
    content   INTEGER NOT NULL,
    seen      TEXT NOT NULL,
    PRIMARY KEY (workspace, owner, path)
) STRICT, WITHOUT ROWID;
INSERT INTO knows_6
    SELECT w.n, o.n, p.n, c.n, k.seen FROM knows AS k
    JOIN name AS w ON w.text = k.workspace
    JOIN name AS o ON o.text = k.owner
    JOIN name AS p ON p.text = k.path
    JOIN content AS c ON c.hash = coalesce(unhex(k.hash), CAST(k.hash AS BLOB));
DROP TABLE knows;
ALTER TABLE knows_6 RENAME TO knows;
CREATE INDEX knows_of_content ON knows (content);

-- A change of a file. `n` is its id, so it is never used again.
CREATE TABLE changes_6 (
    n           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace   INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    session     INTEGER NOT NULL,           -- the owner's; without one `user` or `external`
    owner       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,           -- the owner's name at that time
    turn        INTEGER,
    tool        TEXT NOT NULL,
    path        INTEGER NOT NULL,
    origin      INTEGER,                    -- where it was before a rename
    before      INTEGER,
    before_mode INTEGER,
    after       INTEGER,
    after_mode  INTEGER,
    over        INTEGER,
    reverts     TEXT,                       -- JSON
    serial      INTEGER                     -- of the image in the journal's folder
) STRICT;
INSERT INTO changes_6
    SELECT c.n,
           (SELECT n FROM name WHERE text = c.workspace), c.at,
           (SELECT n FROM name WHERE text = c.session),
           (SELECT n FROM name WHERE text = c.owner),
           (SELECT n FROM name WHERE text = c.agent), c.turn, c.tool,
           (SELECT n FROM name WHERE text = c.path),
           (SELECT n FROM name WHERE text = c.origin),
           (SELECT n FROM content WHERE hash = coalesce(unhex(c.before), CAST(c.before AS BLOB))),
           c.before_mode,
           (SELECT n FROM content WHERE hash = coalesce(unhex(c.after), CAST(c.after AS BLOB))),
           c.after_mode,
           (SELECT n FROM name WHERE text = c.over), c.reverts, c.serial
    FROM changes AS c ORDER BY c.n;
DELETE FROM sqlite_sequence WHERE name = 'changes_6';
INSERT INTO sqlite_sequence SELECT 'changes_6', seq FROM sqlite_sequence WHERE name = 'changes';
DROP TABLE changes;
ALTER TABLE changes_6 RENAME TO changes;
CREATE INDEX changes_of_workspace ON changes (workspace);
CREATE INDEX changes_of_session ON changes (workspace, session);
CREATE INDEX changes_of_turn ON changes (workspace, session, turn) WHERE turn IS NOT NULL;
CREATE INDEX changes_of_path ON changes (workspace, path);
CREATE INDEX changes_of_origin ON changes (workspace, origin) WHERE origin IS NOT NULL;
CREATE INDEX changes_of_time ON changes (workspace, at);
CREATE INDEX changes_before ON changes (before) WHERE before IS NOT NULL;
CREATE INDEX changes_after ON changes (after) WHERE after IS NOT NULL;
CREATE UNIQUE INDEX changes_serial ON changes (workspace, serial) WHERE serial IS NOT NULL;

-- A write that was refused.
CREATE TABLE proposal_6 (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    session   INTEGER NOT NULL,             -- as in `changes`
    owner     INTEGER NOT NULL,
    agent     INTEGER NOT NULL,
    path      INTEGER NOT NULL,
    tool      TEXT NOT NULL,
    code      TEXT NOT NULL,
    content   INTEGER NOT NULL,             -- the proposed text
    base      INTEGER                       -- what was there
) STRICT;
INSERT INTO proposal_6
    SELECT p.n,
           (SELECT n FROM name WHERE text = p.workspace), p.at,
           (SELECT n FROM name WHERE text = p.session),
           (SELECT n FROM name WHERE text = p.owner),
           (SELECT n FROM name WHERE text = p.agent),
           (SELECT n FROM name WHERE text = p.path), p.tool, p.code,
           (SELECT n FROM content WHERE hash = coalesce(unhex(p.hash), CAST(p.hash AS BLOB))),
           (SELECT n FROM content WHERE hash = coalesce(unhex(p.base), CAST(p.base AS BLOB)))
    FROM proposal AS p ORDER BY p.n;
DELETE FROM sqlite_sequence WHERE name = 'proposal_6';
INSERT INTO sqlite_sequence SELECT 'proposal_6', seq FROM sqlite_sequence WHERE name = 'proposal';
DROP TABLE proposal;
ALTER TABLE proposal_6 RENAME TO proposal;
CREATE INDEX proposal_of_workspace ON proposal (workspace);
CREATE INDEX proposal_of_session ON proposal (workspace, session);
CREATE INDEX proposal_of_path ON proposal (workspace, path);
CREATE INDEX proposal_content ON proposal (content);
CREATE INDEX proposal_base ON proposal (base) WHERE base IS NOT NULL;
