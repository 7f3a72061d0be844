-- Whom a client wants to be told of a task; `record` is JSON, and `sealed` holds the secrets that go along.
CREATE TABLE pushes (
  task BLOB NOT NULL,
  owner TEXT NOT NULL,
  id TEXT NOT NULL,
  record TEXT NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (task, owner, id)
) STRICT, WITHOUT ROWID;
