-- Messages lie in blocks, in the order of their `seq`, none of them in two: `first` is that of the first in it. A block
-- is what one commit wrote, or a part of that. What is in `body` stands in broker/src/store/sqlite/messages/block.rs.
CREATE TABLE message_blocks (
  first INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;

-- Where each message up to `ids_after` is. Those behind are looked for in their blocks; they are few.
CREATE TABLE message_ids (
  id BLOB PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE meta ADD COLUMN ids_after INTEGER NOT NULL DEFAULT 0;

-- These referred to rows of `messages`. `message` is the `seq` of one.
CREATE TABLE reactions_to (
  message INTEGER NOT NULL,
  emoji TEXT NOT NULL,
  party TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (message, emoji, party)
) STRICT, WITHOUT ROWID;
INSERT INTO reactions_to SELECT message, emoji, party, at FROM reactions;
DROP TABLE reactions;
ALTER TABLE reactions_to RENAME TO reactions;

CREATE TABLE blob_references_by (
  blob INTEGER NOT NULL REFERENCES blobs (no),
  message INTEGER NOT NULL,
  PRIMARY KEY (blob, message)
) STRICT, WITHOUT ROWID;
INSERT INTO blob_references_by SELECT blob, message FROM blob_references;
DROP TABLE blob_references;
ALTER TABLE blob_references_by RENAME TO blob_references;
CREATE INDEX blob_references_of_message ON blob_references (message);
