-- What costs is distinct pages per commit, not rows: whatever grows with every message is appended in one
-- order (messages, log), and whatever belongs to one inbox or thread is gathered in its own row and moved out
-- in blocks of 64. Ids are UUIDs as 16-byte blobs, times are milliseconds since 1970 UTC, parties are text as
-- on the wire, lists of parties are separated by spaces.

CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  -- Time never runs back behind this.
  last_at INTEGER NOT NULL,
  queue_state TEXT
) STRICT;
INSERT INTO meta (one, last_at) VALUES (1, 0);

CREATE TABLE aspects (
  no INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  public_key BLOB NOT NULL,
  key_generation INTEGER NOT NULL,
  share_knowledge INTEGER NOT NULL,
  revoked_at INTEGER,
  created_at INTEGER NOT NULL,
  link BLOB,
  generation INTEGER NOT NULL,
  since INTEGER NOT NULL,
  epoch BLOB NOT NULL,
  profile TEXT NOT NULL
) STRICT;

-- `recent` holds the references of the items after the last full block, as in `inbox_blocks`.
CREATE TABLE inboxes (
  aspect INTEGER PRIMARY KEY REFERENCES aspects (no),
  tail INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  acked_generation INTEGER NOT NULL,
  recent BLOB NOT NULL
) STRICT;

-- Items 64 * block + 1 to 64 * block + 64, as differences (zigzag varints) of references: twice the `seq` of a
-- message, or twice the `no` of a row of `items`, plus one.
CREATE TABLE inbox_blocks (
  aspect INTEGER NOT NULL REFERENCES aspects (no),
  block INTEGER NOT NULL,
  refs BLOB NOT NULL,
  PRIMARY KEY (aspect, block)
) STRICT, WITHOUT ROWID;

-- Inbox items that carry no message.
CREATE TABLE items (
  no INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  json TEXT NOT NULL
) STRICT;

CREATE TABLE closed (
  item BLOB NOT NULL,
  aspect INTEGER NOT NULL REFERENCES aspects (no),
  decision TEXT NOT NULL,
  reason TEXT,
  message BLOB,
  at INTEGER NOT NULL,
  PRIMARY KEY (item, aspect)
) STRICT, WITHOUT ROWID;

CREATE TABLE operators (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  token_sha256 BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE threads (
  no INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  title TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  participants TEXT NOT NULL
) STRICT;

-- The part of a thread that every message changes. `recent` as in `inboxes`, of `seq`s.
CREATE TABLE thread_states (
  thread INTEGER PRIMARY KEY REFERENCES threads (no),
  last_at INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  paused INTEGER NOT NULL,
  agent_run INTEGER NOT NULL,
  same_run INTEGER NOT NULL,
  last_content BLOB NOT NULL,
  recent BLOB NOT NULL
) STRICT;

-- 64 `seq`s from `first` on.
CREATE TABLE thread_blocks (
  thread INTEGER NOT NULL REFERENCES threads (no),
  first INTEGER NOT NULL,
  seqs BLOB NOT NULL,
  PRIMARY KEY (thread, first)
) STRICT, WITHOUT ROWID;

-- `seq` is that of its log entry. `unknown` is JSON.
CREATE TABLE messages (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  thread INTEGER NOT NULL REFERENCES threads (no),
  at INTEGER NOT NULL,
  sender TEXT NOT NULL,
  recipients TEXT NOT NULL,
  reply_to BLOB,
  content TEXT NOT NULL,
  meta TEXT,
  unknown TEXT,
  request_sha256 BLOB NOT NULL
) STRICT;

-- `info` is JSON without input and output, which are large and never rewritten. `queue` is the Hand queue's
-- own state of a dispatch that has not ended.
CREATE TABLE dispatches (
  no INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  invoker TEXT NOT NULL,
  info TEXT NOT NULL,
  queue TEXT,
  timeout_s INTEGER NOT NULL,
  assigned_offset INTEGER NOT NULL,
  wait_request BLOB,
  clamped INTEGER NOT NULL,
  request_sha256 BLOB NOT NULL
) STRICT;
CREATE INDEX open_dispatches ON dispatches (invoker, id) WHERE queue IS NOT NULL;

CREATE TABLE dispatch_inputs (
  dispatch INTEGER PRIMARY KEY REFERENCES dispatches (no),
  input TEXT NOT NULL
) STRICT;
CREATE TABLE dispatch_outputs (
  dispatch INTEGER PRIMARY KEY REFERENCES dispatches (no),
  output TEXT NOT NULL
) STRICT;

-- Every version; the largest of a topic is current and in the index. `embedding` is for vector search.
CREATE TABLE knowledge (
  no INTEGER PRIMARY KEY,
  entry BLOB NOT NULL UNIQUE,
  author TEXT NOT NULL,
  topic TEXT NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  shared INTEGER NOT NULL,
  at INTEGER NOT NULL,
  request_sha256 BLOB NOT NULL,
  embedding BLOB,
  UNIQUE (author, topic, version)
) STRICT;
CREATE VIRTUAL TABLE knowledge_index USING fts5 (
  topic, content, content = 'knowledge', content_rowid = 'no', tokenize = 'porter unicode61'
);

-- The audit trail: each `hash` is over the one before and the row. `subject` is an id or a name.
CREATE TABLE log (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  thread INTEGER REFERENCES threads (no),
  subject ANY NOT NULL,
  detail TEXT,
  content_sha256 BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
