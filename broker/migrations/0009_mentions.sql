-- What names which blobs without attaching them: dispatches (kind 0) and versions of knowledge (kind 1), by their ids.
CREATE TABLE blob_mentions (
  blob INTEGER NOT NULL REFERENCES blobs (no),
  kind INTEGER NOT NULL,
  id BLOB NOT NULL,
  PRIMARY KEY (blob, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_mentions_of ON blob_mentions (kind, id);
