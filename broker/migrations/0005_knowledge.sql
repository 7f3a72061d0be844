-- One row of a topic is current: the newest, which may say that the entry is gone and is then in no index.
ALTER TABLE knowledge ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE knowledge ADD COLUMN current INTEGER NOT NULL DEFAULT 0;
UPDATE knowledge SET current = 1
  WHERE version = (SELECT max(version) FROM knowledge AS k WHERE k.author = knowledge.author AND k.topic = knowledge.topic);
CREATE UNIQUE INDEX current_knowledge ON knowledge (author, topic) WHERE current;

-- Every grant and revocation; the newest row of a kind decides. `author` is whose entries may be read.
CREATE TABLE knowledge_grants (
  no INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  reader TEXT NOT NULL,
  may TEXT NOT NULL,
  author TEXT,
  granted INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL,
  request_sha256 BLOB NOT NULL
) STRICT;
CREATE INDEX knowledge_grants_of ON knowledge_grants (reader, may, author, no);

-- How often a topic was found and recalled.
CREATE TABLE knowledge_usage (
  author TEXT NOT NULL,
  topic TEXT NOT NULL,
  found INTEGER NOT NULL,
  recalled INTEGER NOT NULL,
  last_recalled_at INTEGER,
  PRIMARY KEY (author, topic)
) STRICT, WITHOUT ROWID;
