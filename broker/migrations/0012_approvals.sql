-- What aspects ask of people and wait for, as JSON; `open` until it has ended.
CREATE TABLE approvals (
  id BLOB PRIMARY KEY,
  open INTEGER NOT NULL,
  info TEXT NOT NULL,
  request_sha256 BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_open ON approvals (id) WHERE open;
