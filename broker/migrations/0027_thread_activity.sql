-- Who takes part in which threads, by when they last changed; party '' stands for everybody. `era` is `last_seq` / 4096:
-- it changes so seldom that a message hardly ever writes a page of this.
CREATE TABLE thread_activity (
  party TEXT NOT NULL,
  era INTEGER NOT NULL,
  thread INTEGER NOT NULL REFERENCES threads (no),
  PRIMARY KEY (party, era, thread)
) STRICT, WITHOUT ROWID;

WITH RECURSIVE takes_part (thread, party, rest) AS (
  SELECT no, '', participants || ' ' FROM threads
  UNION ALL
  SELECT thread, substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1)
  FROM takes_part WHERE rest <> ''
)
INSERT OR IGNORE INTO thread_activity (party, era, thread)
SELECT party, last_seq >> 12, thread FROM takes_part JOIN thread_states USING (thread);
