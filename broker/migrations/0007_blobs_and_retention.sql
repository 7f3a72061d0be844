-- "Nexu": tells a database of ours from any other SQLite file.
PRAGMA application_id = 1315272821;

-- The bytes of each are in a file of their own. `owners` are parties, separated by spaces.
CREATE TABLE blobs (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  sha256 BLOB NOT NULL UNIQUE,
  bytes INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  name TEXT,
  at INTEGER NOT NULL,
  owners TEXT NOT NULL
) STRICT;

-- Which messages attach which blobs.
CREATE TABLE blob_references (
  blob INTEGER NOT NULL REFERENCES blobs (no),
  message INTEGER NOT NULL REFERENCES messages (seq),
  PRIMARY KEY (blob, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_references_of_message ON blob_references (message);

-- Items up to `floor`, a multiple of 64, are not kept any more.
ALTER TABLE inboxes ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;

-- Each stands for the entries of the log up to `seq`, which are not kept any more: the hash the chain goes on from,
-- signed with the key of the Nexus.
CREATE TABLE checkpoints (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  hash BLOB NOT NULL,
  signature TEXT NOT NULL
) STRICT;
