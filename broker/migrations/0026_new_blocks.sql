-- Blocks in the order in which they became full. Many at once are moved to `inbox_blocks` and `thread_blocks`: there each
-- inbox and each thread has pages of its own, so that a commit would write one for every block.
CREATE TABLE new_inbox_blocks (
  no INTEGER PRIMARY KEY,
  aspect INTEGER NOT NULL REFERENCES aspects (no),
  block INTEGER NOT NULL,
  refs BLOB NOT NULL
) STRICT;

CREATE TABLE new_thread_blocks (
  no INTEGER PRIMARY KEY,
  thread INTEGER NOT NULL REFERENCES threads (no),
  first INTEGER NOT NULL,
  seqs BLOB NOT NULL
) STRICT;
