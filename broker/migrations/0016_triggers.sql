-- What the team does by itself. `record` is JSON.
CREATE TABLE triggers (
  name TEXT PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What became of each time one was due. `record` is JSON.
CREATE TABLE trigger_slots (
  trigger BLOB NOT NULL,
  no INTEGER NOT NULL,
  open INTEGER NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (trigger, no)
) STRICT, WITHOUT ROWID;
CREATE INDEX open_trigger_slots ON trigger_slots (trigger, no) WHERE open;
