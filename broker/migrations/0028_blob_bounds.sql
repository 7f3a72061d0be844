-- The thread of the message, so that who may have a blob is found without reading messages.
ALTER TABLE blob_references ADD COLUMN thread INTEGER REFERENCES threads (no);
CREATE INDEX blob_references_of_thread ON blob_references (blob, thread);

-- Bytes on the quota of each owner, and '' of all blobs together.
CREATE TABLE blob_usage (
  owner TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO blob_usage (owner, bytes) SELECT '', coalesce(sum(bytes), 0) FROM blobs;
WITH RECURSIVE owned (bytes, owner, rest) AS (
  SELECT bytes, '', owners || ' ' FROM blobs
  UNION ALL
  SELECT bytes, substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1)
  FROM owned WHERE rest <> ''
)
INSERT INTO blob_usage (owner, bytes) SELECT owner, sum(bytes) FROM owned WHERE owner <> '' GROUP BY owner;
