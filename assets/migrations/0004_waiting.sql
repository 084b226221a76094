-- Version 3. This file is never edited; a change is a new file with the next number.

-- Prompts that were given to a session and that its agent has not read yet.
CREATE TABLE waiting (
    session INTEGER PRIMARY KEY REFERENCES session_id (n),
    prompts TEXT NOT NULL                  -- JSON
) STRICT;
