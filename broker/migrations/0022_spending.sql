-- What was said about spending for one day; `record` is JSON.
CREATE TABLE spending_day (
  id INTEGER PRIMARY KEY CHECK (id = 0),
  record TEXT NOT NULL
) STRICT;
