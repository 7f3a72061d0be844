-- A message is its own entry of the log: `hash` goes on from the entry before, over what `log` has in columns of its own
-- and over the content. It has a row in `log` only when its `seq` is not after `entries_after`, or when it is kept no
-- longer and its entry is.
ALTER TABLE messages ADD COLUMN hash BLOB;
ALTER TABLE meta ADD COLUMN entries_after INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET entries_after = coalesce((SELECT max(seq) FROM log), 0);
