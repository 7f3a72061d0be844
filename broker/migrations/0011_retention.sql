-- Of the entries of the log up to here, the messages and dispatches they are about may be kept no longer; so of
-- messages with such a `seq`.
ALTER TABLE meta ADD COLUMN contents_floor INTEGER NOT NULL DEFAULT 0;

-- How many messages of a thread are kept no longer, and the `seq` of the last of them.
CREATE TABLE thread_pruned (
  thread INTEGER PRIMARY KEY REFERENCES threads (no),
  messages INTEGER NOT NULL,
  up_to INTEGER NOT NULL
) STRICT;
