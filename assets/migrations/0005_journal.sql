-- Version 3: the journal. This file is never edited; a change is a new file with the next number.

-- A change of a file. `n` is its id, so it is never used again.
CREATE TABLE changes (
    n           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace   TEXT NOT NULL,
    at          INTEGER NOT NULL,
    session     TEXT NOT NULL,              -- the owner's; without one `user` or `external`
    owner       TEXT NOT NULL,
    agent       TEXT NOT NULL,              -- the owner's name at that time
    turn        INTEGER,
    tool        TEXT NOT NULL,
    path        TEXT NOT NULL,
    origin      TEXT,                       -- where it was before a rename
    before      TEXT,
    before_mode INTEGER,
    after       TEXT,
    after_mode  INTEGER,
    over        TEXT,
    reverts     TEXT,                       -- JSON
    serial      INTEGER                     -- of the image in the journal's folder
) STRICT;
INSERT INTO changes (n, workspace, at, session, owner, agent, tool, path, before, after, over)
SELECT n, workspace, at,
       CASE instr(owner, '/') WHEN 0 THEN owner ELSE substr(owner, 1, instr(owner, '/') - 1) END,
       owner, owner, '', path, before, after, over
FROM change ORDER BY n;
DROP TABLE change;
CREATE INDEX changes_of_workspace ON changes (workspace);
CREATE INDEX changes_of_session ON changes (workspace, session);
CREATE INDEX changes_of_turn ON changes (workspace, session, turn);
CREATE INDEX changes_of_path ON changes (workspace, path);
CREATE INDEX changes_of_origin ON changes (workspace, origin) WHERE origin IS NOT NULL;
CREATE INDEX changes_of_time ON changes (workspace, at);
CREATE INDEX changes_oldest ON changes (at);
CREATE INDEX changes_before ON changes (before) WHERE before IS NOT NULL;
CREATE INDEX changes_after ON changes (after) WHERE after IS NOT NULL;
CREATE UNIQUE INDEX changes_serial ON changes (workspace, serial) WHERE serial IS NOT NULL;

-- A write that was refused.
CREATE TABLE proposal (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    at        INTEGER NOT NULL,
    session   TEXT NOT NULL,                -- as in `changes`
    owner     TEXT NOT NULL,
    agent     TEXT NOT NULL,
    path      TEXT NOT NULL,
    tool      TEXT NOT NULL,
    code      TEXT NOT NULL,
    hash      TEXT NOT NULL,                -- of the proposed text
    base      TEXT                          -- of what was there
) STRICT;
CREATE INDEX proposal_of_workspace ON proposal (workspace);
CREATE INDEX proposal_of_session ON proposal (workspace, session);
CREATE INDEX proposal_of_path ON proposal (workspace, path);
CREATE INDEX proposal_oldest ON proposal (at);
CREATE INDEX proposal_hash ON proposal (hash);
CREATE INDEX proposal_base ON proposal (base) WHERE base IS NOT NULL;

ALTER TABLE blob ADD COLUMN at INTEGER NOT NULL DEFAULT 0;   -- when it was last stored
ALTER TABLE blob ADD COLUMN room INTEGER NOT NULL DEFAULT 0; -- the bytes that it takes
ALTER TABLE blob ADD COLUMN form INTEGER NOT NULL DEFAULT 0; -- 0: in `bytes`; 1: in a file
UPDATE blob SET at = CAST(unixepoch('subsec') * 1000 AS INTEGER), room = length(bytes);
CREATE INDEX blob_room ON blob (at, room, hash);
CREATE INDEX knows_of_hash ON knows (hash);
