-- The last benches of a workspace, each told from the others by when it was begun.

CREATE TABLE former_bench (
    workspace TEXT NOT NULL,
    begun     INTEGER NOT NULL,
    saved_at  INTEGER NOT NULL,
    sessions  TEXT NOT NULL,                -- JSON
    layout    TEXT NOT NULL,                -- JSON
    PRIMARY KEY (workspace, begun)
) STRICT, WITHOUT ROWID;
INSERT INTO former_bench SELECT workspace, saved_at, saved_at, sessions, layout FROM bench;
DROP TABLE bench;
ALTER TABLE former_bench RENAME TO bench;
