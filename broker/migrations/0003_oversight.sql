-- One row for each cause, however often it is seen. `seq` is that of the log entry that raised it last.
CREATE TABLE alerts (
  key TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  message TEXT NOT NULL,
  seq INTEGER NOT NULL UNIQUE,
  raised_at INTEGER NOT NULL,
  times INTEGER NOT NULL,
  cleared_at INTEGER,
  acked_at INTEGER,
  acked_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX open_alerts ON alerts (seq) WHERE cleared_at IS NULL;

-- When the broker took the database over.
ALTER TABLE meta ADD COLUMN started_at INTEGER NOT NULL DEFAULT 0;

-- What an admin keeps an aspect from, as JSON.
ALTER TABLE aspects ADD COLUMN restraint TEXT;

-- Answers to requests that created nothing with an id of its own. `key` derives from request and sender.
CREATE TABLE answered (
  key BLOB PRIMARY KEY,
  request_sha256 BLOB NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `info` is JSON.
CREATE TABLE gathers (
  id BLOB PRIMARY KEY,
  invoker TEXT NOT NULL,
  open INTEGER NOT NULL,
  info TEXT NOT NULL,
  request_sha256 BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_gathers ON gathers (invoker, id) WHERE open;
