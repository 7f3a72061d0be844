-- JSON, as it stands in a message.
ALTER TABLE messages ADD COLUMN attachments TEXT;

-- Items that have been put before a model.
CREATE TABLE taken (
  item BLOB NOT NULL,
  aspect INTEGER NOT NULL REFERENCES aspects (no),
  at INTEGER NOT NULL,
  PRIMARY KEY (item, aspect)
) STRICT, WITHOUT ROWID;

-- How far each has read; who never said so has no row.
CREATE TABLE read_positions (
  thread INTEGER NOT NULL REFERENCES threads (no) ON DELETE CASCADE,
  reader TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (thread, reader)
) STRICT, WITHOUT ROWID;

-- `message` is the `seq` of one.
CREATE TABLE reactions (
  message INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
  emoji TEXT NOT NULL,
  party TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (message, emoji, party)
) STRICT, WITHOUT ROWID;
