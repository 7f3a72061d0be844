-- The latest definition of each registry, as JSON; NULL: it was deleted. `changes` counts those of its rows.
CREATE TABLE registries (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  definition TEXT,
  row_count INTEGER NOT NULL,
  row_bytes INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  put_by TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `record` is JSON.
CREATE TABLE registry_rows (
  registry TEXT NOT NULL,
  name TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (registry, name)
) STRICT;

-- Of fields whose values are unique, which row has which value, as JSON.
CREATE TABLE registry_values (
  registry TEXT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (registry, field, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX registry_values_of_row ON registry_values (registry, name);

-- What changes made of rows, the latest of them. `record` is JSON.
CREATE TABLE registry_changes (
  registry TEXT NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (registry, version)
) STRICT;
CREATE INDEX registry_changes_of_row ON registry_changes (registry, name, version);
