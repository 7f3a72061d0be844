-- The latest version of each flow, as JSON; NULL: it was deleted.
CREATE TABLE flows (
  id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  flow TEXT,
  put_by TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `info`, `flow_as_run`, `input` and `output` are JSON; the last three are apart because they may be large.
CREATE TABLE runs (
  id BLOB PRIMARY KEY,
  flow TEXT NOT NULL,
  started_by TEXT NOT NULL,
  open INTEGER NOT NULL,
  ended_at INTEGER,
  info TEXT NOT NULL,
  output TEXT,
  flow_as_run TEXT NOT NULL,
  input TEXT NOT NULL,
  request_sha256 BLOB
) STRICT;
CREATE INDEX open_runs ON runs (id) WHERE open;
CREATE INDEX runs_of_flow ON runs (flow, id);
CREATE INDEX runs_started_by ON runs (started_by, id);

-- Each time that a step of a run is done, as JSON; steps by their places in the flow.
CREATE TABLE run_tasks (
  run BLOB NOT NULL,
  step INTEGER NOT NULL,
  item INTEGER NOT NULL,
  task TEXT NOT NULL,
  PRIMARY KEY (run, step, item)
) STRICT, WITHOUT ROWID;
