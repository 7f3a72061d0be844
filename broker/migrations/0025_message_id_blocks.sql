-- Ids lie in blocks, in their order: none in `body` is smaller than `first`, or as large as `first` of the next. What
-- is in `body` stands in broker/src/store/sqlite/messages/id_blocks.rs. The step after this fills them.
DROP TABLE message_ids;
CREATE TABLE message_id_blocks (
  no INTEGER PRIMARY KEY,
  first BLOB NOT NULL UNIQUE,
  body BLOB NOT NULL
) STRICT;
